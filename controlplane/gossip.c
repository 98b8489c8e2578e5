// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gossip.h"

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/cp.h"

enum { PEERS_MAX = CONFIG_PEER_MAX + CLIENT_BEACON_MAX };

struct gathering {
	unsigned count, target_count;
	struct peer_config peers[PEERS_MAX];
	struct endpoint targets[PEERS_MAX];
};

static void take(struct gathering *g, const struct endpoint *at)
{
	for (unsigned i = 0; i < g->count; i++)
		if (endpoint_equal(&g->peers[i].at, at))
			return;
	if (g->count == PEERS_MAX)
		return;
	g->peers[g->count++] = (struct peer_config){.at = *at};
	if (at->port)
		g->targets[g->target_count++] = *at;
}

static bool is_ours(const struct memory *m, const struct endpoint *at)
{
	for (int i = 0; i < LOCAL_MAX; i++)
		if (__atomic_load_n(&m->locals[i].valid, __ATOMIC_ACQUIRE) &&
		    endpoint_equal(&m->locals[i].at, at))
			return true;
	return false;
}

// Our own address may be among them: relays can share one list.
static void take_configured(
    struct gathering *g, const struct config_peers *list, const struct memory *m)
{
	for (unsigned i = 0; i < list->count; i++) {
		struct endpoint at = {.port = 0};

		endpoint_from_sockaddr(&list->at[i].any, socket_address_len(&list->at[i]), &at);
		if (!is_ours(m, &at))
			take(g, &at);
	}
}

// Names are not resolved, as in gossip.peers.
static void take_listed(
    struct gathering *g, const struct registry_client *client, const struct memory *m)
{
	for (uint32_t i = 0; i < client->beacon_count; i++) {
		const struct client_beacon *b = &client->beacons[i];
		struct endpoint at;

		if (b->id != client->beacon_id && endpoint_parse(b->addr, 0, &at) == 0 &&
		    !endpoint_is_unspecified(&at) && !is_ours(m, &at))
			take(g, &at);
	}
}

void gossip_configure(struct cp *cp)
{
	static struct gathering g;
	struct session *s = &cp->session;
	int rc;

	if (!cp->attach.up)
		return;
	g.count = g.target_count = 0;
	take_configured(&g, &cp->config.gossip.peers, s->memory);
	if (cp->config.gossip.discover && cp->embedded.is_client)
		take_listed(&g, &cp->embedded.client, s->memory);
	s->announce.beacon_id = (uint32_t)cp->config.gossip.beacon_id;
	s->announce.interval_ns = cp->config.gossip.interval_ns;
	rc = announce_set_targets(&s->announce, g.targets, g.target_count);
	if (!rc)
		rc = peers_configure(&s->peers, g.peers, g.count, clock_mono_ns());
	if (rc)
		log_error("peer relays not configured", kv_errno(rc));
}
