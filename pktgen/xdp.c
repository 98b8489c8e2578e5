// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/xdp_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void xdp_close(struct backend *b)
{
	struct xdp *x = b->priv;

	if (!x)
		return;
	xdp_live_close(&x->live);
	xdp_socket_close(&x->socket);
	free(x);
	b->priv = NULL;
}

static int check_options(const struct options *o, char *error)
{
	uint32_t tail = (o->size - FRAME_MIN) % 8;

	if (o->size > FRAME_MIN + 8 * GENERATE_WORDS_MAX || tail) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "--size %u: frames made in the kernel are 16 plus a multiple of 8 bytes, at "
		    "most %u",
		    o->size, FRAME_MIN + 8 * GENERATE_WORDS_MAX);
		return -EINVAL;
	}
	if (o->flows > GENERATE_FLOWS_MAX) {
		snprintf(error, BACKEND_ERROR_MAX, "--flows %u: at most %u on an xdp link",
		    o->flows, GENERATE_FLOWS_MAX);
		return -EINVAL;
	}
	return 0;
}

static int xdp_open(struct backend *b, const struct options *o, char *error)
{
	struct xdp *x = calloc(1, sizeof(*x));
	int failed;

	if (!x) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory");
		return -ENOMEM;
	}
	b->priv = x;
	b->sockets = o->nodes; // every node has an address of its own
	b->mixed = true;
	x->o = o;
	failed = check_options(o, error);
	if (!failed)
		failed = xdp_path_find(&x->path, &x->ifindex, o, error);
	if (!failed)
		failed = xdp_socket_open(&x->socket, o->interface, error);
	if (!failed)
		failed = xdp_live_open(x, error);
	if (failed)
		xdp_close(b);
	return failed;
}

static unsigned xdp_send(struct backend *b, const struct message *m, unsigned n)
{
	struct xdp *x = b->priv;

	return xdp_socket_send(&x->socket, &x->path, m, n);
}

static void give_back(struct xdp_socket *s)
{
	uint32_t at, n = xsk_ring_prod__reserve(&s->fill, s->lent_count, &at);

	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) = s->lent[i];
	xsk_ring_prod__submit(&s->fill, n);
	s->lent_count = 0;
}

static unsigned xdp_receive(struct backend *b, struct message *m, unsigned max, int timeout_ms)
{
	struct xdp *x = b->priv;
	struct xdp_socket *s = &x->socket;
	struct pollfd ready = {.fd = xsk_socket__fd(s->xsk), .events = POLLIN};
	uint32_t at, n, kept = 0;

	give_back(s);
	n = xsk_ring_cons__peek(&s->rx, max < XDP_LENT_MAX ? max : XDP_LENT_MAX, &at);
	if (!n &&
	    (poll(&ready, 1, timeout_ms) < 1 ||
		!(n = xsk_ring_cons__peek(&s->rx, max < XDP_LENT_MAX ? max : XDP_LENT_MAX, &at))))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&s->rx, at + i);
		uint8_t *frame = s->area + d->addr;

		s->lent[s->lent_count++] = xsk_umem__extract_addr(d->addr);
		kept += path_message_find(&x->path, frame, d->len, &m[kept]);
	}
	xsk_ring_cons__release(&s->rx, n);
	return kept;
}

const struct backend_ops backend_xdp = {.open = xdp_open,
    .send = xdp_send,
    .receive = xdp_receive,
    .blast_prepare = xdp_blast_prepare,
    .blast = xdp_blast,
    .blast_count = xdp_blast_count,
    .blast_collect = xdp_blast_collect,
    .close = xdp_close};
