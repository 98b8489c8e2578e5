// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/audit.h"

#include <endian.h>
#include <stdio.h>

void audit_from(
    struct registry *r, const struct audit *a, const struct endpoint *from, uint32_t now_s)
{
	struct endpoint net = endpoint_network(from);
	struct source *e = sources_of(&r->changers, &net);

	if (e) {
		bucket_drain(&e->bucket, now_s, AUDIT_RATE);
		if (e->bucket.used >= AUDIT_BURST) {
			e->count++;
			r->count[REGISTRY_UNLOGGED]++;
			return;
		}
		e->bucket.used++;
	}
	save_audit(r, a);
}

static void tell(struct registry *r, struct source *e, int64_t unix_s)
{
	bool four = e->net <= UINT32_MAX;
	struct endpoint net = endpoint_from_v4(htobe32((uint32_t)e->net), 0);
	char text[ENDPOINT_TEXT_MAX], details[ENDPOINT_TEXT_MAX + 40];

	if (!four) {
		net = (struct endpoint){0};
		store_be64(net.addr, e->net);
	}
	endpoint_format_addr(&net, text, sizeof(text));
	snprintf(details, sizeof(details), "%u changes from %s/%u", e->count, text, four ? 24 : 48);
	e->count = 0;
	save_audit(r, &(struct audit){.unix_s = unix_s,
			  .action = "audit.left_out",
			  .actor = "fairway",
			  .details = details});
}

void audit_tell(struct registry *r, int64_t unix_s)
{
	for (uint32_t i = 0; i < r->changers.used; i++)
		if (r->changers.at[i].count)
			tell(r, &r->changers.at[i], unix_s);
}

void audit_tick(struct registry *r, struct registry_time t)
{
	if (t.now_s - r->told_s >= AUDIT_TELL_S) {
		r->told_s = t.now_s;
		audit_tell(r, t.unix_s);
	}
	sources_sweep(&r->changers, t.now_s, AUDIT_RATE);
}
