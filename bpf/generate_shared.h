// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// The contract between the packet generator's XDP programs and fairway-pktgen.

#include <linux/types.h>

enum {
	GENERATE_FLOWS_MAX = 1 << 20,
	GENERATE_WINDOWS_MAX = 1024, // spans of time that are counted apart
	GENERATE_WORDS_MAX = 176,    // pattern words: frames of at most 16 + 8 * 176 bytes
	GENERATE_HEADERS = 42,	     // Ethernet, IPv4, UDP
	GENERATE_RELAY_HEADER = 9,   // type, sender, destination
	GENERATE_FRAME_HEADER = 16,  // flow, sequence, time of sending
};

// Entry of the array map `flows`. Written by user space before a trial, `sequence` by the program.
struct generate_flow {
	__be32 address; // of the sender, network order
	__be16 port;	// of the sender, network order
	__u16 pad;
	__be32 sender; // node ids, network order
	__be32 dest;
	__u32 sequence; // of the next frame, host order
	__u32 pad2;
};

_Static_assert(sizeof(struct generate_flow) % 8 == 0, "array maps align entries to 8 bytes");
