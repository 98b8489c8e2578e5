// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/keep.h"
#include "controlplane/room.h"
#include "tests/unit/cp_lab.h"
#include "tests/unit/folder.h"

#include <sys/stat.h>
#include <unistd.h>

enum { WALL_S = 1900000000, NODE = 5 };

#define HOME "198.51.100.1:1000"

// A state directory, and the relay that is there before; tests start the one after.
struct kept {
	char state[FOLDER_MAX];
	struct keep keep;
	struct cp_lab *before;
};

static struct keep_time wall(const struct cp_lab *lab, int64_t unix_s)
{
	return (struct keep_time){.now_ns = lab->now_ns, .unix_s = unix_s};
}

static void setup(struct kept *k)
{
	folder_make(k->state);
	keep_init(&k->keep, k->state);
	k->before = lab_open();
}

static void teardown(struct kept *k)
{
	unlink(k->keep.path);
	assert_int_equal(rmdir(k->state), 0); // nothing else was left
	lab_close(k->before);
}

static void write_all(struct kept *k)
{
	keep_write(
	    &k->keep, &k->before->nodes.table, k->before->memory.locals, wall(k->before, WALL_S));
}

// Another machine's clock: the relay starts `later_s` after the writing.
static struct cp_lab *start(const struct kept *k, int64_t later_s, uint32_t expected)
{
	struct cp_lab *lab = lab_open();

	lab->endpoints.config = k->before->endpoints.config;
	lab->now_ns = 5000 * NS_PER_S;
	assert_int_equal(
	    keep_read(&k->keep, &lab->endpoints, lab->memory.locals, wall(lab, WALL_S + later_s)),
	    expected);
	return lab;
}

static void test_nodes_are_known_as_if_nothing_had_been(void **state)
{
	struct node_info *info;
	struct node_entry e;
	struct cp_lab *lab;
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, HOME);
	lab_discover(k.before, 6, "[2001:db8::6]:6");
	k.before->now_ns += 40 * NS_PER_S;
	lab_discover(k.before, NODE, HOME);
	k.before->now_ns += 10 * NS_PER_S;
	write_all(&k);
	lab = start(&k, 20, 2);
	assert_string_equal(lab_where(lab, 6), "[2001:db8::6]:6");
	assert_string_equal(lab_where(lab, NODE), HOME);
	assert_true(node_table_find(&lab->nodes.table, NODE, &e));
	info = &lab->nodes.table.info[node_entry_index(e)];
	assert_int_equal(node_alive_at(&lab->nodes.table, e), 5000 - 30);
	assert_int_equal(info->first_seen, 5000 - 70);
	assert_int_equal(node_standing(&lab->nodes.table, node_entry_index(e)), STANDING_FAMILIAR);
	// heard 30 s ago: nobody else gets the id before admission.silence, its own host does
	lab_discover(lab, NODE, "203.0.113.9:1");
	assert_string_equal(lab_where(lab, NODE), HOME);
	lab->now_ns += 61 * NS_PER_S;
	lab_discover(lab, NODE, "203.0.113.9:1");
	assert_string_equal(lab_where(lab, NODE), "203.0.113.9:1");
	lab_close(lab);
	teardown(&k);
}

// seconds until the start, nodes that are known then: admission.ttl is 600 s
static void test_who_was_silent_for_too_long_is_forgotten(void **state)
{
	static const struct {
		int64_t later_s;
		uint32_t known;
	} table[] = {{0, 1}, {599, 1}, {600, 0}, {1000000, 0}, {-1, 0}};
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, HOME);
	write_all(&k);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		lab_close(start(&k, table[i].later_s, table[i].known));
	teardown(&k);
}

// The clock of a machine that has just started is younger than the nodes.
static void test_a_machine_that_has_just_started(void **state)
{
	struct cp_lab *lab = lab_open();
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, HOME);
	write_all(&k);
	lab->now_ns = 20 * NS_PER_S;
	assert_int_equal(
	    keep_read(&k.keep, &lab->endpoints, lab->memory.locals, wall(lab, WALL_S + 300)), 1);
	assert_string_equal(lab_where(lab, NODE), HOME);
	lab_close(lab);
	teardown(&k);
}

static enum admission_anchor on_anchor(void *ctx, uint32_t node, const struct endpoint *from)
{
	struct endpoint home = lab_endpoint(HOME);

	(void)ctx;
	if (node != NODE)
		return ANCHOR_NONE;
	return endpoint_same_addr(from, &home) ? ANCHOR_HERE : ANCHOR_ELSEWHERE;
}

static void test_the_registry_knows_better(void **state)
{
	struct cp_lab *lab;
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, "203.0.113.9:1");
	lab_discover(k.before, 6, "203.0.113.9:2");
	write_all(&k);
	lab = lab_open();
	lab->endpoints.config.policy = ADMISSION_ANCHORED;
	lab->endpoints.hooks.anchor = on_anchor;
	assert_int_equal(
	    keep_read(&k.keep, &lab->endpoints, lab->memory.locals, wall(lab, WALL_S)), 1);
	assert_string_equal(lab_where(lab, NODE), "");
	assert_string_equal(lab_where(lab, 6), "203.0.113.9:2");
	lab_close(lab);
	teardown(&k);
}

static enum admission_identity identity;

static enum admission_identity on_identity(void *ctx, uint32_t node, const uint8_t key[32])
{
	(void)ctx;
	(void)node;
	(void)key;
	return identity;
}

// Policy `signed`: a key that was bound is bound again, unless the registry knows another one; who
// had none has to prove it.
static void test_keys(void **state)
{
	static const struct {
		enum admission_identity identity;
		uint32_t known;
	} table[] = {
	    {IDENTITY_NOT_ASKED, 1}, {IDENTITY_UNSAID, 1}, {IDENTITY_SAME, 1}, {IDENTITY_OTHER, 0}};
	uint8_t key[32] = {7};
	struct node_entry e;
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, HOME);
	lab_discover(k.before, 6, HOME);
	node_writer_bind(&k.before->nodes, NODE, key);
	write_all(&k);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct cp_lab *lab = lab_open();

		identity = table[i].identity;
		lab->endpoints.config.policy = ADMISSION_SIGNED;
		lab->endpoints.hooks.identity = on_identity;
		assert_int_equal(
		    keep_read(&k.keep, &lab->endpoints, lab->memory.locals, wall(lab, WALL_S)),
		    table[i].known);
		if (table[i].known) {
			assert_true(node_table_find(&lab->nodes.table, NODE, &e));
			assert_true(node_is_keyed(&lab->nodes.table, e));
		}
		lab_close(lab);
	}
	teardown(&k);
}

static void test_addresses_of_ours_are_found_by_what_they_are(void **state)
{
	struct cp_lab *lab = lab_open();
	struct node_entry e;
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, HOME);
	lab_discover(k.before, 6, "[2001:db8::6]:6");
	write_all(&k);
	lab_local(lab, 0, "[2001:db8::1]:9001", false);
	lab_local(lab, 1, "192.0.2.7:9001", false);
	assert_int_equal(
	    keep_read(&k.keep, &lab->endpoints, lab->memory.locals, wall(lab, WALL_S)), 1);
	assert_true(node_table_find(&lab->nodes.table, 6, &e));
	assert_int_equal(node_entry_local(e), 0);
	lab_close(lab);
	teardown(&k);
}

// From time to time, a slice a tick; what was written before stands until the next is whole.
static void test_it_is_written_from_time_to_time(void **state)
{
	struct cp_lab *lab;
	struct stat info;
	struct kept k;

	(void)state;
	setup(&k);
	for (uint32_t i = 1; i <= 500; i++)
		lab_discover(k.before, i, HOME);
	for (int i = 0; i < 10; i++)
		keep_tick(&k.keep, &k.before->nodes.table, k.before->memory.locals,
		    wall(k.before, WALL_S));
	assert_int_equal(stat(k.keep.path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	lab_close(start(&k, 0, 500));
	lab_discover(k.before, 501, HOME);
	for (unsigned i = 0; i < 10 * KEEP_S + 20; i++) {
		k.before->now_ns += 100 * NS_PER_MS;
		keep_tick(&k.keep, &k.before->nodes.table, k.before->memory.locals,
		    wall(k.before, WALL_S + KEEP_S));
	}
	lab = start(&k, KEEP_S, 501);
	assert_string_equal(lab_where(lab, 501), HOME);
	lab_close(lab);
	teardown(&k);
}

static void write_file(const struct kept *k, const char *bytes, size_t n)
{
	FILE *file = fopen(k->keep.path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static void test_files_that_are_none(void **state)
{
	static char noise[4000];
	struct kept k;
	off_t size;
	struct stat info;

	(void)state;
	setup(&k);
	lab_close(start(&k, 0, 0)); // none
	write_file(&k, "FWNODES1", 8);
	lab_close(start(&k, 0, 0));
	memset(noise, 0x5a, sizeof(noise));
	write_file(&k, noise, sizeof(noise));
	lab_close(start(&k, 0, 0));
	memset(noise, 0xff, sizeof(noise));
	memcpy(noise, "FWNODES1", 8);
	write_file(&k, noise, sizeof(noise));
	lab_close(start(&k, 0, 0));
	for (uint32_t i = 1; i <= 3; i++)
		lab_discover(k.before, i, HOME);
	write_all(&k);
	assert_int_equal(stat(k.keep.path, &info), 0);
	for (size = info.st_size - 1; size >= info.st_size - 64; size -= 21) {
		assert_int_equal(truncate(k.keep.path, size), 0);
		lab_close(start(&k, 0, size >= info.st_size - 32 ? 2 : 1));
	}
	teardown(&k);
}

// The magic ends with the version of what follows.
static void test_another_version(void **state)
{
	struct kept k;
	FILE *file;

	(void)state;
	setup(&k);
	lab_discover(k.before, NODE, HOME);
	write_all(&k);
	lab_close(start(&k, 0, 1));
	file = fopen(k.keep.path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 7, SEEK_SET), 0);
	assert_int_equal(fputc('2', file), '2');
	fclose(file);
	lab_close(start(&k, 0, 0));
	teardown(&k);
}

// So many would hold a control plane up whose data plane has ended.
static void test_many_are_not_written_at_once(void **state)
{
	struct kept k;

	(void)state;
	setup(&k);
	lab_discover(k.before, 1, HOME);
	write_all(&k);
	lab_discover(k.before, 2, HOME);
	k.before->memory.nodes.header->node_count = KEEP_AT_ONCE + 1;
	write_all(&k);
	assert_null(k.keep.file);
	lab_close(start(&k, 0, 1));
	teardown(&k);
}

static void test_a_directory_that_cannot_be_written(void **state)
{
	struct cp_lab *lab = lab_open();
	struct keep keep;

	(void)state;
	keep_init(&keep, "/nowhere");
	keep_tick(&keep, &lab->nodes.table, lab->memory.locals, wall(lab, WALL_S));
	keep_write(&keep, &lab->nodes.table, lab->memory.locals, wall(lab, WALL_S));
	assert_null(keep.file);
	assert_int_equal(
	    keep_read(&keep, &lab->endpoints, lab->memory.locals, wall(lab, WALL_S)), 0);
	lab_close(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nodes_are_known_as_if_nothing_had_been),
	    cmocka_unit_test(test_who_was_silent_for_too_long_is_forgotten),
	    cmocka_unit_test(test_a_machine_that_has_just_started),
	    cmocka_unit_test(test_the_registry_knows_better),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_addresses_of_ours_are_found_by_what_they_are),
	    cmocka_unit_test(test_it_is_written_from_time_to_time),
	    cmocka_unit_test(test_files_that_are_none),
	    cmocka_unit_test(test_another_version),
	    cmocka_unit_test(test_many_are_not_written_at_once),
	    cmocka_unit_test(test_a_directory_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
