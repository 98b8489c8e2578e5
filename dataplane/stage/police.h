// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"
#include "shm/rate_limit.h"
#include "wire/endpoint.h"

#include <emmintrin.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A token bucket (shm/rate_limit.h) in half the memory, as there is one for each node: the time
// wraps. Its unit is chosen so that all values that count are 1/256 of what a word holds; others
// are of a bucket that has long been full. One that was left alone for very long is mistaken, one
// time in 256, for one that is not quite full, and with a burst of 1 for an empty one.
struct brief_limit {
	uint64_t rate, burst; // as set
	uint32_t interval;    // in units; 0 = no limit
	uint32_t slack;
	uint32_t stale; // from so far ahead on a bucket has long been full
	unsigned shift; // a unit is 2^shift ns
};

// A burst of 0 counts as 1, one above BRIEF_BURST_MAX as that.
enum { BRIEF_BURST_MAX = 1 << 20 };
void brief_limit_set(struct brief_limit *l, uint64_t rate, uint64_t burst);

static inline uint32_t brief_time(const struct brief_limit *l, uint64_t now_ns)
{
	return (uint32_t)(now_ns >> l->shift);
}

// `now`: of brief_time().
static inline bool brief_take(uint32_t *full_at, const struct brief_limit *l, uint32_t now)
{
	uint32_t ahead = *full_at - now;

	// a mask: whether a bucket is full cannot be predicted
	ahead &= -(uint32_t)(ahead < l->stale);
	if (ahead > l->slack)
		return false;
	*full_at = now + ahead + l->interval;
	return true;
}

enum {
	SOURCE_SETS = 65536, // 4 MiB, of which pages in use cost memory
	SET_WAYS = 4,
	POLICE_SECRET_WORDS = 3,
};

// Buckets, four to a cache line, for sources: there are more of them than memory. A newcomer takes
// the place of the fullest bucket, the one that says least, and starts full: those who speak seldom
// push each other out, not the one that floods, and whoever shares a set with floods loses nothing.
// A fifth flood in a set goes unlimited; of 50,000 that are spread by a secret hash one in a
// thousand does.
struct bucket_set {
	alignas(CACHE_LINE) uint64_t full_at[SET_WAYS];
	uint32_t tag[SET_WAYS]; // 0 = free
	uint32_t pad[SET_WAYS];
};

static_assert(sizeof(struct bucket_set) == CACHE_LINE, "one line a look");

// The bucket of a tag, which is not 0; a full one if it had none. Without branches: with more
// sources than buckets nobody could predict them.
static inline uint64_t *bucket_find(struct bucket_set *set, uint32_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)set->tag);
	__m128i same = _mm_cmpeq_epi32(tags, _mm_set1_epi32((int)tag));
	unsigned found = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(same));
	uint64_t a = set->full_at[0], b = set->full_at[1], c = set->full_at[2], d = set->full_at[3];
	unsigned low = b < a, high = 2 + (d < c);
	// a mask, as the compiler makes a branch of a choice between two sums
	unsigned is_high = -(unsigned)((c < d ? c : d) < (a < b ? a : b));
	unsigned way = low ^ ((low ^ high) & is_high);

	way = (unsigned)__builtin_ctz(found | 1u << (SET_WAYS + way)) & (SET_WAYS - 1);
	set->tag[way] = tag;
	set->full_at[way] &= -(uint64_t)(found != 0);
	return &set->full_at[way];
}

// The buckets. Zeroed, the caller's, and there as long as they are used.
struct police_room {
	struct bucket_set *sources; // SOURCE_SETS, by keyed hash of the address
	uint32_t *senders;	    // a bucket per node index
	uint32_t sender_count;	    // buckets
};

// Among a million senders a sender's bucket is a line from memory, and nearly nobody comes near the
// limit. So senders share groups, which fit the first-level cache, and a group lets a quarter of
// one sender's limit through unseen. One that is asked for more is watched, for a second and
// longer: then each of its senders answers for itself. A flood gains a quarter of a burst when it
// begins.
struct sender_group {
	uint32_t full_at;
	uint32_t watched; // until this second; SENDER_SECOND
};

static_assert(CACHE_LINE % sizeof(struct sender_group) == 0, "none is on two lines");

enum {
	SENDER_GROUPS = 2048,
	SENDER_GROUP_SHARE = 4,
	SENDER_GROUP_BURST = 256, // with smaller bursts than this every sender is watched
	SENDER_SECOND = 30,	  // ns are shifted by so much
};

static_assert(SENDER_GROUPS * sizeof(struct sender_group) <= 16384, "half of a first-level cache");

// One worker's limits. Private to the worker.
struct police {
	struct rate_limit source, punt[PUNT_CLASS_COUNT];
	struct brief_limit sender, group; // group: no interval = every sender is watched
	uint32_t watched;		  // the last second in which any group is
	struct sender_group groups[SENDER_GROUPS];
	uint64_t punt_full_at[PUNT_CLASS_COUNT];
	uint64_t secret[POLICE_SECRET_WORDS]; // so that nobody can choose sources that share a set
	struct police_room room;
};

void police_init(
    struct police *p, const struct police_room *room, const uint64_t secret[POLICE_SECRET_WORDS]);

// Takes over changed limits; cheap when nothing changed. Once a burst.
void police_begin(struct police *p, const struct relay_settings *set);

// One token of a source address (IPv6: its /64, what one host owns). False: over its rate.
bool police_source(struct police *p, const struct endpoint *src, uint64_t now_ns);

// One token of somebody at that address, at the same rate: a node by its id, a peer relay by its
// port.
bool police_known(struct police *p, const struct endpoint *at, uint32_t who, uint64_t now_ns);

// Of a source address that claims to be a node; nobody can choose it.
uint64_t police_stranger_hash(const struct police *p, const struct endpoint *src, uint32_t node);

// The limits of senders while a burst is looked at: a copy, as nothing that is written meanwhile
// could change it.
struct sender_pass {
	struct brief_limit group;
	uint32_t now; // in the groups' units
	uint32_t second;
	uint64_t now_ns;
};

static inline struct sender_pass police_senders(const struct police *p, uint64_t now_ns)
{
	return (struct sender_pass){
	    .group = p->group,
	    .now = brief_time(&p->group, now_ns),
	    .second = (uint32_t)(now_ns >> SENDER_SECOND),
	    .now_ns = now_ns,
	};
}

// Whether senders' own buckets are needed, for this burst or soon.
static inline bool police_watches(const struct police *p, const struct sender_pass *at)
{
	return p->sender.interval &&
	       (!at->group.interval || (int32_t)(p->watched - at->second) > 0);
}

// For any index, also one that is nobody's.
static inline void police_sender_prefetch(const struct police *p, uint32_t node_index)
{
	__builtin_prefetch(&p->room.senders[node_index], 1);
}

// One token of the sender itself. An index beyond the table's is not limited.
bool police_sender_alone(struct police *p, const struct sender_pass *at, uint32_t node_index);

// One token of a sender, or its group's as long as that has some and was not short of them lately.
static inline bool police_sender(
    struct police *p, const struct sender_pass *at, uint32_t node_index)
{
	struct sender_group *g = &p->groups[node_index % SENDER_GROUPS];

	if (!at->group.interval)
		return police_sender_alone(p, at, node_index);
	if (__builtin_expect(!brief_take(&g->full_at, &at->group, at->now), 0))
		p->watched = g->watched = at->second + 2;
	return (int32_t)(g->watched - at->second) <= 0 || police_sender_alone(p, at, node_index);
}

// More than half of what the class may do at once is used up: it comes faster than it may.
static inline bool police_punt_short(const struct police *p, enum punt_class class, uint64_t now_ns)
{
	return p->punt_full_at[class] > now_ns + p->punt[class].slack_ns / 2 &&
	       p->punt[class].interval_ns;
}

static inline bool police_punt(struct police *p, enum punt_class class, uint64_t now_ns)
{
	if (p->punt[class].interval_ns == 0)
		return true;
	return bucket_take(&p->punt_full_at[class], &p->punt[class], now_ns);
}
