// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/admin_api.h"
#include "controlplane/metrics.h"
#include "controlplane/registry/call.h"
#include "crypto/identity.h"
#include "shm/trace_ring.h"
#include "tests/unit/folder.h"
#include "tests/unit/memory_lab.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// A control plane with a memory and no data plane: the test plays the workers.
static struct cp *cp_make(bool attached)
{
	struct cp *cp = calloc(1, sizeof(*cp));
	const struct routes_hooks hooks = {
	    .ctx = cp, .neighbour = session_neighbour, .changed = session_routes_changed};
	struct config_errors errors = {.count = 0};

	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(identity_init(), 0);
	uv_loop_init(&cp->loop);
	config_defaults(&cp->config);
	assert_int_equal(config_finish(&cp->config, NULL, &errors), 0);
	snprintf(cp->attach.path, sizeof(cp->attach.path), "/nowhere/dp.sock");
	cp->hub.stats = &cp->stats;
	cp->hub.punted = session_punted;
	cp->hub.ctx = cp;
	cp->started_ns = clock_mono_ns();
	trace_init(&cp->trace, &cp->loop);
	assert_int_equal(routes_init(&cp->rtnl.routes, &hooks), 0);
	if (!attached)
		return cp;
	memory_lab_create(&cp->attach.at.memory, 2000, 2, 65536);
	cp->attach.at.wake_fd = eventfd(0, EFD_NONBLOCK);
	cp->attach.at.worker_fds[0] = eventfd(0, EFD_NONBLOCK);
	cp->attach.at.worker_fds[1] = eventfd(0, EFD_NONBLOCK);
	cp->attach.at.memory.locals[0] = (struct local){.valid = 1};
	endpoint_parse("192.0.2.1:9001", 0, &cp->attach.at.memory.locals[0].at);
	cp->attach.up = true;
	assert_int_equal(session_open(cp), 0);
	return cp;
}

static void cp_free(struct cp *cp)
{
	if (cp->attach.up) {
		session_close(cp);
		memory_unmap(&cp->attach.at.memory);
		close(cp->attach.at.wake_fd);
		close(cp->attach.at.worker_fds[0]);
		close(cp->attach.at.worker_fds[1]);
	}
	uv_close((uv_handle_t *)&cp->trace.timer, NULL);
	uv_run(&cp->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&cp->loop), 0);
	routes_free(&cp->rtnl.routes);
	free(cp);
}

// The result, or NULL with `err`.
static json_t *ask_or(struct cp *cp, const char *request, struct admin_error *err)
{
	struct admin_client client = {.fd = -1};
	json_t *q = json_loads(request, 0, NULL), *result;

	assert_non_null(q);
	result = admin_answer(cp, &client, q, err);
	json_decref(q);
	return result;
}

static json_t *ask(struct cp *cp, const char *request)
{
	struct admin_error err = {""};
	json_t *result = ask_or(cp, request, &err);

	if (!result)
		fail_msg("%s: %s", request, err.error);
	return result;
}

// A worker hands a datagram up.
static void punt(struct cp *cp, uint32_t worker, enum punt_class class, const char *from,
    const void *data, uint32_t len)
{
	struct ring_producer p = memory_punt_producer(&cp->attach.at.memory, worker);
	struct punt_record *r = ring_reserve(&p, (uint32_t)sizeof(*r) + len);

	assert_non_null(r);
	*r = (struct punt_record){.punt_class = (uint8_t) class, .len = len};
	endpoint_parse(from, 0, &r->from);
	memcpy(r + 1, data, len);
	ring_commit(&p);
}

static void discover(struct cp *cp, uint32_t worker, uint32_t node, const char *from)
{
	uint8_t message[BEACON_DISCOVER_SIZE];
	struct beacon_discover d = {.node = node};

	beacon_discover_build(message, sizeof(message), &d);
	punt(cp, worker, PUNT_DISCOVER_NEW, from, message, sizeof(message));
}

static void test_every_request_answers(void **state)
{
	static const char *const requests[] = {"ping", "version", "status", "stats", "drops",
	    "workers", "links", "nodes", "peers", "routes", "settings"};
	struct cp *cp = cp_make(true);
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		json_t *r;

		snprintf(text, sizeof(text), "{\"request\":\"%s\"}", requests[i]);
		r = ask(cp, text);
		assert_true(json_is_object(r));
		json_decref(r);
	}
	cp_free(cp);
}

// request, part of the error
static void test_what_cannot_be_answered(void **state)
{
	static const struct {
		const char *request, *error;
	} table[] = {
	    {"{}", "unknown request"},
	    {"{\"request\":7}", "unknown request"},
	    {"{\"request\":\"sesame\"}", "sesame"},
	    {"{\"request\":\"cut after 64 bytes, in the middle of the very last character: "
	     "\u20ac\"}",
		"character: ??\""},
	    {"{\"request\":\"node\",\"node\":5}", "node 5 is not known"},
	    {"{\"request\":\"node\",\"node\":-1}", "\"node\""},
	    {"{\"request\":\"node\",\"node\":\"5\"}", "\"node\""},
	    {"{\"request\":\"nodes\",\"limit\":\"x\"}", "\"limit\""},
	    {"{\"request\":\"nodes\",\"after\":\"x\"}", "\"after\""},
	    {"{\"request\":\"nodes\",\"after\":5}", "\"after\""},
	    {"{\"request\":\"nodes\",\"after\":\"4294967296\"}", "\"after\""},
	    {"{\"request\":\"nodes\",\"after\":\"-1\"}", "\"after\""},
	    {"{\"request\":\"peers\",\"after\":\" 1\"}", "\"after\""},
	};
	struct cp *cp = cp_make(true);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct admin_error err = {""};

		assert_null(ask_or(cp, table[i].request, &err));
		assert_non_null(strstr(err.error, table[i].error));
		assert_true(err.hint[0]);
		assert_false(err.again);
	}
	cp_free(cp);
}

// What was opened for an answer is closed when the rest of the request makes no sense.
static void test_a_list_that_is_refused(void **state)
{
	struct cp *cp = cp_make(false);
	struct admin_error err = {""};

	(void)state;
	cp->embedded.on = true;
	assert_null(ask_or(cp, "{\"request\":\"registry-trust\",\"node\":\"x\"}", &err));
	assert_non_null(strstr(err.error, "\"node\""));
	cp_free(cp);
}

static void test_without_a_data_plane(void **state)
{
	struct cp *cp = cp_make(false);
	struct admin_error err = {""};
	json_t *r = ask(cp, "{\"request\":\"status\"}");

	(void)state;
	assert_false(json_is_true(json_object_get(json_object_get(r, "dp"), "connected")));
	assert_int_equal(json_array_size(json_object_get(r, "warnings")), 1);
	json_decref(r);
	assert_null(ask_or(cp, "{\"request\":\"nodes\"}", &err));
	assert_non_null(strstr(err.error, "/nowhere/dp.sock"));
	assert_true(err.again);
	cp_free(cp);
}

// What workers punt arrives, whichever worker it is, and answers go through the same one.
static void test_punts_become_nodes(void **state)
{
	static const uint8_t stun[] = {
	    0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	struct cp *cp = cp_make(true);
	struct ring_consumer inject = memory_inject_consumer(&cp->attach.at.memory, 1);
	const struct inject_record *sent;
	uint64_t woken = 0;
	uint32_t len;
	json_t *r;

	(void)state;
	cp->attach.at.memory.workers[1].sleeping = 1;
	discover(cp, 0, 5, "198.51.100.5:5");
	discover(cp, 1, 6, "[2001:db8::6]:6");
	punt(cp, 1, PUNT_STUN, "198.51.100.7:7", stun, sizeof(stun));
	punt(cp, 1, 99, "198.51.100.7:7", stun, sizeof(stun));
	uv_run(&cp->loop, UV_RUN_NOWAIT);
	r = ask(cp, "{\"request\":\"node\",\"node\":6}");
	assert_string_equal(json_string_value(json_object_get(r, "endpoint")), "[2001:db8::6]:6");
	assert_string_equal(json_string_value(json_object_get(r, "local")), "192.0.2.1:9001");
	json_decref(r);
	assert_int_equal(cp->stats.n[CP_PUNT_BROKEN], 1);
	sent = ring_peek(&inject, &len);
	assert_non_null(sent);
	assert_int_equal(sent->len, 32);
	assert_int_equal(sent->to.port, 7);
	assert_int_equal(read(cp->attach.at.worker_fds[1], &woken, sizeof(woken)), sizeof(woken));
	assert_true(read(cp->attach.at.worker_fds[0], &woken, sizeof(woken)) < 0);
	cp_free(cp);
}

static void test_a_flood_is_taken_in_batches(void **state)
{
	struct cp *cp = cp_make(true);

	(void)state;
	for (uint32_t i = 0; i < 2 * HUB_BATCH + 10; i++)
		discover(cp, 0, 1000 + i, "198.51.100.5:5");
	uv_run(&cp->loop, UV_RUN_NOWAIT);
	assert_in_range(cp->stats.n[CP_PUNTS], 1, HUB_BATCH);
	uv_run(&cp->loop, UV_RUN_NOWAIT);
	assert_in_range(cp->stats.n[CP_PUNTS], HUB_BATCH + 1, 2 * HUB_BATCH);
	for (int i = 0; i < 4; i++)
		uv_run(&cp->loop, UV_RUN_NOWAIT);
	assert_int_equal(cp->stats.n[CP_PUNTS], 2 * HUB_BATCH + 10);
	// It says that it sleeps before it does, and not while it works.
	assert_int_equal(cp->attach.at.memory.workers[0].cp_sleeping, 0);
	cp_free(cp);
}

static void test_pages_hold_every_node_once(void **state)
{
	struct cp *cp = cp_make(true);
	static uint8_t seen[1601];
	char request[96], after[24] = "";
	unsigned pages = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (uint32_t id = 1; id <= 1600; id++) {
		discover(cp, id % 2, id, "198.51.100.5:5");
		if (id % 200 == 0)
			uv_run(&cp->loop, UV_RUN_NOWAIT);
	}
	uv_run(&cp->loop, UV_RUN_NOWAIT);
	do {
		const char *next;
		json_t *r, *node;
		size_t i;

		snprintf(request, sizeof(request), "{\"request\":\"nodes\",\"limit\":1000%s%s%s}",
		    after[0] ? ",\"after\":\"" : "", after, after[0] ? "\"" : "");
		r = ask(cp, request);
		assert_true(json_dumpb(r, NULL, 0, JSON_COMPACT) < ADMIN_MESSAGE_MAX - 100);
		assert_int_equal(json_integer_value(json_object_get(r, "total")), 1600);
		json_array_foreach(json_object_get(r, "nodes"), i, node)
		    seen[json_integer_value(json_object_get(node, "node"))]++;
		next = json_string_value(json_object_get(r, "next"));
		snprintf(after, sizeof(after), "%s", next ? next : "");
		json_decref(r);
		pages++;
	} while (after[0] && pages < 100);
	assert_in_range(pages, 2, 50);
	for (uint32_t id = 1; id <= 1600; id++)
		assert_int_equal(seen[id], 1);
	cp_free(cp);
}

static void test_trace_streams_to_one_client(void **state)
{
	struct cp *cp = cp_make(true);
	struct admin_client one = {.admin = &cp->admin}, two = {.fd = -1};
	struct relay_settings *s = cp->attach.at.memory.settings;
	struct trace_writer w = memory_trace_writer(&cp->attach.at.memory, 1);
	struct trace_record record = {
	    .len = 9, .captured = 3, .type = 5, .verdict = VERDICT_DROP, .drop = DROP_DEST_UNKNOWN};
	json_t *q = json_loads("{\"request\":\"trace\",\"node\":7,\"drops\":true}", 0, NULL);
	struct admin_error err = {""};
	char text[4096];
	int pair[2];
	ssize_t n;
	json_t *e;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	one.fd = pair[0];
	json_decref(admin_answer(cp, &one, q, &err));
	assert_int_equal(s->trace_on, 1);
	assert_int_equal(s->trace_node, 7);
	assert_int_equal(s->trace_drops_only, 1);
	assert_null(admin_answer(cp, &two, q, &err));
	assert_non_null(strstr(err.error, "another client"));
	trace_write(&w, &record, "\x05\x00\xff");
	while ((n = recv(pair[1], text, sizeof(text), MSG_DONTWAIT)) < 0)
		uv_run(&cp->loop, UV_RUN_ONCE);
	e = json_loadb(text, (size_t)n, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json_object_get(e, "event"), "drop")),
	    "dest_unknown");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(e, "event"), "payload")), "0500ff");
	json_decref(e);
	admin_gone(cp, &two);
	assert_int_equal(s->trace_on, 1);
	admin_gone(cp, &one);
	assert_int_equal(s->trace_on, 0);
	json_decref(q);
	close(pair[0]);
	close(pair[1]);
	cp_free(cp);
}

static void test_metrics_hold_every_counter(void **state)
{
	struct cp *cp = cp_make(true);
	char want[96], *text;
	size_t len = 0;

	(void)state;
	cp->attach.at.memory.workers[1].drops[DROP_EMPTY] = 7;
	cp->attach.at.memory.workers[1].counters[COUNTER_RELAYED] = 9;
	cp->attach.at.memory.header->links[1].lost[DROP_RX_RING_FULL - DROP_LINK_FIRST] = 11;
	cp->attach.at.memory.header->links[1].valid = 1;
	text = metrics_text(cp, &len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	for (int c = 0; c < COUNTER_COUNT; c++) {
		snprintf(want, sizeof(want), "\nfairway_%s_total{worker=\"0\"} ", counter_names[c]);
		assert_non_null(strstr(text, want));
	}
	for (int d = DROP_NONE + 1; d < DROP_COUNT; d++) {
		snprintf(want, sizeof(want), "{reason=\"%s\"} ", drop_names[d]);
		assert_non_null(strstr(text, want));
	}
	for (int c = 0; c < CP_COUNTER_COUNT; c++) {
		snprintf(want, sizeof(want), "\nfairway_control_%s", cp_counter_names[c]);
		assert_non_null(strstr(text, want));
	}
	assert_non_null(strstr(text, "{reason=\"empty\"} 7\n"));
	assert_non_null(strstr(text, "{reason=\"rx_ring_full\"} 11\n"));
	assert_non_null(strstr(text, "fairway_relayed_total{worker=\"1\"} 9\n"));
	free(text);
	cp_free(cp);
	cp = cp_make(false);
	text = metrics_text(cp, &len);
	assert_non_null(strstr(text, "fairway_data_plane_up 0\n"));
	free(text);
	cp_free(cp);
}

static void want_value(const char *text, const char *name, const char *suffix, json_t *value)
{
	char want[128];

	snprintf(want, sizeof(want), "\nfairway_registry_%s%s %lld\n", name, suffix,
	    (long long)json_integer_value(value));
	if (!strstr(text, want))
		fail_msg("/metrics lacks%s", want);
}

static void want_type(const char *text, const char *type, json_t *value)
{
	char name[80];

	snprintf(name, sizeof(name), "type_requests_total{type=\"%s\"}", type);
	want_value(text, name, "", json_object_get(value, "requests"));
	snprintf(name, sizeof(name), "type_errors_total{type=\"%s\"}", type);
	want_value(text, name, "", json_object_get(value, "errors"));
}

static void test_metrics_hold_the_registry(void **state)
{
	static const char *const same[] = {
	    "nodes", "networks", "trust", "trust_one_sided", "verifying"};
	const struct registry_config config = {.capacity = 100};
	char path[FILE_MAX], *text;
	struct cp *cp = cp_make(false);
	struct registry *r = &cp->embedded.registry;
	struct parse_error error;
	json_t *status, *value;
	const char *name;
	size_t len;

	(void)state;
	file_new(path, "");
	unlink(path); // an empty file is no store
	assert_int_equal(registry_init(r, &config), 0);
	r->store = store_open(path, &error);
	assert_non_null(r->store);
	cp->embedded.on = true;
	cp->embedded.server.count = 5;
	cp->embedded.server.verifying = 6;
	r->nodes.live = 3;
	for (int i = 0; i < REGISTRY_COUNTER_COUNT; i++)
		r->count[i] = 1000 + (uint64_t)i;
	for (unsigned i = 0; call_type_name(i); i++)
		r->types[i] = (struct type_count){100 + i, i};
	status = ask(cp, "{\"request\":\"registry-status\"}");
	text = metrics_text(cp, &len);
	json_object_foreach(json_object_get(status, "types"), name, value)
	    want_type(text, name, value);
	value = json_object_get(json_object_get(status, "types"), call_type_name(1));
	assert_int_equal(json_integer_value(json_object_get(value, "requests")), 101);
	assert_int_equal(json_integer_value(json_object_get(value, "errors")), 1);
	json_object_foreach(json_object_get(status, "counters"), name, value)
	    want_value(text, name, "_total", value);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		want_value(text, same[i], "", json_object_get(status, same[i]));
	want_value(text, "open_connections", "", json_object_get(status, "connections"));
	want_value(text, "nodes_known", "", json_object_get(status, "known"));
	value = json_object_get(status, "commits");
	want_value(text, "store_commits", "_total", json_object_get(value, "batches"));
	want_value(text, "store_failures", "_total", json_object_get(value, "failures"));
	json_decref(status);
	free(text);
	registry_free(r);
	cp_free(cp);
}

static void test_reload(void **state)
{
	static const struct config_command command = {.name = "test", .summary = "", .keys = true};
	char path[FILE_MAX], option[96];
	char program[] = "test", *argv[] = {program, option, NULL};
	struct cp *cp = cp_make(true);
	struct admin_error err = {""};
	json_t *r;
	int fd;

	(void)state;
	file_new(path, "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	snprintf(option, sizeof(option), "--config=%s", path);
	cp->command = &command;
	cp->argc = 2;
	cp->argv = argv;
	assert_true(dprintf(fd, "admission:\n  policy: signed\nworkers: 3\nttl: 33\n") > 0);
	r = ask(cp, "{\"request\":\"reload\"}");
	assert_int_equal(json_array_size(json_object_get(r, "applied")), 2);
	assert_int_equal(json_array_size(json_object_get(r, "restart")), 1);
	json_decref(r);
	assert_int_equal(cp->session.endpoints.config.policy, ADMISSION_SIGNED);
	assert_int_equal(cp->attach.at.memory.settings->ttl, 33);
	assert_int_equal(cp->config.workers, 0);
	assert_true(dprintf(fd, "sesame: 1\n") > 0);
	assert_null(ask_or(cp, "{\"request\":\"reload\"}", &err));
	assert_non_null(strstr(err.error, ":5:"));
	assert_int_equal(cp->session.endpoints.config.policy, ADMISSION_SIGNED);
	close(fd);
	cp_free(cp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_request_answers),
	    cmocka_unit_test(test_what_cannot_be_answered),
	    cmocka_unit_test(test_a_list_that_is_refused),
	    cmocka_unit_test(test_without_a_data_plane),
	    cmocka_unit_test(test_punts_become_nodes),
	    cmocka_unit_test(test_a_flood_is_taken_in_batches),
	    cmocka_unit_test(test_pages_hold_every_node_once),
	    cmocka_unit_test(test_trace_streams_to_one_client),
	    cmocka_unit_test(test_metrics_hold_every_counter),
	    cmocka_unit_test(test_metrics_hold_the_registry),
	    cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
