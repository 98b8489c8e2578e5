// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "cli/commands.h"

#include <stdbool.h>

// Commands about the embedded registry.
int run_registry(const struct command *self, int argc, char **argv);
int run_registry_list(const struct command *self, int argc, char **argv);
// `fairway nodes --tag`.
int show_tagged(
    const struct command *self, const char *tag, uint64_t limit, const char *after, bool json);
