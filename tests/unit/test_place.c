// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/place.h"
#include "dataplane/stage/familiar.h"
#include "dataplane/worker_room.h"
#include "shm/pages.h"
#include "tests/unit/unit.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

// Whatever cores are asked for, also such that are not there: the memory is as good as before.
static void memory_stays(void **state)
{
	static const struct config_cpus asked[] = {
	    {.count = 0},
	    {.count = 1, .at = {0}},
	    {.count = 2, .at = {0, 1}},
	    {.count = 2, .at = {0, 4000}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		uint64_t size = 1;
		uint8_t *at = pages_own(&size);

		assert_non_null(at);
		assert_int_equal(size, HUGE_PAGE);
		assert_int_equal((uintptr_t)at % HUGE_PAGE, 0);
		place_between(at, size, &asked[i]);
		place_near(at, size, asked[i].count ? (int)asked[i].at[0] : -1);
		for (uint64_t k = 0; k < size; k += 4096) {
			assert_int_equal(at[k], 0);
			at[k] = 1;
		}
		munmap(at, size);
	}
}

static void cores_that_are_not_there(void **state)
{
	static const struct {
		struct config_cpus cpus;
		int absent;
	} facts[] = {
	    {{.count = 0}, -1},
	    {{.count = 2, .at = {1023, 1022}}, 1023},
	};
	struct config_cpus own = {.count = 1};
	cpu_set_t before, after;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_int_equal(place_find_absent(&facts[i].cpus), facts[i].absent);
	while (!CPU_ISSET(own.at[0], &before))
		own.at[0]++;
	assert_int_equal(place_find_absent(&own), -1);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

// A worker's memory: zeroed, no two parts overlap, and as large as said.
static void rooms(void **state)
{
	static const uint32_t index_max[] = {1, 4096, 1000000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(index_max); i++) {
		struct worker_room r;
		uint8_t *own;

		assert_int_equal(worker_room_open(&r, 5000, index_max[i], 0), 0);
		own = r.own;
		memset(own, 1, 5000);
		assert_int_equal(r.police.sources[0].tag[0], 0);
		memset(r.police.sources, 2, SOURCE_SETS * sizeof(*r.police.sources));
		assert_int_equal(*(uint8_t *)r.familiar, 0);
		assert_int_equal(r.police.senders[0], 0);
		assert_int_equal(r.police.sender_count, index_max[i] + 1);
		r.police.senders[index_max[i]] = 3;
		assert_int_equal(own[0], 1);
		assert_int_equal(own[4999], 1);
		worker_room_close(&r);
	}
}

// How many of the pages in [at, at + size) are there.
static size_t pages_there(void *at, size_t size)
{
	size_t pages = (size + 4095) / 4096, there = 0;
	unsigned char *in = malloc(pages);

	assert_int_equal(mincore(at, size, in), 0);
	for (size_t i = 0; i < pages; i++)
		there += in[i] & 1;
	free(in);
	return there;
}

// No worker has to ask for a page that a burst needs because nodes came or sources speak.
static void pages_are_ahead(void **state)
{
	static const uint32_t nodes[] = {
	    0, 1, 40000, 40000, 20000, 500000, 1000000, UINT32_MAX / 2};
	enum { LAST = 1000000, SOURCES = SOURCE_SETS * sizeof(struct bucket_set), PER_PAGE = 1024 };
	uint32_t most = 0;
	struct worker_room r;

	(void)state;
	assert_int_equal(worker_room_open(&r, 1, LAST, -1), 0);
	assert_int_equal(pages_there(r.police.sources, SOURCES), SOURCES / 4096);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		size_t there, all = LAST / PER_PAGE + 1;

		most = nodes[i] > most ? nodes[i] : most;
		worker_room_follow(&r, nodes[i]);
		there = pages_there(r.police.senders, (LAST + 1ULL) * sizeof(uint32_t));
		assert_true(there == all || there >= (most + ROOM_AHEAD / 2) / PER_PAGE);
		assert_true(there <= (most + ROOM_AHEAD) / PER_PAGE + 1);
	}
	assert_int_equal(pages_there(r.familiar, FAMILIAR_SIZE), 0);
	worker_room_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_stays),
	    cmocka_unit_test(cores_that_are_not_there),
	    cmocka_unit_test(rooms),
	    cmocka_unit_test(pages_are_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
