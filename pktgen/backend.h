// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/options.h"

#include <stddef.h>

// How the generator reaches the relay: UDP sockets, or AF_XDP with XDP live frames. Simulated nodes
// are spread over `sockets` places; node i is at place i % sockets.
//
// Threads: one may send while another receives.

enum {
	BATCH = 64,
	MESSAGE_MAX = 65535,
	BACKEND_ERROR_MAX = 256,
};

struct message {
	uint8_t
	    *data; // UDP payload. send: the caller's. receive: the backend's, until the next call
	uint32_t len;
};

struct backend;

struct pace;
struct traffic;
struct trial;

struct backend_ops {
	// 0, or a negative errno with a sentence for the user in `error` (BACKEND_ERROR_MAX bytes).
	int (*open)(struct backend *b, const struct options *o, char *error);
	// Sends up to BATCH messages from one place, in order. Returns how many the kernel took.
	unsigned (*send)(struct backend *b, uint32_t place, const struct message *m, unsigned n);
	// Waits at most timeout_ms; fills up to `max` messages and the place that each reached.
	unsigned (*receive)(
	    struct backend *b, struct message *m, uint32_t *places, unsigned max, int timeout_ms);
	// Optional, all or none: the backend makes the relay messages of random flows itself and
	// checks what comes back. 0 or a negative errno. `blast` returns when the pace is over;
	// another thread may call blast_count meanwhile.
	int (*blast_prepare)(struct backend *b, const struct traffic *t);
	int (*blast)(struct backend *b, const struct pace *p, uint64_t window_ns);
	void (*blast_count)(const struct backend *b, uint64_t *sent, uint64_t *received);
	// Writes what was sent, its check, latency and windows, and ends the trial.
	void (*blast_collect)(struct backend *b, struct trial *t);
	void (*close)(struct backend *b);
};

struct backend {
	const struct backend_ops *ops;
	uint32_t sockets;
	void *priv;
};

extern const struct backend_ops backend_sock;
extern const struct backend_ops backend_xdp;
