// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

enum { NUD_USABLE = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP };

// Fills `table` (entries of `max` + 1) with the attributes behind a header of `fixed` bytes.
static int attributes(
    const struct nlmsghdr *msg, size_t fixed, const struct rtattr **table, unsigned max)
{
	const uint8_t *at = (const uint8_t *)NLMSG_DATA(msg) + NLMSG_ALIGN(fixed);
	const uint8_t *end = (const uint8_t *)msg + msg->nlmsg_len;

	for (unsigned i = 0; i <= max; i++)
		table[i] = NULL;
	if (msg->nlmsg_len < NLMSG_LENGTH(fixed))
		return -EBADMSG;
	while (at + sizeof(struct rtattr) <= end) {
		const struct rtattr *a = (const struct rtattr *)at;
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (a->rta_len < sizeof(*a) || a->rta_len > (size_t)(end - at))
			return -EBADMSG;
		if (type <= max)
			table[type] = a;
		at += RTA_ALIGN(a->rta_len);
	}
	return 0;
}

static uint32_t attribute_u32(const struct rtattr *a, uint32_t otherwise)
{
	uint32_t v;

	if (!a || RTA_PAYLOAD(a) < sizeof(v))
		return otherwise;
	memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

// IPv4 becomes IPv4-mapped. False when the attribute has another size.
static bool address_of(const void *data, size_t len, uint8_t out[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (len == 16) {
		memcpy(out, data, 16);
		return true;
	}
	if (len != 4)
		return false;
	memcpy(out, mapped, 12);
	memcpy(out + 12, data, 4);
	return true;
}

static bool attribute_address(const struct rtattr *a, uint8_t out[16])
{
	return a && address_of(RTA_DATA(a), RTA_PAYLOAD(a), out);
}

static uint16_t metrics_mtu(const struct rtattr *metrics)
{
	const struct rtattr *a;
	int left;

	if (!metrics)
		return 0;
	a = RTA_DATA(metrics);
	left = (int)RTA_PAYLOAD(metrics);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTAX_MTU) {
			uint32_t mtu = attribute_u32(a, 0);
			return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
		}
	return 0;
}

// The gateway of another family than the route's (RFC 8950 style: IPv4 over IPv6).
static bool via_address(const struct rtattr *a, uint8_t out[16])
{
	const struct rtvia *via = a ? RTA_DATA(a) : NULL;

	return via && RTA_PAYLOAD(a) > sizeof(*via) &&
	       address_of(via->rtvia_addr, RTA_PAYLOAD(a) - sizeof(*via), out);
}

// One of several ways; false for one that the mirror cannot take.
static bool parse_way(const struct rtnexthop *hop, struct netlink_way *way)
{
	const struct rtattr *a = RTNH_DATA(hop);
	int left = hop->rtnh_len - (int)RTNH_LENGTH(0);

	// The kernel keeps the weight less one.
	*way = (struct netlink_way){.ifindex = (uint32_t)hop->rtnh_ifindex,
	    .weight = hop->rtnh_hops < UINT8_MAX ? hop->rtnh_hops + 1 : UINT8_MAX};
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_ENCAP)
			return false;
		if (a->rta_type == RTA_GATEWAY && !attribute_address(a, way->gateway))
			return false;
		if (a->rta_type == RTA_VIA && !via_address(a, way->gateway))
			return false;
	}
	return true;
}

// What is too much for us stays a route that only the kernel knows.
static int parse_ways(const struct rtattr *list, struct netlink_event *out)
{
	const struct rtnexthop *hop = RTA_DATA(list);
	int left = (int)RTA_PAYLOAD(list);
	struct netlink_way way;
	unsigned count = 0;

	for (; left >= (int)sizeof(*hop) && RTNH_OK(hop, left);
	     left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		if (hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
			continue;
		if (count > NETLINK_WAY_MAX || !parse_way(hop, &way)) {
			count = 0;
			break;
		}
		if (count++ == 0) {
			out->route.ifindex = way.ifindex;
			out->route.weight = way.weight;
			memcpy(out->route.gateway, way.gateway, 16);
		} else {
			out->ways[count - 2] = way;
		}
	}
	if (count == 0)
		out->route.ifindex = 0;
	out->way_count = count > 1 ? count - 1 : 0;
	if (count == 1)
		out->route.weight = 0;
	return 0;
}

static int parse_route(const struct nlmsghdr *msg, struct netlink_event *out)
{
	const struct rtmsg *r = NLMSG_DATA(msg);
	const struct rtattr *a[RTA_MAX + 1];
	struct route *route = &out->route;
	int rc = attributes(msg, sizeof(*r), a, RTA_MAX);

	if (rc)
		return rc;
	if ((r->rtm_family != AF_INET && r->rtm_family != AF_INET6) ||
	    (r->rtm_flags & RTM_F_CLONED) || (r->rtm_flags & RTNH_F_DEAD) || r->rtm_tos)
		return 0;
	out->kind = NETLINK_IS_ROUTE;
	out->table = attribute_u32(a[RTA_TABLE], r->rtm_table);
	route->length = (uint8_t)(r->rtm_dst_len + (r->rtm_family == AF_INET ? 96 : 0));
	if (route->length > 128)
		return -EBADMSG;
	if (r->rtm_family == AF_INET)
		route->prefix[10] = route->prefix[11] = 0xff;
	if (a[RTA_DST] && !attribute_address(a[RTA_DST], route->prefix))
		return -EBADMSG;
	route->metric = attribute_u32(a[RTA_PRIORITY], 0);
	route->mtu = metrics_mtu(a[RTA_METRICS]);
	if (r->rtm_type != RTN_UNICAST || r->rtm_src_len || a[RTA_ENCAP])
		return 0;
	if (a[RTA_MULTIPATH])
		return parse_ways(a[RTA_MULTIPATH], out);
	route->ifindex = attribute_u32(a[RTA_OIF], 0);
	if (!attribute_address(a[RTA_GATEWAY], route->gateway))
		via_address(a[RTA_VIA], route->gateway);
	return 0;
}

static int parse_neigh(const struct nlmsghdr *msg, struct netlink_event *out)
{
	const struct ndmsg *n = NLMSG_DATA(msg);
	const struct rtattr *a[NDA_MAX + 1];
	int rc = attributes(msg, sizeof(*n), a, NDA_MAX);

	if (rc)
		return rc;
	if ((n->ndm_family != AF_INET && n->ndm_family != AF_INET6) || (n->ndm_flags & NTF_PROXY) ||
	    !attribute_address(a[NDA_DST], out->neigh.addr))
		return 0;
	out->kind = NETLINK_IS_NEIGH;
	out->neigh.ifindex = (uint32_t)n->ndm_ifindex;
	out->neigh.usable = (n->ndm_state & NUD_USABLE) && a[NDA_LLADDR] &&
			    RTA_PAYLOAD(a[NDA_LLADDR]) == sizeof(out->neigh.mac);
	out->neigh.stale = out->neigh.usable && (n->ndm_state & NUD_STALE);
	if (out->neigh.usable)
		memcpy(out->neigh.mac, RTA_DATA(a[NDA_LLADDR]), sizeof(out->neigh.mac));
	return 0;
}

static int parse_rule(const struct nlmsghdr *msg, struct netlink_event *out)
{
	const struct fib_rule_hdr *r = NLMSG_DATA(msg);
	const struct rtattr *a[FRA_MAX + 1];
	uint32_t table, priority;
	int rc = attributes(msg, sizeof(*r), a, FRA_MAX);

	if (rc)
		return rc;
	if (r->family != AF_INET && r->family != AF_INET6)
		return 0;
	table = attribute_u32(a[FRA_TABLE], r->table);
	priority = attribute_u32(a[FRA_PRIORITY], 0);
	out->kind = NETLINK_IS_RULE;
	out->policy = r->src_len || r->dst_len || r->action != FR_ACT_TO_TBL || a[FRA_FWMARK] ||
		      a[FRA_IIFNAME] || a[FRA_OIFNAME] || a[FRA_L3MDEV] ||
		      !((priority == 0 && table == RT_TABLE_LOCAL) ||
			  (priority == 32766 && table == RT_TABLE_MAIN) ||
			  (priority == 32767 && table == RT_TABLE_DEFAULT));
	return 0;
}

static int parse_link(const struct nlmsghdr *msg, struct netlink_event *out)
{
	const struct ifinfomsg *i = NLMSG_DATA(msg);

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(*i)))
		return -EBADMSG;
	out->kind = NETLINK_IS_LINK;
	out->ifindex = (uint32_t)i->ifi_index;
	out->up = (i->ifi_flags & IFF_UP) && (i->ifi_flags & IFF_RUNNING);
	return 0;
}

int netlink_parse(const struct nlmsghdr *msg, struct netlink_event *out)
{
	*out = (struct netlink_event){.kind = NETLINK_OTHER};
	switch (msg->nlmsg_type) {
	case RTM_DELROUTE:
	case RTM_DELNEIGH:
	case RTM_DELRULE:
	case RTM_DELLINK:
		out->removed = true;
		break;
	default:
		break;
	}
	switch (msg->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return parse_route(msg, out);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return parse_neigh(msg, out);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return parse_rule(msg, out);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return parse_link(msg, out);
	default:
		return 0;
	}
}

void netlink_dump_request(struct netlink_request *out, enum netlink_kind kind, uint8_t family,
    uint32_t table, uint32_t sequence)
{
	size_t size;

	*out = (struct netlink_request){
	    .header = {.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = sequence},
	};
	out->body[0] = family; // the first byte of each of these headers
	switch (kind) {
	case NETLINK_IS_ROUTE: {
		struct rtattr a = {.rta_len = RTA_LENGTH(4), .rta_type = RTA_TABLE};

		out->header.nlmsg_type = RTM_GETROUTE;
		size = sizeof(struct rtmsg);
		memcpy(out->body + size, &a, sizeof(a));
		memcpy(out->body + size + RTA_LENGTH(0), &table, sizeof(table));
		size += RTA_LENGTH(4);
		break;
	}
	case NETLINK_IS_NEIGH:
		out->header.nlmsg_type = RTM_GETNEIGH;
		size = sizeof(struct ndmsg);
		break;
	case NETLINK_IS_RULE:
		out->header.nlmsg_type = RTM_GETRULE;
		size = sizeof(struct fib_rule_hdr);
		break;
	default:
		out->header.nlmsg_type = RTM_GETLINK;
		out->body[0] = AF_UNSPEC;
		size = sizeof(struct ifinfomsg);
		break;
	}
	out->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
}
