// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/store_schema.h"

#include "controlplane/registry/store_create.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

// "FAIR": tells our files from those of other programs (PRAGMA application_id).
#define APPLICATION_ID 0x46414952

const char *const store_statements[STORE_OP_COUNT] = {
    [STORE_NODE] =
	("INSERT OR REPLACE INTO node(id,key,live,public,task_exec,proven,ratcheted,endpoint,"
	 "hostname,owner,external_id,tags,lan_addrs,endpoints,version,polo,rotations,created,"
	 "rotated,expires,claim) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
	 "?17,?18,?19,?20,?21)"),
    [STORE_NODE_GONE] = "UPDATE node SET live=0,hostname=NULL,endpoint=NULL,claim=NULL WHERE id=?1",
    [STORE_NODE_FORGET] = "DELETE FROM node WHERE id=?1",
    [STORE_PAIR] = "INSERT OR REPLACE INTO pair(low,high,sides) VALUES(?1,?2,?3)",
    [STORE_PAIR_FORGET] = "DELETE FROM pair WHERE low=?1 AND high=?2",
    [STORE_NETWORK] =
	("INSERT OR REPLACE INTO network(id,name,rule,enterprise,token,admin_token,max_members,"
	 "ports,description,rules,expr_policy,created,pre_roles,synced) "
	 "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,"
	 "?12,?13,?14)"),
    [STORE_NETWORK_FORGET] = "DELETE FROM network WHERE id=?1",
    [STORE_MEMBER] = "INSERT OR REPLACE INTO member(network,node,role,tags) VALUES(?1,?2,?3,?4)",
    [STORE_MEMBER_FORGET] = "DELETE FROM member WHERE network=?1 AND node=?2",
    [STORE_INBOX] = ("INSERT OR REPLACE INTO inbox(seq,node,kind,sender,network,accept,at,text) "
		     "VALUES(?1,?2,?3,?4,?5,?6,?7,?8)"),
    [STORE_INBOX_FORGET] = "DELETE FROM inbox WHERE seq=?1",
    [STORE_META] = "INSERT OR REPLACE INTO meta(name,value) VALUES(?1,?2)",
    [STORE_AUDIT] =
	"INSERT INTO audit(at,action,node,network,actor,details) VALUES(?1,?2,?3,?4,?5,?6)",
};

const char *const store_selects[STORE_OP_COUNT] = {
    [STORE_META] = "SELECT name,value FROM meta",
    [STORE_NODE] =
	("SELECT id,key,live,public,task_exec,proven,ratcheted,endpoint,hostname,owner,external_id,"
	 "tags,lan_addrs,endpoints,version,polo,rotations,created,rotated,expires,claim FROM node "
	 "ORDER BY id"),
    [STORE_PAIR] = "SELECT low,high,sides FROM pair",
    [STORE_NETWORK] = ("SELECT id,name,rule,enterprise,token,admin_token,max_members,ports,"
		       "description,rules,expr_policy,created,pre_roles,synced FROM network "
		       "ORDER BY id"),
    [STORE_MEMBER] = "SELECT network,node,role,tags FROM member ORDER BY network,node",
    [STORE_INBOX] = "SELECT seq,node,kind,sender,network,accept,at,text FROM inbox ORDER BY seq",
};

#define AUDIT_TABLE                                                                          \
	"CREATE TABLE audit(id INTEGER PRIMARY KEY,at INT,action TEXT,node INT,network INT," \
	"actor TEXT,details TEXT);"

static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY,value) WITHOUT ROWID;"
    "CREATE TABLE node(id INTEGER PRIMARY KEY,key BLOB NOT NULL,live INT,public INT,task_exec INT,"
    "proven INT,ratcheted INT,endpoint TEXT,hostname TEXT,owner TEXT,external_id TEXT,tags TEXT,"
    "lan_addrs TEXT,endpoints TEXT,version TEXT,polo INT,rotations INT,created INT,rotated INT,"
    "expires INT,claim TEXT);"
    "CREATE TABLE pair(low INT,high INT,sides INT,PRIMARY KEY(low,high)) WITHOUT ROWID;"
    "CREATE TABLE network(id INTEGER PRIMARY KEY,name TEXT NOT NULL,rule INT,enterprise INT,"
    "token TEXT,admin_token TEXT,max_members INT,ports TEXT,description TEXT,rules TEXT,"
    "expr_policy TEXT,created INT,pre_roles TEXT,synced INT);"
    "CREATE TABLE member(network INT,node INT,role INT,tags TEXT,PRIMARY KEY(network,node)) "
    "WITHOUT ROWID;"
    "CREATE TABLE inbox(seq INTEGER PRIMARY KEY,node INT,kind INT,sender INT,network INT,"
    "accept INT,at INT,text TEXT);" AUDIT_TABLE;

// What makes a file of the version before one of this version.
static const char *const migrations[STORE_SCHEMA + 1] = {
    [2] = "ALTER TABLE network ADD COLUMN pre_roles TEXT;"
	  "ALTER TABLE network ADD COLUMN synced INT;",
    [3] = "ALTER TABLE node ADD COLUMN claim TEXT;",
    // It was AUTOINCREMENT, which writes a second row an entry; only the oldest are ever deleted.
    [4] = "ALTER TABLE audit RENAME TO audit_before;" AUDIT_TABLE
	  "INSERT INTO audit SELECT * FROM audit_before;DROP TABLE audit_before;",
};

static int pragma_int(sqlite3 *db, const char *name, int *value)
{
	char sql[64];
	sqlite3_stmt *stmt = NULL;
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA %s", name);
	rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*value = rc == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : -EIO;
}

// SQLite keeps no errno of a write that the limit cut short.
static bool is_as_large_as_allowed(const char *path)
{
	static const char *const files[] = {"", "-wal"};
	struct rlimit limit;
	char name[PATH_MAX];
	struct stat info;

	if (getrlimit(RLIMIT_FSIZE, &limit))
		return false;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		store_name_file(name, path, files[i]);
		if (stat(name, &info) == 0 && (rlim_t)info.st_size >= limit.rlim_cur)
			return true;
	}
	return false;
}

bool store_has_no_room(sqlite3 *db, const char *path, struct parse_error *error)
{
	int code = sqlite3_errcode(db) & 0xff, why = sqlite3_system_errno(db);
	const char *room = "the disk is full; make room there";

	if (code == SQLITE_IOERR && is_as_large_as_allowed(path))
		room = "raise the file size limit (ulimit -f, LimitFSIZE)";
	else if (code != SQLITE_FULL && (code != SQLITE_IOERR || (why != ENOSPC && why != EDQUOT)))
		return false;
	parse_error_set(error, "no room for %s: %s, or name another file as the store", path, room);
	return true;
}

static int open_file(const char *path, sqlite3 **out, struct parse_error *error)
{
	int rc;

	// counting its memory would take a lock an allocation; refused once SQLite is in use
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	rc = sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		parse_error_set(error, "cannot open %s: %s", path, sqlite3_errmsg(*out));
		sqlite3_close(*out);
		return -EIO;
	}
	sqlite3_extended_result_codes(*out, 1);
	return 0;
}

// Has the machine failed, and not the file?
static bool is_passing(int code)
{
	switch (code & 0xff) {
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_NOMEM:
	case SQLITE_FULL:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_IOERR:
		return true;
	default:
		return false;
	}
}

// `why` NULL: what SQLite says.
static int damaged(sqlite3 *db, const char *why, const char *path, struct parse_error *error)
{
	if (store_has_no_room(db, path, error))
		return -ENOSPC;
	if (is_passing(sqlite3_errcode(db))) {
		parse_error_set(error, "cannot read %s: %s", path, sqlite3_errmsg(db));
		return -EIO;
	}
	parse_error_set(error,
	    "%s is damaged (%.80s): restore a backup (fairway registry backup makes them), or "
	    "move it away to start with an empty registry",
	    path, why ?: sqlite3_errmsg(db));
	return -EINVAL;
}

static int check_integrity(sqlite3 *db, const char *path, struct parse_error *error)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	const char *said = NULL;

	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(stmt, 0);
	if (said && strchr(said, '\n'))
		said = strchr(said, '\n') + 1; // behind "*** in database main ***"
	rc = said && !strcmp(said, "ok") ? 0 : damaged(db, said, path, error);
	sqlite3_finalize(stmt);
	return rc;
}

int store_create_schema(const char *path, struct parse_error *error)
{
	char sql[sizeof(schema) + 160];
	sqlite3 *db;
	int rc = open_file(path, &db, error);

	if (rc)
		return rc;
	snprintf(sql, sizeof(sql),
	    "BEGIN IMMEDIATE;%sPRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT", schema,
	    APPLICATION_ID, STORE_SCHEMA);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		rc = damaged(db, NULL, path, error);
	sqlite3_close(db);
	return rc;
}

// All steps in one transaction: the file is of one version or the other.
static int migrate(sqlite3 *db, const char *path, int version, struct parse_error *error)
{
	char sql[1024] = "BEGIN IMMEDIATE;";
	size_t len = strlen(sql);

	if (version == STORE_SCHEMA)
		return 0;
	for (int v = version + 1; v <= STORE_SCHEMA; v++)
		len += (size_t)snprintf(sql + len, sizeof(sql) - len, "%s", migrations[v]);
	snprintf(sql + len, sizeof(sql) - len, "PRAGMA user_version=%d;COMMIT", STORE_SCHEMA);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	parse_error_set(error, "%s: cannot bring the tables from schema %d to %d: %s", path,
	    version, STORE_SCHEMA, sqlite3_errmsg(db));
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -EIO;
}

static int check_schema(sqlite3 *db, const char *path, struct parse_error *error)
{
	int application, version, tables, rc;

	if (pragma_int(db, "schema_version", &tables) ||
	    pragma_int(db, "application_id", &application) ||
	    pragma_int(db, "user_version", &version))
		return damaged(db, NULL, path, error);
	if (tables == 0 && application == 0)
		return damaged(db, "it is empty", path, error);
	if (application != APPLICATION_ID) {
		parse_error_set(error,
		    "%s is an SQLite file of another program: name another file as the store",
		    path);
		return -EINVAL;
	}
	if (version > STORE_SCHEMA) {
		parse_error_set(error,
		    "%s was written by a newer Fairway (schema %d, this one knows %d): update "
		    "Fairway, or restore a backup from before",
		    path, version, STORE_SCHEMA);
		return -EINVAL;
	}
	if (version < 1)
		return damaged(db, "schema of no version", path, error);
	rc = check_integrity(db, path, error);
	return rc ? rc : migrate(db, path, version, error);
}

int store_open_database(const char *path, sqlite3 **out, struct parse_error *error)
{
	static const char setup[] =
	    "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA busy_timeout=5000;"
	    "PRAGMA wal_autocheckpoint=4000;PRAGMA journal_size_limit=67108864";
	sqlite3 *db;
	int rc = open_file(path, &db, error);

	if (rc)
		return rc;
	// a file that is refused stays as it is
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	rc = check_schema(db, path, error);
	if (!rc && sqlite3_exec(db, setup, NULL, NULL, NULL) != SQLITE_OK)
		rc = damaged(db, NULL, path, error);
	if (rc) {
		sqlite3_close(db);
		return rc;
	}
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	*out = db;
	return 0;
}
