// SPDX-License-Identifier: BSD-3-Clause
#include "cli/memory_kills.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t memory_kills(const char *path)
{
	static const char key[] = "oom_kill ";
	FILE *file = fopen(path, "re");
	uint64_t kills = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kills = strtoull(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return kills;
}
