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
// Reads `file` into the store `to` (NULL: the configured one), while no relay runs there: a Go
// registry's snapshot into a new one (--registry-import), or a backup in its place
// (--registry-restore). The control plane's program takes this one's place, so it returns only on
// failure.
int registry_fill(const struct command *self, const char *option, const char *file, const char *to);
