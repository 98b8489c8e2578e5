// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// After the headers that it needs.
#include <cmocka.h>

// Two nameless network namespaces joined by a cable fw0 (ours) - fw1 (the peer's); both vanish
// with the process. The calling thread lives in ours. Addresses: 10.9.0.1, fd09::1 ours; .2, ::2
// the peer's.

struct xdp_lab {
	int ours, theirs; // namespace descriptors
	int tap;	  // packet socket on fw0: what the kernel got
	int wire;	  // packet socket on fw1: sends and receives frames as the peer
	bool vlans;	  // this kernel has VLAN interfaces
	bool tun;	  // there is an interface fwt without Ethernet headers
	char skip[200];	  // why the lab cannot be made
	struct local *locals;
	struct egress *egress;
};

enum { LAB_PORT = 9001, LAB_FRAME_MAX = 9216, LAB_TAG_SIZE = 8 };

// False: lab->skip says why.
bool lab_open(struct xdp_lab *lab);
void lab_await_carrier(const char *ifname);
void lab_close(struct xdp_lab *lab);
// Runs a shell command in our or the peer's namespace; fails the process when it fails.
__attribute__((format(printf, 2, 3))) void lab_ours(struct xdp_lab *lab, const char *format, ...);
__attribute__((format(printf, 2, 3))) void lab_theirs(struct xdp_lab *lab, const char *format, ...);
// A socket of the peer.
int lab_their_socket(struct xdp_lab *lab, int family, int type);
// A packet socket on an interface of the current namespace; receives what passes there.
int lab_packet_socket(const char *ifname);
void lab_serve(struct xdp_lab *lab, int index, const char *endpoint);
struct link_config lab_config(struct xdp_lab *lab, const char *spec);

// Opens or fails the test.
void lab_link_open(struct link *l, const struct link_config *cfg);
// On our end of the veth pair.
void lab_link_open_default(struct link *l, struct xdp_lab *lab);
const struct egress *lab_egress(struct xdp_lab *lab, const char *ifname);

// A frame for us; the tag is unique and ends the frame, so that it is found wherever it surfaces.
struct lab_frame {
	uint8_t data[LAB_FRAME_MAX];
	size_t len, l3, l4;
	uint8_t tag[LAB_TAG_SIZE];
};

// vlans: tags, outer first, 0 ends. UDP payload of `payload` bytes, at least LAB_TAG_SIZE.
void lab_frame_v4(struct lab_frame *f, const uint16_t vlans[2], size_t payload);
void lab_frame_v6(struct lab_frame *f, const uint16_t vlans[2], size_t payload);
void lab_send(struct xdp_lab *lab, const struct lab_frame *f);

// Milliseconds of CLOCK_MONOTONIC.
uint64_t lab_now_ms(void);
// Where the frame with this tag surfaces within two seconds.
enum lab_place { LAB_NOWHERE, LAB_KERNEL, LAB_LINK };
enum lab_place lab_find(struct xdp_lab *lab, struct link *link, const uint8_t *tag);
// Receives on any queue of the link until a frame with the tag comes; others are released. The
// queue is NULL when none came.
struct link_queue *lab_take(struct link *link, const uint8_t *tag, struct dgram *out);
// True when the peer receives these bytes.
bool lab_peer_got(struct xdp_lab *lab, const uint8_t *bytes, size_t len);

// The exit status of the program: tests that failed, or 77 with a reason where AF_XDP is missing.
int lab_run_tests(struct xdp_lab *lab, const char *group, const struct CMUnitTest *tests, size_t n);
