// SPDX-License-Identifier: BSD-3-Clause
#include "wire/beacon.h"

#include <stdio.h>

#define CHALLENGE_LABEL "FWC1"

const char *beacon_type_name(uint8_t type)
{
	static const char *const names[] = {
	    [BEACON_DISCOVER] = "Discover",
	    [BEACON_DISCOVER_REPLY] = "DiscoverReply",
	    [BEACON_PUNCH_REQUEST] = "PunchRequest",
	    [BEACON_PUNCH_COMMAND] = "PunchCommand",
	    [BEACON_RELAY] = "Relay",
	    [BEACON_RELAY_DELIVER] = "RelayDeliver",
	    [BEACON_SYNC] = "Sync",
	    [BEACON_DISCOVER_EX] = "DiscoverEx",
	    [BEACON_RELAY_DELIVER_DEST] = "RelayDeliverDest",
	    [BEACON_NOTIFY] = "Notify",
	};

	if (type >= sizeof(names) / sizeof(names[0]) || !names[type])
		return "unknown";
	return names[type];
}

static int message_check(const uint8_t *data, size_t len, enum beacon_type type, size_t min)
{
	if (len < min)
		return -EMSGSIZE;
	return data[0] == type ? 0 : -EBADMSG;
}

int beacon_discover_parse(const uint8_t *data, size_t len, struct beacon_discover *out)
{
	if (len < BEACON_DISCOVER_SIZE)
		return -EMSGSIZE;
	if (data[0] != BEACON_DISCOVER && data[0] != BEACON_DISCOVER_EX)
		return -EBADMSG;
	*out = (struct beacon_discover){
	    .node = load_be32(data + 1),
	    .ex = data[0] == BEACON_DISCOVER_EX,
	};
	if (len >= BEACON_DISCOVER_KEY_SIZE)
		out->key = data + BEACON_DISCOVER_SIZE;
	if (len >= BEACON_DISCOVER_SIGNED_SIZE) {
		out->nonce = data + BEACON_DISCOVER_KEY_SIZE;
		out->signature = out->nonce + BEACON_NONCE_SIZE;
	}
	return 0;
}

int beacon_discover_build(uint8_t *buf, size_t cap, const struct beacon_discover *in)
{
	int len = BEACON_DISCOVER_SIZE;

	if (in->key)
		len = BEACON_DISCOVER_KEY_SIZE;
	if (in->key && in->nonce && in->signature)
		len = BEACON_DISCOVER_SIGNED_SIZE;
	if (cap < (size_t)len)
		return -ENOBUFS;
	buf[0] = in->ex ? BEACON_DISCOVER_EX : BEACON_DISCOVER;
	store_be32(buf + 1, in->node);
	if (len >= BEACON_DISCOVER_KEY_SIZE)
		memcpy(buf + BEACON_DISCOVER_SIZE, in->key, BEACON_KEY_SIZE);
	if (len == BEACON_DISCOVER_SIGNED_SIZE) {
		uint8_t *p = buf + BEACON_DISCOVER_KEY_SIZE;
		memcpy(p, in->nonce, BEACON_NONCE_SIZE);
		memcpy(p + BEACON_NONCE_SIZE, in->signature, BEACON_SIGNATURE_SIZE);
	}
	return len;
}

void beacon_signed_message(
    uint8_t out[BEACON_SIGNED_SIZE], uint32_t node, const uint8_t nonce[BEACON_NONCE_SIZE])
{
	size_t label = sizeof(BEACON_SIGNED_LABEL) - 1;

	memcpy(out, BEACON_SIGNED_LABEL, label);
	store_be32(out + label, node);
	memcpy(out + label + 4, nonce, BEACON_NONCE_SIZE);
}

// 0x02 and 0x04 share a layout: type, length of the address, address, port. Returns its length.
static int observed_parse(
    const uint8_t *data, size_t len, enum beacon_type type, struct endpoint *out)
{
	uint32_t v4;
	int err = message_check(data, len, type, BEACON_OBSERVED_V4_SIZE);

	if (err < 0)
		return err;
	switch (data[1]) {
	case 4:
		memcpy(&v4, data + 2, sizeof(v4));
		*out = endpoint_from_v4(v4, load_be16(data + 6));
		return BEACON_OBSERVED_V4_SIZE;
	case 16:
		if (len < BEACON_OBSERVED_V6_SIZE)
			return -EMSGSIZE;
		*out = endpoint_from_v6(data + 2, load_be16(data + 18));
		return BEACON_OBSERVED_V6_SIZE;
	default:
		return -EBADMSG;
	}
}

static int observed_build(
    uint8_t *buf, size_t cap, enum beacon_type type, const struct endpoint *in)
{
	bool v4 = endpoint_is_v4(in);
	size_t addr_len = v4 ? 4 : 16;
	int len = v4 ? BEACON_OBSERVED_V4_SIZE : BEACON_OBSERVED_V6_SIZE;

	if (cap < (size_t)len)
		return -ENOBUFS;
	buf[0] = (uint8_t)type;
	buf[1] = (uint8_t)addr_len;
	memcpy(buf + 2, in->addr + sizeof(in->addr) - addr_len, addr_len);
	store_be16(buf + 2 + addr_len, in->port);
	return len;
}

int beacon_discover_reply_parse(const uint8_t *data, size_t len, struct beacon_discover_reply *out)
{
	int used = observed_parse(data, len, BEACON_DISCOVER_REPLY, &out->observed);

	if (used < 0)
		return used;
	out->challenge = NULL;
	if (len - (size_t)used >= BEACON_CHALLENGE_SIZE &&
	    memcmp(data + used, CHALLENGE_LABEL, 4) == 0)
		out->challenge = data + used + 4;
	return 0;
}

int beacon_discover_reply_build(uint8_t *buf, size_t cap, const struct beacon_discover_reply *in)
{
	int len = observed_build(buf, cap, BEACON_DISCOVER_REPLY, &in->observed);

	if (len < 0 || !in->challenge)
		return len;
	if (cap - (size_t)len < BEACON_CHALLENGE_SIZE)
		return -ENOBUFS;
	memcpy(buf + len, CHALLENGE_LABEL, 4);
	memcpy(buf + len + 4, in->challenge, BEACON_NONCE_SIZE);
	return len + BEACON_CHALLENGE_SIZE;
}

int beacon_punch_request_parse(const uint8_t *data, size_t len, struct beacon_punch_request *out)
{
	int err = message_check(data, len, BEACON_PUNCH_REQUEST, BEACON_PUNCH_REQUEST_SIZE);

	if (err < 0)
		return err;
	*out = (struct beacon_punch_request){
	    .requester = load_be32(data + 1),
	    .target = load_be32(data + 5),
	};
	if (len >= BEACON_PUNCH_GRANT_SIZE) {
		out->expiry = load_be64(data + BEACON_PUNCH_REQUEST_SIZE);
		out->signature = data + BEACON_PUNCH_REQUEST_SIZE + 8;
	}
	return 0;
}

int beacon_punch_request_build(uint8_t *buf, size_t cap, const struct beacon_punch_request *in)
{
	int len = in->signature ? BEACON_PUNCH_GRANT_SIZE : BEACON_PUNCH_REQUEST_SIZE;

	if (cap < (size_t)len)
		return -ENOBUFS;
	buf[0] = BEACON_PUNCH_REQUEST;
	store_be32(buf + 1, in->requester);
	store_be32(buf + 5, in->target);
	if (in->signature) {
		store_be64(buf + BEACON_PUNCH_REQUEST_SIZE, in->expiry);
		memcpy(buf + BEACON_PUNCH_REQUEST_SIZE + 8, in->signature, BEACON_SIGNATURE_SIZE);
	}
	return len;
}

int beacon_punch_grant_text(char *buf, size_t cap, const struct beacon_punch_request *in)
{
	int len = snprintf(buf, cap, "punch-grant:%u:%u:%llu", in->requester, in->target,
	    (unsigned long long)in->expiry);

	return len >= 0 && (size_t)len < cap ? len : -ENOBUFS;
}

int beacon_punch_command_parse(const uint8_t *data, size_t len, struct beacon_punch_command *out)
{
	int used = observed_parse(data, len, BEACON_PUNCH_COMMAND, &out->peer);

	return used < 0 ? used : 0;
}

int beacon_punch_command_build(uint8_t *buf, size_t cap, const struct beacon_punch_command *in)
{
	return observed_build(buf, cap, BEACON_PUNCH_COMMAND, &in->peer);
}

int beacon_relay_deliver_dest_parse(const uint8_t *data, size_t len, struct beacon_relay *out)
{
	int err =
	    message_check(data, len, BEACON_RELAY_DELIVER_DEST, BEACON_RELAY_DELIVER_DEST_SIZE);

	if (err < 0)
		return err;
	*out = (struct beacon_relay){
	    .sender = load_be32(data + 1),
	    .dest = load_be32(data + 5),
	    .frame = data + BEACON_RELAY_DELIVER_DEST_SIZE,
	    .frame_len = len - BEACON_RELAY_DELIVER_DEST_SIZE,
	};
	return 0;
}

int beacon_relay_build(
    uint8_t *buf, size_t cap, enum beacon_type type, const struct beacon_relay *in)
{
	size_t header =
	    type == BEACON_RELAY_DELIVER ? BEACON_RELAY_DELIVER_SIZE : BEACON_RELAY_SIZE;

	if (cap < header || cap - header < in->frame_len || in->frame_len > UDP_PAYLOAD_MAX)
		return -ENOBUFS;
	buf[0] = (uint8_t)type;
	store_be32(buf + 1, in->sender);
	if (type != BEACON_RELAY_DELIVER)
		store_be32(buf + 5, in->dest);
	if (in->frame_len > 0)
		memmove(buf + header, in->frame, in->frame_len);
	return (int)(header + in->frame_len);
}

int beacon_sync_parse(const uint8_t *data, size_t len, struct beacon_sync *out)
{
	int err = message_check(data, len, BEACON_SYNC, BEACON_SYNC_SIZE);
	uint16_t count;

	if (err < 0)
		return err;
	count = load_be16(data + 5);
	if ((len - BEACON_SYNC_SIZE) / 4 < count)
		return -EMSGSIZE;
	*out = (struct beacon_sync){
	    .beacon_id = load_be32(data + 1),
	    .count = count,
	    .ids = data + BEACON_SYNC_SIZE,
	};
	return 0;
}

int beacon_sync_build(
    uint8_t *buf, size_t cap, uint32_t beacon_id, const uint32_t *ids, size_t count)
{
	if (count > BEACON_SYNC_MAX)
		return -EMSGSIZE;
	if (cap < BEACON_SYNC_SIZE + 4 * count)
		return -ENOBUFS;
	buf[0] = BEACON_SYNC;
	store_be32(buf + 1, beacon_id);
	store_be16(buf + 5, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		store_be32(buf + BEACON_SYNC_SIZE + 4 * i, ids[i]);
	return (int)(BEACON_SYNC_SIZE + 4 * count);
}

int beacon_notify_parse(const uint8_t *data, size_t len, struct beacon_notify *out)
{
	int err = message_check(data, len, BEACON_NOTIFY, BEACON_NOTIFY_SIZE);

	if (err < 0)
		return err;
	out->kind = data[1];
	return 0;
}

int beacon_notify_build(uint8_t *buf, size_t cap, const struct beacon_notify *in)
{
	if (cap < BEACON_NOTIFY_SIZE)
		return -ENOBUFS;
	buf[0] = BEACON_NOTIFY;
	buf[1] = in->kind;
	return BEACON_NOTIFY_SIZE;
}
