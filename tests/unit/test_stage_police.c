// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/police_facts.h"

#include <stdio.h>

STAGE_LAB_FIXTURE

// How many of `offered` datagrams a second, evenly spaced over a time, a bucket lets through; one
// whose units of time are coarser may be one off in each hundred.
static void bucket(void **state)
{
	static const struct {
		uint64_t rate, burst, offered, seconds, passed;
	} facts[] = {
	    {100, 5000, 1000, 10, 5999},
	    {3, 40000, 10000, 10, 40029},
	    {100000, 20000, 400000, 2, 219999},
	    {250, 3000000000, 10000, 10, 100000},
	    {100, 1, 50, 10, 500},     // below the rate: all
	    {100, 1, 1000, 10, 1000},  // above: the rate
	    {100, 50, 1000, 10, 1049}, // and the burst at the start
	    {1, 10, 1000, 10, 19},
	    {0, 0, 1000, 10, 10000}, // no limit
	    {0, 5, 1000, 10, 10000},
	    {5, 0, 1000, 10, 50}, // a burst of 0 is one
	    {1000000, 20, 10000, 1, 10000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct rate_limit l = {.rate = 1};
		uint64_t full_at = 0, passed = 0, start = 12345678901234;

		rate_limit_set(&l, facts[i].rate, facts[i].burst);
		for (uint64_t n = 0; n < facts[i].offered * facts[i].seconds; n++)
			passed +=
			    bucket_take(&full_at, &l, start + n * NS_PER_S / facts[i].offered);
		assert_int_equal(passed, facts[i].passed);
	}
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint64_t passed = 0, start = 12345678901234, expected = facts[i].passed;
		struct brief_limit l;
		uint32_t full_at = 0;

		brief_limit_set(&l, facts[i].rate, facts[i].burst);
		for (uint64_t n = 0; n < facts[i].offered * facts[i].seconds; n++)
			passed += l.interval == 0 ||
				  brief_take(&full_at, &l,
				      brief_time(&l, start + n * NS_PER_S / facts[i].offered));
		assert_in_range(passed, expected - expected / 100, expected + expected / 100);
	}
}

// However long a sender was silent, its datagram passes, and nearly always a whole burst. Only the
// shortest bursts are refused now and then.
static void silence(void **state)
{
	static const struct {
		uint64_t rate, burst, refused;
	} facts[] = {
	    {100000, 20000, 0}, {1000, 100, 2}, {1, 2, 50}, {1, 1000000, 0}, {1000000, 1, 100}};

	(void)state;
	srandom(7);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint64_t now = 1000 * NS_PER_S, short_of = 0, refused = 0;
		struct brief_limit l;
		uint32_t full_at = 0;

		brief_limit_set(&l, facts[i].rate, facts[i].burst);
		for (int n = 0; n < 10000; n++) {
			now += (uint64_t)l.slack << l.shift;
			now += ((uint64_t)l.interval << l.shift) + (uint64_t)random() * 1024;
			short_of += full_at - (uint32_t)(now >> l.shift) <= l.slack;
			refused += !brief_take(&full_at, &l, brief_time(&l, now));
		}
		assert_in_range(refused, 0, facts[i].refused);
		assert_in_range(short_of, 0, 100);
	}
}

static void police_open(struct police *p, struct worker_room *room, uint32_t node_index_max,
    const struct relay_settings *set)
{
	static const uint64_t secret[POLICE_SECRET_WORDS] = {
	    0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0};

	assert_int_equal(worker_room_open(room, 1, node_index_max, -1), 0);
	police_init(p, &room->police, secret);
	police_begin(p, set);
}

static bool sender_take(struct police *p, uint32_t node_index, uint64_t now)
{
	const struct sender_pass at = police_senders(p, now);

	return police_sender(p, &at, node_index);
}

static bool senders_watched(const struct police *p, uint64_t now)
{
	const struct sender_pass at = police_senders(p, now);

	return police_watches(p, &at);
}

// Everybody floods, and some speak seldom: these lose nothing, those get little more than is
// theirs.
static void many_floods(void **state)
{
	enum { FLOODS = 20000, QUIET = 2000, RATE = 10, SECONDS = 3 };
	const struct relay_settings set = {.source_rate = RATE, .source_burst = RATE};
	unsigned passed = 0, quiet = 0;
	struct worker_room room;
	struct police p;

	(void)state;
	police_open(&p, &room, 64, &set);
	for (unsigned turn = 0; turn < 4 * RATE * SECONDS; turn++) {
		uint64_t now = NS_PER_S + turn * NS_PER_S / (4 * RATE);

		for (uint32_t i = 0; i < FLOODS; i++) {
			struct endpoint from = endpoint_from_v4(htobe32(0x0a000000 + i), 1);

			passed += police_source(&p, &from, now);
		}
		for (uint32_t i = turn; i < QUIET; i += 4 * RATE * SECONDS) {
			struct endpoint from = endpoint_from_v4(htobe32(0x0b000000 + i), 1);

			quiet += police_source(&p, &from, now);
		}
	}
	assert_int_equal(quiet, QUIET);
	assert_in_range(passed, FLOODS * RATE * SECONDS, FLOODS * RATE * (SECONDS + 1) * 101 / 100);
	worker_room_close(&room);
}

// Nobody can choose node ids that share a limit: each node has its own.
static void every_sender_its_own(void **state)
{
	enum { RATE = 1000, BURST = 10, NODES = 6, APART = 2048 };
	const struct relay_settings set = {.sender_rate = RATE, .sender_burst = BURST};
	unsigned passed[NODES] = {0};
	struct worker_room room;
	struct police p;

	(void)state;
	police_open(&p, &room, NODES * APART, &set);
	for (unsigned turn = 0; turn < 10 * RATE; turn++) {
		uint64_t now = NS_PER_S + turn * NS_PER_S / (10 * RATE);

		for (uint32_t i = 0; i + 1 < NODES; i++)
			passed[i] += sender_take(&p, 1 + i * APART, now);
		if (turn % 100 == 0)
			passed[NODES - 1] += sender_take(&p, 1 + (NODES - 1) * APART, now);
	}
	for (unsigned i = 0; i + 1 < NODES; i++)
		assert_in_range(passed[i], RATE, RATE + BURST);
	assert_int_equal(passed[NODES - 1], RATE / 10);
	worker_room_close(&room);
}

// With large bursts senders share groups until one floods. Then the flood gets its limit and a
// quarter of a burst, and its neighbour in the group loses nothing; both, when it is over, count as
// before.
static void groups_of_senders(void **state)
{
	enum {
		RATE = 10000,
		BURST = 1000,
		SECONDS = 5,
		FLOOD = 7,
		NEIGHBOUR = FLOOD + SENDER_GROUPS
	};
	const struct relay_settings set = {.sender_rate = RATE, .sender_burst = BURST};
	unsigned flood = 0, neighbour = 0, offered = 0;
	uint64_t now = NS_PER_S;
	struct worker_room room;
	struct police p;

	(void)state;
	police_open(&p, &room, NEIGHBOUR, &set);
	assert_false(senders_watched(&p, now));
	for (unsigned i = 0; i < SECONDS * 10 * RATE; i++, now += NS_PER_S / (10 * RATE)) {
		flood += sender_take(&p, FLOOD, now);
		if (i % 20)
			continue;
		offered++;
		neighbour += sender_take(&p, NEIGHBOUR, now);
	}
	assert_true(senders_watched(&p, now));
	assert_int_equal(neighbour, offered);
	assert_in_range(flood, SECONDS * RATE, SECONDS * RATE + BURST + BURST / 4 + 10);
	now += 4 * NS_PER_S;
	assert_false(senders_watched(&p, now));
	assert_true(sender_take(&p, FLOOD, now));
	assert_false(senders_watched(&p, now));
	worker_room_close(&room);
}

// Four buckets a set: a newcomer takes the fullest one's place and starts full, wherever that lies;
// the others stay.
static void bucket_places(void **state)
{
	(void)state;
	for (unsigned fullest = 0; fullest < SET_WAYS; fullest++) {
		struct bucket_set set = {{0}, {0}, {0}};

		for (uint32_t tag = 1; tag <= SET_WAYS; tag++)
			*bucket_find(&set, tag) = tag - 1 == fullest ? 500 : 1000 + tag;
		for (uint32_t tag = 1; tag <= SET_WAYS; tag++)
			assert_int_equal(
			    *bucket_find(&set, tag), tag - 1 == fullest ? 500 : 1000 + tag);
		assert_int_equal(*bucket_find(&set, 77), 0);
		*bucket_find(&set, 77) = 2000;
		for (uint32_t tag = 1; tag <= SET_WAYS; tag++) {
			if (tag - 1 != fullest)
				assert_int_equal(*bucket_find(&set, tag), 1000 + tag);
		}
		assert_int_equal(*bucket_find(&set, 77), 2000);
	}
}

// Discovers from an address in the burst; how many were answered.
static unsigned discovers(const char *from, unsigned count, uint64_t now_ns)
{
	static const uint8_t discover[] = {1, 0, 0, 0, 0};
	unsigned passed = 0;

	lab_begin(&lab, LAB_SOCK);
	for (unsigned i = 0; i < count; i++)
		lab_payload(&lab, from, LAB_V4, discover, sizeof(discover));
	lab_run(&lab, now_ns);
	for (unsigned i = 0; i < count; i++)
		passed += lab.b.d[i].verdict == VERDICT_SEND;
	return passed;
}

// One address floods, a hundred others speak seldom, and a spoofer invents addresses all the time:
// the others lose nothing, the flooder gets its rate.
static void flood(void **state)
{
	unsigned flooder = 0, others = 0, offered = 0;
	char from[64];

	(void)state;
	lab.env.set.source_rate = 200;
	lab.env.set.source_burst = 400;
	srandom(5);
	for (unsigned ms = 0; ms < 10000; ms++) {
		uint64_t now = (1000 + ms) * NS_PER_MS;

		flooder += discovers("203.0.113.77:666", 16, now);
		for (int i = 0; i < 4; i++) {
			snprintf(from, sizeof(from), "%ld.%ld.%ld.%ld:1", 1 + random() % 200,
			    random() % 256, random() % 256, random() % 256);
			discovers(from, 1, now);
		}
		if (ms % 10)
			continue;
		snprintf(from, sizeof(from), "10.9.8.%u:5", ms / 10 % 100);
		offered++;
		others += discovers(from, 1, now);
	}
	assert_int_equal(others, offered);
	assert_in_range(flooder, 2000, 2000 + 400);
	assert_int_equal(lab_drops(&lab, DROP_POLICE_SOURCE) > 100000, 1);
	lab.env.set.source_rate = 0;
}

// An IPv6 host owns a /64; IPv4 addresses are all their own.
static void who_is_one_source(void **state)
{
	static const struct {
		const char *first, *second;
		bool same;
	} facts[] = {
	    {"192.0.2.55:1", "192.0.2.55:2", true},
	    {"192.0.2.55:1", "192.0.2.56:1", false},
	    {"[2001:db8:5:6::1]:1", "[2001:db8:5:6:ffff::2]:1", true},
	    {"[2001:db8:5:6::1]:1", "[2001:db8:5:7::1]:1", false},
	    {"[2001:db8:5:6::1]:1", "192.0.2.57:1", false},
	};

	(void)state;
	lab.env.set.source_rate = 1;
	lab.env.set.source_burst = 1;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint64_t now = (5000 + 100 * i) * NS_PER_S;

		assert_int_equal(discovers(facts[i].first, 1, now), 1);
		assert_int_equal(discovers(facts[i].second, 1, now), !facts[i].same);
	}
	lab.env.set.source_rate = 0;
}

// A message in the burst, whose first bytes are a type and a node id.
static const struct dgram *message_put(const char *from, uint8_t type, uint32_t node)
{
	uint8_t message[BEACON_PUNCH_REQUEST_SIZE] = {type};
	size_t len = type == BEACON_SYNC	    ? BEACON_SYNC_SIZE
		     : type == BEACON_PUNCH_REQUEST ? BEACON_PUNCH_REQUEST_SIZE
						    : BEACON_DISCOVER_SIZE;

	store_be32(message + 1, node);
	if (type == BEACON_PUNCH_REQUEST)
		store_be32(message + 5, NODE_B);
	return lab_payload(&lab, from, LAB_V4, message, len);
}

// Somebody sends whatever he likes in the name of an address; who is known there, at that very
// port, is heard all the same, and has the source's rate for itself.
static void own_name(void **state)
{
	static const struct {
		const char *flood, *known;
		uint8_t flood_type, type;
		uint32_t flood_node, node;
		bool heard;
	} facts[] = {
	    {"198.51.100.1:9", AT_A, BEACON_DISCOVER, BEACON_DISCOVER, 0, NODE_A, true},
	    {AT_A, AT_A, BEACON_DISCOVER, BEACON_DISCOVER, NODE_NOBODY, NODE_A, true},
	    {"198.51.100.1:9", AT_A, BEACON_DISCOVER, BEACON_DISCOVER_EX, NODE_A, NODE_A, true},
	    {"198.51.100.1:9", AT_A, BEACON_PUNCH_REQUEST, BEACON_PUNCH_REQUEST, NODE_A, NODE_A,
		true},
	    {"203.0.113.1:9", AT_PEER, BEACON_SYNC, BEACON_SYNC, 1, 1, true},
	    {"[2001:db8:1::77]:9", AT_SIX, BEACON_DISCOVER, BEACON_DISCOVER, 0, NODE_SIX, true},
	    // the port is another one, the node is at another address, remote, unknown or none
	    {AT_A, "198.51.100.1:9", BEACON_DISCOVER, BEACON_DISCOVER, 0, NODE_A, false},
	    {AT_A, AT_A, BEACON_DISCOVER, BEACON_DISCOVER, 0, NODE_B, false},
	    {AT_PEER, AT_PEER, BEACON_DISCOVER, BEACON_DISCOVER, 0, NODE_FAR, false},
	    {AT_A, AT_A, BEACON_DISCOVER, BEACON_DISCOVER, 0, NODE_NOBODY, false},
	    {AT_A, AT_A, BEACON_DISCOVER, BEACON_DISCOVER, NODE_NOBODY, 0, false},
	    {AT_A, AT_A, BEACON_DISCOVER, BEACON_SYNC, NODE_NOBODY, 1, false},
	};

	struct punt_record r;
	uint8_t copy[32];

	(void)state;
	lab.env.set.source_rate = 10;
	lab.env.set.source_burst = 10;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint64_t now = (7000 + 100 * i) * NS_PER_S;
		unsigned passed = 0, heard = 0;

		for (unsigned n = 0; n < 200; n++, now += NS_PER_S / 10) {
			const struct dgram *d[BURST_MAX];
			unsigned count = 0;

			lab_begin(&lab, LAB_SOCK);
			while (count < 30)
				d[count++] = message_put(
				    facts[i].flood, facts[i].flood_type, facts[i].flood_node);
			if (n >= 100)
				d[count++] =
				    message_put(facts[i].known, facts[i].type, facts[i].node);
			lab_run(&lab, now);
			for (unsigned k = 0; k < 30; k++)
				passed += d[k]->drop != DROP_POLICE_SOURCE;
			heard += n >= 100 && d[30]->drop != DROP_POLICE_SOURCE;
		}
		assert_in_range(passed, 200, 220);
		assert_int_equal(heard, facts[i].heard ? 100 : 0);
	}
	lab.env.set.source_rate = 0;
	while (lab_punt(&lab, &r, copy, sizeof(copy)))
		;
}

// The same of a peer relay: nor does one that is known at another port of its address.
static void peers_and_ports(void **state)
{
	struct peer other = {.at = lab_endpoint("203.0.113.1:9002")};
	uint64_t now = 9000 * NS_PER_S;
	struct punt_record r;
	uint8_t copy[32];

	(void)state;
	assert_true(peer_writer_put(&lab.peers, &other) >= 0);
	lab.env.set.source_rate = 10;
	lab.env.set.source_burst = 10;
	for (unsigned n = 0; n < 200; n++, now += NS_PER_S / 10) {
		const struct dgram *d;

		lab_begin(&lab, LAB_SOCK);
		for (unsigned k = 0; k < 30; k++)
			message_put("203.0.113.1:9002", BEACON_SYNC, 1);
		d = message_put(AT_PEER, BEACON_SYNC, 1);
		lab_run(&lab, now);
		assert_int_equal(d->drop == DROP_POLICE_SOURCE, 0);
	}
	lab.env.set.source_rate = 0;
	assert_int_equal(peer_writer_remove(&lab.peers, &other.at), 0);
	while (lab_punt(&lab, &r, copy, sizeof(copy)))
		;
}

// Who knows a node's endpoint too gets that node's rate, and nobody else's.
static void name_and_port(void **state)
{
	uint64_t now = 9500 * NS_PER_S;
	unsigned passed = 0;

	(void)state;
	lab_node(&lab, 40, "198.51.100.1:4040", LAB_NEXTHOP, 0);
	lab.env.set.source_rate = 10;
	lab.env.set.source_burst = 10;
	for (unsigned n = 0; n < 200; n++, now += NS_PER_S / 10) {
		const struct dgram *d[31];

		lab_begin(&lab, LAB_SOCK);
		for (unsigned k = 0; k < 30; k++)
			d[k] = message_put(AT_A, BEACON_DISCOVER, NODE_A);
		d[30] = message_put("198.51.100.1:4040", BEACON_DISCOVER, 40);
		lab_run(&lab, now);
		for (unsigned k = 0; k < 30; k++)
			passed += d[k]->verdict == VERDICT_SEND;
		assert_int_equal(d[30]->verdict, VERDICT_SEND);
	}
	assert_in_range(passed, 400, 420);
	lab.env.set.source_rate = 0;
}

static unsigned relays(const char *from, uint32_t sender, unsigned count, uint64_t now_ns)
{
	unsigned passed = 0;

	lab_begin(&lab, LAB_RAW);
	for (unsigned i = 0; i < count; i++)
		lab_relay(&lab, from, sender, NODE_B, "x");
	lab_run(&lab, now_ns);
	for (unsigned i = 0; i < count; i++)
		passed += lab.b.d[i].verdict == VERDICT_SEND;
	return passed;
}

// Relay is limited by node, whatever a spoofer sends in its name, and not by source address.
static void senders(void **state)
{
	uint64_t now = 20000 * NS_PER_S;

	(void)state;
	lab.env.set.source_rate = 1;
	lab.env.set.source_burst = 1;
	lab.env.set.sender_rate = 1000;
	lab.env.set.sender_burst = POLICE_BURST;
	for (size_t i = 0; i < ARRAY_SIZE(police_facts); i++) {
		const struct police_fact *f = &police_facts[i];

		assert_int_equal(relays(f->from, f->sender, f->count, now), f->passed);
	}
	assert_int_equal(lab_drops(&lab, DROP_POLICE_SENDER), 54 + 4 + 6 + 54);
	assert_int_equal(relays(AT_A, NODE_A, 64, now + 5 * NS_PER_MS), 5);
	lab.env.set.sender_rate = 0;
	assert_int_equal(relays(AT_A, NODE_A, 64, now), 64);
	lab.env.set.source_rate = 0;
}

// Punt classes have buckets of their own; a Discover that finds none left gets no answer.
static void punt_classes(void **state)
{
	static const uint8_t discover[] = {1, 0, 0, 0, NODE_NOBODY};
	static const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	uint64_t now = 30000 * NS_PER_S;
	struct punt_record r;
	uint8_t copy[32];
	unsigned punts[PUNT_CLASS_COUNT] = {0};

	(void)state;
	lab.env.set.punt_rate[PUNT_DISCOVER_NEW] = 50; // five at once
	lab.env.set.punt_rate[PUNT_STUN] = 200;	       // twenty at once
	lab_begin(&lab, LAB_SOCK);
	for (unsigned i = 0; i < 60; i++) {
		if (i % 2)
			lab_payload(&lab, "192.0.2.200:1", LAB_V4, discover, sizeof(discover));
		else
			lab_payload(&lab, "192.0.2.200:1", LAB_V4, stun, sizeof(stun));
	}
	lab_run(&lab, now);
	for (unsigned i = 1; i < 60; i += 2)
		assert_int_equal(lab.b.d[i].verdict, i < 10 ? VERDICT_PUNT : VERDICT_DROP);
	while (lab_punt(&lab, &r, copy, sizeof(copy)))
		punts[r.punt_class]++;
	assert_int_equal(punts[PUNT_DISCOVER_NEW], 5);
	assert_int_equal(punts[PUNT_STUN], 20);
	assert_int_equal(lab_drops(&lab, DROP_POLICE_PUNT), 25 + 10);
	assert_int_equal(lab.env.tally.punt_class[PUNT_STUN], 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bucket),
	    cmocka_unit_test(silence),
	    cmocka_unit_test(bucket_places),
	    cmocka_unit_test(many_floods),
	    cmocka_unit_test(every_sender_its_own),
	    cmocka_unit_test(groups_of_senders),
	    cmocka_unit_test(flood),
	    cmocka_unit_test(who_is_one_source),
	    cmocka_unit_test(own_name),
	    cmocka_unit_test(name_and_port),
	    cmocka_unit_test(peers_and_ports),
	    cmocka_unit_test(senders),
	    cmocka_unit_test(punt_classes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
