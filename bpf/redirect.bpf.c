// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

// Sends every frame of a receive queue to its AF_XDP socket: the least that a program can do. For
// bench/xdp_swap, and for DPDK's net_af_xdp (xdp_prog=), which knows the map by its name.

#include "bpf/steer_shared.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_QUEUE_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

SEC("xdp.frags")
int redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char redirect_license[] SEC("license") = "Dual BSD/GPL";
