// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

// Follows one interface and the 802.1Q VLANs on it over rtnetlink, and keeps their entries in the
// egress table. Main thread only; after egress_open no privileges are needed. What cannot be an
// egress (down, no carrier, stacked tags) is left out: its datagrams leave by the companion.

struct egress_watch {
	struct egress *table; // EGRESS_MAX entries in shared memory
	uint32_t ifindex;     // the interface itself
	uint8_t link;	      // index in the data plane's list of links
	int fd;		      // rtnetlink, subscribed to link changes
	bool stale;	      // something changed and was not read yet
	char name[IFNAMSIZ];  // of the interface at the start
	// Of the interface itself, as last seen.
	bool present, enabled; // enabled: administratively up
	bool up;	       // enabled and with carrier
	bool ethernet;	       // frames have Ethernet headers
	bool replaced;	       // not present, and another one that can be used has its name
	uint8_t mac[6];
	uint32_t mtu;
};

// Subscribes and fills in the table. 0 or a negative errno; -ENODEV: no such interface.
int egress_open(struct egress_watch *w, struct egress *table, uint32_t ifindex, uint8_t link);

// Takes in what changed since the last call. True if anything did. Never blocks for long: the
// kernel answers a dump at once.
bool egress_follow(struct egress_watch *w);

// Invalidates this link's entries.
void egress_close(struct egress_watch *w);
