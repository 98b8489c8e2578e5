// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/admin_api.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

enum {
	PAGE_DEFAULT = 200,
	PAGE_MAX = 1000,
	PAGE_BYTES = 60000, // of one message, the rest is for what stands around the list
};

enum { ALWAYS = 0, NEEDS_DP = 1 };

static const struct {
	const char *name;
	bool needs_dp;
	admin_handler *handle; // or
	admin_report *report;
} requests[] = {
    {"ping", ALWAYS, .report = admin_ping},
    {"version", ALWAYS, .report = admin_version},
    {"status", ALWAYS, .report = admin_status},
    {"stats", NEEDS_DP, .report = admin_stats},
    {"drops", NEEDS_DP, .report = admin_drops},
    {"workers", NEEDS_DP, .report = admin_workers},
    {"nodes", NEEDS_DP, admin_nodes},
    {"node", NEEDS_DP, admin_node},
    {"links", NEEDS_DP, .report = admin_links},
    {"peers", NEEDS_DP, admin_peers},
    {"routes", NEEDS_DP, admin_routes},
    {"settings", ALWAYS, .report = admin_settings},
    {"reload", ALWAYS, admin_reload},
    {"trace", NEEDS_DP, admin_trace},
    {"find", ALWAYS, admin_find},
    {"registry-status", ALWAYS, admin_registry_status},
    {"registry-nodes", ALWAYS, admin_registry_nodes},
    {"registry-networks", ALWAYS, admin_registry_networks},
    {"registry-trust", ALWAYS, admin_registry_trust},
    {"registry-audit", ALWAYS, admin_registry_audit},
    {"registry-backup", ALWAYS, admin_registry_backup},
};

json_t *admin_fail(struct admin_error *err, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->error, sizeof(err->error), format, args);
	va_end(args);
	text_mend(err->error);
	snprintf(err->hint, sizeof(err->hint), "%s", hint);
	return NULL;
}

static json_t *fail_detached(const struct cp *cp, struct admin_error *err)
{
	err->again = true;
	return admin_fail(err,
	    "start fairway-dp, or wait until it is back: it is tried every second",
	    "no data plane is attached (%s)", cp->attach.path);
}

bool admin_number(const json_t *request, const char *key, uint64_t otherwise, uint64_t max,
    uint64_t *out, struct admin_error *err)
{
	const json_t *v = json_object_get(request, key);

	*out = otherwise;
	if (!v)
		return true;
	if (json_is_integer(v) && json_integer_value(v) >= 0 &&
	    (uint64_t)json_integer_value(v) <= max) {
		*out = (uint64_t)json_integer_value(v);
		return true;
	}
	admin_fail(err, "see docs/admin.md", "\"%s\" is no whole number from 0 to %llu", key,
	    (unsigned long long)max);
	return false;
}

bool admin_page_open(
    struct admin_page *page, const json_t *request, uint64_t last, struct admin_error *err)
{
	const json_t *after = json_object_get(request, "after");

	*page = (struct admin_page){0};
	if (!admin_number(request, "limit", PAGE_DEFAULT, UINT32_MAX, &page->limit, err))
		return false;
	if (page->limit > PAGE_MAX || page->limit == 0)
		page->limit = PAGE_MAX;
	if (after && !json_is_null(after)) {
		const char *text = json_string_value(after);

		if (!text || parse_uint(text, 0, last, &page->cursor, NULL)) {
			admin_fail(err, "pass the text that came as \"next\"",
			    "\"after\" is no place in a list");
			return false;
		}
	}
	page->list = json_array();
	return true;
}

bool admin_page_add(struct admin_page *page, json_t *entry)
{
	size_t bytes = json_dumpb(entry, NULL, 0, JSON_COMPACT) + 1;

	if (json_array_size(page->list) >= page->limit || page->bytes + bytes > PAGE_BYTES) {
		json_decref(entry);
		return false;
	}
	page->bytes += bytes;
	json_array_append_new(page->list, entry);
	return true;
}

json_t *admin_page_close(struct admin_page *page, const char *name, bool more, uint64_t next)
{
	json_t *result = json_object();
	char text[24];

	json_object_set_new(result, name, page->list);
	if (more) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)next);
		json_object_set_new(result, "next", json_string(text));
	}
	return result;
}

json_t *admin_endpoint(const struct endpoint *at)
{
	char text[ENDPOINT_TEXT_MAX];

	return endpoint_format(at, text, sizeof(text)) < 0 ? json_null() : json_string(text);
}

json_t *admin_hex(const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * TRACE_CAPTURE_MAX];

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return json_stringn(text, 2 * n);
}

json_t *admin_answer(
    void *ctx, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const char *name = json_string_value(json_object_get(request, "request"));
	struct cp *cp = ctx;

	for (size_t i = 0; name && i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(requests[i].name, name) != 0)
			continue;
		if (requests[i].needs_dp && !cp->attach.up)
			return fail_detached(cp, err);
		if (requests[i].report)
			return requests[i].report(cp);
		return requests[i].handle(cp, client, request, err);
	}
	return admin_fail(err, "the requests are listed in docs/admin.md",
	    "unknown request \"%.64s\"", name ? name : "");
}

void admin_gone(void *ctx, struct admin_client *client)
{
	struct cp *cp = ctx;

	trace_stop(&cp->trace, client);
}
