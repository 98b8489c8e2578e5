// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/connection.h"

#include <stdlib.h>

// Signatures on libuv's thread pool, several at a time so that handing over costs little beside
// the work.

enum { VERIFY_BATCH = 8 };

struct signature_batch {
	uv_work_t work;
	struct server *server;
	struct signature_job *jobs;
};

bool verify_start(struct connection *c, struct call *call)
{
	struct server *s = c->server;
	struct signature_job *job;

	if (s->verifying >= SERVER_VERIFY_MAX)
		return false;
	job = malloc(sizeof(*job));
	if (!job)
		return false;
	*job = (struct signature_job){.next = s->jobs, .conn = c, .call = *call};
	s->jobs = job;
	s->verifying++;
	c->verifying = true;
	return true;
}

static void run(uv_work_t *work)
{
	const struct signature_batch *b = work->data;

	for (struct signature_job *j = b->jobs; j; j = j->next)
		j->valid =
		    identity_verify(j->call.key, j->call.text, j->call.text_len, j->call.sig);
}

static void finish(struct server *s, struct signature_job *job)
{
	struct connection *c = job->conn;

	s->verifying--;
	c->verifying = false;
	if (c->closing) {
		call_free(&job->call);
		free(job);
		if (c->dead)
			free(c);
		return;
	}
	// Answers are built in the server's buffer.
	job->call.out = s->out;
	job->call.t = server_time();
	call_verified(s->registry, &job->call, job->valid);
	connection_answer(c, &job->call);
	request_free(job->call.in);
	s->out = job->call.out;
	free(job);
	connection_resume(c);
}

static void done(uv_work_t *work, int status)
{
	struct signature_batch *b = work->data;
	struct signature_job *job = b->jobs;

	(void)status;
	while (job) {
		struct signature_job *next = job->next;

		finish(b->server, job);
		job = next;
	}
	free(b);
}

void verify_submit(struct server *s)
{
	while (s->jobs) {
		struct signature_batch *b = malloc(sizeof(*b));
		struct signature_job **last = &s->jobs;

		if (!b)
			return; // at the end of the next turn
		for (int i = 0; i < VERIFY_BATCH && *last; i++)
			last = &(*last)->next;
		*b = (struct signature_batch){.server = s, .jobs = s->jobs};
		s->jobs = *last;
		*last = NULL;
		b->work.data = b;
		uv_queue_work(s->loop, &b->work, run, done);
	}
}
