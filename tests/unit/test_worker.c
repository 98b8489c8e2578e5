// SPDX-License-Identifier: BSD-3-Clause
// A worker between mem links: turn by turn, and as a thread.
#include "base/clock.h"
#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "shm/quiescent.h"
#include "tests/unit/stage_lab.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FRAMES = 256 };

static struct stage_lab lab;
static struct link raw, sock;
static struct link *links[] = {&sock, &raw};
static struct worker *worker;
static struct worker_block *block;
static int event_fd, cp_event_fd;

static void worker_again(void)
{
	const struct worker_config wc = {.memory = &lab.memory,
	    .links = links,
	    .link_count = 2,
	    .companion = LAB_SOCK,
	    .event_fd = event_fd,
	    .cp_event_fd = cp_event_fd,
	    .cpu = -1};

	assert_int_equal(worker_open(&worker, &wc), 0);
}

static int setup(void **state)
{
	struct link_config cfg = {.spec = "", .worker_count = 1, .frame_count = FRAMES};
	struct link_error err;

	(void)state;
	lab_open(&lab);
	raw = (struct link){.ops = &link_mem_ops};
	sock = (struct link){.ops = &link_mem_payload_ops};
	cfg.index = LAB_SOCK;
	assert_int_equal(sock.ops->open(&sock, &cfg, &err), 0);
	cfg.index = LAB_RAW;
	assert_int_equal(raw.ops->open(&raw, &cfg, &err), 0);
	event_fd = eventfd(0, EFD_NONBLOCK);
	cp_event_fd = eventfd(0, EFD_NONBLOCK);
	lab.memory.settings->ttl = 64;
	lab.memory.settings->busy_rate = 1000;
	block = &lab.memory.workers[0];
	worker_again();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	worker_close(worker);
	assert_int_equal(mem_lent(&raw, 0), 0);
	assert_int_equal(mem_lent(&sock, 0), 0);
	raw.ops->close(&raw);
	sock.ops->close(&sock);
	close(event_fd);
	close(cp_event_fd);
	lab_close(&lab);
	return 0;
}

static void relay_put(uint32_t dest, const char *text)
{
	struct dgram *d;

	lab_begin(&lab, LAB_RAW);
	d = lab_relay(&lab, AT_A, NODE_A, dest, text);
	assert_int_equal(mem_put(&raw, 0, d->l2, d->len), 0);
}

static void payload_put(const char *from, const void *bytes, size_t len)
{
	struct endpoint e = lab_endpoint(from);

	assert_int_equal(mem_put_from(&sock, 0, &e, LAB_V4, bytes, len), 0);
}

static void through_links(void **state)
{
	struct mem_sent sent;

	(void)state;
	relay_put(NODE_B, "raw");
	relay_put(NODE_COLD, "companion");
	relay_put(NODE_NOBODY, "lost");
	assert_int_equal(worker_turn(worker), 3);
	assert_true(mem_take(&raw, 0, &sent));
	assert_int_equal(sent.len, 14 + 20 + 8 + 5 + 3);
	assert_memory_equal(sent.data + 47, "raw", 3);
	assert_false(mem_take(&raw, 0, &sent));
	assert_true(mem_take(&sock, 0, &sent));
	assert_memory_equal(sent.data,
	    "\x06\0\0\0\x01"
	    "companion",
	    14);
	assert_int_equal(sent.out_local, LAB_V4);
	assert_false(mem_take(&sock, 0, &sent));
	assert_int_equal(mem_lent(&raw, 0), 0);
	assert_int_equal(block->counters[COUNTER_RX_DATAGRAMS], 3);
	assert_int_equal(block->counters[COUNTER_TX_DATAGRAMS], 2);
	assert_int_equal(block->counters[COUNTER_TX_BYTES], 5 + 3 + 5 + 9);
	assert_int_equal(block->counters[COUNTER_COMPANION], 1);
	assert_int_equal(block->drops[DROP_DEST_UNKNOWN], 1);
}

// What arrived on sock leaves on sock, also when a raw link could send it.
static void sock_stays_on_sock(void **state)
{
	struct mem_sent sent;

	(void)state;
	payload_put(AT_A, "\5\0\0\0\1\0\0\0\2x", 10);
	assert_int_equal(worker_turn(worker), 1);
	assert_false(mem_take(&raw, 0, &sent));
	assert_true(mem_take(&sock, 0, &sent));
	assert_memory_equal(sent.data, "\x06\0\0\0\x01x", 6);
}

static void punt_wakes(void **state)
{
	struct pollfd p = {.fd = cp_event_fd, .events = POLLIN};
	struct punt_record r;
	uint8_t copy[16];

	(void)state;
	payload_put(AT_A, "\3\0\0\0\1\0\0\0\2", 9);
	worker_turn(worker);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_true(lab_punt(&lab, &r, copy, sizeof(copy)));
	block->cp_sleeping = 1;
	payload_put(AT_A, "\3\0\0\0\1\0\0\0\2", 9);
	worker_turn(worker);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(block->counters[COUNTER_PUNTED], 2);
	assert_int_equal(block->punt_class[PUNT_PUNCH], 2);
	assert_int_equal(block->counters[COUNTER_TX_DATAGRAMS], 0);
}

static void inject_one(const char *to, const char *text, uint32_t claimed_len)
{
	struct ring_producer p = memory_inject_producer(&lab.memory, 0);
	uint32_t len = (uint32_t)strlen(text);
	struct inject_record *r = ring_reserve(&p, sizeof(*r) + len);

	assert_non_null(r);
	*r = (struct inject_record){.to = lab_endpoint(to), .local = LAB_V4, .len = claimed_len};
	memcpy(r + 1, text, len);
	ring_commit(&p);
}

static void injects(void **state)
{
	struct endpoint to = lab_endpoint("198.51.100.9:5");
	struct mem_sent sent;

	(void)state;
	inject_one("198.51.100.9:5", "punch", 5);
	inject_one("198.51.100.9:5", "lies about its length", 4000);
	inject_one("198.51.100.9:5", "again", 5);
	assert_int_equal(worker_turn(worker), 3);
	assert_true(mem_take(&sock, 0, &sent));
	assert_memory_equal(sent.data, "punch", 5);
	assert_int_equal(sent.len, 5);
	assert_true(endpoint_equal(&sent.to, &to));
	assert_true(mem_take(&sock, 0, &sent));
	assert_memory_equal(sent.data, "again", 5);
	assert_false(mem_take(&sock, 0, &sent));
	assert_int_equal(block->counters[COUNTER_INJECTED], 2);
	assert_int_equal(block->drops[DROP_TX_ERROR], 1);
	assert_int_equal(worker_turn(worker), 0);
}

// A control plane that wrote nonsense loses what it injected, and the next is sent.
static void injects_damaged(void **state)
{
	struct mem_sent sent;

	(void)state;
	inject_one("198.51.100.9:5", "lost", 4);
	block->inject_head += 1ULL << 40;
	assert_int_equal(worker_turn(worker), 0);
	assert_int_equal(block->counters[COUNTER_INJECT_RESETS], 1);
	inject_one("198.51.100.9:5", "punch", 5);
	assert_int_equal(worker_turn(worker), 1);
	assert_true(mem_take(&sock, 0, &sent));
	assert_memory_equal(sent.data, "punch", 5);
	assert_int_equal(block->counters[COUNTER_INJECT_RESETS], 1);
}

// A hundred waiting injections take more than one turn: the links come in between.
static void injects_are_bounded(void **state)
{
	struct mem_sent sent;
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		inject_one("198.51.100.9:5", "x", 1);
	assert_int_equal(worker_turn(worker), BURST_MAX);
	assert_int_equal(worker_turn(worker), 100 - BURST_MAX);
	while (mem_take(&sock, 0, &sent))
		n++;
	assert_int_equal(n, 100);
}

// A full link takes what it can and the rest is a named drop, in order.
static void tx_full(void **state)
{
	struct mem_sent sent;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < MEM_RING / 64 + 1; i++) {
		for (unsigned k = 0; k < 64; k++)
			inject_one("198.51.100.9:5", "x", 1);
		worker_turn(worker);
	}
	assert_true(block->drops[DROP_NO_BUFFER] > 0);
	while (mem_take(&sock, 0, &sent))
		n++;
	assert_int_equal(block->counters[COUNTER_INJECTED], n);
	assert_int_equal(block->counters[COUNTER_TX_DATAGRAMS], n);
	assert_int_equal(block->counters[COUNTER_TX_BYTES], n);
	assert_int_equal(n + block->drops[DROP_NO_BUFFER], (MEM_RING / 64 + 1) * 64);
}

// What a link refuses is a drop, and counts as neither relayed nor answered.
static void tx_refused(void **state)
{
	struct dgram *d;

	(void)state;
	for (unsigned i = 0; i < FRAMES; i++)
		inject_one("198.51.100.9:5", "x", 1);
	while (worker_turn(worker))
		;
	assert_int_equal(block->drops[DROP_NO_BUFFER], 0);
	relay_put(NODE_COLD, "companion");
	lab_begin(&lab, LAB_RAW);
	d = lab_dgram(&lab, "198.51.100.6:4006", "\1\0\0\0\6", 5);
	assert_int_equal(mem_put(&raw, 0, d->l2, d->len), 0);
	assert_int_equal(worker_turn(worker), 2);
	assert_int_equal(block->drops[DROP_NO_BUFFER], 2);
	assert_int_equal(block->counters[COUNTER_RELAYED], 0);
	assert_int_equal(block->counters[COUNTER_DISCOVER_ANSWERED], 0);
	assert_int_equal(block->counters[COUNTER_COMPANION], 0);
	assert_int_equal(block->counters[COUNTER_TX_DATAGRAMS], FRAMES);
	assert_int_equal(block->counters[COUNTER_TX_BYTES], FRAMES);
}

struct traced {
	struct trace_record r;
	uint8_t bytes[TRACE_CAPTURE_MAX];
};

static unsigned trace_all(struct trace_reader *reader, struct traced *out, unsigned max)
{
	unsigned n = 0;

	while (n < max && trace_read(reader, &out[n].r, out[n].bytes))
		n++;
	return n;
}

static void traffic(void)
{
	relay_put(NODE_B, "to b");
	relay_put(NODE_EX, "to ex");
	relay_put(NODE_FAR, "to far");
	relay_put(NODE_NOBODY, "to nobody");
	worker_turn(worker);
	payload_put(AT_B, "\1\0\0\0\2", 5);
	payload_put(AT_B, "\3\0\0\0\2\0\0\0\1", 9);
	worker_turn(worker);
}

// The trace shows each datagram as it came, with its verdict.
static void trace(void **state)
{
	static const struct {
		const char *bytes;
		uint16_t len;
		uint8_t verdict;
		enum drop drop;
		uint32_t sender, dest;
	} facts[] = {
	    {"\5\0\0\0\1\0\0\0\2to b", 13, VERDICT_SEND, DROP_NONE, 1, 2},
	    {"\5\0\0\0\1\0\0\0\4to ex", 14, VERDICT_SEND, DROP_NONE, 1, 4},
	    {"\5\0\0\0\1\0\0\0\5to far", 15, VERDICT_SEND, DROP_NONE, 1, 5},
	    {"\5\0\0\0\1\0\0\0\143to nobody", 18, VERDICT_DROP, DROP_DEST_UNKNOWN, 1, 99},
	    {"\1\0\0\0\2", 5, VERDICT_SEND, DROP_NONE, 2, 0},
	    {"\3\0\0\0\2\0\0\0\1", 9, VERDICT_PUNT, DROP_NONE, 2, 1},
	};
	struct trace_reader reader = memory_trace_reader(&lab.memory, 0);
	struct endpoint b = lab_endpoint(AT_B);
	struct traced got[16];

	(void)state;
	traffic();
	assert_int_equal(trace_all(&reader, got, 16), 0);
	lab.memory.settings->trace_on = 1;
	lab.memory.settings->trace_sample = 1;
	traffic();
	assert_int_equal(trace_all(&reader, got, 16), ARRAY_SIZE(facts));
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		assert_int_equal(got[i].r.captured, facts[i].len);
		assert_int_equal(got[i].r.len, facts[i].len);
		assert_memory_equal(got[i].bytes, facts[i].bytes, facts[i].len);
		assert_int_equal(got[i].r.verdict, facts[i].verdict);
		assert_int_equal(got[i].r.drop, facts[i].drop);
		assert_int_equal(got[i].r.sender, facts[i].sender);
		assert_int_equal(got[i].r.dest, facts[i].dest);
	}
	assert_true(endpoint_equal(&got[0].r.to, &b));
	assert_int_equal(block->counters[COUNTER_TRACED], ARRAY_SIZE(facts));
}

static void trace_filters(void **state)
{
	static const struct {
		uint64_t node, sample, drops_only, count;
	} facts[] = {{0, 1, 0, 6}, {NODE_EX, 1, 0, 1}, {NODE_B, 1, 0, 3}, {0, 2, 0, 3},
	    {0, 1, 1, 1}, {NODE_EX, 1, 1, 0}, {0, 0, 0, 6}};
	struct trace_reader reader = memory_trace_reader(&lab.memory, 0);
	struct relay_settings *set = lab.memory.settings;
	struct traced got[16];

	(void)state;
	set->trace_on = 1;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		set->trace_node = facts[i].node;
		set->trace_sample = facts[i].sample;
		set->trace_drops_only = facts[i].drops_only;
		traffic();
		assert_int_equal(trace_all(&reader, got, 16), facts[i].count);
	}
}

// A drop by the link itself shows up in the trace of drops.
static void trace_link_drop(void **state)
{
	struct trace_reader reader = memory_trace_reader(&lab.memory, 0);
	struct traced got[16] = {0};
	struct mem_sent sent;

	(void)state;
	while (block->drops[DROP_NO_BUFFER] == 0) {
		inject_one("198.51.100.9:5", "x", 1);
		worker_turn(worker);
	}
	lab.memory.settings->trace_on = 1;
	lab.memory.settings->trace_drops_only = 1;
	relay_put(NODE_COLD, "no room");
	worker_turn(worker);
	assert_int_equal(trace_all(&reader, got, 16), 1);
	assert_int_equal(got[0].r.drop, DROP_NO_BUFFER);
	assert_int_equal(got[0].r.dest, NODE_COLD);
	while (mem_take(&sock, 0, &sent))
		;
}

// Each turn ends in a quiescent state, also an empty one.
static void turns_are_quiescent(void **state)
{
	struct quiescent_snapshot snapshot;

	(void)state;
	block->tid = (int32_t)getpid();
	for (int i = 0; i < 3; i++) {
		quiescent_take(&lab.memory, &snapshot);
		assert_false(quiescent_passed(&lab.memory, &snapshot));
		worker_turn(worker);
		assert_true(quiescent_passed(&lab.memory, &snapshot));
	}
	block->tid = 0;
}

// The thread blocks when idle, in a quiescent state, wakes for an injection and ends when told.
static void thread(void **state)
{
	struct quiescent_snapshot snapshot;
	uint64_t one = 1, sleeps;

	(void)state;
	assert_int_equal(worker_start(worker), 0);
	assert_true(lab_wait(&block->counters[COUNTER_SLEEPS], 1));
	quiescent_take(&lab.memory, &snapshot);
	for (int round = 1; round <= 3; round++) {
		sleeps = block->counters[COUNTER_SLEEPS];
		inject_one("198.51.100.9:5", "x", 1);
		if (__atomic_load_n(&block->sleeping, __ATOMIC_SEQ_CST))
			assert_int_equal(write(event_fd, &one, sizeof(one)), sizeof(one));
		assert_true(lab_wait(&block->counters[COUNTER_INJECTED], (uint64_t)round));
		assert_true(lab_wait(&block->counters[COUNTER_SLEEPS], sleeps + 1));
	}
	assert_true(quiescent_passed(&lab.memory, &snapshot));
	assert_true(block->tid != 0);
	worker_stop(worker);
}

// busy-rate 0: never blocks.
static void thread_polls(void **state)
{
	(void)state;
	lab.memory.settings->busy_rate = 0;
	assert_int_equal(worker_start(worker), 0);
	assert_true(lab_wait(&block->counters[COUNTER_POLLS_EMPTY], 1000));
	assert_int_equal(block->counters[COUNTER_SLEEPS], 0);
	assert_int_equal(block->mode, 1);
	worker_stop(worker);
}

static unsigned waits;

// So many a turn, and not a full burst, that the slowest machine sees a high rate.
static unsigned rx_endless(struct link_queue *q, struct dgram *d, unsigned max)
{
	for (unsigned i = 0; i < BURST_MAX - 1; i++)
		payload_put(AT_A, "?", 1);
	return link_mem_payload_ops.rx(q, d, max);
}

static void wait_count(struct link_queue *q)
{
	(void)q;
	__atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
}

static unsigned waits_now(void)
{
	return __atomic_load_n(&waits, __ATOMIC_RELAXED);
}

// A worker with one link waits in that, quiescent, while datagrams come fast.
static void thread_waits(void **state)
{
	struct link_ops endless = link_mem_payload_ops;
	struct quiescent_snapshot snapshot;

	(void)state;
	endless.rx = rx_endless;
	endless.wait = wait_count;
	sock.ops = &endless;
	raw.queue_count = 0;
	worker_close(worker);
	worker_again();
	waits = 0;
	assert_int_equal(worker_start(worker), 0);
	for (int i = 0; i < 60000 && waits_now() == 0; i++)
		usleep(1000);
	assert_true(waits_now() > 0);
	quiescent_take(&lab.memory, &snapshot);
	for (int i = 0; i < 60000 && !quiescent_passed(&lab.memory, &snapshot); i++)
		usleep(1000);
	assert_true(quiescent_passed(&lab.memory, &snapshot));
	worker_stop(worker);
	worker_close(worker);
	sock.ops = &link_mem_payload_ops;
	raw.queue_count = 1;
	worker_again();
}

static int quiet_fd, loud_fd;

// As many as a queue may have; of the raw link's the last has input.
static unsigned poll_many(struct link_queue *q, int *fds, unsigned max)
{
	for (unsigned i = 0; i < max; i++)
		fds[i] = quiet_fd;
	if (q == raw.queues[0] && max)
		fds[max - 1] = loud_fd;
	return max;
}

// However many descriptors its links have, each ends a sleep.
static void thread_polls_all(void **state)
{
	struct link_ops many = link_mem_ops, many_payloads = link_mem_payload_ops;

	(void)state;
	quiet_fd = eventfd(0, EFD_NONBLOCK);
	loud_fd = eventfd(1, EFD_NONBLOCK);
	many.poll_fds = many_payloads.poll_fds = poll_many;
	raw.ops = &many;
	sock.ops = &many_payloads;
	assert_int_equal(worker_start(worker), 0);
	assert_true(lab_wait(&block->counters[COUNTER_SLEEPS], 100));
	worker_stop(worker);
	worker_close(worker);
	raw.ops = &link_mem_ops;
	sock.ops = &link_mem_payload_ops;
	worker_again();
	close(quiet_fd);
	close(loud_fd);
}

static unsigned nap_us;

static unsigned nap(struct link_queue *q)
{
	(void)q;
	return nap_us;
}

// A worker naps no longer than the most impatient of its links lets it; 0: not at all.
static void thread_naps(void **state)
{
	struct link_ops impatient = link_mem_ops;

	(void)state;
	impatient.nap_us = nap;
	raw.ops = &impatient;
	nap_us = 0;
	assert_int_equal(worker_start(worker), 0);
	assert_true(lab_wait(&block->counters[COUNTER_POLLS_EMPTY], 1000));
	assert_int_equal(block->counters[COUNTER_SLEEPS], 0);
	worker_stop(worker);
	worker_close(worker);
	nap_us = 100;
	worker_again();
	assert_int_equal(worker_start(worker), 0);
	assert_true(lab_wait(&block->counters[COUNTER_SLEEPS], 100));
	worker_stop(worker);
	worker_close(worker);
	raw.ops = &link_mem_ops;
	worker_again();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(through_links, setup, teardown),
	    cmocka_unit_test_setup_teardown(sock_stays_on_sock, setup, teardown),
	    cmocka_unit_test_setup_teardown(punt_wakes, setup, teardown),
	    cmocka_unit_test_setup_teardown(injects, setup, teardown),
	    cmocka_unit_test_setup_teardown(injects_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(injects_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(tx_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(tx_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(trace, setup, teardown),
	    cmocka_unit_test_setup_teardown(trace_filters, setup, teardown),
	    cmocka_unit_test_setup_teardown(trace_link_drop, setup, teardown),
	    cmocka_unit_test_setup_teardown(turns_are_quiescent, setup, teardown),
	    cmocka_unit_test_setup_teardown(thread, setup, teardown),
	    cmocka_unit_test_setup_teardown(thread_polls, setup, teardown),
	    cmocka_unit_test_setup_teardown(thread_waits, setup, teardown),
	    cmocka_unit_test_setup_teardown(thread_polls_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(thread_naps, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
