// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/burst.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where datagrams come and go. A link is opened once by the main thread (privileged), has at most
// one queue per worker, and each queue is used by its worker alone.
//
// Ownership: rx lends buffers. Each lent descriptor is given back exactly once: by tx (also when
// tx refuses it) on the link it came from, or by release. A datagram of one raw link that leaves
// through another link is copied by that link's tx_copy and then released on its own link, or sent
// in place by that link's tx where both queues have the same buffers.

struct link;
struct link_queue;

enum {
	LINK_ERROR_MAX = 256,
	LINK_FDS_MAX = 65, // descriptors that a queue has polled, at most
};

#define LINK_WAKES UINT32_MAX // nap_us: only input has to wake the worker

// A sentence for the operator: what failed, with which value, what to do.
struct link_error {
	char text[LINK_ERROR_MAX];
};

struct link_stats {
	uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes;
	uint64_t tx_errors; // datagrams that are too long to be sent, or refused by the kernel
	uint64_t tx_full;   // for which there was no room in a queue, or no buffer
	// By the kernel or the device, where no worker sees it: by drop, from DROP_LINK_FIRST on.
	uint64_t lost[DROP_LINK_COUNT];
	uint32_t mtu;	   // IP packet bytes, 0 = does not apply
	uint8_t down;	   // the interface is down or gone
	uint8_t replaced;  // it is gone, and another one has its name: open the link again
	uint8_t native;	   // xdp: the driver runs the steering program; dpdk: it wakes workers
	uint8_t zero_copy; // raw links
	uint8_t kernel;	   // the steering program relays itself, and can send
};

struct kernel_memory;

// DROP_RX_RING_FULL and those after it.
static inline void link_stats_lose(struct link_stats *s, enum drop why, uint64_t n)
{
	s->lost[why - DROP_LINK_FIRST] += n;
}

static inline uint64_t link_stats_lost(const struct link_stats *s, enum drop why)
{
	return s->lost[why - DROP_LINK_FIRST];
}

struct link_config {
	const char *spec; // text after the kind: "eth0:2", empty for sock
	uint8_t index;	  // in the list of links
	uint16_t worker_count;
	struct local
	    *locals; // LOCAL_MAX entries in shared memory; NULL: every frame is ours (dpdk)
	struct egress *egress;	      // EGRESS_MAX entries in shared memory
	uint32_t frame_count;	      // buffers per worker for raw links
	uint32_t busy_poll_us;	      // 0 = no kernel busy poll
	uint8_t zero_copy;	      // enum config_tristate
	uint8_t xdp_mode;	      // enum config_xdp_mode
	struct kernel_memory *kernel; // xdp: the program relays by these tables; NULL: it steers
	const uint32_t *hash_key;     // of the node table, 4 words, with `kernel`
	uint32_t socket_buffer;	      // bytes of SO_RCVBUF and SO_SNDBUF for sock
	bool singly;		      // sock: never ask the kernel to merge datagrams
	const char *dpdk_eal;	      // further arguments of DPDK's environment layer, or NULL
	const char *dpdk_tap; // the host's interface of a dpdk link: "auto", "off" or its name
	uint16_t dpdk_queues; // queues of a dpdk link; never more than workers
	uint32_t dpdk_nap_us; // of a worker that input does not wake, 0 = polls always
	// Shared memory; NULL: the kernel's defaults.
	const struct relay_settings *settings;
};

struct link_ops {
	const char *kind;
	uint8_t raw; // 1: Ethernet frames, headers built by encap; 0: UDP payloads
	// Main thread, with privileges. 0 or a negative errno with err filled in. A text with 0 is
	// advice: it works, but could do better.
	int (*open)(struct link *link, const struct link_config *cfg, struct link_error *err);
	void (*close)(struct link *link);
	// Main thread, about once a second without privileges: follow addresses, interface down/up.
	void (*maintain)(struct link *link);
	void (*stats)(const struct link *link, struct link_stats *out);
	// One line for `fairway links`: mode, queues, zero-copy.
	void (*describe)(const struct link *link, char *text, size_t size);

	// Worker. Returns the number of descriptors filled. Raw links fill l2, len, handle, link;
	// others fill data, len, src, local, handle, link. Never blocks.
	unsigned (*rx)(struct link_queue *q, struct dgram *d, unsigned max);
	// Worker. Sends d[0..n-1] in order (headers already built for raw links: l2 and len
	// describe the frame) and takes back their buffers. Returns how many were sent; for the
	// others drop is set.
	unsigned (*tx)(struct link_queue *q, struct dgram **d, unsigned n);
	// Worker. As tx, but the bytes are copied or sent synchronously and buffers stay lent; for
	// datagrams of other links. For non-raw links: data, len, to, out_local describe the
	// datagram.
	unsigned (*tx_copy)(struct link_queue *q, struct dgram **d, unsigned n);
	// Optional. Worker, for frames of one's own: lends n empty buffers as rx does, `len` bytes
	// each. n or 0.
	unsigned (*lend)(struct link_queue *q, struct dgram *d, unsigned n);
	// Worker. Gives back buffers that are not sent.
	void (*release)(struct link_queue *q, struct dgram **d, unsigned n);
	// Worker. Pushes out what tx queued and reclaims completed buffers; called once per loop.
	void (*flush)(struct link_queue *q);
	// Worker. File descriptors to poll(2) for input before sleeping; returns how many: <= max,
	// and all where that is LINK_FDS_MAX. Only after rx returned 0: a train that is not used up
	// yet wakes nobody.
	unsigned (*poll_fds)(struct link_queue *q, int *fds, unsigned max);
	// Optional. Worker, between turns. Blocks until the queue has input or a few milliseconds
	// have passed, for less than poll(2) costs; returns at once where the queue cannot.
	void (*wait)(struct link_queue *q);
	// Optional. Worker, after poll_fds: how long it may sleep at most, in microseconds, because
	// input does not wake it, or what it sent waits for room; 0: not at all. LINK_WAKES: until
	// there is input.
	unsigned (*nap_us)(struct link_queue *q);
	// Optional. Identifies the buffers of a queue: those of equal queues are interchangeable.
	const void *(*buffers)(const struct link_queue *q);
	// Worker, or NULL. Its first and last call, for libraries that want to know their threads.
	void (*thread_start)(struct link_queue *q);
	void (*thread_end)(struct link_queue *q);
};

struct link {
	const struct link_ops *ops;
	char name[32]; // "xdp:eth0", "sock"
	uint8_t index;
	bool quiet; // the kernel relays what is common: polling would gain nothing
	uint16_t queue_count;
	uint16_t first_worker; // that has queues[0], the next ones the others; set before open
	uint8_t mac[6];	       // dpdk: the device's
	struct link_queue *queues[WORKER_MAX];
	void *priv;
};

// The worker that has a queue, by its place in `queues`.
static inline unsigned link_worker_of(const struct link *l, unsigned queue, unsigned workers)
{
	return (l->first_worker + queue) % workers;
}

// A worker's queue, or NULL.
static inline struct link_queue *link_queue_of(
    const struct link *l, unsigned worker, unsigned workers)
{
	unsigned at = (worker + workers - l->first_worker) % workers;

	return at < l->queue_count ? l->queues[at] : NULL;
}

extern const struct link_ops link_xdp_ops;
extern const struct link_ops link_sock_ops;
extern const struct link_ops link_mem_ops;
extern const struct link_ops link_dpdk_ops; // only in builds with FAIRWAY_DPDK
