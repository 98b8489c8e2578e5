// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Which few of many nodes do most of the relaying among themselves? The nodes and what was relayed
// between them are a graph; the densest part of it of a given size is searched by peeling: who
// takes part in the least of what is left goes, and takes that with it, until the rest fits
// (Asahiro, Iwama, Tamaki, Tokuyama 2000). So both ends of a busy pair stay or go together, and a
// node that talks to thousands who do not stay themselves does not stay for it. No I/O, no clock;
// the time is proportional to the edges.

enum {
	// A node that has a place keeps it against any that does not do half as much again, and
	// against so many datagrams: chance must not make nodes change places all the time.
	PEEL_STAY = 4,
};

struct peel_node {
	uint32_t id;
	bool holds; // set by the caller: has a place now
	bool kept;  // result
	// the graph
	uint32_t degree;       // edges to nodes that are left
	uint32_t links;	       // first of its neighbours
	uint32_t before, next; // in the list of those with the same value; 0 = none, else index + 1
};

struct peel {
	const uint32_t *hash_key; // four words, secret: nobody can choose ids that collide
	uint32_t edge_max, edge_count, node_count, link_count;
	struct peel_node *nodes; // 2 * edge_max
	uint32_t (*edges)[2];	 // indexes of nodes
	uint32_t *neighbours;	 // 2 * edge_max
	uint32_t *places;	 // by hash of the id: index + 1
	uint32_t place_count;	 // a power of two
	uint32_t value_count;
	uint32_t *lists; // by value: first node, index + 1
	uint32_t lowest; // no list below this one has nodes
};

// 0 or -ENOMEM. The key stays the caller's.
int peel_open(struct peel *p, uint32_t edge_max, const uint32_t hash_key[4]);
void peel_close(struct peel *p);

// Forgets the graph.
void peel_begin(struct peel *p);
// A datagram between two ids, which are not 0 and may be one. At most edge_max; others are ignored.
void peel_edge(struct peel *p, uint32_t a, uint32_t b);
// The node of an id, or NULL.
struct peel_node *peel_find(const struct peel *p, uint32_t id);
// Chooses: of all nodes, and `others` who hold places without an edge, `room` are kept. Returns how
// many of the others are.
uint32_t peel_run(struct peel *p, uint32_t others, uint32_t room);
