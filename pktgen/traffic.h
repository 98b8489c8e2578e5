// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/backend.h"
#include "pktgen/options.h"

#include <stddef.h>

// The simulated nodes' flows: who sends to whom, what the frames hold, what came back.
// One thread sends (flows_pick, messages_build), one receives (messages_check); they share no
// field.

struct flow {
	uint32_t sender; // index of a node
	uint32_t dest;
	uint32_t sent;	   // sender: next sequence number
	uint32_t expected; // receiver: highest sequence number seen, plus one
	uint64_t window;   // receiver: bit i = (expected - 1 - i) was seen
	uint64_t received; // receiver: distinct frames
};

// What the receiver found. Counts of frames.
struct check {
	uint64_t received;
	uint64_t bytes;
	uint64_t duplicates;
	uint64_t reordered;
	uint64_t corrupt;   // payload differs from what was sent
	uint64_t misrouted; // reached another node, or names another sender
	uint64_t foreign;   // not ours
};

struct traffic {
	const struct options *o;
	struct flow *flows;
	uint32_t sockets;
	uint32_t *by_socket;	// flows, grouped by the sender's socket
	uint32_t *socket_start; // sockets + 1 offsets into by_socket
	uint64_t random;
};

// Where a node is.
static inline uint32_t traffic_place(const struct traffic *t, uint32_t node)
{
	return node < t->sockets ? node : node % t->sockets;
}

// -ENOMEM when the flows do not fit. `sockets`, at least 1, as the backend spreads nodes: node %
// sockets.
int traffic_init(struct traffic *t, const struct options *o, uint32_t sockets);
void traffic_free(struct traffic *t);
// Sequence numbers from 0 again, for the next trial. No thread may be sending or receiving.
void traffic_restart(struct traffic *t);

// Chooses `want` flows at random, each as many times in a row as trains are long: with senders on
// that socket, or FLOWS_ANYWHERE. Returns how many: 0 when the socket has none.
#define FLOWS_ANYWHERE UINT32_MAX
unsigned flows_pick(struct traffic *t, uint32_t socket, struct flow **list, unsigned want);

// Builds the next relay message (0x05) of each flow in m[].data, which holds 9 + size bytes, and
// fills in the rest of m.
void messages_build(
    struct traffic *t, struct flow *const *list, unsigned n, uint64_t now_ns, struct message *m);

// Checks messages that have reached nodes. For each the time of sending in ns, or 0 when it is none
// of ours or wrong.
void messages_check(
    struct traffic *t, struct check *c, const struct message *m, unsigned n, uint64_t *sent_ns);
