// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rig.h"

#include "dataplane/io/frame.h"

#include <err.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FRAME_MAX = 1600, RING_SIZE = 65536 };

const uint8_t rig_mac[6] = {2, 0, 0, 0, 0, 1}, rig_gateway[6] = {2, 0, 0, 0, 0, 2};

void rig_create(struct rig *rig, uint32_t node_capacity, unsigned worker_count, bool huge_pages)
{
	const struct memory_config cfg = {.node_capacity = node_capacity,
	    .worker_count = worker_count,
	    .punt_size = RING_SIZE,
	    .inject_size = RING_SIZE,
	    .trace_size = RING_SIZE,
	    .huge_pages = huge_pages};
	struct memory_error error;

	memset(rig, 0, sizeof(*rig));
	rig->worker_count = worker_count;
	if (memory_create(&rig->memory, &cfg, &error))
		errx(1, "%s", error.text);
}

void rig_route(struct rig *rig, unsigned nexthop)
{
	struct memory *m = &rig->memory;

	m->egress[0] = (struct egress){.mtu = 1500, .link = RAW, .valid = 1};
	memcpy(m->egress[0].mac, rig_mac, sizeof(rig_mac));
	m->nexthops[nexthop] = nexthop_make(rig_gateway, 0);
}

static void link_open(struct rig *rig, struct link *link, const struct link_ops *ops,
    const struct link_config *cfg, uint8_t index)
{
	struct link_config own = *cfg;
	struct link_error error;

	own.index = index;
	own.worker_count = (uint16_t)rig->worker_count;
	own.locals = rig->memory.locals;
	own.egress = rig->memory.egress;
	link->ops = ops;
	if (ops->open(link, &own, &error))
		errx(1, "%s", error.text);
}

void rig_raw(struct rig *rig, const struct link_ops *ops, const struct link_config *cfg)
{
	struct link *other = &rig->others[rig->other_count];

	if (!rig->raw.ops) {
		link_open(rig, &rig->raw, ops, cfg, RAW);
		return;
	}
	if (rig->raw.queue_count == RIG_WORKERS)
		errx(1, "too many links");
	link_open(rig, other, ops, cfg, RAW);
	rig->raw.queues[rig->raw.queue_count++] = other->queues[0];
	rig->other_count++;
}

void rig_start(struct rig *rig, uint32_t frames, const uint64_t *police_secret)
{
	struct worker_config cfg = {.memory = &rig->memory,
	    .links = rig->links,
	    .link_count = 2,
	    .companion = SOCK,
	    .event_fd = rig->event_fd = eventfd(0, EFD_NONBLOCK),
	    .cp_event_fd = rig->cp_event_fd = eventfd(0, EFD_NONBLOCK),
	    .cpu = -1,
	    .police_secret = police_secret};
	const struct link_config mem = {.spec = "", .frame_count = frames};

	rig->links[SOCK] = &rig->sock;
	rig->links[RAW] = &rig->raw;
	link_open(rig, &rig->sock, &link_mem_payload_ops, &mem, SOCK);
	if (!rig->raw.ops)
		link_open(rig, &rig->raw, &link_mem_ops, &mem, RAW);
	for (cfg.index = 0; cfg.index < rig->worker_count; cfg.index++)
		if (worker_open(&rig->workers[cfg.index], &cfg))
			errx(1, "cannot open a worker");
}

void rig_close(struct rig *rig)
{
	for (unsigned i = 0; i < rig->worker_count; i++)
		worker_close(rig->workers[i]);
	close(rig->event_fd);
	close(rig->cp_event_fd);
	for (; rig->other_count; rig->other_count--) {
		struct link *other = &rig->others[rig->other_count - 1];

		rig->raw.queues[--rig->raw.queue_count] = NULL;
		other->ops->close(other);
	}
	rig->raw.ops->close(&rig->raw);
	rig->sock.ops->close(&rig->sock);
	node_writer_close(&rig->nodes);
	memory_unmap(&rig->memory);
}

void rig_put(struct rig *rig, unsigned worker, const struct endpoint *from,
    const struct endpoint *to, const void *payload, size_t len)
{
	struct frame_spec spec = {.ttl = 64, .from = *from, .to = *to};
	uint8_t frame[FRAME_MAX];
	int n;

	memcpy(spec.dst_mac, rig_mac, sizeof(rig_mac));
	memcpy(spec.src_mac, rig_gateway, sizeof(rig_gateway));
	n = frame_build(frame, sizeof(frame), &spec, payload, len);
	if (n < 0 || mem_put(&rig->raw, worker, frame, (size_t)n))
		errx(1, "cannot put a frame");
}

unsigned rig_take(struct rig *rig, unsigned link, unsigned worker)
{
	struct mem_sent sent;
	unsigned n = 0;

	while (mem_take(rig->links[link], worker, &sent))
		n++;
	return n;
}
