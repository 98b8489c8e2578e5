// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/stage_lab.h"

#include "tests/unit/memory_lab.h"

#include <unistd.h>

const uint8_t lab_mac[ETH_ADDR_SIZE] = {2, 0, 0, 0, 0, 1};
const uint8_t lab_gateway[ETH_ADDR_SIZE] = {2, 0, 0, 0, 0, 0xfe};

struct endpoint lab_endpoint(const char *text)
{
	struct endpoint e;

	if (endpoint_parse(text, 0, &e))
		fail_msg("%s is no endpoint", text);
	return e;
}

static void local_add(struct stage_lab *lab, unsigned i, const char *text)
{
	lab->memory.locals[i].at = lab_endpoint(text);
	lab->memory.locals[i].valid = 1;
}

static void egress_add(struct stage_lab *lab, unsigned i, uint16_t vlan, uint8_t valid)
{
	struct egress *e = &lab->memory.egress[i];

	memcpy(e->mac, lab_mac, sizeof(e->mac));
	e->vlan = vlan;
	e->ifindex = 2 + i;
	e->mtu = LAB_MTU;
	e->link = LAB_RAW;
	e->valid = valid;
}

void lab_node(struct stage_lab *lab, uint32_t id, const char *at, uint16_t nexthop, uint8_t flags)
{
	struct node_route r = {.nexthop = nexthop, .flags = flags};

	if (!(flags & NODE_REMOTE)) {
		r.at = lab_endpoint(at);
		r.local = endpoint_is_v4(&r.at) ? LAB_V4 : LAB_V6;
	}
	assert_in_range(node_writer_put(&lab->nodes, id, &r, 1), 0, 1);
}

static void tables_fill(struct stage_lab *lab)
{
	struct peer peer = {.at = lab_endpoint(AT_PEER), .nexthop = LAB_NEXTHOP};
	struct peer allowed = {.at = lab_endpoint("203.0.113.9:0")};

	local_add(lab, LAB_V4, "192.0.2.1:9001");
	local_add(lab, LAB_V6, "[2001:db8::1]:9001");
	egress_add(lab, 0, 0, 1);
	egress_add(lab, 1, LAB_VLAN_ID, 1);
	egress_add(lab, 2, 0, 0);
	for (uint8_t i = 0; i < 3; i++)
		lab->memory.nexthops[1 + i] = nexthop_make(lab_gateway, i);
	assert_int_equal(peer_writer_put(&lab->peers, &peer), 0);
	assert_int_equal(peer_writer_put(&lab->peers, &allowed), 1);
	lab_node(lab, NODE_A, AT_A, LAB_NEXTHOP, 0);
	lab_node(lab, NODE_B, AT_B, LAB_NEXTHOP, 0);
	lab_node(lab, NODE_SIX, AT_SIX, LAB_NEXTHOP, 0);
	lab_node(lab, NODE_EX, AT_EX, LAB_NEXTHOP, NODE_CARRY);
	lab_node(lab, NODE_FAR, NULL, LAB_NEXTHOP, NODE_REMOTE); // the peer's counts, not this
	lab_node(lab, NODE_COLD, "198.51.100.6:4006", 0, 0);
	lab_node(lab, NODE_TAGGED, "198.51.100.7:4007", LAB_VLAN, 0);
	lab_node(lab, NODE_SHADY, "198.51.100.8:4008", LAB_DOWN, 0);
}

void lab_open(struct stage_lab *lab)
{
	lab_open_for(lab, 1);
}

void lab_open_for(struct stage_lab *lab, unsigned workers)
{
	static const uint64_t secret[POLICE_SECRET_WORDS] = {
	    0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0};

	memset(lab, 0, sizeof(*lab));
	memory_lab_create(&lab->memory, 10000, workers, 65536);
	assert_int_equal(node_writer_open(&lab->nodes, &lab->memory), 0);
	assert_int_equal(peer_writer_open(&lab->peers, &lab->memory), 0);
	tables_fill(lab);
	lab->env = (struct stage_env){
	    .locals = lab->memory.locals,
	    .egress = lab->memory.egress,
	    .nexthops = lab->memory.nexthops,
	    .peers = lab->memory.peers,
	    .peer_index = lab->memory.peer_index,
	    .nodes = &lab->memory.nodes,
	    .links[LAB_RAW].raw = true,
	    .companion = LAB_SOCK,
	    .set = {.ttl = 64},
	    .punt = memory_punt_producer(&lab->memory, 0),
	    .ip_id_step = 1,
	};
	lab->punts = memory_punt_consumer(&lab->memory, 0);
	assert_int_equal(worker_room_open(&lab->room, 1, lab->memory.nodes.index_max, -1), 0);
	police_init(&lab->env.police, &lab->room.police, secret);
	familiar_init(&lab->env.familiar, lab->room.familiar);
}

void lab_close(struct stage_lab *lab)
{
	worker_room_close(&lab->room);
	peer_writer_close(&lab->peers);
	node_writer_close(&lab->nodes);
	memory_unmap(&lab->memory);
}

void lab_begin(struct stage_lab *lab, unsigned link)
{
	lab->b.count = 0;
	lab->b.link = (uint8_t)link;
}

// What stages did not set must not matter: the descriptor is full of an earlier burst's values.
static struct dgram *dgram_add(struct stage_lab *lab, const void *bytes, size_t len)
{
	unsigned i = lab->b.count++;
	struct dgram *d = &lab->b.d[i];

	assert_true(i < BURST_MAX && len <= 2048);
	memset(d, 0xa5, sizeof(*d));
	memset(lab->buffers[i], 0x5a, LAB_BUFFER);
	memcpy(lab->buffers[i] + HEADROOM, bytes, len);
	d->l2 = d->data = lab->buffers[i] + HEADROOM;
	d->len = (uint32_t)len;
	d->link = lab->b.link;
	d->handle = i;
	return d;
}

struct dgram *lab_frame(struct stage_lab *lab, const void *frame, size_t len)
{
	return dgram_add(lab, frame, len);
}

struct dgram *lab_payload(
    struct stage_lab *lab, const char *from, uint8_t local, const void *payload, size_t len)
{
	struct dgram *d = dgram_add(lab, payload, len);

	d->src = lab_endpoint(from);
	d->local = local;
	return d;
}

struct dgram *lab_dgram(struct stage_lab *lab, const char *from, const void *payload, size_t len)
{
	struct frame_spec spec = {.from = lab_endpoint(from), .ttl = 9};
	uint8_t local = endpoint_is_v4(&spec.from) ? LAB_V4 : LAB_V6;
	uint8_t frame[2048];
	int n;

	if (lab->b.link != LAB_RAW)
		return lab_payload(lab, from, local, payload, len);
	spec.to = lab->memory.locals[local].at;
	memcpy(spec.dst_mac, lab_mac, sizeof(spec.dst_mac));
	memcpy(spec.src_mac, lab_gateway, sizeof(spec.src_mac));
	n = frame_build(frame, sizeof(frame), &spec, payload, len);
	assert_true(n > 0);
	return lab_frame(lab, frame, (size_t)n);
}

struct dgram *lab_relay(
    struct stage_lab *lab, const char *from, uint32_t sender, uint32_t dest, const char *text)
{
	struct beacon_relay relay = {.sender = sender,
	    .dest = dest,
	    .frame = (const uint8_t *)text,
	    .frame_len = strlen(text)};
	uint8_t payload[2048];
	int n = beacon_relay_build(payload, sizeof(payload), BEACON_RELAY, &relay);

	assert_true(n > 0);
	return lab_dgram(lab, from, payload, (size_t)n);
}

void lab_run(struct stage_lab *lab, uint64_t now_ns)
{
	lab->b.now_ns = now_ns;
	lab->env.punted = false;
	stages_run(&lab->b, &lab->env, &lab->out);
}

uint64_t lab_drops(const struct stage_lab *lab, enum drop d)
{
	return lab->env.tally.drops[d];
}

uint64_t lab_count(const struct stage_lab *lab, enum counter c)
{
	return lab->env.tally.counters[c];
}

bool lab_punt(struct stage_lab *lab, struct punt_record *record, void *payload, size_t size)
{
	uint32_t len;
	const struct punt_record *r = ring_peek(&lab->punts, &len);

	if (!r)
		return false;
	*record = *r;
	assert_true(len >= sizeof(*r) + r->len);
	memcpy(payload, r + 1, r->len < size ? r->len : size);
	ring_release(&lab->punts);
	return true;
}

struct inet_udp lab_check_frame(const struct dgram *d)
{
	const uint8_t *udp;
	struct inet_udp h = {0};
	uint16_t check;

	assert_int_equal(inet_udp_parse(d->l2, d->len, &h), 0);
	assert_int_equal(h.payload + h.udp_len - UDP_HEADER_SIZE, d->len);
	udp = d->l2 + h.l4;
	if (h.version == 4)
		assert_int_equal(csum_fold(csum_add(0, d->l2 + h.l3, IPV4_HEADER_SIZE)), 0xffff);
	memcpy(&check, udp + UDP_OFFSET_CHECKSUM, sizeof(check));
	if (check || h.version == 6)
		assert_true(udp_checksum_ok(inet_udp_pseudo_sum(d->l2, &h), udp, h.udp_len));
	return h;
}

const uint8_t *lab_sent(const struct stage_lab *lab, const struct dgram *d, uint32_t *len)
{
	assert_int_equal(d->verdict, VERDICT_SEND);
	*len = dgram_payload_size(d, &lab->env);
	return d->data;
}

bool lab_wait(const uint64_t *word, uint64_t least)
{
	for (int i = 0; i < 60000; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) >= least)
			return true;
		usleep(1000);
	}
	return false;
}
