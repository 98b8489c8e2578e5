// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <uv.h>

// Starts libuv's threads, which verify signatures and copy the store. libuv would when the first of
// that comes, and abort if it could not. 0 or a negative errno with `error`.
int pool_start(uv_loop_t *loop, struct parse_error *error);
