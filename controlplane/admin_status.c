// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "controlplane/admin_api.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

json_t *admin_ping(struct cp *cp)
{
	(void)cp;
	return json_object();
}

json_t *admin_version(struct cp *cp)
{
	(void)cp;
	return json_pack("{s:s,s:i}", "version", FAIRWAY_VERSION, "shm_version", SHM_VERSION);
}

static json_t *dp_status(const struct cp *cp)
{
	const struct shm_header *h;
	uint64_t now = clock_mono_ns();

	if (!cp->attach.up)
		return json_pack(
		    "{s:b,s:n,s:n,s:n}", "connected", 0, "pid", "uptime_s", "boot_count");
	h = cp->session.memory->header;
	return json_pack("{s:b,s:I,s:f,s:I}", "connected", 1, "pid", (json_int_t)h->dp_pid,
	    "uptime_s", now > h->dp_started_ns ? (double)(now - h->dp_started_ns) / NS_PER_S : 0.0,
	    "boot_count", (json_int_t)h->boot_count);
}

static json_t *listen_list(const struct cp *cp)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < cp->config.listen.count; i++) {
		char text[64];

		json_array_append_new(
		    list, json_string(format_address(text, &cp->config.listen.at[i])));
	}
	return list;
}

// The links that are open, raw ones first; what was asked for and failed is a warning.
static json_t *link_list(const struct cp *cp)
{
	const struct link_block *links = cp->attach.up ? cp->session.memory->header->links : NULL;
	json_t *list = json_array();

	for (int sock = 0; links && sock < 2; sock++) {
		for (unsigned i = 0; i < LINK_MAX; i++) {
			bool is_sock = !strncmp(links[i].kind, "sock", sizeof(links[i].kind));

			if (__atomic_load_n(&links[i].valid, __ATOMIC_ACQUIRE) && is_sock == sock)
				json_array_append_new(
				    list, json_sprintf(
					      "%.*s", (int)sizeof(links[i].name), links[i].name));
		}
	}
	return list;
}

// NULL: it is not open.
static const struct link_block *link_find(const struct link_block *links, const char *name)
{
	for (unsigned i = 0; i < LINK_MAX; i++)
		if (__atomic_load_n(&links[i].valid, __ATOMIC_ACQUIRE) &&
		    !strncmp(links[i].name, name, sizeof(links[i].name) - 1))
			return &links[i];
	return NULL;
}

static void warn_of_links(const struct cp *cp, json_t *list)
{
	const struct link_block *links = cp->session.memory->header->links;

	for (unsigned i = 0; i < cp->config.links.count; i++) {
		const struct config_link *l = &cp->config.links.at[i];
		const struct link_block *is;
		char name[sizeof(l->device) + 8];

		if (*l->device)
			snprintf(name, sizeof(name), "dpdk:%.*s", (int)strcspn(l->device, ","),
			    l->device);
		else
			snprintf(name, sizeof(name), "xdp:%s", l->ifname);
		is = link_find(links, name);
		if (!is)
			json_array_append_new(
			    list, json_sprintf("link %s is not open, sock serves in its place: the "
					       "log of fairway-dp says why",
				      name));
		else if (l->kernel && is->up && !is->kernel)
			json_array_append_new(list,
			    json_sprintf("the engine relays for link %s: its peer cannot receive "
					 "what an XDP program sends (veth: ethtool -K PEER gro on)",
				name));
	}
	for (unsigned i = 0; i < LINK_MAX; i++)
		if (__atomic_load_n(&links[i].valid, __ATOMIC_ACQUIRE) && !links[i].up)
			json_array_append_new(
			    list, json_sprintf("link %.*s is down: its interface is down, or gone",
				      (int)sizeof(links[i].name), links[i].name));
}

static void warn_count(json_t *list, uint64_t n, const char *what)
{
	if (n)
		json_array_append_new(list, json_sprintf("%llu %s", (unsigned long long)n, what));
}

static void warn_if(json_t *list, bool is, const char *what)
{
	if (is)
		json_array_append_new(list, json_string(what));
}

static json_t *warning_list(const struct cp *cp)
{
	const struct routes *r = &cp->rtnl.routes;
	bool raw = cp->config.links.count > 0;
	const uint64_t *n = cp->stats.n;
	json_t *list = json_array();

	warn_if(list, !cp->attach.up, "no data plane is attached");
	if (cp->attach.up) {
		warn_of_links(cp, list);
		warn_count(list, admin_drop(cp->session.memory, DROP_PUNT_FULL),
		    "requests were lost: the control plane was down or slow");
	}
	warn_count(list, n[CP_REFUSED_FULL], "nodes were not stored: raise nodes.capacity");
	warn_count(list, n[CP_NODES_EVICTED],
	    "nodes had to make room: raise nodes.capacity, or somebody invents nodes");
	warn_count(list, n[CP_SYNC_UNANNOUNCED],
	    "nodes are not gossiped: set or widen gossip.extra-ports");
	warn_count(list, n[CP_REMOTE_FULL],
	    "times a peer relay's node was not stored: raise nodes.capacity");
	warn_if(list, raw && r->overflow,
	    "the kernel routes all we send: there are more routes than are mirrored");
	warn_if(list, raw && r->policy[0], "the kernel routes all IPv4 we send: policy rules");
	warn_if(list, raw && r->policy[1], "the kernel routes all IPv6 we send: policy rules");
	return list;
}

static void set_totals(json_t *o, const struct memory *m)
{
	static const struct {
		const char *name;
		enum counter counter;
	} totals[] = {
	    {"rx_datagrams", COUNTER_RX_DATAGRAMS},
	    {"tx_datagrams", COUNTER_TX_DATAGRAMS},
	    {"relayed", COUNTER_RELAYED},
	    {"forwarded", COUNTER_FORWARDED},
	    {"punted", COUNTER_PUNTED},
	};

	for (unsigned i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		json_object_set_new(o, totals[i].name,
		    json_integer(m ? (json_int_t)admin_counter(m, totals[i].counter) : 0));
	json_object_set_new(o, "drops", json_integer(m ? (json_int_t)admin_drops_total(m) : 0));
}

static unsigned peers_heard(const struct memory *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEER_MAX; i++)
		n += m->peers[i].valid && m->peers[i].at.port;
	return n;
}

json_t *admin_status(struct cp *cp)
{
	const struct session *s = cp->attach.up ? &cp->session : NULL;
	const struct config *c = &cp->config;
	json_t *o = json_pack("{s:s,s:I,s:f,s:s,s:o,s:o,s:o}", "version", FAIRWAY_VERSION, "pid",
	    (json_int_t)getpid(), "uptime_s", (double)(clock_mono_ns() - cp->started_ns) / NS_PER_S,
	    "state", c->state, "dp", dp_status(cp), "listen", listen_list(cp), "links",
	    link_list(cp));

	json_object_set_new(o, "workers", json_integer(s ? s->memory->worker_count : 0));
	json_object_set_new(
	    o, "nodes", json_integer(s ? s->nodes.node_count - s->nodes.remote_count : 0));
	json_object_set_new(o, "nodes_remote", json_integer(s ? s->nodes.remote_count : 0));
	json_object_set_new(o, "node_capacity",
	    json_integer(s ? s->nodes.table.capacity : (json_int_t)c->nodes_capacity));
	json_object_set_new(
	    o, "nodes_kernel", s && s->nodes.kernel ? json_integer(s->kernel.count) : json_null());
	json_object_set_new(o, "kernel_capacity",
	    s && s->nodes.kernel ? json_integer(s->kernel.memory->sizes.nodes) : json_null());
	json_object_set_new(o, "peers", json_integer(s ? peers_heard(s->memory) : 0));
	json_object_set_new(o, "admission",
	    json_string(config_key_find("admission.policy")->choices[c->admission.policy]));
	json_object_set_new(o, "sender_check",
	    json_string(c->sender_check == CONFIG_SENDER_OFF	    ? "off"
			: c->sender_check == CONFIG_SENDER_ENDPOINT ? "endpoint"
								    : "ip"));
	set_totals(o, s ? s->memory : NULL);
	json_object_set_new(o, "warnings", warning_list(cp));
	return o;
}
