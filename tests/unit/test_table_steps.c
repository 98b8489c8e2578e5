// SPDX-License-Identifier: BSD-3-Clause
// A reader's view between any two instructions of the writer: the processor stops after each one,
// and every node that stays has to be found.
#include "shm/node_writer.h"
#include "tests/unit/memory_lab.h"

#include <signal.h>
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, STAY = 30, OTHERS = 60 };

static struct {
	const struct node_table *table;
	uint64_t instants, missed;
	volatile sig_atomic_t on;
} view;

static void on_step(int number, siginfo_t *info, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
	struct node_entry e;

	(void)number;
	(void)info;
	*flags = view.on ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
	view.instants++;
	for (uint32_t id = 1; id <= STAY; id++)
		view.missed += !node_table_find(view.table, id, &e) || node_entry_id(e) != id;
}

static void steps_begin(void)
{
	view.on = true;
	raise(SIGTRAP);
}

static void steps_end(void)
{
	view.on = false;
	raise(SIGTRAP);
}

static void put(struct node_writer *w, uint32_t id)
{
	const struct node_route r = {.at = endpoint_from_v4(id, 2)};

	assert_in_range(node_writer_put(w, id, &r, 1), 0, 1);
}

// The table grows, bucket by bucket, and then closes its chains up.
static void test_others_come_and_go(void **state)
{
	const struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	struct node_writer w;
	struct memory m;
	uint32_t buckets;

	(void)state;
	memory_lab_create(&m, STAY + OTHERS, 1, 4096);
	assert_int_equal(node_writer_open(&w, &m), 0);
	view.table = &m.nodes;
	for (uint32_t id = 1; id <= STAY; id++)
		put(&w, id);
	buckets = (uint32_t)node_table_state(&m.nodes);
	assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
	steps_begin();
	for (uint32_t id = STAY + 1; id <= STAY + OTHERS; id++)
		put(&w, id);
	for (uint32_t id = STAY + 1; id <= STAY + OTHERS; id++)
		node_writer_remove(&w, id);
	for (uint32_t id = 1; id <= STAY; id++)
		put(&w, id);
	steps_end();
	assert_true(view.instants > 100ULL * OTHERS);
	assert_int_equal(view.missed, 0);
	assert_true((uint32_t)node_table_state(&m.nodes) > buckets);
	node_writer_close(&w);
	memory_unmap(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_others_come_and_go)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
