// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

// Puts a copy of the store in `from` (a descriptor, which stays open) in the place of the one at
// `path`, which nobody may have open, and brings it to this version. What was there stays as
// PATH-before. A backup that is damaged, of another program or of a newer Fairway changes nothing.
// 0 or a negative errno with `error`.
int store_restore(int from, const char *path, struct parse_error *error);
