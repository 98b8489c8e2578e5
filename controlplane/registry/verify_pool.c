// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/connection.h"

#include <stdlib.h>

// Signatures on libuv's thread pool, first come, first verified. Eight at once cost little more
// than one (identity.h), so while some are at work others wait until they are eight, but no longer
// than that work takes. When many wait each batch is more of them: handing one over and back costs
// two wake-ups. The pool has as many batches as threads at most: its other users wait for one.

enum { VERIFY_LEAST = 8, VERIFY_AT_WORK = 4 };

struct signature_batch {
	uv_work_t work;
	struct server *server;
	struct signature_job *jobs;
};

static struct signature_job *job_add(struct connection *c, const struct call *call)
{
	struct server *s = c->server;
	struct signature_job *job;

	if (s->verifying >= SERVER_VERIFY_MAX)
		return NULL;
	job = malloc(sizeof(*job));
	if (!job)
		return NULL;
	*job = (struct signature_job){.conn = c, .call = *call};
	*s->jobs_tail = job;
	s->jobs_tail = &job->next;
	s->queued++;
	s->verifying++;
	c->verifying++;
	return job;
}

bool verify_start(struct connection *c, struct call *call)
{
	return job_add(c, call);
}

void verify_ahead(struct connection *c, const uint8_t *json, size_t len)
{
	struct signature_job *job = NULL;
	struct call call = {.in = NULL};

	// the second half is for those whose turn it is
	if (c->server->verifying >= SERVER_VERIFY_MAX / 2)
		return;
	call.in = request_parse(json, len);
	if (call.in && call_peek(c->server->registry, &call))
		job = job_add(c, &call);
	if (job) {
		job->call.in = NULL;
		job->ahead = true;
	}
	call_free(&call);
}

static void run(uv_work_t *work)
{
	const struct signature_batch *b = work->data;
	struct identity_check checks[IDENTITY_VERIFY_BATCH];
	size_t count = 0;

	for (const struct signature_job *j = b->jobs; j; j = j->next)
		checks[count++] = (struct identity_check){.key = j->call.key,
		    .sig = j->call.sig,
		    .msg = j->call.text,
		    .len = j->call.text_len};
	identity_verify_many(b->server->registry->keys, checks, count);
	count = 0;
	for (struct signature_job *j = b->jobs; j; j = j->next)
		j->valid = checks[count++].valid;
}

static void finish_call(struct server *s, struct signature_job *job)
{
	struct connection *c = job->conn;

	// Answers are built in the server's buffer.
	job->call.out = s->out;
	job->call.t = server_time();
	call_verified(s->registry, &job->call, job->valid);
	// with those behind it, which come in a moment
	c->more = c->verifying > 0;
	connection_answer(c, &job->call);
	c->more = false;
	s->out = job->call.out;
	job->call.out = (struct json_out){0};
}

static void finish(struct server *s, struct signature_job *job)
{
	struct connection *c = job->conn;

	s->verifying--;
	c->verifying--;
	c->forged = c->forged || !job->valid;
	if (!c->closing && !job->ahead)
		finish_call(s, job);
	call_free(&job->call);
	free(job);
	connection_resume(c);
	if (c->dead && !c->verifying)
		free(c);
}

static void done(uv_work_t *work, int status)
{
	struct signature_batch *b = work->data;
	struct registry *r = b->server->registry;
	struct signature_job *job = b->jobs;

	(void)status;
	b->server->at_work--;
	// before the connections of this batch go on
	for (const struct signature_job *j = job; j; j = j->next)
		if (j->ahead && j->valid) {
			sig_cache_add(&r->sigs, j->call.tag);
			r->count[REGISTRY_VERIFIED]++;
		}
	while (job) {
		struct signature_job *next = job->next;

		finish(b->server, job);
		job = next;
	}
	verify_submit(b->server);
	free(b);
}

// What waits, shared among the threads in whole eights.
static uint32_t batch_size(const struct server *s)
{
	uint32_t share = s->queued / VERIFY_AT_WORK / VERIFY_LEAST * VERIFY_LEAST;

	return share < VERIFY_LEAST	       ? VERIFY_LEAST
	       : share > IDENTITY_VERIFY_BATCH ? IDENTITY_VERIFY_BATCH
					       : share;
}

void verify_submit(struct server *s)
{
	while (s->jobs && s->at_work < VERIFY_AT_WORK &&
	       (s->at_work == 0 || s->queued >= VERIFY_LEAST)) {
		uint32_t room = batch_size(s);
		struct signature_batch *b = malloc(sizeof(*b));
		struct signature_job **last = &s->jobs;

		if (!b)
			return; // at the end of the next turn
		for (; room && *last; room--, s->queued--)
			last = &(*last)->next;
		*b = (struct signature_batch){.server = s, .jobs = s->jobs};
		s->jobs = *last;
		if (!s->jobs)
			s->jobs_tail = &s->jobs;
		*last = NULL;
		b->work.data = b;
		s->at_work++;
		uv_queue_work(s->loop, &b->work, run, done);
	}
}
