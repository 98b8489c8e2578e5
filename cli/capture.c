// SPDX-License-Identifier: BSD-3-Clause
#include "cli/capture.h"

#include "wire/inet.h"
#include "wire/pcapng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum {
	HEADERS_MAX = IPV6_HEADER_SIZE + UDP_HEADER_SIZE,
	CAPTURED_MAX = 512,
	BLOCK_MAX = 2048,
	TIME_TO_LIVE = 64,
};

// Returns 0 or a negative errno.
static int write_block(FILE *file, const uint8_t *block, int len)
{
	if (len < 0)
		return len;
	errno = ENOSPC; // what a short write means
	return fwrite(block, 1, (size_t)len, file) == (size_t)len ? 0 : -errno;
}

int capture_open(FILE **file, const char *path)
{
	uint8_t block[BLOCK_MAX];
	int rc;

	*file = fopen(path, "we");
	if (!*file)
		return -errno;
	rc = write_block(*file, block, pcapng_section_build(block, sizeof(block), "fairway trace"));
	if (!rc)
		rc = write_block(*file, block,
		    pcapng_interface_build(block, sizeof(block), PCAPNG_LINK_RAW,
			HEADERS_MAX + CAPTURED_MAX, "fairway"));
	if (!rc && fflush(*file))
		rc = -errno;
	if (rc) {
		fclose(*file);
		*file = NULL;
	}
	return rc;
}

static void to_v6(const union socket_address *at, uint8_t out[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (at->any.sa_family == AF_INET6) {
		memcpy(out, &at->v6.sin6_addr, 16);
	} else {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + sizeof(mapped), &at->v4.sin_addr, 4);
	}
}

// The datagram's headers as they may have been; the UDP checksum is left out (the payload is cut).
static size_t build_headers(uint8_t *p, const struct captured *d)
{
	uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + d->len);
	size_t at = IPV4_HEADER_SIZE;

	if (d->from.any.sa_family == AF_INET && d->to.any.sa_family == AF_INET) {
		ipv4_build(p, udp_len, d->from.v4.sin_addr.s_addr, d->to.v4.sin_addr.s_addr,
		    TIME_TO_LIVE, 0);
	} else {
		uint8_t from[16], to[16];

		to_v6(&d->from, from);
		to_v6(&d->to, to);
		ipv6_build(p, udp_len, from, to, TIME_TO_LIVE);
		at = IPV6_HEADER_SIZE;
	}
	udp_build(p + at, ntohs(d->from.v4.sin_port), ntohs(d->to.v4.sin_port), udp_len, 0);
	return at + UDP_HEADER_SIZE;
}

int capture_write(FILE *file, const struct captured *datagram)
{
	uint8_t bytes[HEADERS_MAX + CAPTURED_MAX], block[BLOCK_MAX];
	size_t headers = build_headers(bytes, datagram);
	size_t captured = datagram->captured < CAPTURED_MAX ? datagram->captured : CAPTURED_MAX;
	const struct pcapng_packet packet = {.time = datagram->time_ns,
	    .data = bytes,
	    .captured_len = (uint32_t)(headers + captured),
	    .original_len = (uint32_t)(headers + datagram->len),
	    .comment = datagram->comment,
	    .direction = PCAPNG_INBOUND};

	memcpy(bytes + headers, datagram->payload, captured);
	return write_block(file, block, pcapng_packet_build(block, sizeof(block), &packet));
}
