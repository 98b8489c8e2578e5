// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "controlplane/admin_api.h"
#include "shm/kernel_memory.h"

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

uint64_t admin_counter(const struct memory *m, enum counter c)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < m->worker_count; w++)
		sum += load(&m->workers[w].counters[c]);
	return m->kernel ? sum + kernel_counter(m->kernel, c) : sum;
}

static uint64_t links_lost(const struct memory *m, enum drop d)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LINK_MAX; i++) {
		const struct link_block *l = &m->header->links[i];

		if (__atomic_load_n(&l->valid, __ATOMIC_ACQUIRE))
			sum += load(&l->lost[d - DROP_LINK_FIRST]);
	}
	return sum;
}

uint64_t admin_drop(const struct memory *m, enum drop d)
{
	uint64_t sum = d >= DROP_LINK_FIRST ? links_lost(m, d) : 0;

	for (uint32_t w = 0; w < m->worker_count; w++)
		sum += load(&m->workers[w].drops[d]);
	return m->kernel ? sum + kernel_drop(m->kernel, d) : sum;
}

uint64_t admin_drops_total(const struct memory *m)
{
	uint64_t sum = 0;

	for (int d = DROP_NONE + 1; d < DROP_COUNT; d++)
		sum += admin_drop(m, d);
	return sum;
}

static void set_count(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

static json_t *punt_totals(const struct memory *m)
{
	static const char *const names[PUNT_CLASS_COUNT] = {
	    [PUNT_DISCOVER_NEW] = "discover_new",
	    [PUNT_DISCOVER_CHANGED] = "discover_changed",
	    [PUNT_DISCOVER_MOVED] = "discover_moved",
	    [PUNT_DISCOVER_AGAIN] = "discover_again",
	    [PUNT_PUNCH] = "punch",
	    [PUNT_STUN] = "stun",
	    [PUNT_SYNC] = "sync",
	};
	json_t *o = json_object();

	for (int c = 0; c < PUNT_CLASS_COUNT; c++) {
		uint64_t sum = 0;

		for (uint32_t w = 0; w < m->worker_count; w++)
			sum += load(&m->workers[w].punt_class[c]);
		set_count(o, names[c], sum);
	}
	return o;
}

json_t *admin_stats(struct cp *cp)
{
	json_t *counters = json_object(), *drops = json_object(), *control = json_object();
	const struct memory *m = cp->session.memory;

	for (int c = 0; c < COUNTER_COUNT; c++)
		set_count(counters, counter_names[c], admin_counter(m, c));
	for (int d = DROP_NONE + 1; d < DROP_COUNT; d++)
		set_count(drops, drop_names[d], admin_drop(m, d));
	for (int c = 0; c < CP_COUNTER_COUNT; c++)
		set_count(control, cp_counter_names[c], cp->stats.n[c]);
	return json_pack("{s:I,s:o,s:o,s:o,s:o}", "time_ns", (json_int_t)clock_mono_ns(),
	    "counters", counters, "drops", drops, "punts", punt_totals(m), "control", control);
}

json_t *admin_drops(struct cp *cp)
{
	json_t *list = json_array();

	for (int d = DROP_NONE + 1; d < DROP_COUNT; d++)
		json_array_append_new(list,
		    json_pack("{s:s,s:I,s:s}", "name", drop_names[d], "count",
			(json_int_t)admin_drop(cp->session.memory, d), "help", drop_helps[d]));
	return json_pack("{s:o}", "drops", list);
}

static json_t *worker_entry(const struct memory *m, uint32_t w)
{
	const struct worker_block *b = &m->workers[w];
	struct ring_consumer punts = memory_punt_consumer(m, w);
	uint64_t drops = 0;
	json_t *o;

	for (int d = DROP_NONE + 1; d < DROP_COUNT; d++)
		drops += load(&b->drops[d]);
	o = json_pack("{s:i,s:i,s:i,s:s,s:b}", "worker", (int)w, "tid", b->tid, "cpu", b->cpu,
	    "mode", b->mode ? "polling" : "blocking", "sleeping", b->sleeping != 0);
	set_count(o, "busy_ns", load(&b->busy_ns));
	set_count(o, "rx_datagrams", load(&b->counters[COUNTER_RX_DATAGRAMS]));
	set_count(o, "tx_datagrams", load(&b->counters[COUNTER_TX_DATAGRAMS]));
	set_count(o, "relayed", load(&b->counters[COUNTER_RELAYED]));
	set_count(o, "punted", load(&b->counters[COUNTER_PUNTED]));
	set_count(o, "drops", drops);
	set_count(o, "punt_fill", ring_backlog(&punts));
	return o;
}

json_t *admin_workers(struct cp *cp)
{
	json_t *list = json_array();

	for (uint32_t w = 0; w < cp->session.memory->worker_count; w++)
		json_array_append_new(list, worker_entry(cp->session.memory, w));
	return json_pack("{s:I,s:o}", "time_ns", (json_int_t)clock_mono_ns(), "workers", list);
}
