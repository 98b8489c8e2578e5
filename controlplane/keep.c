// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/keep.h"

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/room.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { WALK_BATCH = 64 }; // buckets

// In the byte order of the machine; the magic ends with the version.
static const char magic[8] = "FWNODES1";

struct kept_header {
	char magic[8];
	struct endpoint locals[LOCAL_MAX]; // our addresses, which nodes name by index; port 0: none
};

enum { KEPT_CARRY = 1, KEPT_FAMILIAR = 2, KEPT_KEY = 4 };

// The public key follows if the flags say so.
struct kept_record {
	uint32_t node;
	uint32_t alive_s, first_s; // since 1970: last sign of life, and when it was learnt
	struct endpoint at;
	uint8_t local;
	uint8_t flags;
};

static_assert(sizeof(struct kept_record) == 32, "nothing but what is in it");

void keep_init(struct keep *k, const char *state)
{
	*k = (struct keep){.next_ns = 0};
	snprintf(k->path, sizeof(k->path), "%s/nodes", state);
}

// The stream owns `fd`. NULL with errno.
static FILE *stream(int fd, const char *mode)
{
	FILE *file = fd < 0 ? NULL : fdopen(fd, mode);

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

static void aside(const struct keep *k, char out[KEEP_PATH_MAX + 4])
{
	snprintf(out, KEEP_PATH_MAX + 4, "%s.new", k->path);
}

static void writing_ended(struct keep *k, bool failed)
{
	char path[KEEP_PATH_MAX + 4];

	aside(k, path);
	if (k->file && fclose(k->file))
		failed = true;
	k->file = NULL;
	if (!failed && rename(path, k->path) == 0)
		return;
	log_warn("where nodes are is not kept over a restart", kv("file", (const char *)path),
	    kv_errno(-errno));
	unlink(path);
}

// False: it has failed.
static bool writing_begin(struct keep *k, const struct local *locals, uint64_t now_ns)
{
	struct kept_header header = {.locals = {{.port = 0}}};
	char path[KEEP_PATH_MAX + 4];

	memcpy(header.magic, magic, sizeof(magic));
	for (int i = 0; i < LOCAL_MAX; i++)
		if (__atomic_load_n(&locals[i].valid, __ATOMIC_ACQUIRE))
			header.locals[i] = locals[i].at;
	aside(k, path);
	k->file =
	    stream(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), "w");
	k->cursor = 0;
	k->next_ns = now_ns + KEEP_S * NS_PER_S;
	if (k->file && fwrite(&header, sizeof(header), 1, k->file) == 1)
		return true;
	writing_ended(k, true);
	return false;
}

static bool write_entry(
    FILE *file, const struct node_table *t, struct node_entry e, struct keep_time now)
{
	uint32_t index = node_entry_index(e), now_s = (uint32_t)(now.now_ns / NS_PER_S);
	int64_t started = now.unix_s - now_s; // of the monotonic clock
	const struct node_info *info = &t->info[index];
	struct kept_record r = {.node = node_entry_id(e),
	    .alive_s = (uint32_t)(started + node_alive_at(t, e)),
	    .first_s = (uint32_t)(started + info->first_seen),
	    .local = node_entry_local(e)};

	if (!node_table_endpoint(t, e, &r.at))
		return true;
	r.flags = (node_entry_flags(e) & NODE_CARRY ? KEPT_CARRY : 0) |
		  (node_standing(t, index) >= STANDING_FAMILIAR ? KEPT_FAMILIAR : 0) |
		  (info->has_key ? KEPT_KEY : 0);
	return fwrite(&r, sizeof(r), 1, file) == 1 &&
	       (!info->has_key || fwrite(info->key, sizeof(info->key), 1, file) == 1);
}

// The next `slice` buckets.
static void write_on(
    struct keep *k, const struct node_table *t, struct keep_time now, uint64_t slice)
{
	struct node_entry entries[WALK_BATCH];

	for (uint64_t looked = 0; looked < slice && k->cursor < NODE_CURSOR_END;
	     looked += WALK_BATCH) {
		unsigned n = node_table_walk(t, &k->cursor, entries, WALK_BATCH);

		for (unsigned i = 0; i < n; i++)
			if (!write_entry(k->file, t, entries[i], now)) {
				writing_ended(k, true);
				return;
			}
	}
	if (k->cursor >= NODE_CURSOR_END)
		writing_ended(k, false);
}

void keep_tick(
    struct keep *k, const struct node_table *t, const struct local *locals, struct keep_time now)
{
	uint64_t nodes = __atomic_load_n(&t->header->node_count, __ATOMIC_RELAXED);

	if (!*k->path || (!k->file && now.now_ns < k->next_ns))
		return;
	if (k->file || writing_begin(k, locals, now.now_ns))
		write_on(k, t, now, nodes / (KEEP_WALK_S * 10) + WALK_BATCH);
}

void keep_write(
    struct keep *k, const struct node_table *t, const struct local *locals, struct keep_time now)
{
	if (k->file)
		fclose(k->file);
	k->file = NULL;
	if (__atomic_load_n(&t->header->node_count, __ATOMIC_RELAXED) > KEEP_AT_ONCE)
		return;
	if (*k->path && writing_begin(k, locals, now.now_ns))
		write_on(k, t, now, UINT64_MAX);
}

// Where each of our addresses of then is among those of now, LOCAL_MAX: nowhere.
static void match_locals(
    const struct kept_header *header, const struct local *locals, uint8_t to[LOCAL_MAX])
{
	for (int i = 0; i < LOCAL_MAX; i++) {
		to[i] = LOCAL_MAX;
		for (int j = 0; j < LOCAL_MAX && header->locals[i].port; j++)
			if (__atomic_load_n(&locals[j].valid, __ATOMIC_ACQUIRE) &&
			    endpoint_equal(&locals[j].at, &header->locals[i]))
				to[i] = (uint8_t)j;
	}
}

// Seconds of CLOCK_MONOTONIC, which began with the machine: never before.
static uint32_t monotonic_s(uint32_t unix_s, struct keep_time now)
{
	int64_t at = (int64_t)(now.now_ns / NS_PER_S) - (now.unix_s - unix_s);

	return at > 1 ? (uint32_t)at : 1;
}

static bool take(
    struct endpoints *e, const struct kept_record *r, const uint8_t *key, struct keep_time now)
{
	const struct kept_node kept = {.node = r->node,
	    .at = r->at,
	    .local = r->local,
	    .carry = r->flags & KEPT_CARRY,
	    .familiar = r->flags & KEPT_FAMILIAR,
	    .key = key,
	    .alive_s = monotonic_s(r->alive_s, now),
	    .first_s = monotonic_s(r->first_s, now)};

	// of a clock that was turned back nobody knows how long ago that was
	if (r->alive_s > now.unix_s ||
	    (uint64_t)(now.unix_s - r->alive_s) * NS_PER_S >= e->config.ttl_ns)
		return false;
	return endpoints_restore(e, &kept);
}

uint32_t keep_read(
    const struct keep *k, struct endpoints *e, const struct local *locals, struct keep_time now)
{
	FILE *file =
	    *k->path ? stream(open(k->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), "r") : NULL;
	uint8_t key[BEACON_KEY_SIZE], to[LOCAL_MAX];
	uint32_t taken = 0, left = 0;
	struct kept_header header;
	struct kept_record r;

	if (!file)
		return 0;
	if (fread(&header, sizeof(header), 1, file) != 1 || memcmp(header.magic, magic, 8) != 0) {
		log_warn("nodes of before cannot be read: the file is not ours",
		    kv("file", (const char *)k->path));
		fclose(file);
		return 0;
	}
	match_locals(&header, locals, to);
	while (fread(&r, sizeof(r), 1, file) == 1) {
		bool keyed = r.flags & KEPT_KEY;

		if (keyed && fread(key, sizeof(key), 1, file) != 1)
			break;
		r.local = r.local < LOCAL_MAX ? to[r.local] : LOCAL_MAX;
		if (r.local < LOCAL_MAX && take(e, &r, keyed ? key : NULL, now))
			taken++;
		else
			left++;
	}
	fclose(file);
	if (taken + left)
		log_info(
		    "nodes of before are known again", kv("nodes", taken), kv("left_out", left));
	return taken;
}
