// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/link.h"

#include <stdbool.h>
#include <stddef.h>

// The mem links: what a test or benchmark puts in is received, what is sent it takes out. "mem"
// carries Ethernet frames like a NIC, "mem-payload" UDP payloads like the sock link. All functions
// on one queue belong to one thread at a time. The spec is the number of bytes a buffer holds
// ("" = 2048). tx refuses with tx_full when MEM_RING datagrams wait to be taken.

extern const struct link_ops link_mem_payload_ops;

enum { MEM_RING = 1024 };

// Puts a frame (or payload, with where it came from) before the queue. 0, -ENOBUFS (no buffer or
// ring full) or -EMSGSIZE.
int mem_put(struct link *link, unsigned queue, const void *frame, size_t len);
int mem_put_from(struct link *link, unsigned queue, const struct endpoint *src, uint8_t local,
    const void *payload, size_t len);

struct mem_sent {
	const uint8_t *data; // frame or payload; valid until the next mem_take on the queue
	uint32_t len;
	struct endpoint to; // mem-payload only
	uint8_t out_local;  // mem-payload only
};

// Takes the oldest datagram sent. False when there is none.
bool mem_take(struct link *link, unsigned queue, struct mem_sent *out);

// Buffers that are neither free nor waiting in a ring: lent by rx and not given back.
unsigned mem_lent(const struct link *link, unsigned queue);
