// SPDX-License-Identifier: BSD-3-Clause
// What is put into the store comes back; what is no store of ours is refused and left alone.
#include "controlplane/registry/audit.h"
#include "controlplane/registry/import.h"
#include "tests/unit/folder.h"
#include "tests/unit/registry_lab.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_MAX], path[80];

static int make_folder(void **state)
{
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/registry.db", folder);
	return lab_open(state);
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"registry.db", "registry.db-wal", "registry.db-shm",
	    "registry.db-before-wal", "registry.db-new"};
	char file[128];

	lab_close(state);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(file, sizeof(file), "%s/%s", folder, names[i]);
		unlink(file);
	}
	return rmdir(folder);
}

static void attach(struct lab *l)
{
	struct parse_error error = {.text = ""};

	if (registry_attach(&l->registry, path, l->t, &error))
		fail_msg("%s", error.text);
}

// Closes the store and makes an empty registry.
static void close_registry(struct lab *l)
{
	struct registry_config config = l->registry.config;

	registry_free(&l->registry);
	assert_int_equal(registry_init(&l->registry, &config), 0);
}

static void restart(struct lab *l)
{
	close_registry(l);
	attach(l);
}

static void test_everything_comes_back(void **state)
{
	struct lab *l = *state;
	struct lab_node a, b;

	attach(l);
	a = lab_node(l, 1);
	b = lab_node(l, 2);
	lab_expect(l, "{}", "{'type':'set_hostname','node_id':1,'hostname':'ann','signature':'%s'}",
	    lab_sign(&a, "set_hostname:1"));
	lab_expect(l, "{}", "{'type':'set_tags','node_id':1,'tags':['gpu','eu'],'signature':'%s'}",
	    lab_sign(&a, "set_tags:1"));
	lab_expect(l, "{}",
	    "{'type':'create_network','node_id':1,'name':'corp','enterprise':true,"
	    "'join_rule':'token','token':'s','admin_token':'adm'}");
	lab_expect(l, "{}",
	    "{'type':'set_network_policy','network_id':1,'allowed_ports':[7],'description':'d',"
	    "'admin_token':'adm'}");
	lab_expect(l, "{}",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':2,'justification':'hi',"
	    "'signature':'%s'}",
	    lab_sign(&a, "handshake:1:2"));
	lab_expect(l, "{}", "{'type':'report_trust','node_id':2,'peer_id':1,'signature':'%s'}",
	    lab_sign(&b, "report_trust:2:1"));
	restart(l);
	lab_expect(l, "{'hostname':'ann','tags':['gpu','eu'],'networks':[0,1]}",
	    "{'type':'lookup','node_id':1}");
	lab_expect(l, "{'allowed_ports':[7],'description':'d'}",
	    "{'type':'get_network_policy','network_id':1}");
	lab_expect(
	    l, "{'role':'owner'}", "{'type':'get_member_role','network_id':1,'target_node_id':1}");
	lab_expect(l, "{'trusted':true}", "{'type':'check_trust','node_id':1,'peer_id':2}");
	lab_expect(l, "{'responses':[]}", "{'type':'poll_handshakes','node_id':2,'signature':'%s'}",
	    lab_sign(&b, "poll_handshakes:2"));
	assert_int_equal(lab_node(l, 1).id, a.id);
	assert_int_equal(lab_node(l, 3).id, 3);
	// delivered, so not there any more
	restart(l);
	lab_expect(l, "{'requests':[]}", "{'type':'poll_handshakes','node_id':2,'signature':'%s'}",
	    lab_sign(&b, "poll_handshakes:2"));
}

static void test_a_rotated_key_comes_back(void **state)
{
	struct lab *l = *state;
	uint8_t seed[IDENTITY_SEED_SIZE];
	struct lab_node old, new;
	char key[KEY_TEXT_MAX];

	attach(l);
	old = lab_node(l, 1);
	memset(seed, 9, sizeof(seed));
	identity_derive(seed, new.key, new.secret);
	lab_expect(l, "{}",
	    "{'type':'rotate_key','node_id':1,'signature':'%s','new_public_key':'%s'}",
	    lab_sign(&old, "rotate:1"), key_text(key, new.key));
	restart(l);
	assert_int_equal(lab_node(l, 9).id, 1);
	assert_int_equal(lab_node(l, 1).id, 2);
	lab_expect(l, "{'rotate_count':1}", "{'type':'get_key_info','node_id':1}");
}

// An id is not given twice, also when nothing of its node is left.
static void test_ids_of_forgotten_nodes(void **state)
{
	struct lab *l = *state;

	attach(l);
	lab_node(l, 1);
	lab_node(l, 2);
	l->t.now_s += STALE_S;
	registry_tick(&l->registry, l->t);
	assert_int_equal(l->registry.nodes.count, 0);
	restart(l);
	assert_int_equal(lab_node(l, 3).id, 3);
	restart(l);
	assert_int_equal(lab_node(l, 4).id, 4);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void write_database(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void expect_refusal(struct lab *l, const char *why)
{
	struct parse_error error = {.text = ""};
	struct stat before, after;

	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(registry_attach(&l->registry, path, l->t, &error), -EINVAL);
	assert_non_null(strstr(error.text, why));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
}

static void test_others_are_refused(void **state)
{
	struct lab *l = *state;

	write_file("this is no database, but longer than the header of one would be");
	expect_refusal(l, "is damaged");
	unlink(path);
	write_database("CREATE TABLE t(a)");
	expect_refusal(l, "of another program");
	unlink(path);
	write_database("CREATE TABLE t(a);PRAGMA application_id=1178683730;PRAGMA user_version=99");
	expect_refusal(l, "newer Fairway");
	// cut short by a full disk or a copy that failed: ids would be granted again
	write_file("");
	expect_refusal(l, "it is empty");
}

// What SQLite leaves beside a file that somebody removes after a kill.
static void lose_all_but_the_log(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "CREATE TABLE t(a);DROP TABLE t", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(unlink(path), 0);
}

static void test_a_lost_store_leaves_nothing_in_the_next(void **state)
{
	struct lab *l = *state;
	char file[96];

	snprintf(file, sizeof(file), "%s-new", path);
	assert_int_equal(symlink("/dev/null", file), 0); // what a killed start left
	attach(l);
	lab_node(l, 1);
	close_registry(l);
	lose_all_but_the_log();
	attach(l);
	assert_int_equal(l->registry.nodes.count, 0);
	snprintf(file, sizeof(file), "%s-before-wal", path);
	assert_int_equal(access(file, F_OK), 0);
	snprintf(file, sizeof(file), "%s-new", path);
	assert_int_equal(access(file, F_OK), -1);
	lab_node(l, 2);
	restart(l);
	assert_int_equal(l->registry.nodes.count, 1);
}

// Whoever is told that the file is damaged moves it away: descriptors that are short are no damage.
static void test_what_passes_is_no_damage(void **state)
{
	struct lab *l = *state;
	struct parse_error error = {.text = ""};
	struct rlimit before, low;
	int lowest = dup(0), rc;

	close(lowest);
	attach(l);
	close_registry(l);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){(rlim_t)lowest, before.rlim_max};
	do {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		rc = registry_attach(&l->registry, path, l->t, &error);
		assert_true(rc == 0 || rc == -EIO);
		assert_null(strstr(error.text, "damaged"));
		low.rlim_cur++;
	} while (rc);
	assert_true(low.rlim_cur > (rlim_t)lowest + 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

// A file of the first version, as it was: nothing is lost, and it is of this version then.
static void test_older_files_are_migrated(void **state)
{
	struct lab *l = *state;
	struct parse_error error = {.text = ""};

	attach(l);
	lab_node(l, 1);
	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'corp','admin_token':'adm'}");
	close_registry(l);
	write_database("ALTER TABLE network DROP COLUMN pre_roles;"
		       "ALTER TABLE network DROP COLUMN synced;"
		       "ALTER TABLE node DROP COLUMN claim;PRAGMA user_version=1");
	attach(l);
	lab_expect(
	    l, "{'role':'owner'}", "{'type':'get_member_role','network_id':1,'target_node_id':1}");
	lab_expect(l,
	    "{'actions':['found existing network 1 (corp)','stored 1 RBAC "
	    "pre-assignments']}",
	    "{'type':'provision_network','admin_token':'adm','blueprint':{'name':'corp',"
	    "'roles':[{'external_id':'ann','role':'admin'}]}}");
	restart(l);
	assert_string_equal(network_find(&l->registry.networks, 1)->pre_roles, "admin ann");
	close_registry(l);
	// a step that fails leaves the file as it was
	write_database("PRAGMA user_version=1");
	assert_int_equal(registry_attach(&l->registry, path, l->t, &error), -EIO);
	assert_non_null(strstr(error.text, "from schema 1 to 4: duplicate column name"));
}

// Nodes are not left out because somebody has lowered nodes.capacity.
static void test_more_nodes_than_may_be(void **state)
{
	struct lab *l = *state;

	attach(l);
	for (uint8_t i = 1; i <= 3; i++)
		lab_node(l, i);
	l->registry.config.capacity = 2;
	close_registry(l);
	expect_refusal(l, "holds more than 2 nodes: raise nodes.capacity");
	l->registry.config.capacity = 3;
	restart(l);
	assert_int_equal(l->registry.nodes.count, 3);
}

// Somebody has taken the file away: an empty log would be a lie.
static void test_audit_that_cannot_be_read(void **state)
{
	struct lab *l = *state;
	char away[sizeof(path) + 8];

	attach(l);
	snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	lab_refused(l, "cannot read the audit log", "{'type':'get_audit_log','admin_token':'adm'}");
	assert_int_equal(rename(away, path), 0);
	lab_expect(l, "{'entries':[]}", "{'type':'get_audit_log','admin_token':'adm'}");
}

// Also behind many entries of other networks.
static void test_audit_of_a_network(void **state)
{
	struct lab *l = *state;

	attach(l);
	lab_node(l, 1);
	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'corp','admin_token':'adm'}");
	for (int i = 0; i < 2500; i++)
		lab_expect(
		    l, "{}", "{'type':'set_tags','node_id':1,'tags':[],'admin_token':'adm'}");
	lab_expect(l, "{'network_id':1,'name':'new'}",
	    "{'type':'rename_network','network_id':1,'name':'new','admin_token':'adm'}");
	// what was put is on the disk after a restart
	restart(l);
	lab_expect(l,
	    "{'entries':[{'timestamp':'2027-01-15T08:00:00Z','action':'network.renamed',"
	    "'network_id':1,'actor':'admin','details':'new, was corp'},"
	    "{'timestamp':'2027-01-15T08:00:00Z','action':'network.created','network_id':1,"
	    "'node_id':1,'actor':'admin','details':'corp'}]}",
	    "{'type':'get_audit_log','network_id':1,'admin_token':'adm'}");
	lab_expect(l,
	    "{'entries':[{'timestamp':'2027-01-15T08:00:00Z','action':'network.renamed',"
	    "'network_id':1,'actor':'admin','details':'new, was corp'}]}",
	    "{'type':'get_audit_log','network_id':1,'limit':1,'admin_token':'adm'}");
}

static void count_line(void *ctx, const struct audit_entry *e)
{
	unsigned *lines = ctx;

	lines[0]++;
	lines[1] += !strcmp(e->action, "tags.changed");
	lines[2] += !strcmp(e->action, "network.created");
	lines[3] += !strcmp(e->details, "500 changes from 198.51.100.0/24");
	lines[4] += !strcmp(e->details, "1 changes from 2001:db8:5::/48");
}

static void tags_set(struct lab *l, const struct lab_node *n, unsigned count)
{
	const char *sig = lab_sign(n, "set_tags:%u", n->id);

	while (count--)
		lab_expect(l, "{'type':'set_tags_ok'}",
		    "{'type':'set_tags','node_id':%u,'tags':[],'signature':'%s'}", n->id, sig);
}

// One network has its share of the log and no more; what is left out is told. Others, and
// administrators, are not concerned.
static void test_audit_of_a_flood(void **state)
{
	struct lab *l = *state;
	struct lab_node n, other;
	unsigned lines[5] = {0};

	attach(l);
	n = lab_node(l, 1);
	assert_int_equal(endpoint_parse("198.51.100.99:1", 0, &l->from), 0);
	tags_set(l, &n, AUDIT_BURST - 1);
	assert_int_equal(l->registry.count[REGISTRY_UNLOGGED], 0);
	tags_set(l, &n, 500);
	assert_int_equal(l->registry.count[REGISTRY_UNLOGGED], 500);
	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'corp','admin_token':'adm'}");
	assert_int_equal(endpoint_parse("[2001:db8:5::1]:1", 0, &l->from), 0);
	other = lab_node(l, 2);
	tags_set(l, &other, AUDIT_BURST);
	assert_int_equal(l->registry.count[REGISTRY_UNLOGGED], 501);
	l->t.now_s += AUDIT_TELL_S;
	registry_tick(&l->registry, l->t);
	tags_set(l, &other, AUDIT_TELL_S * AUDIT_RATE + 3);
	audit_tell(&l->registry, l->t.unix_s);
	restart(l);
	lab_expect(l,
	    "{'entries':[{'action':'audit.left_out','actor':'fairway',"
	    "'timestamp':'2027-01-15T08:00:00Z','details':'3 changes from 2001:db8:5::/48'}]}",
	    "{'type':'get_audit_log','limit':1,'admin_token':'adm'}");
	assert_int_equal(store_audit(l->registry.store, 0, UINT32_MAX, count_line, lines), 0);
	assert_int_equal(lines[0], 2 * AUDIT_BURST + AUDIT_TELL_S * AUDIT_RATE + 4);
	assert_int_equal(lines[1], 2 * (AUDIT_BURST - 1) + AUDIT_TELL_S * AUDIT_RATE);
	assert_int_equal(lines[2] + lines[3] + lines[4], 3);
}

static void test_import(void **state)
{
	static const char snapshot[] =
	    "{\"version\":1,\"next_node\":30,\"next_net\":9,\"nodes\":{\"17\":{\"id\":17,"
	    "\"public_key\":\"A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\",\"real_addr\":"
	    "\"198.51.100.9:41000\",\"networks\":[0,7],\"hostname\":\"gpu-box\",\"tags\":[\"gpu\"],"
	    "\"key_created\":\"2026-05-20T01:20:00Z\"},\"18\":{\"public_key\":\"?\"}},"
	    "\"pub_key_idx\":{\"A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\":17,"
	    "\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\":4,"
	    "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\":5},\"trust_pairs\":[\"4:17\"],"
	    "\"networks\":{\"0\":{\"name\":\"backbone\",\"created\":\"2026-05-01T00:00:00Z\"},"
	    "\"7\":{\"id\":7,\"name\":\"lab\",\"join_rule\":\"token\",\"token\":\"s\",\"members\":["
	    "17],"
	    "\"member_roles\":{\"17\":\"owner\"},\"created\":\"2026-05-20T01:20:00Z\"}},"
	    "\"handshake_inbox\":{\"17\":[{\"from_node_id\":4,\"justification\":\"hi\","
	    "\"timestamp\":\"2026-05-20T01:20:00Z\"},{\"from_node_id\":5}]},"
	    "\"rbac_pre_assign\":{\"7\":[{\"external_id\":\"ann\",\"role\":\"admin\"}]}}";
	struct lab *l = *state;
	struct import_report report;
	struct parse_error error;

	attach(l);
	assert_int_equal(import_snapshot(&l->registry, "[]", 2, l->t, &report, &error), -EINVAL);
	assert_int_equal(
	    import_snapshot(&l->registry, snapshot, sizeof(snapshot) - 1, l->t, &report, &error),
	    0);
	assert_int_equal(report.nodes, 1);
	assert_int_equal(report.gone, 2);
	assert_int_equal(report.refused, 1);
	assert_int_equal(report.inbox, 2);
	restart(l);
	lab_expect(l, "{'hostname':'gpu-box','tags':['gpu'],'networks':[0,7]}",
	    "{'type':'lookup','node_id':17}");
	lab_expect(
	    l, "{'role':'owner'}", "{'type':'get_member_role','network_id':7,'target_node_id':17}");
	lab_expect(l, "{'trusted':true}", "{'type':'check_trust','node_id':4,'peer_id':17}");
	assert_string_equal(network_find(&l->registry.networks, 7)->pre_roles, "admin ann");
	// 5 has asked 17, so its answer makes them trust each other
	assert_int_equal(pairs_get(&l->registry.pairs, 5, 17), pair_side(5, 17));
	// the key of a node that had gone gets its id again, a new one the next
	assert_int_equal(lab_node(l, 1).id, 4);
	assert_int_equal(lab_node(l, 2).id, 30);
	assert_int_equal(
	    import_snapshot(&l->registry, snapshot, sizeof(snapshot) - 1, l->t, &report, &error),
	    -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_everything_comes_back, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_what_passes_is_no_damage, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_others_are_refused, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_a_lost_store_leaves_nothing_in_the_next, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_more_nodes_than_may_be, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_ids_of_forgotten_nodes, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_a_rotated_key_comes_back, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_audit_of_a_network, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_audit_of_a_flood, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_audit_that_cannot_be_read, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
		test_older_files_are_migrated, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_import, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
