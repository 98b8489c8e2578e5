// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "tests/unit/stage_lab.h"

// Relay datagrams at one time, one row after the other, while a node may send POLICE_BURST at once:
// how many get through, in the engine's stages and in the XDP program that relays.

enum { POLICE_BURST = 10 };

struct police_fact {
	const char *from;
	uint32_t sender;
	unsigned count, passed;
	bool program; // false: it leaves them to the engine
};

static const struct police_fact police_facts[] = {
    {"198.51.100.66:1", NODE_A, 64, 0, true}, // a spoofer spends nobody's tokens
    {AT_A, NODE_A, 64, POLICE_BURST, true},
    {"198.51.100.1:5999", NODE_A, 4, 0, true}, // another port of the same node
    {AT_B, NODE_B, 8, 8, true}, {AT_B, NODE_B, 8, POLICE_BURST - 8, true},
    {AT_SIX, NODE_SIX, 64, POLICE_BURST, true},
    {AT_PEER, NODE_FAR, 64, 64, false}, // a peer relay speaks for many nodes
};
