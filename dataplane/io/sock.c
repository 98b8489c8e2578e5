// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/sock.h"

#include "dataplane/io/lines.h"
#include "dataplane/io/locals.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { EPOCH_TICKS = 60 };

static size_t rx_memory_size(void)
{
	return (size_t)BURST_MAX * (SOCK_BUFFER_STRIDE + SOCK_SHORT_STRIDE);
}

static int rx_prepare(struct sock_rx *rx)
{
	// Mapped, not touched: what no datagram reaches costs no memory.
	uint8_t *memory = mmap(
	    NULL, rx_memory_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	rx->buffers = memory;
	rx->shorts = memory + (size_t)BURST_MAX * SOCK_BUFFER_STRIDE;
	rx->received = BURST_MAX;
	rx->next = BURST_MAX;
	for (unsigned i = 0; i < BURST_MAX; i++) {
		struct msghdr *m = &rx->msg[i].msg_hdr;

		rx->iov[i].iov_base = rx->buffers + (size_t)i * SOCK_BUFFER_STRIDE + HEADROOM;
		rx->iov[i].iov_len = SOCK_RECEIVE_MAX;
		m->msg_iov = &rx->iov[i];
		m->msg_iovlen = 1;
		m->msg_name = &rx->from[i];
		m->msg_control = rx->control[i].bytes;
	}
	return 0;
}

static int queue_create(struct sock_link *sock, unsigned index)
{
	struct link_queue *q = lines_alloc(sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->sock = sock;
	q->index = (uint16_t)index;
	q->epoll = -1;
	q->tx.fd = -1;
	for (unsigned i = 0; i < LOCAL_MAX; i++) {
		q->routes[i][0].fd = -1;
		q->routes[i][1].fd = -1;
	}
	for (unsigned i = 0; i < BURST_MAX; i++)
		q->tx.msg[i].msg_hdr.msg_name = &q->tx.to[i];
	if (rx_prepare(&q->rx)) {
		free(q);
		return -ENOMEM;
	}
	sock->queues[index] = q;
	return 0;
}

static void sock_close(struct link *link)
{
	struct sock_link *sock = link->priv;

	if (!sock)
		return;
	sock_sockets_close(sock);
	for (unsigned i = 0; i < sock->queue_count; i++) {
		if (sock->queues[i])
			munmap(sock->queues[i]->rx.buffers, rx_memory_size());
		free(sock->queues[i]);
		link->queues[i] = NULL;
	}
	free(sock);
	link->priv = NULL;
	link->queue_count = 0;
}

static void socket_set_ttl(const struct sock_socket *s, int ttl)
{
	if (s->takes_v4)
		setsockopt(s->fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (s->inet6)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
}

static void ttl_follow(struct sock_link *sock)
{
	uint64_t ttl;

	if (!sock->settings)
		return;
	ttl = __atomic_load_n(&sock->settings->ttl, __ATOMIC_RELAXED);
	if (ttl == sock->ttl || ttl == 0 || ttl > 255)
		return;
	sock->ttl = ttl;
	for (unsigned i = 0; i < sock->queue_count; i++) {
		const struct link_queue *q = sock->queues[i];

		for (unsigned k = 0; k < q->socket_count; k++)
			socket_set_ttl(&q->sockets[k], (int)ttl);
	}
	for (unsigned i = 0; i < sock->extra_count; i++)
		socket_set_ttl(&sock->extras[i], (int)ttl);
}

static int sock_open(struct link *link, const struct link_config *cfg, struct link_error *err)
{
	struct sock_link *sock = calloc(1, sizeof(*sock));
	int code = sock ? 0 : -ENOMEM;

	link->priv = sock;
	if (sock) {
		sock->settings = cfg->settings;
		sock->locals = cfg->locals;
		sock->link_index = cfg->index;
		sock->queue_count = cfg->worker_count;
		sock->epoch = 1;
	}
	for (unsigned i = 0; code == 0 && i < cfg->worker_count; i++)
		code = queue_create(sock, i);
	if (code < 0)
		snprintf(err->text, sizeof(err->text),
		    "no memory for the buffers of %u workers; use fewer with --workers",
		    cfg->worker_count);
	else
		code = sock_sockets_open(sock, cfg, err);
	if (code < 0) {
		sock_close(link);
		return code;
	}
	ttl_follow(sock);
	link->ops = &link_sock_ops;
	link->index = cfg->index;
	link->queue_count = cfg->worker_count;
	snprintf(link->name, sizeof(link->name), "sock");
	for (unsigned i = 0; i < sock->queue_count; i++)
		link->queues[i] = sock->queues[i];
	return 0;
}

// Learns the addresses that datagrams came to although the host did not have them when it started.
static void sock_maintain(struct link *link)
{
	struct sock_link *sock = link->priv;

	for (unsigned i = 0; i < sock->queue_count; i++) {
		struct link_queue *q = sock->queues[i];

		if (!__atomic_load_n(&q->missed_full, __ATOMIC_ACQUIRE))
			continue;
		locals_add(sock->locals, &q->missed, SOCK_LEARN_MAX);
		__atomic_store_n(&q->missed_full, 0, __ATOMIC_RELEASE);
	}
	ttl_follow(sock);
	if (++sock->ticks % EPOCH_TICKS == 0)
		__atomic_store_n(
		    &sock->epoch, sock->epoch + 1 ? sock->epoch + 1 : 1, __ATOMIC_RELAXED);
}

static uint64_t socket_drops(struct sock_socket *s)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len = sizeof(info);

	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0) {
		s->drops += info[SK_MEMINFO_DROPS] - s->drops_seen;
		s->drops_seen = info[SK_MEMINFO_DROPS];
	}
	return s->drops;
}

static void queue_stats_add(struct link_queue *q, struct link_stats *out)
{
	const uint64_t *from = (const uint64_t *)&q->stats;
	uint64_t *to = (uint64_t *)out;

	for (unsigned i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	for (unsigned i = 0; i < q->socket_count; i++)
		link_stats_lose(out, DROP_RX_SOCKET_FULL, socket_drops(&q->sockets[i]));
}

static void sock_stats(const struct link *link, struct link_stats *out)
{
	struct sock_link *sock = link->priv;

	*out = (struct link_stats){0};
	for (unsigned i = 0; i < sock->queue_count; i++)
		queue_stats_add(sock->queues[i], out);
	for (unsigned i = 0; i < sock->extra_count; i++)
		link_stats_lose(out, DROP_RX_SOCKET_FULL, socket_drops(&sock->extras[i]));
}

static void sock_describe(const struct link *link, char *text, size_t size)
{
	const struct sock_link *sock = link->priv;
	int used = snprintf(text, size,
	    "%u queues, %u sockets each, %u gossip ports, buffer %d KiB", sock->queue_count,
	    sock->queues[0]->socket_count, sock->extra_count, sock->buffer_got / 1024);

	if (sock->buffer_got < sock->buffer_wanted && used > 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used,
		    "; the kernel allows no %d KiB: start with CAP_NET_ADMIN or raise "
		    "net.core.rmem_max",
		    sock->buffer_wanted / 1024);
}

static void sock_release(struct link_queue *q, struct dgram **d, unsigned n)
{
	(void)d;
	q->rx.lent -= n;
}

static void sock_flush(struct link_queue *q)
{
	// Sends are synchronous: nothing is ever held back.
	(void)q;
}

static unsigned sock_poll_fds(struct link_queue *q, int *fds, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < q->socket_count && n < max; i++)
		fds[n++] = q->sockets[i].fd;
	if (q->epoll >= 0 && n < max)
		fds[n++] = q->epoll;
	return n;
}

const struct link_ops link_sock_ops = {
    .kind = "sock",
    .open = sock_open,
    .close = sock_close,
    .maintain = sock_maintain,
    .stats = sock_stats,
    .describe = sock_describe,
    .rx = sock_rx,
    .tx = sock_tx,
    .tx_copy = sock_tx_copy,
    .release = sock_release,
    .flush = sock_flush,
    .poll_fds = sock_poll_fds,
    .wait = sock_wait,
};
