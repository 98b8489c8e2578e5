// SPDX-License-Identifier: BSD-3-Clause
// The dpdk link on devices that are memory or files: a loop (net_ring), a source and sink of
// nothing (net_null), captures (net_pcap).
#define ALLOW_EXPERIMENTAL_API // rte_dev_event_callback_process
#include "dataplane/io/dpdk_internal.h"
#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "tests/unit/stage_lab.h"

#include <pcap/pcap.h>
#include <rte_dev.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <unistd.h>

#define A "198.51.100.1:4001"

enum { FRAMES = 4096, RING = 1024, QUEUES = 2, NAP_US = 300 };

static struct stage_lab lab;
static struct link raw, sock;
static struct link *links[] = {&sock, &raw};
static struct worker *worker;
static struct worker_block *block;

static int link_start(const char *device, struct link_error *err)
{
	const struct link_config cfg = {.spec = device,
	    .kind = "dpdk",
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

static void open_all(const char *device)
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
	cfg.kind = "mem-payload";
	assert_int_equal(sock.ops->open(&sock, &cfg, &err), 0);
	if (link_start(device, &err))
		fail_msg("%s: %s", device, err.text);
	block = &lab.memory.workers[0];
	assert_int_equal(worker_open(&worker, &wc), 0);
}

static unsigned lent(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < raw.queue_count; i++)
		n += rte_mempool_in_use_count(raw.queues[i]->pool);
	return n;
}

// Every buffer has come back when nothing is under way.
static void close_all(void)
{
	worker_close(worker);
	assert_int_equal(lent(), 0);
	raw.ops->close(&raw);
	assert_null(raw.queues[0]);
	sock.ops->close(&sock);
	lab_close(&lab);
}

// Sends the lab's burst out of a queue; the loop brings it back there.
static unsigned put(unsigned queue)
{
	struct dgram *list[BURST_MAX];

	for (unsigned i = 0; i < lab.b.count; i++) {
		list[i] = &lab.b.d[i];
		list[i]->drop = DROP_NONE;
	}
	return raw.ops->tx_copy(raw.queues[queue], list, lab.b.count);
}

static void put_relay(uint32_t dest, const char *text)
{
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, A, NODE_A, dest, text);
	assert_int_equal(put(0), 1);
}

static unsigned take(unsigned queue, struct dgram *d)
{
	return raw.ops->rx(raw.queues[queue], d, BURST_MAX);
}

static void give_back(unsigned queue, struct dgram *d, unsigned n)
{
	struct dgram *list[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		list[i] = &d[i];
	raw.ops->release(raw.queues[queue], list, n);
}

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
	for (unsigned i = 0; i < QUEUES; i++) { // each its own buffers, on the device's NUMA node
		const struct rte_mempool *pool = raw.queues[i]->pool;

		assert_int_equal(pool->socket_id, ((struct dpdk_link *)raw.priv)->socket);
		assert_ptr_not_equal(pool, raw.queues[!i]->pool);
	}
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

static struct link_stats stats_now(void)
{
	struct link_stats stats;

	raw.ops->maintain(&raw);
	raw.ops->stats(&raw, &stats);
	return stats;
}

static void check_gone(uint64_t frames)
{
	struct link_stats stats = stats_now();
	char text[256];

	raw.ops->describe(&raw, text, sizeof(text));
	assert_memory_equal(text, "gone", 4);
	assert_true(stats.down);
	assert_false(stats.replaced);
	assert_int_equal(stats.rx_datagrams, frames);
	assert_int_equal(stats.tx_datagrams, frames);
}

// The kernel waits for a card that it takes away: it is given back when every worker has left it.
static void device_taken_away(void **state)
{
	static struct dgram got[BURST_MAX];
	uint16_t port;

	(void)state;
	open_all("net_ring6");
	port = raw.queues[0]->port;
	put_relay(NODE_B, "in time");
	assert_int_equal(take(0, got), 1);
	rte_dev_event_callback_process("net_ring7", RTE_DEV_EVENT_REMOVE);
	rte_dev_event_callback_process("net_ring6", RTE_DEV_EVENT_ADD);
	assert_false(stats_now().down);
	rte_dev_event_callback_process("net_ring6", RTE_DEV_EVENT_REMOVE);
	assert_int_equal(put(0), 0);
	assert_int_equal(lab.b.d[0].drop, DROP_TX_FULL);
	check_gone(1);
	assert_true(rte_eth_dev_is_valid_port(port));
	assert_int_equal(take(0, &got[1]), 0);
	check_gone(1);
	assert_true(rte_eth_dev_is_valid_port(port)); // the second queue's worker has it
	assert_int_equal(take(1, &got[1]), 0);
	check_gone(1);
	assert_false(rte_eth_dev_is_valid_port(port));
	check_gone(1);
	give_back(0, got, 1);
	close_all();
}

// By somebody else, as another process of a multi-process DPDK may do.
static void device_unplugged(void **state)
{
	static struct dgram got[BURST_MAX];
	struct rte_eth_dev_info info;

	(void)state;
	open_all("net_ring8");
	assert_int_equal(rte_eth_dev_info_get(raw.queues[0]->port, &info), 0);
	assert_int_equal(rte_dev_remove(info.device), 0);
	assert_int_equal(worker_turn(worker), 0);
	assert_int_equal(put(1), 0);
	assert_int_equal(take(1, got), 0);
	check_gone(0);
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

// --- drivers that are hard to come by ---

static bool refuses_interrupts, has_cable, cable;
static unsigned refused;
static rte_eth_dev_cb_fn on_change;
static void *on_change_of;

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names
int __real_rte_eth_dev_configure(
    uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(
    uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf);

int __wrap_rte_eth_dev_configure(
    uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf)
{
	if (!refuses_interrupts || !conf->intr_conf.rxq)
		return __real_rte_eth_dev_configure(port, rx, tx, conf);
	refused++;
	return -ENOTSUP;
}

int __real_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *now);
int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *now);

int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *now)
{
	int rc = __real_rte_eth_link_get_nowait(port, now);

	if (has_cable)
		now->link_status = cable;
	return rc;
}

int __real_rte_eth_dev_callback_register(
    uint16_t port, enum rte_eth_event_type type, rte_eth_dev_cb_fn call, void *arg);
int __wrap_rte_eth_dev_callback_register(
    uint16_t port, enum rte_eth_event_type type, rte_eth_dev_cb_fn call, void *arg);

int __wrap_rte_eth_dev_callback_register(
    uint16_t port, enum rte_eth_event_type type, rte_eth_dev_cb_fn call, void *arg)
{
	if (type == RTE_ETH_EVENT_INTR_LSC) {
		on_change = call;
		on_change_of = arg;
	}
	return __real_rte_eth_dev_callback_register(port, type, call, arg);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

// A driver that does not even start with interrupts is started without.
static void starts_without_interrupts(void **state)
{
	char text[256];

	(void)state;
	refuses_interrupts = true;
	open_all("net_null0,size=60,copy=1");
	refuses_interrupts = false;
	assert_int_equal(refused, 1);
	raw.ops->describe(&raw, text, sizeof(text));
	assert_non_null(strstr(text, ", naps,"));
	assert_int_equal(worker_turn(worker), BURST_MAX);
	close_all();
}

// The driver tells that the cable has changed; nobody has to ask it.
static void cable_changes(void **state)
{
	static const bool states[] = {false, false, true, false, true};
	struct link_stats stats;

	(void)state;
	has_cable = cable = true;
	open_all("net_ring9");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		cable = states[i];
		on_change(raw.queues[0]->port, RTE_ETH_EVENT_INTR_LSC, on_change_of, NULL);
		raw.ops->stats(&raw, &stats);
		assert_int_equal(stats.down, !states[i]);
	}
	has_cable = false;
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
	char in[] = "/tmp/fairway-in-XXXXXX", out[] = "/tmp/fairway-out-XXXXXX", device[128];
	int fds[2] = {mkstemp(in), mkstemp(out)};

	(void)state;
	assert_true(fds[0] >= 0 && fds[1] >= 0);
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
	close(fds[0]);
	close(fds[1]);
	unlink(in);
	unlink(out);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ring_relays),
	    cmocka_unit_test(drops_have_names),
	    cmocka_unit_test(full_ring_refuses),
	    cmocka_unit_test(stats_agree_with_the_device),
	    cmocka_unit_test(queues_are_apart),
	    cmocka_unit_test(segments),
	    cmocka_unit_test(device_taken_away),
	    cmocka_unit_test(device_unplugged),
	    cmocka_unit_test(naps_without_interrupts),
	    cmocka_unit_test(starts_without_interrupts),
	    cmocka_unit_test(cable_changes),
	    cmocka_unit_test(null_device),
	    cmocka_unit_test(capture_in_capture_out),
	    cmocka_unit_test(errors_name_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
