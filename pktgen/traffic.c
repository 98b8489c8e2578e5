// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/traffic.h"

#include "base/random.h"
#include "bpf/generate_shared.h"
#include "wire/beacon.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	WINDOW = 64, // sequence numbers in which reordering and duplicates are told apart
	HUGE_PAGE = 2 << 20,
};

// Cumulative distribution of Zipf's law over at most the first 65,536 ranks; later ones are too
// rare to matter and would only cost memory.
static double *zipf_table(double exponent, uint32_t ranks)
{
	double *cumulative = malloc(ranks * sizeof(*cumulative)), sum = 0;

	if (!cumulative)
		return NULL;
	for (uint32_t i = 0; i < ranks; i++)
		cumulative[i] = sum += 1 / pow(i + 1, exponent);
	for (uint32_t i = 0; i < ranks; i++)
		cumulative[i] /= sum;
	return cumulative;
}

static uint32_t zipf_rank(const double *cumulative, uint32_t ranks, uint64_t random)
{
	double target = (double)(random >> 11) / (double)(1ULL << 53);
	uint32_t low = 0, high = ranks - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cumulative[middle] < target)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int choose_destinations(struct traffic *t)
{
	const struct options *o = t->o;
	uint32_t ranks = o->nodes < 65536 ? o->nodes : 65536;
	double *cumulative = NULL;

	if (o->zipf > 0) {
		cumulative = zipf_table(o->zipf, ranks);
		if (!cumulative)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < o->flows; i++) {
		struct flow *f = &t->flows[i];

		f->sender = i % o->nodes;
		f->dest = cumulative ? zipf_rank(cumulative, ranks, random_next(&t->random))
				     : random_below(&t->random, o->nodes);
		if (f->dest == f->sender)
			f->dest = (f->dest + 1) % o->nodes;
	}
	free(cumulative);
	return 0;
}

// Counting sort of the flows by their sender's socket.
static void group_by_socket(struct traffic *t, uint32_t sockets)
{
	uint32_t *start = t->socket_start;

	for (uint32_t i = 0; i < t->o->flows; i++)
		start[t->flows[i].sender % sockets + 1]++;
	for (uint32_t s = 0; s < sockets; s++)
		start[s + 1] += start[s];
	for (uint32_t i = t->o->flows; i-- > 0;)
		t->by_socket[--start[t->flows[i].sender % sockets + 1]] = i;
	// each end has moved down to its group's beginning: entry s + 1 is now the start of group s
	memmove(start, start + 1, sockets * sizeof(*start));
	start[sockets] = t->o->flows;
}

// In huge pages where the kernel has some: flows are met at random.
static struct flow *flows_make(uint32_t count)
{
	size_t size = (count * sizeof(struct flow) + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
	struct flow *flows = aligned_alloc(HUGE_PAGE, size);

	if (!flows)
		return NULL;
	madvise(flows, size, MADV_HUGEPAGE);
	memset(flows, 0, size);
	return flows;
}

int traffic_init(struct traffic *t, const struct options *o, uint32_t sockets)
{
	*t = (struct traffic){.o = o, .sockets = sockets, .random = 2ULL * o->seed + 1};
	if (!sockets)
		return -EINVAL;
	t->flows = flows_make(o->flows);
	t->by_socket = malloc(o->flows * sizeof(*t->by_socket));
	t->socket_start = calloc(sockets + 1, sizeof(*t->socket_start));
	if (!t->flows || !t->by_socket || !t->socket_start || choose_destinations(t)) {
		traffic_free(t);
		return -ENOMEM;
	}
	group_by_socket(t, sockets);
	return 0;
}

void traffic_free(struct traffic *t)
{
	free(t->flows);
	free(t->by_socket);
	free(t->socket_start);
	t->flows = NULL;
	t->by_socket = t->socket_start = NULL;
}

void traffic_restart(struct traffic *t)
{
	for (uint32_t i = 0; i < t->o->flows; i++) {
		struct flow *f = &t->flows[i];

		f->sent = f->expected = 0;
		f->window = f->received = 0;
	}
}

static struct flow *pick_on(struct traffic *t, uint32_t socket)
{
	uint32_t first = t->socket_start[socket], count = t->socket_start[socket + 1] - first;

	return count ? &t->flows[t->by_socket[first + random_below(&t->random, count)]] : NULL;
}

// Its memory is fetched, as it is used a little later.
static inline struct flow *pick_any(struct traffic *t)
{
	struct flow *f = &t->flows[random_below(&t->random, t->o->flows)];

	__builtin_prefetch(f, 1);
	return f;
}

unsigned flows_pick(struct traffic *t, uint32_t socket, struct flow **list, unsigned want)
{
	const uint32_t train = t->o->train;
	struct flow *f = NULL;

	for (uint32_t i = 0, left = 0; i < want; i++, left--) {
		if (left == 0) {
			f = socket == FLOWS_ANYWHERE ? pick_any(t) : pick_on(t, socket);
			left = train;
		}
		if (!f)
			return 0;
		list[i] = f;
	}
	return want;
}

// Apart from their callers, because the shortest frames have no pattern.
static __attribute__((noinline)) void pattern_fill(
    uint8_t *p, size_t len, uint32_t flow, uint32_t sequence)
{
	uint32_t i = 0;

	for (; len >= 8; len -= 8, p += 8)
		store_be64(p, generate_pattern(flow, sequence, i++));
	for (uint64_t last = generate_pattern(flow, sequence, i); len > 0; len--, last >>= 8)
		*p++ = (uint8_t)last;
}

static __attribute__((noinline)) bool pattern_holds(
    const uint8_t *p, size_t len, uint32_t flow, uint32_t sequence)
{
	uint32_t i = 0;

	for (; len >= 8; len -= 8, p += 8)
		if (load_be64(p) != generate_pattern(flow, sequence, i++))
			return false;
	for (uint64_t last = generate_pattern(flow, sequence, i); len > 0; len--, last >>= 8)
		if (*p++ != (uint8_t)last)
			return false;
	return true;
}

void messages_build(
    struct traffic *t, struct flow *const *list, unsigned n, uint64_t now_ns, struct message *m)
{
	const uint32_t first_id = t->o->first_id, size = t->o->size;
	const struct flow *flows = t->flows;

	for (unsigned i = 0; i < n; i++) {
		struct flow *f = list[i];
		uint32_t number = (uint32_t)(f - flows), sequence = f->sent++;
		uint8_t *frame = m[i].data + BEACON_RELAY_SIZE;

		m[i].len = BEACON_RELAY_SIZE + size;
		m[i].place = traffic_place(t, f->sender);
		beacon_relay_build_header(
		    m[i].data, BEACON_RELAY_SIZE, first_id + f->sender, first_id + f->dest);
		store_be32(frame, number);
		store_be32(frame + 4, sequence);
		store_be64(frame + 8, now_ns);
		if (size > FRAME_MIN)
			pattern_fill(frame + FRAME_MIN, size - FRAME_MIN, number, sequence);
	}
}

static void flow_count(struct flow *f, struct check *c, uint32_t sequence)
{
	uint32_t ahead = sequence - f->expected, behind = f->expected - 1 - sequence;

	if (ahead < UINT32_MAX / 2) {
		f->window = ahead + 1 < WINDOW ? f->window << (ahead + 1) | 1 : 1;
		f->expected = sequence + 1;
	} else if (behind < WINDOW && !(f->window >> behind & 1)) {
		f->window |= 1ULL << behind;
		c->reordered++;
	} else {
		// older than the window: counted as a duplicate, which a healthy path has neither
		// of
		c->duplicates++;
		return;
	}
	f->received++;
	c->received++;
}

// Fetches what flow_check() will look at.
static inline void flow_prefetch(const struct traffic *t, const struct message *m)
{
	size_t at = t->o->reflected ? BEACON_RELAY_SIZE : BEACON_RELAY_DELIVER_SIZE;
	uint32_t number = m->len < at + FRAME_MIN ? 0 : load_be32(m->data + at);

	if (number < t->o->flows)
		__builtin_prefetch(&t->flows[number], 1);
}

static inline uint64_t flow_check(struct traffic *t, struct check *c, const struct message *m)
{
	const bool reflected = t->o->reflected;
	const uint32_t size = t->o->size;
	struct beacon_relay r;
	uint32_t number, sequence;
	struct flow *f;
	int failed = reflected ? beacon_relay_parse(m->data, m->len, &r)
			       : beacon_relay_deliver_parse(m->data, m->len, &r);

	if (failed || r.frame_len < FRAME_MIN) {
		c->foreign++;
		return 0;
	}
	number = load_be32(r.frame);
	sequence = load_be32(r.frame + 4);
	if (number >= t->o->flows || r.frame_len != size ||
	    (size > FRAME_MIN &&
		!pattern_holds(r.frame + FRAME_MIN, size - FRAME_MIN, number, sequence))) {
		c->corrupt++;
		return 0;
	}
	f = &t->flows[number];
	if (r.sender != t->o->first_id + f->sender ||
	    traffic_place(t, reflected ? f->sender : f->dest) != m->place) {
		c->misrouted++;
		return 0;
	}
	flow_count(f, c, sequence);
	c->bytes += size;
	return load_be64(r.frame + 8);
}

void messages_check(
    struct traffic *t, struct check *c, const struct message *m, unsigned n, uint64_t *sent_ns)
{
	for (unsigned i = 0; i < n; i++)
		flow_prefetch(t, &m[i]);
	for (unsigned i = 0; i < n; i++)
		sent_ns[i] = flow_check(t, c, &m[i]);
}
