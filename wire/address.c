// SPDX-License-Identifier: BSD-3-Clause
#include "wire/address.h"

#include "base/decimal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// Four digits; what follows them.
static char *hex_write(char *out, uint16_t v)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		*out++ = "0123456789ABCDEF"[v >> shift & 15];
	return out;
}

int address_format(struct address a, char *buf, size_t cap)
{
	char text[DECIMAL_MAX + ADDRESS_TEXT_MAX];
	char *at = text + decimal_write(text, a.network);
	size_t len;

	*at++ = ':';
	at = hex_write(at, a.network);
	*at++ = '.';
	at = hex_write(at, (uint16_t)(a.node >> 16));
	*at++ = '.';
	at = hex_write(at, (uint16_t)a.node);
	len = (size_t)(at - text);
	if (len >= cap)
		return -ENOBUFS;
	memcpy(buf, text, len);
	buf[len] = 0;
	return (int)len;
}

int address_socket_format(struct address a, uint16_t port, char *buf, size_t cap)
{
	int at = address_format(a, buf, cap);

	if (at < 0)
		return at;
	int len = snprintf(buf + at, cap - (size_t)at, ":%u", port);
	return len >= 0 && (size_t)len < cap - (size_t)at ? at + len : -ENOBUFS;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

// Exactly four digits and then end. Returns the text behind it, or NULL.
static const char *hex_parse(const char *text, char end, uint16_t *out)
{
	uint16_t value = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(text[i]);
		if (digit < 0)
			return NULL;
		value = (uint16_t)(value << 4 | digit);
	}
	if (text[4] != end)
		return NULL;
	*out = value;
	return text + 5;
}

static const char *address_parse_to(const char *text, char end, struct address *out)
{
	uint16_t network, repeated = 0, high, low;

	text = decimal_read16(text, ':', &network);
	if (text)
		text = hex_parse(text, '.', &repeated);
	if (text)
		text = hex_parse(text, '.', &high);
	if (text)
		text = hex_parse(text, end, &low);
	if (!text || repeated != network)
		return NULL;
	*out = (struct address){.network = network, .node = (uint32_t)high << 16 | low};
	return text;
}

int address_parse(const char *text, struct address *out)
{
	return address_parse_to(text, '\0', out) ? 0 : -EINVAL;
}

int address_socket_parse(const char *text, struct address *out, uint16_t *port)
{
	struct address a;
	uint16_t p;

	text = address_parse_to(text, ':', &a);
	if (!text || !decimal_read16(text, '\0', &p))
		return -EINVAL;
	*out = a;
	*port = p;
	return 0;
}
