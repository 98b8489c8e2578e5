// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The registry's memory on disk: SQLite in WAL mode. Changes are collected in the loop's thread
// and committed in batches by a thread of the store's own; what was put into a batch is durable
// (fsync) once the batch's ticket is reached. A batch that cannot be written is tried again until
// it can be: nothing is acknowledged meanwhile.
// All functions but the thread's own belong to the loop's thread.

enum store_op {
	STORE_NODE, // a whole node
	STORE_NODE_GONE,
	STORE_NODE_FORGET,
	STORE_PAIR,
	STORE_PAIR_FORGET,
	STORE_NETWORK,
	STORE_NETWORK_FORGET,
	STORE_MEMBER,
	STORE_MEMBER_FORGET,
	STORE_INBOX,
	STORE_INBOX_FORGET,
	STORE_META,
	STORE_AUDIT,
	STORE_OP_COUNT,
};

enum {
	STORE_SCHEMA = 4,
	STORE_BATCH_MAX = 256 << 20, // bytes of changes that may wait for the disk
	STORE_AUDIT_KEEP = 1000000,  // entries of the audit log
};

struct store;

// Opens or creates the file and checks it. A damaged, foreign or newer file is refused and left
// alone; `error` says what to do. NULL with errno; EINVAL: refused.
struct store *store_open(const char *path, struct parse_error *error);
// Reads everything back, row by row, before store_start(). `row` gets the values of an operation
// in the order of its arguments. A row that it refuses (false) is left out, counted and logged.
struct store_row;
int store_load(struct store *s,
    bool (*row)(void *ctx, enum store_op op, const struct store_row *values), void *ctx,
    struct parse_error *error);
int64_t row_int(const struct store_row *r, unsigned column);
const char *row_text(const struct store_row *r, unsigned column); // "" for NULL
// True when the column holds exactly `size` bytes, which are copied.
bool row_blob(const struct store_row *r, unsigned column, void *out, size_t size);

// Starts the thread. `committed` is called on it when a batch has reached the disk.
int store_start(struct store *s, void (*committed)(void *ctx), void *ctx);
// Writes what waits, ends the thread, closes. 0, or -EIO when the disk did not take all of it,
// which is logged.
int store_close(struct store *s);

// Puts a change into the batch. `types` has a letter an argument: i = int64_t, t = const char *
// (NULL and "" are the same), b = const void * and size_t. Everything is copied.
void store_put(struct store *s, enum store_op op, const char *types, ...);
// Hands the batch to the thread if it has time. Call at the end of each turn of the loop.
void store_flush(struct store *s);
// A reply that acknowledges changes put so far may go out once store_committed() reaches this.
uint64_t store_ticket(const struct store *s);
uint64_t store_committed(const struct store *s);
// Too much waits for the disk: no more writes now.
bool store_is_full(const struct store *s);

struct store_stats {
	uint64_t batches, changes, failures;
	uint64_t commit_ns_max, commit_ns_sum;
};
struct store_stats store_stats(const struct store *s);

// A consistent copy of the file as it is on disk, made by the calling thread beside the writer.
// `to` is a new file that only its owner reads. 0 or a negative errno with `error`.
int store_backup(const char *path, const char *to, struct parse_error *error);

// Entries of the audit log older than `before` (0: the newest), newest first.
struct audit_entry {
	int64_t id, unix_s, node, network;
	const char *action, *actor, *details;
};
int store_audit(struct store *s, int64_t before, unsigned limit,
    void (*each)(void *ctx, const struct audit_entry *e), void *ctx);
