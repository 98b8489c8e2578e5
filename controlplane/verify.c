// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/verify.h"

#include "base/clock.h"
#include "crypto/identity.h"

#include <errno.h>
#include <stdlib.h>

struct verify_work {
	uv_work_t work;
	struct verifier *verifier;
	uint64_t generation;
	struct verify_job job;
	bool valid;
};

static void run(uv_work_t *work)
{
	struct verify_work *w = work->data;
	uint8_t text[BEACON_SIGNED_SIZE];

	beacon_signed_message(text, w->job.node, w->job.nonce);
	w->valid = identity_verify(w->job.key, text, sizeof(text), w->job.signature);
}

static void done(uv_work_t *work, int status)
{
	struct verify_work *w = work->data;
	struct verifier *v = w->verifier;

	v->pending--;
	if (status == 0 && v->endpoints && v->generation == w->generation)
		endpoints_verified(v->endpoints, &w->job, w->valid, clock_mono_ns());
	free(w);
}

int verifier_start(void *ctx, const struct verify_job *job)
{
	struct verifier *v = ctx;
	struct verify_work *w;

	if (v->pending >= VERIFY_PENDING_MAX)
		return -EAGAIN;
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct verify_work){.verifier = v, .generation = v->generation, .job = *job};
	w->work.data = w;
	v->pending++;
	uv_queue_work(v->loop, &w->work, run, done);
	return 0;
}
