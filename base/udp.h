// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <stddef.h>
#include <sys/types.h>

// Whether `at` can be bound for UDP by us alone, also where others share it with SO_REUSEPORT.
// Returns 0 or a negative errno with a text that names who has it and what to do.
int udp_probe(const union socket_address *at, struct parse_error *error);

// The process that has a UDP socket bound to `port` (host byte order); 0 if it cannot be seen.
// `name` receives its command name.
pid_t udp_find_owner(unsigned port, char *name, size_t size);

// Our address towards the Internet, for hints: the source address of the default route, else
// loopback. Sends nothing.
void udp_own_address(union socket_address *at);
