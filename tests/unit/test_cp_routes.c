// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/nexthops.h"
#include "tests/unit/memory_lab.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>

// A kernel made of lists: answers dumps and tells of changes.
struct kernel_route {
	const char *prefix, *gateway; // gateway NULL: on link
	uint8_t length;
	uint32_t ifindex, table;
	uint8_t type;
	uint32_t metric;
};

struct message {
	struct nlmsghdr header;
	uint8_t body[256];
};

struct lab {
	struct message extra; // a route of table main, IPv4, beside those of `kernel`
	struct memory memory;
	struct routes routes;
	struct nexthops *hops;
	const struct kernel_route *kernel;
	unsigned kernel_count;
	bool policy_rule;
	uint64_t now_ns;
	unsigned changes, dumps;
};

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, 9001, &e), 0);
	return e;
}

static void message_begin(struct message *m, uint16_t type, const void *fixed, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_type = type;
	memcpy(m->body, fixed, size);
	m->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
}

static void message_add(struct message *m, uint16_t type, const void *data, size_t size)
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

static void route_message(struct message *m, const struct kernel_route *r, uint8_t family)
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

// Time passes until the mirror asks for nothing more.
static void settle(struct lab *l)
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

static void neigh_event(
    struct lab *l, const char *address, uint32_t ifindex, uint16_t nud, uint8_t mac)
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

static struct lab *lab_open(void)
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

static void lab_close(struct lab *l)
{
	nexthops_close(l->hops);
	routes_free(&l->routes);
	memory_unmap(&l->memory);
	free(l->hops);
	free(l);
}

static uint16_t resolve(struct lab *l, const char *to, uint8_t local)
{
	struct endpoint e = at(to);

	return nexthops_resolve(l->hops, &e, local);
}

// The gateway or neighbour that an address is sent to, "" for the companion. Static.
static const char *via(struct lab *l, const char *to)
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

static nexthop_word word(const struct lab *l, uint16_t i)
{
	return l->memory.nexthops[i];
}

static void test_the_way_of_each_address(void **state)
{
	static const struct {
		const char *to, *via;
	} table[] = {
	    {"198.51.100.7", "10.0.0.254"}, // the lower metric
	    {"10.0.0.9", "10.0.0.9"},	    // on link
	    {"10.7.1.1", ""},		    // leaves through an interface without a raw link
	    {"10.8.1.1", ""},		    // blackhole: the kernel says so
	    {"10.0.0.1", ""},		    // ourselves
	    {"2001:db8::5", "fd00::fe"}, {"fd00::5", "fd00::5"},
	    {"fe80::5", ""}, // which interface?
	};
	struct lab *l = lab_open();

	(void)state;
	assert_string_equal(via(l, "198.51.100.7"), ""); // nothing is known yet
	settle(l);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_string_equal(via(l, table[i].to), table[i].via);
	assert_int_equal(resolve(l, "198.51.100.7", 1), 0); // wildcard: which source?
	assert_int_equal(resolve(l, "198.51.100.7", 2), 0); // gossip ports are sock's
	assert_int_equal(resolve(l, "198.51.100.7", 9), 0); // no such local address
	l->memory.egress[3].valid = 0;
	assert_string_equal(via(l, "198.51.100.7"), "");
	lab_close(l);
}

static void test_policy_rules(void **state)
{
	struct lab *l = lab_open();

	(void)state;
	settle(l);
	l->policy_rule = true;
	routes_lost(&l->routes);
	settle(l);
	assert_string_equal(via(l, "198.51.100.7"), "");
	assert_string_equal(via(l, "2001:db8::5"), "fd00::fe"); // the rule is for IPv4
	lab_close(l);
}

static void test_change_of_routes(void **state)
{
	static const struct kernel_route other[] = {
	    {"0.0.0.0", "10.0.0.252", 0, 2, RT_TABLE_MAIN, 0, 0},
	};
	struct lab *l = lab_open();
	struct message m;
	unsigned changes, dumps;

	(void)state;
	settle(l);
	changes = l->changes;
	dumps = l->dumps;
	route_message(&m, &usual[0], AF_INET);
	routes_message(&l->routes, &m.header, false); // told of, but nothing is different
	settle(l);
	assert_int_equal(l->changes, changes);
	assert_true(l->dumps > dumps);
	l->kernel = other;
	l->kernel_count = 1;
	m.header.nlmsg_type = RTM_DELROUTE;
	routes_message(&l->routes, &m.header, false);
	settle(l);
	assert_int_equal(l->changes, changes + 1);
	assert_string_equal(via(l, "198.51.100.7"), "10.0.0.252");
	assert_string_equal(via(l, "2001:db8::5"), "");
	lab_close(l);
}

static void test_too_many_routes(void **state)
{
	struct kernel_route *many = calloc(LPM_ROUTE_MAX + 1, sizeof(*many));
	struct lab *l = lab_open();

	(void)state;
	for (unsigned i = 0; i <= LPM_ROUTE_MAX; i++)
		many[i] =
		    (struct kernel_route){"10.0.0.0", "10.0.0.254", 24, 2, RT_TABLE_MAIN, 0, i};
	l->kernel = many;
	l->kernel_count = LPM_ROUTE_MAX + 1;
	settle(l);
	assert_string_equal(via(l, "10.0.0.9"), "");
	l->kernel_count = LPM_ROUTE_MAX;
	routes_lost(&l->routes);
	settle(l); // such a table is not dumped often
	assert_string_equal(via(l, "10.0.0.9"), "");
	l->now_ns += 60 * NS_PER_S;
	settle(l);
	assert_string_equal(via(l, "10.0.0.9"), "10.0.0.254");
	free(many);
	lab_close(l);
}

// State of the neighbour, MAC that is sent to; 0 = companion.
static void test_words_follow_the_neighbour(void **state)
{
	static const struct {
		uint16_t nud;
		uint8_t told, used;
	} story[] = {
	    {NUD_INCOMPLETE, 0, 0},
	    {NUD_REACHABLE, 5, 5},
	    {NUD_STALE, 5, 5},
	    {NUD_DELAY, 5, 5},
	    {NUD_PROBE, 5, 5},
	    {NUD_REACHABLE, 6, 6}, // another card
	    {NUD_FAILED, 0, 0},
	    {NUD_PERMANENT, 7, 7},
	    {0, 0, 0}, // deleted
	    {NUD_NOARP, 8, 8},
	};
	struct lab *l = lab_open();
	uint16_t i;

	(void)state;
	settle(l);
	i = resolve(l, "198.51.100.7", 0);
	assert_int_equal(word(l, i), 0);
	for (size_t k = 0; k < ARRAY_SIZE(story); k++) {
		uint8_t mac[6] = {2, 0, 0, 0, 0, story[k].used};

		neigh_event(l, "10.0.0.254", 2, story[k].nud, story[k].told);
		neigh_event(l, "10.0.0.254", 9, NUD_REACHABLE, 99); // on another interface
		neigh_event(l, "10.0.0.9", 2, NUD_REACHABLE, 98);
		assert_int_equal(word(l, i), story[k].used ? nexthop_make(mac, 3) : 0);
	}
	// A next hop made later finds what is known.
	assert_int_equal(
	    word(l, resolve(l, "10.0.0.9", 0)), nexthop_make((uint8_t[]){2, 0, 0, 0, 0, 98}, 3));
	// Events were lost: what the dump does not mention is gone.
	routes_lost(&l->routes);
	settle(l);
	assert_int_equal(word(l, i), 0);
	lab_close(l);
}

static void add_hop(
    uint8_t *list, uint16_t *len, const char *gateway, uint8_t flags, uint8_t weight)
{
	struct rtnexthop hop = {.rtnh_len = RTNH_LENGTH(RTA_SPACE(4)),
	    .rtnh_flags = flags,
	    .rtnh_hops = weight - 1,
	    .rtnh_ifindex = 2};
	struct rtattr a = {.rta_len = RTA_LENGTH(4), .rta_type = RTA_GATEWAY};
	struct endpoint e = at(gateway);

	memcpy(list + *len, &hop, sizeof(hop));
	memcpy(list + *len + sizeof(hop), &a, sizeof(a));
	memcpy(list + *len + sizeof(hop) + RTA_LENGTH(0), e.addr + 12, 4);
	*len += RTNH_ALIGN(hop.rtnh_len);
}

static void test_several_next_hops(void **state)
{
	static const struct kernel_route none[] = {{"10.0.0.0", NULL, 24, 2, RT_TABLE_MAIN, 0, 0}};
	struct rtmsg rt = {
	    .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
	struct lab *l = lab_open();
	unsigned by_gateway[3] = {0};
	uint8_t hops[128];
	uint16_t len = 0;
	char text[32];

	(void)state;
	l->kernel = none;
	l->kernel_count = 1;
	add_hop(hops, &len, "10.0.0.250", 0, 3);
	add_hop(hops, &len, "10.0.0.251", RTNH_F_DEAD, 9);
	add_hop(hops, &len, "10.0.0.252", 0, 1);
	message_begin(&l->extra, RTM_NEWROUTE, &rt, sizeof(rt));
	message_add(&l->extra, RTA_TABLE, &(uint32_t){RT_TABLE_MAIN}, 4);
	message_add(&l->extra, RTA_MULTIPATH, hops, len);
	settle(l);
	for (unsigned i = 0; i < 200; i++) {
		const char *gateway;

		snprintf(text, sizeof(text), "198.51.100.%u", i);
		gateway = via(l, text);
		assert_string_equal(gateway, via(l, text));
		by_gateway[atoi(strrchr(gateway, '.') + 1) - 250]++;
	}
	assert_int_equal(by_gateway[1], 0);
	assert_in_range(by_gateway[0], 130, 170); // three of four by weight
	assert_int_equal(by_gateway[0] + by_gateway[2], 200);
	assert_string_equal(via(l, "10.0.0.9"), "10.0.0.9");
	lab_close(l);
}

static void walk_end(struct lab *l)
{
	nexthops_walked(l->hops);
	nexthops_run(l->hops);
	nexthops_run(l->hops);
}

static void test_indexes_are_given_back(void **state)
{
	struct lab *l = lab_open();
	uint16_t one, two;

	(void)state;
	settle(l);
	one = resolve(l, "10.0.0.9", 0);
	two = resolve(l, "10.0.0.10", 0);
	assert_true(one && two && one != two);
	assert_int_equal(resolve(l, "10.0.0.9", 0), one);
	neigh_event(l, "10.0.0.10", 2, NUD_REACHABLE, 10);
	walk_end(l);
	assert_int_equal(resolve(l, "10.0.0.9", 0), one); // in this walk only one of them
	walk_end(l);
	assert_int_equal(l->hops->used, 1);
	assert_int_equal(word(l, two), 0);
	assert_int_equal(l->hops->slots[two].use, NEXTHOP_FREE);
	lab_close(l);
}

static void test_more_neighbours_than_indexes(void **state)
{
	struct lab *l = lab_open();
	char text[32];
	unsigned got = 0;

	(void)state;
	l->kernel = (const struct kernel_route[]){{"10.0.0.0", NULL, 8, 2, RT_TABLE_MAIN, 0, 0}};
	l->kernel_count = 1;
	settle(l);
	for (unsigned i = 0; i < NEXTHOP_MAX + 100; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", 1 + (i >> 16), i >> 8 & 255, i & 255);
		got += resolve(l, text, 0) != 0;
	}
	assert_int_equal(got, NEXTHOP_MAX - 1);
	walk_end(l);
	walk_end(l);
	assert_int_not_equal(resolve(l, "10.9.9.9", 0), 0);
	lab_close(l);
}

static void test_restart_inherits_indexes(void **state)
{
	struct lab *l = lab_open();
	uint16_t used, gone;
	nexthop_word was;

	(void)state;
	settle(l);
	neigh_event(l, "10.0.0.9", 2, NUD_REACHABLE, 9);
	neigh_event(l, "10.0.0.10", 2, NUD_REACHABLE, 10);
	gone = resolve(l, "10.0.0.10", 0);
	used = resolve(l, "10.0.0.9", 0);
	was = word(l, used);
	nexthops_close(l->hops);
	nexthops_open(l->hops, &l->memory, &l->routes);
	assert_int_equal(word(l, used), was); // nodes that refer to it are served meanwhile
	assert_int_equal(resolve(l, "10.0.0.9", 0), used);
	walk_end(l);
	assert_int_equal(word(l, used), was);
	assert_int_equal(word(l, gone), 0);
	assert_int_equal(l->hops->slots[gone].use, NEXTHOP_FREE);
	lab_close(l);
}

static unsigned probes;

static void on_probe(void *ctx, uint32_t ifindex, const uint8_t addr[16])
{
	struct endpoint want = at("10.0.0.9");

	(void)ctx;
	probes++;
	assert_int_equal(ifindex, 2);
	assert_memory_equal(addr, want.addr, 16);
}

static void test_stale_neighbours_in_use_are_probed(void **state)
{
	struct lab *l = lab_open();

	(void)state;
	settle(l);
	probes = 0;
	neigh_event(l, "10.0.0.9", 2, NUD_REACHABLE, 9);
	neigh_event(l, "10.0.0.10", 2, NUD_STALE, 10); // nobody uses it
	resolve(l, "10.0.0.9", 0);
	nexthops_probe(l->hops, l->now_ns, on_probe, NULL);
	assert_int_equal(probes, 0);
	neigh_event(l, "10.0.0.9", 2, NUD_STALE, 9);
	nexthops_probe(l->hops, l->now_ns, on_probe, NULL);
	nexthops_probe(l->hops, l->now_ns + NS_PER_S, on_probe, NULL);
	assert_int_equal(probes, 1);
	nexthops_probe(l->hops, l->now_ns + NEXTHOP_PROBE_S * NS_PER_S, on_probe, NULL);
	assert_int_equal(probes, 2);
	lab_close(l);
}

static void test_a_request_that_was_not_sent_is_due_again(void **state)
{
	struct lab *l = lab_open();
	struct netlink_request request;

	(void)state;
	assert_true(routes_request(&l->routes, l->now_ns, &request));
	assert_false(routes_request(&l->routes, l->now_ns, &request));
	routes_unsent(&l->routes);
	settle(l);
	assert_string_equal(via(l, "198.51.100.7"), "10.0.0.254");
	lab_close(l);
}

static void test_broken_messages(void **state)
{
	struct netlink_event e;
	struct message m;
	uint32_t whole;

	(void)state;
	route_message(&m, &usual[0], AF_INET);
	whole = m.header.nlmsg_len;
	assert_int_equal(netlink_parse(&m.header, &e), 0);
	assert_int_equal(e.kind, NETLINK_IS_ROUTE);
	for (uint32_t len = NLMSG_HDRLEN; len < whole; len++) {
		m.header.nlmsg_len = len;
		netlink_parse(&m.header, &e); // must not read beyond
	}
	m.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg) - 1);
	assert_int_equal(netlink_parse(&m.header, &e), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_way_of_each_address),
	    cmocka_unit_test(test_policy_rules),
	    cmocka_unit_test(test_several_next_hops),
	    cmocka_unit_test(test_change_of_routes),
	    cmocka_unit_test(test_too_many_routes),
	    cmocka_unit_test(test_words_follow_the_neighbour),
	    cmocka_unit_test(test_indexes_are_given_back),
	    cmocka_unit_test(test_more_neighbours_than_indexes),
	    cmocka_unit_test(test_restart_inherits_indexes),
	    cmocka_unit_test(test_stale_neighbours_in_use_are_probed),
	    cmocka_unit_test(test_a_request_that_was_not_sent_is_due_again),
	    cmocka_unit_test(test_broken_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
