// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"

// Sorts a burst by the link it leaves through. Descriptors keep their order within each list, so a
// flow stays in order.
void stage_egress(struct burst *b, struct stage_env *env, struct tx_lists *out)
{
	const struct dgram *end = b->d + b->count;

	out->used = 0;
	out->released = 0;
	for (struct dgram *d = b->d; d < end; d++) {
		unsigned link = d->out_link % LINK_MAX;

		if (d->verdict != VERDICT_SEND) {
			out->release[out->released++] = d;
			env->tally.drops[d->drop] += d->verdict == VERDICT_DROP;
			continue;
		}
		if (!(out->used & 1u << link)) {
			out->used |= 1u << link;
			out->count[link] = 0;
		}
		out->list[link][out->count[link]++] = d;
	}
}
