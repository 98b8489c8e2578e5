// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"
#include "base/privilege.h"

// The state directory: sockets and locks of one relay. Functions return 0 or a negative errno with
// a text in `error`.

// Creates `path` with mode 0700 and its parents if they are missing; nobody but the owner may write
// there afterwards. As root, `user` becomes the owner; a directory that holds other things than
// ours is refused. `user` NULL: whoever we are, and another's directory is refused. `store`: path
// of the registry's store, whose files are ours if they are there. `option` is where the path comes
// from, as "--state".
int state_open(const char *path, const char *store, const struct privilege_user *user,
    const char *option, struct parse_error *error);
// The same for the directory that the store is in.
int state_open_store(const char *store, const char *option, const struct privilege_user *user,
    struct parse_error *error);

// Whether a process holds PATH/name, as state_lock() takes it. False if we may not look.
bool state_is_locked(const char *path, const char *name);

// Takes PATH/name with flock(2), for as long as the process lives, and writes our pid into it.
// Returns a descriptor; -EBUSY names the process that holds it.
int state_lock(const char *path, const char *name, struct parse_error *error);
// The same with STORE-lock: one process a store, whatever its state directory.
int state_lock_store(const char *store, const char *option, struct parse_error *error);
