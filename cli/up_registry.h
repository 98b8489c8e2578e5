// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/privilege.h"
#include "config/config.h"

// What the embedded registry needs from root before `fairway up` becomes somebody else: its store's
// directory, a copy of the administrator's token in the state directory, many descriptors.
// Replaces registry_admin_token_file by the copy. `user` NULL: nothing to give away. 0 or a
// negative errno with `error`.
int registry_prepare(
    struct config *config, const struct privilege_user *user, struct parse_error *error);
