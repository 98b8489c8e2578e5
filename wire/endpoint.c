// SPDX-License-Identifier: BSD-3-Clause
#include "wire/endpoint.h"

#include "base/decimal.h"

#include <arpa/inet.h>
#include <errno.h>

bool endpoint_is_unspecified(const struct endpoint *e)
{
	static const uint8_t zero[16];

	if (endpoint_is_v4(e))
		return endpoint_v4(e) == 0;
	return memcmp(e->addr, zero, sizeof(zero)) == 0;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
	static const uint8_t six[16] = {[15] = 1};

	return endpoint_is_v4(e) ? e->addr[12] == 127 : memcmp(e->addr, six, sizeof(six)) == 0;
}

bool endpoint_is_public(const struct endpoint *e)
{
	static const struct {
		uint32_t net, mask;
	} local[] = {
	    {0x00000000, 0xff000000}, // this network
	    {0x0a000000, 0xff000000}, {0xac100000, 0xfff00000}, {0xc0a80000, 0xffff0000},
	    {0x64400000, 0xffc00000}, // behind a carrier's NAT
	    {0x7f000000, 0xff000000}, {0xa9fe0000, 0xffff0000},
	    {0xe0000000, 0xe0000000}, // multicast and above
	};

	if (!endpoint_is_v4(e)) // 2000::/3 is all that has been given out
		return e->addr[0] >> 5 == 1;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if ((load_be32(e->addr + 12) & local[i].mask) == local[i].net)
			return false;
	return true;
}

// inet_ntop() and snprintf() would be a third of a registration's work (controlplane/registry).
static int text_give(const char *text, size_t len, char *buf, size_t cap)
{
	if (len >= cap)
		return -ENOBUFS;
	memcpy(buf, text, len);
	buf[len] = 0;
	return (int)len;
}

int endpoint_format_addr(const struct endpoint *e, char *buf, size_t cap)
{
	char text[4 * DECIMAL_MAX];
	size_t len = 0;

	if (!endpoint_is_v4(e))
		return inet_ntop(AF_INET6, e->addr, buf, (socklen_t)cap) ? (int)strlen(buf)
									 : -ENOBUFS;
	for (size_t i = 12; i < sizeof(e->addr); i++) {
		if (len)
			text[len++] = '.';
		len += decimal_write(text + len, e->addr[i]);
	}
	return text_give(text, len, buf, cap);
}

int endpoint_format(const struct endpoint *e, char *buf, size_t cap)
{
	char text[INET6_ADDRSTRLEN + 3 + DECIMAL_MAX] = "[";
	size_t bracket = !endpoint_is_v4(e), len = bracket;

	len += (size_t)endpoint_format_addr(e, text + bracket, INET6_ADDRSTRLEN);
	if (bracket)
		text[len++] = ']';
	text[len++] = ':';
	len += decimal_write(text + len, e->port);
	return text_give(text, len, buf, cap);
}

static int addr_parse(const char *text, size_t len, bool only_v6, struct endpoint *out)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr v4;
	uint8_t v6[16];

	if (len == 0 || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!only_v6 && inet_pton(AF_INET, copy, &v4) == 1)
		*out = endpoint_from_v4(v4.s_addr, 0);
	else if (inet_pton(AF_INET6, copy, v6) == 1)
		*out = endpoint_from_v6(v6, 0);
	else
		return -EINVAL;
	return 0;
}

int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out)
{
	bool bracket = text[0] == '[';
	const char *addr = text + bracket;
	const char *colon = strrchr(text, ':');
	size_t addr_len = strlen(addr);
	const char *port_text = NULL;
	uint16_t port = default_port;
	struct endpoint parsed;

	if (bracket) {
		const char *end = strchr(addr, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		addr_len = (size_t)(end - addr);
		port_text = end[1] ? end + 2 : NULL;
	} else if (colon && colon == strchr(text, ':')) {
		addr_len = (size_t)(colon - addr);
		port_text = colon + 1;
	}
	if (port_text ? !decimal_read16(port_text, 0, &port) : default_port == 0)
		return -EINVAL;
	if (addr_parse(addr, addr_len, bracket, &parsed) < 0)
		return -EINVAL;
	parsed.port = port;
	*out = parsed;
	return 0;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htobe16(e->port)};
	struct sockaddr_in6 in6;

	if (endpoint_is_v4(e)) {
		in.sin_addr.s_addr = endpoint_v4(e);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	endpoint_to_sockaddr_in6(e, &in6);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

void endpoint_to_sockaddr_in6(const struct endpoint *e, struct sockaddr_in6 *out)
{
	*out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htobe16(e->port)};
	memcpy(&out->sin6_addr, e->addr, sizeof(e->addr));
}

int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct endpoint *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (len < sizeof(sa->sa_family))
		return -EMSGSIZE;
	switch (sa->sa_family) {
	case AF_INET:
		if (len < sizeof(in))
			return -EMSGSIZE;
		memcpy(&in, sa, sizeof(in));
		*out = endpoint_from_v4(in.sin_addr.s_addr, be16toh(in.sin_port));
		return 0;
	case AF_INET6:
		if (len < sizeof(in6))
			return -EMSGSIZE;
		memcpy(&in6, sa, sizeof(in6));
		*out = endpoint_from_v6(in6.sin6_addr.s6_addr, be16toh(in6.sin6_port));
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}
