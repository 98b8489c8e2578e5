// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/http.h"

// What HTTP answers; for struct http, with ctx = struct cp. /healthz: the process serves. /readyz:
// a data plane is attached too, else 503. /metrics: all counters. /v1/find: find_query.h.
struct http_answer pages_answer(void *ctx, const struct http_request *request);
