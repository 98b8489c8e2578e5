// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"
#include "controlplane/registry/frame.h"
#include "controlplane/registry/lookups.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// Asks an existing registry about nodes (lookup, wire-registry.md 2.A) over one connection, which
// is made when there is something to ask. At most LOOKUP_BATCH questions each 100 ms. Main thread.

enum {
	LOOKUP_BATCH = 20,
	LOOKUP_FLIGHT_MAX = 64, // questions without an answer
	LOOKUP_TOKEN_MAX = 256,
	LOOKUP_QUESTION_MAX = 64 + 2 * LOOKUP_TOKEN_MAX, // bytes of one
};

struct lookup_client {
	union socket_address at;      // fill in before lookup_client_open()
	char token[LOOKUP_TOKEN_MAX]; // the same; the registry's, "" is none
	struct lookups lookups;

	uv_loop_t *loop;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct frame_input in;
	bool open, connected, writing, closing; // of tcp
	bool failed;				// and that was logged
	bool untold;				// and that was logged
	char tail[2 * LOOKUP_TOKEN_MAX];	// what every question ends with
	uint64_t busy_ns;			// since when something is owed to us
	uint64_t retry_ns;
	uint32_t flight[LOOKUP_FLIGHT_MAX]; // nodes asked for, in order
	unsigned first, count;
	uint8_t request[LOOKUP_BATCH * LOOKUP_QUESTION_MAX], buffer[65536];
};

// 0 or -ENOMEM.
int lookup_client_open(struct lookup_client *c, uv_loop_t *loop);
void lookup_client_close(struct lookup_client *c);
// Every 100 ms.
void lookup_client_tick(struct lookup_client *c, uint64_t now_ns);
