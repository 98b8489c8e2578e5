// SPDX-License-Identifier: BSD-3-Clause
// Who gets the places of the XDP program that relays, in virtual time. The program is played: it
// notes what it would note, and relays what it could.
#include "base/clock.h"
#include "base/random.h"
#include "controlplane/hot.h"
#include "tests/unit/kernel_lab.h"
#include "tests/unit/unit.h"

enum { CAPACITY = 5000, NEXTHOP = 1, EGRESS = 2, TICK_MS = 100 };

static struct kernel_lab lab;
static struct hot hot;
static struct cp_stats stats;
static uint64_t now_ns, seed;

static struct endpoint address_of(uint32_t id)
{
	return endpoint_from_v4(htobe32(0x0a000000 + id), (uint16_t)(4000 + id % 1000));
}

static void node_put(uint32_t id, struct endpoint at, uint16_t nexthop)
{
	const struct node_route route = {.at = at, .nexthop = nexthop};

	assert_true(node_writer_put(&lab.nodes, id, &route, 1) >= 0);
}

static void nodes_put(uint32_t first, uint32_t count)
{
	for (uint32_t id = first; id < first + count; id++)
		node_put(id, address_of(id), NEXTHOP);
}

static void begin(uint32_t places)
{
	stats = (struct cp_stats){.n = {0}};
	seed = 9;
	now_ns = 1000 * NS_PER_S;
	kernel_lab_open(&lab, CAPACITY, places);
	lab.memory.nexthops[NEXTHOP] = nexthop_make((uint8_t[6]){0}, EGRESS);
	kernel_nexthop_write(&lab.kernel, NEXTHOP, lab.memory.nexthops[NEXTHOP]);
	lab.kernel.places->egress[EGRESS].ifindex = 7;
	lab.kernel.places->egress[EGRESS].flags = KERNEL_EGRESS_REDIRECT;
	assert_int_equal(hot_open(&hot, &lab.nodes, &stats), 0);
}

static void end(void)
{
	hot_close(&hot);
	kernel_lab_close(&lab);
}

static void tick(void)
{
	now_ns += TICK_MS * (NS_PER_S / 1000);
	hot_tick(&hot, now_ns);
}

static void pass(unsigned seconds)
{
	for (unsigned i = 0; i < 10 * seconds; i++)
		tick();
}

static void datagram_from(struct endpoint from, uint32_t sender, uint32_t dest)
{
	struct kernel_samples *s = &lab.kernel.samples[sender % KERNEL_LAB_CPUS];
	uint32_t gap = lab.kernel.rules->sample_gap;
	struct kernel_sample *at = &s->at[s->head % KERNEL_SAMPLE_SLOTS];

	if (!gap || random_below(&seed, gap))
		return;
	*at =
	    (struct kernel_sample){.sender = sender, .dest = dest, .from_port = htobe16(from.port)};
	memcpy(at->from, from.addr, sizeof(at->from));
	s->head++;
}

static void datagram(uint32_t sender, uint32_t dest)
{
	datagram_from(address_of(sender), sender, dest);
}

static bool both_in(uint32_t a, uint32_t b)
{
	return kernel_writer_has(&lab.writer, a) && kernel_writer_has(&lab.writer, b);
}

// A pair exchanges so many datagrams in each tick for a while.
static void talk(uint32_t a, uint32_t b, unsigned a_tick, unsigned seconds)
{
	for (unsigned i = 0; i < 10 * seconds; i++) {
		for (unsigned k = 0; k < a_tick; k++)
			datagram(k % 2 ? a : b, k % 2 ? b : a);
		tick();
	}
}

static void busy_pair_enters_and_leaves(void **state)
{
	(void)state;
	begin(2);
	nodes_put(1, 100);
	assert_true(both_in(1, 2)); // came first
	pass(1);
	talk(50, 60, 1, 2);
	assert_true(both_in(50, 60));
	assert_int_equal(lab.writer.count, 2);
	talk(70, 80, 1, HOT_WINDOW_S + 1);
	assert_true(both_in(70, 80));
	assert_int_equal(stats.n[CP_KERNEL_ENTERED], 4);
	pass(2 * HOT_WINDOW_S);
	assert_true(both_in(70, 80)); // nobody wants the places
	end();
}

static void neither_chance_nor_equals_make_changes(void **state)
{
	(void)state;
	begin(2);
	nodes_put(1, 100);
	pass(1);
	talk(50, 60, 10, 3);
	assert_int_equal(stats.n[CP_KERNEL_ENTERED], 2);
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 10; k++) {
			datagram(50, 60);
			datagram(70, 80);
			datagram(1 + random_below(&seed, 40), 1 + random_below(&seed, 40));
		}
		tick();
	}
	assert_true(both_in(50, 60));
	assert_int_equal(stats.n[CP_KERNEL_ENTERED], 2);
	end();
}

// Whoever could not be relayed by the program gets no place.
static void does_not_count(void **state)
{
	const struct node_route remote = {.flags = NODE_REMOTE, .peer = 3};
	struct endpoint other_port = address_of(50);

	(void)state;
	other_port.port++;
	begin(2);
	nodes_put(1, 100);
	node_put(90, address_of(90), 0);
	node_put(91, address_of(91), NEXTHOP + 1);
	assert_int_equal(node_writer_put(&lab.nodes, 92, &remote, 1), 0);
	pass(1);
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 10; k++) {
			datagram_from(address_of(51), 50, 60); // a spoofer
			datagram(1000 + i, 1200 + i);	       // invented
			datagram(50, 1200);
			datagram(50, 90); // not resolved
			datagram(50, 91); // over an interface that the program cannot use
			datagram(50, 92); // at a peer relay
			datagram(92, 50);
		}
		tick();
	}
	assert_true(both_in(1, 2));
	assert_int_equal(stats.n[CP_KERNEL_SAMPLES], 0);
	lab.memory.settings->sender_check = SENDER_CHECK_ENDPOINT;
	for (unsigned i = 0; i < 20; i++)
		datagram_from(other_port, 50, 60);
	pass(2);
	assert_int_equal(stats.n[CP_KERNEL_SAMPLES], 0);
	lab.memory.settings->sender_check = SENDER_CHECK_IP;
	for (unsigned i = 0; i < 20; i++)
		datagram_from(other_port, 50, 60);
	pass(2);
	assert_true(both_in(50, 60));
	end();
}

// Nodes that move or are forgotten while they have a place, or are about to get one.
static void nodes_change(void **state)
{
	struct node_entry e;

	(void)state;
	begin(2);
	nodes_put(1, 100);
	pass(1);
	talk(50, 60, 10, 2);
	node_put(50, address_of(555), NEXTHOP);
	assert_true(both_in(50, 60));
	for (unsigned i = 0; i < 30; i++)
		datagram(70, 80);
	for (unsigned i = 0; i < 9; i++)
		tick();
	assert_int_equal(node_writer_remove(&lab.nodes, 70), 0);
	assert_int_equal(node_writer_remove(&lab.nodes, 50), 0);
	assert_int_equal(lab.writer.count, 1);
	tick();
	pass(1);
	assert_false(kernel_writer_has(&lab.writer, 50) || kernel_writer_has(&lab.writer, 70));
	assert_true(node_table_find(&lab.memory.nodes, 60, &e));
	talk(60, 80, 10, HOT_WINDOW_S);
	assert_true(both_in(60, 80));
	end();
}

// The program notes as much as is asked for, whatever the load is, and what is noted is small.
static void rate_of_samples(void **state)
{
	static const unsigned loads[] = {1, 100, 100000, 1000, 3, 20000};

	(void)state;
	begin(10);
	nodes_put(1, 100);
	pass(1);
	for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
		uint64_t before = 0;

		for (unsigned t = 0; t < 30; t++) {
			if (t == 10)
				before = stats.n[CP_KERNEL_SAMPLES];
			for (unsigned k = 0; k < loads[i]; k++)
				datagram(1 + k % 90, 1 + (k + 1) % 90);
			tick();
		}
		before = (stats.n[CP_KERNEL_SAMPLES] - before) / 20;
		if (loads[i] <= HOT_TICK_SAMPLES)
			assert_int_equal(before, loads[i]);
		else
			assert_in_range(before, HOT_TICK_SAMPLES / 2, HOT_TICK_SAMPLES * 2);
	}
	end();
}

// With room for everybody there is nothing to choose, and nothing is noted.
static void room_for_all(void **state)
{
	(void)state;
	begin(CAPACITY);
	nodes_put(1, 100);
	pass(2);
	assert_null(hot.kernel);
	assert_int_equal(lab.kernel.rules->sample_gap, 0);
	end();
	begin(10);
	nodes_put(1, 10);
	pass(2);
	assert_int_equal(lab.kernel.rules->sample_gap, 0);
	nodes_put(11, 1);
	pass(2);
	assert_int_equal(lab.kernel.rules->sample_gap, 1);
	end();
}

// Places stay over the death of the control plane, and what was noted before does not count.
static void restart(void **state)
{
	(void)state;
	begin(2);
	nodes_put(1, 100);
	pass(1);
	talk(50, 60, 1000, 2);
	assert_true(both_in(50, 60));
	hot_close(&hot);
	kernel_writer_close(&lab.writer);
	for (unsigned i = 0; i < 100000; i++)
		datagram(70, 80);
	assert_int_equal(kernel_writer_open(&lab.writer, &lab.nodes), 0);
	assert_int_equal(hot_open(&hot, &lab.nodes, &stats), 0);
	pass(2);
	assert_true(both_in(50, 60));
	talk(70, 80, 1, 2);
	assert_true(both_in(70, 80));
	end();
}

// Nodes by Zipf's law: nearly as much of the load is among those with places as with the best ones
// there, and few nodes change places once that is so.
static void skewed_load(void **state)
{
	enum { NODES = 3000, PLACES = 100, LOAD = 2000 };
	static double cumulative[NODES];
	double sum = 0, best;
	uint64_t entered = 0, all = 0, inside = 0;

	(void)state;
	begin(PLACES);
	nodes_put(1, NODES);
	for (int i = 0; i < NODES; i++)
		cumulative[i] = sum += 1.0 / (i + 1);
	best = cumulative[PLACES - 1] / sum;
	for (unsigned t = 0; t < 300; t++) {
		if (t == 200)
			entered = stats.n[CP_KERNEL_ENTERED];
		for (unsigned k = 0; k < LOAD; k++) {
			uint32_t id[2];

			for (int i = 0; i < 2; i++) {
				double x = random_below(&seed, 1 << 30) * sum / (1 << 30);
				uint32_t rank = 0;

				while (rank < NODES - 1 && cumulative[rank] < x)
					rank++;
				id[i] = NODES - rank; // the first that came are the quietest
			}
			datagram(id[0], id[1]);
			all += t >= 200;
			inside += t >= 200 && both_in(id[0], id[1]);
		}
		tick();
	}
	assert_true((double)inside / (double)all > 0.9 * best * best);
	assert_in_range(stats.n[CP_KERNEL_ENTERED] - entered, 0, PLACES / 2);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(busy_pair_enters_and_leaves),
	    cmocka_unit_test(neither_chance_nor_equals_make_changes),
	    cmocka_unit_test(does_not_count),
	    cmocka_unit_test(nodes_change),
	    cmocka_unit_test(rate_of_samples),
	    cmocka_unit_test(room_for_all),
	    cmocka_unit_test(restart),
	    cmocka_unit_test(skewed_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
