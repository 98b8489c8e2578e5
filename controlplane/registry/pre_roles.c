// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/pre_roles.h"

#include "controlplane/registry/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

uint8_t pre_roles_find(const char *list, const char *external_id)
{
	size_t len = strlen(external_id);

	while (list && *list) {
		size_t role = strcspn(list, " "), line = strcspn(list, "\n");

		if (line == role + 1 + len && !strncasecmp(list + role + 1, external_id, len)) {
			char name[16];

			snprintf(name, sizeof(name), "%.*s", (int)role, list);
			return role_parse(name);
		}
		list += line + (list[line] == '\n');
	}
	return ROLE_NONE;
}

unsigned pre_roles_count(const char *list)
{
	unsigned count = list && *list;

	for (; list && *list; list++)
		count += *list == '\n';
	return count;
}

int pre_roles_add(char **list, const char *external_id, uint8_t role)
{
	size_t len = *list ? strlen(*list) : 0, id = strlen(external_id);
	char *more;

	if (!id || id > EXTERNAL_ID_MAX || strchr(external_id, '\n') || role == ROLE_NONE)
		return -EINVAL;
	if (pre_roles_find(*list, external_id) != ROLE_NONE)
		return 0;
	if (len + id + 16 > PRE_ROLES_MAX)
		return -ENOSPC;
	more = realloc(*list, len + id + 16);
	if (!more)
		return -ENOMEM;
	snprintf(more + len, id + 16, "%s%s %s", len ? "\n" : "", role_name(role), external_id);
	*list = more;
	return 0;
}
