// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/constants.h"
#include "shm/counters.h"
#include "shm/nexthop_word.h"
#include "wire/endpoint.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

// The memory that fairway-dp creates (a memfd) and fairway-cp attaches to.
//
// Publication, the one idiom: a record that readers may see is written aside, then made reachable
// by one atomic store (8 bytes, or 16 aligned bytes), and its old place is reused only after every
// worker has passed a quiescent state (worker_block.quiescent). No reader ever waits for a writer,
// so a writer that dies between two stores leaves nothing locked and nothing half visible.
//
// One writer per datum: the comment on each field names it. "dp" is the main thread of the data
// plane, "worker" the owning worker, "cp" the control plane.

enum {
	// Raised with every change to what a kept memory holds: this file but for worker blocks,
	// rings and counters, and the structs of node_entry.h, node_table.h and peer_table.h.
	SHM_VERSION = 5,
	CACHE_LINE = 64,
};

// What the data plane tells of a link, for display. Writer: dp, about once a second; each field is
// valid alone. Texts are stored before `valid`.
struct link_block {
	char name[32]; // "xdp:eth0"
	char kind[8];  // "xdp", "sock"
	uint32_t queues;
	uint32_t mtu; // IP packet bytes, 0 = does not apply
	uint8_t valid;
	uint8_t up;
	uint8_t native;	   // raw links: the driver runs the steering program
	uint8_t zero_copy; // raw links
	uint8_t kernel;	   // xdp: the steering program relays itself, and can send
	uint8_t pad[3];
	uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes;
	uint64_t rx_dropped, tx_errors, tx_full;
	uint64_t counted_ns;		// CLOCK_MONOTONIC
	uint64_t lost[DROP_LINK_COUNT]; // by drop, from DROP_LINK_FIRST on
};

// Byte offset of each region from the start of the memory: a multiple of 4096, for the nodes of
// HUGE_PAGE.
struct shm_region {
	uint64_t offset;
	uint64_t size;
};

struct shm_header {
	char magic[8];	      // "FAIRWAY\0"
	uint32_t version;     // SHM_VERSION; another one is refused
	uint32_t header_size; // sizeof(struct shm_header)
	uint64_t total_size;
	uint32_t node_capacity; // highest number of nodes
	uint32_t worker_count;
	uint64_t punt_size;	// bytes of each punt ring, a power of two
	uint64_t inject_size;	// bytes of each inject ring, a power of two
	uint64_t trace_size;	// bytes of each trace ring, a power of two
	uint32_t block_size;	// sizeof(struct worker_block); with the next two: a data plane that
	uint32_t counter_count; // counts other things can adopt the memory, but a control
	uint32_t drop_count;	// plane that does may not map it
	uint32_t huge_pages;	// 1: the tables grow in huge pages (shm/pages.h)
	struct shm_region settings, locals, egress, nexthops, peers, peer_index, workers, rings;
	struct shm_region nodes; // struct node_table_header and its arrays (shm/node_table.h)
	alignas(CACHE_LINE) uint64_t boot_count; // dp: times a data plane started on this memory
	uint64_t dp_pid;			 // dp
	uint64_t dp_started_ns;			 // dp: CLOCK_MONOTONIC
	alignas(CACHE_LINE) uint64_t cp_pid;	 // cp: 0 while none is attached
	alignas(CACHE_LINE) struct link_block links[LINK_MAX]; // dp
};

// What the control plane may change while workers run. Each field is one atomic word and valid
// alone; workers read them once a burst. Writer: cp (dp fills in its own configuration when the
// memory is new).
struct relay_settings {
	uint64_t sender_check; // enum sender_check
	uint64_t source_rate; // datagrams per second and source address outside relay; 0 = no limit
	uint64_t source_burst; // datagrams
	uint64_t sender_rate;  // relay datagrams per second and sending node; 0 = no limit
	uint64_t sender_burst; // datagrams
	uint64_t punt_rate[8]; // punts per second, worker and class (enum punt_class)
	// datagrams per second and worker above which it polls; 0 = always polls
	uint64_t busy_rate;
	uint64_t trace_on;	   // 0 or 1
	uint64_t trace_node;	   // trace only datagrams from or to this node; 0 = all
	uint64_t trace_sample;	   // trace every n-th matching datagram; >= 1
	uint64_t trace_drops_only; // 0 or 1
	uint64_t ttl;		   // time to live of what we send
};

// A local address and port that we serve. Writer: dp. Entries are only added while the process
// runs; `valid` is stored last (release). Index 0 is the first --listen address.
struct local {
	// the unspecified address: sock link on a wildcard, kernel picks the source
	struct endpoint at;
	uint16_t valid;
	uint16_t extra; // 1: a further source port for gossip, see docs/architecture.md
	uint8_t pad[10];
};

// An interface (or a VLAN on it) that a raw link sends through. Writer: dp. Published like local.
struct egress {
	uint8_t mac[6];	  // source address
	uint16_t vlan;	  // 802.1Q TCI, 0 = untagged
	uint32_t ifindex; // of the interface that holds the IP address (the VLAN's own)
	uint16_t mtu;	  // IP packet bytes
	uint8_t link;	  // index in the data plane's list of links
	uint8_t valid;	  // stored last; 0: interface gone or down, use the companion
};

// A peer relay's endpoint. Writer: cp. Slot reused after a grace period.
struct peer {
	struct endpoint at;
	uint16_t nexthop; // index, 0 = companion
	uint32_t id;	  // beacon id from its gossip, 0 = not heard yet
	uint8_t local;	  // local index to send from
	uint8_t valid;	  // stored last
	uint8_t pad[38];
};

static_assert(sizeof(struct endpoint) == 18, "endpoint");
static_assert(sizeof(struct local) == 32, "local");
static_assert(sizeof(struct egress) == 16, "egress");
static_assert(sizeof(struct peer) == 64, "peer");
static_assert(
    sizeof(struct relay_settings) == 19 * 8, "nothing but words: workers copy it as such");

// Datagram classes that are punted; each has its own token bucket in every worker.
enum punt_class {
	PUNT_DISCOVER_NEW,     // unknown node, or key or challenge attached
	PUNT_DISCOVER_CHANGED, // known node, endpoint changed, same IP
	PUNT_DISCOVER_MOVED,   // known node, other IP
	PUNT_DISCOVER_AGAIN,   // of the first or the third kind, and was here a minute ago
	PUNT_PUNCH,
	PUNT_STUN,
	PUNT_SYNC,
	PUNT_CLASS_COUNT,
};

static_assert(PUNT_CLASS_COUNT <= sizeof((struct relay_settings){0}.punt_rate) / sizeof(uint64_t),
    "each class has its rate");

// What a worker shares. Rings' payloads are in the rings region, in worker order:
// punt (punt_size), inject (inject_size), trace (trace_size).
struct worker_block {
	// worker writes
	alignas(CACHE_LINE) uint64_t counters[COUNTER_COUNT];
	uint64_t drops[DROP_COUNT];
	uint64_t punt_class[PUNT_CLASS_COUNT]; // punts by class
	// loop count, odd while asleep: an odd value is quiescent
	alignas(CACHE_LINE) uint64_t quiescent;
	uint64_t now_ns;   // CLOCK_MONOTONIC of the last loop
	uint64_t busy_ns;  // time spent on bursts that held something
	uint32_t sleeping; // 1: write to the worker's eventfd after injecting
	int32_t cpu;	   // pinned core, -1 = none
	int32_t tid;
	uint32_t mode; // 0 blocking, 1 polling
	// ring positions, each on a line of its own: bytes ever written / read
	alignas(CACHE_LINE) uint64_t punt_head;	  // worker
	alignas(CACHE_LINE) uint64_t punt_tail;	  // cp
	uint32_t cp_sleeping;			  // cp: 1 = write to the cp's eventfd after punting
	alignas(CACHE_LINE) uint64_t inject_head; // cp
	alignas(CACHE_LINE) uint64_t inject_tail; // worker
	alignas(CACHE_LINE) uint64_t trace_head; // worker: records written; overwrites, never waits
};

static_assert(sizeof(struct worker_block) <= 4096, "the workers region has a page for each");

// What two threads write shares no cache line.
#define WORKER_BLOCK_LINE(field) (offsetof(struct worker_block, field) / CACHE_LINE)
#define WORKER_BLOCK_STARTS(field) \
	static_assert(offsetof(struct worker_block, field) % CACHE_LINE == 0, #field)
WORKER_BLOCK_STARTS(quiescent);
WORKER_BLOCK_STARTS(punt_head);
WORKER_BLOCK_STARTS(punt_tail);
WORKER_BLOCK_STARTS(inject_head);
WORKER_BLOCK_STARTS(inject_tail);
WORKER_BLOCK_STARTS(trace_head);
static_assert(sizeof(struct worker_block) % CACHE_LINE == 0, "blocks share no line either");
static_assert(WORKER_BLOCK_LINE(mode) == WORKER_BLOCK_LINE(quiescent), "one line a turn");
#undef WORKER_BLOCK_LINE
#undef WORKER_BLOCK_STARTS

// A punted datagram, as a record in the punt ring; the payload follows.
struct punt_record {
	uint64_t rx_ns; // CLOCK_MONOTONIC
	struct endpoint from;
	uint8_t punt_class;
	uint8_t local; // local index it was sent to
	uint8_t link;
	uint8_t unanswered; // 1: a Discover that the control plane has to answer
	uint8_t pad[2];
	uint32_t len; // payload bytes
};

static_assert(sizeof(struct punt_record) % 8 == 0, "records of a ring are aligned to 8");

// A datagram to send, as a record in the inject ring; the payload follows.
struct inject_record {
	struct endpoint to;
	uint8_t local; // local index to send from
	uint8_t pad[9];
	uint32_t len; // payload bytes
};

static_assert(sizeof(struct inject_record) == 32, "half a line before the payload");

// A traced datagram; the first `captured` bytes of its UDP payload follow.
struct trace_record {
	uint64_t rx_ns; // CLOCK_REALTIME
	struct endpoint from, to;
	uint32_t sender, dest; // node ids, 0 where the type has none
	uint32_t len;	       // UDP payload bytes on arrival
	uint16_t captured;
	uint8_t type;	 // first byte
	uint8_t verdict; // enum verdict
	uint8_t drop;	 // enum drop
	uint8_t local;
	uint8_t link;
	uint8_t worker;
};

enum { TRACE_CAPTURE_MAX = 256 };

// What a stage decided for a datagram.
enum verdict { VERDICT_NONE, VERDICT_SEND, VERDICT_PUNT, VERDICT_DROP };
