// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Beacon messages (wire-tunnel.md section 3.2), and our two extensions for signed admission
// (docs/wire-format.md): Discover with nonce and signature, DiscoverReply with a challenge.
//
// Parsers return 0, -EBADMSG (another type, bad field) or -EMSGSIZE (too short); longer input is
// accepted, the rest ignored, as the daemons do. Pointers in a parsed message point into the input.
// Builders return the length or -ENOBUFS. Numbers are host order. Pure functions, any thread.

#include "wire/bytes.h"
#include "wire/constants.h"
#include "wire/endpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct beacon_discover {
	uint32_t node;
	bool ex;		  // 0x08: wants 0x09 instead of 0x06
	const uint8_t *key;	  // BEACON_KEY_SIZE, or NULL
	const uint8_t *nonce;	  // BEACON_NONCE_SIZE, or NULL; comes with signature and key
	const uint8_t *signature; // BEACON_SIGNATURE_SIZE, or NULL
};

struct beacon_discover_reply {
	struct endpoint observed;
	const uint8_t *challenge; // BEACON_NONCE_SIZE, or NULL
};

struct beacon_punch_request {
	uint32_t requester;
	uint32_t target;
	uint64_t expiry;	  // Unix seconds; only with signature
	const uint8_t *signature; // of the grant, BEACON_SIGNATURE_SIZE, or NULL
};

struct beacon_punch_command {
	struct endpoint peer;
};

// 0x05, 0x06 (dest is 0) and 0x09
struct beacon_relay {
	uint32_t sender;
	uint32_t dest;
	const uint8_t *frame; // may be empty
	size_t frame_len;
};

struct beacon_sync {
	uint32_t beacon_id;
	uint16_t count;
	const uint8_t *ids; // big-endian; read with beacon_sync_id()
};

struct beacon_notify {
	uint8_t kind;
};

enum { BEACON_NOTIFY_HANDSHAKES = 1 }; // poll the registry for handshakes

static inline int beacon_relay_parse(const uint8_t *data, size_t len, struct beacon_relay *out);
static inline int beacon_relay_build_header(
    uint8_t *buf, size_t cap, uint32_t sender, uint32_t dest);
static inline uint8_t *beacon_relay_to_deliver(uint8_t *relay);
static inline void beacon_relay_to_deliver_dest(uint8_t *relay);

// "Discover", "Relay"...; "unknown" else. Static text.
const char *beacon_type_name(uint8_t type);

int beacon_discover_parse(const uint8_t *data, size_t len, struct beacon_discover *out);
int beacon_discover_build(uint8_t *buf, size_t cap, const struct beacon_discover *in);

// What the signature of a signed Discover covers.
#define BEACON_SIGNED_LABEL "fairway-discover:"
enum { BEACON_SIGNED_SIZE = sizeof(BEACON_SIGNED_LABEL) - 1 + 4 + BEACON_NONCE_SIZE };
void beacon_signed_message(
    uint8_t out[BEACON_SIGNED_SIZE], uint32_t node, const uint8_t nonce[BEACON_NONCE_SIZE]);

int beacon_discover_reply_parse(const uint8_t *data, size_t len, struct beacon_discover_reply *out);
int beacon_discover_reply_build(uint8_t *buf, size_t cap, const struct beacon_discover_reply *in);

int beacon_punch_request_parse(const uint8_t *data, size_t len, struct beacon_punch_request *out);
int beacon_punch_request_build(uint8_t *buf, size_t cap, const struct beacon_punch_request *in);

// ASCII that the target signs to grant a punch; at most BEACON_GRANT_TEXT_MAX with its zero.
#define BEACON_GRANT_TEXT_MAX 56
int beacon_punch_grant_text(char *buf, size_t cap, const struct beacon_punch_request *in);

int beacon_punch_command_parse(const uint8_t *data, size_t len, struct beacon_punch_command *out);
int beacon_punch_command_build(uint8_t *buf, size_t cap, const struct beacon_punch_command *in);

static inline int beacon_relay_deliver_parse(
    const uint8_t *data, size_t len, struct beacon_relay *out);
int beacon_relay_deliver_dest_parse(const uint8_t *data, size_t len, struct beacon_relay *out);
// The message with its frame copied behind the header; type is one of the three relay types.
int beacon_relay_build(
    uint8_t *buf, size_t cap, enum beacon_type type, const struct beacon_relay *in);

int beacon_sync_parse(const uint8_t *data, size_t len, struct beacon_sync *out);
// ids in host order; count above BEACON_SYNC_MAX is -EMSGSIZE.
int beacon_sync_build(
    uint8_t *buf, size_t cap, uint32_t beacon_id, const uint32_t *ids, size_t count);

static inline uint32_t beacon_sync_id(const struct beacon_sync *s, uint16_t i)
{
	return load_be32(s->ids + 4 * (size_t)i);
}

int beacon_notify_parse(const uint8_t *data, size_t len, struct beacon_notify *out);
int beacon_notify_build(uint8_t *buf, size_t cap, const struct beacon_notify *in);

static inline int beacon_relay_parse(const uint8_t *data, size_t len, struct beacon_relay *out)
{
	if (__builtin_expect(len < BEACON_RELAY_SIZE, 0))
		return -EMSGSIZE;
	if (__builtin_expect(data[0] != BEACON_RELAY, 0))
		return -EBADMSG;
	out->sender = load_be32(data + 1);
	out->dest = load_be32(data + 5);
	out->frame = data + BEACON_RELAY_SIZE;
	out->frame_len = len - BEACON_RELAY_SIZE;
	return 0;
}

static inline int beacon_relay_deliver_parse(
    const uint8_t *data, size_t len, struct beacon_relay *out)
{
	if (__builtin_expect(len < BEACON_RELAY_DELIVER_SIZE, 0))
		return -EMSGSIZE;
	if (__builtin_expect(data[0] != BEACON_RELAY_DELIVER, 0))
		return -EBADMSG;
	*out = (struct beacon_relay){
	    .sender = load_be32(data + 1),
	    .frame = data + BEACON_RELAY_DELIVER_SIZE,
	    .frame_len = len - BEACON_RELAY_DELIVER_SIZE,
	};
	return 0;
}

// Writes only the header; the caller has put the frame behind it, or will.
static inline int beacon_relay_build_header(
    uint8_t *buf, size_t cap, uint32_t sender, uint32_t dest)
{
	if (cap < BEACON_RELAY_SIZE)
		return -ENOBUFS;
	buf[0] = BEACON_RELAY;
	store_be32(buf + 1, sender);
	store_be32(buf + 5, dest);
	return BEACON_RELAY_SIZE;
}

// Turns 0x05 into 0x06 in place, frame untouched. Returns the new start: 4 bytes later, 4 shorter.
static inline uint8_t *beacon_relay_to_deliver(uint8_t *relay)
{
	uint32_t sender;

	memcpy(&sender, relay + 1, sizeof(sender));
	relay[4] = BEACON_RELAY_DELIVER;
	memcpy(relay + 5, &sender, sizeof(sender));
	return relay + 4;
}

// Turns 0x05 into 0x09 in place; start and length stay.
static inline void beacon_relay_to_deliver_dest(uint8_t *relay)
{
	relay[0] = BEACON_RELAY_DELIVER_DEST;
}
