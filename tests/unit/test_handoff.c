// SPDX-License-Identifier: BSD-3-Clause
// Two workers, and links of which only one of them has a queue.
#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "tests/unit/stage_lab.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WORKERS = 2, FRAMES = 256, NEAR = LAB_RAW, FAR = 2, LINKS = 3, HEADERS = 14 + 4 + 20 + 8 };

static struct stage_lab lab;
static struct link sock, near, far; // far: where NODE_TAGGED is, through a queue of worker 1
static struct link *links[LINKS] = {&sock, &near, &far};
static struct handoff handoff;
static struct worker *workers[WORKERS];
static struct worker_block *blocks;
static int event_fds[WORKERS], cp_event_fd;

static void link_open(struct link *link, const struct link_ops *ops, uint8_t index, uint16_t queues)
{
	const struct link_config cfg = {
	    .spec = "", .index = index, .worker_count = queues, .frame_count = FRAMES};
	struct link_error err;

	*link = (struct link){.ops = ops};
	assert_int_equal(ops->open(link, &cfg, &err), 0);
}

static struct handoff_config handoff_wanted(void)
{
	return (struct handoff_config){.links = links,
	    .link_count = LINKS,
	    .worker_count = WORKERS,
	    .blocks = blocks,
	    .event_fds = event_fds};
}

static void workers_open(void)
{
	const struct handoff_config cfg = handoff_wanted();

	assert_int_equal(handoff_open(&handoff, &cfg), 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		const struct worker_config wc = {.index = i,
		    .memory = &lab.memory,
		    .links = links,
		    .link_count = LINKS,
		    .companion = LAB_SOCK,
		    .handoff = &handoff.of[i],
		    .event_fd = event_fds[i],
		    .cp_event_fd = cp_event_fd,
		    .cpu = -1};

		assert_int_equal(worker_open(&workers[i], &wc), 0);
	}
}

static int setup(void **state)
{
	(void)state;
	lab_open_for(&lab, WORKERS);
	blocks = lab.memory.workers;
	link_open(&sock, &link_mem_payload_ops, LAB_SOCK, WORKERS);
	link_open(&near, &link_mem_ops, NEAR, 1);
	link_open(&far, &link_mem_ops, FAR, 1);
	far.first_worker = 1;
	lab.memory.egress[1].link = FAR;
	lab.memory.settings->ttl = 64;
	lab.memory.settings->busy_rate = 1000;
	for (unsigned i = 0; i < WORKERS; i++)
		event_fds[i] = eventfd(0, EFD_NONBLOCK);
	cp_event_fd = eventfd(0, EFD_NONBLOCK);
	workers_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORKERS; i++)
		worker_close(workers[i]);
	handoff_close(&handoff);
	for (unsigned i = 0; i < LINKS; i++) {
		for (unsigned q = 0; q < links[i]->queue_count; q++)
			assert_int_equal(mem_lent(links[i], q), 0);
		links[i]->ops->close(links[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		close(event_fds[i]);
	close(cp_event_fd);
	lab_close(&lab);
	return 0;
}

static void relay_put(uint32_t dest, const void *frame, size_t len)
{
	char text[32] = "";
	struct dgram *d;

	memcpy(text, frame, len);
	lab_begin(&lab, LAB_RAW);
	d = lab_relay(&lab, AT_A, NODE_A, dest, text);
	assert_int_equal(mem_put(&near, 0, d->l2, d->len), 0);
}

static uint64_t count_both(enum counter c)
{
	return blocks[0].counters[c] + blocks[1].counters[c];
}

static uint64_t drops_both(enum drop d)
{
	return blocks[0].drops[d] + blocks[1].drops[d];
}

// Counted where it is sent, received where it came.
static void through_the_other_worker(void **state)
{
	struct mem_sent sent;

	(void)state;
	relay_put(NODE_B, "own", 3);
	relay_put(NODE_TAGGED, "given", 5);
	assert_int_equal(worker_turn(workers[0]), 2);
	assert_true(mem_take(&near, 0, &sent));
	assert_false(mem_take(&far, 0, &sent));
	assert_int_equal(blocks[0].counters[COUNTER_RELAYED], 1);
	assert_int_equal(blocks[0].counters[COUNTER_HANDED_OFF], 1);
	assert_int_equal(blocks[0].counters[COUNTER_TX_DATAGRAMS], 1);
	assert_int_equal(worker_turn(workers[1]), 1);
	assert_true(mem_take(&far, 0, &sent));
	assert_int_equal(sent.len, HEADERS + 5 + 5);
	assert_memory_equal(sent.data + HEADERS, "\x06\0\0\0\x01given", 10);
	assert_int_equal(blocks[1].counters[COUNTER_RX_DATAGRAMS], 0);
	assert_int_equal(blocks[1].counters[COUNTER_RELAYED], 1);
	assert_int_equal(blocks[1].counters[COUNTER_RELAYED_BYTES], 5);
	assert_int_equal(blocks[1].counters[COUNTER_TX_DATAGRAMS], 1);
	assert_int_equal(blocks[1].counters[COUNTER_TX_BYTES], 5 + 5);
	assert_int_equal(count_both(COUNTER_COMPANION), 0);
	assert_int_equal(worker_turn(workers[1]), 0);
}

// What goes to a peer relay through the other worker is counted as forwarded there.
static void forwards(void **state)
{
	(void)state;
	lab.memory.egress[0].link = FAR;
	relay_put(NODE_FAR, "mesh", 4);
	worker_turn(workers[0]);
	assert_int_equal(blocks[0].counters[COUNTER_FORWARDED], 0);
	worker_turn(workers[1]);
	assert_int_equal(blocks[1].counters[COUNTER_FORWARDED], 1);
	assert_int_equal(count_both(COUNTER_RELAYED), 0);
}

// More than a ring holds passes through it, in order.
static void keeps_order(void **state)
{
	enum { COUNT = 40000, STEP = 96 };
	struct mem_sent sent;
	char text[16];

	(void)state;
	for (uint32_t next = 0, seen = 0; seen < COUNT;) {
		for (int i = 0; i < STEP && next < COUNT; i++, next++)
			relay_put(NODE_TAGGED, text, (size_t)sprintf(text, "%u", next));
		for (int i = 0; i < 2; i++)
			worker_turn(workers[0]);
		for (int i = 0; i < 2; i++)
			worker_turn(workers[1]);
		for (; mem_take(&far, 0, &sent); seen++) {
			sprintf(text, "%u", seen);
			assert_int_equal(sent.len, HEADERS + 5 + strlen(text));
			assert_memory_equal(sent.data + HEADERS + 5, text, strlen(text));
		}
	}
	assert_int_equal(count_both(COUNTER_RELAYED), COUNT);
	assert_int_equal(drops_both(DROP_TX_FULL), 0);
}

// With the other worker away frames are lost once the ring is full, each counted, and no buffer is.
static void full(void **state)
{
	uint64_t put = 0, relayed;
	struct mem_sent sent;

	(void)state;
	for (; drops_both(DROP_TX_FULL) < 100; put += FRAMES / 2) {
		for (int i = 0; i < FRAMES / 2; i++)
			relay_put(NODE_TAGGED, "x", 1);
		while (worker_turn(workers[0]))
			;
	}
	assert_int_equal(blocks[0].counters[COUNTER_HANDED_OFF] + drops_both(DROP_TX_FULL), put);
	assert_int_equal(mem_lent(&near, 0), 0);
	while (worker_turn(workers[1]))
		while (mem_take(&far, 0, &sent))
			;
	relayed = count_both(COUNTER_RELAYED);
	assert_int_equal(relayed, blocks[0].counters[COUNTER_HANDED_OFF]);
	assert_int_equal(count_both(COUNTER_RELAYED_BYTES), relayed);
}

// What the link refuses is a drop of the worker that has its queue.
static void link_full(void **state)
{
	struct mem_sent sent;
	uint64_t put = 0, sent_count = 0;

	(void)state;
	for (; blocks[1].drops[DROP_NO_BUFFER] == 0; put += FRAMES / 2) {
		for (int i = 0; i < FRAMES / 2; i++)
			relay_put(NODE_TAGGED, "x", 1);
		while (worker_turn(workers[0]))
			;
		while (worker_turn(workers[1]))
			;
	}
	for (; mem_take(&far, 0, &sent); sent_count++)
		;
	assert_int_equal(blocks[1].counters[COUNTER_RELAYED], sent_count);
	assert_int_equal(blocks[1].counters[COUNTER_TX_DATAGRAMS], sent_count);
	assert_int_equal(blocks[1].counters[COUNTER_TX_BYTES], sent_count * 6);
	assert_int_equal(sent_count + blocks[1].drops[DROP_NO_BUFFER], put);
}

// A worker that sleeps is woken by what it is given.
static void wakes(void **state)
{
	struct worker_block *b = &blocks[1];

	(void)state;
	assert_int_equal(worker_start(workers[1]), 0);
	for (uint64_t round = 1; round <= 20; round++) {
		assert_true(lab_wait(&b->counters[COUNTER_SLEEPS], round));
		relay_put(NODE_TAGGED, "wake", 4);
		worker_turn(workers[0]);
		assert_true(lab_wait(&b->counters[COUNTER_RELAYED], round));
	}
	worker_stop(workers[1]);
}

// Whose queue is where, and that nothing is made where everyone has one.
static void places(void **state)
{
	static const struct {
		uint16_t queues, first;
		unsigned workers;
		const char *places; // by worker: its queue, or -
	} facts[] = {
	    {4, 0, 4, "0123"},
	    {1, 0, 3, "0--"},
	    {1, 2, 3, "--0"},
	    {2, 2, 4, "--01"},
	    {3, 2, 4, "2-01"},
	    {1, 0, 1, "0"},
	};
	struct handoff_config cfg = handoff_wanted();
	struct link_queue *own[8];
	struct handoff none;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct link l = {.queue_count = facts[i].queues, .first_worker = facts[i].first};

		for (unsigned q = 0; q < l.queue_count; q++)
			l.queues[q] = own[q] = (struct link_queue *)&own[q];
		for (unsigned w = 0; w < facts[i].workers; w++) {
			int at = facts[i].places[w] == '-' ? -1 : facts[i].places[w] - '0';

			assert_ptr_equal(
			    link_queue_of(&l, w, facts[i].workers), at < 0 ? NULL : own[at]);
			if (at >= 0)
				assert_int_equal(
				    link_worker_of(&l, (unsigned)at, facts[i].workers), w);
		}
	}
	cfg.worker_count = 1;
	assert_int_equal(handoff_open(&none, &cfg), 0);
	assert_null(none.rings);
	handoff_close(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(through_the_other_worker, setup, teardown),
	    cmocka_unit_test_setup_teardown(forwards, setup, teardown),
	    cmocka_unit_test_setup_teardown(keeps_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(full, setup, teardown),
	    cmocka_unit_test_setup_teardown(link_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(wakes, setup, teardown),
	    cmocka_unit_test_setup_teardown(places, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
