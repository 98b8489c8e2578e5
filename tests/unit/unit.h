// SPDX-License-Identifier: BSD-3-Clause
// What every unit test includes: cmocka behind the headers that it wants first.
#pragma once

// clang-format off
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
// clang-format on

#include "tests/exact_copy.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
