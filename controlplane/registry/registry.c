// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/registry.h"

#include "base/log.h"
#include "controlplane/registry/audit.h"
#include "controlplane/registry/pre_roles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME(N, name, help) #name,
#define HELP(N, name, help) help,

const char *const registry_counter_names[REGISTRY_COUNTER_COUNT] = {REGISTRY_COUNTER_LIST(NAME)};
const char *const registry_counter_helps[REGISTRY_COUNTER_COUNT] = {REGISTRY_COUNTER_LIST(HELP)};

enum { SIGNATURES_A_NODE = 4, KEYS_REMEMBERED = 65536, HOUR_S = 3600 };

int registry_init(struct registry *r, const struct registry_config *config)
{
	int rc;

	*r = (struct registry){.config = *config};
	directory_init(&r->nodes, config->capacity);
	pairs_init(&r->pairs);
	sources_init(&r->newcomers);
	sources_init(&r->writers);
	sources_init(&r->changers);
	rc = networks_init(&r->networks);
	if (!rc)
		rc = sig_cache_init(&r->sigs, config->capacity * SIGNATURES_A_NODE);
	r->keys = key_cache_new(KEYS_REMEMBERED);
	return rc ? rc : r->keys ? 0 : -ENOMEM;
}

void registry_free(struct registry *r)
{
	store_close(r->store);
	for (uint32_t i = 0; i < r->nodes.slots; i++) {
		struct dir_node *n = directory_slot(&r->nodes, i);

		if (n)
			inbox_free(&n->inbox);
	}
	directory_free(&r->nodes);
	pairs_free(&r->pairs);
	networks_free(&r->networks);
	fleets_free(&r->fleets);
	sig_cache_free(&r->sigs);
	key_cache_free(r->keys);
	sources_free(&r->newcomers);
	sources_free(&r->writers);
	sources_free(&r->changers);
}

static bool is_forgettable(const struct dir_node *n)
{
	return !n->proven && !n->network_count && !n->inbox && !n->consents && !n->external_id;
}

static uint32_t nodes_an_hour(const struct registry *r)
{
	return r->config.source_nodes / 24 + 1;
}

bool registry_admits(struct registry *r, const struct endpoint *from, struct registry_time t)
{
	struct source *e = sources_of(&r->newcomers, from);

	if (!e)
		return false;
	bucket_drain(&e->bucket, t.now_s / HOUR_S, nodes_an_hour(r));
	if (r->config.source_nodes && e->count + (uint32_t)e->bucket.used >= r->config.source_nodes)
		return false;
	e->count++;
	return true;
}

// The address that an unproven node first registered from stands in `anchor`.
static void leave_unproven(struct registry *r, const struct dir_node *n)
{
	struct endpoint from = endpoint_from_v6(n->anchor, 0);

	if (!n->proven)
		sources_give(&r->newcomers, &from);
}

void registry_prove(struct registry *r, struct dir_node *n)
{
	struct endpoint from = endpoint_from_v6(n->anchor, 0);
	struct source *e = n->proven ? NULL : sources_of(&r->newcomers, &from);

	leave_unproven(r, n);
	if (e)
		e->bucket.used++;
	n->proven = true;
}

void registry_let_go(struct registry *r, struct dir_node *n)
{
	directory_set_live(&r->nodes, n, false, 0);
	directory_set_hostname(&r->nodes, n, "");
	n->at.port = 0;
	text_set(&n->claim, NULL);
	if (is_forgettable(n)) {
		leave_unproven(r, n);
		r->count[REGISTRY_FORGOTTEN]++;
		store_put(r->store, STORE_NODE_FORGET, "i", (int64_t)n->id);
		// no row says any more that the id was given
		store_put(r->store, STORE_META, "ti", "next_node", (int64_t)r->nodes.next_id);
		directory_remove(&r->nodes, n);
		return;
	}
	if (n->proven)
		memset(n->anchor, 0, sizeof(n->anchor));
	store_put(r->store, STORE_NODE_GONE, "i", (int64_t)n->id);
}

static void audit_reaped(struct registry *r, const struct dir_node *n, struct registry_time t)
{
	struct endpoint from = endpoint_from_v6(n->anchor, 0);

	// not known since the last start: where it says that it is
	if (endpoint_is_unspecified(&from))
		from = n->at;
	audit_from(r,
	    &(struct audit){.unix_s = t.unix_s,
		.action = "node.reaped",
		.actor = "fairway",
		.details = "silent",
		.node = n->id},
	    &from, t.now_s);
}

void registry_tick(struct registry *r, struct registry_time t)
{
	uint32_t scan = r->nodes.slots < REAP_SCAN ? r->nodes.slots : REAP_SCAN, gone = 0;

	for (; scan && gone < REAP_SLICE; scan--) {
		uint32_t slot = r->reap_cursor++, seen;
		struct dir_node *n;

		if (r->reap_cursor >= r->nodes.slots)
			r->reap_cursor = 0;
		seen = r->nodes.seen[slot];
		if (!seen || t.now_s - seen < STALE_S || t.now_s < seen)
			continue;
		n = directory_slot(&r->nodes, slot);
		if (!n)
			continue;
		audit_reaped(r, n, t);
		registry_let_go(r, n);
		gone++;
	}
	r->count[REGISTRY_EXPIRED] += gone;
	audit_tick(r, t);
	sources_sweep(&r->newcomers, t.now_s / HOUR_S, nodes_an_hour(r));
	sources_sweep(&r->writers, t.now_s, TEXT_RATE);
}

bool registry_trusts(const struct registry *r, uint32_t a, uint32_t b)
{
	return a != b && pairs_trust(&r->pairs, a, b);
}

bool registry_may_see(const struct registry *r, const struct dir_node *a, const struct dir_node *b)
{
	return a == b || b->public || registry_trusts(r, a->id, b->id) ||
	       directory_share_network(a, b);
}

static int save_pair(struct registry *r, uint32_t a, uint32_t b, uint8_t sides)
{
	int64_t low = a < b ? a : b, high = a < b ? b : a;
	int rc = pairs_set(&r->pairs, a, b, sides);

	if (rc)
		return rc;
	if (sides)
		store_put(r->store, STORE_PAIR, "iii", low, high, (int64_t)sides);
	else
		store_put(r->store, STORE_PAIR_FORGET, "ii", low, high);
	return 0;
}

// Who has declared a pair alone counts it.
static void count_consent(struct registry *r, uint32_t a, uint32_t b, int by)
{
	uint8_t sides = pairs_get(&r->pairs, a, b);
	struct dir_node *n;

	if (sides != PAIR_LOW && sides != PAIR_HIGH)
		return;
	n = directory_find(&r->nodes, sides == pair_side(a, b) ? a : b);
	if (n)
		n->consents = (uint16_t)(n->consents + by);
}

int registry_declare(struct registry *r, struct dir_node *a, struct dir_node *b)
{
	uint8_t sides = pairs_get(&r->pairs, a->id, b->id);
	uint8_t mine = pair_side(a->id, b->id);
	int rc;

	if (sides & mine)
		return 0;
	if (!sides && a->consents >= CONSENT_MAX)
		return -ENOSPC;
	count_consent(r, a->id, b->id, -1);
	rc = save_pair(r, a->id, b->id, sides | mine);
	count_consent(r, a->id, b->id, 1);
	return rc;
}

void registry_revoke(struct registry *r, uint32_t a, uint32_t b)
{
	count_consent(r, a, b, -1);
	save_pair(r, a, b, 0);
}

static void save_inbox(struct registry *r, uint32_t node, const struct inbox_entry *e)
{
	store_put(r->store, STORE_INBOX, "iiiiiiit", (int64_t)e->seq, (int64_t)node,
	    (int64_t)e->kind, (int64_t)e->from, (int64_t)e->network, (int64_t)e->accept, e->unix_s,
	    e->text);
}

int registry_deliver(struct registry *r, struct dir_node *to, struct inbox_entry entry)
{
	size_t len = entry.text ? strlen(entry.text) : 0;
	int rc;

	if (r->inbox_bytes + len > INBOX_TEXT_MAX)
		len = 0;
	entry.seq = ++r->inbox_seq;
	entry.text = len ? strdup(entry.text) : NULL;
	if (len && !entry.text)
		return -ENOMEM;
	rc = inbox_add(&to->inbox, entry);
	if (rc)
		return rc;
	r->inbox_bytes += len;
	save_inbox(r, to->id, &entry);
	return 0;
}

void registry_take(struct registry *r, struct dir_node *n, struct inbox_entry *entry)
{
	store_put(r->store, STORE_INBOX_FORGET, "i", (int64_t)entry->seq);
	r->inbox_bytes -= entry->text ? strlen(entry->text) : 0;
	inbox_remove(&n->inbox, entry);
}

struct member *registry_join(
    struct registry *r, struct network *net, struct dir_node *n, enum role role)
{
	uint8_t before =
	    n->external_id ? pre_roles_find(net->pre_roles, n->external_id) : ROLE_NONE;
	struct member *m;

	// there is one owner
	if (role == ROLE_MEMBER && before > ROLE_MEMBER)
		role = before == ROLE_OWNER && network_owner(net) ? ROLE_ADMIN : before;
	m = member_add(net, n->id, role);
	if (!m)
		return NULL;
	if (directory_join(n, net->id)) {
		member_remove(net, n->id);
		return NULL;
	}
	save_member(r, net, m);
	return m;
}

void registry_leave(struct registry *r, struct network *net, uint32_t node)
{
	struct dir_node *n = directory_find(&r->nodes, node);

	member_remove(net, node);
	if (n)
		directory_leave(n, net->id);
	store_put(r->store, STORE_MEMBER_FORGET, "ii", (int64_t)net->id, (int64_t)node);
}

void registry_delete_network(struct registry *r, struct network *net)
{
	while (net->count)
		registry_leave(r, net, net->members[net->count - 1].node);
	store_put(r->store, STORE_NETWORK_FORGET, "i", (int64_t)net->id);
	network_remove(&r->networks, net);
}
