// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/http.h"

#include "base/log.h"
#include "base/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096, TIMEOUT_S = 10 };

// Of one connection; zeroed by the library.
struct exchange {
	struct http_answer answer;
	size_t sent;
};

static void exchange_end(struct exchange *x)
{
	free(x->answer.body);
	*x = (struct exchange){.sent = 0};
}

// The library keeps the arguments apart, decoded.
static void read_query(struct lws *wsi, char *query, size_t size)
{
	size_t len = 0;
	int n;

	query[0] = 0;
	for (int i = 0; (n = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i)) > 0; i++) {
		if (len + (size_t)n + 2 > size) {
			query[0] = 0;
			return;
		}
		if (i)
			query[len++] = '&';
		lws_hdr_copy_fragment(
		    wsi, query + len, (int)(size - len), WSI_TOKEN_HTTP_URI_ARGS, i);
		len += (size_t)n;
	}
}

static struct http_answer ask(struct lws *wsi, const char *path)
{
	struct http *h = lws_context_user(lws_get_context(wsi));
	char query[HTTP_QUERY_MAX], from[ENDPOINT_TEXT_MAX];
	struct http_request request = {.path = path, .query = query};

	read_query(wsi, query, sizeof(query));
	lws_get_peer_simple(wsi, from, sizeof(from));
	endpoint_parse(from, 1, &request.from);
	return h->answer(h->ctx, &request);
}

// Headers of the answer. Nonzero closes the connection.
static int begin(struct lws *wsi, struct exchange *x, const char *path)
{
	uint8_t buffer[LWS_PRE + 1024], *start = buffer + LWS_PRE, *at = start;
	uint8_t *end = buffer + sizeof(buffer) - 1;

	exchange_end(x);
	x->answer = ask(wsi, path);
	if (lws_add_http_common_headers(
		wsi, (unsigned)x->answer.status, x->answer.type, x->answer.len, &at, end) ||
	    lws_finalize_write_http_header(wsi, start, &at, end))
		return 1;
	lws_callback_on_writable(wsi);
	return 0;
}

static int go_on(struct lws *wsi, struct exchange *x)
{
	uint8_t buffer[LWS_PRE + CHUNK];
	size_t left = x->answer.len - x->sent, n = left < CHUNK ? left : CHUNK;
	bool last = n == left;

	if (n)
		memcpy(buffer + LWS_PRE, x->answer.body + x->sent, n);
	if (lws_write(wsi, buffer + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return 1;
	x->sent += n;
	if (!last) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	exchange_end(x);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_event(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP:
		return begin(wsi, user, in);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return go_on(wsi, user);
	case LWS_CALLBACK_CLOSED_HTTP:
		if (user)
			exchange_end(user);
		return 0;
	default:
		return lws_callback_http_dummy(wsi, reason, user, in, len);
	}
}

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = on_event, .per_session_data_size = sizeof(struct exchange)},
    {.name = NULL},
};

static void on_log(int level, const char *line)
{
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
	if (level == LLL_ERR)
		log_error("http", kv("reason", (const char *)text));
	else
		log_debug("http", kv("reason", (const char *)text));
}

// The address alone, as the library wants it; "" for all addresses.
static void interface_name(const union socket_address *a, char *out, size_t size)
{
	out[0] = '\0';
	if (socket_address_is_any(a))
		return;
	if (a->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->v4.sin_addr, out, (socklen_t)size);
	else
		inet_ntop(AF_INET6, &a->v6.sin6_addr, out, (socklen_t)size);
}

int http_open(
    struct http *h, uv_loop_t *loop, const union socket_address *address, struct parse_error *error)
{
	char name[INET6_ADDRSTRLEN], text[64];
	struct lws_context_creation_info info = {
	    .protocols = protocols,
	    .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
	    .user = h,
	    .foreign_loops = h->loops,
	    .max_http_header_pool = HTTP_CONNECTIONS_MAX,
	    .fd_limit_per_thread = HTTP_CONNECTIONS_MAX + 16,
	    .timeout_secs = TIMEOUT_S,
	    .keepalive_timeout = TIMEOUT_S,
	    .gid = (gid_t)-1,
	    .uid = (uid_t)-1,
	};
	int rc;

	// the library says that a port is taken, and goes on without it
	rc = port_probe(address, PORT_TCP, "--http-listen", error);
	if (rc)
		return rc;
	lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
	interface_name(address, name, sizeof(name));
	if (address->any.sa_family == AF_INET)
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	info.iface = name[0] ? name : NULL;
	info.port =
	    ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
	h->loops[0] = loop;
	h->context = lws_create_context(&info);
	if (h->context)
		return 0;
	// somebody may have come in between
	rc = port_probe(address, PORT_TCP, "--http-listen", error);
	if (rc)
		return rc;
	parse_error_set(error,
	    "--http-listen: cannot serve on %s, though it is free: see what libwebsockets logged "
	    "before this, as out of memory or of file descriptors",
	    format_address(text, address));
	return -EIO;
}

void http_close(struct http *h)
{
	if (h->context)
		lws_context_destroy(h->context);
	h->context = NULL;
}
