// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/clock.h"
#include "controlplane/nexthops.h"
#include "tests/unit/memory_lab.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

// A kernel made of lists: answers dumps and tells of changes.
struct kernel_route {
	const char *prefix, *gateway; // gateway NULL: on link
	uint8_t length;
	uint32_t ifindex, table;
	uint8_t type;
	uint32_t metric;
};

struct message {
	struct nlmsghdr header;
	uint8_t body[256];
};

struct lab {
	struct message extra; // a route of table main, IPv4, beside those of `kernel`
	struct memory memory;
	struct routes routes;
	struct nexthops *hops;
	const struct kernel_route *kernel;
	unsigned kernel_count;
	bool policy_rule;
	uint64_t now_ns;
	unsigned changes, dumps;
};

// A relay with the usual two networks, one raw link (interface 2), and three addresses of its own.
struct lab *lab_open(void);
void lab_close(struct lab *l);
// Time passes until the mirror asks for nothing more.
void settle(struct lab *l);
// The kernel tells of a neighbour; NUD 0: it is gone. Without a MAC if `mac` is 0.
void neigh_event(struct lab *l, const char *address, uint32_t ifindex, uint16_t nud, uint8_t mac);

void message_begin(struct message *m, uint16_t type, const void *fixed, size_t size);
void message_add(struct message *m, uint16_t type, const void *data, size_t size);
void route_message(struct message *m, const struct kernel_route *r, uint8_t family);

struct endpoint at(const char *text);
uint16_t resolve(struct lab *l, const char *to, uint8_t local);
// The gateway or neighbour that an address is sent to, "" for the companion. Static.
const char *via(struct lab *l, const char *to);
nexthop_word word(const struct lab *l, uint16_t i);
