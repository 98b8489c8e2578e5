// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/privilege.h"
#include "config/config.h"
#include "controlplane/admission.h"
#include "controlplane/registry/client.h"
#include "controlplane/registry/find_query.h"
#include "controlplane/registry/lookup_client.h"
#include "controlplane/registry/server.h"

#include <stdbool.h>

// A copy of the store, made on the thread pool.
struct backup {
	enum { BACKUP_NONE, BACKUP_RUNS, BACKUP_DONE, BACKUP_FAILED } state;
	char path[300];
	struct parse_error error;
	uv_work_t work;
};

// The registry inside of fairway-cp, when `registry` is `embedded`, or our side of another one.
// Main thread.
struct embedded {
	bool on;
	bool is_client;
	struct registry_client client;
	struct lookup_client lookup;
	const struct config *config;
	const char *import_path; // set before embedded_open(): import this and end
	char *import;		 // what is in it
	size_t import_len;
	const char *restore_path; // likewise: restore this
	int restore;
	int lock; // of the store
	struct registry registry;
	struct server server;
	struct backup backup;
	struct find_pace find_pace;
};

// With privileges: reads the token file, makes the store's directory for `user` (NULL: ours) and
// listens. 0, also when there is no embedded registry, or a negative errno.
int embedded_open(struct embedded *e, const struct config *config,
    const struct privilege_user *user, struct parse_error *error);
// Without them: loads the store and serves.
int embedded_start(struct embedded *e, uv_loop_t *loop, struct parse_error *error);
// Reads the file of fleets, "" is none, in the place of what was read before. On an error nothing
// changes.
int embedded_fleets(struct embedded *e, const char *path, struct parse_error *error);
// Writes what waits. The loop has to run until it is empty only before `e` is freed.
void embedded_stop(struct embedded *e);
// Where a node's registry connection comes from, compared with the source of a datagram.
enum admission_anchor embedded_anchor(
    struct embedded *e, uint32_t node, const struct endpoint *from);
// Whether the registry knows this key for the node. IDENTITY_NOT_ASKED of ids that our own one has
// not given out.
enum admission_identity embedded_identity(struct embedded *e, uint32_t node, const uint8_t key[32]);
// Every 100 ms.
void embedded_tick(struct embedded *e, uint64_t now_ns);
// Instead of embedded_start(): takes over the snapshot and closes the store.
int embedded_import(struct embedded *e, struct parse_error *error);
// Likewise: puts the backup in the store's place.
int embedded_restore(struct embedded *e, struct parse_error *error);
// Starts a copy of the store to STORE-backup, in the place of the one before. 0 or -EBUSY.
int embedded_backup(struct embedded *e);
