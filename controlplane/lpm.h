// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Longest prefix match over the few routes of a relay. IPv4 prefixes are IPv4-mapped: 10.0.0.0/8
// is ::ffff:10.0.0.0/104. One hash probe for each prefix length in use. Control plane thread only.
enum { LPM_ROUTE_MAX = 8192 };

struct route {
	uint8_t prefix[16];  // bits after `length` are zero
	uint8_t gateway[16]; // all zero: on link
	uint32_t ifindex;    // 0: no single way out (unreachable, several next hops, tunnel)
	uint32_t metric;     // lowest wins; of equals one with ifindex 0, else the first added
	uint16_t mtu;	     // IP packet bytes, 0 = the interface's
	uint8_t length;	     // 0 to 128
	uint8_t weight; // one of several ways, of which each address takes one; 0: the only one
};

struct lpm;

// NULL without memory.
struct lpm *lpm_new(void);
void lpm_free(struct lpm *t);
void lpm_clear(struct lpm *t);
// 0 or -ENOSPC. `route` is copied.
int lpm_add(struct lpm *t, const struct route *route);
// The best route for an address, or NULL. Valid until the next change.
const struct route *lpm_find(const struct lpm *t, const uint8_t addr[16]);
unsigned lpm_count(const struct lpm *t);
// True when both hold the same routes.
bool lpm_equal(const struct lpm *a, const struct lpm *b);
