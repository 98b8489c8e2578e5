// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/registry.h"

// Shares of the audit log. It holds STORE_AUDIT_KEEP lines, and any node may write some by changing
// what is its own; so a network (IPv4 /24, IPv6 /48) has only so many, and what it changes beyond
// them is counted, and told in a line of its own.

enum {
	AUDIT_BURST = 10000, // lines of a network at once
	AUDIT_RATE = 1,	     // and a second
	AUDIT_TELL_S = 60,
};

// A change that somebody there has made.
void audit_from(
    struct registry *r, const struct audit *a, const struct endpoint *from, uint32_t now_s);
// Writes what was left out since the last time.
void audit_tell(struct registry *r, int64_t unix_s);
// Every 100 ms.
void audit_tick(struct registry *r, struct registry_time t);
