// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "cli/table.h"

#include <stdbool.h>

// Text of answers that are no plain tables, to standard output.
void print_status(const json_t *result);
void print_stats(const json_t *result);
void print_node(const json_t *result);
// --all was given.
bool show_all(void);
