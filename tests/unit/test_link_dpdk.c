// SPDX-License-Identifier: BSD-3-Clause
// The dpdk link on devices that are memory or files: a loop (net_ring), a source and sink of
// nothing (net_null), captures (net_pcap).
#include "tests/unit/dpdk_lab.h"
#include "tests/unit/folder.h"

#include <pcap/pcap.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RING = 1024 };

static void ring_relays(void **state)
{
	static struct dgram got[BURST_MAX];

	(void)state;
	open_all("net_ring0");
	put_relay(NODE_B, "around the loop");
	assert_int_equal(worker_turn(worker), 1);
	assert_int_equal(block->counters[COUNTER_RELAYED], 1);
	assert_int_equal(take(0, got), 1);
	lab_check_frame(&got[0]);
	assert_int_equal(got[0].len, 14 + 20 + 8 + 5 + 15);
	assert_memory_equal(got[0].l2 + 42,
	    "\6\0\0\0\1"
	    "around the loop",
	    20);
	give_back(0, got, 1);
	close_all();
}

static void drops_have_names(void **state)
{
	static const uint8_t arp[60] = {[12] = 8, [13] = 6};

	(void)state;
	open_all("net_ring1");
	lab_begin(&lab, LAB_RAW);
	lab_frame(&lab, arp, sizeof(arp));
	lab_relay(&lab, A, NODE_A, NODE_NOBODY, "lost");
	lab_relay(&lab, A, NODE_A, NODE_COLD, "companion");
	assert_int_equal(put(0), 3);
	assert_int_equal(worker_turn(worker), 3);
	assert_int_equal(block->drops[DROP_NOT_UDP], 1);
	assert_int_equal(block->drops[DROP_DEST_UNKNOWN], 1);
	assert_int_equal(block->counters[COUNTER_COMPANION], 1);
	close_all();
}

static void full_ring_refuses(void **state)
{
	static struct dgram got[BURST_MAX];
	struct dgram big = {.len = 100000}, *list = &big;
	struct link_stats stats;
	unsigned sent = 0, n;

	(void)state;
	open_all("net_ring2");
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, A, NODE_A, NODE_B, "one of many");
	while (put(0))
		sent++;
	assert_in_range(sent, RING - 1, RING);
	assert_int_equal(lab.b.d[0].drop, DROP_TX_FULL);
	assert_int_equal(lent(), sent);
	raw.ops->stats(&raw, &stats);
	assert_int_equal(stats.tx_full, 1);
	assert_int_equal(stats.tx_datagrams, sent);
	assert_int_equal(raw.ops->tx_copy(raw.queues[0], &list, 1), 0);
	assert_int_equal(big.drop, DROP_TX_TOO_BIG);
	raw.ops->stats(&raw, &stats);
	assert_int_equal(stats.tx_full, 1);
	assert_int_equal(stats.tx_errors, 1);
	while ((n = take(0, got)))
		give_back(0, got, n);
	close_all();
}

static void stats_agree_with_the_device(void **state)
{
	struct rte_eth_stats device;
	struct link_stats ours;

	(void)state;
	open_all("net_ring3");
	for (int i = 0; i < 100; i++)
		put_relay(NODE_B, "counted");
	while (worker_turn(worker))
		;
	raw.ops->stats(&raw, &ours);
	assert_int_equal(rte_eth_stats_get(raw.queues[0]->port, &device), 0);
	assert_int_equal(ours.rx_datagrams, 200); // relayed ones come around once more
	assert_int_equal(ours.rx_datagrams, device.ipackets);
	assert_int_equal(ours.tx_datagrams, device.opackets);
	assert_int_equal(ours.tx_datagrams, 200);
	close_all();
}

static void queues_are_apart(void **state)
{
	static struct dgram got[BURST_MAX];

	(void)state;
	open_all("net_ring4");
	assert_int_equal(raw.queue_count, QUEUES);
	assert_ptr_not_equal(raw.queues[0]->pool, raw.queues[1]->pool);
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, A, NODE_A, NODE_B, "second");
	assert_int_equal(put(1), 1);
	assert_int_equal(take(0, got), 0);
	assert_int_equal(take(1, got), 1);
	give_back(1, got, 1);
	close_all();
}

// A frame in several buffers is put together if one buffer holds it, else it has a named drop.
static void segments(void **state)
{
	struct rte_mbuf *m[2];
	struct dgram *d;

	(void)state;
	open_all("net_ring5");
	for (int big = 0; big < 2; big++) {
		lab_begin(&lab, LAB_RAW);
		d = lab_relay(&lab, A, NODE_A, NODE_B, "in two parts");
		for (int i = 0; i < 2; i++) {
			m[i] = rte_pktmbuf_alloc(raw.queues[0]->pool);
			assert_non_null(m[i]);
		}
		memcpy(rte_pktmbuf_append(m[0], 30), d->l2, 30);
		memcpy(rte_pktmbuf_append(m[1], big ? 2040 : d->len - 30), d->l2 + 30, d->len - 30);
		assert_int_equal(rte_pktmbuf_chain(m[0], m[1]), 0);
		assert_int_equal(rte_eth_tx_burst(raw.queues[0]->port, 0, m, 1), 1);
		assert_int_equal(worker_turn(worker), 1 + big); // the relayed one came around
	}
	assert_int_equal(block->counters[COUNTER_RELAYED], 1);
	assert_int_equal(block->drops[DROP_TRUNCATED], 1);
	close_all();
}

// A driver that tells nobody of input: there is nothing to wait for, only a time to look again.
static void naps_without_interrupts(void **state)
{
	struct link_stats stats;
	char text[256];
	int fds[4];

	(void)state;
	open_all("net_ring7");
	assert_int_equal(raw.ops->poll_fds(raw.queues[0], fds, 4), 0);
	assert_int_equal(raw.ops->nap_us(raw.queues[0]), NAP_US);
	raw.ops->stats(&raw, &stats);
	raw.ops->describe(&raw, text, sizeof(text));
	assert_false(stats.native);
	assert_non_null(strstr(text, ", naps,"));
	close_all();
}

// net_tap's interrupt comes before its input can be read, and but once: until that has come, or
// long enough has not, the queue is looked at as if there were no interrupts.
static void an_interrupt_before_its_input(void **state)
{
	static struct dgram got[BURST_MAX];
	struct rte_epoll_event event = {.epdata.event = EPOLLIN | EPOLLET};
	int fd = eventfd(0, EFD_CLOEXEC);
	struct link_queue *q;
	unsigned looks = 0;

	(void)state;
	open_all("net_ring8");
	q = raw.queues[0];
	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(rte_epoll_ctl(q->epoll, EPOLL_CTL_ADD, fd, &event), 0);
	dpdk_wait_end(q); // of a sleep that something else has ended
	assert_int_equal(raw.ops->nap_us(q), LINK_WAKES);
	assert_int_equal(eventfd_write(fd, 1), 0);
	dpdk_wait_end(q);
	for (int i = 0; i < 10; i++)
		assert_int_equal(raw.ops->nap_us(q), NAP_US);
	put_relay(NODE_B, "here at last");
	assert_int_equal(worker_turn(worker), 1);
	assert_int_equal(raw.ops->nap_us(q), LINK_WAKES);
	assert_int_equal(eventfd_write(fd, 1), 0);
	dpdk_wait_end(q);
	for (; raw.ops->nap_us(q) != LINK_WAKES; looks++)
		assert_true(looks < 100000);
	assert_true(looks >= 1000); // of half a second, with naps of 300 microseconds
	rte_epoll_ctl(q->epoll, EPOLL_CTL_DEL, fd, &event);
	close(q->epoll);
	q->epoll = -1;
	close(fd);
	assert_int_equal(take(0, got), 1);
	give_back(0, got, 1);
	close_all();
}

static void null_device(void **state)
{
	(void)state;
	open_all("net_null0,size=60,copy=1");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(worker_turn(worker), BURST_MAX);
	assert_int_equal(block->counters[COUNTER_RX_DATAGRAMS], 1000 * BURST_MAX);
	assert_int_equal(block->drops[DROP_NOT_UDP], 1000 * BURST_MAX);
	close_all();
}

// --- captures ---

static const struct capture {
	uint32_t dest;
	const char *text, *to; // to NULL: not relayed
} captures[] = {
    {NODE_B, "first", "198.51.100.2:4002"},
    {NODE_NOBODY, "to nobody", NULL},
    {NODE_EX, "with its destination", "198.51.100.4:4004"},
    {NODE_SIX, "to the other family", "[2001:db8:1::3]:4003"},
    {NODE_B, "last", "198.51.100.2:4002"},
};

static void capture_write(const char *path)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *out = pcap_dump_open(p, path);

	assert_non_null(out);
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		struct pcap_pkthdr h = {0};
		struct dgram *d;

		lab_begin(&lab, LAB_RAW);
		d = lab_relay(&lab, A, NODE_A, captures[i].dest, captures[i].text);
		h.len = h.caplen = d->len;
		pcap_dump((u_char *)out, &h, d->l2);
	}
	pcap_dump_close(out);
	pcap_close(p);
}

// The frame that must leave: built from scratch, with the IPv4 identification it has by its place.
static size_t expect(const struct capture *c, uint16_t *ip_id, uint8_t *frame, size_t size)
{
	struct frame_spec s = {.ttl = 64, .to = lab_endpoint(c->to)};
	bool v4 = endpoint_is_v4(&s.to);
	uint8_t body[64] = {c->dest == NODE_EX ? 9 : 6, 0, 0, 0, NODE_A, 0, 0, 0, NODE_EX};
	size_t head = c->dest == NODE_EX ? 9 : 5;
	uint16_t check;
	int len;

	s.from = lab_endpoint(v4 ? "192.0.2.1:9001" : "[2001:db8::1]:9001");
	memcpy(s.dst_mac, lab_gateway, sizeof(s.dst_mac));
	memcpy(s.src_mac, lab_mac, sizeof(s.src_mac));
	memcpy(body + head, c->text, strlen(c->text));
	len = frame_build(frame, size, &s, body, head + strlen(c->text));
	assert_true(len > 0);
	if (v4) {
		store_be16(frame + 14 + 4, (*ip_id)++);
		check = ipv4_checksum(frame + 14, IPV4_HEADER_SIZE);
		memcpy(frame + 14 + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	}
	return (size_t)len;
}

static void capture_check(const char *path)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, text);
	uint16_t ip_id = 0;
	struct pcap_pkthdr *h;
	const u_char *bytes;

	assert_non_null(p);
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		uint8_t frame[256];
		size_t len;

		if (!captures[i].to)
			continue;
		len = expect(&captures[i], &ip_id, frame, sizeof(frame));
		assert_int_equal(pcap_next_ex(p, &h, &bytes), 1);
		assert_int_equal(h->caplen, len);
		assert_memory_equal(bytes, frame, len);
	}
	assert_int_equal(pcap_next_ex(p, &h, &bytes), PCAP_ERROR_BREAK);
	pcap_close(p);
}

static void capture_in_capture_out(void **state)
{
	char in[FILE_MAX], out[FILE_MAX], device[160];

	(void)state;
	file_new(in, "");
	file_new(out, "");
	snprintf(device, sizeof(device), "net_pcap0,rx_pcap=%s,tx_pcap=%s", in, out);
	lab_open(&lab);
	capture_write(in);
	lab_close(&lab);
	open_all(device);
	while (worker_turn(worker))
		;
	assert_int_equal(block->drops[DROP_DEST_UNKNOWN], 1);
	close_all();
	capture_check(out);
}

static void errors_name_the_device(void **state)
{
	static const char *const devices[] = {"", "net_nothing0", "0000:ff:1f.7"};
	struct link_error err;

	(void)state;
	lab_open(&lab);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		assert_true(link_start(devices[i], &err) < 0);
		assert_non_null(strstr(err.text, devices[i]));
		assert_null(raw.priv);
	}
	lab_close(&lab);
}

// DPDK itself lets a second link have it; the first one to close took it from the other.
static void one_link_a_device(void **state)
{
	struct link_error err;
	struct link first;

	(void)state;
	for (int i = 0; i < 2; i++) {
		open_all("net_ring5");
		first = raw;
		assert_int_equal(link_start("net_ring5,nodeaction=", &err), -EEXIST);
		assert_string_equal(err.text,
		    "\"net_ring5,nodeaction=\" is the device of another link: remove one of "
		    "them");
		assert_null(raw.priv);
		raw = first;
		put_relay(NODE_B, "undisturbed");
		assert_int_equal(worker_turn(worker), 1);
		while (worker_turn(worker))
			;
		close_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ring_relays),
	    cmocka_unit_test(drops_have_names),
	    cmocka_unit_test(full_ring_refuses),
	    cmocka_unit_test(stats_agree_with_the_device),
	    cmocka_unit_test(queues_are_apart),
	    cmocka_unit_test(segments),
	    cmocka_unit_test(naps_without_interrupts),
	    cmocka_unit_test(an_interrupt_before_its_input),
	    cmocka_unit_test(null_device),
	    cmocka_unit_test(capture_in_capture_out),
	    cmocka_unit_test(errors_name_the_device),
	    cmocka_unit_test(one_link_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
