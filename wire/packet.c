// SPDX-License-Identifier: BSD-3-Clause
#include "wire/packet.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#define SACK_LABEL "SACK"

enum { SACK_HEADER_SIZE = 5, SACK_BLOCK_SIZE = 8 };

uint32_t packet_crc(const uint8_t *data, size_t len)
{
	uint8_t header[PACKET_HEADER_SIZE];
	uint32_t crc;

	memcpy(header, data, PACKET_OFFSET_CRC);
	memset(header + PACKET_OFFSET_CRC, 0, 4);
	crc = crc32_gzip_refl(0, header, sizeof(header));
	return crc32_gzip_refl(crc, data + PACKET_HEADER_SIZE, len - PACKET_HEADER_SIZE);
}

int packet_parse(const uint8_t *data, size_t len, struct packet *out)
{
	uint16_t payload_len;

	if (len < PACKET_HEADER_SIZE)
		return -EMSGSIZE;
	payload_len = load_be16(data + 2);
	if (len - PACKET_HEADER_SIZE < payload_len)
		return -EMSGSIZE;
	if (load_be32(data + PACKET_OFFSET_CRC) !=
	    packet_crc(data, (size_t)PACKET_HEADER_SIZE + payload_len))
		return -EBADMSG;
	if (data[0] >> 4 != PACKET_VERSION)
		return -EPROTONOSUPPORT;
	*out = (struct packet){
	    .src = address_load(data + 4),
	    .dst = address_load(data + 10),
	    .seq = load_be32(data + 20),
	    .ack = load_be32(data + 24),
	    .src_port = load_be16(data + 16),
	    .dst_port = load_be16(data + 18),
	    .window = load_be16(data + 28),
	    .payload_len = payload_len,
	    .flags = data[0] & 0x0f,
	    .protocol = data[1],
	    .payload = data + PACKET_HEADER_SIZE,
	};
	return 0;
}

int packet_build(uint8_t *buf, size_t cap, const struct packet *in)
{
	size_t len = (size_t)PACKET_HEADER_SIZE + in->payload_len;

	if (cap < len)
		return -ENOBUFS;
	if (in->flags > 0x0f)
		return -EINVAL;
	if (in->payload_len > 0 && in->payload != buf + PACKET_HEADER_SIZE)
		memmove(buf + PACKET_HEADER_SIZE, in->payload, in->payload_len);
	buf[0] = (uint8_t)(PACKET_VERSION << 4 | in->flags);
	buf[1] = in->protocol;
	store_be16(buf + 2, in->payload_len);
	address_store(buf + 4, in->src);
	address_store(buf + 10, in->dst);
	store_be16(buf + 16, in->src_port);
	store_be16(buf + 18, in->dst_port);
	store_be32(buf + 20, in->seq);
	store_be32(buf + 24, in->ack);
	store_be16(buf + 28, in->window);
	store_be32(buf + PACKET_OFFSET_CRC, packet_crc(buf, len));
	return (int)len;
}

int sack_parse(const uint8_t *payload, size_t len, struct sack *out)
{
	uint8_t count;

	if (len < SACK_HEADER_SIZE || memcmp(payload, SACK_LABEL, 4) != 0)
		return -EBADMSG;
	count = payload[4];
	if (count == 0 || count > SACK_BLOCKS_MAX ||
	    len < SACK_HEADER_SIZE + (size_t)count * SACK_BLOCK_SIZE)
		return -EBADMSG;
	out->count = count;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = payload + SACK_HEADER_SIZE + i * SACK_BLOCK_SIZE;
		out->blocks[i] = (struct sack_block){load_be32(p), load_be32(p + 4)};
	}
	return 0;
}

int sack_build(uint8_t *buf, size_t cap, const struct sack *in)
{
	size_t len = SACK_HEADER_SIZE + (size_t)in->count * SACK_BLOCK_SIZE;

	if (in->count == 0 || in->count > SACK_BLOCKS_MAX)
		return -EINVAL;
	if (cap < len)
		return -ENOBUFS;
	memcpy(buf, SACK_LABEL, 4);
	buf[4] = in->count;
	for (size_t i = 0; i < in->count; i++) {
		uint8_t *p = buf + SACK_HEADER_SIZE + i * SACK_BLOCK_SIZE;
		store_be32(p, in->blocks[i].left);
		store_be32(p + 4, in->blocks[i].right);
	}
	return (int)len;
}
