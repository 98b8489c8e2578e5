// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/punt.h"
#include "controlplane/stats.h"

// Answers STUN Binding requests (RFC 8489). SOFTWARE and FINGERPRINT go to those who sent theirs,
// or whose request is at least as long as the full answer: an answer is larger than the request
// only by the mapped address that was asked for.
void stun_serve(const struct emitter *out, const struct punt *p, struct cp_stats *stats);
