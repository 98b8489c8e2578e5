// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "cli/supervise.h"

// Starts the program. Its standard output goes to our standard error; it leads a process group of
// its own (Ctrl-C reaches it through us, in order) and gets SIGTERM when we die. Returns 0 or a
// negative errno.
int child_start(struct child *child, const char *notify_path);
// SIGTERM, and SIGKILL after STOP_PATIENCE_MS (supervise() sends it).
void child_stop(struct child *child);
