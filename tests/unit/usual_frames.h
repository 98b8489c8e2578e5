// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/stage/usual.h"
#include "tests/unit/stage_lab.h"

// Relay datagrams as they usually come, and what is nearly that: each length, each bit turned,
// values at the edges, every checksum, random edits; with sums that are right or not. For those who
// read such frames in a way of their own, beside the general one.

enum { USUAL_FRAME_MAX = 256, EITHER = 2 };

struct usual_frame {
	uint8_t bytes[USUAL_FRAME_MAX];
	size_t len;
};

// From a node of the lab to another, over IPv4 or IPv6; a payload as long as that of UDP.
struct usual_frame usual_frame_make(bool v6, size_t payload);
// Where the message begins in it.
unsigned usual_message_at(bool v6);
// Sums that are right for what the frame says now, as far as it is a frame.
void usual_sums_fix(struct usual_frame *f);

// `usual`: whether it is a plain one, EITHER: whoever looks may say. `what` it is.
struct usual_look {
	void (*at)(const struct usual_frame *f, int usual, const char *what);
};

void usual_each_size(struct usual_look look);
void usual_each_bit(struct usual_look look);
void usual_each_field(struct usual_look look);
// Lengths that both headers agree on, but not with the frame, and the other way round.
void usual_each_length(struct usual_look look);
// None, half of one, and every other one.
void usual_each_checksum(struct usual_look look);
void usual_random_edits(struct usual_look look, unsigned rounds);
