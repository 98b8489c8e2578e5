// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/mem.h"

#include "dataplane/io/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_DEFAULT = 2048, BUFFER_MIN = 256, BUFFER_MAX = 70000 };

struct mem_item {
	uint32_t buffer;
	uint32_t offset; // of the first byte in the buffer
	uint32_t len;
	uint8_t local;
	struct endpoint peer; // source, or destination of what was sent
};

struct mem_ring {
	uint32_t head, tail; // items ever put and taken
	struct mem_item items[MEM_RING];
};

// Shares no line with another worker's queue.
struct link_queue {
	alignas(CACHE_LINE) uint8_t *buffers;
	uint32_t buffer_count, stride;
	uint32_t free_count, lent;
	uint32_t *free;
	int64_t taken; // buffer of the last mem_take, -1 = none
	uint8_t link;
	bool raw;
	struct mem_ring rx, tx;
	struct link_stats stats;
};

static bool ring_full(const struct mem_ring *r)
{
	return r->head - r->tail == MEM_RING;
}

static struct mem_item *ring_put(struct mem_ring *r)
{
	return &r->items[r->head++ % MEM_RING];
}

static uint8_t *buffer_at(struct link_queue *q, uint64_t buffer)
{
	return q->buffers + buffer * q->stride;
}

static void buffer_free(struct link_queue *q, uint64_t buffer)
{
	q->free[q->free_count++] = (uint32_t)buffer;
}

static void queue_close(struct link_queue *q)
{
	if (!q)
		return;
	free(q->buffers);
	free(q->free);
	free(q);
}

static struct link_queue *queue_open(const struct link_config *cfg, bool raw, uint32_t size)
{
	struct link_queue *q = lines_alloc(sizeof(*q));

	if (!q)
		return NULL;
	q->buffer_count = cfg->frame_count;
	q->stride = (HEADROOM + size + TAILROOM + CACHE_LINE - 1) & ~(CACHE_LINE - 1u);
	q->buffers = aligned_alloc(CACHE_LINE, (size_t)q->stride * q->buffer_count);
	q->free = lines_alloc(q->buffer_count * sizeof(*q->free));
	q->taken = -1;
	q->link = cfg->index;
	q->raw = raw;
	if (!q->buffers || !q->free) {
		queue_close(q);
		return NULL;
	}
	for (uint32_t i = 0; i < q->buffer_count; i++)
		buffer_free(q, i);
	return q;
}

static void mem_close(struct link *link)
{
	for (unsigned i = 0; i < link->queue_count; i++)
		queue_close(link->queues[i]);
	link->queue_count = 0;
}

static int mem_open(struct link *link, const struct link_config *cfg, struct link_error *err)
{
	unsigned long size = *cfg->spec ? strtoul(cfg->spec, NULL, 10) : BUFFER_DEFAULT;

	if (size < BUFFER_MIN || size > BUFFER_MAX || !cfg->frame_count) {
		snprintf(err->text, sizeof(err->text),
		    "%s:%s with %u frames: give 1 frame or more of %d to %d bytes", link->ops->kind,
		    cfg->spec, cfg->frame_count, BUFFER_MIN, BUFFER_MAX);
		return -EINVAL;
	}
	snprintf(link->name, sizeof(link->name), "%s", link->ops->kind);
	link->index = cfg->index;
	for (unsigned i = 0; i < cfg->worker_count; i++) {
		link->queues[i] = queue_open(cfg, link->ops->raw, (uint32_t)size);
		if (!link->queues[i]) {
			snprintf(err->text, sizeof(err->text), "%s: no memory for %u frames",
			    link->ops->kind, cfg->frame_count);
			mem_close(link);
			return -ENOMEM;
		}
		link->queue_count++;
	}
	return 0;
}

static void mem_maintain(struct link *link)
{
	(void)link;
}

static void mem_stats(const struct link *link, struct link_stats *out)
{
	*out = (struct link_stats){0};
	for (unsigned i = 0; i < link->queue_count; i++) {
		const struct link_stats *s = &link->queues[i]->stats;

		out->rx_datagrams += s->rx_datagrams;
		out->rx_bytes += s->rx_bytes;
		out->tx_datagrams += s->tx_datagrams;
		out->tx_bytes += s->tx_bytes;
		out->tx_full += s->tx_full;
	}
}

static void mem_describe(const struct link *link, char *text, size_t size)
{
	snprintf(text, size, "%s, %u queues in memory", link->name, link->queue_count);
}

static unsigned mem_rx(struct link_queue *q, struct dgram *d, unsigned max)
{
	unsigned n = 0;

	for (; n < max && q->rx.tail != q->rx.head; n++) {
		const struct mem_item *item = &q->rx.items[q->rx.tail++ % MEM_RING];
		uint8_t *bytes = buffer_at(q, item->buffer) + item->offset;

		d[n].l2 = q->raw ? bytes : NULL;
		d[n].data = q->raw ? NULL : bytes;
		d[n].len = item->len;
		d[n].handle = item->buffer;
		d[n].link = q->link;
		d[n].local = item->local;
		d[n].src = item->peer;
		q->stats.rx_bytes += item->len;
	}
	q->stats.rx_datagrams += n;
	q->lent += n;
	return n;
}

static void item_fill(
    struct link_queue *q, struct mem_item *item, uint64_t buffer, const struct dgram *d)
{
	const uint8_t *bytes = q->raw ? d->l2 : d->data;

	item->buffer = (uint32_t)buffer;
	item->offset = (uint32_t)(bytes - buffer_at(q, buffer));
	item->len = d->len;
	item->local = d->out_local;
	item->peer = d->to;
	q->stats.tx_datagrams++;
	q->stats.tx_bytes += d->len;
}

static unsigned mem_tx(struct link_queue *q, struct dgram **d, unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		q->lent--;
		if (ring_full(&q->tx)) {
			d[i]->drop = DROP_TX_FULL;
			q->stats.tx_full++;
			buffer_free(q, d[i]->handle);
			continue;
		}
		item_fill(q, ring_put(&q->tx), d[i]->handle, d[i]);
		sent++;
	}
	return sent;
}

static unsigned mem_tx_copy(struct link_queue *q, struct dgram **d, unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		struct dgram copy = *d[i];
		uint32_t buffer;
		uint8_t *to;

		if (copy.len > q->stride - HEADROOM - TAILROOM)
			d[i]->drop = DROP_TX_TOO_BIG;
		else if (ring_full(&q->tx))
			d[i]->drop = DROP_TX_FULL;
		else if (q->free_count == 0)
			d[i]->drop = DROP_NO_BUFFER;
		if (d[i]->drop)
			continue;
		buffer = q->free[--q->free_count];
		to = buffer_at(q, buffer) + HEADROOM;
		memcpy(to, q->raw ? copy.l2 : copy.data, copy.len);
		copy.l2 = copy.data = to;
		item_fill(q, ring_put(&q->tx), buffer, &copy);
		sent++;
	}
	return sent;
}

static void mem_release(struct link_queue *q, struct dgram **d, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buffer_free(q, d[i]->handle);
	q->lent -= n;
}

static void mem_flush(struct link_queue *q)
{
	(void)q;
}

static unsigned mem_poll_fds(struct link_queue *q, int *fds, unsigned max)
{
	(void)q;
	(void)fds;
	(void)max;
	return 0;
}

#define MEM_OPS(kind_, raw_)                                                                \
	{                                                                                   \
		.kind = (kind_), .raw = (raw_), .open = mem_open, .close = mem_close,       \
		.maintain = mem_maintain, .stats = mem_stats, .describe = mem_describe,     \
		.rx = mem_rx, .tx = mem_tx, .tx_copy = mem_tx_copy, .release = mem_release, \
		.flush = mem_flush, .poll_fds = mem_poll_fds,                               \
	}

const struct link_ops link_mem_ops = MEM_OPS("mem", 1);
const struct link_ops link_mem_payload_ops = MEM_OPS("mem-payload", 0);

int mem_put_from(struct link *link, unsigned queue, const struct endpoint *src, uint8_t local,
    const void *payload, size_t len)
{
	struct link_queue *q = link->queues[queue];
	struct mem_item *item;

	if (len > q->stride - HEADROOM - TAILROOM)
		return -EMSGSIZE;
	if (q->free_count == 0 || ring_full(&q->rx))
		return -ENOBUFS;
	item = ring_put(&q->rx);
	*item = (struct mem_item){
	    .buffer = q->free[--q->free_count],
	    .offset = HEADROOM,
	    .len = (uint32_t)len,
	    .local = local,
	    .peer = *src,
	};
	memcpy(buffer_at(q, item->buffer) + HEADROOM, payload, len);
	return 0;
}

int mem_put(struct link *link, unsigned queue, const void *frame, size_t len)
{
	static const struct endpoint nobody;

	return mem_put_from(link, queue, &nobody, 0, frame, len);
}

bool mem_take(struct link *link, unsigned queue, struct mem_sent *out)
{
	struct link_queue *q = link->queues[queue];
	const struct mem_item *item;

	if (q->taken >= 0)
		buffer_free(q, (uint64_t)q->taken);
	q->taken = -1;
	if (q->tx.tail == q->tx.head)
		return false;
	item = &q->tx.items[q->tx.tail++ % MEM_RING];
	q->taken = item->buffer;
	out->data = buffer_at(q, item->buffer) + item->offset;
	out->len = item->len;
	out->to = item->peer;
	out->out_local = item->local;
	return true;
}

unsigned mem_lent(const struct link *link, unsigned queue)
{
	return link->queues[queue]->lent;
}
