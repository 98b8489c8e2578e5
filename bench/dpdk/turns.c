// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/turns.h"

#include "base/random.h"
#include "wire/inet.h"

#include <string.h>

static bool loops;

void turns_open(bool device_loops)
{
	loops = device_loops;
}

// The rig takes no part in this: a burst without stages.
static unsigned burst_take(struct rig *rig, unsigned worker, struct dgram *d, struct dgram **list)
{
	unsigned n = rig->raw.ops->rx(rig->raw.queues[worker], d, BURST_MAX);

	for (unsigned i = 0; i < n; i++)
		list[i] = &d[i];
	return n;
}

static void addresses_swap(struct dgram *d)
{
	uint8_t mac[ETH_ADDR_SIZE];

	memcpy(mac, d->l2, sizeof(mac));
	memcpy(d->l2, d->l2 + ETH_OFFSET_SRC, sizeof(mac));
	memcpy(d->l2 + ETH_OFFSET_SRC, mac, sizeof(mac));
}

static unsigned turn_relay(struct rig *rig, unsigned worker)
{
	return worker_turn(rig->workers[worker]);
}

static unsigned turn_pass(struct rig *rig, unsigned worker)
{
	struct dgram d[BURST_MAX], *list[BURST_MAX];
	unsigned n = burst_take(rig, worker, d, list);

	if (loops)
		rig->raw.ops->tx(rig->raw.queues[worker], list, n);
	else
		rig->raw.ops->release(rig->raw.queues[worker], list, n);
	return n;
}

static unsigned turn_swap(struct rig *rig, unsigned worker)
{
	struct dgram d[BURST_MAX], *list[BURST_MAX];
	unsigned n = burst_take(rig, worker, d, list);

	for (unsigned i = 0; i < n; i++)
		addresses_swap(list[i]);
	rig->raw.ops->tx(rig->raw.queues[worker], list, n);
	return n;
}

static unsigned turn_floor(struct rig *rig, unsigned worker)
{
	static __thread uint64_t random = 88172645463325252;
	const struct node_table *t = &rig->memory.nodes;
	const uint32_t buckets = node_state_buckets(t, node_table_state(t));
	struct dgram d[BURST_MAX], *list[BURST_MAX];
	unsigned n = burst_take(rig, worker, d, list);
	const struct node_bucket *at[2 * BURST_MAX];

	for (unsigned i = 0; i < 2 * n; i++) {
		at[i] = &t->buckets[random_below(&random, buckets)];
		__builtin_prefetch(at[i], 0, 2);
	}
	for (unsigned i = 0; i < n; i++)
		addresses_swap(list[i]);
	for (unsigned i = 0; i < 2 * n; i++)
		(void)*(const volatile uint64_t *)at[i];
	rig->raw.ops->tx(rig->raw.queues[worker], list, n);
	return n;
}

const struct turn *turn_find(const char *name)
{
	static const struct turn turns[] = {
	    {"relay", true, turn_relay},
	    {"swap", false, turn_swap},
	    {"floor", false, turn_floor},
	    {"fill", true, turn_pass},
	    {"free", false, turn_pass},
	};

	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		if (strcmp(turns[i].name, name) == 0)
			return &turns[i];
	return NULL;
}
