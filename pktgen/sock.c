// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/backend.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
	SOCKET_BUFFER = 16 << 20,
	RECEIVE_BUFFERS = 8, // each may hold a train of datagrams
	SEGMENTS_MAX = 64,   // of a train that we send
	TRAIN_MAX = 128,     // of a train that the kernel may deliver
	SUPER_MAX = 65000,   // bytes of a train handed to the kernel at once
};

struct sock {
	int *fds;
	int epoll;
	uint32_t train_max; // bytes of the longest datagram that trains are made of
	struct mmsghdr in[RECEIVE_BUFFERS];
	struct iovec in_iov[RECEIVE_BUFFERS];
	char in_control[RECEIVE_BUFFERS][CMSG_SPACE(sizeof(int))];
	uint8_t *in_data;
};

static int open_one(const struct options *o)
{
	struct sockaddr_storage local, relay;
	struct endpoint from = o->from;
	socklen_t relay_len = endpoint_to_sockaddr(&o->to, &relay), local_len;
	int one = 1, size = SOCKET_BUFFER, fd;

	from.port = 0;
	local_len = endpoint_to_sockaddr(&from, &local);
	fd = socket(relay.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one));
	if ((o->from.port && bind(fd, (struct sockaddr *)&local, local_len)) ||
	    connect(fd, (struct sockaddr *)&relay, relay_len)) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static void sock_close(struct backend *b)
{
	struct sock *s = b->priv;

	if (!s)
		return;
	for (uint32_t i = 0; s->fds && i < b->sockets; i++)
		if (s->fds[i] >= 0)
			close(s->fds[i]);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s->fds);
	free(s->in_data);
	free(s);
	b->priv = NULL;
}

static int open_all(struct backend *b, struct sock *s, const struct options *o, char *error)
{
	char text[ENDPOINT_TEXT_MAX];

	for (uint32_t i = 0; i < b->sockets; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		s->fds[i] = open_one(o);
		if (s->fds[i] < 0) {
			endpoint_format(&o->to, text, sizeof(text));
			snprintf(error, BACKEND_ERROR_MAX,
			    "socket %u of %u to %s: %s (fewer --sockets, another --from, ulimit "
			    "-n)",
			    i + 1, b->sockets, text, strerror(-s->fds[i]));
			return s->fds[i];
		}
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->fds[i], &event)) {
			int rc = -errno;

			snprintf(error, BACKEND_ERROR_MAX, "epoll: %s", strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static int sock_open(struct backend *b, const struct options *o, char *error)
{
	struct sock *s = calloc(1, sizeof(*s));
	int failed;

	b->priv = s;
	b->sockets = o->sockets < o->nodes ? o->sockets : o->nodes;
	if (!s) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory");
		return -ENOMEM;
	}
	s->train_max = MESSAGE_MAX;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->fds = malloc(b->sockets * sizeof(*s->fds));
	for (uint32_t i = 0; s->fds && i < b->sockets; i++)
		s->fds[i] = -1;
	s->in_data = malloc((size_t)RECEIVE_BUFFERS * MESSAGE_MAX);
	if (s->epoll < 0 || !s->fds || !s->in_data) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory or descriptors");
		sock_close(b);
		return -ENOMEM;
	}
	for (int i = 0; i < RECEIVE_BUFFERS; i++) {
		s->in_iov[i] = (struct iovec){s->in_data + (size_t)i * MESSAGE_MAX, MESSAGE_MAX};
		s->in[i].msg_hdr = (struct msghdr){.msg_iov = &s->in_iov[i], .msg_iovlen = 1};
	}
	failed = open_all(b, s, o, error);
	if (failed)
		sock_close(b);
	return failed;
}

// Length of the run of equal sizes at the front that one send can carry (the last may be shorter).
static unsigned train_length(const struct sock *s, const struct message *m, unsigned n)
{
	size_t total = m[0].len;
	unsigned run = 1, most = m[0].len > s->train_max ? 1 : SEGMENTS_MAX;

	while (run < n && run < most && m[run].len <= m[0].len && total + m[run].len <= SUPER_MAX) {
		total += m[run].len;
		if (m[run++].len < m[0].len)
			break;
	}
	return run;
}

static void set_segment(struct msghdr *h, char *control, uint16_t size)
{
	struct cmsghdr *c;

	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(sizeof(size));
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

// The kernel fragments a datagram that the device cannot carry whole, but cuts no such train.
static bool train_is_refused(int error)
{
	return error == EINVAL || error == EMSGSIZE || error == EIO;
}

static unsigned trains_send(struct sock *s, const struct message *m, unsigned n)
{
	struct mmsghdr out[BATCH];
	struct iovec iov[BATCH];
	char control[BATCH][CMSG_SPACE(sizeof(uint16_t))];
	unsigned first_of[BATCH + 1], count = 0, i = 0;
	int sent;

	memset(control, 0, sizeof(control));
	for (; i < n; count++) {
		unsigned run = train_length(s, m + i, n - i);

		first_of[count] = i;
		out[count] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = run}};
		if (run > 1)
			set_segment(&out[count].msg_hdr, control[count], (uint16_t)m[i].len);
		for (unsigned end = i + run; i < end; i++)
			iov[i] = (struct iovec){m[i].data, m[i].len};
	}
	first_of[count] = n;
	sent = sendmmsg(s->fds[m->place], out, count, 0);
	if (sent < 0 && out[0].msg_hdr.msg_iovlen > 1 && train_is_refused(errno))
		s->train_max = m->len - 1;
	return sent < 0 ? 0 : first_of[sent];
}

static unsigned sock_send(struct backend *b, const struct message *m, unsigned n)
{
	struct sock *s = b->priv;
	uint32_t train_max = s->train_max;
	unsigned sent = trains_send(s, m, n);

	return s->train_max == train_max ? sent : trains_send(s, m, n);
}

static uint16_t segment_size(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		int size;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return (uint16_t)size;
	}
	return 0;
}

static unsigned receive_from(struct sock *s, uint32_t place, struct message *m, unsigned max)
{
	unsigned buffers = max / TRAIN_MAX < RECEIVE_BUFFERS ? max / TRAIN_MAX : RECEIVE_BUFFERS;
	unsigned n = 0;
	int got;

	for (unsigned i = 0; i < buffers; i++) {
		s->in[i].msg_hdr.msg_control = s->in_control[i];
		s->in[i].msg_hdr.msg_controllen = sizeof(s->in_control[i]);
	}
	got = recvmmsg(s->fds[place], s->in, buffers, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		uint32_t left = s->in[i].msg_len, size = segment_size(&s->in[i].msg_hdr);
		uint8_t *p = s->in_iov[i].iov_base;

		do {
			uint32_t len = size && size < left ? size : left;

			m[n++] = (struct message){p, len, place};
			p += len;
			left -= len;
		} while (left && n < max);
	}
	return n;
}

static unsigned sock_receive(struct backend *b, struct message *m, unsigned max, int timeout_ms)
{
	struct sock *s = b->priv;
	struct epoll_event event;

	if (epoll_wait(s->epoll, &event, 1, timeout_ms) < 1)
		return 0;
	return receive_from(s, event.data.u32, m, max);
}

const struct backend_ops backend_sock = {
    .open = sock_open, .send = sock_send, .receive = sock_receive, .close = sock_close};
