// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Roles in a network for members yet to come, by external id (compared without case): one text with
// a line "ROLE ID" each. Pure, any thread.
enum { PRE_ROLES_MAX = 65536, EXTERNAL_ID_MAX = 254 };

// ROLE_NONE if there is none. `list` may be NULL.
uint8_t pre_roles_find(const char *list, const char *external_id);
unsigned pre_roles_count(const char *list);
// Adds one unless the id has one already. 0, -EINVAL (no such id or role), -ENOSPC or -ENOMEM.
int pre_roles_add(char **list, const char *external_id, uint8_t role);
