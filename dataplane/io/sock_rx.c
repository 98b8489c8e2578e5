// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/locals.h"
#include "dataplane/io/sock.h"

#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

void sock_control_read(struct msghdr *m, struct sock_arrival *a)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(a->to.addr, CMSG_DATA(c), sizeof(a->to.addr));
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			a->to = endpoint_from_v4(info.ipi_spec_dst.s_addr, a->to.port);
		} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&a->segment, CMSG_DATA(c), sizeof(a->segment));
		}
	}
}

static unsigned memo_slot(const struct endpoint *e)
{
	return (e->addr[15] ^ e->addr[14] ^ e->port) % SOCK_MEMO_SIZE;
}

// The local index of the destination; that of the socket with a handle when the table lacks it.
static void local_find(struct link_queue *q, const struct endpoint *to)
{
	struct sock_rx *rx = &q->rx;
	struct sock_memo *memo = &q->memo[memo_slot(to)];
	int found;

	rx->handle = 0;
	if (memo->local && endpoint_equal(&memo->at, to)) {
		rx->local = (uint8_t)(memo->local - 1);
		return;
	}
	found = locals_find(q->sock->locals, to);
	if (found >= 0) {
		*memo = (struct sock_memo){.at = *to, .local = (uint16_t)(found + 1)};
		rx->local = (uint8_t)found;
		return;
	}
	rx->local = rx->socket->local;
	rx->handle = sock_handle_make(rx->next);
	if (!__atomic_load_n(&q->missed_full, __ATOMIC_ACQUIRE)) {
		q->missed = *to;
		__atomic_store_n(&q->missed_full, 1, __ATOMIC_RELEASE);
	}
}

static void message_start(struct link_queue *q, struct mmsghdr *m)
{
	struct sock_rx *rx = &q->rx;
	const struct sock_socket *s = rx->socket;
	const union sock_name *from = &rx->from[rx->next];
	struct sock_arrival a = {.to.port = s->at.port};

	if (s->inet6)
		rx->src =
		    endpoint_from_v6(from->in6.sin6_addr.s6_addr, be16toh(from->in6.sin6_port));
	else
		rx->src = endpoint_from_v4(from->in.sin_addr.s_addr, be16toh(from->in.sin_port));
	if (m->msg_hdr.msg_controllen)
		sock_control_read(&m->msg_hdr, &a);
	rx->segment = a.segment > 0 ? (uint32_t)a.segment : m->msg_len;
	if (s->wildcard) {
		local_find(q, &a.to);
	} else {
		rx->local = s->local;
		rx->handle = 0;
	}
	sock_stat_add(&q->stats.rx_bytes, m->msg_len);
}

// Fills descriptors from the message that is next; moves on to the one after when it is used up.
static unsigned message_split(struct link_queue *q, struct dgram *d, unsigned slot, unsigned max)
{
	struct sock_rx *rx = &q->rx;
	struct mmsghdr *m = &rx->msg[rx->next];
	uint8_t *bytes = m->msg_hdr.msg_iov->iov_base;
	unsigned n = 0;
	bool train;

	if (rx->offset == 0)
		message_start(q, m);
	train = rx->segment < m->msg_len;
	do {
		uint32_t left = m->msg_len - rx->offset;
		uint32_t len = left < rx->segment ? left : rx->segment;
		uint8_t *data = bytes + rx->offset;

		if (train && len <= SOCK_SHORT_MAX) {
			uint8_t *copy = rx->shorts + (size_t)(slot + n) * SOCK_SHORT_STRIDE;

			data = memcpy(copy + HEADROOM, data, len);
		}
		d[n].data = data;
		d[n].l2 = NULL;
		d[n].len = len;
		d[n].src = rx->src;
		d[n].link = q->sock->link_index;
		d[n].local = rx->local;
		d[n].handle = rx->handle;
		n++;
		rx->offset += len;
	} while (rx->offset < m->msg_len && n < max);
	if (rx->offset == m->msg_len) {
		rx->offset = 0;
		rx->next++;
	}
	return n;
}

static bool sender_same(const union sock_name *a, const union sock_name *b, bool inet6)
{
	uint64_t x, y; // family and port, and the address of IPv4

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	if (x != y)
		return false;
	return !inet6 || IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
}

// Counts datagrams that repeat the source and size of the one before; from a quarter of them on,
// trains spare more than GRO costs.
static void gro_consider(struct sock_rx *rx, struct sock_socket *s)
{
	for (unsigned i = 1; i < rx->received; i++) {
		s->repeats += rx->msg[i].msg_len == rx->msg[i - 1].msg_len &&
			      sender_same(&rx->from[i], &rx->from[i - 1], s->inet6);
	}
	s->messages += rx->received;
	if (s->messages < SOCK_GRO_WINDOW)
		return;
	if (s->repeats >= s->messages / 4)
		s->gro = setsockopt(s->fd, SOL_UDP, UDP_GRO, &(int){1}, sizeof(int)) == 0;
	s->messages = 0;
	s->repeats = 0;
}

static bool socket_receive(struct link_queue *q, struct sock_socket *s, int flags)
{
	struct sock_rx *rx = &q->rx;
	int got;

	// The kernel wrote over these in the messages that it used the last time.
	for (unsigned i = 0; i < rx->received; i++) {
		rx->msg[i].msg_hdr.msg_namelen = sizeof(rx->from[i]);
		rx->msg[i].msg_hdr.msg_controllen = SOCK_CONTROL_SIZE;
	}
	rx->received = 0;
	rx->next = 0;
	got = recvmmsg(s->fd, rx->msg, BURST_MAX, flags, NULL);
	if (got <= 0)
		return false;
	rx->socket = s;
	rx->received = (unsigned)got;
	if (!s->gro)
		gro_consider(rx, s);
	return true;
}

static bool extra_receive(struct link_queue *q)
{
	struct epoll_event event;

	if (epoll_wait(q->epoll, &event, 1, 0) != 1)
		return false;
	return socket_receive(q, &q->sock->extras[event.data.u32], MSG_DONTWAIT);
}

// Asks the kernel which sockets have input and takes the first behind the hot one.
static bool ready_receive(struct link_queue *q)
{
	struct pollfd fds[SOCK_SOCKETS_MAX + 1];
	unsigned n = q->socket_count;

	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = q->sockets[i].fd, .events = POLLIN};
	fds[n] = (struct pollfd){.fd = q->epoll, .events = POLLIN};
	if (poll(fds, n + 1, 0) <= 0)
		return false;
	if (fds[n].revents && extra_receive(q))
		return true;
	for (unsigned i = 1; i <= n; i++) {
		unsigned at = (q->rx.hot + i) % n;

		if (fds[at].revents && socket_receive(q, &q->sockets[at], MSG_DONTWAIT)) {
			q->rx.hot = at;
			return true;
		}
	}
	return false;
}

static bool queue_is_alone(const struct link_queue *q)
{
	return q->socket_count == 1 && q->epoll < 0;
}

static bool messages_receive(struct link_queue *q)
{
	struct sock_rx *rx = &q->rx;
	bool alone = queue_is_alone(q);

	if (q->socket_count && (alone || rx->batches < SOCK_TURN) &&
	    socket_receive(q, &q->sockets[rx->hot], MSG_DONTWAIT)) {
		// What did not fill a batch was all: asking which socket has more is cheaper.
		rx->batches = rx->received < BURST_MAX ? SOCK_TURN : rx->batches + 1;
		return true;
	}
	rx->batches = 0;
	return !alone && ready_receive(q);
}

// What comes is received here already; the next sock_rx hands it out.
void sock_wait(struct link_queue *q)
{
	if (queue_is_alone(q) && q->rx.next == q->rx.received)
		socket_receive(q, &q->sockets[0], MSG_WAITFORONE);
}

unsigned sock_rx(struct link_queue *q, struct dgram *d, unsigned max)
{
	struct sock_rx *rx = &q->rx;
	unsigned n = 0;

	// The buffers are in use until all of the last burst has come back.
	if (rx->lent)
		return 0;
	if (max > BURST_MAX)
		max = BURST_MAX;
	if (rx->next == rx->received && !messages_receive(q))
		return 0;
	while (n < max && rx->next < rx->received)
		n += message_split(q, d + n, n, max - n);
	rx->lent = n;
	sock_stat_add(&q->stats.rx_datagrams, n);
	return n;
}
