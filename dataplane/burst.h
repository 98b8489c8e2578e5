// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"
#include "shm/node_word.h"
#include "wire/endpoint.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

// A burst is the unit of work: up to BURST_MAX received datagrams that the stages process
// together. A descriptor points at the bytes where the link received them; nothing is copied.

enum {
	BURST_MAX = 64,
	HEADROOM = 128, // bytes before `data` that every link guarantees to be writable
	TAILROOM = 64,	// bytes after the payload that every link guarantees to be writable
	// On links that are not raw both hold for payloads of up to 32 bytes (what an answer may
	// outgrow); longer ones may have neighbours of the same train around them, so a stage
	// writes within the payload only.
};

enum dgram_flags {
	DGRAM_F_RAW = 1 << 0,	    // the link delivered an Ethernet frame: l2 is set
	DGRAM_F_NO_CSUM = 1 << 1,   // IPv4 sender left the UDP checksum out; stays out
	DGRAM_F_FROM_PEER = 1 << 2, // source is a peer relay
	DGRAM_F_FULL_CSUM =
	    1 << 3,		  // the incremental sum cannot be used: compute it over the payload
	DGRAM_F_PUNT = 1 << 4,	  // answered here, and a copy goes to the control plane
	DGRAM_F_DELIVER = 1 << 5, // relay: goes to a node, not on to a peer relay
	DGRAM_F_ASK = 1 << 6,	  // with DGRAM_F_PUNT: the control plane answers instead
};

// dgram.type of a STUN message; the other values are first bytes (enum beacon_type).
enum { DGRAM_TYPE_STUN = 0xff };

// One datagram. Written by: rx = the link, or classify for raw links; classify; relay.
struct dgram {
	uint8_t *data; // rx: UDP payload. relay moves it to the start of what is sent
	uint8_t *l2;   // rx: Ethernet header of a raw link, else NULL
	uint32_t len;  // rx: payload bytes at `data` (raw links before classify: frame bytes at l2)
	uint8_t verdict; // enum verdict
	uint8_t drop;	 // enum drop
	uint8_t flags;	 // enum dgram_flags
	uint8_t type;	 // classify: enum beacon_type, or DGRAM_TYPE_STUN
	uint32_t sender; // classify: node ids, 0 where the type has none
	uint32_t dest;
	struct endpoint src; // rx: who sent it
	uint8_t link;	     // rx: index of the link
	uint8_t local;	     // rx: local index it was sent to
	union {
		struct {			// relay, discover
			uint32_t nexthop : 14;	// index, 0 = through the companion sock link
			uint32_t out_local : 6; // local index to send from
			uint32_t to_v6 : 1;	// `to` is not IPv4
		};
		uint32_t route; // all three: node_entry_route()
	};
	struct endpoint to;  // relay: where it goes
	uint64_t header_sum; // classify, raw links: of UDP and pseudo header as received, and so
			     // what the payload's own sum makes nothing of (csum_plus); relay adds
			     // to it what it takes from the payload
	uint64_t handle;     // rx: the link's own, for release
	uint8_t out_link;    // encap: index of the link that sends it
	uint8_t punt_class;  // enum punt_class when the verdict is punt, or with DGRAM_F_PUNT
	uint8_t pad[2];
	uint32_t rx_len; // payload bytes on arrival, for trace and counters
};

static_assert(sizeof(struct dgram) <= 128, "two cache lines");
static_assert(offsetof(struct dgram, src) + sizeof(struct endpoint) <= CACHE_LINE,
    "classify and the sender check stay on the first");

static_assert((int)LOCAL_MAX - 1 == NODE_LOCAL_MASK && (int)NEXTHOP_MAX - 1 == NODE_NEXTHOP_MASK,
    "all of them fit dgram.route");

struct burst {
	uint64_t now_ns; // CLOCK_MONOTONIC at reception
	uint16_t count;
	uint8_t link; // all datagrams of a burst come from one link
	alignas(CACHE_LINE) struct dgram d[BURST_MAX];
};

// dgram.route of its parts.
static inline uint32_t dgram_route(uint32_t nexthop, uint32_t local, bool to_v6)
{
	return nexthop | local << ROUTE_LOCAL_SHIFT | (uint32_t)to_v6 << ROUTE_V6_SHIFT;
}

static inline void dgram_drop(struct dgram *d, enum drop why)
{
	d->verdict = VERDICT_DROP;
	d->drop = why;
}
