// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdint.h>

// The registry's framing: a 32-bit big-endian length and so many bytes of JSON (wire-registry.md
// section 1.2). Bytes come in pieces of any size; what is incomplete is kept, nothing else, so that
// an idle connection needs no buffer. Pure, any thread.
enum {
	FRAME_HEADER = 4,
	FRAME_REQUEST_MAX = 1 << 20, // bytes of JSON that we accept
	FRAME_REPLY_MAX = 4 << 20,   // and that the daemons of the field accept
};

struct frame_input {
	uint8_t *rest; // owned; an incomplete frame
	size_t len, cap;
};

void frame_input_free(struct frame_input *in);

// One turn: first frame_feed() with what was received, then frame_next() until it returns 0, then
// frame_end(), which keeps what is left over. `data` must stay until frame_end().
struct frame_feed {
	struct frame_input *in;
	const uint8_t *data;
	size_t len, used;
};

// 0 or -ENOMEM.
int frame_feed(struct frame_feed *feed, struct frame_input *in, const uint8_t *data, size_t len);
// 1 and the JSON bytes, 0 (no complete frame left), or -EMSGSIZE (longer than FRAME_REQUEST_MAX:
// the connection is of no use any more).
int frame_next(struct frame_feed *feed, const uint8_t **json, size_t *len);
// 0 or -ENOMEM.
int frame_end(struct frame_feed *feed);
