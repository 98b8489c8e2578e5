// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/random.h"
#include "wire/inet.h"

#include <stdbool.h>
#include <stdint.h>

// Random changes to the frame of a relay message that somebody may read in two ways: lies about
// lengths, fragments, sources that nobody can have, checksums that mean something.

struct frame_change {
	uint8_t offset, size;
	uint8_t bytes[16];
};

// Of IPv4 without options: the IP header begins at byte 14, the UDP header at 34, the message
// at 42.
static const struct frame_change frame_changes4[] = {
    {0, 1, {0xff}},				  // another station
    {12, 2, {0x86, 0xdd}},			  // calls itself IPv6
    {12, 2, {0x81, 0x00}},			  // a tag
    {14, 1, {0x46}},				  // options
    {14, 1, {0x44}},				  // a header of 16 bytes
    {14, 1, {0x65}},				  // version 6
    {15, 1, {0xff}},				  // traffic class
    {16, 2, {0, 0}},				  // total length
    {16, 2, {0, 28}},				  // no message
    {16, 2, {0, 37}},				  // a message as short as can be
    {16, 2, {0xff, 0xff}},			  // more than there is
    {20, 1, {0x20}},				  // more fragments
    {20, 1, {0x40}},				  // do not fragment
    {20, 1, {0x80}},				  // reserved
    {21, 1, {1}},				  // not the first fragment
    {22, 1, {0}},				  // time to live
    {22, 1, {1}}, {23, 1, {6}},			  // TCP
    {24, 2, {0, 0}},				  // header checksum
    {24, 2, {0xff, 0xff}}, {26, 4, {0, 0, 0, 0}}, // source
    {26, 4, {127, 0, 0, 1}}, {26, 4, {224, 0, 0, 1}}, {26, 4, {255, 255, 255, 255}},
    {26, 4, {192, 0, 2, 1}},						       // our own
    {26, 4, {198, 51, 100, 2}},						       // another node's
    {26, 4, {203, 0, 113, 1}},						       // a peer relay's
    {30, 4, {255, 255, 255, 255}},					       // destination
    {34, 2, {0, 0}},							       // source port
    {34, 2, {0x23, 0x29}},						       // ours
    {36, 2, {0, 0}},							       // destination port
    {38, 2, {0, 0}},							       // UDP length
    {38, 2, {0, 8}}, {38, 2, {0, 17}}, {38, 2, {0xff, 0xff}}, {40, 2, {0, 0}}, // UDP checksum
    {40, 2, {0xff, 0xff}}, {42, 1, {0x06}},				       // other messages
    {42, 1, {0x09}}, {42, 1, {0x01}}, {42, 1, {'P'}}, {43, 8, {0, 0, 0, 0, 0, 0, 0, 0}}, // ids
    {43, 4, {0xff, 0xff, 0xff, 0xff}}, {47, 4, {0, 0, 0, 1}}, // to itself
};

// Of IPv6: the UDP header begins at byte 54, the message at 62.
static const struct frame_change frame_changes6[] = {
    {0, 1, {0x33}}, {12, 2, {0x08, 0x00}},		     // calls itself IPv4
    {14, 1, {0x45}}, {14, 1, {0x6f}},			     // traffic class
    {15, 3, {0xff, 0xff, 0xff}},			     // flow label
    {18, 2, {0, 0}},					     // payload length
    {18, 2, {0, 17}}, {18, 2, {0xff, 0xff}}, {20, 1, {0}},   // hop-by-hop options
    {20, 1, {44}},					     // a fragment
    {20, 1, {60}},					     // destination options
    {21, 1, {0}},					     // hop limit
    {21, 1, {1}}, {22, 16, {0}},			     // source
    {22, 16, {[15] = 1}},				     // loopback
    {22, 16, {[10] = 0xff, 0xff, 198, 51, 100, 1}},	     // a node's in disguise
    {22, 16, {[7] = 1}},				     // ::/56, and not ::/64
    {22, 16, {0, 0x64, 0xff, 0x9b, [12] = 198, 51, 100, 1}}, // translated, RFC 6052
    {22, 16, {0xfe, 0x80, [15] = 1}}, {22, 16, {0xfe, 0xc0, [15] = 1}},
    {22, 16, {0xff, 0x02, [15] = 1}}, {22, 16, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, // our own
    {38, 16, {0xff, 0x02, [15] = 1}},						    // destination
    {54, 2, {0, 0}},								    // source port
    {58, 2, {0, 0}},								    // UDP length
    {58, 2, {0, 17}}, {60, 2, {0, 0}},						    // UDP checksum
    {60, 2, {0xff, 0xff}}, {62, 1, {0x06}}, {63, 4, {0, 0, 0, 0}},		    // ids
    {67, 4, {0, 0, 0, 3}},							    // to itself
};

static inline void frame_change_one(uint8_t *frame, uint32_t len, uint64_t *random)
{
	bool v4 = frame[ETH_OFFSET_TYPE] == 0x08;
	size_t count = v4 ? sizeof(frame_changes4) / sizeof(frame_changes4[0])
			  : sizeof(frame_changes6) / sizeof(frame_changes6[0]);
	const struct frame_change *c =
	    (v4 ? frame_changes4 : frame_changes6) + random_below(random, (uint32_t)count);

	if ((uint32_t)c->offset + c->size <= len)
		memcpy(frame + c->offset, c->bytes, c->size);
}

// So that what is behind the checksums is looked at, too. With `partial` the UDP checksum is left
// half done, as by a local sender.
static inline void frame_sums_mend(uint8_t *frame, uint32_t len, bool partial)
{
	struct inet_udp h = {0};
	uint16_t sum;

	if (inet_udp_parse(frame, len, &h) != 0)
		return;
	if (frame[h.l3] >> 4 == 4) {
		sum = ipv4_checksum(frame + h.l3, (size_t)(h.l4 - h.l3));
		memcpy(frame + h.l3 + IPV4_OFFSET_CHECKSUM, &sum, sizeof(sum));
	}
	sum = partial ? csum_fold(inet_udp_pseudo_sum(frame, &h))
		      : udp_checksum(inet_udp_pseudo_sum(frame, &h), frame + h.l4, h.udp_len);
	memcpy(frame + h.l4 + UDP_OFFSET_CHECKSUM, &sum, sizeof(sum));
}
