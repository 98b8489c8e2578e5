// SPDX-License-Identifier: BSD-3-Clause
// Cost of a node look-up in bulk, beside a bare open-addressing table with 64-byte slots and the
// same prefetching, in one run; and beside the same with ids for which its hash has no collisions,
// so that each look-up reads one line and every branch is foreseen: less than that no table can
// do. All lie in huge pages where the kernel has some.
#include "base/clock.h"
#include "base/random.h"
#include "bench/median.h"
#include "dataplane/table/lookup.h"
#include "shm/node_writer.h"
#include "shm/pages.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Short rounds in turns, each with ids that were not asked for lately, so that nothing is in the
// cache that its turn put there. Medians count, and of the ratio that of neighbouring rounds.
enum { BULK = 64, ROUNDS = 61, ROUND = 1 << 18, WINDOWS = 16 };

struct bare_slot {
	alignas(64) uint32_t id;
	uint32_t pad[3];
	struct node_entry value;
};

struct bare_table {
	struct bare_slot *slots;
	uint32_t mask;
	uint64_t bytes;
};

static uint32_t bare_hash(uint32_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15ULL >> 32);
}

static void bare_make(struct bare_table *b, const uint32_t *ids, uint32_t nodes)
{
	uint32_t size = 64;

	while (size < nodes + nodes / 3)
		size *= 2;
	b->bytes = size * sizeof(struct bare_slot);
	b->slots = pages_own(&b->bytes);
	if (!b->slots)
		err(1, "no memory of %lu bytes", (unsigned long)b->bytes);
	b->mask = size - 1;
	for (uint32_t i = 0; i < nodes; i++) {
		uint32_t at = bare_hash(ids[i]) & b->mask;

		while (b->slots[at].id)
			at = (at + 1) & b->mask;
		b->slots[at].id = ids[i];
		b->slots[at].value.w[0] = ids[i];
	}
}

static unsigned bare_run(
    const struct bare_table *b, const uint32_t *ids, unsigned n, struct node_entry *out)
{
	uint32_t at[BULK];
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		at[i] = bare_hash(ids[i]) & b->mask;
		__builtin_prefetch(&b->slots[at[i]], 0, 2);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct bare_slot *s = &b->slots[at[i]];

		while (s->id && s->id != ids[i])
			s = &b->slots[at[i] = (at[i] + 1) & b->mask];
		if (s->id == 0)
			continue;
		out[i] = s->value;
		found++;
	}
	return found;
}

// What is asked for, in random order.
struct run {
	const uint32_t *asked;
	uint32_t count; // a multiple of BULK
};

static double time_ours(const struct node_table *table, const struct run *r)
{
	static struct node_lookup l;
	uint64_t start = clock_mono_ns();
	unsigned found = 0;

	for (uint32_t i = 0; i < r->count; i += BULK) {
		node_lookup_run(table, r->asked + i, BULK, &l);
		for (unsigned k = 0; k < BULK; k++)
			found += node_lookup_found(&l, k);
	}
	if (found != r->count)
		errx(1, "found %u of %u", found, r->count);
	return (double)(clock_mono_ns() - start) / r->count;
}

static double time_bare(const struct bare_table *bare, const struct run *r)
{
	static struct node_entry out[BULK];
	uint64_t start = clock_mono_ns();
	unsigned found = 0;

	for (uint32_t i = 0; i < r->count; i += BULK)
		found += bare_run(bare, r->asked + i, BULK, out);
	if (found != r->count)
		errx(1, "found %u of %u", found, r->count);
	return (double)(clock_mono_ns() - start) / r->count;
}

static void fill(struct node_writer *w, const uint32_t *ids, uint32_t nodes)
{
	uint64_t start = clock_mono_ns();
	struct node_writer again;

	for (uint32_t i = 0; i < nodes; i++) {
		struct node_route r = {.at = endpoint_from_v4(ids[i], (uint16_t)i)};
		int got = node_writer_put(w, ids[i], &r, 1);

		if (got < 0)
			errx(1, "insert %u: %s", i, strerror(-got));
	}
	printf("  \"insert_ns\": %.0f, ", (double)(clock_mono_ns() - start) / nodes);
	start = clock_mono_ns();
	if (node_writer_open(&again, w->memory))
		errx(1, "recovery failed");
	printf("\"recover_ms\": %.1f, ", (double)(clock_mono_ns() - start) / 1e6);
	node_writer_close(&again);
}

// Random ids, each once.
static void ids_random(uint32_t *ids, uint32_t nodes, uint64_t *seed)
{
	// Odd multiples and shifts can be undone: different numbers stay different.
	uint32_t a = (uint32_t)random_next(seed) | 1, b = (uint32_t)random_next(seed) | 1;

	for (uint32_t i = 0; i < nodes; i++) {
		uint32_t h = (i + 1) * a;

		h = (h ^ h >> 16) * b;
		ids[i] = h ^ h >> 15;
	}
}

// In steps of the golden ratio, as bare_hash has it: every id gets a slot of its own.
static void ids_spread(uint32_t *ids, uint32_t nodes)
{
	for (uint32_t i = 0; i < nodes; i++)
		ids[i] = (i + 1) * 2654435761U;
}

struct questions {
	uint32_t *ids, *asked;
	struct bare_table bare;
};

static void questions_make(struct questions *q, uint32_t nodes, uint64_t seed)
{
	q->ids = malloc(nodes * sizeof(*q->ids));
	q->asked = malloc(ROUND * WINDOWS * sizeof(*q->asked));
	if (!q->ids || !q->asked)
		errx(1, "out of memory");
	if (seed)
		ids_random(q->ids, nodes, &seed);
	else
		ids_spread(q->ids, nodes);
	seed |= 1;
	for (uint32_t i = 0; i < ROUND * WINDOWS; i++)
		q->asked[i] = q->ids[random_below(&seed, nodes)];
	bare_make(&q->bare, q->ids, nodes);
}

static void questions_free(struct questions *q)
{
	munmap(q->bare.slots, q->bare.bytes);
	free(q->ids);
	free(q->asked);
}

static struct run questions_of(const struct questions *q, int turn)
{
	return (struct run){q->asked + turn % WINDOWS * ROUND, ROUND};
}

static void rounds(
    const struct node_table *t, const struct questions *q, const struct questions *spread)
{
	double ours[ROUNDS], bare[ROUNDS], line[ROUNDS], ratio[ROUNDS], to_line[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct run r = questions_of(q, 2 * i), again = questions_of(q, 2 * i + 1);
		struct run other = questions_of(spread, i);

		ours[i] = time_ours(t, &r);
		bare[i] = time_bare(&q->bare, &again);
		line[i] = time_bare(&spread->bare, &other);
		ratio[i] = ours[i] / bare[i];
		to_line[i] = ours[i] / line[i];
	}
	printf("\"lookup_ns\": %.2f, \"bare_ns\": %.2f, \"ratio\": %.2f,\n"
	       "\"no_collisions_ns\": %.2f, \"ratio_no_collisions\": %.2f}\n",
	    median(ours, ROUNDS), median(bare, ROUNDS), median(ratio, ROUNDS), median(line, ROUNDS),
	    median(to_line, ROUNDS));
}

static void measure(uint32_t nodes)
{
	struct memory_config cfg = {.node_capacity = nodes,
	    .worker_count = 1,
	    .punt_size = 4096,
	    .inject_size = 4096,
	    .trace_size = 4096,
	    .huge_pages = true};
	struct questions q, spread;
	struct memory_error why;
	struct node_writer w;
	struct memory m;

	if (memory_create(&m, &cfg, &why))
		errx(1, "%s", why.text);
	if (node_writer_open(&w, &m))
		errx(1, "cannot open the node table");
	questions_make(&q, nodes, 88172645463325252ULL);
	questions_make(&spread, nodes, 0);
	printf("{\"nodes\": %u,\n", nodes);
	fill(&w, q.ids, nodes);
	rounds(&m.nodes, &q, &spread);
	questions_free(&q);
	questions_free(&spread);
	node_writer_close(&w);
	memory_unmap(&m);
}

int main(int argc, char **argv)
{
	static const uint32_t defaults[] = {1000, 100000, 1000000, 10000000};

	if (argc > 1)
		for (int i = 1; i < argc; i++)
			measure((uint32_t)strtoul(argv[i], NULL, 10));
	else
		for (unsigned i = 0; i < 4; i++)
			measure(defaults[i]);
	return 0;
}
