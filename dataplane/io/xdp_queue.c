// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/xdp_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static inline uint64_t frame_base(const struct xdp_umem *u, uint64_t address)
{
	return address & u->base_mask;
}

static inline uint8_t *frame_at(const struct xdp_umem *u, uint64_t address)
{
	return u->area + xsk_umem__add_offset_to_addr(address);
}

static inline uint64_t address_of(const struct xdp_umem *u, const struct dgram *d)
{
	uint64_t offset = (uint64_t)(d->l2 - u->area) - d->handle;

	return d->handle + (offset << u->shift);
}

static inline void count_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED); // the main thread reads it
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void xdp_socket_fill(struct xdp_umem *u, struct xdp_socket *s, uint32_t limit)
{
	uint32_t at, n;

	if (s->rx_held + XDP_FILL_BATCH > limit)
		return;
	n = min_u32(limit - s->rx_held, u->free_count);
	n = min_u32(n, xsk_prod_nb_free(&s->fill, n));
	if (n == 0 || xsk_ring_prod__reserve(&s->fill, n, &at) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) = u->free[--u->free_count];
	xsk_ring_prod__submit(&s->fill, n);
	s->rx_held += n;
}

static void socket_reclaim(struct xdp_umem *u, struct xdp_socket *s)
{
	uint32_t at, n = xsk_ring_cons__peek(&s->comp, XDP_RING_SIZE, &at);

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		u->free[u->free_count++] =
		    frame_base(u, *xsk_ring_cons__comp_addr(&s->comp, at + i));
	xsk_ring_cons__release(&s->comp, n);
	s->tx_held -= n;
}

static uint32_t tx_consumer(const struct xdp_socket *s)
{
	return __atomic_load_n(s->tx.consumer, __ATOMIC_RELAXED);
}

// In copy mode a wake-up sends a limited number of frames and says EAGAIN when there are more. In
// zero-copy mode the driver takes them later, and may want to be woken again meanwhile.
static void socket_kick(struct xdp_socket *s, struct xdp_counts *counts)
{
	for (int turn = 0; turn < XDP_KICK_MAX && xsk_ring_prod__needs_wakeup(&s->tx); turn++) {
		uint32_t before = tx_consumer(s);

		if (sendto(s->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			break;
		if (errno == EAGAIN && tx_consumer(s) != before)
			continue;
		s->tx_again = errno == EAGAIN || errno == EBUSY || errno == ENOBUFS;
		if (s->tx_again)
			return; // the frames stay in the ring for the next flush
		count_add(&counts->tx_errors, 1);
		s->tx_waiting = errno == ENETDOWN; // else the interface is gone
		return;
	}
	s->tx_again = s->tx_waiting = tx_consumer(s) != *s->tx.producer;
}

static unsigned socket_rx(struct link_queue *q, struct xdp_socket *s, struct dgram *d, unsigned max)
{
	struct xdp_umem *u = q->umem;
	uint32_t at, n = xsk_ring_cons__peek(&s->rx, max, &at);
	uint64_t bytes = 0;

	if (n == 0) {
		if (s->busy_poll || xsk_ring_prod__needs_wakeup(&s->fill))
			recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
		xdp_socket_fill(u, s, s->rx_limit);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&s->rx, at + i);

		d[i].l2 = frame_at(u, desc->addr);
		d[i].len = desc->len;
		d[i].handle = frame_base(u, desc->addr);
		d[i].link = q->link;
		bytes += desc->len;
		__builtin_prefetch(d[i].l2);
		if (!u->zero_copy) // the kernel reads what it sends
			__builtin_prefetch(d[i].l2 + CACHE_LINE);
	}
	xsk_ring_cons__release(&s->rx, n);
	s->rx_held -= n;
	xdp_socket_fill(u, s, s->rx_limit);
	count_add(&q->counts.rx_frames, n);
	count_add(&q->counts.rx_bytes, bytes);
	return n;
}

unsigned xdp_rx(struct link_queue *q, struct dgram *d, unsigned max)
{
	unsigned n = 0;

	for (unsigned turn = 0; turn < q->socket_count && n < max; turn++) {
		n += socket_rx(q, &q->sockets[q->next], d + n, max - n);
		q->next = q->next + 1 < q->socket_count ? q->next + 1 : 0;
	}
	return n;
}

// How many of n frames the socket can take now.
static unsigned tx_room(struct xdp_umem *u, struct xdp_socket *s, unsigned n)
{
	if (s->tx_held + n > s->tx_limit)
		socket_reclaim(u, s);
	if (s->tx_held >= s->tx_limit)
		return 0;
	n = min_u32(n, s->tx_limit - s->tx_held);
	return min_u32(n, xsk_prod_nb_free(&s->tx, n));
}

static void tx_put(struct xdp_socket *s, uint32_t at, uint64_t address, uint32_t len)
{
	struct xdp_desc *desc = xsk_ring_prod__tx_desc(&s->tx, at);

	desc->addr = address;
	desc->len = len;
	desc->options = 0;
}

static void tx_done(struct link_queue *q, struct xdp_socket *s, unsigned n, uint64_t bytes)
{
	xsk_ring_prod__submit(&s->tx, n);
	s->tx_held += n;
	s->tx_waiting = true;
	count_add(&q->counts.tx_frames, n);
	count_add(&q->counts.tx_bytes, bytes);
}

static void tx_refuse(struct link_queue *q, struct dgram **d, unsigned n, enum drop why)
{
	for (unsigned i = 0; i < n; i++)
		dgram_drop(d[i], why);
	count_add(why == DROP_TX_TOO_BIG ? &q->counts.tx_errors : &q->counts.tx_full, n);
}

// All frames of a worker leave through one socket: flows keep their order.
unsigned xdp_tx(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct xdp_umem *u = q->umem;
	struct xdp_socket *s = &q->sockets[0];
	unsigned room = tx_room(u, s, n);
	uint64_t bytes = 0;
	uint32_t at;

	if (room && xsk_ring_prod__reserve(&s->tx, room, &at) == room) {
		for (unsigned i = 0; i < room; i++) {
			tx_put(s, at + i, address_of(u, d[i]), d[i]->len);
			bytes += d[i]->len;
		}
		tx_done(q, s, room, bytes);
	} else {
		room = 0;
	}
	if (room < n) {
		tx_refuse(q, d + room, n - room, DROP_TX_FULL);
		xdp_release(q, d + room, n - room);
	}
	return room;
}

// The drop of a frame that cannot be copied out now, else DROP_NONE.
static enum drop copy_obstacle(const struct link_queue *q, const struct dgram *d, unsigned room)
{
	if (d->len > q->umem->frame_size)
		return DROP_TX_TOO_BIG;
	if (room == 0)
		return DROP_TX_FULL;
	return q->umem->free_count ? DROP_NONE : DROP_NO_BUFFER;
}

unsigned xdp_tx_copy(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct xdp_umem *u = q->umem;
	struct xdp_socket *s = &q->sockets[0];
	unsigned room = tx_room(u, s, n), sent = 0;
	uint64_t bytes = 0;
	uint32_t at;

	for (unsigned i = 0; i < n; i++) {
		enum drop why = copy_obstacle(q, d[i], room - sent);
		uint64_t frame;

		if (why != DROP_NONE || xsk_ring_prod__reserve(&s->tx, 1, &at) != 1) {
			tx_refuse(q, d + i, 1, why == DROP_NONE ? DROP_TX_FULL : why);
			continue;
		}
		frame = u->free[--u->free_count];
		memcpy(u->area + frame, d[i]->l2, d[i]->len);
		tx_put(s, at, frame, d[i]->len);
		bytes += d[i]->len;
		sent++;
	}
	if (sent)
		tx_done(q, s, sent, bytes);
	return sent;
}

void xdp_release(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct xdp_umem *u = q->umem;

	for (unsigned i = 0; i < n; i++)
		u->free[u->free_count++] = d[i]->handle;
}

void xdp_flush(struct link_queue *q)
{
	struct xdp_socket *s = &q->sockets[0];

	if (s->tx_waiting)
		socket_kick(s, &q->counts);
	if (s->tx_held)
		socket_reclaim(q->umem, s);
}

unsigned xdp_poll_fds(struct link_queue *q, int *fds, unsigned max)
{
	unsigned n = 0;

	for (; n < q->socket_count && n < max; n++)
		fds[n] = q->sockets[n].fd;
	return n;
}

// Nobody tells when the device has room again.
unsigned xdp_nap_us(struct link_queue *q)
{
	return q->sockets[0].tx_again ? XDP_TX_NAP_US : LINK_WAKES;
}

const void *xdp_buffers(const struct link_queue *q)
{
	return q->umem;
}
