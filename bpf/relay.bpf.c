// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

// Relays the common datagram without the engine: 0x05 from a node that the control plane put into
// the maps to another such, both reached over raw interfaces. Sender check, police, rewriting,
// counters and drops are the engine's (dataplane/stage/). Whatever is not plain goes the way that
// the steering program sends it, and the engine decides.

#include "bpf/relay_headers.h"
#include "bpf/relay_tables.h"

static __always_inline int sender_from_elsewhere(
    const struct kernel_rules *set, const struct relay *r, _Bool known)
{
	uint32_t bit = kernel_peer_bit(r->from.words);

	if (set->peers[bit / 64 % (KERNEL_PEER_BITS / 64)] >> bit % 64 & 1)
		return UP; // perhaps a peer relay
	if (set->sender_check == SENDER_CHECK_OFF)
		return 0;
	return known ? DROP_SENDER_ADDRESS : DROP_SENDER_UNKNOWN;
}

// After the check: a spoofer cannot spend the node's tokens or keep it alive.
static __always_inline int sender_police(
    const struct kernel_rules *set, const struct node *n, _Bool from_endpoint)
{
	uint32_t index = node_word_index(n->w[1]);
	struct kernel_state *s = bpf_map_lookup_elem(&states, &index);
	uint64_t now = bpf_ktime_get_ns();
	uint32_t seen = now >> KERNEL_SEEN_SHIFT;

	if (!s)
		return UP;
	if (set->sender.interval_ns && !bucket_take(&s->full_at, &set->sender, now))
		return DROP_POLICE_SENDER;
	if (from_endpoint && s->seen != seen)
		s->seen = seen;
	return 0;
}

static __always_inline int relay_sender(const struct kernel_rules *set, const struct relay *r)
{
	struct node n;
	uint32_t at[4];
	_Bool known, same_port;
	int rc = node_find(set, r->sender, &n);

	if (rc)
		return rc;
	known = n.w[0] && !(node_word_flags(n.w[1]) & NODE_REMOTE);
	if (!known)
		return sender_from_elsewhere(set, r, 0);
	if (!node_address(&n, at))
		return UP;
	same_port = bpf_htons(node_word_port(n.w[1])) == r->from.port;
	if (!same_address(at, r->from.words) ||
	    (!same_port && set->sender_check == SENDER_CHECK_ENDPOINT))
		return sender_from_elsewhere(set, r, 1);
	return sender_police(set, &n, same_port);
}

// How frames leave to a next hop; UP for those that the engine or the kernel has to send.
static __always_inline int out_route(
    const struct kernel_places *p, const struct node *n, struct relay_out *o)
{
	uint32_t index = node_word_nexthop(n->w[1]), local = node_word_local(n->w[1]) % LOCAL_MAX;
	const uint64_t *nexthop = bpf_map_lookup_elem(&nexthops, &index);
	const struct kernel_egress *e;

	if (!index || !nexthop)
		return UP;
	o->nexthop = load_again(nexthop);
	e = &p->egress[nexthop_egress(o->nexthop)];
	o->ifindex = *(const volatile uint32_t *)&e->ifindex;
	o->mac = e->mac;
	o->mtu = e->mtu;
	o->link = e->link % LINK_MAX;
	o->flags = e->flags;
	o->local = p->locals[local];
	if (!nexthop_is_valid(o->nexthop) || !o->ifindex || !o->local.port)
		return UP;
	return 0;
}

static __always_inline _Bool is_v4(const uint32_t words[4])
{
	return words[2] == bpf_htonl(0xffff) && !(words[0] | words[1]);
}

// Only the kernel knows of IPv6 paths that carry less than the interface.
static __always_inline _Bool out_fits(const struct relay *r, const struct relay_out *o)
{
	uint32_t udp_len = relay_out_udp_len(r, o);

	if (o->v4)
		return sizeof(struct iphdr) + udp_len <= o->mtu;
	udp_len += sizeof(struct ipv6hdr);
	return udp_len <= IPV6_PATH_MTU && udp_len <= o->mtu;
}

static __always_inline int relay_dest(
    const struct kernel_rules *set, const struct relay *r, struct relay_out *o)
{
	const struct kernel_places *p = only(&places);
	struct node n;
	uint8_t flags;
	int rc;

	if (!p)
		return UP;
	rc = node_find(set, r->dest, &n);
	if (rc)
		return rc;
	if (!n.w[0])
		return DROP_DEST_UNKNOWN;
	flags = node_word_flags(n.w[1]);
	if (flags & NODE_REMOTE || !node_address(&n, o->to) || out_route(p, &n, o))
		return UP;
	o->v4 = !(flags & NODE_V6);
	o->carry = !!(flags & NODE_CARRY);
	o->ttl = set->ttl;
	o->to_port = bpf_htons(node_word_port(n.w[1]));
	if (is_v4(o->local.words) != o->v4 || (r->no_sum && !o->v4))
		return UP;
	return out_fits(r, o) ? 0 : UP;
}

static __always_inline _Bool is_traced(const struct kernel_rules *set, const struct relay *r)
{
	return set->trace_on &&
	       (!set->trace_node || set->trace_node == r->sender || set->trace_node == r->dest);
}

// Notes one in set->sample_gap datagrams, at random, as flows may take turns.
static __always_inline void sample(const struct kernel_rules *set, const struct relay *r)
{
	uint32_t cpu = bpf_get_smp_processor_id();
	uint32_t gap = *(const volatile uint32_t *)&set->sample_gap;
	struct kernel_samples *s = bpf_map_lookup_elem(&samples, &cpu);
	struct kernel_sample *at;

	if (!s || !gap)
		return;
	if (s->left && s->left < 2 * gap) {
		s->left--;
		return;
	}
	s->left = bpf_get_prandom_u32() % (2 * gap - 1);
	at = &s->at[s->head % KERNEL_SAMPLE_SLOTS];
	at->sender = r->sender;
	at->dest = r->dest;
	for (int i = 0; i < 4; i++)
		at->from[i] = r->from.words[i];
	at->from_port = r->from.port;
	barrier();
	*(volatile uint64_t *)&s->head = s->head + 1;
}

// Everything but the change: 0 with where it goes, a drop, UP or ABSENT.
static __always_inline int relay_decide(struct xdp_md *ctx, struct relay *r, struct relay_out *o)
{
	const struct kernel_rules *set = only(&rules);
	int rc = relay_parse(ctx, r);

	if (!set || !set->on || rc == UP || is_traced(set, r))
		return UP;
	if (rc)
		return rc;
	rc = relay_sender(set, r);
	if (rc == 0)
		rc = relay_dest(set, r, o);
	if (set->sample_gap && (rc == 0 || rc == ABSENT))
		sample(set, r);
	return rc;
}

// The action that sends a frame; UP where the interface cannot send what a program gives it.
static __always_inline int out_action(const struct xdp_md *ctx, const struct relay_out *o)
{
	if (o->ifindex == ctx->ingress_ifindex && (state.generic || o->flags & KERNEL_EGRESS_TX))
		return XDP_TX;
	return state.generic || o->flags & KERNEL_EGRESS_REDIRECT ? XDP_REDIRECT : UP;
}

static __always_inline void count_received(
    struct kernel_counts *c, const struct relay *r, uint64_t frame)
{
	c->counters[COUNTER_RX_DATAGRAMS]++;
	c->counters[COUNTER_RX_BYTES] += r->udp_len - sizeof(struct udphdr);
	c->counters[COUNTER_KERNEL]++;
	c->counters[COUNTER_CHECKSUM_COMPLETED] += r->completed;
	c->links[link_index % LINK_MAX].rx_datagrams++;
	c->links[link_index % LINK_MAX].rx_bytes += frame;
}

static __always_inline void count_sent(
    struct kernel_counts *c, const struct relay *r, const struct relay_out *o, uint64_t frame)
{
	c->counters[COUNTER_TX_DATAGRAMS]++;
	c->counters[COUNTER_TX_BYTES] += relay_out_udp_len(r, o) - sizeof(struct udphdr);
	c->counters[COUNTER_RELAYED]++;
	c->counters[COUNTER_RELAYED_BYTES] +=
	    r->udp_len - sizeof(struct udphdr) - BEACON_RELAY_SIZE;
	c->links[o->link].tx_datagrams++;
	c->links[o->link].tx_bytes += frame;
}

// XDP_TX, XDP_REDIRECT or XDP_DROP, or UP with the frame unchanged.
static __always_inline int relay_frame(struct xdp_md *ctx)
{
	uint64_t frame = ctx->data_end - ctx->data;
	uint32_t cpu = bpf_get_smp_processor_id();
	struct kernel_counts *c = bpf_map_lookup_elem(&counts, &cpu);
	struct relay r = {};
	struct relay_out o = {};
	int rc, action;

	if (!c || bpf_xdp_get_buff_len(ctx) != frame)
		return UP;
	rc = relay_decide(ctx, &r, &o);
	if (rc < 0)
		return UP;
	if (rc) {
		count_received(c, &r, frame);
		c->drops[rc]++;
		return XDP_DROP;
	}
	o.ip_id = c->ip_id;
	action = out_action(ctx, &o);
	if (action == UP || relay_build(ctx, &r, &o))
		return UP;
	c->ip_id += cpu_count;
	count_received(c, &r, frame);
	count_sent(c, &r, &o, ctx->data_end - ctx->data);
	return action == XDP_TX ? action : bpf_redirect(o.ifindex, 0);
}

SEC("xdp.frags")
int relay(struct xdp_md *ctx)
{
	int action = relay_frame(ctx);

	return action == UP ? steer_frame(ctx) : action;
}

char relay_license[] SEC("license") = "Dual BSD/GPL";
