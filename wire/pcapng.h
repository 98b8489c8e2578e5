// SPDX-License-Identifier: BSD-3-Clause
// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), in host byte order as the format allows.
// A file is one section block, one interface block per interface, then packet blocks.
// Builders return the length or -ENOBUFS. Pure functions, any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum pcapng_link {
	PCAPNG_LINK_ETHERNET = 1,
	PCAPNG_LINK_RAW = 101,	 // starts with the IPv4 or IPv6 header
	PCAPNG_LINK_USER0 = 147, // Pilot messages without headers
};

enum pcapng_direction {
	PCAPNG_UNKNOWN = 0,
	PCAPNG_INBOUND = 1,
	PCAPNG_OUTBOUND = 2,
};

struct pcapng_packet {
	uint32_t interface;    // number of its interface block, from 0
	uint32_t original_len; // bytes on the wire
	uint32_t captured_len; // bytes at data
	uint64_t time;	       // ns since 1970
	const uint8_t *data;
	const char *comment; // UTF-8, shown beside the packet; NULL: none
	enum pcapng_direction direction;
};

// application: shown as the program that wrote the file; NULL: none.
int pcapng_section_build(uint8_t *buf, size_t cap, const char *application);
// snaplen: most bytes captured of a packet, 0 = no limit.
int pcapng_interface_build(
    uint8_t *buf, size_t cap, enum pcapng_link link, uint32_t snaplen, const char *name);
int pcapng_packet_build(uint8_t *buf, size_t cap, const struct pcapng_packet *in);
