// SPDX-License-Identifier: BSD-3-Clause
// The Pilot packet: 34-byte header, CRC-32 and payload (wire-tunnel.md section 2), and the SACK
// payload (section 5.8). Numbers are host order; pointers point into the input. Pure functions,
// any thread.
#pragma once

#include "wire/address.h"
#include "wire/constants.h"

#include <stddef.h>
#include <stdint.h>

enum {
	PACKET_VERSION = 1,
	PACKET_PAYLOAD_MAX = 65535,
	PACKET_OFFSET_CRC = 30,
};

enum packet_protocol {
	PACKET_STREAM = 1,
	PACKET_DATAGRAM = 2,
	PACKET_CONTROL = 3,
};

enum packet_flag {
	PACKET_SYN = 1,
	PACKET_ACK = 2,
	PACKET_FIN = 4,
	PACKET_RST = 8,
};

// Virtual ports with a meaning (section 1.4).
enum {
	PORT_PING = 0,
	PORT_CONTROL = 1,
	PORT_ECHO = 7,
	PORT_NAMESERVER = 53,
	PORT_HTTP = 80,
	PORT_SECURE = 443,
	PORT_HANDSHAKE = 444,
	PORT_STDIO = 1000,
	PORT_DATA_EXCHANGE = 1001,
	PORT_EVENT_STREAM = 1002,
	PORT_EPHEMERAL_FIRST = 49152,
};

struct packet {
	struct address src;
	struct address dst;
	uint32_t seq;
	uint32_t ack;
	uint16_t src_port;
	uint16_t dst_port;
	uint16_t window;      // segments
	uint16_t payload_len; // bytes
	uint8_t flags;	      // enum packet_flag
	uint8_t protocol;     // enum packet_protocol, not checked
	const uint8_t *payload;
};

// Checks in the order of the daemons: length (-EMSGSIZE), CRC (-EBADMSG), version
// (-EPROTONOSUPPORT). Bytes behind the payload are ignored.
int packet_parse(const uint8_t *data, size_t len, struct packet *out);
// Copies the payload behind the header; it may already be there. Returns the length, -ENOBUFS, or
// -EINVAL (flags above 15).
int packet_build(uint8_t *buf, size_t cap, const struct packet *in);
// CRC-32 (IEEE 802.3, reflected) of a whole packet, its CRC field taken as zero. len >= 34.
uint32_t packet_crc(const uint8_t *data, size_t len);

enum { SACK_BLOCKS_MAX = 4, SACK_SIZE_MAX = 5 + 8 * SACK_BLOCKS_MAX };

struct sack_block {
	uint32_t left;
	uint32_t right; // exclusive
};

struct sack {
	uint8_t count; // 1 to SACK_BLOCKS_MAX
	struct sack_block blocks[SACK_BLOCKS_MAX];
};

// Returns 0, or -EBADMSG: the payload is user data. Longer payloads are accepted.
int sack_parse(const uint8_t *payload, size_t len, struct sack *out);
// Returns the length, -ENOBUFS, or -EINVAL (count).
int sack_build(uint8_t *buf, size_t cap, const struct sack *in);
