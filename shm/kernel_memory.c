// SPDX-License-Identifier: BSD-3-Clause
#include "shm/kernel_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, OVERFLOW_MIN = 64 };

struct kernel_sizes kernel_sizes_for(
    const struct node_table_header *table, uint32_t nodes, uint32_t cpus)
{
	// At 1.5 nodes a bucket one in fifteen buckets overflows.
	uint32_t buckets = nodes - nodes / 3;

	return (struct kernel_sizes){
	    .buckets = buckets,
	    .buckets_total = buckets + nodes / 8 + OVERFLOW_MIN,
	    .index_max = table->index_max,
	    .v6_max = table->v6_max,
	    .cpus = cpus,
	    .nodes = nodes,
	};
}

struct kernel_shape kernel_map_shape(enum kernel_map map, const struct kernel_sizes *s)
{
	const struct kernel_shape shapes[KERNEL_MAP_COUNT] = {
	    [KERNEL_PLACES] = {sizeof(struct kernel_places), 1},
	    [KERNEL_RULES] = {sizeof(struct kernel_rules), 1},
	    [KERNEL_NODES] = {sizeof(struct kernel_bucket), s->buckets_total},
	    [KERNEL_V6] = {sizeof(struct kernel_v6), s->v6_max + 1},
	    [KERNEL_STATES] = {sizeof(struct kernel_state), s->index_max + 1},
	    [KERNEL_NEXTHOPS] = {sizeof(uint64_t), NEXTHOP_MAX},
	    [KERNEL_COUNTS] = {sizeof(struct kernel_counts), s->cpus},
	    [KERNEL_SAMPLES] = {sizeof(struct kernel_samples), s->cpus},
	};

	return shapes[map];
}

static size_t map_size(enum kernel_map map, const struct kernel_sizes *s)
{
	struct kernel_shape shape = kernel_map_shape(map, s);

	return ((size_t)shape.value_size * shape.entries + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static int map_one(struct kernel_memory *k, const int *fds, enum kernel_map map)
{
	void *at =
	    mmap(NULL, map_size(map, &k->sizes), PROT_READ | PROT_WRITE, MAP_SHARED, fds[map], 0);

	if (at == MAP_FAILED)
		return -errno;
	k->maps[map] = at;
	return 0;
}

static bool sizes_fit(const struct kernel_sizes *s, const struct node_table *table)
{
	return s->buckets >= 1 && s->buckets < s->buckets_total && s->cpus >= 1 &&
	       s->index_max == table->index_max && s->v6_max == table->v6_max;
}

static void unmap_all(struct kernel_memory *k)
{
	for (int i = 0; i < KERNEL_MAP_COUNT; i++)
		if (k->maps[i])
			munmap(k->maps[i], map_size(i, &k->sizes));
}

int kernel_memory_map(struct kernel_memory *k, const int *fds, const struct node_table *table)
{
	int rc;

	memset(k, 0, sizeof(*k));
	rc = map_one(k, fds, KERNEL_PLACES);
	if (rc)
		return rc;
	k->places = k->maps[KERNEL_PLACES];
	k->sizes = k->places->sizes;
	rc = sizes_fit(&k->sizes, table) ? 0 : -EINVAL;
	for (int i = KERNEL_PLACES + 1; rc == 0 && i < KERNEL_MAP_COUNT; i++)
		rc = map_one(k, fds, i);
	if (rc) {
		unmap_all(k);
		memset(k, 0, sizeof(*k));
		return rc;
	}
	memcpy(k->fds, fds, sizeof(k->fds));
	k->rules = k->maps[KERNEL_RULES];
	k->nodes = k->maps[KERNEL_NODES];
	k->v6 = k->maps[KERNEL_V6];
	k->states = k->maps[KERNEL_STATES];
	k->nexthops = k->maps[KERNEL_NEXTHOPS];
	k->counts = k->maps[KERNEL_COUNTS];
	k->samples = k->maps[KERNEL_SAMPLES];
	return 0;
}

void kernel_memory_unmap(struct kernel_memory *k)
{
	unmap_all(k);
	for (int i = 0; i < KERNEL_MAP_COUNT; i++)
		close(k->fds[i]);
	memset(k, 0, sizeof(*k));
}

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

uint64_t kernel_counter(const struct kernel_memory *k, enum counter c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < k->sizes.cpus; i++)
		sum += load(&k->counts[i].counters[c]);
	return sum;
}

uint64_t kernel_drop(const struct kernel_memory *k, enum drop d)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < k->sizes.cpus; i++)
		sum += load(&k->counts[i].drops[d]);
	return sum;
}

void kernel_link(const struct kernel_memory *k, unsigned link, struct kernel_link_counts *out)
{
	*out = (struct kernel_link_counts){0};
	for (uint32_t i = 0; i < k->sizes.cpus; i++) {
		const struct kernel_link_counts *c = &k->counts[i].links[link % LINK_MAX];

		out->rx_datagrams += load(&c->rx_datagrams);
		out->rx_bytes += load(&c->rx_bytes);
		out->tx_datagrams += load(&c->tx_datagrams);
		out->tx_bytes += load(&c->tx_bytes);
	}
}

bool kernel_sends_to(const struct kernel_memory *k, struct node_entry e)
{
	nexthop_word hop = load(&k->nexthops[node_entry_nexthop(e) % NEXTHOP_MAX]);
	const struct kernel_egress *out = &k->places->egress[nexthop_egress(hop)];

	return !(node_entry_flags(e) & NODE_REMOTE) && node_entry_nexthop(e) &&
	       nexthop_is_valid(hop) && __atomic_load_n(&out->ifindex, __ATOMIC_RELAXED) &&
	       out->flags;
}

// The slot behind the newest may be half written.
static uint64_t oldest_whole(uint64_t head)
{
	return head < KERNEL_SAMPLE_SLOTS ? 0 : head - (KERNEL_SAMPLE_SLOTS - 1);
}

unsigned kernel_samples_take(
    const struct kernel_samples *s, uint64_t *tail, struct kernel_sample out[KERNEL_SAMPLE_SLOTS])
{
	uint64_t head = __atomic_load_n(&s->head, __ATOMIC_ACQUIRE), first = oldest_whole(head),
		 now;
	unsigned count, lost;

	first = *tail > first && *tail <= head ? *tail : first;
	for (uint64_t i = first; i < head; i++)
		out[i - first] = s->at[i % KERNEL_SAMPLE_SLOTS];
	*tail = head;
	count = (unsigned)(head - first);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	now = oldest_whole(__atomic_load_n(&s->head, __ATOMIC_RELAXED));
	if (now <= first)
		return count;
	lost = now - first < count ? (unsigned)(now - first) : count;
	memmove(out, out + lost, (count - lost) * sizeof(*out));
	return count - lost;
}
