// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/registry_crowd.h"

#include "crypto/identity.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 64, CHALLENGE_MAX = 64 };

// Signatures of a node: these, then one for each peer, and for as many more.
enum { SIGN_HEARTBEAT, SIGN_POLL, SIGN_PUBLISH, SIGN_PEERS };

struct worker {
	pthread_t thread;
	void (*work)(const struct crowd *c, uint32_t node);
	const struct crowd *c;
	uint32_t first, step;
};

static void keys_of(const struct crowd *c, uint32_t node, uint8_t *key, uint8_t *secret)
{
	uint8_t seed[IDENTITY_SEED_SIZE] = {0};

	memcpy(seed, &node, sizeof(node));
	memcpy(seed + 8, &c->seed, sizeof(c->seed));
	identity_derive(seed, key, secret);
}

// Another node than itself, unless it is alone.
static uint32_t peer_of(const struct crowd *c, uint32_t node, uint32_t which)
{
	uint64_t mix = ((uint64_t)node << 32 | which) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)((node + 1 + (mix >> 32) % (c->nodes > 1 ? c->nodes - 1 : 1)) % c->nodes);
}

static size_t signatures_of(const struct crowd *c)
{
	return SIGN_PEERS + 2 * (size_t)c->peers;
}

static char *signature(const struct crowd *c, uint32_t node, uint32_t kind)
{
	return c->signatures[node * signatures_of(c) + kind];
}

static void challenge(const struct crowd *c, uint32_t node, uint32_t kind, char *text)
{
	static const char *const types[] = {"heartbeat", "poll_handshakes", "set_visibility"};

	if (kind < SIGN_PEERS)
		snprintf(text, CHALLENGE_MAX, "%s:%u", types[kind], c->id[node]);
	else
		snprintf(text, CHALLENGE_MAX, "resolve:%u:%u", c->id[node],
		    c->id[peer_of(c, node, kind - SIGN_PEERS)]);
}

static void derive_node(const struct crowd *c, uint32_t node)
{
	uint8_t secret[IDENTITY_SECRET_SIZE];

	keys_of(c, node, c->key[node], secret);
}

static void sign_node(const struct crowd *c, uint32_t node)
{
	uint8_t key[IDENTITY_KEY_SIZE], secret[IDENTITY_SECRET_SIZE], sig[IDENTITY_SIG_SIZE];
	char text[CHALLENGE_MAX];

	keys_of(c, node, key, secret);
	for (uint32_t kind = 0; kind < signatures_of(c); kind++) {
		challenge(c, node, kind, text);
		identity_sign(secret, text, strlen(text), sig);
		sodium_bin2base64(signature(c, node, kind), SIGNATURE_TEXT, sig, sizeof(sig),
		    sodium_base64_VARIANT_ORIGINAL);
	}
}

static void *work_share(void *ctx)
{
	const struct worker *w = ctx;

	for (uint32_t node = w->first; node < w->c->nodes; node += w->step)
		w->work(w->c, node);
	return NULL;
}

static int on_all_processors(
    const struct crowd *c, void (*work)(const struct crowd *c, uint32_t node))
{
	struct worker workers[THREADS_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t count = cpus < 1 ? 1 : cpus > THREADS_MAX ? THREADS_MAX : (uint32_t)cpus;
	uint32_t started = 0;

	for (; started < count; started++) {
		struct worker *w = &workers[started];

		*w = (struct worker){.work = work, .c = c, .first = started, .step = count};
		if (pthread_create(&w->thread, NULL, work_share, w))
			break;
	}
	for (uint32_t i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	return started == count ? 0 : -EAGAIN;
}

int crowd_derive(struct crowd *c)
{
	c->id = calloc(c->nodes, sizeof(*c->id));
	c->key = calloc(c->nodes, sizeof(*c->key));
	if (!c->id || !c->key || identity_init())
		return -ENOMEM;
	return on_all_processors(c, derive_node);
}

int crowd_sign(struct crowd *c)
{
	if (c->signatures)
		return 0;
	c->signatures = calloc(c->nodes * signatures_of(c), SIGNATURE_TEXT);
	return c->signatures ? on_all_processors(c, sign_node) : -ENOMEM;
}

void crowd_forget(struct crowd *c)
{
	free(c->id);
	free(c->key);
	free(c->signatures);
}

static int write_register(const struct crowd *c, uint32_t node, char *out)
{
	char text[64];

	sodium_bin2base64(
	    text, sizeof(text), c->key[node], sizeof(c->key[node]), sodium_base64_VARIANT_ORIGINAL);
	return snprintf(out, REQUEST_MAX,
	    "{\"lan_addrs\":[\"10.1.2.3:4000\"],\"listen_addr\":\"192.0.2.1:%u\",\"owner\":"
	    "\"n%u.%u@example.org\",\"public_key\":\"%s\",\"type\":\"register\",\"version\":"
	    "\"v1.9.0\"}",
	    1024 + node % 60000, c->seed, node, text);
}

static int write_signed(
    const struct crowd *c, uint32_t node, const char *type, uint32_t kind, char *out)
{
	return snprintf(out, REQUEST_MAX, "{\"node_id\":%u,%s\"signature\":\"%s\",\"type\":\"%s\"}",
	    c->id[node], kind == SIGN_PUBLISH ? "\"public\":true," : "", signature(c, node, kind),
	    type);
}

size_t crowd_request(
    const struct crowd *c, uint32_t node, enum request what, uint32_t which, char out[REQUEST_MAX])
{
	switch (what) {
	case REQUEST_REGISTER:
		return (size_t)write_register(c, node, out);
	case REQUEST_HEARTBEAT:
		return (size_t)write_signed(c, node, "heartbeat", SIGN_HEARTBEAT, out);
	case REQUEST_POLL:
		return (size_t)write_signed(c, node, "poll_handshakes", SIGN_POLL, out);
	case REQUEST_PUBLISH:
		return (size_t)write_signed(c, node, "set_visibility", SIGN_PUBLISH, out);
	case REQUEST_LOOKUP:
		return (size_t)snprintf(out, REQUEST_MAX, "{\"node_id\":%u,\"type\":\"lookup\"}",
		    c->id[which % c->nodes]);
	default:
		return (size_t)snprintf(out, REQUEST_MAX,
		    "{\"node_id\":%u,\"requester_id\":%u,\"signature\":\"%s\",\"type\":"
		    "\"resolve\"}",
		    c->id[peer_of(c, node, which)], c->id[node],
		    signature(c, node, SIGN_PEERS + which));
	}
}
