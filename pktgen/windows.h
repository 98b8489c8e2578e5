// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// Frames by the time they were sent, in windows of equal length. A rate that is too high loses or
// delays frames in every window; a machine that paused, in the windows of the pause only.
//
// Threads: one may call windows_sent while another calls windows_arrived.

enum {
	WINDOWS_MAX = 1024,
	WINDOW_MS = 10,	  // longer where a trial has more than WINDOWS_MAX of them
	DEADLINE_MS = 10, // a frame that takes longer is not on time
};

struct windows {
	uint64_t start_ns;
	uint64_t length_ns;
	uint64_t sent[WINDOWS_MAX];
	uint64_t on_time[WINDOWS_MAX];
};

void windows_start(struct windows *w, uint64_t start_ns, double seconds);
void windows_sent(struct windows *w, uint64_t sent_ns, uint64_t count);
void windows_arrived(struct windows *w, uint64_t sent_ns, uint64_t now_ns, uint64_t count);
// How many windows have passed after that time; the last may be a part of one.
unsigned windows_count(const struct windows *w, double seconds);
