// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// The contract between the packet generator's XDP programs `generate` and `capture` and
// fairway-pktgen.

#include <linux/types.h>

enum {
	GENERATE_FLOWS_MAX = 1 << 20, // user space loads the programs with fewer
	GENERATE_WINDOWS_MAX = 1024,  // spans of time that are counted apart
	GENERATE_WORDS_MAX = 176,     // pattern words: frames of at most 16 + 8 * 176 bytes
	GENERATE_HEADERS = 42,	      // Ethernet, IPv4, UDP
	GENERATE_START = 56,	      // headers, rounded up to words
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

// Entry of the array map `checks`: what must come back of a flow. Written by user space before a
// trial, the last two by the program. Apart from `flows`, which another processor writes.
struct generate_check {
	__be32 sender;	// node id, network order
	__be32 address; // where frames must arrive, network order
	__be16 port;
	__u16 pad;
	__u32 expected; // highest sequence number seen, plus one
	__u64 window;	// bit i = (expected - 1 - i) was seen
};

// Frames that came back, by what became of them. As struct check of pktgen/traffic.h.
enum generate_count {
	GENERATE_RECEIVED,
	GENERATE_DUPLICATES,
	GENERATE_REORDERED,
	GENERATE_CORRUPT,
	GENERATE_MISROUTED,
	GENERATE_FOREIGN,
	GENERATE_COUNTS,
};

_Static_assert(sizeof(struct generate_flow) % 8 == 0, "array maps align entries to 8 bytes");
_Static_assert(sizeof(struct generate_check) % 8 == 0, "array maps align entries to 8 bytes");

// Word `position` of the pattern that fills a frame: no frame equals another.
static inline __u64 generate_pattern(__u32 flow, __u32 sequence, __u32 position)
{
	return ((__u64)flow << 32 | sequence) * 0x9E3779B97F4A7C15ULL + position;
}
