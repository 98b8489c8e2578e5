// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/registry/store_create.h"
#include "controlplane/registry/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_MS = 500, AUDIT_TRIM_EVERY = 10000 };

// Changes one after the other: op, count, then type and value of each argument.
struct batch {
	uint8_t *bytes;
	size_t len, cap;
	uint64_t seq;
	bool broken; // a change did not fit into memory
};

struct store {
	sqlite3 *db, *reader;
	sqlite3_stmt *stmts[STORE_OP_COUNT]; // thread
	char path[512];
	struct batch open; // loop
	// under `lock`
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct batch given; // len 0 = none
	bool busy, stop;
	struct store_stats stats;
	uint64_t committed;

	pthread_t thread;
	bool started;
	void (*on_commit)(void *ctx);
	void *ctx;
	uint64_t audits; // thread: since the last trim
	bool lost;	 // thread: a batch was given up
};

struct store *store_open(const char *path, struct parse_error *error)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		parse_error_set(error, "out of memory for the registry's store");
		return NULL;
	}
	snprintf(s->path, sizeof(s->path), "%s", path);
	rc = store_create(path, error);
	if (!rc)
		rc = store_open_database(path, &s->db, error);
	if (rc) {
		free(s);
		errno = -rc;
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->open.seq = 1;
	return s;
}

static void append(struct batch *b, const void *data, size_t len)
{
	if (b->broken)
		return;
	if (b->len + len > b->cap) {
		size_t cap = b->cap ? b->cap : 4096;
		uint8_t *bytes;

		while (cap < b->len + len)
			cap *= 2;
		bytes = realloc(b->bytes, cap);
		if (!bytes) {
			b->broken = true;
			return;
		}
		b->bytes = bytes;
		b->cap = cap;
	}
	memcpy(b->bytes + b->len, data, len);
	b->len += len;
}

static void append_blob(struct batch *b, char type, const void *data, size_t len)
{
	uint32_t n = (uint32_t)len;

	append(b, &type, 1);
	append(b, &n, sizeof(n));
	append(b, data, n);
}

void store_put(struct store *s, enum store_op op, const char *types, ...)
{
	uint8_t head[2] = {(uint8_t)op, (uint8_t)strlen(types)};
	struct batch *b;
	va_list args;
	int64_t number;
	const char *text;

	if (!s)
		return;
	b = &s->open;
	append(b, head, sizeof(head));
	va_start(args, types);
	for (; *types; types++) {
		switch (*types) {
		case 'i':
			number = va_arg(args, int64_t);
			append(b, "i", 1);
			append(b, &number, sizeof(number));
			break;
		case 't':
			text = va_arg(args, const char *);
			append_blob(b, text && *text ? 't' : 'n', text ? text : "",
			    text ? strlen(text) : 0);
			break;
		default:
			text = va_arg(args, const void *);
			append_blob(b, 'b', text, va_arg(args, size_t));
		}
	}
	va_end(args);
}

// Binds one argument and returns what follows it.
static const uint8_t *bind_next(sqlite3_stmt *stmt, int column, const uint8_t *p)
{
	char type = (char)*p++;
	int64_t number;
	uint32_t n;

	if (type == 'i') {
		memcpy(&number, p, sizeof(number));
		sqlite3_bind_int64(stmt, column, number);
		return p + sizeof(number);
	}
	memcpy(&n, p, sizeof(n));
	p += sizeof(n);
	if (type == 'n')
		sqlite3_bind_null(stmt, column);
	else if (type == 't')
		sqlite3_bind_text(stmt, column, (const char *)p, (int)n, SQLITE_STATIC);
	else
		sqlite3_bind_blob(stmt, column, p, (int)n, SQLITE_STATIC);
	return p + n;
}

static int statement(struct store *s, enum store_op op, sqlite3_stmt **stmt)
{
	int rc = SQLITE_OK;

	if (!s->stmts[op])
		rc = sqlite3_prepare_v3(s->db, store_statements[op], -1, SQLITE_PREPARE_PERSISTENT,
		    &s->stmts[op], NULL);
	*stmt = s->stmts[op];
	return rc;
}

static int write_changes(struct store *s, const struct batch *b, uint64_t *changes)
{
	const uint8_t *p = b->bytes, *end = b->bytes + b->len;

	*changes = 0;
	while (p < end) {
		enum store_op op = p[0];
		int count = p[1], rc;
		sqlite3_stmt *stmt;

		rc = statement(s, op, &stmt);
		if (rc != SQLITE_OK)
			return rc;
		p += 2;
		for (int i = 1; i <= count; i++)
			p = bind_next(stmt, i, p);
		rc = sqlite3_step(stmt);
		sqlite3_reset(stmt);
		if (rc != SQLITE_DONE)
			return rc;
		s->audits += op == STORE_AUDIT;
		++*changes;
	}
	return SQLITE_OK;
}

static void trim_audit(struct store *s)
{
	char sql[120];

	if (s->audits < AUDIT_TRIM_EVERY)
		return;
	s->audits = 0;
	snprintf(sql, sizeof(sql), "DELETE FROM audit WHERE id<=(SELECT max(id) FROM audit)-%d",
	    STORE_AUDIT_KEEP);
	sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

// `then` is what happens when it cannot be written.
static int commit_once(struct store *s, const struct batch *b, const char *then)
{
	uint64_t start = clock_mono_ns(), changes = 0, took;
	struct parse_error error;
	int rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = write_changes(s, b, &changes);
	if (rc == SQLITE_OK) {
		trim_audit(s);
		rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	}
	if (rc != SQLITE_OK) {
		if (!store_has_no_room(s->db, s->path, &error))
			parse_error_set(&error, "%s", sqlite3_errmsg(s->db));
		log_error("the registry's store cannot be written",
		    kv("path", (const char *)s->path), kv("reason", (const char *)error.text),
		    kv("then", then));
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	}
	took = clock_mono_ns() - start;
	pthread_mutex_lock(&s->lock);
	s->stats.failures += rc != SQLITE_OK;
	if (rc == SQLITE_OK) {
		s->stats.batches++;
		s->stats.changes += changes;
		s->stats.commit_ns_sum += took;
		if (took > s->stats.commit_ns_max)
			s->stats.commit_ns_max = took;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

// False when the store is to be closed and the disk does not take the batch even then.
static bool commit(struct store *s, const struct batch *b)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	bool stop;

	while (commit_once(s, b, "trying again") != SQLITE_OK) {
		pthread_mutex_lock(&s->lock);
		stop = s->stop;
		pthread_mutex_unlock(&s->lock);
		if (stop)
			return commit_once(s, b, "lost") == SQLITE_OK;
		nanosleep(&pause, NULL);
	}
	return true;
}

static void *run(void *ctx)
{
	struct store *s = ctx;
	struct batch b;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->given.len && !s->stop)
			pthread_cond_wait(&s->wake, &s->lock);
		if (!s->given.len)
			break;
		b = s->given;
		s->given = (struct batch){0};
		s->busy = true;
		pthread_mutex_unlock(&s->lock);
		if (commit(s, &b))
			__atomic_store_n(&s->committed, b.seq, __ATOMIC_RELEASE);
		else
			s->lost = true;
		free(b.bytes);
		pthread_mutex_lock(&s->lock);
		s->busy = false;
		pthread_mutex_unlock(&s->lock);
		s->on_commit(s->ctx);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int store_start(struct store *s, void (*committed)(void *ctx), void *ctx)
{
	int rc;

	s->on_commit = committed;
	s->ctx = ctx;
	rc = pthread_create(&s->thread, NULL, run, s);
	s->started = rc == 0;
	return -rc;
}

void store_flush(struct store *s)
{
	if (!s || !s->open.len)
		return;
	if (s->open.broken) {
		log_error("out of memory: a change of the registry cannot be stored");
		abort();
	}
	pthread_mutex_lock(&s->lock);
	if (!s->busy && !s->given.len) {
		s->given = s->open;
		s->open = (struct batch){.seq = s->given.seq + 1};
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
}

uint64_t store_ticket(const struct store *s)
{
	if (!s)
		return 0;
	return s->open.len ? s->open.seq : s->open.seq - 1;
}

uint64_t store_committed(const struct store *s)
{
	return s ? __atomic_load_n(&s->committed, __ATOMIC_ACQUIRE) : UINT64_MAX;
}

bool store_is_full(const struct store *s)
{
	return s && s->open.len > STORE_BATCH_MAX;
}

struct store_stats store_stats(const struct store *s)
{
	struct store *locked = (struct store *)s;
	struct store_stats stats;

	pthread_mutex_lock(&locked->lock);
	stats = s->stats;
	pthread_mutex_unlock(&locked->lock);
	return stats;
}

static void end_thread(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}

int store_close(struct store *s)
{
	int rc = 0;

	if (!s)
		return 0;
	if (s->started)
		end_thread(s);
	// what came after a lost batch makes no sense without it
	if (s->lost || (s->open.len && commit_once(s, &s->open, "lost") != SQLITE_OK))
		rc = -EIO;
	for (int i = 0; i < STORE_OP_COUNT; i++)
		sqlite3_finalize(s->stmts[i]);
	sqlite3_close(s->reader);
	sqlite3_close(s->db);
	free(s->open.bytes);
	free(s);
	return rc;
}

int store_audit(struct store *s, int64_t before, unsigned limit,
    void (*each)(void *ctx, const struct audit_entry *e), void *ctx)
{
	sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_OK;

	if (!s->reader)
		rc = sqlite3_open_v2(
		    s->path, &s->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(s->reader,
		    "SELECT id,at,node,network,action,actor,details FROM audit WHERE id<?1 "
		    "ORDER BY id DESC LIMIT ?2",
		    -1, &stmt, NULL);
	if (rc != SQLITE_OK) {
		sqlite3_close(s->reader); // the next one tries again
		s->reader = NULL;
		return -EIO;
	}
	sqlite3_bind_int64(stmt, 1, before ? before : INT64_MAX);
	sqlite3_bind_int64(stmt, 2, limit);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const struct store_row *r = (const struct store_row *)stmt;
		struct audit_entry e = {row_int(r, 0), row_int(r, 1), row_int(r, 2), row_int(r, 3),
		    row_text(r, 4), row_text(r, 5), row_text(r, 6)};

		each(ctx, &e);
	}
	sqlite3_finalize(stmt);
	return 0;
}

int store_load(struct store *s,
    bool (*row)(void *ctx, enum store_op op, const struct store_row *values), void *ctx,
    struct parse_error *error)
{
	// Nodes before what speaks of them.
	static const enum store_op order[] = {
	    STORE_META, STORE_NODE, STORE_PAIR, STORE_NETWORK, STORE_MEMBER, STORE_INBOX};
	uint64_t refused = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		sqlite3_stmt *stmt = NULL;
		int rc = sqlite3_prepare_v2(s->db, store_selects[order[i]], -1, &stmt, NULL);

		while (rc == SQLITE_OK || rc == SQLITE_ROW) {
			rc = sqlite3_step(stmt);
			if (rc == SQLITE_ROW)
				refused += !row(ctx, order[i], (const struct store_row *)stmt);
		}
		sqlite3_finalize(stmt);
		if (rc != SQLITE_DONE) {
			if (!store_has_no_room(s->db, s->path, error))
				parse_error_set(
				    error, "cannot read %s: %s", s->path, sqlite3_errmsg(s->db));
			return -EIO;
		}
	}
	if (refused)
		log_warn("rows of the registry's store make no sense and were left out",
		    kv("path", (const char *)s->path), kv("rows", refused));
	return 0;
}

int64_t row_int(const struct store_row *r, unsigned column)
{
	return sqlite3_column_int64((sqlite3_stmt *)r, (int)column);
}

const char *row_text(const struct store_row *r, unsigned column)
{
	const char *text = (const char *)sqlite3_column_text((sqlite3_stmt *)r, (int)column);

	return text ? text : "";
}

bool row_blob(const struct store_row *r, unsigned column, void *out, size_t size)
{
	sqlite3_stmt *stmt = (sqlite3_stmt *)r;

	if (sqlite3_column_bytes(stmt, (int)column) != (int)size)
		return false;
	memcpy(out, sqlite3_column_blob(stmt, (int)column), size);
	return true;
}

int store_backup(const char *path, const char *to, struct parse_error *error)
{
	sqlite3 *from = NULL, *copy = NULL;
	sqlite3_backup *backup = NULL;
	// SQLite would let everybody read the tokens in it.
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc;

	if (fd < 0) {
		rc = -errno;
		parse_error_set(error, "cannot write %s: %s", to, strerror(-rc));
		return rc;
	}
	close(fd);
	rc = sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(from, 5000);
		backup = sqlite3_backup_init(copy, "main", from, "main");
		rc = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(copy);
		sqlite3_backup_finish(backup);
	}
	if (rc != SQLITE_DONE)
		parse_error_set(error, "cannot copy %s to %s: %s", path, to,
		    sqlite3_errmsg(copy ? copy : from));
	sqlite3_close(copy);
	sqlite3_close(from);
	return rc == SQLITE_DONE ? 0 : -EIO;
}
