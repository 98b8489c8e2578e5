// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "tests/unit/stage_lab.h"

// What becomes of a relay datagram in the lab: of the engine's stages, and whether the XDP program
// that relays decides the same by itself.

enum { IP = SENDER_CHECK_IP, FULL = SENDER_CHECK_ENDPOINT, OFF = SENDER_CHECK_OFF };

struct relay_fact {
	const char *from;
	uint32_t sender, dest;
	int check; // enum sender_check
	enum drop drop;
	// without a drop: the message that leaves, its destination and link
	uint8_t type;
	const char *to;
	unsigned link;
	bool program; // false: it leaves that to the engine
};

static const struct relay_fact relay_facts[] = {
    {AT_A, NODE_A, NODE_B, IP, DROP_NONE, 6, AT_B, LAB_RAW, true},
    {AT_A, NODE_A, NODE_A, IP, DROP_NONE, 6, AT_A, LAB_RAW, true},
    {AT_A, NODE_A, NODE_SIX, IP, DROP_NONE, 6, AT_SIX, LAB_RAW, true},
    {AT_SIX, NODE_SIX, NODE_A, IP, DROP_NONE, 6, AT_A, LAB_RAW, true},
    {AT_SIX, NODE_SIX, NODE_SIX, IP, DROP_NONE, 6, AT_SIX, LAB_RAW, true},
    {AT_A, NODE_A, NODE_EX, IP, DROP_NONE, 9, AT_EX, LAB_RAW, true},
    {AT_SIX, NODE_SIX, NODE_EX, IP, DROP_NONE, 9, AT_EX, LAB_RAW, true},
    {AT_A, NODE_A, NODE_TAGGED, IP, DROP_NONE, 6, "198.51.100.7:4007", LAB_RAW, false},
    {AT_A, NODE_A, NODE_COLD, IP, DROP_NONE, 6, "198.51.100.6:4006", LAB_SOCK, false},
    {AT_A, NODE_A, NODE_SHADY, IP, DROP_NONE, 6, "198.51.100.8:4008", LAB_SOCK, false},
    {AT_A, NODE_A, NODE_FAR, IP, DROP_NONE, 5, AT_PEER, LAB_RAW, false},
    {AT_A, NODE_A, NODE_NOBODY, IP, DROP_DEST_UNKNOWN, 0, NULL, 0, true},
    // sender check
    {"198.51.100.1:5999", NODE_A, NODE_B, IP, DROP_NONE, 6, AT_B, LAB_RAW, true},
    {"198.51.100.1:5999", NODE_A, NODE_B, FULL, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {AT_A, NODE_A, NODE_B, FULL, DROP_NONE, 6, AT_B, LAB_RAW, true},
    {AT_OTHER, NODE_A, NODE_B, IP, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {AT_OTHER, NODE_A, NODE_B, FULL, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {AT_OTHER, NODE_A, NODE_B, OFF, DROP_NONE, 6, AT_B, LAB_RAW, true},
    {AT_SIX, NODE_A, NODE_B, IP, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {AT_A, NODE_SIX, NODE_B, IP, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {"[2001:db8:1::4]:4003", NODE_SIX, NODE_B, IP, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {"[2001:db8:1::3]:4999", NODE_SIX, NODE_B, IP, DROP_NONE, 6, AT_B, LAB_RAW, true},
    {"[2001:db8:1::3]:4999", NODE_SIX, NODE_B, FULL, DROP_SENDER_ADDRESS, 0, NULL, 0, true},
    {AT_A, NODE_NOBODY, NODE_B, IP, DROP_SENDER_UNKNOWN, 0, NULL, 0, true},
    {AT_A, NODE_NOBODY, NODE_B, OFF, DROP_NONE, 6, AT_B, LAB_RAW, true},
    {AT_A, NODE_FAR, NODE_B, IP, DROP_SENDER_UNKNOWN, 0, NULL, 0, true},
    {AT_A, NODE_FAR, NODE_B, OFF, DROP_NONE, 6, AT_B, LAB_RAW, true},
    // peer relays: senders are not checked, and nothing goes on to a peer
    {AT_PEER, NODE_FAR, NODE_B, IP, DROP_NONE, 6, AT_B, LAB_RAW, false},
    {AT_PEER, NODE_FAR, NODE_EX, IP, DROP_NONE, 9, AT_EX, LAB_RAW, false},
    {AT_PEER, NODE_NOBODY, NODE_B, FULL, DROP_NONE, 6, AT_B, LAB_RAW, false},
    {AT_PEER, NODE_A, NODE_B, IP, DROP_NONE, 6, AT_B, LAB_RAW, false},
    {AT_PEER, NODE_FAR, NODE_FAR, IP, DROP_SPLIT_HORIZON, 0, NULL, 0, false},
    {AT_PEER, NODE_FAR, NODE_FAR, OFF, DROP_SPLIT_HORIZON, 0, NULL, 0, false},
    {AT_PEER, NODE_FAR, NODE_NOBODY, IP, DROP_DEST_UNKNOWN, 0, NULL, 0, false},
    {"203.0.113.1:9002", NODE_FAR, NODE_B, IP, DROP_SENDER_UNKNOWN, 0, NULL, 0, false},
    {"203.0.113.9:9001", NODE_FAR, NODE_B, IP, DROP_SENDER_UNKNOWN, 0, NULL, 0, false},
    // ids and sources that nobody has
    {AT_A, 0, NODE_B, IP, DROP_NODE_ZERO, 0, NULL, 0, true},
    {AT_A, NODE_A, 0, IP, DROP_NODE_ZERO, 0, NULL, 0, true},
    {"198.51.100.1:0", NODE_A, NODE_B, IP, DROP_SOURCE_INVALID, 0, NULL, 0, true},
    {"0.1.2.3:4001", NODE_A, NODE_B, OFF, DROP_SOURCE_INVALID, 0, NULL, 0, true},
    {"224.0.0.1:4001", NODE_A, NODE_B, OFF, DROP_SOURCE_INVALID, 0, NULL, 0, true},
    {"[ff02::1]:4003", NODE_SIX, NODE_B, OFF, DROP_SOURCE_INVALID, 0, NULL, 0, true},
    {"[::1]:4003", NODE_SIX, NODE_B, OFF, DROP_NONE, 6, AT_B, LAB_RAW, false},
};
