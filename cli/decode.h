// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DECODE_MAX = 256 };

// One line about a UDP payload that reached a relay: message, node ids, what is inside. `len` is
// the length on arrival, of which the first `captured` bytes are at `data`. Returns `out`
// (DECODE_MAX bytes).
char *decode_datagram(char *out, const uint8_t *data, size_t captured, size_t len);
