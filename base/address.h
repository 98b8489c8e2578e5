// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

// An IPv4 or IPv6 address and a port, as the socket calls take them. All of it is in network byte
// order; the port stands at the same place in both families.
union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

// 1.2.3.4:9001, [::1]:9001, [fe80::1%eth0]:9001; without a port if `port_optional` (then 0, and
// IPv6 also without brackets). Every byte of `value` is written, so that memcmp() compares two.
// Returns as the functions of base/parse.h do.
int parse_address(
    const char *text, bool port_optional, union socket_address *value, struct parse_error *error);
// The text that parse_address() reads back to the same value, without the port if it is 0. A
// buffer of 64 bytes is large enough. Returns `out`.
char *format_address(char *out, const union socket_address *address);

socklen_t socket_address_len(const union socket_address *address);
// 0.0.0.0 or [::], whatever the port.
bool socket_address_is_any(const union socket_address *address);
// Where other machines reach who listens at `address`: for an unspecified one the source address
// of our default route, else loopback. For hints; sends nothing.
union socket_address socket_address_reachable(const union socket_address *address);
