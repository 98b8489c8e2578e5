// SPDX-License-Identifier: BSD-3-Clause
#include "wire/tunnel.h"

#include <errno.h>
#include <string.h>

enum { UVARINT_MAX_BYTES = 10 };

const char *frame_magic_name(enum frame_magic magic)
{
	switch (magic) {
	case FRAME_PILT:
		return "PILT";
	case FRAME_PILS:
		return "PILS";
	case FRAME_PILK:
		return "PILK";
	case FRAME_PILA:
		return "PILA";
	case FRAME_PILP:
		return "PILP";
	default:
		return "unknown";
	}
}

static int frame_check(const uint8_t *data, size_t len, enum frame_magic magic, size_t min)
{
	if (len < min)
		return -EMSGSIZE;
	return load_be32(data) == magic ? 0 : -EBADMSG;
}

// Little-endian base 128, as Go's encoding/binary. Returns the bytes read or -EBADMSG.
static int uvarint_parse(const uint8_t *data, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len && i < UVARINT_MAX_BYTES; i++) {
		uint64_t part = data[i] & 0x7f;
		if (i == UVARINT_MAX_BYTES - 1 && data[i] > 1)
			return -EBADMSG;
		value |= part << (7 * i);
		if (data[i] < 0x80) {
			*out = value;
			return (int)i + 1;
		}
	}
	return -EBADMSG;
}

static size_t uvarint_build(uint8_t buf[UVARINT_MAX_BYTES], uint64_t value)
{
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		buf[len++] = (uint8_t)(value | 0x80);
	buf[len++] = (uint8_t)value;
	return len;
}

static void trailer_parse(const uint8_t *data, size_t len, struct pila *out)
{
	uint64_t caps, flags;
	int used = uvarint_parse(data, len, &caps);

	if (used < 0)
		return;
	out->caps = caps;
	if (uvarint_parse(data + used, len - (size_t)used, &flags) > 0)
		out->flags = flags;
}

int pila_parse(const uint8_t *data, size_t len, struct pila *out)
{
	int err = frame_check(data, len, FRAME_PILA, PILA_SIZE);

	if (err < 0)
		return err;
	*out = (struct pila){
	    .node = load_be32(data + 4),
	    .x25519 = data + 8,
	    .ed25519 = data + 8 + TUNNEL_KEY_SIZE,
	    .signature = data + 8 + 2 * TUNNEL_KEY_SIZE,
	};
	trailer_parse(data + PILA_SIZE, len - PILA_SIZE, out);
	return 0;
}

int pila_build(uint8_t *buf, size_t cap, const struct pila *in)
{
	uint8_t trailer[2 * UVARINT_MAX_BYTES];
	size_t trailer_len = 0;

	if (in->caps || in->flags)
		trailer_len = uvarint_build(trailer, in->caps);
	if (in->flags)
		trailer_len += uvarint_build(trailer + trailer_len, in->flags);
	if (cap < PILA_SIZE + trailer_len)
		return -ENOBUFS;
	store_be32(buf, FRAME_PILA);
	store_be32(buf + 4, in->node);
	memcpy(buf + 8, in->x25519, TUNNEL_KEY_SIZE);
	memcpy(buf + 8 + TUNNEL_KEY_SIZE, in->ed25519, TUNNEL_KEY_SIZE);
	memcpy(buf + 8 + 2 * TUNNEL_KEY_SIZE, in->signature, TUNNEL_SIGNATURE_SIZE);
	memcpy(buf + PILA_SIZE, trailer, trailer_len);
	return (int)(PILA_SIZE + trailer_len);
}

void pila_signed_message(
    uint8_t out[PILA_SIGNED_SIZE], uint32_t node, const uint8_t x25519[TUNNEL_KEY_SIZE])
{
	memcpy(out, "auth", 4);
	store_be32(out + 4, node);
	memcpy(out + 8, x25519, TUNNEL_KEY_SIZE);
}

int pilk_parse(const uint8_t *data, size_t len, struct pilk *out)
{
	int err = frame_check(data, len, FRAME_PILK, PILK_SIZE);

	if (err < 0)
		return err;
	*out = (struct pilk){.node = load_be32(data + 4), .x25519 = data + 8};
	return 0;
}

int pilk_build(uint8_t *buf, size_t cap, const struct pilk *in)
{
	if (cap < PILK_SIZE)
		return -ENOBUFS;
	store_be32(buf, FRAME_PILK);
	store_be32(buf + 4, in->node);
	memcpy(buf + 8, in->x25519, TUNNEL_KEY_SIZE);
	return PILK_SIZE;
}

int pils_parse(const uint8_t *data, size_t len, struct pils *out)
{
	int err = frame_check(data, len, FRAME_PILS, PILS_MIN_SIZE);

	if (err < 0)
		return err;
	*out = (struct pils){
	    .node = load_be32(data + 4),
	    .prefix = load_be32(data + 8),
	    .counter = load_be64(data + 12),
	    .nonce = data + 8,
	    .aad = data + 4,
	    .sealed = data + PILS_SIZE,
	    .sealed_len = len - PILS_SIZE,
	};
	return 0;
}

int pils_build_header(uint8_t *buf, size_t cap, const struct pils *in)
{
	if (cap < PILS_SIZE)
		return -ENOBUFS;
	store_be32(buf, FRAME_PILS);
	store_be32(buf + 4, in->node);
	store_be32(buf + 8, in->prefix);
	store_be64(buf + 12, in->counter);
	return PILS_SIZE;
}

int pilt_parse(const uint8_t *data, size_t len, struct pilt *out)
{
	int err = frame_check(data, len, FRAME_PILT, PILT_SIZE + PACKET_HEADER_SIZE);

	if (err < 0)
		return err;
	*out = (struct pilt){.packet = data + PILT_SIZE, .packet_len = len - PILT_SIZE};
	return 0;
}

int pilt_build_header(uint8_t *buf, size_t cap)
{
	if (cap < PILT_SIZE)
		return -ENOBUFS;
	store_be32(buf, FRAME_PILT);
	return PILT_SIZE;
}

int pilp_build(uint8_t *buf, size_t cap)
{
	if (cap < FRAME_MAGIC_SIZE)
		return -ENOBUFS;
	store_be32(buf, FRAME_PILP);
	return FRAME_MAGIC_SIZE;
}
