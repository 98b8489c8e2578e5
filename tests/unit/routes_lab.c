// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/routes_lab.h"

#include "base/log.h"

#include <linux/fib_rules.h>

struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, 9001, &e), 0);
	return e;
}

void message_begin(struct message *m, uint16_t type, const void *fixed, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_type = type;
	memcpy(m->body, fixed, size);
	m->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
}

void message_add(struct message *m, uint16_t type, const void *data, size_t size)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	memcpy(RTA_DATA(a), data, size);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static void add_address(struct message *m, uint16_t type, const char *text)
{
	struct endpoint e = at(text);

	if (endpoint_is_v4(&e))
		message_add(m, type, e.addr + 12, 4);
	else
		message_add(m, type, e.addr, 16);
}

void route_message(struct message *m, const struct kernel_route *r, uint8_t family)
{
	struct rtmsg rt = {.rtm_family = family,
	    .rtm_dst_len = r->length,
	    .rtm_table = (uint8_t)r->table,
	    .rtm_type = r->type ? r->type : RTN_UNICAST};

	message_begin(m, RTM_NEWROUTE, &rt, sizeof(rt));
	if (r->length)
		add_address(m, RTA_DST, r->prefix);
	if (r->gateway)
		add_address(m, RTA_GATEWAY, r->gateway);
	message_add(m, RTA_OIF, &r->ifindex, 4);
	message_add(m, RTA_TABLE, &r->table, 4);
	message_add(m, RTA_PRIORITY, &r->metric, 4);
}

static void rule_message(struct message *m, uint8_t family, uint32_t priority, uint32_t table)
{
	struct fib_rule_hdr h = {
	    .family = family, .table = (uint8_t)table, .action = FR_ACT_TO_TBL};

	message_begin(m, RTM_NEWRULE, &h, sizeof(h));
	message_add(m, FRA_PRIORITY, &priority, 4);
	message_add(m, FRA_TABLE, &table, 4);
}

static void answer(struct lab *l, struct message *m, uint32_t sequence)
{
	m->header.nlmsg_seq = sequence;
	routes_message(&l->routes, &m->header, true);
}

static void answer_dump(struct lab *l, const struct netlink_request *q)
{
	struct rtmsg rt;
	struct message m;
	uint32_t table = 0, seq = q->header.nlmsg_seq;

	memcpy(&rt, q->body, sizeof(rt));
	if (q->header.nlmsg_type == RTM_GETROUTE)
		memcpy(&table, q->body + sizeof(rt) + RTA_LENGTH(0), 4);
	for (unsigned i = 0; table && i < l->kernel_count; i++) {
		struct endpoint e = at(l->kernel[i].prefix);

		if (l->kernel[i].table != table || endpoint_is_v4(&e) != (rt.rtm_family == AF_INET))
			continue;
		route_message(&m, &l->kernel[i], rt.rtm_family);
		answer(l, &m, seq);
	}
	if (table == RT_TABLE_MAIN && rt.rtm_family == AF_INET && l->extra.header.nlmsg_len)
		answer(l, &l->extra, seq);
	if (q->header.nlmsg_type == RTM_GETRULE) {
		rule_message(&m, rt.rtm_family, 0, RT_TABLE_LOCAL);
		answer(l, &m, seq);
		rule_message(&m, rt.rtm_family, 32766, RT_TABLE_MAIN);
		answer(l, &m, seq);
		if (l->policy_rule && rt.rtm_family == AF_INET) {
			rule_message(&m, rt.rtm_family, 100, 77);
			answer(l, &m, seq);
		}
	}
	message_begin(&m, NLMSG_DONE, &(int){0}, sizeof(int));
	answer(l, &m, seq);
}

void settle(struct lab *l)
{
	struct netlink_request q;

	for (int i = 0; i < 20; i++) {
		l->now_ns += 100 * NS_PER_MS;
		while (routes_request(&l->routes, l->now_ns, &q)) {
			l->dumps++;
			answer_dump(l, &q);
		}
	}
}

void neigh_event(struct lab *l, const char *address, uint32_t ifindex, uint16_t nud, uint8_t mac)
{
	struct endpoint e = at(address);
	struct ndmsg n = {.ndm_family = endpoint_is_v4(&e) ? AF_INET : AF_INET6,
	    .ndm_ifindex = (int)ifindex,
	    .ndm_state = nud};
	uint8_t lladdr[6] = {2, 0, 0, 0, 0, mac};
	struct message m;

	message_begin(&m, nud ? RTM_NEWNEIGH : RTM_DELNEIGH, &n, sizeof(n));
	add_address(&m, NDA_DST, address);
	if (mac)
		message_add(&m, NDA_LLADDR, lladdr, sizeof(lladdr));
	routes_message(&l->routes, &m.header, false);
}

static void on_neighbour(void *ctx, const struct neigh *n)
{
	nexthops_neighbour(((struct lab *)ctx)->hops, n);
}

static void on_changed(void *ctx)
{
	((struct lab *)ctx)->changes++;
}

static const struct kernel_route usual[] = {
    {"0.0.0.0", "10.0.0.254", 0, 2, RT_TABLE_MAIN, 0, 100},
    {"0.0.0.0", "10.0.0.253", 0, 2, RT_TABLE_MAIN, 0, 200},
    {"10.0.0.0", NULL, 24, 2, RT_TABLE_MAIN, 0, 0},
    {"10.7.0.0", "10.0.0.7", 16, 3, RT_TABLE_MAIN, 0, 0}, // no raw link there
    {"10.8.0.0", NULL, 16, 2, RT_TABLE_MAIN, RTN_BLACKHOLE, 0},
    {"10.0.0.1", NULL, 32, 2, RT_TABLE_LOCAL, RTN_LOCAL, 0},
    {"::", "fd00::fe", 0, 2, RT_TABLE_MAIN, 0, 1024},
    {"fd00::", NULL, 64, 2, RT_TABLE_MAIN, 0, 256},
};

struct lab *lab_open(void)
{
	struct lab *l = calloc(1, sizeof(*l));
	const struct routes_hooks hooks = {
	    .ctx = l, .neighbour = on_neighbour, .changed = on_changed};

	log_set_level(LOG_LEVEL_ERROR);
	l->hops = calloc(1, sizeof(*l->hops));
	l->now_ns = NS_PER_S;
	l->kernel = usual;
	l->kernel_count = ARRAY_SIZE(usual);
	memory_lab_create(&l->memory, 64, 1, 4096);
	l->memory.egress[3] = (struct egress){.ifindex = 2, .mtu = 1500, .valid = 1};
	l->memory.locals[0] = (struct local){.at = at("10.0.0.1"), .valid = 1};
	l->memory.locals[1] = (struct local){.at = at("::"), .valid = 1};
	l->memory.locals[2] = (struct local){.at = at("10.0.0.1:9101"), .valid = 1, .extra = 1};
	assert_int_equal(routes_init(&l->routes, &hooks), 0);
	nexthops_open(l->hops, &l->memory, &l->routes);
	return l;
}

void lab_close(struct lab *l)
{
	nexthops_close(l->hops);
	routes_free(&l->routes);
	memory_unmap(&l->memory);
	free(l->hops);
	free(l);
}

uint16_t resolve(struct lab *l, const char *to, uint8_t local)
{
	struct endpoint e = at(to);

	return nexthops_resolve(l->hops, &e, local);
}

const char *via(struct lab *l, const char *to)
{
	static char text[ENDPOINT_TEXT_MAX];
	uint16_t i = resolve(l, to, 0);
	struct endpoint e;

	if (!i)
		return "";
	e = endpoint_from_v6(l->hops->slots[i].addr, 0);
	endpoint_format_addr(&e, text, sizeof(text));
	return text;
}

nexthop_word word(const struct lab *l, uint16_t i)
{
	return l->memory.nexthops[i];
}
