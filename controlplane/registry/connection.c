// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WRITE_BUFS = 16,
	AHEAD_MAX = 7,
	// Bytes taken while a signature is verified: to stop and start reading costs two system
	// calls, and most clients send nothing meanwhile.
	READ_AHEAD_MAX = 16384,
};

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	(void)size;
	*buf = uv_buf_init((char *)c->server->buffer, sizeof(c->server->buffer));
}

static void wait_leave(struct connection *c)
{
	if (!c->wait_link)
		return;
	*c->wait_link = c->wait_next;
	if (c->wait_next)
		c->wait_next->wait_link = c->wait_link;
	else
		c->server->waiting_tail = c->wait_link;
	c->wait_link = NULL;
}

static void wait_enter(struct connection *c)
{
	struct server *s = c->server;

	if (c->wait_link)
		return;
	c->wait_next = NULL;
	c->wait_link = s->waiting_tail;
	*s->waiting_tail = c;
	s->waiting_tail = &c->wait_next;
}

static void answer_drop(struct connection *c)
{
	struct answer *a = c->head;

	c->head = a->next;
	if (!c->head)
		c->tail = &c->head;
	if (!c->closing)
		pace_keep(c, c->rest, c->output - a->len);
	c->answers--;
	free(a);
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	while (c->head)
		answer_drop(c);
	frame_input_free(&c->in);
	tls_free(c->tls);
	c->tls = NULL;
	c->dead = true;
	if (!c->verifying)
		free(c);
}

void connection_close(struct connection *c)
{
	struct server *s = c->server;

	if (c->closing)
		return;
	c->closing = true;
	wait_leave(c);
	pace_leave(c);
	if (s->sweep == c)
		s->sweep = c->next;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	s->count--;
	pace_keep(c, 0, 0);
	sources_give(&s->sources, &c->from);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void broken(struct connection *c)
{
	c->server->registry->count[REGISTRY_BROKEN]++;
	connection_close(c);
}

void answer_written(struct connection *c)
{
	const struct answer *a = c->head;

	if (a->polled)
		call_delivered(c->server->registry, a->polled, a->polled_seq);
	answer_drop(c);
}

// Counts what the socket took.
static void take_written(struct connection *c, size_t n)
{
	c->stuck_s = 0;
	while (c->head && n) {
		struct answer *a = c->head;
		size_t part = a->len - a->sent < n ? a->len - a->sent : n;

		a->sent += part;
		n -= part;
		if (a->sent < a->len)
			return;
		answer_written(c);
	}
}

static void on_written(uv_write_t *write, int status)
{
	struct connection *c = write->data;

	c->writing = false;
	if (c->closing)
		return;
	if (status) {
		connection_close(c);
		return;
	}
	take_written(c, c->head->len - c->head->sent);
	connection_flush(c);
	connection_resume(c);
}

// The rest of the first answer, when the socket is full.
static void write_later(struct connection *c)
{
	uv_buf_t buf = uv_buf_init(
	    (char *)c->head->data + c->head->sent, (unsigned)(c->head->len - c->head->sent));

	c->write.data = c;
	if (!c->stuck_s)
		c->stuck_s = server_time().now_s;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written))
		connection_close(c);
	else
		c->writing = true;
}

void connection_flush(struct connection *c)
{
	uint64_t committed = store_committed(c->server->registry->store);
	const struct answer *first = c->head;

	if (c->tls && !c->closing)
		connection_flush_tls(c, committed);
	while (!c->tls && !c->closing && !c->writing && c->head && c->head->ticket <= committed) {
		uv_buf_t bufs[WRITE_BUFS];
		unsigned count = 0;
		size_t total = 0;
		int n;

		for (struct answer *a = c->head; a && count < WRITE_BUFS && a->ticket <= committed;
		     a = a->next) {
			bufs[count++] =
			    uv_buf_init((char *)a->data + a->sent, (unsigned)(a->len - a->sent));
			total += a->len - a->sent;
		}
		n = uv_try_write((uv_stream_t *)&c->tcp, bufs, count);
		if (n < 0 && n != UV_EAGAIN) {
			connection_close(c);
			return;
		}
		if (n > 0)
			take_written(c, (size_t)n);
		if (n < 0 || (size_t)n < total)
			write_later(c);
	}
	// the order of the waiting is that of their first answers
	if (c->closing || c->writing || c->head != first)
		wait_leave(c);
	if (!c->closing && !c->writing && c->head)
		wait_enter(c);
}

static void answer_queue(struct connection *c, const struct call *call, size_t sent)
{
	struct answer *a = malloc(sizeof(*a) + call->out.len);

	if (!a) {
		connection_close(c);
		return;
	}
	*a = (struct answer){.ticket = call->ticket,
	    .polled = call->polled,
	    .polled_seq = call->polled_seq,
	    .len = call->out.len,
	    .sent = sent};
	memcpy(a->data, call->out.text, call->out.len);
	*c->tail = a;
	c->tail = &a->next;
	pace_keep(c, c->rest, c->output + a->len);
	c->answers++;
	if (!c->more)
		connection_flush(c);
}

void connection_answer(struct connection *c, struct call *call)
{
	uv_buf_t buf;
	int n = 0;

	if (c->closing)
		return;
	pace_count(c, call->cost);
	if (!c->more && !c->tls && !c->head &&
	    call->ticket <= store_committed(c->server->registry->store)) {
		buf = uv_buf_init(call->out.text, (unsigned)call->out.len);
		n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
		if (n == (int)call->out.len) {
			if (call->polled)
				call_delivered(c->server->registry, call->polled, call->polled_seq);
			return;
		}
	}
	answer_queue(c, call, n > 0 ? (size_t)n : 0);
}

// One request. False when the connection has to wait, or is closed.
static bool ask(struct connection *c, const uint8_t *json, size_t len)
{
	struct server *s = c->server;
	struct call call = {.from = c->from,
	    .t = server_time(),
	    .conn = &c->anchor,
	    .cost = pace_cost(len),
	    .out = s->out};
	enum call_step step;

	call.in = s->spare ? s->spare : request_new();
	s->spare = NULL;
	if (!call.in || request_read(call.in, json, len)) {
		s->spare = call.in;
		broken(c);
		return false;
	}
	step = call_begin(s->registry, &call);
	if (step == CALL_VERIFY) {
		s->out = call.out;
		call.out = (struct json_out){0};
		if (verify_start(c, &call))
			return false;
		call_free(&call);
		connection_close(c);
		return false;
	}
	s->spare = call.in;
	connection_answer(c, &call);
	s->out = call.out;
	return !c->closing;
}

static bool may_go_on(struct connection *c)
{
	if (c->closing || c->verifying || c->answers >= SERVER_PIPELINE_MAX ||
	    c->output >= SERVER_OUTPUT_MAX)
		return false;
	if (c->paced_link)
		return false;
	if (c->server->verifying >= SERVER_VERIFY_MAX || !pace_may_ask(c)) {
		pace_enter(c);
		return false;
	}
	return true;
}

// Requests behind one of which the signature is verified wait for it, but their signatures are
// verified beside it, so that a client that sends several waits once.
static void look_ahead(struct connection *c, struct frame_feed feed)
{
	const uint8_t *json;
	size_t len;

	for (int i = 0; i < AHEAD_MAX && frame_next(&feed, &json, &len) > 0; i++)
		verify_ahead(c, json, len);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void set_reading(struct connection *c, bool on)
{
	if (c->closing || c->reading == on)
		return;
	c->reading = on;
	if (on)
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->tcp);
}

// Requests in the order in which they came. True when it stopped for a full pipeline that has room
// again: nothing else would go on.
static bool serve(struct connection *c, const uint8_t *data, size_t len)
{
	struct frame_feed feed;
	const uint8_t *json;
	bool waits = false;
	int rc = frame_feed(&feed, &c->in, data, len);

	while (rc == 0) {
		size_t used = feed.used, n;
		int got = frame_next(&feed, &json, &n);

		if (got < 0)
			rc = got;
		if (got <= 0)
			break;
		if (!may_go_on(c)) {
			feed.used = used;
			waits = true;
			break;
		}
		// The server's read buffer is not touched meanwhile: nothing here reads.
		c->more = feed.len - feed.used > FRAME_HEADER;
		ask(c, json, n);
		if (c->closing)
			break;
		if (c->verifying && !c->forged)
			look_ahead(c, feed);
	}
	c->more = false;
	if (!c->closing && c->head)
		connection_flush(c);
	if (!rc)
		rc = frame_end(&feed);
	if (c->closing)
		return false;
	pace_keep(c, c->in.len, c->output);
	if (rc || pace_is_full(c)) {
		broken(c);
		return false;
	}
	set_reading(c, !waits || (c->verifying && c->in.len < READ_AHEAD_MAX));
	return waits && !c->verifying && !c->paced_link && !c->head;
}

void connection_input(struct connection *c, const uint8_t *data, size_t len)
{
	while (serve(c, data, len)) {
		data = NULL;
		len = 0;
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;

	if (n < 0) {
		connection_close(c);
		return;
	}
	if (n == 0)
		return;
	c->heard_s = server_time().now_s;
	if (c->tls)
		connection_read_tls(c, (const uint8_t *)buf->base, (size_t)n);
	else
		connection_input(c, (const uint8_t *)buf->base, (size_t)n);
}

void connection_resume(struct connection *c)
{
	bool rests = c->reading && !c->in.len && !c->head;

	if (!c->closing && !c->verifying && !rests)
		connection_input(c, NULL, 0);
}

static void refuse(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	free(c);
}

static int peer_of(const struct connection *c, struct endpoint *from)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	int rc = uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&ss, &len);

	return rc ? rc : endpoint_from_sockaddr((struct sockaddr *)&ss, (socklen_t)len, from);
}

void connection_open(struct server *s)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || uv_tcp_init(s->loop, &c->tcp)) {
		free(c);
		return;
	}
	c->server = s;
	c->tcp.data = c;
	c->tail = &c->head;
	if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp) ||
	    peer_of(c, &c->from) || !pace_admits(c)) {
		s->registry->count[REGISTRY_REFUSED]++;
		uv_close((uv_handle_t *)&c->tcp, refuse);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	c->next = s->connections;
	c->link = &s->connections;
	if (c->next)
		c->next->link = &c->next;
	s->connections = c;
	s->count++;
	s->registry->count[REGISTRY_CONNECTIONS]++;
	c->heard_s = server_time().now_s;
	if (s->tls) {
		c->tls = tls_new(s->tls);
		if (!c->tls) {
			connection_close(c);
			return;
		}
	}
	set_reading(c, true);
}
