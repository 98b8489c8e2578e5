// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/directory.h"
#include "wire/endpoint.h"

#include <stdbool.h>

// Where a node is: what its connection shows, what it says, and what the relay beside us hears. No
// I/O, no state of its own.

struct registry;

struct place {
	// The connection's address with the port that the node says. Of a host whose connection is
	// IPv6 and whose datagrams are IPv4, or the reverse: what it says. Port 0: none.
	struct endpoint at;
	// The address of the same family that it says instead of the connection's, as behind a
	// proxy or with several uplinks. Its datagrams count from there, and others are told of it
	// when the relay hears it there. Port 0: none.
	struct endpoint claim;
};

// From the connection's address and the `listen_addr` of a request.
struct place place_read(const struct endpoint *from, const char *listen);
// A node that has proven its key is there. True if that is news.
bool place_take(struct dir_node *n, const struct place *p);

// The addresses from which datagrams speak for a live node; ports mean nothing. 0: it has none.
enum { PLACE_ANCHORS = 3 };
unsigned place_anchors(const struct dir_node *n, struct endpoint at[PLACE_ANCHORS]);
// May a datagram from this address speak for the node? From the address that its last signed
// request came from, or that it has registered with proof; without any signed request from where it
// registered. *known: the registry can tell.
bool place_is_from(
    const struct registry *r, uint32_t node, const struct endpoint *from, bool *known);
// What others are told: where the relay hears the node, if that is an address of the node's and so
// newer than what was registered (a NAT has chosen another port, the host has moved). Port 0: none.
struct endpoint place_current(const struct registry *r, const struct dir_node *n);
