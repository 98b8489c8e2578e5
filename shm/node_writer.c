// SPDX-License-Identifier: BSD-3-Clause
#include "shm/node_writer.h"

#include "shm/kernel_writer.h"
#include "shm/node_grow.h"

#include <errno.h>
#include <string.h>

enum { SPLITS_FOR_ROOM = 64 };

static uint32_t pool_take(struct node_writer *w, struct index_pool *pool)
{
	uint32_t index = index_pool_take(w, pool);

	if (index == 0) {
		node_writer_run(w);
		index = index_pool_take(w, pool);
	}
	return index;
}

static void place_release(void *ctx, struct deferred_item item)
{
	struct node_writer *w = ctx;

	index_pool_give(item.kind == NODE_PLACE_V6 ? &w->v6 : &w->indexes, item.index);
}

void node_writer_run(struct node_writer *w)
{
	deferred_run(&w->deferred, w->memory, place_release, w);
}

static struct node_entry *locate(struct node_writer *w, uint32_t id)
{
	const struct node_table *t = &w->table;
	struct node_chain chain;

	if (id == 0)
		return NULL;
	node_chain_load(
	    &chain, t, node_bucket_of(node_hash(t->hash_key, id), (uint32_t)node_table_state(t)));
	for (unsigned i = 0; i < chain.count * BUCKET_ENTRIES; i++) {
		if (node_entry_id(*node_chain_slot(&chain, i)) == id)
			return node_chain_slot(&chain, i);
	}
	return NULL;
}

static bool route_valid(const struct node_route *r)
{
	return r->nexthop <= NODE_NEXTHOP_MASK && r->local <= NODE_LOCAL_MASK &&
	       !(r->flags & ~(NODE_REMOTE | NODE_CARRY)) &&
	       (!(r->flags & NODE_REMOTE) || r->peer < PEER_MAX);
}

// The address word of a route. An IPv6 address gets a slot, unless `old` has the same already.
static int address_place(struct node_writer *w, const struct node_route *r,
    const struct node_entry *old, uint32_t *address, uint8_t *flags)
{
	const struct node_table *t = &w->table;
	uint32_t slot;

	*flags = r->flags;
	if (r->flags & NODE_REMOTE) {
		*address = r->peer;
		return 0;
	}
	if (endpoint_is_v4(&r->at)) {
		*address = endpoint_v4(&r->at);
		return 0;
	}
	*flags |= NODE_V6;
	if (old && (node_entry_flags(*old) & NODE_V6)) {
		*address = node_entry_address(*old);
		if (memcmp(t->v6[*address], r->at.addr, 16) == 0)
			return 0;
	}
	slot = pool_take(w, &w->v6);
	if (slot == 0)
		return -EAGAIN;
	memcpy(t->v6[slot], r->at.addr, 16);
	*address = slot;
	return 0;
}

static struct node_entry entry_make(
    uint32_t id, uint32_t address, uint32_t index, const struct node_route *r, uint8_t flags)
{
	uint16_t port = r->flags & NODE_REMOTE ? 0 : r->at.port;

	return (struct node_entry){
	    .w[0] = id | (uint64_t)address << 32,
	    .w[1] = index | (uint64_t)port << NODE_PORT_SHIFT |
		    (uint64_t)r->nexthop << NODE_NEXTHOP_SHIFT |
		    (uint64_t)r->local << NODE_LOCAL_SHIFT | (uint64_t)flags << NODE_FLAGS_SHIFT,
	};
}

static void mirror_put(struct node_writer *w, struct node_entry e)
{
	if (w->kernel)
		kernel_writer_put(w->kernel, e);
}

static void count_change(struct node_writer *w, int nodes, int remotes)
{
	struct node_table_header *h = w->table.header;

	w->node_count += (uint32_t)nodes;
	w->remote_count += (uint32_t)remotes;
	__atomic_store_n(&h->node_count, w->node_count, __ATOMIC_RELAXED);
	__atomic_store_n(&h->remote_count, w->remote_count, __ATOMIC_RELAXED);
	if (w->kernel)
		kernel_writer_settle(w->kernel, w->node_count);
}

static void v6_defer(struct node_writer *w, struct node_entry e)
{
	if (node_entry_flags(e) & NODE_V6)
		deferred_add(&w->deferred, node_entry_address(e), NODE_PLACE_V6);
}

static bool is_remote(struct node_entry e)
{
	return node_entry_flags(e) & NODE_REMOTE;
}

// Of a node that nobody can see yet, or that is remote.
static void info_begin(const struct node_table *t, uint32_t index, uint32_t now_s)
{
	t->info[index] = (struct node_info){.first_seen = now_s, .changed_at = now_s};
	__atomic_store_n(&t->last_seen[index], now_s, __ATOMIC_RELAXED);
}

static int entry_replace(
    struct node_writer *w, struct node_entry *at, const struct node_route *route, uint32_t now_s)
{
	struct node_entry old = *at;
	struct node_entry e;
	uint32_t address;
	uint8_t flags;
	int err = deferred_reserve(&w->deferred, 1);

	if (!err)
		err = address_place(w, route, &old, &address, &flags);
	if (err)
		return err;
	e = entry_make(node_entry_id(old), address, node_entry_index(old), route, flags);
	if (is_remote(old) && !is_remote(e))
		info_begin(&w->table, node_entry_index(e), now_s);
	e = node_entry_keyed(e, node_is_keyed(&w->table, e));
	node_entry_store(at, e);
	mirror_put(w, e);
	if (!(flags & NODE_V6) || address != node_entry_address(old))
		v6_defer(w, old);
	count_change(w, 0, is_remote(e) - is_remote(old));
	return 0;
}

static int entry_insert(struct node_writer *w, struct node_entry e)
{
	int err = node_table_append(w, e);

	for (int i = 0; i < SPLITS_FOR_ROOM && err == -ENOSPC; i++) {
		if (node_table_split(w))
			break;
		err = node_table_append(w, e);
	}
	return err;
}

static int node_insert(
    struct node_writer *w, uint32_t id, const struct node_route *route, uint32_t now_s)
{
	const struct node_table *t = &w->table;
	struct node_entry e;
	uint32_t address, index;
	uint8_t flags;
	int err;

	if (w->node_count >= t->capacity)
		return -ENOSPC;
	index = pool_take(w, &w->indexes);
	if (index == 0)
		return -EAGAIN;
	err = address_place(w, route, NULL, &address, &flags);
	if (!err) {
		info_begin(t, index, now_s);
		e = entry_make(id, address, index, route, flags);
		err = entry_insert(w, e);
		if (err && (flags & NODE_V6))
			index_pool_give(&w->v6, address);
	}
	if (err) {
		index_pool_give(&w->indexes, index);
		return err;
	}
	mirror_put(w, e);
	count_change(w, 1, (flags & NODE_REMOTE) != 0);
	if (w->node_count > (uint32_t)node_table_state(t))
		node_table_split(w);
	return 1;
}

int node_writer_put(
    struct node_writer *w, uint32_t id, const struct node_route *route, uint32_t now_s)
{
	struct node_entry *at;

	if (id == 0 || !route_valid(route))
		return -EINVAL;
	at = locate(w, id);
	return at ? entry_replace(w, at, route, now_s) : node_insert(w, id, route, now_s);
}

int node_writer_set_nexthop(struct node_writer *w, uint32_t id, uint16_t nexthop)
{
	struct node_entry *at = locate(w, id);
	struct node_entry e;

	if (!at)
		return -ENOENT;
	e = *at;
	e.w[1] &= ~((uint64_t)NODE_NEXTHOP_MASK << NODE_NEXTHOP_SHIFT);
	e.w[1] |= (uint64_t)(nexthop & NODE_NEXTHOP_MASK) << NODE_NEXTHOP_SHIFT;
	node_entry_store(at, e);
	mirror_put(w, e);
	return 0;
}

int node_writer_bind(struct node_writer *w, uint32_t id, const uint8_t key[32])
{
	struct node_entry *at = locate(w, id);
	struct node_info *info;

	if (!at || is_remote(*at))
		return -ENOENT;
	info = &w->table.info[node_entry_index(*at)];
	if (info->has_key && memcmp(info->key, key, sizeof(info->key)) == 0)
		return 0;
	__atomic_store_n(&info->has_key, 0, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); // a kill leaves a whole key or none
	memcpy(info->key, key, sizeof(info->key));
	__atomic_store_n(&info->has_key, 1, __ATOMIC_RELEASE);
	node_entry_store(at, node_entry_keyed(*at, true));
	mirror_put(w, *at);
	return 0;
}

int node_writer_remove(struct node_writer *w, uint32_t id)
{
	struct node_entry *at = locate(w, id);
	struct node_entry old;

	if (!at)
		return -ENOENT;
	if (deferred_reserve(&w->deferred, 2))
		return -ENOMEM;
	old = *at;
	node_table_take(w, at, node_hash(w->table.hash_key, id));
	if (w->kernel)
		kernel_writer_remove(w->kernel, id);
	v6_defer(w, old);
	deferred_add(&w->deferred, node_entry_index(old), NODE_PLACE_INDEX);
	count_change(w, -1, -is_remote(old));
	return 0;
}
