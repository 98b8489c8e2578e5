// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"

#include <stddef.h>
#include <sys/types.h>

enum port_kind { PORT_UDP, PORT_TCP };

// Whether `at` can be bound by us alone, also where others share it with SO_REUSEPORT. `option` is
// where it comes from, as "--listen". Returns 0 or a negative errno with a text that names who has
// it and what to do.
int port_probe(const union socket_address *at, enum port_kind kind, const char *option,
    struct parse_error *error);

// The process that has a socket bound to `port` (host byte order); 0 if it cannot be seen.
// `name` receives its command name.
pid_t port_find_owner(enum port_kind kind, unsigned port, char *name, size_t size);
