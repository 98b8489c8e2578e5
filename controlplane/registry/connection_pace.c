// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "controlplane/registry/connection.h"

// How fast connections may ask, and the connections of an address together, so that nobody takes
// the loop from others: each has a bucket of requests, and requests that are long, whose answers
// are long or who go through many nodes count as several.

enum {
	TICKS_A_SECOND = 10,
	// Takes so long as so many requests: to accept one, and a handshake.
	COST_CONNECTION = 2,
	COST_TLS = 40,
	// Longer requests than these daemons do not send: one for each so many bytes, of values
	// that take long. How many of those there may be is limited.
	LENGTH_FREE = 1024,
	COST_BYTES = 64,
	COST_LENGTH_MAX = 4096,
};

static uint32_t now_tick(void)
{
	return (uint32_t)(clock_mono_ns() / (NS_PER_S / TICKS_A_SECOND));
}

// NULL: addresses have no limits.
static struct source *source_of(const struct connection *c)
{
	struct server *s = c->server;

	return s->source_max ? &s->sources.at[c->source] : NULL;
}

// The source may ask once more.
static bool has_turn(struct source *e)
{
	bucket_drain(&e->bucket, now_tick(), SERVER_SOURCE_RATE / TICKS_A_SECOND);
	return e->bucket.used < SERVER_SOURCE_BURST;
}

bool pace_admits(struct connection *c)
{
	struct server *s = c->server;
	struct source *e = sources_of(&s->sources, &c->from);

	if (!e || s->count >= s->connection_max)
		return false;
	// a plain connection can wait for its turn, a handshake does not
	if (s->source_max && (e->count >= s->source_max || (s->tls && !has_turn(e))))
		return false;
	e->count++;
	e->bucket.used += s->tls ? COST_TLS : COST_CONNECTION;
	c->source = (uint32_t)(e - s->sources.at);
	return true;
}

uint32_t pace_cost(size_t len)
{
	if (len <= LENGTH_FREE)
		return 0;
	return len / COST_BYTES < COST_LENGTH_MAX ? (uint32_t)(len / COST_BYTES) : COST_LENGTH_MAX;
}

void pace_count(struct connection *c, uint32_t requests)
{
	struct source *e = source_of(c);

	c->bucket.used += (int32_t)requests;
	if (e)
		e->bucket.used += (int32_t)requests;
}

void pace_keep(struct connection *c, size_t rest, size_t output)
{
	struct server *s = c->server;
	struct source *e = &s->sources.at[c->source];

	s->rest_bytes += rest - c->rest;
	e->rest += (uint32_t)(rest - c->rest);
	e->output += (uint32_t)(output - c->output);
	c->rest = rest;
	c->output = output;
}

bool pace_is_full(const struct connection *c)
{
	const struct source *e = source_of(c);

	return c->server->rest_bytes > SERVER_REST_MAX || (e && e->rest > SERVER_SOURCE_REST_MAX);
}

bool pace_may_ask(struct connection *c)
{
	struct source *e = source_of(c);

	bucket_drain(&c->bucket, now_tick(), SERVER_RATE / TICKS_A_SECOND);
	if (c->bucket.used >= SERVER_BURST)
		return false;
	if (e && (e->output > SERVER_SOURCE_OUTPUT_MAX || !has_turn(e)))
		return false;
	pace_count(c, 1);
	return true;
}

void pace_enter(struct connection *c)
{
	struct server *s = c->server;

	c->paced_next = s->paced;
	c->paced_link = &s->paced;
	if (s->paced)
		s->paced->paced_link = &c->paced_next;
	s->paced = c;
	s->registry->count[REGISTRY_PACED]++;
}

void pace_leave(struct connection *c)
{
	if (!c->paced_link)
		return;
	*c->paced_link = c->paced_next;
	if (c->paced_next)
		c->paced_next->paced_link = c->paced_link;
	c->paced_link = NULL;
}

void pace_tick(struct server *s)
{
	struct connection *list = s->paced;

	// Who has to wait again comes into a new list.
	s->paced = NULL;
	if (list)
		list->paced_link = &list;
	while (list) {
		struct connection *c = list;

		pace_leave(c);
		connection_resume(c);
	}
	sources_sweep(&s->sources, now_tick(), SERVER_SOURCE_RATE / TICKS_A_SECOND);
}
