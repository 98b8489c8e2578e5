// SPDX-License-Identifier: BSD-3-Clause
// rtnetlink messages one behind the other, as dump and as events: nothing is read beyond a message,
// and the mirror stays usable. A fuzzer cannot know the sequence number, so it is put right.
#include "base/log.h"
#include "controlplane/routes.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void on_neighbour(void *ctx, const struct neigh *n)
{
	(void)ctx;
	fuzz_check(!n->stale || n->usable);
}

static void on_changed(void *ctx)
{
	(void)ctx;
}

static void feed(struct routes *r, const uint8_t *data, size_t size)
{
	uint64_t now_ns = 1;

	while (size > sizeof(struct nlmsghdr)) {
		bool dump = data[0] & 1;
		size_t len = (size_t)sizeof(struct nlmsghdr) + data[1];
		struct netlink_request request;
		struct nlmsghdr *m;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (len < sizeof(*m))
			return;
		routes_request(r, now_ns += 1000000000, &request);
		m = malloc(len); // of its own size, for ASan
		memcpy(m, data, len);
		m->nlmsg_len = (uint32_t)len;
		m->nlmsg_seq = r->sequence;
		routes_message(r, m, dump);
		free(m);
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct routes_hooks hooks = {.neighbour = on_neighbour, .changed = on_changed};
	struct routes *r = malloc(sizeof(*r));

	log_set_level(LOG_LEVEL_ERROR);
	if (!r || routes_init(r, &hooks) != 0)
		abort();
	feed(r, data, size);
	for (size_t i = 0; i + 16 <= size && i < 256; i += 16) {
		const struct route *found = routes_find(r, data + i);

		fuzz_check(!found || (found->ifindex && found->length <= 128));
	}
	routes_free(r);
	free(r);
	return 0;
}
