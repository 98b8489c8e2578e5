// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/random.h"
#include "pktgen/pace.h"
#include "pktgen/run.h"
#include "wire/beacon.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLOOD_SIZE_MAX = 1472, SLOT = MESSAGE_HEADROOM + FLOOD_SIZE_MAX + 8 };

static uint32_t build(const struct options *o, uint64_t *random, uint8_t *data)
{
	uint32_t len = o->size < FLOOD_SIZE_MAX ? o->size : FLOOD_SIZE_MAX;
	uint64_t r = random_next(random);

	if (o->garbage == GARBAGE_DISCOVER) {
		struct beacon_discover d = {.node = (uint32_t)r | 1U << 31};

		return (uint32_t)beacon_discover_build(data, FLOOD_SIZE_MAX, &d);
	}
	for (uint32_t i = 0; i < len; i += 8)
		store_be64(data + i, random_next(random));
	if (o->garbage == GARBAGE_SPOOFED)
		beacon_relay_build_header(data, len, o->first_id + (uint32_t)(r % o->nodes),
		    o->first_id + (uint32_t)((r >> 32) % o->nodes));
	return len;
}

int flood_run(struct flood *f, const struct options *o, struct backend *b, char *error)
{
	uint8_t *data = malloc((size_t)BATCH * SLOT);
	uint64_t random = o->seed + 0x9E3779B97F4A7C15ULL;
	struct message m[BATCH];
	struct pace pace;
	uint32_t place = 0;
	unsigned want;

	if (!data) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory");
		return -ENOMEM;
	}
	*f = (struct flood){0};
	pace_start(&pace, o->rate, o->seconds);
	while ((want = pace_next(&pace, BATCH))) {
		unsigned sent;

		for (unsigned i = 0; i < want; i++) {
			m[i].data = data + (size_t)i * SLOT + MESSAGE_HEADROOM;
			m[i].len = build(o, &random, m[i].data);
			m[i].place = place;
		}
		sent = b->ops->send(b, m, want);
		pace.sent += sent;
		f->refused += want - sent;
		place = (place + 1) % b->sockets;
	}
	f->sent = pace.sent;
	f->seconds = (double)(clock_mono_ns() - pace.start_ns) / 1e9;
	free(data);
	return 0;
}
