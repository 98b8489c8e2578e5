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
	uint32_t source; // place in server.sources
	size_t rest;	 // bytes of `in`, counted in its source too
	struct answer *head, **tail;
	size_t output; // bytes of its answers, the same
	uint32_t answers;
	uint32_t heard_s, stuck_s; // CLOCK_MONOTONIC; stuck_s 0: not
	struct bucket bucket;	   // of requests
	bool more;	   // further requests were received: their answers are written together
	uint8_t verifying; // signatures at work
	bool writing, reading, closing;
	bool forged; // it has sent a wrong signature: its next ones are verified when it is their
		     // turn
	bool dead;   // the handle is closed
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
// Writes the answers that may go out.
void connection_flush(struct connection *c);
// Sends the answer of a call, or queues it.
void connection_answer(struct connection *c, struct call *call);

// How fast it may ask (connection_pace.c). A new connection: false when it is one too many.
bool pace_admits(struct connection *c);
// The next request may be answered, and counts.
bool pace_may_ask(struct connection *c);
// Requests that one of so many bytes takes as long as, beside itself.
uint32_t pace_cost(size_t len);
// What took as long as so many requests.
void pace_count(struct connection *c, uint32_t requests);
// Bytes that it holds now: of a request that is not complete, and of answers.
void pace_keep(struct connection *c, size_t rest, size_t output);
// Incomplete requests are too many, of all or of its address.
bool pace_is_full(const struct connection *c);
// Waits for the next tick, or does not any more.
void pace_enter(struct connection *c);
void pace_leave(struct connection *c);
// Goes on with connections that were to wait for this tick.
void pace_tick(struct server *s);

// Plain bytes of requests.
void connection_input(struct connection *c, const uint8_t *data, size_t len);
// The first answer goes: it was written.
void answer_written(struct connection *c);
// Received bytes under TLS, and the next thing to be sent.
void connection_read_tls(struct connection *c, const uint8_t *data, size_t len);
void connection_flush_tls(struct connection *c, uint64_t committed);

// Queues a call's signature; connection_resume() follows its answer. False: too many wait.
bool verify_start(struct connection *c, struct call *call);
// The same for a request whose turn has not come: its signature will be known then.
void verify_ahead(struct connection *c, const uint8_t *json, size_t len);
// At the end of a turn of the loop: hands the queue to the thread pool.
void verify_submit(struct server *s);
