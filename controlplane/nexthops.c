// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/nexthops.h"

#include "base/clock.h"
#include "base/log.h"
#include "shm/kernel_writer.h"

#include <string.h>

static_assert(NEXTHOP_MAX <= UINT16_MAX, "chains of 16-bit indexes");

static nexthop_word word_load(const struct nexthops *h, unsigned i)
{
	return __atomic_load_n(&h->memory->nexthops[i], __ATOMIC_RELAXED);
}

static void word_store(struct nexthops *h, uint16_t i, nexthop_word w)
{
	if (word_load(h, i) == w)
		return;
	__atomic_store_n(&h->memory->nexthops[i], w, __ATOMIC_RELEASE);
	if (h->memory->kernel)
		kernel_nexthop_write(h->memory->kernel, i, w);
}

void nexthops_open(struct nexthops *h, const struct memory *m, const struct routes *routes)
{
	*h = (struct nexthops){.memory = m, .routes = routes, .hint = 1};
	for (unsigned i = 1; i < NEXTHOP_MAX; i++)
		if (m->nexthops[i]) {
			h->slots[i].use = NEXTHOP_INHERITED;
			h->inherited++;
		}
}

void nexthops_close(struct nexthops *h)
{
	deferred_free(&h->deferred);
	h->memory = NULL;
}

static uint16_t *bucket_of(struct nexthops *h, uint32_t ifindex, const uint8_t addr[16])
{
	uint64_t hash = neighbours_hash(&h->routes->neighbours, ifindex, addr);

	return &h->heads[hash % NEXTHOP_BUCKETS];
}

static bool slot_is(const struct nexthop_slot *s, uint32_t ifindex, const uint8_t addr[16])
{
	return s->ifindex == ifindex && memcmp(s->addr, addr, 16) == 0;
}

static nexthop_word word_for(const struct nexthop_slot *s, const struct neigh *n)
{
	return n && n->usable ? nexthop_make(n->mac, s->egress) : 0;
}

// An index that already carries this word, so that nodes which refer to it need not change.
static uint16_t inherit(struct nexthops *h, nexthop_word w)
{
	if (!w || !h->inherited)
		return 0;
	for (unsigned i = 1; i < NEXTHOP_MAX; i++)
		if (h->slots[i].use == NEXTHOP_INHERITED && word_load(h, i) == w) {
			h->inherited--;
			return (uint16_t)i;
		}
	return 0;
}

static uint16_t find_free(struct nexthops *h)
{
	for (unsigned n = 1; n < NEXTHOP_MAX; n++) {
		uint16_t i = h->hint;

		h->hint = h->hint + 1 < NEXTHOP_MAX ? h->hint + 1 : 1;
		if (h->slots[i].use == NEXTHOP_FREE)
			return i;
	}
	if (!h->exhausted)
		log_warn("more neighbours than next hops, the kernel resolves the others",
		    kv("nexthops", NEXTHOP_MAX));
	h->exhausted = true;
	return 0;
}

static uint16_t slot_make(
    struct nexthops *h, uint8_t egress, uint32_t ifindex, const uint8_t addr[16])
{
	struct nexthop_slot made = {.ifindex = ifindex, .egress = egress, .use = NEXTHOP_USED};
	nexthop_word w = word_for(&made, neighbours_find(&h->routes->neighbours, ifindex, addr));
	uint16_t *head = bucket_of(h, ifindex, addr), i;

	i = inherit(h, w);
	if (!i && !h->exhausted)
		i = find_free(h);
	if (!i)
		return 0;
	memcpy(made.addr, addr, 16);
	made.next = *head;
	h->slots[i] = made;
	*head = i;
	h->used++;
	word_store(h, i, w);
	return i;
}

static uint16_t slot_get(
    struct nexthops *h, uint8_t egress, uint32_t ifindex, const uint8_t addr[16])
{
	uint16_t i = *bucket_of(h, ifindex, addr);

	while (i && !(h->slots[i].egress == egress && slot_is(&h->slots[i], ifindex, addr)))
		i = h->slots[i].next;
	if (!i)
		i = slot_make(h, egress, ifindex, addr);
	if (i)
		h->slots[i].walk = h->walk;
	return i;
}

static int egress_find(const struct memory *m, uint32_t ifindex)
{
	for (int i = 0; i < EGRESS_MAX; i++)
		if (m->egress[i].ifindex == ifindex &&
		    __atomic_load_n(&m->egress[i].valid, __ATOMIC_ACQUIRE))
			return i;
	return -1;
}

// The kernel would pick the source address for a wildcard, and an interface for a link-local one.
static bool local_usable(const struct local *l)
{
	return __atomic_load_n(&l->valid, __ATOMIC_ACQUIRE) && !l->extra &&
	       !endpoint_is_unspecified(&l->at);
}

uint16_t nexthops_resolve(struct nexthops *h, const struct endpoint *at, uint8_t local)
{
	static const uint8_t none[16];
	const struct route *r;
	int egress;

	if (!h->memory || local >= LOCAL_MAX || !local_usable(&h->memory->locals[local]) ||
	    endpoint_is_link_local(at))
		return 0;
	r = routes_find(h->routes, at->addr);
	if (!r)
		return 0;
	egress = egress_find(h->memory, r->ifindex);
	if (egress < 0 || (r->mtu && r->mtu < h->memory->egress[egress].mtu))
		return 0;
	return slot_get(h, (uint8_t)egress, r->ifindex,
	    memcmp(r->gateway, none, 16) == 0 ? at->addr : r->gateway);
}

void nexthops_neighbour(struct nexthops *h, const struct neigh *n)
{
	if (!h->memory)
		return;
	for (uint16_t i = *bucket_of(h, n->ifindex, n->addr); i; i = h->slots[i].next)
		if (slot_is(&h->slots[i], n->ifindex, n->addr))
			word_store(h, i, word_for(&h->slots[i], n));
}

static void slot_retire(struct nexthops *h, uint16_t i)
{
	struct nexthop_slot *s = &h->slots[i];
	uint16_t *link = bucket_of(h, s->ifindex, s->addr);

	if (deferred_reserve(&h->deferred, 1) != 0)
		return;
	if (s->use == NEXTHOP_USED) {
		while (*link != i)
			link = &h->slots[*link].next;
		*link = s->next;
		h->used--;
	} else {
		h->inherited--;
	}
	word_store(h, i, 0);
	*s = (struct nexthop_slot){.use = NEXTHOP_WAITING};
	deferred_add(&h->deferred, i, 0);
}

void nexthops_walked(struct nexthops *h)
{
	for (unsigned i = 1; i < NEXTHOP_MAX; i++) {
		const struct nexthop_slot *s = &h->slots[i];

		if (s->use == NEXTHOP_INHERITED || (s->use == NEXTHOP_USED && s->walk != h->walk))
			slot_retire(h, (uint16_t)i);
	}
	h->walk++;
	h->exhausted = false;
}

static void slot_release(void *ctx, struct deferred_item item)
{
	struct nexthops *h = ctx;

	h->slots[item.index].use = NEXTHOP_FREE;
}

void nexthops_run(struct nexthops *h)
{
	deferred_run(&h->deferred, h->memory, slot_release, h);
}

void nexthops_probe(struct nexthops *h, uint64_t now_ns,
    void (*probe)(void *ctx, uint32_t ifindex, const uint8_t addr[16]), void *ctx)
{
	unsigned left = NEXTHOP_PROBES_MAX;

	for (unsigned n = 1; n < NEXTHOP_MAX && left; n++) {
		struct nexthop_slot *s;
		const struct neigh *neigh;

		h->cursor = h->cursor + 1 < NEXTHOP_MAX ? h->cursor + 1 : 1;
		s = &h->slots[h->cursor];
		if (s->use != NEXTHOP_USED ||
		    (s->probed_ns && now_ns - s->probed_ns < NEXTHOP_PROBE_S * NS_PER_S))
			continue;
		neigh = neighbours_find(&h->routes->neighbours, s->ifindex, s->addr);
		if (!neigh || !neigh->stale)
			continue;
		s->probed_ns = now_ns;
		probe(ctx, s->ifindex, s->addr);
		left--;
	}
}
