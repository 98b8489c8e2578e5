// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/xdp_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum { RECEIVE_FRAMES = XDP_FRAMES / 2, RETRIES = 20, RETRY_PAUSE_NS = 50000000 };

static void fill_ring_prime(struct xdp_socket *s)
{
	uint32_t at;
	uint32_t n = xsk_ring_prod__reserve(&s->fill, RECEIVE_FRAMES, &at);

	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) = (uint64_t)i * XDP_FRAME_SIZE;
	xsk_ring_prod__submit(&s->fill, n);
	s->free_count = XDP_FRAMES / 2;
	for (uint32_t i = 0; i < s->free_count; i++)
		s->free[i] = (uint64_t)(RECEIVE_FRAMES + i) * XDP_FRAME_SIZE;
}

// The kernel lets go of a queue a moment after the last program that held it has ended.
static int create(struct xdp_socket *s, const char *interface, const struct xsk_socket_config *cfg)
{
	const struct timespec pause = {.tv_nsec = RETRY_PAUSE_NS};
	int failed = -EBUSY;

	for (int i = 0; i < RETRIES && failed == -EBUSY; i++) {
		if (i)
			nanosleep(&pause, NULL);
		failed = xsk_socket__create(&s->xsk, interface, 0, s->umem, &s->rx, &s->tx, cfg);
	}
	return failed;
}

int xdp_socket_open(struct xdp_socket *s, const char *interface, char *error)
{
	struct xsk_umem_config umem = {
	    .fill_size = XDP_RING, .comp_size = XDP_RING, .frame_size = XDP_FRAME_SIZE};
	struct xsk_socket_config cfg = {.rx_size = XDP_RING,
	    .tx_size = XDP_RING,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	    .bind_flags = XDP_USE_NEED_WAKEUP};
	size_t size = (size_t)XDP_FRAMES * XDP_FRAME_SIZE;
	int failed;

	s->area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->area == MAP_FAILED) {
		s->area = NULL;
		snprintf(error, BACKEND_ERROR_MAX, "%zu bytes of packet buffers: %s", size,
		    strerror(errno));
		return -ENOMEM;
	}
	failed = xsk_umem__create(&s->umem, s->area, size, &s->fill, &s->comp, &umem);
	if (!failed)
		failed = create(s, interface, &cfg);
	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "AF_XDP socket on %s: %s (run as root; another program may hold queue 0)",
		    interface, strerror(-failed));
		return failed;
	}
	fill_ring_prime(s);
	return 0;
}

void xdp_socket_close(struct xdp_socket *s)
{
	if (s->xsk)
		xsk_socket__delete(s->xsk);
	if (s->umem)
		xsk_umem__delete(s->umem);
	if (s->area)
		munmap(s->area, (size_t)XDP_FRAMES * XDP_FRAME_SIZE);
}

static void reclaim(struct xdp_socket *s)
{
	uint32_t at, n = xsk_ring_cons__peek(&s->comp, XDP_RING, &at);

	for (uint32_t i = 0; i < n; i++)
		s->free[s->free_count++] = *xsk_ring_cons__comp_addr(&s->comp, at + i);
	xsk_ring_cons__release(&s->comp, n);
}

unsigned xdp_socket_send(
    struct xdp_socket *s, const struct path *p, const struct message *m, unsigned n)
{
	uint32_t at;

	reclaim(s);
	if (n > s->free_count)
		n = s->free_count;
	n = xsk_ring_prod__reserve(&s->tx, n, &at);
	for (uint32_t i = 0; i < n; i++) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&s->tx, at + i);

		d->addr = s->free[--s->free_count];
		d->len = PATH_HEADERS + m[i].len;
		d->options = 0;
		memcpy(s->area + d->addr + PATH_HEADERS, m[i].data, m[i].len);
		path_headers_build(p, s->area + d->addr, m[i].place, m[i].len);
	}
	xsk_ring_prod__submit(&s->tx, n);
	sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	return n;
}
