// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

// `generate` runs under BPF_PROG_TEST_RUN with live frames: it turns a template into the next relay
// frame of a flow and sends it.

#include "bpf/generate_shared.h"
#include "bpf/sum.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GENERATE_FLOWS_MAX);
	__type(key, __u32);
	__type(value, struct generate_flow);
} flows SEC(".maps");

// Written by user space.
volatile __u32 flow_count;
volatile __u32 train;	   // consecutive frames of one flow
volatile __u32 relay_port; // network order
// The sums of what does not change from frame to frame, RFC 1071, not folded.
volatile __u32 ip_sum, udp_sum;
volatile __u32 word_count; // pattern words
// What every frame starts with: the relay may have rewritten the frame that this page held before.
volatile __u64 start[GENERATE_START / 8];
// Pace: a frame is due when sent < (now - start_ns) / 1024 * pace / 2^20; pace 0: always.
volatile __u64 start_ns, pace;
volatile __u64 window_ns; // length of a window from start_ns on

// The program's own; one thread runs it.
static __u32 current_flow, left_in_train;
// After a pause the rate goes on as it was: what was due meanwhile is skipped, not sent in a burst
// that no queue holds (veth: 256 frames).
enum { BURST_MAX = 128 };
volatile __u64 sent, skipped;
volatile __u64 window_sent[GENERATE_WINDOWS_MAX];
volatile __u64 missing_flows;

static __always_inline __u64 add64(__u64 sum, __u64 v)
{
	return sum + (v & 0xffffffff) + (v >> 32);
}

struct __attribute__((packed)) relay_message {
	__u8 type;
	__be32 sender;
	__be32 dest;
	__be32 flow;
	__be32 sequence;
	__be64 time;
};

static __always_inline __u32 next_flow(void)
{
	if (!left_in_train) {
		left_in_train = train;
		current_flow = bpf_get_prandom_u32() % flow_count;
	}
	left_in_train--;
	return current_flow;
}

// The payload begins at an odd offset (9-byte header), so its words count with their bytes swapped.
static __always_inline __u64 swapped(__u64 folded)
{
	return (folded & 0xff) << 8 | (folded >> 8 & 0xff);
}

static __always_inline __u64 fill_pattern(void *at, void *end, __u32 flow, __u32 sequence)
{
	__u64 base = generate_pattern(flow, sequence, 0), sum = 0;
	__u32 words = word_count;
	__be64 *p = at;

	for (__u32 i = 0; i < GENERATE_WORDS_MAX; i++, p++) {
		if (i >= words || (void *)(p + 1) > end)
			break;
		*p = bpf_cpu_to_be64(base + i);
		sum = add64(sum, *p);
	}
	return sum;
}

static __always_inline void window_count(__u64 now)
{
	__u64 window = window_ns ? (now - start_ns) / window_ns : 0;

	if (window < GENERATE_WINDOWS_MAX)
		window_sent[window]++;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *udp = (void *)(ip + 1);
	struct relay_message *m = (void *)(udp + 1);
	struct generate_flow *f;
	__u32 number;
	__u64 sum, now;

	now = bpf_ktime_get_ns();
	if ((void *)(m + 1) > end || !flow_count)
		return XDP_DROP;
	if (pace) {
		__u64 due = ((now - start_ns) >> 10) * pace >> 20;

		if (sent + skipped >= due)
			return XDP_DROP;
		if (due - sent - skipped > BURST_MAX)
			skipped = due - sent - BURST_MAX;
	}
	number = next_flow();
	f = bpf_map_lookup_elem(&flows, &number);
	if (!f) {
		missing_flows++;
		return XDP_DROP;
	}
	for (int i = 0; i < GENERATE_START / 8; i++)
		((__u64 *)data)[i] = start[i];
	ip->saddr = f->address;
	ip->check = ~sum_fold(ip_sum + (__u64)f->address);
	udp->source = f->port;
	m->sender = f->sender;
	m->dest = f->dest;
	m->flow = bpf_htonl(number);
	m->sequence = bpf_htonl(f->sequence);
	m->time = bpf_cpu_to_be64(now);
	sum = fill_pattern(m + 1, end, number, f->sequence);
	f->sequence++;
	sent++;
	window_count(now);
	// everything behind the type byte stands at odd offsets
	sum = add64(sum + m->sender + m->dest + m->flow + m->sequence, m->time);
	sum = swapped(sum_fold(sum)) + udp_sum + f->address + f->port;
	sum = ~sum_fold(sum) & 0xffff;
	udp->check = sum ? sum : 0xffff;
	return XDP_TX;
}

char generate_license[] SEC("license") = "Dual BSD/GPL";
