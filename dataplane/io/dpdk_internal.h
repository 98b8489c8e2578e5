// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/egress.h"
#include "dataplane/io/link.h"

#include <net/if.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

// The DPDK link: dpdk_eal.c starts DPDK's environment layer (EAL), dpdk_port.c sets a device up,
// dpdk_host.c is the host's side of it, dpdk_events.c what becomes of it, dpdk_queue.c is what
// workers run, dpdk_wait.c how they sleep, dpdk_xdp.c and dpdk_socket.c deal with what drivers
// leave behind, dpdk.c binds them.

#undef NS_PER_S // DPDK's is a floating-point number

enum {
	DPDK_DESCRIPTORS = 1024, // of each ring of a queue
	DPDK_POOL_CACHE = 256,	 // free buffers that a worker keeps at hand
	DPDK_HOST_BURST = 32,	// frames of a turn that the host gives, or gets beside relayed ones
	DPDK_HOST_US = 20,	// between two looks at what the host sends
	DPDK_SEGMENTS_MAX = 64, // of a frame that goes to the host
};

static_assert((int)RTE_PKTMBUF_HEADROOM >= (int)HEADROOM, "DPDK's headroom is the link's");

// Who else works with what arrives on the device, and so gets what is no relay traffic.
enum dpdk_host {
	DPDK_HOST_NONE, // nobody: the engine gets every frame and drops by name what it cannot use
	DPDK_HOST_TAP,	// an interface of ours; what the host sends there leaves by the device
	DPDK_HOST_KERNEL, // the device copies what the kernel sees (net_af_packet); the kernel is
			  // kept from serving relay datagrams a second time
};

struct dpdk_counts {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, tx_errors, tx_full;
	uint64_t to_host, from_host; // frames, parts of the above
	uint64_t host_dropped;	     // frames that the host did not take
};

// What one worker has of a device: a receive and a transmit queue and their buffers.
struct link_queue {
	uint16_t port, queue;
	uint8_t link;
	uint8_t host;	      // enum dpdk_host
	bool armed;	      // the driver tells epoll of input
	bool reads_host;      // takes what the host sends; one queue of a link does
	int tap;	      // descriptor, -1 = none
	uint32_t room;	      // bytes of a frame that a buffer holds beside HEADROOM and TAILROOM
	uint64_t served;      // of the link
	uint16_t udp_max;     // of the link
	uint32_t served_addr; // an address and port that we serve, as in a header: the last one met
	uint16_t served_port;
	int epoll;	    // tells of input while armed, -1 = the driver cannot
	uint32_t nap_us;    // else, between two looks
	uint32_t looks;	    // at input that an interrupt has told of, before it is trusted again
	uint64_t looked_at; // frames received when it did
	uint64_t host_look; // TSC of the next look at what the host sends
	uint64_t host_step;
	struct rte_mempool *pool;
	const struct local *locals;
	const uint64_t *station; // of the link: its address, first byte lowest; atomic
	const uint32_t *gone;	 // of the link: the device was removed; atomic
	bool left;		 // the worker has seen that; atomic
	alignas(CACHE_LINE) struct dpdk_counts counts; // written by the worker
};

struct dpdk_link {
	struct link_config cfg;
	char device[160]; // as given: name or address, then arguments
	unsigned ordinal; // among the process's dpdk links, those that do not open counted too
	char driver[32];
	uint16_t port;
	bool probed, started; // the device is ours; it has queues
	bool interrupts;      // asked for; wakes: every queue has them
	bool wakes;
	bool is_virtual; // no hardware reads its buffers
	uint16_t queue_count;
	uint16_t mtu;
	int node;   // NUMA node that the device is on, -1 = none
	int socket; // that its buffers are on, -1 = any
	enum dpdk_host host;
	int tap; // descriptor, -1 = none
	char tap_name[IFNAMSIZ];
	uint16_t udp_max;	      // longest UDP datagram that the engine takes, header included
	uint64_t served;	      // bit per local that the engine serves here
	struct nft_ctx *filter;	      // holds the rules that keep the kernel from serving, or NULL
	char device_name[64];	      // as DPDK calls it
	uint32_t lower;		      // interface of the kernel's that the driver borrows, 0 = none
	char lower_name[IFNAMSIZ];    // "": nobody makes another of its name
	int xdp_link;		      // keeps net_af_xdp's program on it, -1 = none
	pthread_mutex_t cable;	      // link_up and the tap's carrier change together
	bool tells;		      // the driver tells when the cable changes
	bool link_up;		      // atomic
	struct rte_eth_stats counted; // by a device that was removed
	struct egress_watch watch;    // fd -1: the host has no interface here
	alignas(CACHE_LINE) uint64_t station;
	uint32_t gone; // removed; atomic
};

// Fills in err and returns rc.
__attribute__((format(printf, 3, 4))) int dpdk_fail(
    struct link_error *err, int rc, const char *format, ...);

// Starts the EAL with the first link; later calls return at once. The caller's signals, affinity
// and log stay as they are. 0 or a negative errno with err.
int dpdk_eal_start(const struct link_config *cfg, struct link_error *err);
// "hugepages" or "no hugepages".
const char *dpdk_eal_memory(void);

// Finds and starts the device: one queue a worker, at most as many as it has. Fills in driver,
// port, mtu, host (a guess by the driver: tap unless there is no cable). 0 or a negative errno with
// err.
int dpdk_port_probe(struct dpdk_link *d, struct link_error *err);
int dpdk_port_start(struct dpdk_link *d, struct link_queue **queues, struct link_error *err);
// False also when another process has removed it.
static inline bool dpdk_port_is_there(const struct dpdk_link *d)
{
	return d->probed && rte_eth_dev_is_valid_port(d->port);
}
// Stops and forgets the device, which no worker may use any more; then also frees the buffers.
void dpdk_port_release(struct dpdk_link *d);
void dpdk_port_close(struct dpdk_link *d, struct link_queue **queues);

// Removes the socket of a driver that listens, if nobody listens there. `device`: as given.
void dpdk_socket_clean(const char *device);

// Ties the program that net_af_xdp has put on its interface to this process. After the start. 0 or
// a negative errno with err.
int dpdk_xdp_hold(struct dpdk_link *d, struct link_error *err);
// rte_eth_dev_close, also of such a device.
void dpdk_xdp_close_port(struct dpdk_link *d);

// Makes or takes over the tap, or filters, and starts to watch the interface. 0 or a negative errno
// with err.
int dpdk_host_open(struct dpdk_link *d, struct link_error *err);
// Follows the interface and tells it the state of the device's cable.
void dpdk_host_follow(struct dpdk_link *d);
void dpdk_host_close(struct dpdk_link *d);
// Worker: gives frames to the host, as many as `limit`; they are not kept. Worker: sends what the
// host wants sent.
void dpdk_host_put(struct link_queue *q, struct rte_mbuf **m, unsigned n, unsigned limit);
void dpdk_host_take(struct link_queue *q);

// What becomes of the device while it serves. Between the start and the end.
void dpdk_events_open(struct dpdk_link *d);
void dpdk_events_close(struct dpdk_link *d);
// Looks at the cable and gives the tap a carrier accordingly. From any thread but workers.
void dpdk_cable_follow(struct dpdk_link *d);
bool dpdk_is_gone(const struct dpdk_link *d);
// It is gone, and there is another one of the same name.
bool dpdk_is_replaced(const struct dpdk_link *d);
static inline bool dpdk_link_is_up(const struct dpdk_link *d)
{
	return __atomic_load_n(&d->link_up, __ATOMIC_RELAXED);
}

// Main thread: finds out whether the driver tells of input. After the start, before the end.
void dpdk_wait_open(struct dpdk_link *d, struct link_queue **queues);
void dpdk_wait_close(struct dpdk_link *d, struct link_queue **queues);
// Worker: as link_ops. The queue is armed from poll_fds until dpdk_wait_end.
unsigned dpdk_poll_fds(struct link_queue *q, int *fds, unsigned max);
unsigned dpdk_nap_us(struct link_queue *q);
void dpdk_wait_end(struct link_queue *q);
void dpdk_thread_start(struct link_queue *q);
void dpdk_thread_end(struct link_queue *q);

unsigned dpdk_rx(struct link_queue *q, struct dgram *d, unsigned max);
unsigned dpdk_lend(struct link_queue *q, struct dgram *d, unsigned n);
unsigned dpdk_tx(struct link_queue *q, struct dgram **d, unsigned n);
unsigned dpdk_tx_copy(struct link_queue *q, struct dgram **d, unsigned n);
void dpdk_release(struct link_queue *q, struct dgram **d, unsigned n);
void dpdk_flush(struct link_queue *q);

static inline void dpdk_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED); // the main thread reads it
}
