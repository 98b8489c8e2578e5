// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>

// UTF-8 text that was cut to a number of bytes: what is left of a character becomes question marks,
// so that JSON can hold it. Whole characters stay; the length does, too.
static inline void text_mend(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at;) {
		size_t want = *at < 0x80 ? 1 : *at < 0xc0 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
		size_t have = 1;

		while (have < want && (at[have] & 0xc0) == 0x80)
			have++;
		for (size_t i = 0; have != want && i < have; i++)
			at[i] = '?';
		at += have;
	}
}
