// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/lookup.h"
#include "shm/node_writer.h"
#include "tests/unit/memory_lab.h"

#include <pthread.h>

// Readers look up ids that are always there while the writer grows the table, splits, removes and
// changes them. They must find each one every time, with an endpoint and a next hop of one moment.

enum { READERS = 2, READS_LEAST = 400000 };

// Ids that stay, ids that come and go, and how often they all do.
struct scene {
	uint32_t stable, churn, rounds;
};

struct reader {
	struct scene scene;
	pthread_t thread;
	const struct memory *m;
	uint32_t worker;
	const bool *done;
	uint64_t reads, missed, torn;
	bool bulk;
};

// Everything in the route follows from the id and a moment, which is in the address.
static struct node_route route_at(uint32_t id, uint32_t moment)
{
	uint16_t port = (uint16_t)(moment * 31 + id);
	struct node_route r = {
	    .nexthop = (uint16_t)(moment * 7 + id) & NODE_NEXTHOP_MASK,
	    .local = (uint8_t)(moment + id) & NODE_LOCAL_MASK,
	};
	uint8_t a[16];

	if (moment % 2) {
		for (int i = 0; i < 4; i++)
			memcpy(a + 4 * i, i % 2 ? &moment : &id, 4);
		r.at = endpoint_from_v6(a, port);
	} else {
		r.at = endpoint_from_v4(moment, port);
	}
	return r;
}

static bool entry_whole(const struct node_table *t, struct node_entry e, uint32_t id)
{
	struct endpoint at;
	struct node_route r;
	uint32_t moment;

	if (!node_table_endpoint(t, e, &at))
		return false;
	memcpy(&moment, at.addr + 12, 4);
	r = route_at(id, moment);
	return endpoint_equal(&at, &r.at) && node_entry_id(e) == id &&
	       node_entry_nexthop(e) == r.nexthop && node_entry_local(e) == r.local;
}

static void read_single(struct reader *r, uint32_t id)
{
	struct node_entry e;

	if (!node_table_find(&r->m->nodes, id, &e))
		r->missed++;
	else if (!entry_whole(&r->m->nodes, e, id))
		r->torn++;
	r->reads++;
}

static void read_bulk(struct reader *r, uint32_t first)
{
	uint32_t ids[LOOKUP_MAX];
	struct node_lookup l;

	for (unsigned i = 0; i < LOOKUP_MAX; i++)
		ids[i] = (first + i) % r->scene.stable + 1;
	node_lookup_run(&r->m->nodes, ids, LOOKUP_MAX, &l);
	for (unsigned i = 0; i < LOOKUP_MAX; i++) {
		if (!node_lookup_found(&l, i))
			r->missed++;
		else if (!entry_whole(&r->m->nodes, l.entries[i], ids[i]))
			r->torn++;
	}
	r->reads += LOOKUP_MAX;
}

static void *reader_run(void *ctx)
{
	struct reader *r = ctx;
	struct worker_block *b = &r->m->workers[r->worker];
	uint32_t id = r->worker * 1000;

	quiescent_online(b, 1);
	while (!__atomic_load_n(r->done, __ATOMIC_ACQUIRE) || r->reads < READS_LEAST) {
		if (r->bulk)
			read_bulk(r, id += LOOKUP_MAX);
		else
			for (int i = 0; i < 64; i++)
				read_single(r, id++ % r->scene.stable + 1);
		quiescent_pass(b);
	}
	quiescent_offline(b);
	return NULL;
}

// Puts that find no free place until the readers have passed are tried again.
static void put(struct node_writer *w, uint32_t id, uint32_t moment)
{
	struct node_route r = route_at(id, moment);
	int err;

	do
		err = node_writer_put(w, id, &r, 1);
	while (err == -EAGAIN);
	assert_true(err >= 0);
}

static void churn(struct node_writer *w, const struct scene *s)
{
	uint32_t moment = 1;

	for (uint32_t round = 0; round < s->rounds; round++) {
		for (uint32_t i = 1; i <= s->churn; i++) {
			put(w, s->stable + i, moment++);
			put(w, (uint32_t)rand() % s->stable + 1, moment += (uint32_t)rand() % 2);
			if (i % 3 == 0)
				node_writer_remove(w, s->stable + (uint32_t)rand() % i + 1);
			node_writer_run(w);
		}
		for (uint32_t i = 1; i <= s->churn; i++)
			node_writer_remove(w, s->stable + i);
	}
}

static void scene_run(struct scene scene)
{
	struct reader readers[READERS];
	struct node_writer w;
	bool done = false;
	struct memory m;

	srand(11);
	memory_lab_create(&m, scene.stable + scene.churn, READERS, 4096);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (uint32_t id = 1; id <= scene.stable; id++)
		put(&w, id, 2);
	for (uint32_t i = 0; i < READERS; i++) {
		struct reader *r = &readers[i];

		*r = (struct reader){
		    .scene = scene, .m = &m, .worker = i, .done = &done, .bulk = i % 2 == 0};
		assert_int_equal(pthread_create(&r->thread, NULL, reader_run, r), 0);
	}
	churn(&w, &scene);
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].missed, 0);
		assert_int_equal(readers[i].torn, 0);
	}
	assert_int_equal(m.nodes.header->node_count, scene.stable);
	node_writer_close(&w);
	memory_unmap(&m);
}

static void test_grow(void **state)
{
	(void)state;
	scene_run((struct scene){.stable = 3000, .churn = 60000, .rounds = 3});
}

// Few buckets, all of them always changing: chains grow and are closed up under the readers.
static void test_chains(void **state)
{
	(void)state;
	scene_run((struct scene){.stable = 150, .churn = 100, .rounds = 2500});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grow),
	    cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
