// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/stun_serve.h"

#include "wire/stun.h"

#include <errno.h>

static const char software[] = "Fairway";

// What the request has of the same size: such an answer is larger by what it has to say alone.
static struct stun_options options_for(const struct stun_message *m)
{
	return (struct stun_options){
	    .software = m->software_len >= sizeof(software) - 1 ? software : NULL,
	    .fingerprint = m->has_fingerprint};
}

static int build(const struct punt *p, const struct stun_message *m, int parsed, uint8_t *buf)
{
	const struct stun_options full = {.software = software, .fingerprint = true};
	struct stun_options options = options_for(m);
	int n;

	if (parsed == -EINVAL || m->unknown_count)
		return stun_error_build(buf, STUN_BUILD_MAX, m,
		    parsed ? STUN_BAD_REQUEST : STUN_UNKNOWN_ATTRIBUTE, &options);
	n = stun_success_build(buf, STUN_BUILD_MAX, m->transaction, &p->from, &full);
	if (n > 0 && (size_t)n <= p->len)
		return n;
	return stun_success_build(buf, STUN_BUILD_MAX, m->transaction, &p->from, &options);
}

void stun_serve(const struct emitter *out, const struct punt *p, struct cp_stats *stats)
{
	struct stun_message m;
	uint8_t buf[STUN_BUILD_MAX];
	int parsed = stun_parse(p->data, p->len, &m), n;

	if ((parsed != 0 && parsed != -EINVAL) || m.type != STUN_BINDING_REQUEST) {
		stats->n[CP_STUN_IGNORED]++;
		return;
	}
	n = build(p, &m, parsed, buf);
	if (n <= 0 || emit(out, &p->from, p->local, buf, (size_t)n) != 0)
		return;
	stats->n[parsed == 0 && !m.unknown_count ? CP_STUN_ANSWERED : CP_STUN_REFUSED]++;
}
