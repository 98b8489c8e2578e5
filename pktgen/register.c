// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "pktgen/credit.h"
#include "pktgen/pace.h"
#include "pktgen/run.h"
#include "wire/beacon.h"

#include <stdio.h>

enum {
	RECEIVE_MAX = 1024,
	ROUNDS = 5, // a reply names no node, so a round with missing replies is repeated whole
	DRAIN_NS = 1000000000,
	ASKED_MAX = 4096, // replies that are missing at a time: a relay learns them one by one
};

static void count_replies(struct registration *r, struct backend *b, int timeout_ms)
{
	struct message m[RECEIVE_MAX];
	unsigned n;

	while ((n = b->ops->receive(b, m, RECEIVE_MAX, timeout_ms))) {
		for (unsigned i = 0; i < n; i++)
			r->answered += m[i].len > 0 && m[i].data[0] == BEACON_DISCOVER_REPLY;
		timeout_ms = 0;
	}
}

// Sends the Discovers of up to `want` nodes of one place, from its k-th node on.
static unsigned send_some(
    const struct options *o, struct backend *b, uint32_t place, uint32_t *k, unsigned want)
{
	uint8_t data[BATCH][MESSAGE_HEADROOM + BEACON_DISCOVER_SIZE];
	struct message m[BATCH];
	unsigned n = 0, sent;

	for (; n < want; n++) {
		uint64_t node = place + (uint64_t)(*k + n) * b->sockets;
		struct beacon_discover d = {.node = o->first_id + (uint32_t)node};
		uint8_t *at = &data[n][MESSAGE_HEADROOM];

		if (node >= o->nodes)
			break;
		beacon_discover_build(at, BEACON_DISCOVER_SIZE, &d);
		m[n] = (struct message){at, BEACON_DISCOVER_SIZE, place};
	}
	sent = n ? b->ops->send(b, m, n) : 0;
	*k += sent;
	return sent;
}

static void register_all(struct registration *r, const struct options *o, struct backend *b)
{
	struct credit credit = {.size = o->window && o->window < ASKED_MAX ? o->window : ASKED_MAX};
	uint64_t before = r->answered;
	struct pace pace;

	pace_start(&pace, o->mode == MODE_REGISTER ? o->rate : o->register_rate, 3600);
	for (uint32_t place = 0; place < b->sockets; place++) {
		uint32_t mine = (o->nodes - place + b->sockets - 1) / b->sockets, k = 0;

		while (k < mine) {
			unsigned want = pace_next(&pace, BATCH);

			if (!want)
				return;
			pace.sent += send_some(o, b, place, &k, want);
			count_replies(r, b, 0);
			while (
			    !credit_left(&credit, pace.sent, r->answered - before, clock_mono_ns()))
				count_replies(r, b, 1);
		}
	}
	r->sent += pace.sent;
}

int registration_run(
    struct registration *r, const struct options *o, struct backend *b, char *error)
{
	uint64_t start = clock_mono_ns();

	*r = (struct registration){0};
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t before = r->answered, last;

		register_all(r, o, b);
		last = clock_mono_ns();
		while (r->answered - before < o->nodes && clock_mono_ns() - last < DRAIN_NS) {
			uint64_t seen = r->answered;

			count_replies(r, b, 20);
			if (r->answered != seen)
				last = clock_mono_ns();
		}
		r->seconds = (double)(clock_mono_ns() - start) / 1e9;
		if (r->answered - before >= o->nodes)
			return 0;
	}
	snprintf(error, BACKEND_ERROR_MAX,
	    "%llu of %llu Discovers were answered: is the relay there, has it a route back to "
	    "--network (xdp), does police.source-rate allow so many from one address, is --rate "
	    "too high?",
	    (unsigned long long)r->answered, (unsigned long long)r->sent);
	return -ETIMEDOUT;
}
