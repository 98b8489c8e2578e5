// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/lpm.h"

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// rtnetlink messages (linux/rtnetlink.h) that a mirror of routes and neighbours needs: what they
// say, and the requests that ask for them. No I/O.

enum netlink_kind {
	NETLINK_OTHER,
	NETLINK_IS_ROUTE,
	NETLINK_IS_NEIGH,
	NETLINK_IS_LINK,
	NETLINK_IS_RULE
};

struct neigh {
	uint8_t addr[16]; // IPv4-mapped for IPv4
	uint32_t ifindex;
	uint8_t mac[6];
	bool usable; // resolved: packets may be sent to `mac`
	bool stale;  // usable, but nobody has confirmed it lately
};

enum { NETLINK_WAY_MAX = 15 };

struct netlink_event {
	enum netlink_kind kind;
	bool removed;
	bool policy;	    // rule: not one of the kernel's own three
	uint32_t table;	    // route: RT_TABLE_MAIN, RT_TABLE_LOCAL...
	struct route route; // the first of several ways, or the only one
	unsigned way_count; // route: ways beside `route`, each with gateway and ifindex
	struct netlink_way {
		uint8_t gateway[16];
		uint32_t ifindex;
		uint8_t weight;
	} ways[NETLINK_WAY_MAX];
	struct neigh neigh;
	uint32_t ifindex; // link
	bool up;	  // link: administratively and physically
};

// 0; kind is NETLINK_OTHER for what a mirror does not need. -EBADMSG: lengths disagree.
int netlink_parse(const struct nlmsghdr *msg, struct netlink_event *out);

struct netlink_request {
	struct nlmsghdr header;
	uint8_t body[32];
};

// Asks for a dump. `family` AF_INET or AF_INET6; table only for routes.
void netlink_dump_request(struct netlink_request *out, enum netlink_kind kind, uint8_t family,
    uint32_t table, uint32_t sequence);
