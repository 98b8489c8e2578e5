// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hot.h"

#include "base/clock.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hot_open(struct hot *h, const struct node_writer *nodes, struct cp_stats *stats)
{
	const struct kernel_sizes *s;

	*h = (struct hot){.nodes = nodes, .stats = stats};
	if (!nodes->kernel || nodes->kernel->memory->sizes.nodes >= nodes->table.capacity)
		return 0;
	s = &nodes->kernel->memory->sizes;
	h->tails = calloc(s->cpus, sizeof(*h->tails));
	h->pairs = calloc(HOT_SAMPLES, sizeof(*h->pairs));
	if (!h->tails || !h->pairs || peel_open(&h->peel, HOT_SAMPLES, nodes->table.hash_key)) {
		hot_close(h);
		return -ENOMEM;
	}
	h->kernel = nodes->kernel;
	for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
		h->tails[cpu] = h->kernel->memory->samples[cpu].head; // what is older is too old
	return 0;
}

void hot_close(struct hot *h)
{
	peel_close(&h->peel);
	free(h->tails);
	free(h->pairs);
	*h = (struct hot){.kernel = NULL};
}

// As the sender check of the program and of the engine: nobody wins a place in another's name.
static bool sender_counts(const struct hot *h, const struct kernel_sample *s)
{
	const struct node_table *t = &h->nodes->table;
	uint64_t check = h->nodes->memory->settings->sender_check;
	struct node_entry e;
	struct endpoint at;

	if (!node_table_find(t, s->sender, &e) || !node_table_endpoint(t, e, &at))
		return false;
	if (check == SENDER_CHECK_OFF)
		return true;
	return memcmp(at.addr, s->from, sizeof(at.addr)) == 0 &&
	       (check != SENDER_CHECK_ENDPOINT || htobe16(at.port) == s->from_port);
}

static bool dest_counts(const struct hot *h, const struct kernel_sample *s)
{
	struct node_entry e;

	return node_table_find(&h->nodes->table, s->dest, &e) &&
	       kernel_sends_to(h->kernel->memory, e);
}

static void pair_add(struct hot *h, const struct kernel_sample *s, uint32_t now_ms)
{
	h->pairs[h->head] = (struct hot_pair){s->sender, s->dest, now_ms};
	h->head = (h->head + 1) % HOT_SAMPLES;
	h->count += h->count < HOT_SAMPLES;
	h->stats->n[CP_KERNEL_SAMPLES]++;
}

// Returns how many were noted, also those that were written over or do not count.
static uint64_t samples_take(struct hot *h, uint32_t now_ms)
{
	const struct kernel_memory *k = h->kernel->memory;
	struct kernel_sample samples[KERNEL_SAMPLE_SLOTS];
	uint64_t noted = 0;

	for (uint32_t cpu = 0; cpu < k->sizes.cpus; cpu++) {
		uint64_t before = h->tails[cpu];
		unsigned n = kernel_samples_take(&k->samples[cpu], &h->tails[cpu], samples);

		noted += h->tails[cpu] - before;
		for (unsigned i = 0; i < n; i++)
			if (sender_counts(h, &samples[i]) && dest_counts(h, &samples[i]))
				pair_add(h, &samples[i], now_ms);
	}
	return noted;
}

// So that about HOT_TICK_SAMPLES are noted in the next tick, whatever the rate is.
static void gap_adjust(struct hot *h, uint64_t noted)
{
	uint32_t *at = &h->kernel->memory->rules->sample_gap;
	uint64_t gap = h->kernel->memory->rules->complete ? 0 : noted * *at / HOT_TICK_SAMPLES;

	if (!h->kernel->memory->rules->complete && gap < 1)
		gap = 1;
	__atomic_store_n(at, (uint32_t)(gap < HOT_GAP_MAX ? gap : HOT_GAP_MAX), __ATOMIC_RELAXED);
}

static void forget_old(struct hot *h, uint32_t now_ms)
{
	while (h->count) {
		uint32_t oldest = (h->head + HOT_SAMPLES - h->count) % HOT_SAMPLES;

		if (now_ms - h->pairs[oldest].at_ms < HOT_WINDOW_S * 1000)
			return;
		h->count--;
	}
}

// Makes the graph of what is remembered. Returns how many nodes have a place without being in it.
static uint32_t graph_make(struct hot *h)
{
	struct peel *p = &h->peel;
	uint32_t holders = 0;

	peel_begin(p);
	for (uint32_t i = 1; i <= h->count; i++) {
		const struct hot_pair *pair = &h->pairs[(h->head + HOT_SAMPLES - i) % HOT_SAMPLES];

		peel_edge(p, pair->sender, pair->dest);
	}
	for (uint32_t i = 0; i < p->node_count; i++)
		holders += p->nodes[i].holds = kernel_writer_has(h->kernel, p->nodes[i].id);
	return h->kernel->count - holders;
}

// Someone who was not chosen: of the next few the one that was heard longest ago. 0: nobody.
static uint32_t leaver_find(struct hot *h)
{
	const struct kernel_state *states = h->kernel->memory->states;
	uint32_t best = 0, best_seen = UINT32_MAX, found = 0;

	for (uint32_t i = 0; i < h->kernel->count && found < HOT_LEAVERS; i++) {
		const struct peel_node *n;
		struct node_entry e;
		uint32_t seen;

		if (!kernel_writer_next(h->kernel, &h->cursor, &e))
			break;
		n = peel_find(&h->peel, node_entry_id(e));
		if (n && n->kept)
			continue;
		seen = kernel_state_seen(&states[node_entry_index(e)]);
		if (!found++ || seen < best_seen) {
			best = node_entry_id(e);
			best_seen = seen;
		}
	}
	return best;
}

// The frame that passes meanwhile is the engine's: nothing is lost.
static void node_enter(struct hot *h, uint32_t id)
{
	struct node_entry e;
	uint32_t leaver;

	if (!node_table_find(&h->nodes->table, id, &e))
		return;
	if (kernel_writer_is_full(h->kernel)) {
		leaver = leaver_find(h);
		if (!leaver)
			return;
		kernel_writer_remove(h->kernel, leaver);
	}
	if (kernel_writer_put(h->kernel, e))
		h->stats->n[CP_KERNEL_ENTERED]++;
}

static void decide(struct hot *h)
{
	uint32_t others = graph_make(h);

	peel_run(&h->peel, others, h->kernel->memory->sizes.nodes);
	for (uint32_t i = 0; i < h->peel.node_count; i++)
		if (h->peel.nodes[i].kept && !h->peel.nodes[i].holds)
			node_enter(h, h->peel.nodes[i].id);
	kernel_writer_settle(h->kernel, h->nodes->node_count);
}

void hot_tick(struct hot *h, uint64_t now_ns)
{
	uint32_t now_ms = (uint32_t)(now_ns / (NS_PER_S / 1000));

	if (!h->kernel)
		return;
	gap_adjust(h, samples_take(h, now_ms));
	if (++h->ticks % HOT_DECIDE_TICKS)
		return;
	forget_old(h, now_ms);
	if (!h->kernel->memory->rules->complete && h->count)
		decide(h);
}
