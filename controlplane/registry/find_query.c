// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/find_query.h"

#include "base/parse.h"
#include "controlplane/registry/call.h"
#include "controlplane/registry/frame.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The source's place among those of this second.
static uint16_t *pace_of(
    struct find_pace *p, const struct registry *r, const struct endpoint *from, uint32_t now_s)
{
	// an IPv6 host has at least 64 bits of addresses to choose from
	size_t len = endpoint_is_v4(from) ? sizeof(from->addr) : sizeof(from->addr) / 2;
	uint64_t h;

	crypto_shorthash((uint8_t *)&h, from->addr, len, r->nodes.secret);
	if (p->second != now_s)
		*p = (struct find_pace){.second = now_s};
	return &p->of[h % FIND_SOURCES];
}

static void pace_charge(struct find_pace *p, uint16_t *asked, uint32_t queries)
{
	p->all += queries;
	*asked = (uint16_t)(*asked + queries);
}

static bool add_number(struct json_out *request, const char *key, const char *text, uint64_t max)
{
	struct parse_error error;
	uint64_t value;

	if (parse_uint(text, 1, max, &value, &error))
		return false;
	out_int(request, key, (int64_t)value);
	return true;
}

// "name=value" into the request, tags alone or all others. False when it is none of ours.
static bool add_argument(struct json_out *request, char *argument, bool tags)
{
	char *value = strchr(argument, '=');

	if (!value)
		return !*argument;
	*value++ = 0;
	if (!strcmp(argument, "tag")) {
		if (tags)
			out_text(request, NULL, value);
		return true;
	}
	if (tags)
		return true;
	if (!strcmp(argument, "network"))
		return add_number(request, "network_id", value, NETWORK_MAX);
	if (!strcmp(argument, "limit"))
		return add_number(request, "limit", value, UINT32_MAX);
	if (strcmp(argument, "after") != 0)
		return false;
	out_text(request, "after", value);
	return true;
}

static bool add_arguments(struct json_out *request, const char *query, bool tags)
{
	char text[FIND_QUERY_MAX], *rest = text, *argument;

	snprintf(text, sizeof(text), "%s", query);
	while ((argument = strsep(&rest, "&")) != NULL)
		if (!add_argument(request, argument, tags))
			return false;
	return true;
}

// The request of the message, or NULL.
static struct request *read_query(const char *query)
{
	struct json_out text = {.limit = (size_t)FIND_QUERY_MAX * 8};
	struct request *request = NULL;

	out_open(&text, NULL, '{');
	out_text(&text, "type", "find");
	out_open(&text, "tags", '[');
	add_arguments(&text, query, true);
	out_close(&text, ']');
	if (strlen(query) < FIND_QUERY_MAX && add_arguments(&text, query, false)) {
		out_close(&text, '}');
		request = text.failed ? NULL : request_parse(text.text, text.len);
	}
	out_free(&text);
	return request;
}

static char *error_body(const char *why)
{
	struct json_out o = {.limit = 512};

	out_open(&o, NULL, '{');
	out_text(&o, "type", "error");
	out_text(&o, "error", why);
	out_close(&o, '}');
	out_bytes(&o, "", 1);
	return o.text;
}

int find_query(struct registry *r, struct find_pace *pace, const char *query,
    const struct endpoint *from, struct registry_time t, char **body)
{
	struct call c = {.from = *from, .t = t};
	uint16_t *asked = pace_of(pace, r, from, t.now_s);
	int status;

	if (pace->all >= FIND_RATE_ALL || *asked >= FIND_RATE) {
		*body = error_body("too many queries: wait a second");
		return 429;
	}
	c.in = read_query(query);
	if (!c.in) {
		pace_charge(pace, asked, 1);
		*body = error_body("invalid query: tag=NAME, network=ID, limit=N, after=NEXT");
		return 400;
	}
	// without a signature there is nothing to wait for
	call_begin(r, &c);
	pace_charge(pace, asked, c.cost / CALL_COST);
	status = c.out.failed ? 503 : c.failed ? 400 : 200;
	*body = status == 503 ? NULL : strndup(c.out.text + FRAME_HEADER, c.out.len - FRAME_HEADER);
	call_free(&c);
	return status;
}
