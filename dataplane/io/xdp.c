// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/lines.h"
#include "dataplane/io/xdp_internal.h"
#include "dataplane/io/xdp_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// The buffers of each worker; main thread only.
static struct xdp_umem *worker_umems[WORKER_MAX];

// The interface's queues `first`, `first` + workers, ..., with the buffers of the worker that has
// them.
static int queue_open(struct xdp_link *x, uint16_t first, struct xdp_umem **buffers,
    struct link_queue **out, struct link_error *err)
{
	struct link_queue *q = lines_alloc(sizeof(*q));
	unsigned count = (x->queue_count - first + x->worker_count - 1) / x->worker_count;

	if (!q)
		return xdp_fail(err, -ENOMEM, "no memory");
	q->link = x->cfg.index;
	*out = q;
	q->sockets = lines_alloc(count * sizeof(*q->sockets));
	if (!q->sockets)
		return xdp_fail(err, -ENOMEM, "no memory");
	q->umem = *buffers;
	for (unsigned i = 0; i < count; i++) {
		struct xdp_socket *s = &q->sockets[i];
		int rc;

		s->queue = first + i * x->worker_count;
		rc = xdp_socket_open(s, &q->umem, x, err);
		if (rc == -EOPNOTSUPP && i == 0 && q->umem && x->cfg.zero_copy == CONFIG_AUTO) {
			q->umem =
			    NULL; // the other links' buffers are zero-copy, this driver is not
			rc = xdp_socket_open(s, &q->umem, x, err);
		}
		if (rc)
			return rc;
		q->socket_count++;
	}
	if (!*buffers)
		*buffers = q->umem;
	return 0;
}

static void queue_close(struct link_queue *q, struct xdp_umem **buffers)
{
	struct xdp_umem *umem = q->umem;

	for (unsigned i = 0; i < q->socket_count; i++)
		xdp_socket_close(&q->sockets[i], &umem);
	if (!umem && *buffers == q->umem)
		*buffers = NULL;
	free(q->sockets);
	free(q);
}

static struct xdp_umem **buffers_of(
    const struct link *link, const struct xdp_link *x, unsigned queue)
{
	return &worker_umems[link_worker_of(link, queue, x->worker_count)];
}

static void xdp_close(struct link *link)
{
	struct xdp_link *x = link->priv;

	if (!x)
		return;
	xdp_program_detach(&x->program); // first: from here on the kernel gets everything
	egress_close(&x->watch);
	for (unsigned w = 0; w < WORKER_MAX; w++) {
		if (link->queues[w])
			queue_close(link->queues[w], buffers_of(link, x, w));
		link->queues[w] = NULL;
	}
	free(x);
	link->priv = NULL;
}

static int queues_open(struct link *link, struct xdp_link *x, struct link_error *err)
{
	unsigned workers = x->worker_count < x->queue_count ? x->worker_count : x->queue_count;

	for (unsigned w = 0; w < workers; w++) {
		int rc = queue_open(x, w, buffers_of(link, x, w), &link->queues[w], err);

		if (rc)
			return rc;
	}
	for (unsigned w = 0; w < workers; w++) {
		struct link_queue *q = link->queues[w];

		for (unsigned i = 0; i < q->socket_count; i++) {
			struct xdp_socket *s = &q->sockets[i];
			int rc;

			xdp_socket_fill(q->umem, s, XDP_FILL_FIRST);
			rc = xdp_program_bind(&x->program, s->queue, s->fd);
			if (rc)
				return xdp_fail(err, rc, "queue %u of %s: %s", s->queue, x->ifname,
				    strerror(-rc));
		}
	}
	link->queue_count = workers;
	return 0;
}

// What fits the buffers of each of its workers; those of an earlier link may be smaller.
static uint32_t frame_limit(const struct link *link)
{
	uint32_t size = XDP_FRAME_LARGE;

	for (unsigned w = 0; w < link->queue_count; w++) {
		const struct xdp_umem *u = link->queues[w]->umem;

		if (u && u->frame_size < size)
			size = u->frame_size;
	}
	return XDP_FRAME_MAX(size);
}

// The interface's peer may take up or give up NAPI at any time (veth), so this is asked again.
static void kernel_follow(struct xdp_link *x)
{
	struct xdp_features can = {.tx = false};
	uint8_t flags;

	if (!x->cfg.kernel)
		return;
	if (x->watch.present)
		can = xdp_features_read(x->ifname, x->ifindex);
	flags = (can.tx ? KERNEL_EGRESS_TX : 0) | (can.redirect ? KERNEL_EGRESS_REDIRECT : 0);
	if (!x->program.native && x->watch.present)
		flags |= KERNEL_EGRESS_TX; // in place of the driver, the kernel sends
	x->sends = flags != 0;
	xdp_kernel_locals(x->cfg.kernel, x->cfg.locals);
	xdp_kernel_egress(x->cfg.kernel, x->cfg.egress, x->cfg.index, flags);
}

static void program_follow(struct xdp_link *x)
{
	xdp_program_station(&x->program, x->watch.mac);
	xdp_program_vlans(&x->program, x->cfg.egress, x->cfg.index);
	xdp_program_serve(&x->program, x->cfg.locals);
}

static int open_steps(struct link *link, struct xdp_link *x, struct link_error *err)
{
	int rc = xdp_interface_open(x, err);

	if (rc == 0)
		rc = xdp_program_attach(&x->program, x, err);
	if (rc)
		return rc;
	rc = queues_open(link, x, err);
	if (rc)
		return rc;
	program_follow(x);
	xdp_program_limit(&x->program, frame_limit(link)); // from here on it steers
	kernel_follow(x);
	link->quiet = x->cfg.kernel != NULL;
	return 0;
}

// What the operator could do for more speed.
static void advise(const struct xdp_link *x, struct link_error *err)
{
	if (x->queue_count < x->queue_total)
		xdp_fail(err, 0,
		    "%s has %u receive queues and %u are bound: datagrams on the others go through "
		    "the kernel to the sock link, served but slower; ethtool -L %s combined %u",
		    x->ifname, x->queue_total, x->queue_count, x->ifname, x->queue_count);
	if (x->cfg.kernel && !x->sends)
		xdp_fail(err, 0,
		    "the peer of %s cannot receive what an XDP program sends, so the engine "
		    "relays: ethtool -K PEER gro on, at the other end of the veth (Linux 6.3)",
		    x->ifname);
}

static int xdp_open(struct link *link, const struct link_config *cfg, struct link_error *err)
{
	struct xdp_link *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return xdp_fail(err, -ENOMEM, "no memory");
	err->text[0] = 0;
	x->cfg = *cfg;
	x->watch.fd = -1;
	x->worker_count = cfg->worker_count;
	link->priv = x;
	link->index = cfg->index;
	rc = open_steps(link, x, err);
	if (rc) {
		xdp_close(link);
		return rc;
	}
	x->cfg.spec = NULL;
	snprintf(link->name, sizeof(link->name), "xdp:%s", x->ifname);
	advise(x, err);
	return 0;
}

static void xdp_maintain(struct link *link)
{
	struct xdp_link *x = link->priv;

	egress_follow(&x->watch);
	program_follow(x);
	kernel_follow(x);
}

static uint64_t load_relaxed(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

// The kernel counts as rx_dropped what it found no buffer for in the fill ring.
static void socket_losses(const struct xdp_socket *socket, struct link_stats *out)
{
	struct xdp_statistics s = {0};
	socklen_t size = sizeof(s);

	if (getsockopt(socket->fd, SOL_XDP, XDP_STATISTICS, &s, &size))
		return;
	link_stats_lose(out, DROP_RX_RING_FULL, s.rx_ring_full);
	link_stats_lose(out, DROP_RX_NO_BUFFER, s.rx_dropped);
	link_stats_lose(out, DROP_RX_ERROR, s.rx_invalid_descs);
	link_stats_lose(out, DROP_TX_INVALID, s.tx_invalid_descs);
	out->tx_errors += s.tx_invalid_descs;
}

static void xdp_stats(const struct link *link, struct link_stats *out)
{
	const struct xdp_link *x = link->priv;

	*out = (struct link_stats){
	    .mtu = x->watch.mtu,
	    .down = !x->watch.present || !x->watch.up,
	    .replaced = x->watch.replaced,
	    .native = x->program.native,
	    .zero_copy = link->queue_count && link->queues[0]->umem->zero_copy,
	    .kernel = x->sends,
	};
	if (x->cfg.kernel) {
		struct kernel_link_counts c;

		kernel_link(x->cfg.kernel, x->cfg.index, &c);
		out->rx_datagrams = c.rx_datagrams;
		out->rx_bytes = c.rx_bytes;
		out->tx_datagrams = c.tx_datagrams;
		out->tx_bytes = c.tx_bytes;
	}
	for (unsigned w = 0; w < link->queue_count; w++) {
		const struct link_queue *q = link->queues[w];

		out->rx_datagrams += load_relaxed(&q->counts.rx_frames);
		out->rx_bytes += load_relaxed(&q->counts.rx_bytes);
		out->tx_datagrams += load_relaxed(&q->counts.tx_frames);
		out->tx_bytes += load_relaxed(&q->counts.tx_bytes);
		out->tx_errors += load_relaxed(&q->counts.tx_errors);
		out->tx_full += load_relaxed(&q->counts.tx_full);
		for (unsigned i = 0; i < q->socket_count; i++)
			socket_losses(&q->sockets[i], out);
	}
}

static void xdp_describe(const struct link *link, char *text, size_t size)
{
	const struct xdp_link *x = link->priv;
	const char *state = !x->watch.present ? "gone" : x->watch.up ? "up" : "down";
	bool zero_copy = link->queue_count && link->queues[0]->umem->zero_copy;
	uint64_t counts[STEER_COUNTER_COUNT];

	xdp_program_counts(&x->program, counts);
	snprintf(text, size, "%s, %s%s, %s, %u of %u queues%s, mtu %u, steered %llu, passed %llu",
	    state, x->program.native ? "native" : "generic",
	    !x->cfg.kernel ? ""
	    : x->sends	   ? ", kernel relays"
			   : ", kernel cannot relay",
	    zero_copy ? "zero-copy" : "copy", x->queue_count, x->queue_total,
	    x->cfg.busy_poll_us ? ", busy poll" : "", x->watch.mtu,
	    (unsigned long long)counts[STEER_STEERED], (unsigned long long)counts[STEER_PASSED]);
}

const struct link_ops link_xdp_ops = {
    .kind = "xdp",
    .raw = 1,
    .open = xdp_open,
    .close = xdp_close,
    .maintain = xdp_maintain,
    .stats = xdp_stats,
    .describe = xdp_describe,
    .rx = xdp_rx,
    .tx = xdp_tx,
    .tx_copy = xdp_tx_copy,
    .release = xdp_release,
    .flush = xdp_flush,
    .poll_fds = xdp_poll_fds,
    .nap_us = xdp_nap_us,
    .buffers = xdp_buffers,
};
