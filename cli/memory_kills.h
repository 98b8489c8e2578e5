// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// How many processes the kernel has ended for lack of memory, of the machine or of a control group,
// since it started; 0 where it does not say. `path` is /proc/vmstat but for tests.
uint64_t memory_kills(const char *path);
