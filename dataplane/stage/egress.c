// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"

// Sorts a burst by the link it leaves through. Descriptors keep their order within each list, so a
// flow stays in order.
void stage_egress(struct burst *b, struct stage_env *env, struct tx_lists *out)
{
	const struct dgram *end = b->d + b->count;
	unsigned link = UINT32_MAX, n = 0; // the list that grows, and its length
	struct dgram **list = NULL;

	out->used = 0;
	out->released = 0;
	for (struct dgram *d = b->d; d < end; d++) {
		if (d->verdict != VERDICT_SEND) {
			out->release[out->released++] = d;
			env->tally.drops[d->drop] += d->verdict == VERDICT_DROP;
			continue;
		}
		if (__builtin_expect(d->out_link != link, 0)) {
			if (list)
				out->count[link] = (uint16_t)n;
			link = d->out_link % LINK_MAX;
			list = out->list[link];
			n = out->used & 1u << link ? out->count[link] : 0;
			out->used |= 1u << link;
		}
		list[n++] = d;
	}
	if (list)
		out->count[link] = (uint16_t)n;
}
