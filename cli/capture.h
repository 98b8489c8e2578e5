// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Writes traced datagrams to a pcapng file, with IP and UDP headers made from their addresses.

struct captured {
	uint64_t time_ns; // CLOCK_REALTIME
	union socket_address from, to;
	const uint8_t *payload;
	size_t captured, len; // bytes at payload; bytes on arrival
	const char *comment;  // verdict
};

// Creates `path`. Returns 0 or a negative errno.
int capture_open(FILE **file, const char *path);
int capture_write(FILE *file, const struct captured *datagram);
