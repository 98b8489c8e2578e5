// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "bench/rig.h"
#include "shm/peer_table.h"

#include <stddef.h>
#include <stdint.h>

// A relay whose every instruction can be foretold: one worker on mem links, NODES nodes, and no
// randomness or clock in it. Hash keys are overwritten with constants while the tables are empty,
// time is an argument. Errors end the program.

enum { LOCAL_V4, LOCAL_V6 };

// Node ids by what the node is.
enum {
	NODES = 100000,
	NODE_V4_FIRST = 1,
	NODE_V6_FIRST = 80001,
	NODE_CARRY_FIRST = 90001,
	NODE_REMOTE_FIRST = 95001,
	NODE_STRANGER_FIRST = NODES + 1, // not in the table
};

struct lab {
	struct rig rig;
	struct peer_writer peers;
	uint64_t now_ns;
};

void lab_open(struct lab *lab);
void lab_close(struct lab *lab);

// Where a node is registered; strangers' endpoints are nobody else's.
struct endpoint lab_endpoint(uint32_t id);
// Puts a payload before the worker as it would come from there: as a frame on RAW, as it is on
// SOCK.
void lab_put(
    struct lab *lab, unsigned link, const struct endpoint *from, const void *payload, size_t len);
// What the worker counted so far as dropped, whatever the reason.
uint64_t lab_drops(const struct lab *lab);
// One turn, a microsecond after the last.
unsigned lab_turn(struct lab *lab);
