// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/registry.h"
#include "controlplane/stats.h"
#include "shm/counters.h"

#include <stdio.h>

// Prints docs/counters.md from the declarations in shm/counters.h, controlplane/stats.h and
// controlplane/registry/registry.h.

static const char head[] =
    "# Counters and drops\n"
    "\n"
    "Generated from `shm/counters.h`, `controlplane/stats.h` and "
    "`controlplane/registry/registry.h`\n"
    "(`make docs`); a unit test compares.\n"
    "Every worker keeps its own; `fairway stats` and `fairway drops` add them up. A datagram that "
    "is\n"
    "neither sent nor handed to the control plane has exactly one of the drops below. The control\n"
    "plane counts since it started: `control` in `fairway stats`. `/metrics` has all of them:\n"
    "`fairway_NAME_total`, `fairway_drops_total{reason=\"NAME\"}`, `fairway_control_NAME_total`\n"
    "(but `fairway_control_sync_unannounced`, a gauge) and `fairway_registry_NAME_total`.\n";

static const char registry_end[] =
    "\n"
    "Of the embedded registry, since it started: `counters` in `fairway registry status`, which\n"
    "also has requests and errors by type, as `/metrics` has:\n"
    "`fairway_registry_type_requests_total{type=\"TYPE\"}` and "
    "`_type_errors_total{type=\"TYPE\"}`.\n"
    "`/metrics` has also the counters `fairway_registry_store_commits_total`,\n"
    "`_store_changes_total`, `_store_failures_total` and `_store_commit_seconds_total`, and the\n"
    "gauges `fairway_registry_nodes` (online), `_nodes_known`, `_networks`, `_trust`,\n"
    "`_trust_one_sided`, `_open_connections`, `_verifying` and `_store_commit_seconds_max`.\n";

static void table(
    const char *title, int first, int count, const char *const *names, const char *const *helps)
{
	printf("\n## %s\n\n| name | meaning |\n|---|---|\n", title);
	for (int i = first; i < count; i++)
		printf("| `%s` | %s |\n", names[i], helps[i]);
}

int main(void)
{
	fputs(head, stdout);
	table("Counters", 0, COUNTER_COUNT, counter_names, counter_helps);
	table("Drops", 1, DROP_COUNT, drop_names, drop_helps);
	table("Control plane", 0, CP_COUNTER_COUNT, cp_counter_names, cp_counter_helps);
	table(
	    "Registry", 0, REGISTRY_COUNTER_COUNT, registry_counter_names, registry_counter_helps);
	fputs(registry_end, stdout);
	return 0;
}
