// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/locals.h"
#include "dataplane/io/sock.h"

size_t sock_source_put(uint8_t *at, const struct endpoint *source, bool inet6)
{
	struct in6_pktinfo info6 = {0};
	struct in_pktinfo info = {0};

	if (inet6) {
		memcpy(&info6.ipi6_addr, source->addr, sizeof(info6.ipi6_addr));
		return sock_control_put(at, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	}
	info.ipi_spec_dst.s_addr = endpoint_v4(source);
	return sock_control_put(at, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static bool route_try(
    struct sock_route *r, const struct sock_socket *s, const struct local *l, bool to_v4)
{
	if (!sock_covers(s, &l->at) || (to_v4 ? !s->takes_v4 : !s->inet6))
		return false;
	r->fd = s->fd;
	r->inet6 = s->inet6;
	if (s->wildcard && !endpoint_is_unspecified(&l->at))
		r->control_len = (uint8_t)sock_source_put(r->control.bytes, &l->at, s->inet6);
	return true;
}

bool sock_route_open(struct link_queue *q, struct sock_route *r, uint8_t local, bool to_v4)
{
	const struct local *l = &q->sock->locals[local];

	if (!local_is_valid(l))
		return false;
	for (unsigned i = q->socket_count; i-- > 0;) {
		if (route_try(r, &q->sockets[i], l, to_v4))
			return true;
	}
	for (unsigned i = 0; i < q->sock->extra_count; i++) {
		if (route_try(r, &q->sock->extras[i], l, to_v4))
			return true;
	}
	return false;
}
