// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "cli/commands.h"

#include <stdbool.h>

// Files of the embedded registry. Each returns the exit status and has said what failed. New files
// only their owner reads, and nothing is overwritten.

// Writes a token for administrators into the new file `path`.
int registry_token(const struct command *self, const char *path, bool json);
// Copies the store of the running relay into the new file `to`.
int registry_backup(const struct command *self, const char *to, bool json);
// Reads a Go registry's snapshot `file` into the new store `to` (NULL: the configured one), while
// no relay runs there. The control plane's program takes this one's place, so it returns only on
// failure.
int registry_import(const struct command *self, const char *file, const char *to);
