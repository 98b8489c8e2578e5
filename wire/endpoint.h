// SPDX-License-Identifier: BSD-3-Clause
// The UDP address of a node or relay. IPv4 is kept as an IPv4-mapped IPv6 address (RFC 4291 section
// 2.5.5.2), so there is one form of each address. Pure functions, any thread.
#pragma once

#include "wire/bytes.h"

#include <netinet/in.h>
#include <smmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct endpoint {
	uint8_t addr[16]; // network byte order
	uint16_t port;	  // host byte order
};

// Room for any text form with its terminating zero.
#define ENDPOINT_TEXT_MAX 56

static inline bool endpoint_is_v4(const struct endpoint *e)
{
	uint64_t high;
	memcpy(&high, e->addr, sizeof(high));
	return high == 0 && load_be32(e->addr + 8) == 0xffff;
}

// The IPv4 address as it stands in a header (network byte order). Only when endpoint_is_v4().
static inline uint32_t endpoint_v4(const struct endpoint *e)
{
	uint32_t v;
	memcpy(&v, e->addr + 12, sizeof(v));
	return v;
}

// endpoint.addr of an IPv4 address in network byte order.
static inline __m128i endpoint_mapped(uint32_t addr)
{
	const __m128i prefix = _mm_setr_epi32(0, 0, (int)htobe32(0xffff), 0);

	return _mm_insert_epi32(prefix, (int)addr, 3);
}

// addr in network byte order, port in host byte order. The address is one store, as large as any
// load of it: a burst's descriptors are full of endpoints.
static inline void endpoint_set_v4(struct endpoint *e, uint32_t addr, uint16_t port)
{
	_mm_storeu_si128((__m128i *)e->addr, endpoint_mapped(addr));
	e->port = port;
}

// Whether the address is this IPv4 address.
static inline bool endpoint_same_v4(const struct endpoint *e, uint32_t addr)
{
	__m128i other = _mm_loadu_si128((const __m128i *)e->addr);
	__m128i differs = _mm_xor_si128(endpoint_mapped(addr), other);

	return _mm_testz_si128(differs, differs);
}

static inline void endpoint_set_v6(struct endpoint *e, const uint8_t addr[16], uint16_t port)
{
	_mm_storeu_si128((__m128i *)e->addr, _mm_loadu_si128((const __m128i *)addr));
	e->port = port;
}

// The same of an IPv6 address.
static inline bool endpoint_same_v6(const struct endpoint *e, const uint8_t addr[16])
{
	__m128i other = _mm_loadu_si128((const __m128i *)e->addr);
	__m128i differs = _mm_xor_si128(_mm_loadu_si128((const __m128i *)addr), other);

	return _mm_testz_si128(differs, differs);
}

static inline struct endpoint endpoint_from_v4(uint32_t addr, uint16_t port)
{
	struct endpoint e;

	endpoint_set_v4(&e, addr, port);
	return e;
}

static inline struct endpoint endpoint_from_v6(const uint8_t addr[16], uint16_t port)
{
	struct endpoint e;

	endpoint_set_v6(&e, addr, port);
	return e;
}

static inline bool endpoint_same_addr(const struct endpoint *a, const struct endpoint *b)
{
	return endpoint_same_v6(a, b->addr);
}

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && endpoint_same_addr(a, b);
}

// Its IPv4 /24 or IPv6 /48, which is what one owner has; with port 0.
static inline struct endpoint endpoint_network(const struct endpoint *e)
{
	size_t kept = endpoint_is_v4(e) ? 15 : 6;
	struct endpoint net = {{0}, 0};

	memcpy(net.addr, e->addr, kept);
	return net;
}

static inline bool endpoint_same_network(const struct endpoint *a, const struct endpoint *b)
{
	struct endpoint x = endpoint_network(a), y = endpoint_network(b);

	return endpoint_same_addr(&x, &y);
}

// True for :: and 0.0.0.0, whatever the port.
bool endpoint_is_unspecified(const struct endpoint *e);
// 127.0.0.0/8 and ::1 (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3).
bool endpoint_is_loopback(const struct endpoint *e);

// fe80::/10 (RFC 4291 section 2.5.6): names a host only together with an interface.
static inline bool endpoint_is_link_local(const struct endpoint *e)
{
	return e->addr[0] == 0xfe && (e->addr[1] & 0xc0) == 0x80;
}

// False for addresses that mean something to one host, link or site only, and for multicast (RFC
// 6890).
bool endpoint_is_public(const struct endpoint *e);

// "192.0.2.1:9001" or "[2001:db8::1]:9001". Returns the length without the zero, or -ENOBUFS.
int endpoint_format(const struct endpoint *e, char *buf, size_t cap);
// The address alone, without brackets.
int endpoint_format_addr(const struct endpoint *e, char *buf, size_t cap);

// Parses ADDR:PORT, [ADDR6]:PORT, and with default_port > 0 also ADDR, ADDR6 and [ADDR6].
// Numeric addresses only. Returns 0 or -EINVAL (out is untouched).
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out);

// AF_INET for IPv4 and AF_INET6 else. Returns the length of the socket address.
socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out);
// Always AF_INET6 (mapped for IPv4): what a dual-stack socket wants.
void endpoint_to_sockaddr_in6(const struct endpoint *e, struct sockaddr_in6 *out);
// Returns 0, -EMSGSIZE (len too short) or -EAFNOSUPPORT. The scope of an IPv6 address is not kept.
int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct endpoint *out);
