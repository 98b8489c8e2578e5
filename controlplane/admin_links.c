// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "controlplane/admin_api.h"

#include <net/if.h>
#include <string.h>

static json_int_t load(const uint64_t *at)
{
	return (json_int_t)__atomic_load_n(at, __ATOMIC_RELAXED);
}

static json_t *link_entry(const struct link_block *l, unsigned index)
{
	bool raw = strcmp(l->kind, "sock") != 0, dpdk = strcmp(l->kind, "dpdk") == 0;
	const char *colon = strchr(l->name, ':');
	json_t *o = json_pack("{s:i,s:s,s:s,s:o,s:i,s:s,s:b,s:b,s:o}", "link", (int)index, "name",
	    l->name, "kind", l->kind, "ifname",
	    raw && colon ? json_sprintf("%.*s", (int)strcspn(colon + 1, dpdk ? "" : ":"), colon + 1)
			 : json_null(),
	    "queues", (int)l->queues, "mode",
	    !raw	? ""
	    : l->kernel ? "kernel"
	    : l->native ? (dpdk ? "interrupt" : "native")
			: (dpdk ? "poll" : "generic"),
	    "zero_copy", l->zero_copy, "up", l->up, "mtu",
	    l->mtu ? json_integer(l->mtu) : json_null());

	json_object_set_new(o, "counted_ns", json_integer(load(&l->counted_ns)));
	json_object_set_new(o, "rx_datagrams", json_integer(load(&l->rx_datagrams)));
	json_object_set_new(o, "tx_datagrams", json_integer(load(&l->tx_datagrams)));
	json_object_set_new(o, "rx_bytes", json_integer(load(&l->rx_bytes)));
	json_object_set_new(o, "tx_bytes", json_integer(load(&l->tx_bytes)));
	json_object_set_new(o, "drops",
	    json_integer(load(&l->rx_dropped) + load(&l->tx_errors) + load(&l->tx_full)));
	return o;
}

json_t *admin_links(struct cp *cp)
{
	const struct link_block *links = cp->session.memory->header->links;
	json_t *list = json_array();

	for (unsigned i = 0; i < LINK_MAX; i++) {
		struct link_block copy;

		if (!__atomic_load_n(&links[i].valid, __ATOMIC_ACQUIRE))
			continue;
		copy = links[i];
		copy.name[sizeof(copy.name) - 1] = copy.kind[sizeof(copy.kind) - 1] = '\0';
		json_array_append_new(list, link_entry(&copy, i));
	}
	return json_pack("{s:I,s:o}", "time_ns", (json_int_t)clock_mono_ns(), "links", list);
}

static json_t *age(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns && then_ns <= now_ns ? json_real((double)(now_ns - then_ns) / NS_PER_S)
					    : json_null();
}

static uint64_t sent_at(const struct announce *a, const struct endpoint *to)
{
	for (unsigned i = 0; i < a->target_count; i++)
		if (endpoint_equal(&a->targets[i].at, to))
			return a->targets[i].sent_ns;
	return 0;
}

static json_t *peer_entry(const struct session *s, unsigned i, uint64_t now_ns)
{
	const struct peer *at = &s->memory->peers[i];
	const struct peer_state *state = &s->peers.state[i];
	json_t *address;
	char text[ENDPOINT_TEXT_MAX];

	if (at->at.port)
		address = admin_endpoint(&at->at);
	else
		address = endpoint_format_addr(&at->at, text, sizeof(text)) < 0 ? json_null()
										: json_string(text);
	return json_pack("{s:o,s:I,s:I,s:o,s:o,s:b}", "address", address, "beacon_id",
	    (json_int_t)state->beacon_id, "nodes", (json_int_t)state->count, "heard_s",
	    state->heard ? age(state->heard_ns, now_ns) : json_null(), "sent_s",
	    age(sent_at(&s->announce, &at->at), now_ns), "configured", state->configured);
}

// The entry of an address alone says something only while nobody was heard from there.
static bool peer_shown(const struct session *s, unsigned i)
{
	const struct peer *at = &s->memory->peers[i];

	if (!s->peers.state[i].used)
		return false;
	for (unsigned k = 0; k < PEER_MAX && !at->at.port; k++)
		if (k != i && s->peers.state[k].used &&
		    endpoint_same_addr(&s->memory->peers[k].at, &at->at))
			return false;
	return true;
}

json_t *admin_peers(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct session *s = &cp->session;
	uint64_t now_ns = clock_mono_ns();
	struct admin_page page;
	uint64_t i;

	(void)client;
	if (!admin_page_open(&page, request, UINT32_MAX, err))
		return NULL;
	for (i = page.cursor; i < PEER_MAX; i++)
		if (peer_shown(s, (unsigned)i) &&
		    !admin_page_add(&page, peer_entry(s, (unsigned)i, now_ns)))
			break;
	return admin_page_close(&page, "peers", i < PEER_MAX, i);
}

static json_t *route_entry(const struct session *s, unsigned i)
{
	const struct nexthop_slot *slot = &s->nexthops.slots[i];
	nexthop_word w = __atomic_load_n(&s->memory->nexthops[i], __ATOMIC_RELAXED);
	struct endpoint at = endpoint_from_v6(slot->addr, 0);
	char text[ENDPOINT_TEXT_MAX], ifname[IF_NAMESIZE];

	if (endpoint_format_addr(&at, text, sizeof(text)) < 0)
		text[0] = '\0';
	return json_pack("{s:i,s:s,s:o,s:o,s:b}", "index", (int)i, "address", text, "ifname",
	    if_indextoname(slot->ifindex, ifname) ? json_string(ifname) : json_null(), "mac",
	    w ? json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(w & 0xff),
		    (unsigned)(w >> 8 & 0xff), (unsigned)(w >> 16 & 0xff),
		    (unsigned)(w >> 24 & 0xff), (unsigned)(w >> 32 & 0xff),
		    (unsigned)(w >> 40 & 0xff))
	      : json_null(),
	    "resolved", w != 0);
}

json_t *admin_routes(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct session *s = &cp->session;
	struct admin_page page;
	uint64_t i;

	(void)client;
	if (!admin_page_open(&page, request, UINT32_MAX, err))
		return NULL;
	for (i = page.cursor ? page.cursor : 1; i < NEXTHOP_MAX; i++)
		if (s->nexthops.slots[i].use == NEXTHOP_USED &&
		    !admin_page_add(&page, route_entry(s, (unsigned)i)))
			break;
	return admin_page_close(&page, "routes", i < NEXTHOP_MAX, i);
}
