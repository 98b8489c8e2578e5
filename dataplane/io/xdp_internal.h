// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "bpf/steer_shared.h"
#include "config/config.h"
#include "dataplane/io/egress.h"
#include "dataplane/io/link.h"
#include "dataplane/io/xdp_features.h"
#include "shm/kernel_memory.h"

#include <net/if.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <xdp/xsk.h>

// The AF_XDP link: xdp.c opens it, xdp_interface.c finds its interface, xdp_program.c attaches
// bpf/steer, xdp_umem.c holds buffers and sockets, xdp_queue.c is what workers run.

enum {
	XDP_FRAME_SMALL = 2048,	   // bytes of a buffer, while the MTU lets frames fit
	XDP_FRAME_LARGE = 4032,	   // a page less a cache line
	XDP_KERNEL_HEADROOM = 256, // XDP_PACKET_HEADROOM: free bytes before each received frame
	XDP_RING_SIZE = 2048,	   // entries of each of the four rings of a socket
	XDP_FILL_BATCH = 64,	   // the fill ring is topped up by at least so many
	XDP_FILL_FIRST = 256,	   // buffers for what arrives before the worker runs
	XDP_TX_BUDGET = 256,	   // frames that one wake-up may send in copy mode
	XDP_KICK_MAX = 16,	   // wake-ups of one flush
	XDP_TX_NAP_US = 100,	   // until frames that the device had no room for are tried again
	XDP_SOCKETS_MAX = 64,	   // sockets on the buffers of one worker
	XDP_RETRIES = 300,	   // while a process that died is being cleaned up
	XDP_RETRY_US = 10000,
	XDP_CPUS_MAX = 1024, // of the machine, for per-CPU counters
};

static_assert((int)XDP_SOCKETS_MAX <= (int)LINK_FDS_MAX, "all of a queue are polled");
static_assert((int)XDP_KERNEL_HEADROOM >= (int)HEADROOM, "the kernel's headroom is the link's");

// The biggest frame that a buffer of this size takes.
#define XDP_FRAME_MAX(size) ((size)-XDP_KERNEL_HEADROOM - TAILROOM)

// One receive queue of an interface. Used by its worker alone once open.
struct xdp_socket {
	struct xsk_socket *xsk;
	int fd;
	uint32_t queue;
	uint32_t rx_held, rx_limit; // buffers lent to the kernel for receiving
	uint32_t tx_held, tx_limit; // buffers being sent
	bool tx_waiting;	    // the kernel has to be told about frames in the tx ring
	bool tx_again;		    // it was, and has not taken all of them
	bool busy_poll;
	struct xsk_ring_cons rx, comp;
	struct xsk_ring_prod tx, fill;
};

// The buffers of one worker, shared by the sockets of all its xdp links, so that a frame can leave
// through another interface in place. A free buffer is on the stack `free`; every other one is
// lent to a worker's burst or counted in rx_held or tx_held of a socket.
struct xdp_umem {
	uint8_t *area;
	uint64_t area_size;
	struct xsk_umem *umem;
	uint32_t frame_count, free_count;
	uint32_t frame_size;
	// Buffers at powers of two have their headers in few cache sets, where a burst's frames
	// drive each other out. In copy mode they lie an odd number of cache lines apart. Zero-copy
	// drivers do not all take that, and there the device writes the frames.
	uint32_t stride;
	// An address in a ring is a buffer's offset in the area, which `base_mask` takes from it,
	// plus the frame's in the buffer, shifted by `shift` (XSK_UNALIGNED_BUF_OFFSET_SHIFT or 0).
	uint64_t base_mask;
	unsigned shift;
	uint64_t *free; // offsets in the area
	uint16_t socket_count;
	bool zero_copy;
	struct xdp_socket *sockets[XDP_SOCKETS_MAX];
};

struct xdp_counts {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, tx_errors, tx_full;
};

// What one worker has of an interface: its sockets and their buffers.
struct link_queue {
	struct xdp_umem *umem;
	uint16_t socket_count;
	uint16_t next; // socket that the next burst starts with
	uint8_t link;
	struct xdp_socket *sockets;
	alignas(CACHE_LINE) struct xdp_counts counts; // written by the worker
};

// bpf/steer on one interface, or bpf/relay, which does what steer does too.
struct xdp_program {
	struct steer_bpf *steer; // one of the two
	struct relay_bpf *relay;
	struct steer_state *state; // in memory that the program reads
	int fd, xsks_fd, counters_fd;
	int link_fd; // holds the attachment; the kernel detaches when it is closed
	bool native;
};

struct xdp_link {
	char ifname[IF_NAMESIZE];
	uint32_t ifindex;
	uint32_t queue_count; // bound
	uint32_t queue_total; // of the interface
	uint16_t worker_count;
	bool sends; // mode=kernel: what the program sends gets out
	struct link_config cfg;
	struct xdp_program program;
	struct egress_watch watch;
};

// Fills in err and returns rc.
__attribute__((format(printf, 3, 4))) int xdp_fail(
    struct link_error *err, int rc, const char *format, ...);

// From the configuration to an interface that is there, free, up and watched: fills in names,
// indexes and queues. 0 or a negative errno with err; -ENODEV and -ENETDOWN: it may come yet.
int xdp_interface_open(struct xdp_link *x, struct link_error *err);

// Loads the program that the configuration asks for. 0 or a negative errno with err.
int xdp_program_load(struct xdp_program *p, const struct link_config *cfg, struct link_error *err);
void xdp_program_unload(struct xdp_program *p);
// Loads and attaches. 0 or a negative errno with err.
int xdp_program_attach(struct xdp_program *p, const struct xdp_link *x, struct link_error *err);
void xdp_program_detach(struct xdp_program *p);
// Sends what arrives on a receive queue to this socket. 0 or a negative errno.
int xdp_program_bind(struct xdp_program *p, uint32_t queue, int socket_fd);
// Makes what is steered agree with the locals. No system call, no privileges.
void xdp_program_serve(struct xdp_program *p, const struct local *locals);
// Only frames of at most so many bytes are steered; none before the first call.
void xdp_program_limit(struct xdp_program *p, uint32_t frame_max);
// Only frames for this station are steered.
void xdp_program_station(struct xdp_program *p, const uint8_t mac[6]);
// Of the tagged frames only those for a VLAN that has an interface here, by the egress table's
// valid entries of this link. No system call, no privileges.
void xdp_program_vlans(struct xdp_program *p, const struct egress *table, uint8_t link);
void xdp_program_counts(const struct xdp_program *p, uint64_t counts[STEER_COUNTER_COUNT]);

// Makes the worker's buffers on first use and binds one queue of the interface to them. 0 or a
// negative errno with err.
int xdp_socket_open(
    struct xdp_socket *s, struct xdp_umem **umem, const struct xdp_link *x, struct link_error *err);
// Closes, and frees the buffers with their last socket.
void xdp_socket_close(struct xdp_socket *s, struct xdp_umem **umem);

// Lends buffers to the kernel until it has `limit`. The worker, or the main thread before it runs.
void xdp_socket_fill(struct xdp_umem *u, struct xdp_socket *s, uint32_t limit);

unsigned xdp_rx(struct link_queue *q, struct dgram *d, unsigned max);
unsigned xdp_tx(struct link_queue *q, struct dgram **d, unsigned n);
unsigned xdp_tx_copy(struct link_queue *q, struct dgram **d, unsigned n);
void xdp_release(struct link_queue *q, struct dgram **d, unsigned n);
void xdp_flush(struct link_queue *q);
unsigned xdp_poll_fds(struct link_queue *q, int *fds, unsigned max);
unsigned xdp_nap_us(struct link_queue *q);
const void *xdp_buffers(const struct link_queue *q);
