// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/frame.h"

#include "wire/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void frame_input_free(struct frame_input *in)
{
	free(in->rest);
	*in = (struct frame_input){0};
}

static int input_reserve(struct frame_input *in, size_t need)
{
	size_t cap = in->cap ? in->cap : 256;
	uint8_t *rest;

	if (need <= in->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	rest = realloc(in->rest, cap);
	if (!rest)
		return -ENOMEM;
	in->rest = rest;
	in->cap = cap;
	return 0;
}

int frame_feed(struct frame_feed *feed, struct frame_input *in, const uint8_t *data, size_t len)
{
	*feed = (struct frame_feed){.in = in, .data = data, .len = len};
	if (in->len == 0)
		return 0;
	if (input_reserve(in, in->len + len))
		return -ENOMEM;
	if (len)
		memcpy(in->rest + in->len, data, len);
	in->len += len;
	feed->data = in->rest;
	feed->len = in->len;
	return 0;
}

int frame_next(struct frame_feed *feed, const uint8_t **json, size_t *len)
{
	size_t left = feed->len - feed->used;
	uint32_t body;

	if (left < FRAME_HEADER)
		return 0;
	body = load_be32(feed->data + feed->used);
	if (body > FRAME_REQUEST_MAX)
		return -EMSGSIZE;
	if (left - FRAME_HEADER < body)
		return 0;
	*json = feed->data + feed->used + FRAME_HEADER;
	*len = body;
	feed->used += FRAME_HEADER + body;
	return 1;
}

int frame_end(struct frame_feed *feed)
{
	struct frame_input *in = feed->in;
	size_t left = feed->len - feed->used;

	if (left == 0) {
		frame_input_free(in);
		return 0;
	}
	if (feed->data != in->rest && input_reserve(in, left))
		return -ENOMEM;
	memmove(in->rest, feed->data + feed->used, left);
	in->len = left;
	return 0;
}
