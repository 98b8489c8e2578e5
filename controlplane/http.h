// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"
#include "wire/endpoint.h"

#include <stddef.h>
#include <uv.h>

// HTTP (libwebsockets on our loop): GET of /metrics, /healthz and /readyz, and /v1/find with an
// embedded registry. Off unless http-listen names an address; it has no authentication and says
// nothing secret.

enum { HTTP_CONNECTIONS_MAX = 64, HTTP_QUERY_MAX = 512 };

struct http_request {
	const char *path;
	const char *query;    // what is behind the ?, decoded; "" if it is too long
	struct endpoint from; // the port says nothing
};

struct lws_context;

// What a path answers.
struct http_answer {
	int status;
	const char *type; // of the content
	char *body;	  // malloc'ed, or NULL
	size_t len;
};

struct http {
	// Fill in before http_open().
	struct http_answer (*answer)(void *ctx, const struct http_request *request);
	void *ctx;

	struct lws_context *context; // NULL: off
	void *loops[1];
};

// Before the filter of system calls: listens on `address`. 0 or a negative errno with a text.
int http_open(struct http *h, uv_loop_t *loop, const union socket_address *address,
    struct parse_error *error);
// The loop has to run until it is empty only before `h` is freed.
void http_close(struct http *h);
