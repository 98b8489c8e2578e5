// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>

// The terminal as a screen that is drawn anew each time, with ANSI sequences. Not a terminal, or a
// dumb one (TERM): the lines are printed one after the other.

struct screen {
	bool terminal;
	int rows, columns; // now
	char text[32768];  // what is being drawn
	size_t len;
	int drawn_rows;
};

// Takes the terminal over; it is given back by screen_close(), at exit and on fatal signals.
// `draws` false: only the signals are taken.
void screen_open(struct screen *screen, bool draws);
void screen_close(void);
// Starts a picture, with the present size.
void screen_begin(struct screen *screen);
// Adds one line, cut to the width. `bold` for headings.
void screen_line(struct screen *screen, bool bold, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Rows that are left.
int screen_left(const struct screen *screen);
void screen_show(struct screen *screen);
enum {
	SCREEN_END = -1, // asked to (SIGINT, SIGTERM, SIGHUP), or the terminal is gone
	SCREEN_TIME = 0, // it is over
	SCREEN_RESIZED = 256,
};
// Waits; returns the byte of the key that was pressed, or one of the above.
int screen_wait(const struct screen *screen, int milliseconds);
