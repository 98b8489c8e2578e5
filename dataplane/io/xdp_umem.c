// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/lines.h"
#include "dataplane/io/xdp_internal.h"
#include "shm/pages.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 // Linux 6.17: frames that one wake-up sends in copy mode
#endif

enum {
	PAGE = 4096,
	SEND_BUFFER = 8 << 20, // bytes that copy mode may have under way in the kernel
	VLAN_TAGS = 8,	       // bytes of two tags
	FRAMES_MIN = 512,      // of one socket: enough for a burst in each direction
};

static void umem_free(struct xdp_umem *u)
{
	if (u->umem)
		xsk_umem__delete(u->umem);
	if (u->area)
		munmap(u->area, u->area_size);
	free(u->free);
	free(u);
}

// Whether frames will be copied between the buffers and the driver; when in doubt no.
static bool copies_surely(const struct xdp_link *x)
{
	return !x->program.native || x->cfg.zero_copy == CONFIG_OFF ||
	       !xdp_features_read(x->ifname, x->ifindex).zero_copy;
}

static void layout_choose(struct xdp_umem *u, uint32_t mtu, bool copies)
{
	bool small = mtu + ETH_HLEN + VLAN_TAGS <= XDP_FRAME_MAX(XDP_FRAME_SMALL);

	u->frame_size = small ? XDP_FRAME_SMALL : XDP_FRAME_LARGE;
	if (copies) {
		u->stride = u->frame_size | CACHE_LINE;
		u->shift = XSK_UNALIGNED_BUF_OFFSET_SHIFT;
		u->base_mask = XSK_UNALIGNED_BUF_ADDR_MASK;
	} else {
		u->stride = small ? XDP_FRAME_SMALL : PAGE;
		u->base_mask = ~(uint64_t)(u->stride - 1);
	}
}

static struct xdp_umem *umem_allocate(uint32_t frame_count, const struct xdp_link *x)
{
	struct xdp_umem *u = lines_alloc(sizeof(*u));

	if (!u)
		return NULL;
	layout_choose(u, x->watch.mtu, copies_surely(x));
	u->frame_count = u->free_count = frame_count;
	u->area_size = (uint64_t)frame_count * u->stride;
	u->free = lines_alloc(frame_count * sizeof(*u->free));
	u->area = pages_own(&u->area_size);
	if (!u->area || !u->free) {
		umem_free(u);
		return NULL;
	}
	for (uint32_t i = 0; i < frame_count; i++)
		u->free[i] = (uint64_t)(frame_count - 1 - i) * u->stride;
	return u;
}

static int umem_register(struct xdp_umem *u, struct xdp_socket *first, struct link_error *err)
{
	struct xsk_umem_config cfg = {
	    .fill_size = XDP_RING_SIZE,
	    .comp_size = XDP_RING_SIZE,
	    .frame_size = u->stride,
	    .flags = u->shift ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0,
	};
	int rc =
	    xsk_umem__create(&u->umem, u->area, u->area_size, &first->fill, &first->comp, &cfg);

	if (rc == 0)
		return 0;
	u->umem = NULL;
	if (rc == -ENOBUFS)
		return xdp_fail(err, rc,
		    "%llu MiB of packet buffers are over the locked memory limit: raise "
		    "it (LimitMEMLOCK=infinity, ulimit -l), keep CAP_IPC_LOCK, or lower xdp.frames",
		    (unsigned long long)(u->area_size >> 20));
	if (rc == -EAFNOSUPPORT)
		return xdp_fail(err, rc, "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)");
	if (rc == -EPERM)
		return xdp_fail(err, rc, "AF_XDP sockets need CAP_NET_RAW");
	return xdp_fail(err, rc, "AF_XDP buffers: %s", strerror(-rc));
}

static const char *bind_mode(const struct xdp_link *x, uint16_t *flags)
{
	*flags = XDP_USE_NEED_WAKEUP;
	if (!x->program.native || x->cfg.zero_copy == CONFIG_OFF) {
		*flags |= XDP_COPY; // a generic program cannot see what a driver puts into buffers
		return "copy";
	}
	if (x->cfg.zero_copy == CONFIG_ON) {
		*flags |= XDP_ZEROCOPY;
		return "zero-copy";
	}
	return "any";
}

static int bind_failure(
    const struct xdp_link *x, uint32_t queue, const char *mode, int rc, struct link_error *err)
{
	if (rc == -EBUSY)
		return xdp_fail(err, rc,
		    "queue %u of %s belongs to another AF_XDP socket: stop its program, or "
		    "give this one fewer QUEUES",
		    queue, x->ifname);
	if (rc == -EOPNOTSUPP)
		return xdp_fail(err, rc,
		    "%s has no zero-copy AF_XDP (mode %s): set xdp.zero-copy to auto or off",
		    x->ifname, mode);
	if (rc == -ENETDOWN)
		return xdp_fail(err, rc, "%s is down: ip link set %s up", x->ifname, x->ifname);
	if (rc == -EPERM)
		return xdp_fail(err, rc, "AF_XDP sockets need CAP_NET_RAW");
	return xdp_fail(
	    err, rc, "queue %u of %s (mode %s): %s", queue, x->ifname, mode, strerror(-rc));
}

static void tune(struct xdp_socket *s, const struct xdp_link *x)
{
	int budget = XDP_TX_BUDGET, buffer = SEND_BUFFER, yes = 1;
	int poll_us = x->cfg.busy_poll_us, poll_budget = BURST_MAX;

	// Each of these only makes it faster; an older kernel goes without.
	setsockopt(s->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	if (!poll_us)
		return;
	s->busy_poll =
	    setsockopt(s->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &yes, sizeof(yes)) == 0 &&
	    setsockopt(s->fd, SOL_SOCKET, SO_BUSY_POLL, &poll_us, sizeof(poll_us)) == 0 &&
	    setsockopt(s->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &poll_budget, sizeof(poll_budget)) ==
		0;
}

// Shares the buffers among the sockets: no socket can take what another needs to receive.
static void divide(struct xdp_umem *u)
{
	// A device holds buffers beside those in the rings. In copy mode a frame that finds no
	// buffer costs less than one that is copied and then finds the rx ring full.
	uint32_t share, most = u->zero_copy ? 2 * XDP_RING_SIZE : XDP_RING_SIZE;

	if (u->socket_count == 0)
		return;
	share = (u->frame_count - 2 * BURST_MAX) / u->socket_count;
	for (unsigned i = 0; i < u->socket_count; i++) {
		struct xdp_socket *s = u->sockets[i];

		s->tx_limit = share / 3 < XDP_RING_SIZE ? share / 3 : XDP_RING_SIZE;
		s->rx_limit = share - s->tx_limit;
		if (s->rx_limit > most)
			s->rx_limit = most;
	}
}

static bool is_zero_copy(int fd)
{
	struct xdp_options options = {0};
	socklen_t size = sizeof(options);

	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &size) == 0 &&
	       options.flags & XDP_OPTIONS_ZEROCOPY;
}

static int socket_bind(
    struct xdp_socket *s, struct xdp_umem *u, const struct xdp_link *x, struct link_error *err)
{
	struct xsk_socket_config cfg = {
	    .rx_size = XDP_RING_SIZE,
	    .tx_size = XDP_RING_SIZE,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	};
	const char *mode = bind_mode(x, &cfg.bind_flags);
	int rc = -EBUSY;

	for (int turn = 0; rc == -EBUSY && turn < XDP_RETRIES; turn++) {
		if (turn)
			usleep(XDP_RETRY_US);
		rc = xsk_socket__create_shared(&s->xsk, x->ifname, s->queue, u->umem, &s->rx,
		    &s->tx, &s->fill, &s->comp, &cfg);
	}
	if (rc) {
		s->xsk = NULL;
		return bind_failure(x, s->queue, mode, rc, err);
	}
	s->fd = xsk_socket__fd(s->xsk);
	return 0;
}

int xdp_socket_open(
    struct xdp_socket *s, struct xdp_umem **umem, const struct xdp_link *x, struct link_error *err)
{
	struct xdp_umem *u = *umem;
	int rc;

	if (u && (u->socket_count == XDP_SOCKETS_MAX ||
		     u->frame_count / (u->socket_count + 1) < FRAMES_MIN))
		return xdp_fail(err, -ENOBUFS,
		    "xdp.frames %u is too few for %u queues of a worker: %u a queue at least",
		    u->frame_count, u->socket_count + 1, FRAMES_MIN);
	if (!u) {
		u = umem_allocate(x->cfg.frame_count, x);
		if (!u)
			return xdp_fail(err, -ENOMEM,
			    "no memory for %u packet buffers (xdp.frames)", x->cfg.frame_count);
		rc = umem_register(u, s, err);
		if (rc) {
			umem_free(u);
			return rc;
		}
	}
	rc = socket_bind(s, u, x, err);
	if (rc) {
		if (u->socket_count == 0) {
			umem_free(u);
			*umem = NULL;
		}
		return rc;
	}
	*umem = u;
	tune(s, x);
	u->zero_copy = is_zero_copy(s->fd);
	u->sockets[u->socket_count++] = s;
	divide(u);
	return 0;
}

void xdp_socket_close(struct xdp_socket *s, struct xdp_umem **umem)
{
	struct xdp_umem *u = *umem;

	xsk_socket__delete(s->xsk);
	s->xsk = NULL;
	for (unsigned i = 0; i < u->socket_count; i++)
		if (u->sockets[i] == s)
			u->sockets[i] = u->sockets[--u->socket_count];
	divide(u);
	if (u->socket_count == 0) {
		umem_free(u);
		*umem = NULL;
	}
}
