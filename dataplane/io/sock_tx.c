// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/sock.h"

#include <errno.h>
#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

// Datagrams of a burst that go to one destination, in order.
struct group {
	int fd; // of the first; -1 = handled
	uint8_t first, last;
};

enum { GROUP_SLOTS = 2 * BURST_MAX, GROUP_END = 0xff };

struct grouping {
	unsigned count;
	struct group group[BURST_MAX];
	uint8_t next[BURST_MAX]; // datagram after this one in its group
	const struct sock_route *route[BURST_MAX];
	uint8_t slot[GROUP_SLOTS]; // group + 1
};

static uint32_t endpoint_hash(const struct endpoint *e)
{
	unsigned __int128 product;
	uint64_t a, b;

	memcpy(&a, e->addr, sizeof(a));
	memcpy(&b, e->addr + 8, sizeof(b));
	product = (unsigned __int128)(a ^ b ^ (uint64_t)e->port << 8) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(product >> 64) ^ (uint32_t)(product >> 32);
}

// NULL when no socket can send from this local index to that IP version.
static inline const struct sock_route *route_find(struct link_queue *q, const struct dgram *d)
{
	bool to_v4 = endpoint_is_v4(&d->to);
	struct sock_route *r = &q->routes[d->out_local][to_v4 ? 0 : 1];

	return r->fd >= 0 || sock_route_open(q, r, d->out_local, to_v4) ? r : NULL;
}

static void dgram_group(
    struct grouping *g, struct dgram **d, unsigned i, const struct sock_route *route)
{
	uint32_t h = endpoint_hash(&d[i]->to);

	g->next[i] = GROUP_END;
	g->route[i] = route;
	for (;; h++) {
		uint8_t *slot = &g->slot[h % GROUP_SLOTS];
		struct group *into;

		if (*slot == 0) {
			g->group[g->count] = (struct group){
			    .fd = route->fd, .first = (uint8_t)i, .last = (uint8_t)i};
			*slot = (uint8_t)++g->count;
			return;
		}
		into = &g->group[*slot - 1];
		if (endpoint_equal(&d[into->first]->to, &d[i]->to)) {
			g->next[into->last] = (uint8_t)i;
			into->last = (uint8_t)i;
			return;
		}
	}
}

static struct sock_refusal *refusal_slot(struct link_queue *q, const struct endpoint *to)
{
	return &q->refusals[endpoint_hash(to) % SOCK_REFUSAL_SIZE];
}

static uint32_t epoch_now(const struct link_queue *q)
{
	return __atomic_load_n(&q->sock->epoch, __ATOMIC_RELAXED);
}

static bool train_allowed(struct link_queue *q, const struct dgram *d, unsigned segment)
{
	const struct sock_refusal *r = refusal_slot(q, &d->to);

	return r->epoch != epoch_now(q) || segment <= r->limit || !endpoint_equal(&r->to, &d->to);
}

static void train_refused(struct link_queue *q, const struct dgram *d, unsigned segment)
{
	*refusal_slot(q, &d->to) = (struct sock_refusal){
	    .to = d->to, .epoch = epoch_now(q), .limit = (uint16_t)(segment - 1)};
}

static enum drop drop_of_errno(int err)
{
	switch (err) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return DROP_TX_FULL;
	case EMSGSIZE:
		return DROP_TX_TOO_BIG;
	case ENETUNREACH:
	case EHOSTUNREACH:
		return DROP_NO_ROUTE;
	default:
		return DROP_TX_ERROR;
	}
}

static void dgram_refuse(struct link_queue *q, struct dgram *d, enum drop why)
{
	dgram_drop(d, why);
	sock_stat_add(why == DROP_TX_FULL ? &q->stats.tx_full : &q->stats.tx_errors, 1);
}

// Each datagram of the train by itself: after the kernel or the device refused it whole.
static void train_send_singly(struct link_queue *q, struct sock_batch *b, unsigned message)
{
	const struct sock_message *info = &b->info[message];
	struct msghdr m = b->msg[message].msg_hdr;
	// The source address is in front of the segment size that was appended to it.
	size_t appended = CMSG_LEN(sizeof(uint16_t));

	m.msg_controllen = m.msg_controllen > appended ? m.msg_controllen - appended : 0;
	if (m.msg_controllen == 0)
		m.msg_control = NULL;
	m.msg_iovlen = 1;
	for (unsigned i = info->first; i < info->first + (unsigned)info->count; i++) {
		m.msg_iov = &b->iov[i];
		if (sendmsg(b->fd, &m, MSG_DONTWAIT) >= 0) {
			b->sent++;
			sock_stat_add(&q->stats.tx_bytes, b->iov[i].iov_len);
		} else {
			dgram_refuse(q, b->dgram[i], drop_of_errno(errno));
		}
	}
}

static void message_refuse(
    struct link_queue *q, struct sock_batch *b, unsigned message, enum drop why)
{
	const struct sock_message *info = &b->info[message];

	for (unsigned i = 0; i < info->count; i++)
		dgram_refuse(q, b->dgram[info->first + i], why);
}

// The kernel's answers to a train that it or the device cannot cut: larger than the MTU, no
// checksum offload, IPsec on the route.
static bool train_is_refused(int err)
{
	return err == EMSGSIZE || err == EINVAL || err == EIO || err == EOPNOTSUPP;
}

static void message_fail(struct link_queue *q, struct sock_batch *b, unsigned message, int err)
{
	const struct sock_message *info = &b->info[message];

	if (info->count > 1 && train_is_refused(err)) {
		train_refused(q, b->dgram[info->first], info->segment);
		train_send_singly(q, b, message);
	} else {
		message_refuse(q, b, message, drop_of_errno(err));
	}
}

static void batch_send(struct link_queue *q, struct sock_batch *b)
{
	unsigned at = 0;

	while (at < b->count) {
		int sent = sendmmsg(b->fd, b->msg + at, b->count - at, MSG_DONTWAIT);
		int err = errno;

		for (int i = 0; i < sent; i++, at++) {
			b->sent += b->info[at].count;
			sock_stat_add(&q->stats.tx_bytes, b->info[at].bytes);
		}
		if (sent > 0 || err == EINTR)
			continue;
		if (err == EAGAIN) {
			for (; at < b->count; at++)
				message_refuse(q, b, at, DROP_TX_FULL);
			break;
		}
		message_fail(q, b, at, err);
		at++;
	}
	b->count = 0;
	b->datagrams = 0;
}

// The message that the descriptor answers, when that came to an address which the local table
// lacks; else 0.
static uint64_t answer_handle(const struct link_queue *q, const struct dgram *d)
{
	if (d->handle == 0 || d->link != q->sock->link_index || d->out_local != d->local)
		return 0;
	return endpoint_equal(&d->to, &d->src) ? d->handle : 0;
}

static size_t answer_source_put(
    struct link_queue *q, uint64_t handle, const struct sock_route *r, uint8_t *control)
{
	struct sock_arrival a = {.segment = 0};

	sock_control_read(&q->rx.msg[handle - 1].msg_hdr, &a);
	return sock_source_put(control, &a.to, r->inet6);
}

static void message_begin(
    struct link_queue *q, struct sock_batch *b, struct dgram *d, const struct sock_route *r)
{
	unsigned i = b->count++;
	struct msghdr *m = &b->msg[i].msg_hdr;
	size_t control_len = r->control_len;
	uint64_t handle = answer_handle(q, d);

	b->info[i] =
	    (struct sock_message){.first = (uint16_t)b->datagrams, .segment = (uint16_t)d->len};
	if (r->inet6) {
		endpoint_to_sockaddr_in6(&d->to, &b->to[i].in6);
		m->msg_namelen = sizeof(b->to[i].in6);
	} else {
		b->to[i].in = (struct sockaddr_in){.sin_family = AF_INET,
		    .sin_port = htobe16(d->to.port),
		    .sin_addr.s_addr = endpoint_v4(&d->to)};
		m->msg_namelen = sizeof(b->to[i].in);
	}
	m->msg_iov = &b->iov[b->datagrams];
	m->msg_control = (void *)r->control.bytes;
	if (control_len == 0 && handle) {
		control_len = answer_source_put(q, handle, r, b->control[i].bytes);
		m->msg_control = b->control[i].bytes;
	}
	m->msg_controllen = control_len;
	if (control_len == 0)
		m->msg_control = NULL;
}

static void message_append(struct sock_batch *b, struct dgram *d)
{
	struct sock_message *info = &b->info[b->count - 1];

	b->iov[b->datagrams] = (struct iovec){.iov_base = d->data, .iov_len = d->len};
	b->dgram[b->datagrams++] = d;
	info->count++;
	info->bytes += d->len;
	info->closed = d->len < info->segment;
	b->msg[b->count - 1].msg_hdr.msg_iovlen = info->count;
}

// Makes the last message a train.
static void train_begin(struct sock_batch *b)
{
	unsigned i = b->count - 1;
	struct msghdr *m = &b->msg[i].msg_hdr;
	uint8_t *control = b->control[i].bytes;
	size_t at = CMSG_ALIGN(m->msg_controllen);

	if (m->msg_control && m->msg_control != control)
		memcpy(control, m->msg_control, m->msg_controllen);
	at += sock_control_put(
	    control + at, SOL_UDP, UDP_SEGMENT, &b->info[i].segment, sizeof(b->info[i].segment));
	m->msg_control = control;
	m->msg_controllen = at;
}

static bool message_takes(struct link_queue *q, const struct sock_batch *b, const struct dgram *d)
{
	const struct sock_message *info = &b->info[b->count - 1];

	return !info->closed && d->len > 0 && d->len <= info->segment &&
	       info->count < SOCK_SEGMENT_MAX && info->bytes + d->len <= SOCK_PAYLOAD_MAX &&
	       (info->count > 1 || train_allowed(q, d, info->segment));
}

// Datagrams to one destination: adjacent ones of one size and one source become trains.
static void group_send(
    struct link_queue *q, const struct grouping *g, struct group *group, struct dgram **d)
{
	struct sock_batch *b = &q->tx;
	const struct sock_route *last = NULL;
	uint64_t last_handle = 0;

	for (unsigned i = group->first; i != GROUP_END; i = g->next[i]) {
		const struct sock_route *r = g->route[i];
		uint64_t handle = answer_handle(q, d[i]);

		if (b->fd != r->fd) {
			batch_send(q, b);
			b->fd = r->fd;
			last = NULL;
		}
		if (last == r && last_handle == handle && message_takes(q, b, d[i])) {
			if (b->info[b->count - 1].count == 1)
				train_begin(b);
		} else {
			message_begin(q, b, d[i], r);
		}
		last = r;
		last_handle = handle;
		message_append(b, d[i]);
	}
	group->fd = -1;
}

static unsigned burst_send(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct sock_batch *b = &q->tx;
	struct grouping g;

	g.count = 0;
	memset(g.slot, 0, sizeof(g.slot));
	for (unsigned i = 0; i < n; i++) {
		const struct sock_route *r = route_find(q, d[i]);

		if (!r)
			dgram_refuse(q, d[i], DROP_NO_ROUTE);
		else if (d[i]->len > SOCK_PAYLOAD_MAX)
			dgram_refuse(q, d[i], DROP_TX_TOO_BIG);
		else
			dgram_group(&g, d, i, r);
	}
	b->sent = 0;
	// Socket by socket, so that each takes as few system calls as possible.
	for (unsigned start = 0; start < g.count; start++) {
		int fd = g.group[start].fd;

		for (unsigned i = start; fd >= 0 && i < g.count; i++) {
			if (g.group[i].fd == fd)
				group_send(q, &g, &g.group[i], d);
		}
	}
	batch_send(q, b);
	sock_stat_add(&q->stats.tx_datagrams, b->sent);
	return b->sent;
}

unsigned sock_tx_copy(struct link_queue *q, struct dgram **d, unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i += BURST_MAX)
		sent += burst_send(q, d + i, n - i < BURST_MAX ? n - i : BURST_MAX);
	return sent;
}

unsigned sock_tx(struct link_queue *q, struct dgram **d, unsigned n)
{
	unsigned sent = sock_tx_copy(q, d, n);

	q->rx.lent -= n;
	return sent;
}
