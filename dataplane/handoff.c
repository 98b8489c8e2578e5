// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/handoff.h"

#include "shm/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// A ring begins with its positions, each written by one side.
struct ring_words {
	alignas(CACHE_LINE) uint64_t head;
	alignas(CACHE_LINE) uint64_t tail;
};

enum { RING_STRIDE = sizeof(struct ring_words) + HANDOFF_SIZE };

// What goes before a frame's bytes.
struct handed {
	uint32_t len, rx_len;
	uint16_t headers; // bytes before the payload
	uint8_t type, flags;
};

static bool lacks_queue(const struct link *link, unsigned worker, unsigned workers)
{
	return link->ops->raw && link->queue_count && !link_queue_of(link, worker, workers);
}

static unsigned count_lacks(const struct handoff_config *cfg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cfg->link_count; i++)
		for (unsigned w = 0; w < cfg->worker_count; w++)
			n += lacks_queue(cfg->links[i], w, cfg->worker_count);
	return n;
}

static void ring_open(struct handoff *h, const struct handoff_config *cfg, unsigned link,
    unsigned worker, struct ring_words *words)
{
	const struct link *l = cfg->links[link];
	unsigned taker = link_worker_of(l, worker % l->queue_count, cfg->worker_count);
	struct handoff_ends *from = &h->of[worker], *to = &h->of[taker];

	from->to[link] = ring_producer_open(words + 1, HANDOFF_SIZE, &words->head, &words->tail);
	from->to_sleeping[link] = &cfg->blocks[taker].sleeping;
	from->to_event_fd[link] = cfg->event_fds[taker];
	to->from[to->from_count++] = (struct handoff_from){
	    .ring = ring_consumer_open(words + 1, HANDOFF_SIZE, &words->head, &words->tail),
	    .link = (uint8_t)link,
	};
}

int handoff_open(struct handoff *h, const struct handoff_config *cfg)
{
	const unsigned count = count_lacks(cfg);
	uint8_t *at;

	*h = (struct handoff){.rings_size = (uint64_t)count * RING_STRIDE};
	if (count == 0)
		return 0;
	h->rings = pages_own(&h->rings_size);
	h->from = calloc((size_t)count * cfg->worker_count, sizeof(*h->from));
	if (!h->rings || !h->from) {
		handoff_close(h);
		return -ENOMEM;
	}
	pages_ready(h->rings, h->rings_size, true);
	for (unsigned w = 0; w < cfg->worker_count; w++)
		h->of[w].from = h->from + (size_t)w * count;
	at = h->rings;
	for (unsigned i = 0; i < cfg->link_count; i++)
		for (unsigned w = 0; w < cfg->worker_count; w++)
			if (lacks_queue(cfg->links[i], w, cfg->worker_count)) {
				ring_open(h, cfg, i, w, (struct ring_words *)at);
				at += RING_STRIDE;
			}
	return 0;
}

void handoff_close(struct handoff *h)
{
	if (h->rings)
		munmap(h->rings, h->rings_size);
	free(h->from);
	*h = (struct handoff){.rings = NULL};
}

unsigned handoff_give(struct handoff_ends *e, unsigned link, struct dgram **d, unsigned n)
{
	struct ring_producer *ring = &e->to[link];
	unsigned given = 0;

	for (unsigned i = 0; i < n; i++) {
		struct handed *r = ring_reserve(ring, (uint32_t)sizeof(*r) + d[i]->len);

		if (!r) {
			d[i]->drop = DROP_TX_FULL;
			continue;
		}
		*r = (struct handed){
		    .len = d[i]->len,
		    .rx_len = d[i]->rx_len,
		    .headers = (uint16_t)(d[i]->data - d[i]->l2),
		    .type = d[i]->type,
		    .flags = d[i]->flags,
		};
		memcpy(r + 1, d[i]->l2, d[i]->len);
		given++;
	}
	ring_commit(ring);
	ring_wake(e->to_sleeping[link], e->to_event_fd[link]);
	return given;
}

unsigned handoff_take(struct handoff_from *from, struct dgram *d, unsigned max)
{
	unsigned n = 0;
	const void *bytes;
	uint32_t len;

	while (n < max && (bytes = ring_peek(&from->ring, &len))) {
		const struct handed *r = bytes;
		uint8_t *l2 = (uint8_t *)bytes + sizeof(*r); // tx_copy reads only

		d[n++] = (struct dgram){
		    .l2 = l2,
		    .data = l2 + r->headers,
		    .len = r->len,
		    .rx_len = r->rx_len,
		    .type = r->type,
		    .flags = r->flags,
		    .verdict = VERDICT_SEND,
		    .out_link = from->link,
		};
	}
	return n;
}

bool handoff_waits(const struct handoff_ends *e)
{
	for (unsigned i = 0; i < e->from_count; i++)
		if (ring_backlog(&e->from[i].ring))
			return true;
	return false;
}
