// SPDX-License-Identifier: BSD-3-Clause
// The data plane's stages over bursts of arbitrary datagrams, with the tables of the stage tests.
// Input: a byte for the link, then per datagram a byte of choices, a length u16 and the bytes.
// Every datagram ends with one verdict and in one list, what is sent lies in its buffer, and a UDP
// checksum that was right stays right, one that was wrong stays wrong. A frame is classified the
// same with and without the short cut for usual ones. The counters add up.
#include "tests/fuzz/fuzz.h"
#include "tests/unit/classify_twice.h"

enum { FIX_SUMS = 1, FULL_PAYLOAD = 1500, DATAGRAMS_MAX = 16 };
enum sum_state { SUM_NONE, SUM_RIGHT, SUM_WRONG };

struct input {
	uint8_t *buffer, *end; // exactly the room that a link gives
	enum sum_state sum;
};

static struct stage_lab lab;
static struct input inputs[DATAGRAMS_MAX];

static const char *const sources[] = {"198.51.100.1:4001", "198.51.100.2:4002",
    "[2001:db8:1::3]:4003", "198.51.100.4:4004", "203.0.113.1:9001", "203.0.113.9:7",
    "198.51.100.1:9", "192.0.2.77:5"};

static enum sum_state frame_sum(const uint8_t *frame, size_t len)
{
	struct inet_udp h;
	uint64_t pseudo;
	uint16_t check;

	if (inet_udp_parse(frame, len, &h))
		return SUM_NONE;
	pseudo = inet_udp_pseudo_sum(frame, &h);
	memcpy(&check, frame + h.l4 + UDP_OFFSET_CHECKSUM, sizeof(check));
	if (check == 0)
		return SUM_NONE;
	if (udp_checksum_ok(pseudo, frame + h.l4, h.udp_len))
		return SUM_RIGHT;
	return udp_checksum_is_partial(pseudo, check) ? SUM_NONE : SUM_WRONG;
}

static void frame_fix_sums(uint8_t *frame, size_t len)
{
	struct inet_udp h;
	uint16_t check;

	if (inet_udp_parse(frame, len, &h))
		return;
	if (h.version == 4) {
		check = ipv4_checksum(frame + h.l3, (size_t)h.l4 - h.l3);
		memcpy(frame + h.l3 + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	}
	check = udp_checksum(inet_udp_pseudo_sum(frame, &h), frame + h.l4, h.udp_len);
	memcpy(frame + h.l4 + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
}

// A buffer with no more room around the bytes than a link promises (dataplane/burst.h).
static void datagram_add(bool raw, uint8_t choice, const uint8_t *bytes, size_t len)
{
	struct input *in = &inputs[lab.b.count];
	bool room = raw || len <= 32;
	size_t head = room ? HEADROOM : 0, tail = room ? TAILROOM : 0;
	const char *from = sources[choice >> 1 & 7];
	bool usual;
	struct dgram *d;

	if (raw)
		d = lab_frame(&lab, bytes, len);
	else
		d = lab_payload(&lab, from, from[0] == '[' ? LAB_V6 : LAB_V4, bytes, len);
	in->buffer = malloc(head + len + tail + 1);
	fuzz_check(in->buffer);
	in->end = in->buffer + head + len + tail;
	memcpy(in->buffer + head, bytes, len);
	d->data = d->l2 = in->buffer + head;
	if (raw && choice & FIX_SUMS)
		frame_fix_sums(d->l2, len);
	in->sum = raw ? frame_sum(d->l2, len) : SUM_NONE;
	if (raw)
		fuzz_check(classify_twice(&lab, d->l2, len, &usual) == NULL);
}

static void burst_fill(bool raw, const uint8_t *data, size_t len)
{
	while (len >= 3 && lab.b.count < DATAGRAMS_MAX) {
		size_t size = load_be16(data + 1);

		if (size > len - 3)
			size = len - 3;
		if (size > FULL_PAYLOAD)
			size = FULL_PAYLOAD;
		datagram_add(raw, data[0], data + 3, size);
		data += 3 + size;
		len -= 3 + size;
	}
}

static void sent_check(const struct dgram *d, const struct input *in)
{
	uint32_t size;
	const uint8_t *payload = lab_sent(&lab, d, &size);
	struct inet_udp h;

	fuzz_check(payload >= in->buffer && payload + size <= in->end);
	if (d->out_link != LAB_RAW)
		return;
	fuzz_check(d->l2 >= in->buffer && d->l2 <= payload && d->l2 + d->len <= in->end);
	fuzz_check(d->len - ETH_HEADER_SIZE - VLAN_TAG_SIZE <= LAB_MTU);
	fuzz_check(inet_udp_parse(d->l2, d->len, &h) == 0);
	if (d->type != BEACON_RELAY || in->sum == SUM_RIGHT)
		lab_check_frame(d);
	else if (in->sum == SUM_WRONG)
		fuzz_check(frame_sum(d->l2, d->len) != SUM_RIGHT);
}

static void burst_check(void)
{
	unsigned listed = lab.out.released;

	for (unsigned i = 0; i < LINK_MAX; i++)
		listed += lab.out.used & 1u << i ? lab.out.count[i] : 0;
	fuzz_check(listed == lab.b.count);
	for (unsigned i = 0; i < lab.b.count; i++) {
		const struct dgram *d = &lab.b.d[i];

		if (d->verdict == VERDICT_SEND)
			sent_check(d, &inputs[i]);
		else if (d->verdict == VERDICT_DROP)
			fuzz_check(d->drop != DROP_NONE && d->drop < DROP_COUNT);
		else
			fuzz_check(d->verdict == VERDICT_PUNT);
	}
}

// What the stages count of datagrams, by what becomes of them.
struct sums {
	uint64_t received, sent, punted, dropped;
};

static struct sums sums_now(void)
{
	struct sums s = {
	    .received = lab_count(&lab, COUNTER_RX_DATAGRAMS),
	    .sent = lab_count(&lab, COUNTER_RELAYED) + lab_count(&lab, COUNTER_FORWARDED) +
		    lab_count(&lab, COUNTER_DISCOVER_ANSWERED),
	    .punted = lab_count(&lab, COUNTER_PUNTED),
	};

	for (int i = 0; i < DROP_COUNT; i++)
		s.dropped += lab_drops(&lab, i);
	return s;
}

// Each datagram was sent, punted or dropped and counted so, once; the copy of one that was answered
// was punted or dropped beside that. What a link refuses then was not sent.
static void sums_check(const struct sums *before)
{
	struct sums now = sums_now();
	uint64_t verdicts[VERDICT_DROP + 1] = {0}, copies = 0;

	for (unsigned i = 0; i < lab.b.count; i++) {
		const struct dgram *d = &lab.b.d[i];

		verdicts[d->verdict]++;
		copies += d->verdict == VERDICT_SEND && d->flags & DGRAM_F_PUNT;
	}
	fuzz_check(now.received - before->received == lab.b.count);
	fuzz_check(now.sent - before->sent == verdicts[VERDICT_SEND]);
	fuzz_check(now.punted - before->punted + now.dropped - before->dropped ==
		   verdicts[VERDICT_PUNT] + verdicts[VERDICT_DROP] + copies);
	for (unsigned i = 0; i < lab.b.count; i++)
		if (lab.b.d[i].verdict == VERDICT_SEND)
			egress_recount(&lab.env, &lab.b.d[i], -1);
	fuzz_check(sums_now().sent == before->sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint64_t now_ns = 1000 * NS_PER_S;
	static uint8_t payload[2048];
	struct punt_record record;
	struct sums before;
	bool raw;

	if (len == 0)
		return 0;
	if (!lab.memory.base)
		lab_open(&lab);
	raw = data[0] & 1;
	lab.env.set.sender_check = (data[0] >> 1) % 3;
	lab_begin(&lab, raw ? LAB_RAW : LAB_SOCK);
	burst_fill(raw, data + 1, len - 1);
	now_ns += NS_PER_S;
	before = sums_now();
	lab_run(&lab, now_ns);
	burst_check();
	sums_check(&before);
	while (lab_punt(&lab, &record, payload, sizeof(payload)))
		fuzz_check(record.punt_class < PUNT_CLASS_COUNT && record.len <= FULL_PAYLOAD);
	for (unsigned i = 0; i < lab.b.count; i++)
		free(inputs[i].buffer);
	return 0;
}
