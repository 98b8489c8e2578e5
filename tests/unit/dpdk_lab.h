// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/dpdk_internal.h"
#include "dataplane/worker.h"
#include "tests/unit/stage_lab.h"

// A dpdk link with two queues, a companion, and a worker for the first queue.

#define A "198.51.100.1:4001"

enum { QUEUES = 2, NAP_US = 300 };

extern struct stage_lab lab;
extern struct link raw;
extern struct worker *worker;
extern struct worker_block *block;

// The link alone; what its opening says.
int link_start(const char *device, struct link_error *err);
void open_all(const char *device);
// Every buffer has come back when nothing is under way.
void close_all(void);
// Buffers that are not free.
unsigned lent(void);

// Sends the lab's burst out of a queue; a loop brings it back there.
unsigned put(unsigned queue);
void put_relay(uint32_t dest, const char *text);
// What a queue receives, into BURST_MAX descriptors.
unsigned take(unsigned queue, struct dgram *d);
void give_back(unsigned queue, struct dgram *d, unsigned n);
