// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"
#include "controlplane/registry/json_out.h"
#include "controlplane/registry/registry.h"
#include "controlplane/registry/sources.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// The registry's TCP server: connections, frames, answers in order, signatures on the thread pool,
// answers held back until the store has them. Main thread.

enum {
	SERVER_PIPELINE_MAX = 64,    // answers that wait on a connection before it is not read
	SERVER_OUTPUT_MAX = 8 << 20, // bytes that a client may leave unread
	SERVER_IDLE_S = 300,	     // silence after which a connection is closed
	SERVER_STUCK_S = 30,	     // time to read an answer
	SERVER_VERIFY_MAX = 32768,   // signatures that wait for the thread pool
	SERVER_RATE = 500,	     // requests a second and connection
	SERVER_BURST = 2000,
	SERVER_REST_MAX = 64 << 20, // bytes of incomplete frames of all connections
	// of an address
	SERVER_SOURCE_RATE = 20000,
	SERVER_SOURCE_BURST = 20000,
	SERVER_SOURCE_REST_MAX = 16 << 20,
	SERVER_SOURCE_OUTPUT_MAX = 64 << 20,
};

struct connection;
struct tls_context;
struct signature_job;

struct server {
	// Fill in before server_listen().
	struct registry *registry;
	uint32_t connection_max;
	uint32_t source_max;	 // of an address; 0: no limit, nor of its requests
	struct tls_context *tls; // NULL: plain

	uv_loop_t *loop;
	int fd;
	uv_tcp_t listener;
	uv_timer_t tick;
	uv_prepare_t prepare;
	uv_async_t committed;
	struct connection *connections; // all
	struct connection *sweep;	// next to be looked at
	// with answers that wait for the store, nearly in the order of their tickets: one that
	// stands behind a later one waits for that
	struct connection *waiting, **waiting_tail;
	uint32_t count;
	struct signature_job *jobs, **jobs_tail; // signatures that wait for the thread pool
	uint32_t queued;			 // number of them
	uint32_t at_work;			 // batches that it has
	uint32_t verifying;			 // signatures of both
	size_t rest_bytes;
	struct sources sources;
	struct json_out out;	  // the answer that is being built
	struct request *spare;	  // the last request, for its memory; or NULL
	uint8_t plain[16384];	  // decrypted
	uint8_t buffer[65536];	  // for reading; nothing is kept in it between two turns
	struct connection *paced; // wait for the next tick
};

// Binds and listens; connections wait until server_start(). May be called with privileges that are
// given up before that. 0 or a negative errno.
int server_listen(struct server *s, const union socket_address *at, struct parse_error *error);
// A registry with a store: starts its thread too.
int server_start(struct server *s, uv_loop_t *loop);
// Closes everything, when the store has what waited. The loop has to run until it is empty only
// before the server and its registry are freed.
void server_stop(struct server *s);
