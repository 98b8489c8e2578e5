// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/cp.h"

#include <stddef.h>

// Everything that is counted, in the text format of Prometheus (version 0.0.4). Names and help
// texts come from the declarations. NULL without memory; the caller frees it.
char *metrics_text(const struct cp *cp, size_t *len);
