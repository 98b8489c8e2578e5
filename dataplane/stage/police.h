// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"
#include "wire/endpoint.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

// Token buckets, one 64-bit word each: the time at which the bucket will be full again (GCRA,
// ITU-T I.371 virtual scheduling). Zero is a full bucket, so fresh memory needs no setting up.

struct rate_limit {
	uint64_t rate; // datagrams per second; 0 = no limit
	uint64_t burst;
	uint64_t interval_ns; // one token's time; 0 = no limit
	uint64_t slack_ns;    // how far ahead of now a bucket may be and still give a token
};

// Recomputes the limit if the settings changed. A burst of 0 counts as 1.
void rate_limit_set(struct rate_limit *l, uint64_t rate, uint64_t burst);

static inline bool bucket_take(uint64_t *full_at, const struct rate_limit *l, uint64_t now_ns)
{
	uint64_t at = *full_at > now_ns ? *full_at : now_ns;

	if (at - now_ns > l->slack_ns)
		return false;
	*full_at = at + l->interval_ns;
	return true;
}

enum { SOURCE_SETS = 8192, SOURCE_WAYS = 4 };

// Buckets of sources, four to a cache line. A new source takes the place of the fullest bucket,
// the one that says least: spoofed addresses push each other out, not the source that floods.
struct source_set {
	alignas(CACHE_LINE) uint64_t full_at[SOURCE_WAYS];
	uint32_t tag[SOURCE_WAYS]; // 0 = free
	uint32_t pad[SOURCE_WAYS];
};

// One worker's limits. Private to the worker.
struct police {
	struct rate_limit source, sender, punt[PUNT_CLASS_COUNT];
	uint64_t punt_full_at[PUNT_CLASS_COUNT];
	uint64_t secret[3];	  // so that nobody can choose sources that share a set
	uint64_t *sender_full_at; // by node index
	uint32_t sender_count;
	struct source_set *sources; // SOURCE_SETS
};

// The memory is mapped and costs pages only where used. 0 or a negative errno.
int police_init(struct police *p, uint32_t node_capacity);
void police_free(struct police *p);

// Takes over changed limits; cheap when nothing changed. Once a burst.
void police_settings(struct police *p, const struct relay_settings *set);

// One token of a source address (IPv6: its /64, what one host owns). False: over its rate.
bool police_source(struct police *p, const struct endpoint *src, uint64_t now_ns);

static inline bool police_sender(struct police *p, uint32_t node_index, uint64_t now_ns)
{
	if (p->sender.interval_ns == 0 || node_index >= p->sender_count)
		return true;
	return bucket_take(&p->sender_full_at[node_index], &p->sender, now_ns);
}

static inline void police_sender_prefetch(const struct police *p, uint32_t node_index)
{
	if (node_index < p->sender_count)
		__builtin_prefetch(&p->sender_full_at[node_index], 1);
}

static inline bool police_punt(struct police *p, enum punt_class class, uint64_t now_ns)
{
	if (p->punt[class].interval_ns == 0)
		return true;
	return bucket_take(&p->punt_full_at[class], &p->punt[class], now_ns);
}
