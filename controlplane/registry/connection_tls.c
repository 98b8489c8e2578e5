// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/connection.h"

#include <stdlib.h>

// Connections under TLS: answers are encrypted one at a time, when it is their turn.

// What is on its way to the socket.
struct chunk {
	uv_write_t write;
	struct connection *conn;
	bool answers; // is the first answer, which goes then
	uint8_t data[];
};

static void on_sent(uv_write_t *write, int status)
{
	struct chunk *chunk = write->data;
	struct connection *c = chunk->conn;

	c->writing = false;
	c->stuck_s = 0;
	if (!c->closing && status)
		connection_close(c);
	if (!c->closing) {
		if (chunk->answers)
			answer_written(c);
		connection_flush(c);
		connection_resume(c);
	}
	free(chunk);
}

static void send_pending(struct connection *c, bool answers)
{
	size_t size = tls_pending(c->tls);
	struct chunk *chunk;
	uv_buf_t buf;

	if (!size || c->writing || c->closing)
		return;
	chunk = malloc(sizeof(*chunk) + size);
	if (!chunk) {
		connection_close(c);
		return;
	}
	chunk->conn = c;
	chunk->answers = answers;
	chunk->write.data = chunk;
	buf = uv_buf_init((char *)chunk->data, (unsigned)tls_take(c->tls, chunk->data, size));
	c->writing = true;
	c->stuck_s = server_time().now_s;
	if (uv_write(&chunk->write, (uv_stream_t *)&c->tcp, &buf, 1, on_sent)) {
		c->writing = false;
		free(chunk);
		connection_close(c);
	}
}

void connection_flush_tls(struct connection *c, uint64_t committed)
{
	const struct answer *a = c->head;

	if (!a || c->writing || a->ticket > committed) {
		send_pending(c, false);
		return;
	}
	if (tls_write(c->tls, a->data, a->len)) {
		connection_close(c);
		return;
	}
	send_pending(c, true);
}

void connection_read_tls(struct connection *c, const uint8_t *data, size_t len)
{
	struct server *s = c->server;
	ssize_t n = tls_feed(c->tls, data, len) ? -1 : 1;

	while (n > 0 && !c->closing) {
		n = tls_read(c->tls, s->plain, sizeof(s->plain));
		if (n > 0)
			connection_input(c, s->plain, (size_t)n);
	}
	if (!c->closing)
		send_pending(c, false);
	if (n < 0)
		connection_close(c);
}
