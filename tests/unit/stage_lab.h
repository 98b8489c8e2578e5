// SPDX-License-Identifier: BSD-3-Clause
// A relay's tables and one worker's stages, without links or threads: tests put datagrams into the
// burst, run the stages at a time they choose, and look at what became of them.
#pragma once

#include "dataplane/io/frame.h"
#include "dataplane/stage/stage.h"
#include "dataplane/worker_room.h"
#include "shm/memory.h"
#include "shm/node_writer.h"
#include "shm/peer_table.h"
#include "tests/unit/unit.h"
#include "wire/beacon.h"
#include "wire/inet.h"

enum { LAB_SOCK = 0, LAB_RAW = 1 };		      // links
enum { LAB_V4 = 0, LAB_V6 = 1 };		      // locals 192.0.2.1:9001, [2001:db8::1]:9001
enum { LAB_NEXTHOP = 1, LAB_VLAN = 2, LAB_DOWN = 3 }; // next hops; LAB_DOWN's egress is invalid
enum { LAB_MTU = 1500, LAB_BUFFER = HEADROOM + 2048 + TAILROOM };
enum { LAB_VLAN_ID = 100 };

// Where nodes and the peer relay are, and somebody who is none of them.
#define AT_A	 "198.51.100.1:4001"
#define AT_B	 "198.51.100.2:4002"
#define AT_SIX	 "[2001:db8:1::3]:4003"
#define AT_EX	 "198.51.100.4:4004"
#define AT_PEER	 "203.0.113.1:9001"
#define AT_OTHER "198.51.100.77:4001"

// Nodes that are there from the start.
enum {
	NODE_A = 1,	  // AT_A
	NODE_B = 2,	  // AT_B
	NODE_SIX = 3,	  // AT_SIX
	NODE_EX = 4,	  // AT_EX, registered with 0x08
	NODE_FAR = 5,	  // known by the peer relay
	NODE_COLD = 6,	  // 198.51.100.6:4006, next hop not resolved
	NODE_TAGGED = 7,  // 198.51.100.7:4007, behind the VLAN
	NODE_SHADY = 8,	  // 198.51.100.8:4008, next hop's egress is down
	NODE_NOBODY = 99, // not there
};

struct stage_lab {
	struct memory memory;
	struct node_writer nodes;
	struct peer_writer peers;
	struct stage_env env;
	struct worker_room room;
	struct ring_consumer punts;
	struct burst b;
	struct tx_lists out;
	uint8_t buffers[BURST_MAX][LAB_BUFFER];
};

extern const uint8_t lab_mac[ETH_ADDR_SIZE], lab_gateway[ETH_ADDR_SIZE];

// The lab is large: tests hold it in static memory.
void lab_open(struct stage_lab *lab);
// With memory for so many workers; the lab's stages are the first one's.
void lab_open_for(struct stage_lab *lab, unsigned workers);
void lab_close(struct stage_lab *lab);

// A test program's `lab`, with its group's setup and teardown.
#define STAGE_LAB_FIXTURE                 \
	static struct stage_lab lab;      \
                                          \
	static int setup(void **state)    \
	{                                 \
		(void)state;              \
		lab_open(&lab);           \
		return 0;                 \
	}                                 \
                                          \
	static int teardown(void **state) \
	{                                 \
		(void)state;              \
		lab_close(&lab);          \
		return 0;                 \
	}
void lab_node(struct stage_lab *lab, uint32_t id, const char *at, uint16_t nexthop, uint8_t flags);
struct endpoint lab_endpoint(const char *text);

// Empties the burst and chooses its link.
void lab_begin(struct stage_lab *lab, unsigned link);
// Adds a frame to a burst of LAB_RAW, or a payload to one of LAB_SOCK. Returns its descriptor.
struct dgram *lab_frame(struct stage_lab *lab, const void *frame, size_t len);
struct dgram *lab_payload(
    struct stage_lab *lab, const char *from, uint8_t local, const void *payload, size_t len);
// Adds a datagram as it would come from there: a frame to the local address of its family, or a
// payload, as the burst's link has it.
struct dgram *lab_dgram(struct stage_lab *lab, const char *from, const void *payload, size_t len);
// A 0x05 with this frame.
struct dgram *lab_relay(
    struct stage_lab *lab, const char *from, uint32_t sender, uint32_t dest, const char *text);
void lab_run(struct stage_lab *lab, uint64_t now_ns);

uint64_t lab_drops(const struct stage_lab *lab, enum drop d);
uint64_t lab_count(const struct stage_lab *lab, enum counter c);

// Waits until a worker's thread has counted so far; false: it does not.
bool lab_wait(const uint64_t *word, uint64_t least);

// The next punted record with its payload (copied, at most size bytes); false: none.
bool lab_punt(struct stage_lab *lab, struct punt_record *record, void *payload, size_t size);

// Parses a frame that leaves and checks the IP and UDP checksums; fails the test if wrong.
struct inet_udp lab_check_frame(const struct dgram *d);
// Payload of what leaves.
const uint8_t *lab_sent(const struct stage_lab *lab, const struct dgram *d, uint32_t *len);
