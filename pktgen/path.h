// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/backend.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// The way between simulated nodes and the relay as headers show it, for backends that make whole
// IPv4 frames: every node has an address and port of its own, behind one station.

enum {
	PATH_HEADERS = 14 + 20 + 8, // Ethernet, IPv4, UDP
	PORTS_PER_ADDRESS = 60000,  // simulated nodes behind one address
	FIRST_PORT = 1024,
};

static_assert((int)PATH_HEADERS <= (int)MESSAGE_HEADROOM, "headers go before what is sent");

struct path {
	union {
		uint8_t headers[PATH_HEADERS]; // what all frames have in common
		struct {
			uint8_t relay_mac[6];
			uint8_t own_mac[6];
		};
	};
	uint32_t relay_addr;	  // network order
	uint16_t relay_port;	  // network order
	uint32_t first_addr;	  // of the simulated nodes, host order
	uint64_t ip_sum, udp_sum; // what these headers add to the checksums
};

// Takes the addresses from the options, and leaves the MACs alone. -EAFNOSUPPORT with a sentence in
// `error` unless IPv4.
int path_init(struct path *p, const struct options *o, char *error);

// Where node i sends from: address and port, both in network order.
void path_node_address(const struct path *p, uint32_t node, uint32_t *addr, uint16_t *port);

// Writes the headers (PATH_HEADERS bytes) before a payload of that length from a node; the UDP
// checksum is computed over the payload.
void path_headers_build(const struct path *p, uint8_t *frame, uint32_t node, size_t payload);

// Finds the payload of a received frame and the node it is for. A frame that comes back with the
// addresses it was sent with has reached its sender. False, as a kernel would drop it: no whole UDP
// datagram, or a wrong checksum.
bool path_message_find(const struct path *p, uint8_t *frame, size_t len, struct message *m);
