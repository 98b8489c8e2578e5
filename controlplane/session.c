// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/cp.h"
#include "controlplane/stun_serve.h"

#include <string.h>
#include <unistd.h>

static uint16_t on_resolve(void *ctx, const struct endpoint *at, uint8_t local)
{
	(void)ctx;
	(void)at;
	(void)local;
	return 0;
}

static void on_added(void *ctx, uint32_t id, uint32_t index)
{
	(void)ctx;
	(void)id;
	(void)index;
}

static void on_removed(void *ctx, uint32_t id, uint32_t index)
{
	(void)ctx;
	(void)id;
	(void)index;
}

static bool on_remote_owner(void *ctx, uint32_t id, struct node_route *route)
{
	(void)ctx;
	(void)id;
	(void)route;
	return false;
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
	cp->session.endpoints.config = (struct endpoints_config){
	    .policy = cp->config.admission.policy == CONFIG_ADMISSION_SIGNED ? ADMISSION_SIGNED
									     : ADMISSION_OPEN,
	    .silence_ns = cp->config.admission.silence_ns,
	    .ttl_ns = cp->config.admission.ttl_ns};
	settings_write(cp->session.memory->settings, &cp->config);
}

int session_open(struct cp *cp)
{
	struct session *s = &cp->session;
	struct endpoints_hooks hooks = {
	    .ctx = cp,
	    .emit = hub_emitter(&cp->hub),
	    .resolve = on_resolve,
	    .verify = on_verify,
	    .added = on_added,
	    .removed = on_removed,
	    .remote_owner = on_remote_owner,
	};
	int rc;

	s->memory = &cp->attach.at.memory;
	rc = node_writer_open(&s->nodes, s->memory);
	if (rc)
		return rc;
	rc = peer_writer_open(&s->peers, s->memory);
	if (rc) {
		node_writer_close(&s->nodes);
		return rc;
	}
	endpoints_init(&s->endpoints, &s->nodes, &cp->stats, &hooks);
	punch_init(&s->punch, &s->endpoints);
	cp->verifier.endpoints = &s->endpoints;
	cp->verifier.generation++;
	session_configure(cp);
	hub_open(&cp->hub, &cp->loop, &cp->attach.at);
	store_u64(&s->memory->header->cp_pid, (uint64_t)getpid());
	log_info("attached to the data plane", kv("pid", s->memory->header->dp_pid),
	    kv("workers", s->memory->worker_count), kv("nodes", s->nodes.node_count),
	    kv("remote", s->nodes.remote_count));
	return 0;
}

void session_close(struct cp *cp)
{
	struct session *s = &cp->session;

	store_u64(&s->memory->header->cp_pid, 0);
	cp->verifier.endpoints = NULL;
	hub_close(&cp->hub);
	peer_writer_close(&s->peers);
	node_writer_close(&s->nodes);
}

void session_punted(void *ctx, const struct punt *p)
{
	struct cp *cp = ctx;
	struct session *s = &cp->session;

	switch (p->punt_class) {
	case PUNT_DISCOVER_NEW:
	case PUNT_DISCOVER_CHANGED:
	case PUNT_DISCOVER_MOVED:
		endpoints_discover(&s->endpoints, p);
		break;
	case PUNT_PUNCH:
		punch_request(&s->punch, p);
		break;
	case PUNT_STUN:
		stun_serve(&s->endpoints.hooks.emit, p, &cp->stats);
		break;
	default:
		cp->stats.n[CP_PUNT_BROKEN]++;
		break;
	}
}

void session_tick(struct cp *cp, uint64_t now_ns)
{
	struct session *s = &cp->session;

	store_u64(&s->memory->header->cp_heartbeat_ns, now_ns);
	endpoints_tick(&s->endpoints, now_ns);
	node_writer_run(&s->nodes);
	peer_writer_run(&s->peers);
}
