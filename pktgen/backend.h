// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/options.h"

#include <stddef.h>

// How the generator reaches the relay: UDP sockets, AF_XDP with XDP live frames, or a raw link of
// the data plane (dpdk). Simulated nodes are spread over `sockets` places; node i is at place
// i % sockets.
//
// Threads: one may send while another receives, unless the backend is polled.

enum {
	BATCH = 64,
	MESSAGE_MAX = 65535,
	MESSAGE_HEADROOM = 64, // writable bytes before the data of what is sent
	BACKEND_ERROR_MAX = 256,
};

struct message {
	// UDP payload. send: the caller's. receive: the backend's, until the next call
	uint8_t *data;
	uint32_t len;
	uint32_t place; // it leaves from, or has reached
};

struct backend;

struct pace;
struct traffic;
struct trial;

struct backend_ops {
	// 0, or a negative errno with a sentence for the user in `error` (BACKEND_ERROR_MAX bytes).
	int (*open)(struct backend *b, const struct options *o, char *error);
	// Optional. Gives n messages, at most BATCH, memory for `size` bytes each, to be written in
	// place and sent by the next send. False: the caller's will do.
	bool (*lend)(struct backend *b, struct message *m, unsigned n, uint32_t size);
	// Sends up to BATCH messages in order, all from one place unless the backend is mixed.
	// Returns how many the kernel or the device took.
	unsigned (*send)(struct backend *b, const struct message *m, unsigned n);
	// Waits at most timeout_ms; fills up to `max` messages.
	unsigned (*receive)(struct backend *b, struct message *m, unsigned max, int timeout_ms);
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
	bool mixed;  // the messages of one send may be of several places
	bool polled; // input wakes nobody: one thread sends and receives in turn
	void *priv;
};

extern const struct backend_ops backend_sock;
extern const struct backend_ops backend_xdp;
extern const struct backend_ops backend_dpdk; // refuses in a build without dpdk links
