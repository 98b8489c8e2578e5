// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/rtnl.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RECEIVE_BUFFER = 4 << 20,
	MESSAGES_AT_ONCE = 64, // reads before the loop's other work gets its turn
	DISCARD_PORT = 9,
};

static int netlink_socket(uint32_t groups)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int size = RECEIVE_BUFFER, one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

// -1 where the family is not there; nothing is probed then.
static int probe_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one));
	return fd;
}

int rtnl_open(struct rtnl *n, const struct routes_hooks *hooks)
{
	int rc = routes_init(&n->routes, hooks);

	if (rc)
		return rc;
	n->events =
	    netlink_socket(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
			   RTMGRP_IPV4_RULE | 1U << (RTNLGRP_IPV6_RULE - 1));
	n->dumps = netlink_socket(0);
	n->probe_v4 = probe_socket(AF_INET);
	n->probe_v6 = probe_socket(AF_INET6);
	if (n->events < 0 || n->dumps < 0)
		return n->events < 0 ? n->events : n->dumps;
	return 0;
}

static void send_request(struct rtnl *n, uint64_t now_ns)
{
	struct netlink_request request;

	if (!routes_request(&n->routes, now_ns, &request))
		return;
	if (send(n->dumps, &request, request.header.nlmsg_len, 0) < 0) {
		routes_unsent(&n->routes);
		log_warn("routes cannot be asked for", kv_errno(errno));
	}
}

static void take_messages(struct rtnl *n, const uint8_t *data, size_t len, bool dump)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len;) {
		const struct nlmsghdr *m = (const struct nlmsghdr *)(data + at);

		if (m->nlmsg_len < sizeof(*m) || m->nlmsg_len > len - at)
			return;
		routes_message(&n->routes, m, dump);
		at += NLMSG_ALIGN(m->nlmsg_len);
	}
}

static void receive(struct rtnl *n, int fd, bool dump)
{
	static uint8_t data[65536] __attribute__((aligned(8)));

	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		ssize_t len = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (len > 0) {
			take_messages(n, data, (size_t)len, dump);
			continue;
		}
		if (len < 0 && errno == ENOBUFS) {
			routes_lost(&n->routes);
			continue;
		}
		return;
	}
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct rtnl *n = poll->data;

	(void)status;
	(void)events;
	receive(n, n->events, false);
}

static void on_dumps(uv_poll_t *poll, int status, int events)
{
	struct rtnl *n = poll->data;

	(void)status;
	(void)events;
	receive(n, n->dumps, true);
	send_request(n, clock_mono_ns());
}

void rtnl_start(struct rtnl *n, uv_loop_t *loop)
{
	n->loop = loop;
	uv_poll_init(loop, &n->poll_events, n->events);
	uv_poll_init(loop, &n->poll_dumps, n->dumps);
	n->poll_events.data = n->poll_dumps.data = n;
	uv_poll_start(&n->poll_events, UV_READABLE, on_events);
	uv_poll_start(&n->poll_dumps, UV_READABLE, on_dumps);
	send_request(n, clock_mono_ns());
}

void rtnl_stop(struct rtnl *n)
{
	uv_close((uv_handle_t *)&n->poll_events, NULL);
	uv_close((uv_handle_t *)&n->poll_dumps, NULL);
}

void rtnl_tick(struct rtnl *n, uint64_t now_ns)
{
	send_request(n, now_ns);
}

void rtnl_probe(const struct rtnl *n, uint32_t ifindex, const uint8_t addr[16])
{
	struct endpoint at = endpoint_from_v6(addr, DISCARD_PORT);
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&at, &to);
	int fd = to.ss_family == AF_INET ? n->probe_v4 : n->probe_v6;

	if (to.ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)addr))
		((struct sockaddr_in6 *)&to)->sin6_scope_id = ifindex;
	if (fd >= 0 && sendto(fd, "", 0, MSG_DONTWAIT, (struct sockaddr *)&to, len) < 0)
		log_debug("neighbour not probed", kv("interface", ifindex), kv_errno(errno));
}
