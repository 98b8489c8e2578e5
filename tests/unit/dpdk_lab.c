// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dpdk_lab.h"

#include "dataplane/io/mem.h"

#include <rte_mempool.h>

enum { FRAMES = 4096 };

struct stage_lab lab;
struct link raw;
struct worker *worker;
struct worker_block *block;

static struct link sock;
static struct link *links[] = {&sock, &raw};

int link_start(const char *device, struct link_error *err)
{
	const struct link_config cfg = {.spec = device,
	    .index = LAB_RAW,
	    .worker_count = QUEUES,
	    .frame_count = FRAMES,
	    .locals = lab.memory.locals,
	    .egress = lab.memory.egress,
	    .dpdk_queues = QUEUES,
	    .dpdk_nap_us = NAP_US,
	    .dpdk_tap = "auto"};

	raw = (struct link){.ops = &link_dpdk_ops};
	return raw.ops->open(&raw, &cfg, err);
}

void open_all(const char *device)
{
	struct link_config cfg = {.spec = "", .worker_count = 1, .frame_count = 256};
	struct worker_config wc = {.memory = &lab.memory,
	    .links = links,
	    .link_count = 2,
	    .companion = LAB_SOCK,
	    .cpu = -1};
	struct link_error err;

	lab_open(&lab);
	lab.memory.settings->ttl = 64;
	sock = (struct link){.ops = &link_mem_payload_ops};
	assert_int_equal(sock.ops->open(&sock, &cfg, &err), 0);
	if (link_start(device, &err))
		fail_msg("%s: %s", device, err.text);
	block = &lab.memory.workers[0];
	assert_int_equal(worker_open(&worker, &wc), 0);
}

unsigned lent(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < raw.queue_count; i++)
		n += rte_mempool_in_use_count(raw.queues[i]->pool);
	return n;
}

void close_all(void)
{
	worker_close(worker);
	assert_int_equal(lent(), 0);
	raw.ops->close(&raw);
	assert_null(raw.queues[0]);
	sock.ops->close(&sock);
	lab_close(&lab);
}

unsigned put(unsigned queue)
{
	struct dgram *list[BURST_MAX];

	for (unsigned i = 0; i < lab.b.count; i++) {
		list[i] = &lab.b.d[i];
		list[i]->drop = DROP_NONE;
	}
	return raw.ops->tx_copy(raw.queues[queue], list, lab.b.count);
}

void put_relay(uint32_t dest, const char *text)
{
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, A, NODE_A, dest, text);
	assert_int_equal(put(0), 1);
}

unsigned take(unsigned queue, struct dgram *d)
{
	return raw.ops->rx(raw.queues[queue], d, BURST_MAX);
}

void give_back(unsigned queue, struct dgram *d, unsigned n)
{
	struct dgram *list[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		list[i] = &d[i];
	raw.ops->release(raw.queues[queue], list, n);
}
