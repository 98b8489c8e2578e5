// SPDX-License-Identifier: BSD-3-Clause
// What the AF_XDP link receives and sends on a veth pair of the real kernel.
#include "dataplane/io/xdp_internal.h"
#include "tests/unit/xdp_lab.h"
#include "wire/inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct xdp_lab lab;
static struct link one, other;
static const struct link_ops *const ops = &link_xdp_ops;
static bool device_is_busy; // its queue takes nothing that the kernel is told to send

ssize_t __wrap_sendto(
    int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len);
ssize_t __real_sendto(
    int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len);

ssize_t __wrap_sendto(
    int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	if (!device_is_busy || data)
		return __real_sendto(fd, data, len, flags, to, to_len);
	errno = EAGAIN;
	return -1;
}

static int close_links(void **state)
{
	(void)state;
	ops->close(&one);
	ops->close(&other);
	return 0;
}

// --- what is steered ---

static void to_options(struct lab_frame *f)
{
	// Four bytes of no-operation before the UDP header.
	memmove(f->data + f->l4 + 4, f->data + f->l4, f->len - f->l4);
	memset(f->data + f->l4, 1, 4);
	f->data[f->l3] = 0x46;
	f->l4 += 4;
	f->len += 4;
}

static void to_first_fragment(struct lab_frame *f)
{
	f->data[f->l3 + IPV4_OFFSET_FRAGMENT] = 0x20;
}

static void to_last_fragment(struct lab_frame *f)
{
	f->data[f->l3 + IPV4_OFFSET_FRAGMENT + 1] = 0x10;
}

static void to_dont_fragment(struct lab_frame *f)
{
	f->data[f->l3 + IPV4_OFFSET_FRAGMENT] = 0x40;
}

static void to_other_port(struct lab_frame *f)
{
	store_be16(f->data + f->l4 + UDP_OFFSET_DST, LAB_PORT + 1);
}

static void to_tcp(struct lab_frame *f)
{
	f->data[f->l3 + IPV4_OFFSET_PROTOCOL] = 6;
}

static void to_other_address(struct lab_frame *f)
{
	f->data[f->l3 + IPV4_OFFSET_DST + 3] = 77;
}

static void to_other_station(struct lab_frame *f)
{
	f->data[5] ^= 1;
}

static void to_broadcast(struct lab_frame *f)
{
	memset(f->data, 0xff, 6);
}

static void to_fragment_header(struct lab_frame *f)
{
	f->data[f->l3 + IPV6_OFFSET_NEXT] = 44;
}

static void to_short_udp(struct lab_frame *f)
{
	// The tag stands where the UDP header would be cut off.
	f->len = f->l4 + 4;
	memcpy(f->data + f->l4 - 4, f->tag, LAB_TAG_SIZE);
}

enum { OUR_VLAN = 5, PRIORITY = 6 << 13 };

static const uint16_t no_vlan[2],
    our_vlan[2] = {OUR_VLAN}, urgent[2] = {PRIORITY}, our_urgent[2] = {PRIORITY | OUR_VLAN},
    other_vlan[2] = {OUR_VLAN + 64}, two_vlans[2] = {OUR_VLAN, OUR_VLAN};

static const struct {
	const char *name;
	int version;
	const uint16_t *vlans;
	size_t payload;
	void (*change)(struct lab_frame *f);
	enum lab_place place;
} frames[] = {
    {"IPv4", 4, no_vlan, 64, NULL, LAB_LINK},
    {"IPv4 with options", 4, no_vlan, 64, to_options, LAB_LINK},
    {"IPv4 with DF", 4, no_vlan, 64, to_dont_fragment, LAB_LINK},
    {"IPv4, our VLAN", 4, our_vlan, 64, NULL, LAB_LINK},
    {"IPv4, our VLAN and a priority", 4, our_urgent, 64, NULL, LAB_LINK},
    {"IPv4, a priority", 4, urgent, 64, NULL, LAB_LINK},
    {"IPv4, another VLAN", 4, other_vlan, 64, NULL, LAB_KERNEL},
    {"IPv4, two tags", 4, two_vlans, 64, NULL, LAB_KERNEL},
    {"IPv6", 6, no_vlan, 64, NULL, LAB_LINK},
    {"IPv6, our VLAN", 6, our_vlan, 64, NULL, LAB_LINK},
    {"IPv6, another VLAN", 6, other_vlan, 64, NULL, LAB_KERNEL},
    {"IPv6, two tags", 6, two_vlans, 64, NULL, LAB_KERNEL},
    {"biggest frame that fits", 4, no_vlan, 3520 - 42, NULL, LAB_LINK},
    {"in two buffers of veth", 4, no_vlan, 3600, NULL, LAB_KERNEL},
    {"jumbo frame", 4, no_vlan, 8900, NULL, LAB_KERNEL},
    {"first fragment", 4, no_vlan, 64, to_first_fragment, LAB_KERNEL},
    {"last fragment", 4, no_vlan, 64, to_last_fragment, LAB_KERNEL},
    {"IPv6 fragment header", 6, no_vlan, 64, to_fragment_header, LAB_KERNEL},
    {"other port", 4, no_vlan, 64, to_other_port, LAB_KERNEL},
    {"other port, IPv6", 6, no_vlan, 64, to_other_port, LAB_KERNEL},
    {"TCP to our port", 4, no_vlan, 64, to_tcp, LAB_KERNEL},
    {"other address", 4, no_vlan, 64, to_other_address, LAB_KERNEL},
    {"other station", 4, no_vlan, 64, to_other_station, LAB_KERNEL},
    {"broadcast", 4, no_vlan, 64, to_broadcast, LAB_KERNEL},
    {"half a UDP header", 4, no_vlan, 64, to_short_udp, LAB_KERNEL},
};

// As if the host had an interface for it; not every kernel has VLANs.
static void vlan_serve(uint16_t vlan)
{
	struct egress table[EGRESS_MAX] = {
	    {.vlan = vlan, .link = one.index, .valid = 1},
	    {.vlan = vlan + 64, .link = one.index},
	    {.vlan = vlan + 64, .link = one.index + 1, .valid = 1},
	};

	xdp_program_vlans(&((struct xdp_link *)one.priv)->program, table, one.index);
}

static void steered(uint8_t mode)
{
	struct link_config cfg = lab_config(&lab, "fw0");
	struct lab_frame f;

	cfg.xdp_mode = mode;
	lab_link_open(&one, &cfg);
	vlan_serve(OUR_VLAN);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		enum lab_place place;

		(frames[i].version == 4 ? lab_frame_v4 : lab_frame_v6)(
		    &f, frames[i].vlans, frames[i].payload);
		if (frames[i].change)
			frames[i].change(&f);
		lab_send(&lab, &f);
		place = lab_find(&lab, &one, f.tag);
		if (place != frames[i].place)
			fail_msg("%s (mode %d): surfaced at %d, not %d", frames[i].name, mode,
			    place, frames[i].place);
	}
}

static void test_steered_native(void **state)
{
	(void)state;
	steered(CONFIG_XDP_NATIVE);
}

// Buffers are small while the MTU lets them be; what a larger MTU brings later is the kernel's.
static void test_small_buffers(void **state)
{
	static const struct {
		size_t payload;
		enum lab_place place;
	} facts[] = {
	    {1472, LAB_LINK}, {1728 - 42, LAB_LINK}, {1728 - 41, LAB_KERNEL}, {3000, LAB_KERNEL}};
	struct lab_frame f;

	(void)state;
	lab_ours(&lab, "ip link set fw0 mtu 1500");
	lab_link_open_default(&one, &lab);
	lab_ours(&lab, "ip link set fw0 mtu 9000");
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		lab_frame_v4(&f, no_vlan, facts[i].payload);
		lab_send(&lab, &f);
		if (lab_find(&lab, &one, f.tag) != facts[i].place)
			fail_msg(
			    "%zu bytes of payload: not at %d", facts[i].payload, facts[i].place);
	}
}

static void test_steered_generic(void **state)
{
	(void)state;
	steered(CONFIG_XDP_GENERIC);
}

// What the peer's own stack sends: TCP to our port stays with the host.
static void test_tcp_to_our_port(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons(LAB_PORT),
	    .sin_addr.s_addr = htonl(0x0a090001)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = lab_their_socket(&lab, AF_INET, SOCK_STREAM);

	(void)state;
	lab_link_open_default(&one, &lab);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	close(listener);
	close(client);
}

// A datagram of a local sender is steered; one that has to be fragmented comes to the socket.
static void test_udp_of_peer_stack(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons(LAB_PORT),
	    .sin_addr.s_addr = htonl(0x0a090001)};
	int companion = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int sender = lab_their_socket(&lab, AF_INET, SOCK_DGRAM);
	struct timeval patience = {.tv_sec = 2};
	static char big[20000];
	char text[] = "one whole datagram";
	struct dgram d = {0}, *p = &d;
	struct link_queue *q;

	(void)state;
	lab_link_open_default(&one, &lab);
	setsockopt(companion, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(bind(companion, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(connect(sender, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(send(sender, text, sizeof(text), 0), sizeof(text));
	q = lab_take(&one, (const uint8_t *)text, &d);
	assert_non_null(q);
	ops->release(q, &p, 1);
	assert_int_equal(send(sender, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(recv(companion, big, sizeof(big), 0), sizeof(big));
	close(companion);
	close(sender);
}

// Three datagrams that the sender's kernel keeps in one buffer (UDP_SEGMENT). The number of frames
// of `size` bytes that reach the link; merged ones must not.
static unsigned segments_on_link(uint8_t mode, uint16_t family)
{
	struct link_config cfg = lab_config(&lab, "fw0");
	int sender = lab_their_socket(&lab, family, SOCK_DGRAM), segment = 100;
	struct endpoint to = lab.locals[family == AF_INET ? 0 : 1].at;
	static const uint8_t text[300] = "segments of one buffer";
	uint64_t end = lab_now_ms() + 1000;
	struct sockaddr_storage at;
	socklen_t size = endpoint_to_sockaddr(&to, &at);
	uint32_t headers = ETH_HEADER_SIZE + UDP_HEADER_SIZE +
			   (family == AF_INET ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);
	unsigned found = 0;

	cfg.xdp_mode = mode;
	lab_link_open(&one, &cfg);
	assert_int_equal(setsockopt(sender, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	assert_int_equal(
	    sendto(sender, text, sizeof(text), 0, (struct sockaddr *)&at, size), sizeof(text));
	while (found < 3 && lab_now_ms() < end) {
		struct dgram d = {0}, *p = &d;

		if (ops->rx(one.queues[0], &d, 1) == 0)
			continue;
		if (d.len != headers + (uint32_t)segment)
			fail_msg("a frame of %u bytes was steered", d.len);
		found++;
		ops->release(one.queues[0], &p, 1);
	}
	close(sender);
	ops->close(&one);
	return found;
}

static void test_merged_datagrams(void **state)
{
	(void)state;
	assert_int_equal(segments_on_link(CONFIG_XDP_NATIVE, AF_INET), 3);
	assert_int_equal(segments_on_link(CONFIG_XDP_NATIVE, AF_INET6), 3);
	assert_int_equal(segments_on_link(CONFIG_XDP_GENERIC, AF_INET), 0);
	assert_int_equal(segments_on_link(CONFIG_XDP_GENERIC, AF_INET6), 0);
}

// A VLAN device leaves the tag beside the frame: the program sees none, the address decides.
static void test_vlan_device(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons(LAB_PORT),
	    .sin_addr.s_addr = htonl(0x0a090501)};
	int sender = lab_their_socket(&lab, AF_INET, SOCK_DGRAM);
	char text[] = "through a VLAN";
	struct dgram d = {0}, *p = &d;
	struct link_queue *q;

	(void)state;
	if (!lab.vlans)
		skip();
	lab_serve(&lab, 2, "10.9.5.1:9001");
	lab_link_open_default(&one, &lab);
	lab_ours(&lab, "ip link add link fw0 name fw0.5 type vlan id 5; "
		       "ip addr add 10.9.5.1/24 dev fw0.5; ip link set fw0.5 up");
	lab_theirs(&lab, "ip link add link fw1 name fw1.5 type vlan id 5; "
			 "ip addr add 10.9.5.2/24 dev fw1.5; ip link set fw1.5 up");
	assert_int_equal(sendto(sender, text, sizeof(text), 0, (struct sockaddr *)&at, sizeof(at)),
	    sizeof(text));
	q = lab_take(&one, (const uint8_t *)text, &d);
	assert_non_null(q);
	ops->release(q, &p, 1);
	ops->maintain(&one);
	assert_non_null(lab_egress(&lab, "fw0.5"));
	assert_int_equal(lab_egress(&lab, "fw0.5")->valid, 1);
	assert_int_equal(lab_egress(&lab, "fw0.5")->vlan, 5);
	lab.locals[2].valid = 0;
	lab_ours(&lab, "ip link del fw0.5");
	lab_theirs(&lab, "ip link del fw1.5");
	ops->maintain(&one);
	for (int i = 0; i < EGRESS_MAX; i++)
		assert_int_equal(lab.egress[i].valid && lab.egress[i].vlan, 0);
	close(sender);
}

// --- sending ---

static void turn_round(struct dgram *d)
{
	uint8_t station[6];

	memcpy(station, d->l2, 6);
	memcpy(d->l2, d->l2 + 6, 6);
	memcpy(d->l2 + 6, station, 6);
}

static void test_send_in_place(void **state)
{
	struct dgram d = {0}, *p = &d;
	struct link_queue *q;
	struct lab_frame f;
	uint8_t expected[256];

	(void)state;
	lab_link_open_default(&one, &lab);
	lab_frame_v4(&f, no_vlan, 64);
	lab_send(&lab, &f);
	q = lab_take(&one, f.tag, &d);
	assert_non_null(q);
	assert_int_equal(d.len, f.len);
	assert_int_equal(d.link, 1);
	assert_memory_equal(d.l2, f.data, f.len);
	memset(d.l2 + 42 - HEADROOM, 0xaa, HEADROOM - 42);
	memset(d.l2 + d.len, 0xaa, TAILROOM);
	turn_round(&d);
	d.l2 -= 4; // headers may grow into the headroom
	memmove(d.l2, d.l2 + 4, 12);
	memcpy(d.l2 + 12, "\x81\0\0\5", 4);
	d.len += 4;
	memcpy(expected, d.l2, d.len);
	assert_int_equal(ops->tx(q, &p, 1), 1);
	ops->flush(q);
	// A packet socket sees the tag beside the frame, so what follows it is compared.
	assert_true(lab_peer_got(&lab, expected + 16, f.len - 12));
}

static void test_send_copy(void **state)
{
	struct lab_frame f;
	struct dgram d = {0}, big = {.len = 5000}, *list[2] = {&big, &d};
	struct link_stats stats;

	(void)state;
	lab_link_open_default(&one, &lab);
	lab_frame_v4(&f, no_vlan, 64);
	memcpy(f.data, "\xff\xff\xff\xff\xff\xff", 6);
	d.l2 = f.data;
	d.len = f.len;
	assert_int_equal(ops->tx_copy(one.queues[0], list, 2), 1);
	assert_int_equal(big.drop, DROP_TX_TOO_BIG);
	ops->stats(&one, &stats);
	assert_int_equal(stats.tx_errors, 1);
	assert_int_equal(stats.tx_full, 0);
	ops->flush(one.queues[0]);
	assert_true(lab_peer_got(&lab, f.data, f.len));
}

// What a device has no room for yet is offered again soon, also when nothing else comes.
static void test_send_later(void **state)
{
	struct link_queue *q;
	struct lab_frame f;
	struct dgram d = {0}, *p = &d;

	(void)state;
	lab_link_open_default(&one, &lab);
	q = one.queues[0];
	lab_frame_v4(&f, no_vlan, 64);
	memcpy(f.data, "\xff\xff\xff\xff\xff\xff", 6);
	d.l2 = f.data;
	d.len = f.len;
	assert_int_equal(ops->nap_us(q), LINK_WAKES);
	device_is_busy = true;
	assert_int_equal(ops->tx_copy(q, &p, 1), 1);
	ops->flush(q);
	assert_in_range(ops->nap_us(q), 1, 1000);
	device_is_busy = false;
	ops->flush(q);
	assert_int_equal(ops->nap_us(q), LINK_WAKES);
	assert_true(lab_peer_got(&lab, f.data, f.len));
}

// Two interfaces, one set of buffers: what one received, the other sends without a copy.
static void test_send_through_other_link(void **state)
{
	struct link_config cfg = lab_config(&lab, "fw2");
	struct dgram d = {0}, *p = &d;
	struct link_queue *q;
	struct lab_frame f;
	int tap = lab.wire;

	(void)state;
	lab_ours(&lab, "ip link add fw2 type veth peer name fw3; ip link set fw2 up; "
		       "ip link set fw3 up");
	lab_link_open_default(&one, &lab);
	cfg.index = 2;
	lab_link_open(&other, &cfg);
	lab_frame_v4(&f, no_vlan, 64);
	lab_send(&lab, &f);
	q = lab_take(&one, f.tag, &d);
	assert_non_null(q);
	assert_ptr_equal(ops->buffers(q), ops->buffers(other.queues[0]));
	assert_int_equal(ops->tx(other.queues[0], &p, 1), 1);
	lab.wire = lab_packet_socket("fw3");
	ops->flush(other.queues[0]);
	assert_true(lab_peer_got(&lab, f.data, f.len));
	close(lab.wire);
	lab.wire = tap;
	lab_ours(&lab, "ip link del fw2");
}

// More frames than buffers, released and sent in turn: each comes back.
static void test_buffers_return(void **state)
{
	struct link_config cfg = lab_config(&lab, "fw0");
	struct link_stats stats;
	struct lab_frame f;
	unsigned sent = 0;

	(void)state;
	cfg.frame_count = 2048; // the least for four queues
	lab_link_open(&one, &cfg);
	lab_frame_v4(&f, no_vlan, 64);
	for (unsigned i = 0; i < 6000; i++) {
		struct dgram d = {0}, *p = &d;
		struct link_queue *q;

		lab_send(&lab, &f);
		q = lab_take(&one, f.tag, &d);
		if (!q)
			fail_msg("frame %u did not arrive", i);
		if (i % 3 == 0) {
			ops->release(q, &p, 1);
			continue;
		}
		turn_round(&d);
		sent += ops->tx(q, &p, 1);
		ops->flush(q);
	}
	assert_int_equal(sent, 4000);
	ops->stats(&one, &stats);
	assert_int_equal(stats.rx_datagrams, 6000);
	assert_int_equal(stats.tx_datagrams, 4000);
	assert_int_equal(stats.tx_full + stats.tx_errors, 0);
	assert_int_equal(link_stats_lost(&stats, DROP_RX_RING_FULL), 0);
}

static void test_queue_full(void **state)
{
	struct link_config cfg = lab_config(&lab, "fw0");
	struct lab_frame f;
	struct dgram d = {0}, *p = &d;
	unsigned sent = 0;

	(void)state;
	cfg.frame_count = 2048; // the least for four queues
	lab_link_open(&one, &cfg);
	lab_frame_v4(&f, no_vlan, 64);
	d.l2 = f.data;
	d.len = f.len;
	for (unsigned i = 0; i < 512; i++) // never flushed
		sent += ops->tx_copy(one.queues[0], &p, 1);
	assert_in_range(sent, BURST_MAX, 256);
	assert_int_equal(d.drop, DROP_TX_FULL);
	ops->flush(one.queues[0]);
	assert_int_equal(ops->tx_copy(one.queues[0], &p, 1), 1);
}

// --- several queues ---

static void test_queues(void **state)
{
	struct link_config cfg = lab_config(&lab, "fw0:3");
	struct link_error err = {0};
	struct lab_frame f;
	char text[256];
	int fds[8];

	(void)state;
	one = (struct link){.ops = ops};
	cfg.worker_count = 2;
	assert_int_equal(ops->open(&one, &cfg, &err), 0);
	assert_non_null(strstr(err.text, "4 receive queues and 3 are bound"));
	assert_int_equal(one.queue_count, 2);
	assert_int_equal(ops->poll_fds(one.queues[0], fds, 8), 2);
	assert_int_equal(ops->poll_fds(one.queues[1], fds, 8), 1);
	ops->describe(&one, text, sizeof(text));
	assert_non_null(strstr(text, "up, native, copy, 3 of 4 queues"));
	for (int i = 0; i < 64; i++) { // wherever the kernel queues them, none is lost
		lab_frame_v4(&f, no_vlan, 64);
		lab_send(&lab, &f);
		assert_int_not_equal(lab_find(&lab, &one, f.tag), LAB_NOWHERE);
	}
	ops->close(&one);
	cfg.spec = "fw0";
	cfg.worker_count = 8;
	lab_link_open(&one, &cfg);
	assert_int_equal(one.queue_count, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_steered_native, close_links),
	    cmocka_unit_test_teardown(test_small_buffers, close_links),
	    cmocka_unit_test_teardown(test_steered_generic, close_links),
	    cmocka_unit_test_teardown(test_tcp_to_our_port, close_links),
	    cmocka_unit_test_teardown(test_udp_of_peer_stack, close_links),
	    cmocka_unit_test_teardown(test_merged_datagrams, close_links),
	    cmocka_unit_test_teardown(test_vlan_device, close_links),
	    cmocka_unit_test_teardown(test_send_in_place, close_links),
	    cmocka_unit_test_teardown(test_send_copy, close_links),
	    cmocka_unit_test_teardown(test_send_later, close_links),
	    cmocka_unit_test_teardown(test_send_through_other_link, close_links),
	    cmocka_unit_test_teardown(test_buffers_return, close_links),
	    cmocka_unit_test_teardown(test_queue_full, close_links),
	    cmocka_unit_test_teardown(test_queues, close_links),
	};

	return lab_run_tests(&lab, "link_xdp", tests, sizeof(tests) / sizeof(tests[0]));
}
