// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/routes.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

// Pause between two dumps of the routes; a table that is too large is looked at rarely.
#define DUMP_PAUSE_NS	       (500 * NS_PER_MS)
#define DUMP_PAUSE_OVERFLOW_NS (60 * NS_PER_S)

static const struct {
	enum netlink_kind kind;
	uint8_t family;
	uint32_t table;
} steps[ROUTES_IDLE] = {
    [ROUTES_RULES_V4] = {NETLINK_IS_RULE, AF_INET, 0},
    [ROUTES_RULES_V6] = {NETLINK_IS_RULE, AF_INET6, 0},
    [ROUTES_MAIN_V4] = {NETLINK_IS_ROUTE, AF_INET, RT_TABLE_MAIN},
    [ROUTES_LOCAL_V4] = {NETLINK_IS_ROUTE, AF_INET, RT_TABLE_LOCAL},
    [ROUTES_MAIN_V6] = {NETLINK_IS_ROUTE, AF_INET6, RT_TABLE_MAIN},
    [ROUTES_LOCAL_V6] = {NETLINK_IS_ROUTE, AF_INET6, RT_TABLE_LOCAL},
    [ROUTES_NEIGHBOURS_V4] = {NETLINK_IS_NEIGH, AF_INET, 0},
    [ROUTES_NEIGHBOURS_V6] = {NETLINK_IS_NEIGH, AF_INET6, 0},
};

int routes_init(struct routes *r, const struct routes_hooks *hooks)
{
	*r = (struct routes){.hooks = *hooks,
	    .table = lpm_new(),
	    .fresh = lpm_new(),
	    .step = ROUTES_IDLE,
	    .routes_dirty = true,
	    .neighbours_dirty = true};
	if (!r->table || !r->fresh) {
		routes_free(r);
		return -ENOMEM;
	}
	neighbours_init(&r->neighbours);
	return 0;
}

void routes_free(struct routes *r)
{
	lpm_free(r->table);
	lpm_free(r->fresh);
	r->table = r->fresh = NULL;
}

static bool is_v4(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(addr, mapped, 12) == 0;
}

static void take_route(struct routes *r, const struct netlink_event *e)
{
	struct route route = e->route;

	if (e->table != steps[r->step].table)
		return;
	if (e->table == RT_TABLE_LOCAL) {
		route.ifindex = 0;
		route.metric = 0;
	}
	if (lpm_add(r->fresh, &route) != 0)
		r->fresh_overflow = true;
	for (unsigned i = 0; i < e->way_count; i++) {
		route.ifindex = e->ways[i].ifindex;
		route.weight = e->ways[i].weight;
		memcpy(route.gateway, e->ways[i].gateway, 16);
		if (lpm_add(r->fresh, &route) != 0)
			r->fresh_overflow = true;
	}
}

static void take_neighbour(struct routes *r, const struct netlink_event *e)
{
	struct neigh n = e->neigh;
	bool changed;

	if (e->removed) {
		n.usable = n.stale = false;
		changed = neighbours_remove(&r->neighbours, n.ifindex, n.addr);
	} else {
		changed = neighbours_put(&r->neighbours, &n);
	}
	if (changed)
		r->hooks.neighbour(r->hooks.ctx, &n);
}

static void neighbour_gone(void *ctx, const struct neigh *n)
{
	struct routes *r = ctx;
	struct neigh gone = *n;

	gone.usable = gone.stale = false;
	r->hooks.neighbour(r->hooks.ctx, &gone);
}

static void report_limits(const struct routes *r)
{
	if (r->fresh_overflow && !r->overflow)
		log_warn("too many routes to mirror, the kernel routes all we send",
		    kv("routes", LPM_ROUTE_MAX));
	for (int v6 = 0; v6 < 2; v6++)
		if (r->fresh_policy[v6] && !r->policy[v6])
			log_warn("policy rules found, the kernel routes all we send",
			    kv("family", v6 ? "ipv6" : "ipv4"));
}

// The last route dump is complete: it becomes the table in use.
static void adopt_fresh(struct routes *r)
{
	struct lpm *old = r->table;
	bool same = r->ready && r->overflow == r->fresh_overflow &&
		    memcmp(r->policy, r->fresh_policy, sizeof(r->policy)) == 0 &&
		    lpm_equal(r->table, r->fresh);

	report_limits(r);
	memcpy(r->policy, r->fresh_policy, sizeof(r->policy));
	r->overflow = r->fresh_overflow;
	r->table = r->fresh;
	r->fresh = old;
	if (!same) {
		log_debug("routes changed", kv("routes", lpm_count(r->table)));
		r->hooks.changed(r->hooks.ctx);
	}
}

static void step_begin(struct routes *r, enum routes_step step)
{
	r->step = step;
	r->asked = false;
	if (step == ROUTES_RULES_V4) {
		lpm_clear(r->fresh);
		r->fresh_overflow = false;
		memset(r->fresh_policy, 0, sizeof(r->fresh_policy));
		r->routes_dirty = false;
	} else if (step == ROUTES_NEIGHBOURS_V4) {
		neighbours_dump_begin(&r->neighbours);
		r->neighbours_dirty = false;
	}
}

static void step_done(struct routes *r)
{
	switch (r->step) {
	case ROUTES_LOCAL_V6:
		adopt_fresh(r);
		if (r->neighbours_dirty)
			step_begin(r, ROUTES_NEIGHBOURS_V4);
		else
			r->step = ROUTES_IDLE;
		break;
	case ROUTES_NEIGHBOURS_V6:
		neighbours_dump_end(&r->neighbours, neighbour_gone, r);
		r->step = ROUTES_IDLE;
		if (!r->ready)
			log_debug("routes and neighbours mirrored",
			    kv("routes", lpm_count(r->table)),
			    kv("neighbours", r->neighbours.count));
		r->ready = true;
		r->hooks.changed(r->hooks.ctx);
		break;
	default:
		step_begin(r, r->step + 1);
		break;
	}
}

static void dump_message(struct routes *r, const struct nlmsghdr *msg)
{
	struct netlink_event e;

	if (r->step == ROUTES_IDLE || msg->nlmsg_seq != r->sequence)
		return;
	// The table changed under the dump.
	if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
		r->routes_dirty = r->neighbours_dirty = true;
	if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR) {
		step_done(r);
		return;
	}
	if (netlink_parse(msg, &e) != 0 || e.kind != steps[r->step].kind)
		return;
	if (e.kind == NETLINK_IS_ROUTE)
		take_route(r, &e);
	else if (e.kind == NETLINK_IS_NEIGH)
		take_neighbour(r, &e);
	else if (e.kind == NETLINK_IS_RULE && e.policy)
		r->fresh_policy[steps[r->step].family == AF_INET6] = true;
}

void routes_message(struct routes *r, const struct nlmsghdr *msg, bool dump)
{
	struct netlink_event e;

	if (dump) {
		dump_message(r, msg);
		return;
	}
	if (netlink_parse(msg, &e) != 0 || e.kind == NETLINK_OTHER)
		return;
	if (e.kind == NETLINK_IS_NEIGH)
		take_neighbour(r, &e);
	else
		r->routes_dirty = true;
}

void routes_lost(struct routes *r)
{
	r->routes_dirty = r->neighbours_dirty = true;
}

bool routes_request(struct routes *r, uint64_t now_ns, struct netlink_request *out)
{
	uint64_t pause = r->overflow ? DUMP_PAUSE_OVERFLOW_NS : DUMP_PAUSE_NS;

	if (r->step == ROUTES_IDLE && r->routes_dirty &&
	    (!r->dumped_ns || now_ns - r->dumped_ns >= pause)) {
		r->dumped_ns = now_ns;
		step_begin(r, ROUTES_RULES_V4);
	}
	if (r->step == ROUTES_IDLE && r->neighbours_dirty)
		step_begin(r, ROUTES_NEIGHBOURS_V4);
	if (r->step == ROUTES_IDLE || r->asked)
		return false;
	netlink_dump_request(
	    out, steps[r->step].kind, steps[r->step].family, steps[r->step].table, ++r->sequence);
	r->asked = true;
	return true;
}

void routes_unsent(struct routes *r)
{
	r->asked = false;
}

const struct route *routes_find(const struct routes *r, const uint8_t addr[16])
{
	const struct route *found;

	if (!r->ready || r->overflow || r->policy[!is_v4(addr)])
		return NULL;
	found = lpm_find(r->table, addr);
	return found && found->ifindex ? found : NULL;
}
