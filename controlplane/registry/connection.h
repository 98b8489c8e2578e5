// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/call.h"
#include "controlplane/registry/frame.h"
#include "controlplane/registry/server.h"
#include "controlplane/registry/tls.h"

// Inside of the server: a connection, its answers, its signature at work.

// An answer that could not be written at once.
struct answer {
	struct answer *next;
	uint64_t ticket;
	uint32_t polled; // node whose inbox it empties, 0 = none
	uint64_t polled_seq;
	size_t len, sent;
	uint8_t data[];
};

struct connection {
	uv_tcp_t tcp;
	uv_write_t write;
	struct server *server;
	struct connection *next, **link; // in server.connections
	struct connection *wait_next, **wait_link;
	struct connection *paced_next, **paced_link; // in server.paced
	struct endpoint from;
	struct anchor anchor;
	struct tls *tls; // NULL: plain
	struct frame_input in;
	size_t rest; // bytes of it that server.rest_bytes counts
	struct answer *head, **tail;
	size_t output; // bytes of its answers
	uint32_t answers;
	uint32_t heard_s, stuck_s; // CLOCK_MONOTONIC; stuck_s 0: not
	int32_t tokens;		   // requests that it may make before the next tick
	uint32_t tokens_at;	   // in ticks
	bool more;	   // further requests were received: their answers are written together
	uint8_t verifying; // signatures at work
	bool writing, reading, closing;
	bool dead; // the handle is closed
};

struct signature_job {
	struct signature_job *next;
	struct connection *conn;
	struct call call;
	bool valid;
	bool ahead; // of its turn: only to be remembered
};

struct registry_time server_time(void);
void connection_open(struct server *s);
void connection_close(struct connection *c);
// Goes on with what it has received.
void connection_resume(struct connection *c);
// Goes on with connections that were to wait for this tick.
void connections_unpace(struct server *s);
// Writes the answers that may go out.
void connection_flush(struct connection *c);
// Sends the answer of a call, or queues it.
void connection_answer(struct connection *c, struct call *call);

// Plain bytes of requests.
void connection_input(struct connection *c, const uint8_t *data, size_t len);
// The first answer goes.
void answer_drop(struct connection *c);
// Received bytes under TLS, and the next thing to be sent.
void connection_read_tls(struct connection *c, const uint8_t *data, size_t len);
void connection_flush_tls(struct connection *c, uint64_t committed);

// Queues a call's signature; connection_resume() follows its answer. False: too many wait.
bool verify_start(struct connection *c, struct call *call);
// The same for a request whose turn has not come: its signature will be known then.
void verify_ahead(struct connection *c, const uint8_t *json, size_t len);
// At the end of a turn of the loop: hands the queue to the thread pool.
void verify_submit(struct server *s);
