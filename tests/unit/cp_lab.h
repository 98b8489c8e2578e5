// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/clock.h"
#include "controlplane/announce.h"
#include "controlplane/endpoints.h"
#include "controlplane/peers.h"
#include "controlplane/punch.h"
#include "shm/node_writer.h"
#include "tests/unit/unit.h"

// The parts of the control plane on a memory of their own, with a clock that the test moves and a
// list of what they sent.

enum { LAB_SENT_MAX = 4096 };

struct lab_datagram {
	struct endpoint to;
	uint8_t local;
	uint32_t len;
	uint8_t *data;
};

struct cp_lab {
	struct memory memory;
	struct node_writer nodes;
	struct peer_writer peer_writer;
	struct cp_stats stats;
	struct endpoints endpoints;
	struct punch punch;
	struct peers peers;
	struct announce announce;
	uint64_t now_ns;
	struct lab_datagram sent[LAB_SENT_MAX];
	unsigned sent_count;
	bool ring_full;	   // sending fails
	bool verify_later; // verification waits for lab_verify()
	struct verify_job job;
	bool job_waits;
};

// 1000 nodes at most; local 0 is 192.0.2.1:9001, local 1 [2001:db8::1]:9001.
struct cp_lab *lab_open(void);
struct cp_lab *lab_open_capacity(uint32_t capacity);
void lab_close(struct cp_lab *lab);
// A control plane killed and started again: everything but the memory is lost.
void lab_restart(struct cp_lab *lab);

struct endpoint lab_endpoint(const char *text);
void lab_local(struct cp_lab *lab, int index, const char *text, bool extra);
// Virtual time passes, in ticks of 100 ms.
void lab_pass(struct cp_lab *lab, uint64_t ms);
// Ends the walk over all nodes that is under way, and does another one.
void lab_walk(struct cp_lab *lab);

struct punt lab_punt(const struct cp_lab *lab, const char *from, const void *data, size_t len);
// A Discover of 5 bytes.
void lab_discover(struct cp_lab *lab, uint32_t node, const char *from);
// A sign of life that a worker saw.
void lab_seen(struct cp_lab *lab, uint32_t node);
// Where a node is stored: text, "" for an unknown, "peer" for a remote one. Static.
const char *lab_where(const struct cp_lab *lab, uint32_t node);
// Runs the verification that waits.
void lab_verify(struct cp_lab *lab);
void lab_sent_clear(struct cp_lab *lab);
