// SPDX-License-Identifier: BSD-3-Clause
#include "wire/pcapng.h"

#include <errno.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_PACKET_FLAGS = 2,
	OPTION_INTERFACE_NAME = 2,
	OPTION_INTERFACE_TSRESOL = 9,
	OPTION_SECTION_APPLICATION = 4,
};

// Where a block is being written. Once something does not fit, failed stays set.
struct writer {
	uint8_t *buf;
	size_t cap;
	size_t at;
	int failed;
};

static void put(struct writer *w, const void *data, size_t len)
{
	size_t padding = -len & 3;

	if (w->failed || w->cap - w->at < len || w->cap - w->at - len < padding) {
		w->failed = 1;
		return;
	}
	if (len > 0)
		memcpy(w->buf + w->at, data, len);
	memset(w->buf + w->at + len, 0, padding);
	w->at += len + padding;
}

static void put_u32(struct writer *w, uint32_t value)
{
	put(w, &value, sizeof(value));
}

static void put_u16_pair(struct writer *w, uint16_t first, uint16_t second)
{
	uint16_t pair[2] = {first, second};

	put(w, pair, sizeof(pair));
}

static void put_option(struct writer *w, uint16_t code, const void *value, size_t len)
{
	if (len > UINT16_MAX)
		len = UINT16_MAX;
	put_u16_pair(w, code, (uint16_t)len);
	put(w, value, len);
}

static void put_text(struct writer *w, uint16_t code, const char *text)
{
	if (text)
		put_option(w, code, text, strlen(text));
}

static struct writer block_begin(uint8_t *buf, size_t cap, uint32_t type)
{
	struct writer w = {.buf = buf, .cap = cap};

	put_u32(&w, type);
	put_u32(&w, 0);
	return w;
}

static int block_end(struct writer *w)
{
	uint32_t len;

	put_u16_pair(w, OPTION_END, 0);
	len = (uint32_t)w->at + sizeof(len);
	put_u32(w, len);
	if (w->failed)
		return -ENOBUFS;
	memcpy(w->buf + 4, &len, sizeof(len));
	return (int)len;
}

int pcapng_section_build(uint8_t *buf, size_t cap, const char *application)
{
	struct writer w = block_begin(buf, cap, BLOCK_SECTION);
	uint64_t section_len = UINT64_MAX; // not known

	put_u32(&w, BYTE_ORDER_MAGIC);
	put_u16_pair(&w, 1, 0);
	put(&w, &section_len, sizeof(section_len));
	put_text(&w, OPTION_SECTION_APPLICATION, application);
	return block_end(&w);
}

int pcapng_interface_build(
    uint8_t *buf, size_t cap, enum pcapng_link link, uint32_t snaplen, const char *name)
{
	struct writer w = block_begin(buf, cap, BLOCK_INTERFACE);
	uint8_t nanoseconds = 9;

	put_u16_pair(&w, (uint16_t)link, 0);
	put_u32(&w, snaplen);
	put_text(&w, OPTION_INTERFACE_NAME, name);
	put_option(&w, OPTION_INTERFACE_TSRESOL, &nanoseconds, sizeof(nanoseconds));
	return block_end(&w);
}

int pcapng_packet_build(uint8_t *buf, size_t cap, const struct pcapng_packet *in)
{
	struct writer w = block_begin(buf, cap, BLOCK_PACKET);
	uint32_t flags = in->direction;

	put_u32(&w, in->interface);
	put_u32(&w, (uint32_t)(in->time >> 32));
	put_u32(&w, (uint32_t)in->time);
	put_u32(&w, in->captured_len);
	put_u32(&w, in->original_len);
	put(&w, in->data, in->captured_len);
	if (flags)
		put_option(&w, OPTION_PACKET_FLAGS, &flags, sizeof(flags));
	put_text(&w, OPTION_COMMENT, in->comment);
	return block_end(&w);
}
