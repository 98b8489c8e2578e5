// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "controlplane/cp.h"
#include "controlplane/gossip.h"
#include "controlplane/stun_serve.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

// Settings are passed on as they are.
static_assert((int)CONFIG_ADMISSION_OPEN == (int)ADMISSION_OPEN &&
		  (int)CONFIG_ADMISSION_ANCHORED == (int)ADMISSION_ANCHORED &&
		  (int)CONFIG_ADMISSION_SIGNED == (int)ADMISSION_SIGNED,
    "order of admission.policy's choices");
static_assert((int)CONFIG_SENDER_IP == (int)SENDER_CHECK_IP &&
		  (int)CONFIG_SENDER_ENDPOINT == (int)SENDER_CHECK_ENDPOINT &&
		  (int)CONFIG_SENDER_OFF == (int)SENDER_CHECK_OFF,
    "order of sender-check's choices");

// Routes may come late; what an earlier control plane found out serves until then.
#define ROUTES_PATIENCE_NS (2 * NS_PER_S)

static uint16_t on_resolve(void *ctx, const struct endpoint *at, uint8_t local)
{
	struct cp *cp = ctx;

	return nexthops_resolve(&cp->session.nexthops, at, local);
}

static void on_present(void *ctx, uint32_t id, uint32_t index, uint64_t now_ns)
{
	struct cp *cp = ctx;

	announce_add(&cp->session.announce, id, index, now_ns);
}

static void on_forgotten(void *ctx, uint32_t id, uint32_t index, uint64_t now_ns)
{
	struct cp *cp = ctx;

	(void)id;
	announce_remove(&cp->session.announce, index, now_ns);
}

static void on_grown(void *ctx)
{
	struct cp *cp = ctx;

	attach_tell_growth(&cp->attach);
}

static bool on_remote_held(void *ctx, struct node_entry entry)
{
	const struct cp *cp = ctx;

	return peers_holds(&cp->session.peers, entry);
}

static bool on_remote_owner(void *ctx, uint32_t id, struct node_route *route)
{
	const struct cp *cp = ctx;

	return peers_owner(&cp->session.peers, id, route);
}

static int on_verify(void *ctx, const struct verify_job *job)
{
	struct cp *cp = ctx;

	return verifier_start(&cp->verifier, job);
}

static void store_u64(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static void settings_write(struct relay_settings *s, const struct config *c)
{
	store_u64(&s->sender_check, (uint64_t)c->sender_check);
	store_u64(&s->source_rate, c->police.source_rate);
	store_u64(&s->source_burst, c->police.source_burst);
	store_u64(&s->sender_rate, c->police.sender_rate);
	store_u64(&s->sender_burst, c->police.sender_burst);
	for (unsigned i = 0; i < PUNT_CLASS_COUNT; i++)
		store_u64(&s->punt_rate[i], c->police.punt_rate);
	store_u64(&s->busy_rate, c->busy_rate);
	store_u64(&s->ttl, c->ttl);
}

void session_configure(struct cp *cp)
{
	if (!cp->attach.up)
		return;
	cp->session.endpoints.config =
	    (struct endpoints_config){.policy = (enum admission_policy)cp->config.admission.policy,
		.silence_ns = cp->config.admission.silence_ns,
		.ttl_ns = cp->config.admission.ttl_ns,
		.network_share = (unsigned)cp->config.admission.network_share};
	punch_limit(
	    &cp->session.punch, cp->config.police.source_rate, cp->config.police.source_burst);
	settings_write(cp->session.memory->settings, &cp->config);
	settings_published(cp->session.memory);
	gossip_configure(cp);
}

static int open_writers(struct session *s, struct cp_stats *stats)
{
	int rc = node_writer_open(&s->nodes, s->memory);

	if (rc)
		return rc;
	rc = peer_writer_open(&s->peer_writer, s->memory);
	if (rc)
		goto nodes;
	rc = announce_open(&s->announce, s->memory->locals, &s->nodes.table);
	if (rc)
		goto peers;
	if (s->memory->kernel)
		rc = kernel_writer_open(&s->kernel, &s->nodes);
	if (rc)
		goto announce;
	rc = hot_open(&s->hot, &s->nodes, stats);
	if (rc)
		goto kernel;
	return 0;
kernel:
	if (s->nodes.kernel)
		kernel_writer_close(&s->kernel);
announce:
	announce_close(&s->announce);
peers:
	peer_writer_close(&s->peer_writer);
nodes:
	node_writer_close(&s->nodes);
	return rc;
}

static enum admission_anchor on_anchor(void *ctx, uint32_t node, const struct endpoint *from)
{
	struct cp *cp = ctx;

	return embedded_anchor(&cp->embedded, node, from);
}

static enum admission_identity on_identity(void *ctx, uint32_t node, const uint8_t key[32])
{
	struct cp *cp = ctx;

	return embedded_identity(&cp->embedded, node, key);
}

static bool on_heard_at(void *ctx, uint32_t node, struct endpoint *at)
{
	const struct cp *cp = ctx;
	const struct node_table *t = &cp->session.nodes.table;
	struct node_entry e;

	return cp->attach.up && node_table_find(t, node, &e) && node_table_endpoint(t, e, at);
}

static void open_parts(struct cp *cp)
{
	struct session *s = &cp->session;
	const struct endpoints_hooks hooks = {
	    .ctx = cp,
	    .emit = hub_emitter(&cp->hub),
	    .resolve = on_resolve,
	    .anchor = on_anchor,
	    .identity = on_identity,
	    .verify = on_verify,
	    .present = on_present,
	    .forgotten = on_forgotten,
	    .remote_held = on_remote_held,
	    .remote_owner = on_remote_owner,
	};

	cp->embedded.registry.heard_at = on_heard_at;
	cp->embedded.registry.heard_ctx = cp;
	s->opened_ns = clock_mono_ns();
	nexthops_open(&s->nexthops, s->memory, &cp->rtnl.routes);
	endpoints_init(&s->endpoints, &s->nodes, &cp->stats, &hooks);
	endpoints_reroute(&s->endpoints);
	punch_init(&s->punch, &s->endpoints);
	s->announce.emit = hooks.emit;
	s->announce.stats = &cp->stats;
	s->peers = (struct peers){.nodes = &s->nodes,
	    .writer = &s->peer_writer,
	    .memory = s->memory,
	    .stats = &cp->stats,
	    .resolve = on_resolve,
	    .ctx = cp};
	peers_open(&s->peers, s->opened_ns);
	cp->verifier.endpoints = &s->endpoints;
	cp->verifier.generation++;
}

static struct keep_time keep_now(void)
{
	return (struct keep_time){
	    .now_ns = clock_mono_ns(), .unix_s = (int64_t)(clock_real_ns() / NS_PER_S)};
}

int session_open(struct cp *cp)
{
	struct session *s = &cp->session;
	int rc;

	s->memory = &cp->attach.at.memory;
	rc = open_writers(s, &cp->stats);
	if (rc)
		return rc;
	s->nodes.grown = on_grown;
	s->nodes.grown_ctx = cp;
	open_parts(cp);
	session_configure(cp);
	if (!s->nodes.node_count)
		keep_read(&cp->keep, &s->endpoints, s->memory->locals, keep_now());
	hub_open(&cp->hub, &cp->loop, &cp->attach.at);
	trace_attach(&cp->trace, s->memory);
	store_u64(&s->memory->header->cp_pid, (uint64_t)getpid());
	log_info("attached to the data plane", kv("pid", s->memory->header->dp_pid),
	    kv("workers", s->memory->worker_count), kv("nodes", s->nodes.node_count),
	    kv("remote", s->nodes.remote_count));
	return 0;
}

void session_close(struct cp *cp)
{
	struct session *s = &cp->session;

	keep_write(&cp->keep, &s->nodes.table, s->memory->locals, keep_now());
	store_u64(&s->memory->settings->trace_on, 0);
	settings_published(s->memory);
	store_u64(&s->memory->header->cp_pid, 0);
	trace_attach(&cp->trace, NULL);
	cp->verifier.endpoints = NULL;
	hub_close(&cp->hub);
	nexthops_close(&s->nexthops);
	announce_close(&s->announce);
	peers_close(&s->peers);
	peer_writer_close(&s->peer_writer);
	hot_close(&s->hot);
	if (s->nodes.kernel)
		kernel_writer_close(&s->kernel);
	node_writer_close(&s->nodes);
}

void session_neighbour(void *ctx, const struct neigh *n)
{
	struct cp *cp = ctx;

	nexthops_neighbour(&cp->session.nexthops, n);
}

void session_routes_changed(void *ctx)
{
	struct cp *cp = ctx;

	if (!cp->attach.up)
		return;
	peers_reroute(&cp->session.peers);
	endpoints_reroute(&cp->session.endpoints);
}

void session_punted(void *ctx, const struct punt *p)
{
	struct cp *cp = ctx;
	struct session *s = &cp->session;

	switch (p->punt_class) {
	case PUNT_DISCOVER_NEW:
	case PUNT_DISCOVER_CHANGED:
	case PUNT_DISCOVER_MOVED:
	case PUNT_DISCOVER_AGAIN:
		endpoints_discover(&s->endpoints, p);
		break;
	case PUNT_PUNCH:
		punch_request(&s->punch, p);
		break;
	case PUNT_STUN:
		stun_serve(&s->endpoints.hooks.emit, p, &cp->stats);
		break;
	case PUNT_SYNC:
		peers_sync(&s->peers, p);
		break;
	default:
		cp->stats.n[CP_PUNT_BROKEN]++;
		break;
	}
}

// The data plane adds and takes back egress entries as interfaces come and go.
static void watch_egress(struct cp *cp)
{
	const struct egress *e = cp->session.memory->egress;
	uint64_t hash = 0;

	for (int i = 0; i < EGRESS_MAX; i++)
		if (__atomic_load_n(&e[i].valid, __ATOMIC_ACQUIRE))
			hash = hash_numbers(hash, (uint64_t)i << 32 | e[i].mtu, e[i].ifindex);
	if (hash == cp->session.egress_hash)
		return;
	cp->session.egress_hash = hash;
	session_routes_changed(cp);
}

static void on_probe(void *ctx, uint32_t ifindex, const uint8_t addr[16])
{
	struct cp *cp = ctx;

	cp->stats.n[CP_NEIGHBOUR_PROBES]++;
	rtnl_probe(&cp->rtnl, ifindex, addr);
}

static void walk(struct cp *cp, uint64_t now_ns)
{
	struct session *s = &cp->session;

	if (!cp->rtnl.routes.ready && now_ns - s->opened_ns < ROUTES_PATIENCE_NS)
		return;
	if (!endpoints_tick(&s->endpoints, now_ns))
		return;
	peers_reroute(&s->peers);
	peers_walked(&s->peers);
	announce_walked(&s->announce);
	nexthops_walked(&s->nexthops);
}

void session_tick(struct cp *cp, uint64_t now_ns)
{
	struct session *s = &cp->session;

	watch_egress(cp);
	walk(cp, now_ns);
	announce_tick(&s->announce, now_ns);
	hot_tick(&s->hot, now_ns);
	if (++s->ticks % 10 == 0) {
		peers_tick(&s->peers, now_ns);
		nexthops_probe(&s->nexthops, now_ns, on_probe, cp);
	}
	keep_tick(&cp->keep, &s->nodes.table, s->memory->locals, keep_now());
	nexthops_run(&s->nexthops);
	node_writer_run(&s->nodes);
	peer_writer_run(&s->peer_writer);
}
