// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/stats.h"
#include "shm/counters.h"

#include <stdio.h>

// Prints docs/counters.md from the declarations in shm/counters.h and controlplane/stats.h.

static const char head[] =
    "# Counters and drops\n"
    "\n"
    "Generated from `shm/counters.h` and `controlplane/stats.h` (`make docs`); a unit test "
    "compares.\n"
    "Every worker keeps its own; `fairway stats` and `fairway drops` add them up. A datagram that "
    "is\n"
    "neither sent nor handed to the control plane has exactly one of the drops below. The control\n"
    "plane counts since it started: `control` in `fairway stats`.\n";

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
	return 0;
}
