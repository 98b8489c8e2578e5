// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/locals.h"
#include "dataplane/io/sock.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static int error_set(struct link_error *err, int code, const struct endpoint *at, const char *what)
{
	char text[ENDPOINT_TEXT_MAX] = "?";
	const char *hint = "";

	endpoint_format(at, text, sizeof(text));
	if (code == -EADDRINUSE)
		hint = "; another program serves this port (see ss -ulpn), stop it or choose "
		       "another (--listen, --gossip-extra-ports)";
	else if (code == -EADDRNOTAVAIL)
		hint = "; this host does not have the address (see ip address), choose another "
		       "--listen";
	else if (code == -EACCES)
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE";
	else if (endpoint_is_link_local(at))
		hint = "; link-local addresses are not served, choose another --listen";
	snprintf(
	    err->text, sizeof(err->text), "cannot %s %s: %s%s", what, text, strerror(-code), hint);
	return code;
}

// The kernel may refuse an option that is a matter of speed or of an older kernel.
static void option_try(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static void buffers_size(struct sock_link *sock, int fd, const struct link_config *cfg)
{
	int wanted = (int)cfg->socket_buffer;
	int got = 0;
	socklen_t len = sizeof(got);

	if (wanted <= 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)))
		option_try(fd, SOL_SOCKET, SO_RCVBUF, wanted);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)))
		option_try(fd, SOL_SOCKET, SO_SNDBUF, wanted);
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	sock->buffer_wanted = wanted;
	sock->buffer_got = got / 2; // the kernel counts its own overhead as much again
}

static void options_set(
    struct sock_link *sock, struct sock_socket *s, const struct link_config *cfg)
{
	const struct timeval wait = {.tv_usec = SOCK_WAIT_US};
	int fd = s->fd;

	s->gro = cfg->singly;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	buffers_size(sock, fd, cfg);
	// Never DF: a frame larger than the path's MTU is fragmented, here or on the way. With IPv4
	// routers can, so no ICMP error is believed, which anybody could make up; with IPv6 they
	// cannot, and none takes an MTU below 1280 bytes.
	if (s->takes_v4)
		option_try(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	if (s->inet6)
		option_try(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	if (s->wildcard && s->inet6)
		option_try(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	else if (s->wildcard)
		option_try(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (cfg->busy_poll_us)
		option_try(fd, SOL_SOCKET, SO_BUSY_POLL, (int)cfg->busy_poll_us);
}

static int socket_bind(const struct sock_socket *s, bool shared)
{
	struct sockaddr_storage at;
	socklen_t len = endpoint_to_sockaddr(&s->at, &at);
	struct sockaddr_in6 at6;

	if (s->inet6)
		option_try(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, !s->takes_v4);
	if (shared)
		option_try(s->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!s->inet6 && !endpoint_is_v4(&s->at)) {
		struct endpoint any = endpoint_from_v4(INADDR_ANY, s->at.port);

		len = endpoint_to_sockaddr(&any, &at);
	} else if (s->inet6) {
		endpoint_to_sockaddr_in6(&s->at, &at6);
		return bind(s->fd, (struct sockaddr *)&at6, sizeof(at6)) ? -errno : 0;
	}
	return bind(s->fd, (struct sockaddr *)&at, len) ? -errno : 0;
}

// A socket of the right family. `::` on a host without IPv6 is served as 0.0.0.0.
static int socket_create(struct sock_socket *s)
{
	bool v6 = !endpoint_is_v4(&s->at);

	s->inet6 = v6;
	s->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 && v6 && errno == EAFNOSUPPORT && s->wildcard && s->takes_v4) {
		s->inet6 = 0;
		s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	return s->fd < 0 ? -errno : 0;
}

// With SO_REUSEPORT the kernel would let a second relay share the port unnoticed, and with it the
// nodes' datagrams; so the first bind of a port goes without.
static int port_probe(const struct sock_socket *s)
{
	struct sock_socket probe = *s;
	int err = socket_create(&probe);

	if (err == 0) {
		err = socket_bind(&probe, false);
		close(probe.fd);
	}
	return err;
}

static int socket_open(struct sock_link *sock, struct sock_socket *s, const struct link_config *cfg,
    struct link_error *err)
{
	int code = socket_create(s);

	if (code < 0)
		return error_set(err, code, &s->at, "open a socket for");
	options_set(sock, s, cfg);
	code = socket_bind(s, sock->ports_shared);
	if (code < 0) {
		close(s->fd);
		s->fd = -1;
		return error_set(err, code, &s->at, "bind");
	}
	return 0;
}

bool sock_covers(const struct sock_socket *s, const struct endpoint *at)
{
	if (s->at.port != at->port)
		return false;
	if (endpoint_same_addr(&s->at, at))
		return true;
	return s->wildcard && (endpoint_is_v4(at) ? s->takes_v4 : s->inet6);
}

static bool has_v4_wildcard(const struct local *locals, uint16_t port)
{
	struct endpoint any = endpoint_from_v4(INADDR_ANY, port);

	return locals_find(locals, &any) >= 0;
}

static struct sock_socket socket_for(const struct local *locals, unsigned index)
{
	struct sock_socket s = {.fd = -1, .at = locals[index].at, .local = (uint8_t)index};

	s.wildcard = endpoint_is_unspecified(&s.at);
	if (endpoint_is_v4(&s.at))
		s.takes_v4 = 1;
	else
		s.takes_v4 = s.wildcard && !has_v4_wildcard(locals, s.at.port);
	return s;
}

static bool queue_covers(const struct link_queue *q, const struct endpoint *at)
{
	for (unsigned i = 0; i < q->socket_count; i++) {
		if (sock_covers(&q->sockets[i], at))
			return true;
	}
	return false;
}

static int sockets_open(struct sock_link *sock, struct sock_socket *s,
    const struct link_config *cfg, struct link_error *err)
{
	for (unsigned i = 0; i < sock->queue_count; i++) {
		struct link_queue *q = sock->queues[i];
		int code = socket_open(sock, s, cfg, err);

		if (code < 0)
			return code;
		q->sockets[q->socket_count++] = *s;
	}
	return 0;
}

static int served_open(
    struct sock_link *sock, unsigned index, const struct link_config *cfg, struct link_error *err)
{
	struct sock_socket s = socket_for(cfg->locals, index);
	int code;

	if (!s.wildcard && queue_covers(sock->queues[0], &s.at))
		return 0;
	code = port_probe(&s);
	if (code < 0)
		return error_set(err, code, &s.at, "serve on");
	return sockets_open(sock, &s, cfg, err);
}

static int extra_open(
    struct sock_link *sock, unsigned index, const struct link_config *cfg, struct link_error *err)
{
	struct sock_socket s = socket_for(cfg->locals, index);
	struct link_queue *q = sock->queues[sock->extra_count % sock->queue_count];
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = sock->extra_count};
	int code = port_probe(&s);

	if (code < 0)
		return error_set(err, code, &s.at, "gossip from");
	code = socket_open(sock, &s, cfg, err);
	if (code < 0)
		return code;
	sock->extras[sock->extra_count++] = s;
	if (q->epoll < 0)
		q->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (q->epoll < 0 || epoll_ctl(q->epoll, EPOLL_CTL_ADD, s.fd, &event))
		return error_set(err, -errno, &s.at, "poll");
	return 0;
}

static bool has_wildcard(const struct local *locals)
{
	for (unsigned i = 0; i < LOCAL_MAX; i++) {
		if (local_is_valid(&locals[i]) && endpoint_is_unspecified(&locals[i].at))
			return true;
	}
	return false;
}

static bool queue_has(const struct link_queue *q, const struct endpoint *at)
{
	for (unsigned i = 0; i < q->socket_count; i++) {
		if (endpoint_equal(&q->sockets[i].at, at))
			return true;
	}
	return q->socket_count == SOCK_SOCKETS_MAX;
}

// Enters an address of the host into the local table for each wildcard socket that takes it, and
// gives it sockets of its own. Where that fails (an address may vanish or not be ready yet) the
// wildcard serves it.
static void address_serve(
    struct sock_link *sock, struct endpoint *at, const struct link_config *cfg)
{
	const struct link_queue *q = sock->queues[0];
	struct link_error err;

	for (unsigned i = 0, n = q->socket_count; i < n; i++) {
		struct sock_socket s;
		int local;

		at->port = q->sockets[i].at.port;
		if (!q->sockets[i].wildcard || !sock_covers(&q->sockets[i], at))
			continue;
		local = locals_add(sock->locals, at, SOCK_LEARN_MAX);
		if (local < 0 || endpoint_is_loopback(at) || queue_has(q, at))
			continue;
		s = socket_for(sock->locals, (unsigned)local);
		sockets_open(sock, &s, cfg, &err);
	}
}

static void addresses_serve(struct sock_link *sock, const struct link_config *cfg)
{
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return;
	for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
		struct sockaddr_in6 in6;
		struct endpoint at;

		if (!a->ifa_addr || !(a->ifa_flags & IFF_UP) ||
		    endpoint_from_sockaddr(a->ifa_addr, sizeof(in6), &at))
			continue;
		endpoint_to_sockaddr_in6(&at, &in6);
		// A link-local address needs a scope, which endpoints do not have.
		if (!IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			address_serve(sock, &at, cfg);
	}
	freeifaddrs(list);
}

int sock_sockets_open(struct sock_link *sock, const struct link_config *cfg, struct link_error *err)
{
	const struct local *locals = cfg->locals;
	int code = 0;

	sock->ports_shared = sock->queue_count > 1 || has_wildcard(locals);

	// Wildcards first: they cover the host's addresses on their port.
	for (int wildcard = 1; wildcard >= 0; wildcard--) {
		for (unsigned i = 0; i < LOCAL_MAX && code == 0; i++) {
			if (local_is_valid(&locals[i]) && !locals[i].extra &&
			    endpoint_is_unspecified(&locals[i].at) == wildcard)
				code = served_open(sock, i, cfg, err);
		}
	}
	for (unsigned i = 0; i < LOCAL_MAX && code == 0; i++) {
		if (local_is_valid(&locals[i]) && locals[i].extra)
			code = extra_open(sock, i, cfg, err);
	}
	if (code == 0)
		addresses_serve(sock, cfg);
	return code;
}

void sock_sockets_close(struct sock_link *sock)
{
	for (unsigned i = 0; i < sock->queue_count; i++) {
		struct link_queue *q = sock->queues[i];

		for (unsigned k = 0; q && k < q->socket_count; k++)
			close(q->sockets[k].fd);
		if (q && q->epoll >= 0)
			close(q->epoll);
	}
	for (unsigned i = 0; i < sock->extra_count; i++)
		close(sock->extras[i].fd);
	sock->extra_count = 0;
}
