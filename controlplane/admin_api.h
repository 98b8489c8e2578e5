// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/cp.h"

#include <jansson.h>

// The requests of docs/admin.md. Each handler returns the result, a new reference, or NULL with
// `err` filled in.
typedef json_t *admin_handler(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err);

// One without arguments, that cannot fail.
typedef json_t *admin_report(struct cp *cp);

admin_report admin_ping, admin_version, admin_status, admin_stats, admin_drops, admin_workers,
    admin_links, admin_settings;
admin_handler admin_nodes, admin_node, admin_peers, admin_routes, admin_reload, admin_trace,
    admin_find, admin_registry_status, admin_registry_nodes, admin_registry_networks,
    admin_registry_trust, admin_registry_audit, admin_registry_backup;

// For struct admin, with ctx = struct cp.
json_t *admin_answer(
    void *ctx, struct admin_client *client, const json_t *request, struct admin_error *err);
void admin_gone(void *ctx, struct admin_client *client);

// Fills in err; returns NULL so that handlers can return it.
json_t *admin_fail(struct admin_error *err, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A whole number that a request may carry; false with err filled in when it is none or out of
// range.
bool admin_number(const json_t *request, const char *key, uint64_t otherwise, uint64_t max,
    uint64_t *out, struct admin_error *err);

// A page of a list: `limit` entries behind the text `after`, within one message.
struct admin_page {
	json_t *list;
	uint64_t limit;
	uint64_t cursor; // what `after` said, 0 = from the start
	size_t bytes;
};

// False with err filled in when limit or after make no sense; places go up to `last`. What
// was opened has to be closed.
bool admin_page_open(
    struct admin_page *page, const json_t *request, uint64_t last, struct admin_error *err);
// Takes over `entry`. False when it does not fit any more; it is gone then.
bool admin_page_add(struct admin_page *page, json_t *entry);
// The result: {name: list, "next": text}; next only if more.
json_t *admin_page_close(struct admin_page *page, const char *name, bool more, uint64_t next);

// Text of an endpoint.
json_t *admin_endpoint(const struct endpoint *at);
// Text of at most TRACE_CAPTURE_MAX bytes, two lower-case digits each.
json_t *admin_hex(const uint8_t *bytes, size_t n);
// Totals over all workers.
uint64_t admin_counter(const struct memory *m, enum counter c);
uint64_t admin_drop(const struct memory *m, enum drop d);
uint64_t admin_drops_total(const struct memory *m);
