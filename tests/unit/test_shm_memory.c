// SPDX-License-Identifier: BSD-3-Clause
#include "shm/memory.h"
#include "shm/node_writer.h"
#include "shm/peer_table.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct memory_config config = {
    .node_capacity = 1000,
    .worker_count = 2,
    .punt_size = 65536,
    .inject_size = 65536,
    .trace_size = 65536,
};

static void memory_make(struct memory *m)
{
	struct memory_error err = {""};

	if (memory_create(m, &config, &err))
		fail_msg("%s", err.text);
}

static int fd_copy(const struct memory *m)
{
	return fcntl(m->fd, F_DUPFD_CLOEXEC, 3);
}

static void test_config(void **state)
{
	static const struct {
		struct memory_config cfg;
		const char *text; // part of the message
	} facts[] = {
	    {{0, 1, 4096, 4096, 4096}, "node capacity 0"},
	    {{1 << 24, 1, 4096, 4096, 4096}, "node capacity 16777216"},
	    {{1, 0, 4096, 4096, 4096}, "0 workers"},
	    {{1, 65, 4096, 4096, 4096}, "65 workers"},
	    {{1, 1, 4095, 4096, 4096}, "4095"},
	    {{1, 1, 4096, 12288, 4096}, "12288"},
	    {{1, 1, 4096, 4096, 1U << 27}, "134217728"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		struct memory_error err = {""};
		struct memory m;

		assert_int_equal(memory_create(&m, &facts[i].cfg, &err), -EINVAL);
		if (!strstr(err.text, facts[i].text))
			fail_msg("\"%s\" does not name %s", err.text, facts[i].text);
		assert_int_equal(m.fd, -1);
	}
}

static void test_map(void **state)
{
	struct memory_error err = {""};
	struct memory dp, cp;

	(void)state;
	memory_make(&dp);
	assert_int_equal(dp.header->boot_count, 1);
	assert_int_equal(dp.header->dp_pid, getpid());
	assert_true(ftruncate(dp.fd, 4096) < 0);
	assert_int_equal(memory_map(&cp, fd_copy(&dp), &err), 0);
	assert_ptr_not_equal(cp.base, dp.base);
	assert_int_equal(cp.worker_count, 2);
	dp.settings->ttl = 64;
	assert_int_equal(cp.settings->ttl, 64);
	dp.workers[1].counters[0] = 5;
	assert_int_equal(cp.workers[1].counters[0], 5);
	memory_unmap(&dp);
	assert_int_equal(cp.settings->ttl, 64);
	memory_unmap(&cp);
	memory_unmap(&cp);
}

static void test_adopt(void **state)
{
	struct memory_config more = config;
	struct node_route route = {.at = endpoint_from_v4(1, 2)};
	struct peer peer = {.at = endpoint_from_v4(9, 9), .id = 3};
	struct memory_error err = {""};
	struct node_writer w;
	struct peer_writer pw;
	struct node_entry e;
	struct memory dp, next;
	int fd;

	(void)state;
	memory_make(&dp);
	assert_int_equal(node_writer_open(&w, &dp), 0);
	assert_int_equal(node_writer_put(&w, 77, &route, 1), 1);
	node_writer_close(&w);
	assert_int_equal(peer_writer_open(&pw, &dp), 0);
	assert_int_equal(peer_writer_put(&pw, &peer), 0);
	peer_writer_close(&pw);
	dp.nexthops[5] = 55;
	dp.locals[1].valid = 1;
	dp.egress[1] = (struct egress){.valid = 1, .ifindex = 4};
	dp.workers[1].punt_head = 640;
	memory_punt_producer(&dp, 0).data[0] = 1;
	fd = fd_copy(&dp);
	memory_unmap(&dp);

	more.worker_count = WORKER_MAX;
	more.punt_size = 1 << 22;
	assert_int_equal(memory_adopt(&next, fd, &more, &err), 0);
	assert_int_equal(next.header->boot_count, 2);
	assert_int_equal(next.worker_count, WORKER_MAX);
	assert_true(node_table_find(&next.nodes, 77, &e));
	assert_int_equal(peer_find(next.peer_index, next.peers, &peer.at), 0);
	assert_int_equal(next.nexthops[5], 55);
	assert_int_equal(next.locals[1].valid, 1);
	assert_int_equal(next.egress[1].valid, 0);
	assert_int_equal(next.egress[1].ifindex, 4);
	assert_int_equal(next.workers[1].punt_head, 0);
	assert_int_equal(memory_punt_producer(&next, 0).data[0], 0);
	memory_trace_writer(&next, WORKER_MAX - 1).slots[0].sequence = 1;
	memory_unmap(&next);
}

static void test_adopt_refused(void **state)
{
	static const struct {
		size_t offset;
		uint32_t value;
		int code;
		const char *text;
	} facts[] = {
	    {0, 0x41414141, -EINVAL, "not a memory"},
	    {offsetof(struct shm_header, version), 6, -EPROTO,
		"memory has layout version 6, this build has 5"},
	    {offsetof(struct shm_header, header_size), 100, -EPROTO, "100"},
	    {offsetof(struct shm_header, node_capacity), 1001, -EINVAL, "damaged"},
	    {offsetof(struct shm_header, node_capacity), 0, -EINVAL, "capacity 0"},
	    {offsetof(struct shm_header, worker_count), 99, -EINVAL, "99 workers"},
	    {offsetof(struct shm_header, total_size), 4096, -EINVAL, "damaged"},
	    {offsetof(struct shm_header, punt_size), 77, -EINVAL, "77"},
	    {offsetof(struct shm_header, workers.offset), 0, -EINVAL, "damaged"},
	    {offsetof(struct shm_header, rings.size), 4096, -EINVAL, "damaged"},
	    {offsetof(struct shm_header, rings.size) + 4, 0xffffffff, -EINVAL, "damaged"},
	    {offsetof(struct shm_header, nodes.offset) + 4, 0xffffffff, -EINVAL, "damaged"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		struct memory_error err = {""};
		struct memory dp, next;
		int fd;

		memory_make(&dp);
		memcpy(dp.base + facts[i].offset, &facts[i].value, 4);
		fd = fd_copy(&dp);
		assert_int_equal(memory_adopt(&next, fd, &config, &err), facts[i].code);
		if (!strstr(err.text, facts[i].text))
			fail_msg("%u: \"%s\" does not say %s", i, err.text, facts[i].text);
		assert_int_equal(memory_map(&next, fd, &err), facts[i].code);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
		memory_unmap(&dp);
	}
}

// Counters may differ from an earlier data plane, whose blocks go, but not between the two
// processes.
static void test_other_counters(void **state)
{
	static const size_t offsets[] = {
	    offsetof(struct shm_header, block_size),
	    offsetof(struct shm_header, counter_count),
	    offsetof(struct shm_header, drop_count),
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		struct memory_error err = {""};
		struct memory dp, cp;
		uint32_t *at;
		int fd;

		memory_make(&dp);
		at = (uint32_t *)(dp.base + offsets[i]);
		*at += 1;
		fd = fd_copy(&dp);
		assert_int_equal(memory_map(&cp, fd, &err), -EPROTO);
		assert_non_null(strstr(err.text, "counters"));
		assert_int_equal(memory_adopt(&cp, fd, &config, &err), 0);
		memory_unmap(&cp);
		assert_int_equal(memory_map(&cp, fd_copy(&dp), &err), 0);
		memory_unmap(&cp);
		memory_unmap(&dp);
	}
}

static void test_adopt_table_damaged(void **state)
{
	struct memory_error err = {""};
	struct memory dp, next;
	uint64_t was;

	(void)state;
	memory_make(&dp);
	was = dp.nodes.header->state;
	dp.nodes.header->state = 5000;
	assert_int_equal(memory_adopt(&next, dp.fd, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "node table"));
	dp.nodes.header->state = was;
	dp.nodes.header->v6 += 4096;
	assert_int_equal(memory_map(&next, dp.fd, &err), -EINVAL);
	memory_unmap(&dp);
}

static void test_other_files(void **state)
{
	struct memory_error err = {""};
	struct memory m;
	int pipes[2], fd = memfd_create("other", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(memory_map(&m, fd, &err), -EINVAL);
	assert_int_equal(memory_map(&m, pipes[0], &err), -EINVAL);
	assert_int_equal(memory_map(&m, -1, &err), -EINVAL);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

// Capacity and rings that do not fit are refused on adoption, and nothing was changed.
static void test_adopt_sizes(void **state)
{
	struct memory_config cfg = config;
	struct memory_error err = {""};
	struct memory dp, next;

	(void)state;
	memory_make(&dp);
	dp.workers[1].punt_head = 640;
	cfg.node_capacity = 2000;
	assert_int_equal(memory_adopt(&next, dp.fd, &cfg, &err), -EINVAL);
	assert_non_null(strstr(err.text, "1000"));
	cfg.node_capacity = 1000;
	cfg.worker_count = WORKER_MAX;
	cfg.punt_size = 1 << 26;
	assert_int_equal(memory_adopt(&next, dp.fd, &cfg, &err), -EINVAL);
	assert_int_equal(dp.workers[1].punt_head, 640);
	assert_int_equal(dp.header->boot_count, 1);
	memory_unmap(&dp);
}

// A limit of files is one of this memory, too.
static void test_file_size_limit(void **state)
{
	struct memory_error err = {""};
	struct rlimit before, small;
	struct memory m;
	int rc;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){1 << 20, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = memory_create(&m, &config, &err);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, -EFBIG);
	assert_non_null(strstr(err.text, "File too large: raise the file size limit (ulimit -f"));
}

static unsigned released;

static void release_count(void *ctx, struct deferred_item item)
{
	(void)ctx;
	assert_int_equal(item.kind, 7);
	assert_int_equal(item.index, released++);
}

static void test_quiescent(void **state)
{
	struct quiescent_snapshot s;
	struct memory m;

	(void)state;
	memory_make(&m);
	// Nobody runs: nothing holds.
	quiescent_take(&m, &s);
	assert_true(quiescent_passed(&m, &s));
	quiescent_online(&m.workers[0], 100);
	quiescent_online(&m.workers[1], 101);
	quiescent_take(&m, &s);
	assert_false(quiescent_passed(&m, &s));
	quiescent_pass(&m.workers[0]);
	assert_false(quiescent_passed(&m, &s));
	quiescent_sleep(&m.workers[1]);
	assert_true(quiescent_passed(&m, &s));
	// Asleep all the time: nothing is held.
	quiescent_take(&m, &s);
	quiescent_pass(&m.workers[0]);
	assert_true(quiescent_passed(&m, &s));
	// Asleep at the snapshot, awake since: what it reads now is newer.
	quiescent_take(&m, &s);
	quiescent_wake(&m.workers[1]);
	assert_false(quiescent_passed(&m, &s));
	quiescent_pass(&m.workers[0]);
	assert_true(quiescent_passed(&m, &s));
	quiescent_take(&m, &s);
	quiescent_pass(&m.workers[0]);
	quiescent_offline(&m.workers[1]);
	assert_true(quiescent_passed(&m, &s));
	// A new data plane.
	quiescent_online(&m.workers[1], 101);
	quiescent_take(&m, &s);
	assert_false(quiescent_passed(&m, &s));
	m.header->boot_count++;
	assert_true(quiescent_passed(&m, &s));
	memory_unmap(&m);
}

// A pid that is nobody's here may be a live data plane's in another pid namespace.
static void test_quiescent_foreign_pid(void **state)
{
	struct quiescent_snapshot s;
	struct memory m;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	memory_make(&m);
	m.header->dp_pid = (uint64_t)child;
	quiescent_online(&m.workers[0], 100);
	quiescent_take(&m, &s);
	assert_false(quiescent_passed(&m, &s));
	quiescent_pass(&m.workers[0]);
	assert_true(quiescent_passed(&m, &s));
	memory_unmap(&m);
}

static void test_deferred(void **state)
{
	struct deferred d = {0};
	struct memory m;

	(void)state;
	memory_make(&m);
	quiescent_online(&m.workers[0], 100);
	released = 0;
	assert_int_equal(deferred_run(&d, &m, release_count, NULL), 0);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(deferred_reserve(&d, 1), 0);
		deferred_add(&d, i, 7);
		if (i == 499)
			assert_int_equal(deferred_run(&d, &m, release_count, NULL), 0);
	}
	assert_int_equal(deferred_run(&d, &m, release_count, NULL), 0);
	quiescent_pass(&m.workers[0]);
	// Only those before the snapshot.
	assert_int_equal(deferred_run(&d, &m, release_count, NULL), 500);
	assert_int_equal(deferred_run(&d, &m, release_count, NULL), 0);
	quiescent_pass(&m.workers[0]);
	assert_int_equal(deferred_run(&d, &m, release_count, NULL), 500);
	assert_int_equal(released, 1000);
	deferred_free(&d);
	memory_unmap(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_config),
	    cmocka_unit_test(test_map),
	    cmocka_unit_test(test_adopt),
	    cmocka_unit_test(test_adopt_refused),
	    cmocka_unit_test(test_other_counters),
	    cmocka_unit_test(test_adopt_table_damaged),
	    cmocka_unit_test(test_other_files),
	    cmocka_unit_test(test_adopt_sizes),
	    cmocka_unit_test(test_file_size_limit),
	    cmocka_unit_test(test_quiescent),
	    cmocka_unit_test(test_quiescent_foreign_pid),
	    cmocka_unit_test(test_deferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
