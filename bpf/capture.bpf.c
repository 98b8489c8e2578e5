// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

// `capture` takes what the relay sends. During a trial it checks every frame here and drops it,
// which is several times faster than an AF_XDP socket in copy mode; all else goes to the socket.

#include "base/log_linear.h"
#include "bpf/generate_shared.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <stdbool.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GENERATE_FLOWS_MAX);
	__type(key, __u32);
	__type(value, struct generate_check);
} checks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

// Written by user space.
volatile __u32 relay_port;   // network order
volatile __u32 flow_count;   // 0: no trial
volatile __u32 message_type; // of relayed frames
volatile __u32 header_size;  // of these messages, before the frame
volatile __u32 word_count;   // pattern words
volatile __u64 start_ns, window_ns, deadline_ns;

// The program's own; the one receive queue that it serves has one thread.
volatile __u64 counts[GENERATE_COUNTS], latency_max_ns;
volatile __u64 window_on_time[GENERATE_WINDOWS_MAX];
volatile __u64 latency[LOG_LINEAR_BUCKETS];

enum { WINDOW = 64 }; // sequence numbers in which reordering and duplicates are told apart

struct __attribute__((packed)) frame_header {
	__be32 flow;
	__be32 sequence;
	__be64 time;
};

static __always_inline bool pattern_holds(void *at, void *end, __u32 flow, __u32 sequence)
{
	__u64 base = generate_pattern(flow, sequence, 0);
	__u32 words = word_count;
	__be64 *p = at;

	for (__u32 i = 0; i < GENERATE_WORDS_MAX; i++, p++) {
		if (i >= words)
			return true;
		if ((void *)(p + 1) > end || *p != bpf_cpu_to_be64(base + i))
			return false;
	}
	return true;
}

static __always_inline void sequence_count(struct generate_check *c, __u32 sequence)
{
	__u32 ahead = sequence - c->expected, behind = c->expected - 1 - sequence;

	if (ahead < 1U << 31) {
		c->window = ahead + 1 < WINDOW ? c->window << (ahead + 1) | 1 : 1;
		c->expected = sequence + 1;
	} else if (behind < WINDOW && !(c->window >> behind & 1)) {
		c->window |= 1ULL << behind;
		counts[GENERATE_REORDERED]++;
	} else {
		counts[GENERATE_DUPLICATES]++;
		return;
	}
	counts[GENERATE_RECEIVED]++;
}

static __always_inline void time_count(__u64 sent_ns)
{
	__u64 now = bpf_ktime_get_ns(), window = (sent_ns - start_ns) / (window_ns ?: 1);
	__u64 late = now > sent_ns ? now - sent_ns : 0, bucket = log_linear_bucket(late);

	if (bucket < LOG_LINEAR_BUCKETS)
		latency[bucket]++;
	if (late > latency_max_ns)
		latency_max_ns = late;
	if (window < GENERATE_WINDOWS_MAX && late <= deadline_ns)
		window_on_time[window]++;
}

static __always_inline void frame_check(
    struct iphdr *ip, struct udphdr *udp, void *message, void *end)
{
	struct frame_header *h = message + (header_size & 15);
	struct generate_check *c;
	__u32 number, sequence;
	__be32 sender;

	if ((void *)(h + 1) > end) {
		counts[GENERATE_FOREIGN]++;
		return;
	}
	__builtin_memcpy(&sender, message + 1, sizeof(sender));
	number = bpf_ntohl(h->flow);
	sequence = bpf_ntohl(h->sequence);
	c = number < flow_count ? bpf_map_lookup_elem(&checks, &number) : NULL;
	if (!c || bpf_ntohs(udp->len) != sizeof(*udp) + header_size + sizeof(*h) + 8 * word_count ||
	    !pattern_holds(h + 1, end, number, sequence)) {
		counts[GENERATE_CORRUPT]++;
		return;
	}
	if (sender != c->sender || ip->daddr != c->address || udp->dest != c->port) {
		counts[GENERATE_MISROUTED]++;
		return;
	}
	sequence_count(c, sequence);
	time_count(bpf_be64_to_cpu(h->time));
}

SEC("xdp")
int capture(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u8 *message = (void *)(udp + 1);

	if (ctx->rx_queue_index || (void *)(message + 5) > end ||
	    eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
	    udp->source != relay_port)
		return XDP_PASS;
	if (!flow_count || *message != message_type)
		return bpf_redirect_map(&xsks, 0, XDP_PASS);
	frame_check(ip, udp, message, end);
	return XDP_DROP;
}

char capture_license[] SEC("license") = "Dual BSD/GPL";
