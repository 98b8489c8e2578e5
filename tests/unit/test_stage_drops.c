// SPDX-License-Identifier: BSD-3-Clause
// Every drop of DROP_LIST is provoked here, each by a function of its own; a new drop without one
// fails this test. Those of the stages come about in the lab, those of links through a worker
// whose link refuses.
#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "tests/unit/stage_lab.h"

#include <sys/eventfd.h>
#include <unistd.h>

static struct stage_lab lab;

static const struct frame_spec good = {.ttl = 64};

// A frame of a relay message, with one thing about it changed by the caller.
static struct dgram *frame_make(struct frame_spec spec, const char *from, const char *to)
{
	static const uint8_t payload[] = {5, 0, 0, 0, NODE_A, 0, 0, 0, NODE_B, 'x'};
	uint8_t frame[256];
	int n;

	spec.from = lab_endpoint(from);
	spec.to = lab_endpoint(to);
	n = frame_build(frame, sizeof(frame), &spec, payload, sizeof(payload));
	assert_true(n > 0);
	lab_begin(&lab, LAB_RAW);
	return lab_frame(&lab, frame, (size_t)n);
}

static void message(const char *from, const void *bytes, size_t len)
{
	lab_begin(&lab, LAB_SOCK);
	lab_payload(&lab, from, LAB_V4, bytes, len);
}

static void relay(const char *from, uint32_t sender, uint32_t dest)
{
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, from, sender, dest, "x");
}

static void not_udp(void)
{
	store_be16(frame_make(good, AT_A, "192.0.2.1:9001")->l2 + ETH_OFFSET_TYPE, 0x0806);
}

static void truncated(void)
{
	frame_make(good, AT_A, "192.0.2.1:9001")->len -= 3;
}

static void ip_checksum(void)
{
	frame_make(good, AT_A, "192.0.2.1:9001")->l2[ETH_HEADER_SIZE + IPV4_OFFSET_CHECKSUM] ^= 4;
}

static void udp_checksum_absent(void)
{
	struct frame_spec spec = {.ttl = 64, .no_checksum = 1};

	frame_make(spec, AT_SIX, "[2001:db8::1]:9001");
}

static void ttl_expired(void)
{
	frame_make((struct frame_spec){.ttl = 0}, AT_A, "192.0.2.1:9001");
}

static void source_invalid(void)
{
	frame_make(good, "224.0.0.5:4001", "192.0.2.1:9001");
}

static void empty(void)
{
	message(AT_A, "", 0);
}

static void unknown_type(void)
{
	message(AT_A, "\xee", 1);
}

static void tunnel_frame(void)
{
	message(AT_A, "PILS", 4);
}

static void short_message(void)
{
	message(AT_A, "\x05", 1);
}

static void node_zero(void)
{
	relay(AT_A, NODE_A, 0);
}

static void police_source_over(void)
{
	lab.env.set.source_rate = 1;
	lab.env.set.source_burst = 1;
	message(AT_A, "\1\0\0\0\0", 5);
	lab_payload(&lab, AT_A, LAB_V4, "\1\0\0\0\0", 5);
}

static void police_sender_over(void)
{
	lab.env.set.sender_rate = 1;
	lab.env.set.sender_burst = 1;
	relay(AT_A, NODE_A, NODE_B);
	lab_relay(&lab, AT_A, NODE_A, NODE_B, "x");
}

static void police_punt_over(void)
{
	lab.env.set.punt_rate[PUNT_PUNCH] = 1;
	message(AT_A, "\3\0\0\0\1\0\0\0\2", 9);
	lab_payload(&lab, AT_A, LAB_V4, "\3\0\0\0\1\0\0\0\2", 9);
}

static void sender_unknown(void)
{
	relay(AT_A, NODE_NOBODY, NODE_B);
}

static void sender_address(void)
{
	relay("198.51.100.77:1", NODE_A, NODE_B);
}

static void dest_unknown(void)
{
	relay(AT_A, NODE_A, NODE_NOBODY);
}

static void split_horizon(void)
{
	relay(AT_PEER, NODE_FAR, NODE_FAR);
}

static void peer_unknown(void)
{
	message(AT_A, "\7\0\0\0\1\0\0", 7);
}

static void punt_full(void)
{
	lab.env.punt.size = 64;
	message(AT_A, "\3\0\0\0\1\0\0\0\2", 9);
}

// The companion of a worker that refuses each datagram for one reason.
static enum drop refusal;

static unsigned refuse_copy(struct link_queue *q, struct dgram **d, unsigned n)
{
	(void)q;
	for (unsigned i = 0; i < n; i++)
		d[i]->drop = (uint8_t)refusal;
	return 0;
}

// Receives one relay datagram on a raw link; its way out is the refusing companion. Returns what
// the worker counted as this drop.
static uint64_t link_refuses(enum drop why)
{
	struct link_config cfg = {
	    .spec = "", .index = LAB_RAW, .worker_count = 1, .frame_count = 8};
	struct link_ops refusing = link_mem_payload_ops;
	struct link raw = {.ops = &link_mem_ops}, sock = {.ops = &link_mem_payload_ops};
	struct link *links[] = {&sock, &raw};
	struct worker_config wc = {.memory = &lab.memory,
	    .links = links,
	    .link_count = 2,
	    .companion = LAB_SOCK,
	    .event_fd = -1,
	    .cp_event_fd = -1,
	    .cpu = -1};
	struct worker_block *block = &lab.memory.workers[0];
	struct link_error err;
	struct worker *w;
	struct dgram *d;

	refusal = why;
	refusing.tx_copy = refuse_copy;
	assert_int_equal(raw.ops->open(&raw, &cfg, &err), 0);
	cfg.index = LAB_SOCK;
	assert_int_equal(sock.ops->open(&sock, &cfg, &err), 0);
	sock.ops = &refusing;
	assert_int_equal(worker_open(&w, &wc), 0);
	lab_begin(&lab, LAB_RAW);
	d = lab_relay(&lab, AT_A, NODE_A, NODE_COLD, "x");
	assert_int_equal(mem_put(&raw, 0, d->l2, d->len), 0);
	assert_int_equal(worker_turn(w), 1);
	assert_int_equal(mem_lent(&raw, 0), 0);
	assert_int_equal(block->counters[COUNTER_RELAYED], 0);
	assert_int_equal(block->counters[COUNTER_TX_DATAGRAMS], 0);
	worker_close(w);
	raw.ops->close(&raw);
	sock.ops->close(&sock);
	return block->drops[why];
}

static void (*const causes[DROP_COUNT])(void) = {
    [DROP_NOT_UDP] = not_udp,
    [DROP_TRUNCATED] = truncated,
    [DROP_IP_CHECKSUM] = ip_checksum,
    [DROP_UDP_CHECKSUM] = udp_checksum_absent,
    [DROP_EMPTY] = empty,
    [DROP_UNKNOWN_TYPE] = unknown_type,
    [DROP_TUNNEL_FRAME] = tunnel_frame,
    [DROP_SHORT_MESSAGE] = short_message,
    [DROP_NODE_ZERO] = node_zero,
    [DROP_SOURCE_INVALID] = source_invalid,
    [DROP_POLICE_SOURCE] = police_source_over,
    [DROP_POLICE_SENDER] = police_sender_over,
    [DROP_POLICE_PUNT] = police_punt_over,
    [DROP_SENDER_UNKNOWN] = sender_unknown,
    [DROP_SENDER_ADDRESS] = sender_address,
    [DROP_DEST_UNKNOWN] = dest_unknown,
    [DROP_SPLIT_HORIZON] = split_horizon,
    [DROP_PEER_UNKNOWN] = peer_unknown,
    [DROP_PUNT_FULL] = punt_full,
    [DROP_TTL_EXPIRED] = ttl_expired,
};

static bool belongs_to_links(enum drop d)
{
	return d == DROP_NO_ROUTE || d == DROP_TX_FULL || d == DROP_TX_ERROR ||
	       d == DROP_TX_TOO_BIG || d == DROP_NO_BUFFER;
}

static void every_drop(void **state)
{
	(void)state;
	for (enum drop d = DROP_NONE + 1; d < DROP_LINK_FIRST; d++) {
		uint64_t all = 0;

		lab_open(&lab);
		if (belongs_to_links(d)) {
			assert_int_equal(link_refuses(d), 1);
			lab_close(&lab);
			continue;
		}
		if (causes[d])
			causes[d]();
		else
			fail_msg("no cause for drop %s", drop_names[d]);
		lab_run(&lab, 1);
		for (enum drop other = DROP_NONE; other < DROP_COUNT; other++)
			all += lab_drops(&lab, other);
		if (lab_drops(&lab, d) != 1 || all != 1)
			fail_msg("%s: counted %llu, all drops %llu", drop_names[d],
			    (unsigned long long)lab_drops(&lab, d), (unsigned long long)all);
		lab_close(&lab);
	}
}

// The mem link refuses for want of room, of buffers and of size, and loses no buffer over it.
static void mem_link_refuses(void **state)
{
	struct link_config cfg = {.spec = "256", .worker_count = 1, .frame_count = MEM_RING + 8};
	struct link link = {.ops = &link_mem_payload_ops};
	struct link_error err;
	struct dgram d = {.data = (uint8_t *)&cfg, .len = 16}, *list[] = {&d};
	struct link_queue *q;
	unsigned sent = 0;

	(void)state;
	assert_int_equal(link.ops->open(&link, &cfg, &err), 0);
	q = link.queues[0];
	for (int i = 0; i < MEM_RING + 1; i++)
		sent += link.ops->tx_copy(q, list, 1);
	assert_int_equal(sent, MEM_RING);
	assert_int_equal(d.drop, DROP_TX_FULL);
	link.ops->close(&link);
	cfg.frame_count = 1;
	assert_int_equal(link.ops->open(&link, &cfg, &err), 0);
	q = link.queues[0];
	d.drop = DROP_NONE;
	assert_int_equal(link.ops->tx_copy(q, list, 1), 1);
	assert_int_equal(link.ops->tx_copy(q, list, 1), 0);
	assert_int_equal(d.drop, DROP_NO_BUFFER);
	d.drop = DROP_NONE;
	d.len = 5000;
	assert_int_equal(link.ops->tx_copy(q, list, 1), 0);
	assert_int_equal(d.drop, DROP_TX_TOO_BIG);
	link.ops->close(&link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_drop),
	    cmocka_unit_test(mem_link_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
