// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/punch.h"

#include "base/clock.h"
#include "base/hash.h"
#include "controlplane/room.h"
#include "crypto/identity.h"

void punch_init(struct punch *p, struct endpoints *endpoints)
{
	*p = (struct punch){.endpoints = endpoints};
	identity_random(&p->secret, sizeof(p->secret));
}

// True when the pair asked a moment ago; remembers it else.
static bool asked_recently(struct punch *p, uint32_t requester, uint32_t target, uint64_t now_ns)
{
	uint64_t pair = (uint64_t)requester << 32 | target;
	unsigned slot = hash_number(p->secret, pair) % PUNCH_RECENT;

	if (p->recent[slot].pair == pair && now_ns - p->recent[slot].at_ns < PUNCH_PACE_NS)
		return true;
	p->recent[slot].pair = pair;
	p->recent[slot].at_ns = now_ns;
	return false;
}

void punch_limit(struct punch *p, uint64_t rate, uint64_t burst)
{
	rate_limit_set(&p->told, rate, burst);
}

static enum asker asker_of(const struct node_table *t, uint32_t id, const struct endpoint *from)
{
	struct node_entry entry;

	if (!node_table_find(t, id, &entry) || !node_table_is_at(t, entry, from))
		return ASKER_STRANGER;
	return node_standing(t, node_entry_index(entry)) == STANDING_NEW ? ASKER_NEW
									 : ASKER_FAMILIAR;
}

// Whether the target's address may be told of one more. Addresses may share a limit.
static bool may_tell(
    struct punch *p, enum asker asker, const struct endpoint *target, uint64_t now_ns)
{
	unsigned slot;

	if (p->told.interval_ns == 0)
		return true;
	slot = hash_address(p->secret, target->addr, 0) % PUNCH_TARGETS;
	return bucket_take(&p->targets[slot][asker], &p->told, now_ns);
}

static void send_command(
    struct endpoints *e, const struct endpoint *to, uint8_t local, const struct endpoint *peer)
{
	uint8_t buf[BEACON_OBSERVED_V6_SIZE];
	struct beacon_punch_command command = {.peer = *peer};
	int n = beacon_punch_command_build(buf, sizeof(buf), &command);

	if (n > 0)
		emit(&e->hooks.emit, to, local, buf, (size_t)n);
}

static void note_punch(struct node_table *t, uint32_t id, uint64_t now_ns)
{
	struct node_entry entry;

	if (node_table_find(t, id, &entry))
		t->info[node_entry_index(entry)].last_punch = (uint32_t)(now_ns / NS_PER_S);
}

void punch_request(struct punch *p, const struct punt *punt)
{
	struct endpoints *e = p->endpoints;
	struct node_table *t = &e->nodes->table;
	struct beacon_punch_request request;
	struct node_entry entry;
	struct endpoint target;
	enum asker asker;

	if (beacon_punch_request_parse(punt->data, punt->len, &request) != 0 ||
	    request.requester == 0 || request.target == 0 || request.requester == request.target)
		return;
	asker = asker_of(t, request.requester, &punt->from);
	if (!endpoints_admit(e, request.requester, punt)) {
		e->stats->n[CP_PUNCH_REFUSED]++;
		return;
	}
	if (!node_table_find(t, request.target, &entry) ||
	    !node_table_endpoint(t, entry, &target)) {
		e->stats->n[CP_PUNCH_UNKNOWN]++;
		return;
	}
	// One socket under two ids: nothing to punch, and both answers would go to it.
	if (endpoint_equal(&target, &punt->from)) {
		e->stats->n[CP_PUNCH_REFUSED]++;
		return;
	}
	if (asked_recently(p, request.requester, request.target, punt->now_ns)) {
		e->stats->n[CP_PUNCH_PACED]++;
		return;
	}
	if (!may_tell(p, asker, &target, punt->now_ns)) {
		e->stats->n[CP_PUNCH_CROWDED]++;
		return;
	}
	send_command(e, &punt->from, punt->local, &target);
	send_command(e, &target, node_entry_local(entry), &punt->from);
	note_punch(t, request.requester, punt->now_ns);
	note_punch(t, request.target, punt->now_ns);
	e->stats->n[CP_PUNCHES]++;
}
