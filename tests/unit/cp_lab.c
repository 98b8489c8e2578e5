// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/cp_lab.h"

#include "base/log.h"
#include "crypto/identity.h"
#include "tests/unit/memory_lab.h"

#include <errno.h>
#include <stdlib.h>

static int on_send(
    void *ctx, const struct endpoint *to, uint8_t local, const void *data, size_t len)
{
	struct cp_lab *lab = ctx;
	struct lab_datagram *d = &lab->sent[lab->sent_count];

	if (lab->ring_full)
		return -EAGAIN;
	assert_true(lab->sent_count < LAB_SENT_MAX);
	*d = (struct lab_datagram){.to = *to, .local = local, .len = (uint32_t)len};
	d->data = malloc(len ? len : 1);
	memcpy(d->data, data, len);
	lab->sent_count++;
	return 0;
}

void lab_sent_clear(struct cp_lab *lab)
{
	for (unsigned i = 0; i < lab->sent_count; i++)
		free(lab->sent[i].data);
	lab->sent_count = 0;
}

static uint16_t on_resolve(void *ctx, const struct endpoint *at, uint8_t local)
{
	(void)ctx;
	(void)at;
	(void)local;
	return 0;
}

static int on_verify(void *ctx, const struct verify_job *job)
{
	struct cp_lab *lab = ctx;

	if (lab->job_waits)
		return -EAGAIN;
	lab->job = *job;
	lab->job_waits = true;
	if (!lab->verify_later)
		lab_verify(lab);
	return 0;
}

void lab_verify(struct cp_lab *lab)
{
	uint8_t text[BEACON_SIGNED_SIZE];
	struct verify_job job = lab->job;

	assert_true(lab->job_waits);
	lab->job_waits = false;
	beacon_signed_message(text, job.node, job.nonce);
	endpoints_verified(&lab->endpoints, &job,
	    identity_verify(job.key, text, sizeof(text), job.signature), lab->now_ns);
}

static void on_present(void *ctx, uint32_t id, uint32_t index, uint64_t now_ns)
{
	announce_add(&((struct cp_lab *)ctx)->announce, id, index, now_ns);
}

static void on_forgotten(void *ctx, uint32_t id, uint32_t index, uint64_t now_ns)
{
	(void)id;
	announce_remove(&((struct cp_lab *)ctx)->announce, index, now_ns);
}

static bool on_remote_held(void *ctx, struct node_entry e)
{
	return peers_holds(&((struct cp_lab *)ctx)->peers, e);
}

static bool on_remote_owner(void *ctx, uint32_t id, struct node_route *route)
{
	return peers_owner(&((struct cp_lab *)ctx)->peers, id, route);
}

static void parts_open(struct cp_lab *lab)
{
	const struct endpoints_hooks hooks = {
	    .ctx = lab,
	    .emit = {.send = on_send, .ctx = lab},
	    .resolve = on_resolve,
	    .verify = on_verify,
	    .present = on_present,
	    .forgotten = on_forgotten,
	    .remote_held = on_remote_held,
	    .remote_owner = on_remote_owner,
	};

	assert_int_equal(node_writer_open(&lab->nodes, &lab->memory), 0);
	assert_int_equal(peer_writer_open(&lab->peer_writer, &lab->memory), 0);
	assert_int_equal(announce_open(&lab->announce, lab->memory.locals, &lab->nodes.table), 0);
	endpoints_init(&lab->endpoints, &lab->nodes, &lab->stats, &hooks);
	punch_init(&lab->punch, &lab->endpoints);
	lab->announce.emit = hooks.emit;
	lab->announce.stats = &lab->stats;
	lab->announce.interval_ns = 10 * NS_PER_S;
	lab->announce.beacon_id = 7;
	lab->peers.nodes = &lab->nodes;
	lab->peers.writer = &lab->peer_writer;
	lab->peers.memory = &lab->memory;
	lab->peers.stats = &lab->stats;
	lab->peers.resolve = on_resolve;
	peers_open(&lab->peers, lab->now_ns);
}

static void parts_close(struct cp_lab *lab)
{
	announce_close(&lab->announce);
	peers_close(&lab->peers);
	peer_writer_close(&lab->peer_writer);
	node_writer_close(&lab->nodes);
}

struct endpoint lab_endpoint(const char *text)
{
	struct endpoint at;

	if (endpoint_parse(text, 0, &at) != 0 && endpoint_parse(text, 1, &at) == 0)
		at.port = 0; // an address alone
	return at;
}

void lab_local(struct cp_lab *lab, int index, const char *text, bool extra)
{
	lab->memory.locals[index].at = lab_endpoint(text);
	lab->memory.locals[index].extra = extra;
	lab->memory.locals[index].valid = 1;
}

struct cp_lab *lab_open_capacity(uint32_t capacity)
{
	struct cp_lab *lab = calloc(1, sizeof(*lab));

	assert_int_equal(identity_init(), 0);
	log_set_level(LOG_LEVEL_ERROR);
	memory_lab_create(&lab->memory, capacity, 1, 65536);
	lab->now_ns = 1000 * NS_PER_S;
	lab_local(lab, 0, "192.0.2.1:9001", false);
	lab_local(lab, 1, "[2001:db8::1]:9001", false);
	parts_open(lab);
	return lab;
}

struct cp_lab *lab_open(void)
{
	return lab_open_capacity(1000);
}

void lab_close(struct cp_lab *lab)
{
	lab_sent_clear(lab);
	parts_close(lab);
	memory_unmap(&lab->memory);
	free(lab);
}

void lab_restart(struct cp_lab *lab)
{
	parts_close(lab);
	parts_open(lab);
}

static void tick(struct cp_lab *lab)
{
	if (endpoints_tick(&lab->endpoints, lab->now_ns)) {
		peers_walked(&lab->peers);
		announce_walked(&lab->announce);
	}
	announce_tick(&lab->announce, lab->now_ns);
	peers_tick(&lab->peers, lab->now_ns);
	node_writer_run(&lab->nodes);
	peer_writer_run(&lab->peer_writer);
}

void lab_pass(struct cp_lab *lab, uint64_t ms)
{
	for (uint64_t t = 0; t < ms; t += 100) {
		lab->now_ns += 100 * NS_PER_MS;
		tick(lab);
	}
}

void lab_walk(struct cp_lab *lab)
{
	uint64_t until = lab->endpoints.walks + 2;

	while (lab->endpoints.walks < until) {
		if (!endpoints_tick(&lab->endpoints, lab->now_ns))
			continue;
		peers_walked(&lab->peers);
		announce_walked(&lab->announce);
	}
}

struct punt lab_punt(const struct cp_lab *lab, const char *from, const void *data, size_t len)
{
	struct punt p = {
	    .data = data, .len = len, .from = lab_endpoint(from), .now_ns = lab->now_ns};

	p.local = endpoint_is_v4(&p.from) ? 0 : 1;
	return p;
}

void lab_discover(struct cp_lab *lab, uint32_t node, const char *from)
{
	uint8_t message[BEACON_DISCOVER_SIZE];
	struct beacon_discover d = {.node = node};
	int n = beacon_discover_build(message, sizeof(message), &d);
	struct punt p = lab_punt(lab, from, message, (size_t)n);

	endpoints_discover(&lab->endpoints, &p);
}

void lab_seen(struct cp_lab *lab, uint32_t node)
{
	struct node_entry e;

	assert_true(node_table_find(&lab->nodes.table, node, &e));
	node_table_seen(&lab->nodes.table, e, (uint32_t)(lab->now_ns / NS_PER_S));
}

const char *lab_where(const struct cp_lab *lab, uint32_t node)
{
	static char text[ENDPOINT_TEXT_MAX];
	struct node_entry e;
	struct endpoint at;

	if (!node_table_find(&lab->nodes.table, node, &e))
		return "";
	if (!node_table_endpoint(&lab->nodes.table, e, &at))
		return "peer";
	endpoint_format(&at, text, sizeof(text));
	return text;
}
