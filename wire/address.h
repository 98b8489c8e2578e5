// SPDX-License-Identifier: BSD-3-Clause
// Pilot addresses: network and node (wire-tunnel.md section 1). Pure functions, any thread.
#pragma once

#include "wire/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
	uint16_t network; // host order
	uint32_t node;	  // host order
};

enum {
	ADDRESS_SIZE = 6, // on the wire

	NODE_NONE = 0, // also what daemons send before they know their id
	NODE_REGISTRY = 1,
	NODE_BEACON = 2,
	NODE_NAMESERVER = 3,
};
#define NODE_BROADCAST 0xffffffffu

// Room for the text forms with their terminating zero: "65535:FFFF.FFFF.FFFF" and ":65535".
enum { ADDRESS_TEXT_MAX = 21, ADDRESS_SOCKET_TEXT_MAX = 27 };

static inline struct address address_load(const uint8_t *p)
{
	return (struct address){.network = load_be16(p), .node = load_be32(p + 2)};
}

static inline void address_store(uint8_t *p, struct address a)
{
	store_be16(p, a.network);
	store_be32(p + 2, a.node);
}

static inline bool address_equal(struct address a, struct address b)
{
	return a.network == b.network && a.node == b.node;
}

// "1:0001.00A3.F291": network in decimal, the same in hex, node. Returns the length or -ENOBUFS.
int address_format(struct address a, char *buf, size_t cap);
// Hex digits in either case. Returns 0 or -EINVAL (out is untouched).
int address_parse(const char *text, struct address *out);

// "1:0001.00A3.F291:1000"
int address_socket_format(struct address a, uint16_t port, char *buf, size_t cap);
int address_socket_parse(const char *text, struct address *out, uint16_t *port);
