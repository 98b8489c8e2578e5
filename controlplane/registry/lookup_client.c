// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/lookup_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/bytes.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_S = 5, RETRY_S = 5 };

int lookup_client_open(struct lookup_client *c, uv_loop_t *loop)
{
	json_t *token = *c->token ? json_string(c->token) : NULL;
	char *text = json_dumps(token, JSON_ENCODE_ANY);

	snprintf(c->tail, sizeof(c->tail), text ? ",\"admin_token\":%s}" : "}", text);
	free(text);
	json_decref(token);
	c->loop = loop;
	return lookups_open(&c->lookups);
}

// A token that is of no use is said once.
static void look_at_token(struct lookup_client *c)
{
	if (!*c->token || !c->lookups.untold || c->untold)
		return;
	c->untold = true;
	log_warn("the registry does not tell where private nodes are: it is no Fairway, or has "
		 "another token");
}

static void on_closed(uv_handle_t *handle)
{
	struct lookup_client *c = handle->data;

	frame_input_free(&c->in);
	c->open = c->connected = c->writing = c->closing = false;
}

// What was asked for is asked again when somebody wants to know.
static void hang_up(struct lookup_client *c, const char *why)
{
	if (!c->open || c->closing)
		return;
	if (why && !c->failed)
		log_warn("the registry does not answer questions about nodes", kv("reason", why));
	c->failed = why != NULL;
	c->retry_ns = why ? clock_mono_ns() + RETRY_S * NS_PER_S : 0;
	c->count = 0;
	c->closing = true;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void lookup_client_close(struct lookup_client *c)
{
	hang_up(c, NULL);
	lookups_close(&c->lookups);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct lookup_client *c = handle->data;

	(void)size;
	*buf = uv_buf_init((char *)c->buffer, sizeof(c->buffer));
}

static int take_answers(struct lookup_client *c, const uint8_t *data, size_t len)
{
	uint64_t now_ns = clock_mono_ns();
	struct frame_feed feed;
	const uint8_t *json;
	size_t size;
	int rc = frame_feed(&feed, &c->in, data, len);

	while (rc == 0 && (rc = frame_next(&feed, &json, &size)) == 1) {
		if (c->count == 0)
			return -1; // nothing was asked
		c->failed = false;
		lookups_answer(
		    &c->lookups, c->flight[c->first], json, size, (uint32_t)(now_ns / NS_PER_S));
		look_at_token(c);
		c->first = (c->first + 1) % LOOKUP_FLIGHT_MAX;
		c->count--;
		c->busy_ns = now_ns;
		rc = 0;
	}
	return rc ? rc : frame_end(&feed);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct lookup_client *c = stream->data;

	if (n < 0) // an idle connection may end
		hang_up(c, c->count ? uv_strerror((int)n) : NULL);
	else if (take_answers(c, (const uint8_t *)buf->base, (size_t)n) != 0)
		hang_up(c, "it breaks the protocol");
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct lookup_client *c = connect->data;

	if (status)
		hang_up(c, uv_strerror(status));
	else if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read))
		hang_up(c, "cannot read");
	else
		c->connected = true;
}

static void on_written(uv_write_t *write, int status)
{
	struct lookup_client *c = write->data;

	c->writing = false;
	if (status)
		hang_up(c, uv_strerror(status));
}

static void dial(struct lookup_client *c)
{
	if (uv_tcp_init(c->loop, &c->tcp))
		return;
	c->open = true;
	c->count = 0;
	c->tcp.data = c->connect.data = c->write.data = c;
	if (uv_tcp_connect(&c->connect, &c->tcp, &c->at.any, on_connected))
		hang_up(c, "cannot connect");
}

static void ask(struct lookup_client *c, uint64_t now_ns)
{
	size_t len = 0;
	uint32_t node;
	uv_buf_t buf;

	if (c->count == 0)
		c->busy_ns = now_ns;
	for (unsigned i = 0; i < LOOKUP_BATCH && c->count < LOOKUP_FLIGHT_MAX; i++) {
		char *text = (char *)c->request + len + FRAME_HEADER;
		int n;

		node = lookups_next(&c->lookups);
		if (node == 0)
			break;
		n = snprintf(text, LOOKUP_QUESTION_MAX - FRAME_HEADER,
		    "{\"type\":\"lookup\",\"node_id\":%u%s", node, c->tail);
		store_be32(c->request + len, (uint32_t)n);
		len += FRAME_HEADER + (size_t)n;
		c->flight[(c->first + c->count++) % LOOKUP_FLIGHT_MAX] = node;
	}
	if (len == 0)
		return;
	buf = uv_buf_init((char *)c->request, (unsigned)len);
	c->writing = true;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written))
		hang_up(c, "cannot write");
}

void lookup_client_tick(struct lookup_client *c, uint64_t now_ns)
{
	if (!c->open) {
		if (c->lookups.count && now_ns >= c->retry_ns)
			dial(c);
	} else if (c->count && now_ns - c->busy_ns > PATIENCE_S * NS_PER_S) {
		hang_up(c, "no answer");
	} else if (c->connected && !c->writing && !c->closing) {
		ask(c, now_ns);
	}
}
