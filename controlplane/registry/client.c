// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "controlplane/registry/object.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Registries list them in any order.
static int compare_beacons(const void *a, const void *b)
{
	const struct client_beacon *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->addr, y->addr);
}

static void take_beacons(struct registry_client *c, const json_t *list)
{
	struct client_beacon next[CLIENT_BEACON_MAX] = {{0}};
	uint32_t count = 0;
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		const char *addr = object_text(v, "addr");
		uint32_t id = object_u32(v, "id");

		if (id == 0 || count == CLIENT_BEACON_MAX || strlen(addr) >= sizeof(next->addr))
			continue;
		next[count].id = id;
		memcpy(next[count++].addr, addr, strlen(addr));
	}
	qsort(next, count, sizeof(next[0]), compare_beacons);
	if (count == c->beacon_count && memcmp(next, c->beacons, sizeof(next)) == 0)
		return;
	memcpy(c->beacons, next, sizeof(next));
	c->beacon_count = count;
	log_info("beacons at the registry", kv("beacons", c->beacon_count));
	if (c->changed)
		c->changed(c->ctx);
}

bool client_answer(struct registry_client *c, const void *json, size_t len)
{
	json_t *o = object_parse(json, len);
	const char *error = object_text(o, "error");

	if (!o)
		snprintf(c->error, sizeof(c->error), "the registry's answer is no JSON object");
	else if (*error)
		snprintf(c->error, sizeof(c->error), "the registry says: %.120s", error);
	else if (json_is_array(json_object_get(o, "beacons")))
		take_beacons(c, json_object_get(o, "beacons"));
	text_mend(c->error);
	json_decref(o);
	return !*c->error;
}

static void on_closed(uv_handle_t *handle)
{
	struct registry_client *c = handle->data;

	frame_input_free(&c->in);
	c->open = c->closing = false;
}

static void end_round(struct registry_client *c, const char *error)
{
	if (!c->open || c->closing)
		return;
	if (error)
		snprintf(c->error, sizeof(c->error), "%s", error);
	if (*c->error)
		log_warn("the registry was not told of this relay",
		    kv("reason", (const char *)c->error));
	c->closing = true;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct registry_client *c = handle->data;

	(void)size;
	*buf = uv_buf_init((char *)c->buffer, sizeof(c->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct registry_client *c = stream->data;
	struct frame_feed feed;
	const uint8_t *json;
	size_t len;
	int rc, next;

	if (n < 0) {
		end_round(c, uv_strerror((int)n));
		return;
	}
	rc = frame_feed(&feed, &c->in, (const uint8_t *)buf->base, (size_t)n);
	while (rc == 0 && c->due && (next = frame_next(&feed, &json, &len)) != 0) {
		rc = next < 0 ? next : client_answer(c, json, len) ? 0 : -EPROTO;
		c->due--;
	}
	if (rc == 0)
		rc = frame_end(&feed);
	if (rc == 0 && c->due == 0) {
		if (!c->answered_ns)
			log_info("announced at the registry", kv("id", c->beacon_id),
			    kv("addr", (const char *)c->addr));
		c->answered_ns = clock_mono_ns();
	}
	if (rc || c->due == 0)
		end_round(c, rc && rc != -EPROTO ? strerror(-rc) : NULL);
}

static size_t add_request(struct registry_client *c, size_t at, const char *json)
{
	size_t len = strlen(json);

	store_be32(c->request + at, (uint32_t)len);
	memcpy(c->request + at + FRAME_HEADER, json, len);
	c->due++;
	return at + FRAME_HEADER + len;
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct registry_client *c = connect->data;
	char json[200];
	size_t len = 0;
	uv_buf_t buf;

	if (status) {
		end_round(c, uv_strerror(status));
		return;
	}
	if (c->beacon_id) {
		snprintf(json, sizeof(json),
		    "{\"type\":\"beacon_register\",\"beacon_id\":%u,\"addr\":\"%s\"}", c->beacon_id,
		    c->addr);
		len = add_request(c, len, json);
	}
	len = add_request(c, len, "{\"type\":\"beacon_list\"}");
	buf = uv_buf_init((char *)c->request, (unsigned)len);
	uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, NULL))
		end_round(c, "cannot write");
}

static void on_timer(uv_timer_t *timer)
{
	struct registry_client *c = timer->data;

	// One period is more than patience asks for.
	if (c->open) {
		end_round(c, "no answer");
		return;
	}
	c->due = 0;
	c->error[0] = 0;
	if (uv_tcp_init(c->loop, &c->tcp))
		return;
	c->open = true;
	c->tcp.data = c->connect.data = c;
	if (uv_tcp_connect(&c->connect, &c->tcp, &c->at.any, on_connected))
		end_round(c, "cannot connect");
}

void client_start(struct registry_client *c, uv_loop_t *loop)
{
	c->loop = loop;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	uv_timer_start(&c->timer, on_timer, 0, CLIENT_PERIOD_S * 1000);
}

void client_stop(struct registry_client *c)
{
	uv_close((uv_handle_t *)&c->timer, NULL);
	end_round(c, NULL);
}
