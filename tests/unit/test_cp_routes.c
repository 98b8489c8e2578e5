// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/routes_lab.h"

#include <stdio.h>

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
	route_message(&m, &l->kernel[0], AF_INET);
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
	static const struct kernel_route route = {
	    "0.0.0.0", "10.0.0.254", 0, 2, RT_TABLE_MAIN, 0, 100};
	struct netlink_event e;
	struct message m;
	uint32_t whole;

	(void)state;
	route_message(&m, &route, AF_INET);
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
	    cmocka_unit_test(test_a_request_that_was_not_sent_is_due_again),
	    cmocka_unit_test(test_broken_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
