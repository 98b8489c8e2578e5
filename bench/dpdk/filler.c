// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/filler.h"

#include "base/random.h"
#include "bench/rig.h"
#include "dataplane/io/frame.h"
#include "wire/beacon.h"
#include "wire/inet.h"

#include <err.h>
#include <rte_ethdev.h>
#include <stdalign.h>
#include <string.h>

enum { FIRST_ADDRESS = 0x0a000001, SPREAD = 2654435761 };

// Sums are over the frame with sender, destination and source zero.
static struct {
	uint8_t frame[FRAME];
	uint64_t ip_sum, udp_sum;
	uint32_t nodes, senders;
	struct filler_queue {
		alignas(CACHE_LINE) uint64_t random;
		const struct rte_eth_rxtx_callback *callback;
		uint16_t port, queue;
	} queues[RIG_WORKERS];
	unsigned queue_count;
} filler;

uint32_t filler_node(uint32_t i)
{
	return (uint32_t)((i + 1) * SPREAD);
}

uint32_t filler_address(uint32_t i)
{
	return htobe32(FIRST_ADDRESS + i);
}

static void queues_find(unsigned workers)
{
	const bool own_device = rte_eth_dev_count_avail() > 1;
	uint16_t port = (uint16_t)rte_eth_find_next(0);

	filler.queue_count = workers;
	for (unsigned i = 0; i < workers; i++) {
		filler.queues[i] = (struct filler_queue){.random = 88172645463325252 + i,
		    .port = port,
		    .queue = own_device ? 0 : (uint16_t)i};
		if (own_device)
			port = (uint16_t)rte_eth_find_next(port + 1);
	}
}

void filler_open(uint32_t nodes, uint32_t senders, unsigned workers)
{
	uint8_t relay[FRAME] = {BEACON_RELAY};
	struct frame_spec s = {.ttl = 64, .from = endpoint_from_v4(0, NODE_PORT)};
	uint16_t check;
	size_t head;

	if (endpoint_parse("192.0.2.1:9001", 0, &s.to))
		errx(1, "no address");
	head = frame_header_size(&s);
	memcpy(s.dst_mac, rig_mac, sizeof(s.dst_mac));
	memcpy(s.src_mac, rig_gateway, sizeof(s.src_mac));
	queues_find(workers);
	filler.nodes = nodes;
	filler.senders = senders;
	if (frame_build(filler.frame, FRAME, &s, relay, FRAME - head) != FRAME)
		errx(1, "the frame does not fit");
	memcpy(&check, filler.frame + ETH_HEADER_SIZE + IPV4_OFFSET_CHECKSUM, sizeof(check));
	filler.ip_sum = (uint16_t)~check;
	memcpy(&check, filler.frame + head - 2, sizeof(check));
	filler.udp_sum = (uint16_t)~check;
}

static inline void frame_fill(uint8_t *p, uint64_t *random)
{
	enum { IP = ETH_HEADER_SIZE, UDP = IP + IPV4_HEADER_SIZE, BODY = UDP + UDP_HEADER_SIZE };
	uint32_t from = random_below(random, filler.senders);
	uint32_t to = random_below(random, filler.nodes);
	uint32_t source = filler_address(from);
	uint32_t ids[2] = {htobe32(filler_node(from)), htobe32(filler_node(to))};
	uint8_t odd[12] = {0};
	uint16_t check;

	memcpy(p, filler.frame, FRAME);
	memcpy(p + IP + IPV4_OFFSET_SRC, &source, sizeof(source));
	memcpy(p + BODY + 1, ids, sizeof(ids));
	memcpy(odd + 1, ids, sizeof(ids)); // they start at an odd place
	check = (uint16_t)~csum_fold(filler.ip_sum + source);
	memcpy(p + IP + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	check = (uint16_t)~csum_fold(csum_add(filler.udp_sum + source, odd, sizeof(odd)));
	memcpy(p + UDP + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
}

static uint16_t fill(
    uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n, uint16_t max, void *context)
{
	(void)port;
	(void)queue;
	(void)max;
	for (uint16_t i = 0; i < n; i++) {
		frame_fill(rte_pktmbuf_mtod(m[i], uint8_t *), context);
		m[i]->data_len = FRAME;
		m[i]->pkt_len = FRAME;
	}
	return n;
}

void filler_start(void)
{
	for (unsigned i = 0; i < filler.queue_count; i++) {
		struct filler_queue *q = &filler.queues[i];

		q->callback = rte_eth_add_rx_callback(q->port, q->queue, fill, &q->random);
	}
}

void filler_stop(void)
{
	for (unsigned i = 0; i < filler.queue_count; i++) {
		struct filler_queue *q = &filler.queues[i];

		if (q->callback)
			rte_eth_remove_rx_callback(q->port, q->queue, q->callback);
		q->callback = NULL;
	}
}
