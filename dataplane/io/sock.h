// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/link.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

// The parts of the sock link, between themselves. Everybody else uses link_sock_ops.
//
// Sockets. A wildcard socket needs the destination address with each message, which costs about
// 6 % of a datagram; so each address that the host has at start gets sockets of its own, and the
// wildcard takes what comes to others.
//
// Receive buffers. Each of the BURST_MAX messages of a recvmmsg has a buffer of its own with
// HEADROOM and TAILROOM. With UDP_GRO a message may be a train: datagrams of one size, back to
// back. Its descriptors point into the train, so what lies around a datagram belongs to its
// neighbours: a datagram of a train may be rewritten within its bytes only. That is enough for
// relay, whose output is never longer than its input. Datagrams so short that the answer may be
// longer (Discover) are copied out of the train and have HEADROOM and TAILROOM like any other.

enum {
	SOCK_PAYLOAD_MAX = 65507, // bytes of a UDP payload over IPv4; also of a train
	SOCK_SEGMENT_MAX = 64,	  // datagrams of a train that we send (UDP_MAX_SEGMENTS before 6.2)
	SOCK_RECEIVE_MAX = 65536, // bytes of a message or train that we receive
	// An odd number of cache lines: buffers at a stride of 64 KiB would share cache sets.
	SOCK_BUFFER_STRIDE = HEADROOM + SOCK_RECEIVE_MAX + TAILROOM,
	SOCK_SHORT_MAX = 32, // bytes; datagrams of a train up to this are copied out
	SOCK_SHORT_STRIDE = HEADROOM + SOCK_SHORT_MAX + TAILROOM + 32,
	SOCK_MEMO_SIZE = 16,	// destination addresses remembered by a queue
	SOCK_REFUSAL_SIZE = 64, // destinations remembered that refused trains
	SOCK_WAIT_US = 4000,	// that sock_wait blocks at most
	SOCK_TURN = 4,		// batches of a busy socket in a row while others may have input
	SOCK_GRO_WINDOW = 1024, // messages after which it is decided whether trains are worth GRO
	SOCK_LEARN_MAX = LOCAL_MAX / 2, // entries of the local table that host addresses may use
	SOCK_SOCKETS_MAX = LOCAL_MAX,
	// Room for IPV6_PKTINFO and one of UDP_GRO, UDP_SEGMENT.
	SOCK_CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)),
};

static_assert((int)SOCK_SOCKETS_MAX + 1 <= (int)LINK_FDS_MAX, "they and the epoll are polled");
static_assert(SOCK_BUFFER_STRIDE / CACHE_LINE % 2 == 1, "odd stride");
static_assert(SOCK_BUFFER_STRIDE % CACHE_LINE == 0, "aligned stride");
static_assert(SOCK_SHORT_STRIDE % CACHE_LINE == 0, "aligned stride");

struct sock_socket {
	int fd; // -1 = none
	struct endpoint at;
	uint8_t local;	  // index it was opened for
	uint8_t inet6;	  // AF_INET6
	uint8_t takes_v4; // sends and receives IPv4, as mapped addresses when inet6
	uint8_t wildcard; // the destination address comes with each message
	// Worker: UDP_GRO costs a single datagram about 6 % (the kernel looks at a cache line
	// more), so it is switched on when datagrams come in runs. It cannot be switched off again:
	// the kernel would deliver the trains in its queue without saying how to cut them.
	uint8_t gro;		    // on, or never to be
	uint16_t messages, repeats; // since the last decision; as the one before: source and size
	// Main thread: datagrams that the receive buffer had no room for, and the kernel's count of
	// them when last looked at, which wraps.
	uint64_t drops;
	uint32_t drops_seen;
};

union sock_name {
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct sock_control {
	alignas(8) uint8_t bytes[SOCK_CONTROL_SIZE];
};

struct sock_rx {
	struct mmsghdr msg[BURST_MAX];
	struct iovec iov[BURST_MAX];
	union sock_name from[BURST_MAX];
	struct sock_control control[BURST_MAX];
	uint8_t *buffers;	    // BURST_MAX * SOCK_BUFFER_STRIDE
	uint8_t *shorts;	    // BURST_MAX * SOCK_SHORT_STRIDE
	struct sock_socket *socket; // the messages came from
	unsigned received, next;    // messages
	unsigned lent;		    // descriptors not given back
	unsigned hot;		    // socket that had input the last time
	unsigned batches;	    // of it in a row
	// The message that is being split.
	uint32_t offset;
	uint32_t segment; // bytes of each datagram, the last may be shorter
	struct endpoint src;
	uint8_t local;
	uint64_t handle;
};

// Where an answer to an address that is not in the local table has to leave from: the message it
// came with. Zero = the address is in the table.
static inline uint64_t sock_handle_make(unsigned message)
{
	return message + 1;
}

// Messages to be sent: one datagram or one train each.
struct sock_message {
	uint16_t first, count; // of the batch's datagrams
	uint16_t segment;      // bytes of the first datagram
	uint16_t closed;       // nothing may be appended
	uint32_t bytes;
};

struct sock_batch {
	int fd;
	unsigned count;	    // messages
	unsigned datagrams; // in the messages
	struct sock_message info[BURST_MAX];
	struct mmsghdr msg[BURST_MAX];
	struct iovec iov[BURST_MAX];
	struct dgram *dgram[BURST_MAX];
	union sock_name to[BURST_MAX];
	struct sock_control control[BURST_MAX];
	unsigned sent;
};

// How datagrams leave from a local index to one IP version.
struct sock_route {
	int fd; // -1 = not looked up yet
	uint8_t inet6;
	uint8_t control_len; // 0: the socket's own address or the kernel's choice
	struct sock_control control;
};

struct sock_memo {
	struct endpoint at;
	uint16_t local; // index + 1, 0 = empty
};

// A destination that took no train of datagrams larger than `limit`, because its device or route
// cannot (UDP_SEGMENT never fragments). Forgotten when the epoch moves on.
struct sock_refusal {
	struct endpoint to;
	uint32_t epoch; // 0 = empty
	uint16_t limit; // bytes of a datagram
};

struct link_queue {
	struct sock_link *sock;
	uint16_t index;
	uint8_t socket_count;
	struct sock_socket sockets[SOCK_SOCKETS_MAX]; // those of single addresses last
	int epoll;				      // gossip ports of this queue, -1 = none
	struct sock_memo memo[SOCK_MEMO_SIZE];
	struct sock_route routes[LOCAL_MAX][2]; // by IP version of the destination: 4, 6
	struct sock_refusal refusals[SOCK_REFUSAL_SIZE];
	struct sock_rx rx;
	struct sock_batch tx;
	alignas(CACHE_LINE) struct link_stats stats; // written by the worker
	alignas(CACHE_LINE) struct endpoint missed;  // destination that the local table lacks
	uint32_t missed_full;			     // worker sets, main thread clears
};

struct sock_link {
	struct local *locals;
	uint8_t link_index;
	uint16_t queue_count;
	struct link_queue *queues[WORKER_MAX];
	struct sock_socket extras[LOCAL_MAX]; // gossip ports, one socket each, sent through by all
	uint8_t extra_count;
	// Several sockets have a port; the choice among them costs each datagram something.
	uint8_t ports_shared;
	uint32_t epoch; // moves on about once a minute, never 0
	uint32_t ticks; // calls of maintain
	const struct relay_settings *settings;
	uint64_t ttl;		       // that all sockets have, 0 = the kernel's default
	int buffer_wanted, buffer_got; // bytes of SO_RCVBUF
};

// sock_open.c: main thread. 0 or a negative errno with err filled in.
int sock_sockets_open(
    struct sock_link *sock, const struct link_config *cfg, struct link_error *err);
void sock_sockets_close(struct sock_link *sock);
// True when the socket receives what is sent to, and may send from, this address and port.
bool sock_covers(const struct sock_socket *s, const struct endpoint *at);

// What the control messages of one received message say.
struct sock_arrival {
	struct endpoint to; // the address only, where the socket asked for it
	int segment;	    // bytes of each datagram of a train, 0 = a single datagram
};

// sock_rx.c: worker.
void sock_control_read(struct msghdr *m, struct sock_arrival *a);
unsigned sock_rx(struct link_queue *q, struct dgram *d, unsigned max);
void sock_wait(struct link_queue *q);

// Writes a control message; its length without trailing padding: up to 36 bytes the kernel needs no
// allocation.
static inline size_t sock_control_put(
    uint8_t *at, int level, int type, const void *data, size_t len)
{
	struct cmsghdr c = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};

	memcpy(at, &c, sizeof(c));
	memcpy(at + CMSG_LEN(0), data, len);
	return CMSG_LEN(len);
}

// sock_route.c: worker.
// Writes the control message that chooses a source address.
size_t sock_source_put(uint8_t *at, const struct endpoint *source, bool inet6);
// Finds the socket that sends from a local index to an IP version. False: there is none.
bool sock_route_open(struct link_queue *q, struct sock_route *r, uint8_t local, bool to_v4);

// sock_tx.c: worker.
unsigned sock_tx(struct link_queue *q, struct dgram **d, unsigned n);
unsigned sock_tx_copy(struct link_queue *q, struct dgram **d, unsigned n);

// One writer, readers on other threads.
static inline void sock_stat_add(uint64_t *stat, uint64_t n)
{
	__atomic_store_n(stat, *stat + n, __ATOMIC_RELAXED);
}
