// SPDX-License-Identifier: BSD-3-Clause
#include "cli/decode.h"

#include "wire/beacon.h"
#include "wire/packet.h"
#include "wire/stun.h"
#include "wire/tunnel.h"

#include <stdarg.h>
#include <stdio.h>

struct text {
	char *at;
	size_t len;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->len, DECODE_MAX - t->len, format, args);
	va_end(args);
	t->len += (size_t)n;
	if (t->len >= DECODE_MAX)
		t->len = DECODE_MAX - 1;
}

static void add_packet(struct text *t, const struct pilt *frame)
{
	static const char *const flags[] = {"SYN", "ACK", "FIN", "RST"};
	struct packet p;

	// cut short by the capture, or broken: the ports are still worth showing, but not sure
	if (packet_parse(frame->packet, frame->packet_len, &p))
		return;
	add(t, " port %u to %u", p.src_port, p.dst_port);
	for (int i = 0; i < 4; i++)
		if (p.flags & (1U << i))
			add(t, " %s", flags[i]);
	add(t, " seq %u, %u bytes", p.seq, p.payload_len);
}

static void add_frame(struct text *t, const uint8_t *data, size_t captured)
{
	enum frame_magic magic = frame_classify(data, captured);
	struct pila a;
	struct pilk k;
	struct pils s;
	struct pilt p;

	if (!magic) {
		add(t, "unknown frame");
		return;
	}
	add(t, "%s", frame_magic_name(magic));
	if (magic == FRAME_PILA && !pila_parse(data, captured, &a))
		add(t, " key exchange of %u", a.node);
	else if (magic == FRAME_PILK && !pilk_parse(data, captured, &k))
		add(t, " key exchange of %u", k.node);
	else if (magic == FRAME_PILS && !pils_parse(data, captured, &s))
		add(t, " sealed by %u, counter %llu", s.node, (unsigned long long)s.counter);
	else if (magic == FRAME_PILT && !pilt_parse(data, captured, &p))
		add_packet(t, &p);
}

static void add_discover(struct text *t, const uint8_t *data, size_t captured)
{
	struct beacon_discover m;

	if (beacon_discover_parse(data, captured, &m))
		return;
	add(t, " node %u%s%s", m.node, m.key ? ", with key" : "",
	    m.signature ? " and signature" : "");
}

static void add_relay(struct text *t, const uint8_t *data, size_t captured, size_t len)
{
	struct beacon_relay m;

	if (beacon_relay_parse(data, captured, &m))
		return;
	add(t, " %u to %u, %zu bytes: ", m.sender, m.dest, len - BEACON_RELAY_SIZE);
	add_frame(t, m.frame, m.frame_len);
}

static void add_message(struct text *t, const uint8_t *data, size_t captured, size_t len)
{
	struct beacon_punch_request punch;

	add(t, "%s", beacon_type_name(data[0]));
	switch (data[0]) {
	case BEACON_DISCOVER:
	case BEACON_DISCOVER_EX:
		add_discover(t, data, captured);
		return;
	case BEACON_RELAY:
		add_relay(t, data, captured, len);
		return;
	case BEACON_PUNCH_REQUEST:
		if (!beacon_punch_request_parse(data, captured, &punch))
			add(t, " %u wants to reach %u", punch.requester, punch.target);
		return;
	case BEACON_SYNC:
		// longer than what is captured, so the parser would refuse it
		if (captured >= BEACON_SYNC_SIZE)
			add(t, " of relay %u: %u nodes", load_be32(data + 1), load_be16(data + 5));
		return;
	default:
		add(t, ", %zu bytes", len);
	}
}

char *decode_datagram(char *out, const uint8_t *data, size_t captured, size_t len)
{
	struct text t = {.at = out};

	*out = 0;
	if (len < captured)
		len = captured;
	if (!captured)
		add(&t, "empty");
	else if (stun_is_message(data, captured))
		add(&t, "STUN %s",
		    load_be16(data) == STUN_BINDING_REQUEST ? "Binding request" : "message");
	else if (frame_classify(data, captured))
		add_frame(&t, data, captured);
	else
		add_message(&t, data, captured, len);
	return out;
}
