// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/pages.h"

#include "controlplane/cp.h"
#include "controlplane/metrics.h"
#include "controlplane/registry/connection.h"

#include <stdlib.h>
#include <string.h>

static struct http_answer plain(int status, const char *text)
{
	struct http_answer a = {.status = status, .type = "text/plain", .body = strdup(text)};

	a.len = a.body ? strlen(text) : 0;
	return a;
}

static struct http_answer answer_health(struct cp *cp, const struct http_request *request)
{
	(void)cp;
	(void)request;
	return plain(200, "ok\n");
}

static struct http_answer answer_ready(struct cp *cp, const struct http_request *request)
{
	(void)request;
	return cp->attach.up ? plain(200, "ok\n") : plain(503, "no data plane is attached\n");
}

static struct http_answer answer_metrics(struct cp *cp, const struct http_request *request)
{
	struct http_answer a = {.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"};

	(void)request;
	a.body = metrics_text(cp, &a.len);
	return a.body ? a : plain(503, "out of memory\n");
}

static struct http_answer answer_find(struct cp *cp, const struct http_request *request)
{
	struct http_answer a = {.type = "application/json"};

	if (!cp->embedded.on)
		return plain(404, "this relay has no registry of its own\n");
	a.status = find_query(&cp->embedded.registry, &cp->embedded.find_pace, request->query,
	    &request->from, server_time(), &a.body);
	if (!a.body)
		return plain(503, "out of memory\n");
	a.len = strlen(a.body);
	return a;
}

struct http_answer pages_answer(void *ctx, const struct http_request *request)
{
	static const struct {
		const char *path;
		struct http_answer (*answer)(struct cp *cp, const struct http_request *request);
	} pages[] = {{"/healthz", answer_health}, {"/readyz", answer_ready},
	    {"/metrics", answer_metrics}, {"/v1/find", answer_find}};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(request->path, pages[i].path))
			return pages[i].answer(ctx, request);
	return plain(404, "there are /metrics, /healthz, /readyz and /v1/find\n");
}
