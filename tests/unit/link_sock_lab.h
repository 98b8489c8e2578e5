// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the headers above
#include <cmocka.h>

// A sock link on loopback and plain sockets that talk to it. Payload bytes follow from a number
// that the test chooses, so that what arrives tells which datagram it was. All waits are bounded.

struct lab {
	struct local locals[LOCAL_MAX];
	struct egress egress[EGRESS_MAX];
	struct relay_settings settings;
	struct link_config cfg;
	struct link link;
	struct dgram d[BURST_MAX];
	uint16_t port;
	uint16_t extra_port[4];
	uint8_t extra_local[4];
};

// Listens on each of the addresses (NULL ends the list) at one free port, with extra gossip ports.
struct lab *lab_open(const char *const *listen, unsigned workers, unsigned extras);
void lab_close(struct lab *lab);

// Switches UDP_GRO on for the sockets of queue 0, which the link does only when trains come.
void lab_gro_set(struct lab *lab);
bool lab_has_gro(struct lab *lab);

// Waits until loopback has delivered all that was sent: within the sender's call, unless the
// processor is busy with the packets of others.
void lab_settle(void);
// Fills lab->d with exactly n datagrams in one burst; waits until the kernel has them all.
unsigned lab_receive(struct lab *lab, unsigned queue, unsigned n);
// Receives one datagram on whichever queue it comes to and returns the queue.
unsigned lab_receive_any(struct lab *lab);
// Points the first n descriptors back at their sources.
void lab_answer_prepare(struct lab *lab, unsigned n);
// The same, and sends them.
unsigned lab_answer(struct lab *lab, unsigned queue, unsigned n);
void lab_release(struct lab *lab, unsigned queue, unsigned n);

// A connected socket; with gro it receives trains.
int client_open(const char *to, uint16_t port, bool gro);
// With segment > 0 the kernel cuts the payload into datagrams of that size.
void client_send(int fd, unsigned number, uint32_t len, uint16_t segment);
// `count` datagrams of `size` numbered from 0, then one of `last` bytes unless that is 0.
void client_send_train(int fd, uint16_t size, unsigned count, uint32_t last);
void client_expect(int fd, unsigned number, uint32_t len);
// Expects datagrams from `number` on in one message and returns how many there were.
unsigned client_expect_train(int fd, unsigned number, const uint32_t *sizes);

// Receives a datagram over IPv4 and returns its time to live.
int client_ttl(int fd);

void assert_payload(const uint8_t *data, unsigned number, uint32_t len);
bool has_ipv6(void);
// A network namespace whose loopback has this MTU; false when that is not permitted.
bool namespace_enter(int mtu);
