// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/peel.h"

#include "shm/node_word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int peel_open(struct peel *p, uint32_t edge_max, const uint32_t hash_key[4])
{
	*p = (struct peel){.hash_key = hash_key, .edge_max = edge_max, .place_count = 64};
	p->value_count = edge_max + edge_max / 2 + PEEL_STAY + 1;
	while (p->place_count < 4 * edge_max)
		p->place_count *= 2;
	p->nodes = calloc(2ULL * edge_max, sizeof(*p->nodes));
	p->edges = calloc(edge_max, sizeof(*p->edges));
	p->neighbours = calloc(2ULL * edge_max, sizeof(*p->neighbours));
	p->places = calloc(p->place_count, sizeof(*p->places));
	p->lists = calloc(p->value_count, sizeof(*p->lists));
	if (p->nodes && p->edges && p->neighbours && p->places && p->lists)
		return 0;
	peel_close(p);
	return -ENOMEM;
}

void peel_close(struct peel *p)
{
	free(p->nodes);
	free(p->edges);
	free(p->neighbours);
	free(p->places);
	free(p->lists);
	*p = (struct peel){.nodes = NULL};
}

void peel_begin(struct peel *p)
{
	p->edge_count = p->node_count = 0;
	memset(p->places, 0, p->place_count * sizeof(*p->places));
}

// Where the id's index is, or belongs.
static uint32_t *place_of(const struct peel *p, uint32_t id)
{
	uint32_t at = node_hash(p->hash_key, id);

	for (;; at++) {
		uint32_t *place = &p->places[at & (p->place_count - 1)];

		if (*place == 0 || p->nodes[*place - 1].id == id)
			return place;
	}
}

struct peel_node *peel_find(const struct peel *p, uint32_t id)
{
	const uint32_t *place = place_of(p, id);

	return *place ? &p->nodes[*place - 1] : NULL;
}

static uint32_t node_index(struct peel *p, uint32_t id)
{
	uint32_t *place = place_of(p, id);

	if (*place == 0) {
		p->nodes[p->node_count++] = (struct peel_node){.id = id};
		*place = p->node_count;
	}
	return *place - 1;
}

void peel_edge(struct peel *p, uint32_t a, uint32_t b)
{
	uint32_t *edge;

	if (p->edge_count >= p->edge_max)
		return;
	edge = p->edges[p->edge_count++];
	edge[0] = node_index(p, a);
	edge[1] = node_index(p, b);
	p->nodes[edge[0]].degree++;
	if (edge[0] != edge[1])
		p->nodes[edge[1]].degree++;
}

// A node that talks to itself has that for as long as it is there, and no neighbour.
static void link_neighbours(struct peel *p)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < p->node_count; i++) {
		at += p->nodes[i].degree;
		p->nodes[i].links = at;
	}
	p->link_count = at;
	for (uint32_t i = 0; i < p->edge_count; i++) {
		uint32_t a = p->edges[i][0], b = p->edges[i][1];

		p->neighbours[--p->nodes[a].links] = b;
		if (a != b)
			p->neighbours[--p->nodes[b].links] = a;
	}
}

static uint32_t value_of(const struct peel_node *n)
{
	return n->holds ? n->degree + n->degree / 2 + PEEL_STAY : n->degree;
}

static void list_add(struct peel *p, struct peel_node *n)
{
	uint32_t value = value_of(n), *first = &p->lists[value];
	uint32_t self = (uint32_t)(n - p->nodes) + 1;

	n->before = 0;
	n->next = *first;
	if (*first)
		p->nodes[*first - 1].before = self;
	*first = self;
	if (value < p->lowest)
		p->lowest = value;
}

static void list_remove(struct peel *p, struct peel_node *n)
{
	if (n->before)
		p->nodes[n->before - 1].next = n->next;
	else
		p->lists[value_of(n)] = n->next;
	if (n->next)
		p->nodes[n->next - 1].before = n->before;
}

// Neighbours of successive nodes follow each other.
static uint32_t links_end(const struct peel *p, const struct peel_node *n)
{
	const struct peel_node *next = n + 1;

	return next < p->nodes + p->node_count ? next->links : p->link_count;
}

static void give_up(struct peel *p, struct peel_node *n)
{
	const uint32_t end = links_end(p, n);

	list_remove(p, n);
	n->kept = false;
	for (uint32_t i = n->links; i < end; i++) {
		struct peel_node *other = &p->nodes[p->neighbours[i]];

		if (!other->kept)
			continue;
		list_remove(p, other);
		other->degree--;
		list_add(p, other);
	}
}

// The value of who goes first. There is one who is left.
static uint32_t lowest_value(struct peel *p)
{
	while (p->lists[p->lowest] == 0)
		p->lowest++;
	return p->lowest;
}

uint32_t peel_run(struct peel *p, uint32_t others, uint32_t room)
{
	uint32_t left = p->node_count;

	link_neighbours(p);
	memset(p->lists, 0, p->value_count * sizeof(*p->lists));
	p->lowest = p->value_count - 1;
	for (uint32_t i = 0; i < p->node_count; i++) {
		p->nodes[i].kept = true;
		list_add(p, &p->nodes[i]);
	}
	while ((uint64_t)left + others > room) {
		if (others && (!left || lowest_value(p) > PEEL_STAY)) {
			others--;
			continue;
		}
		give_up(p, &p->nodes[p->lists[lowest_value(p)] - 1]);
		left--;
	}
	return others;
}
