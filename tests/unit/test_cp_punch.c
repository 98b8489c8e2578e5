// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/stun_serve.h"
#include "tests/unit/cp_lab.h"
#include "wire/stun.h"

#include <stdio.h>

static void ask(struct cp_lab *lab, uint32_t requester, uint32_t target, const char *from)
{
	uint8_t message[BEACON_PUNCH_REQUEST_SIZE];
	struct beacon_punch_request r = {.requester = requester, .target = target};
	int n = beacon_punch_request_build(message, sizeof(message), &r);
	struct punt p = lab_punt(lab, from, message, (size_t)n);

	punch_request(&lab->punch, &p);
}

// "TO<PEER" of the i-th command sent. Static.
static const char *command(const struct cp_lab *lab, unsigned i)
{
	static char text[2 * ENDPOINT_TEXT_MAX];
	struct beacon_punch_command c;
	int n;

	assert_true(i < lab->sent_count);
	assert_int_equal(beacon_punch_command_parse(lab->sent[i].data, lab->sent[i].len, &c), 0);
	n = endpoint_format(&lab->sent[i].to, text, sizeof(text));
	text[n] = '<';
	endpoint_format(&c.peer, text + n + 1, sizeof(text) - (size_t)n - 1);
	return text;
}

static void test_both_sides_are_told_the_requester_first(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 2, "[2001:db8::2]:2");
	ask(lab, 1, 2, "198.51.100.1:1"); // a requester that was not known yet
	assert_int_equal(lab->sent_count, 2);
	assert_string_equal(command(lab, 0), "198.51.100.1:1<[2001:db8::2]:2");
	assert_string_equal(command(lab, 1), "[2001:db8::2]:2<198.51.100.1:1");
	// Each from the address that it knows.
	assert_int_equal(lab->sent[0].local, 0);
	assert_int_equal(lab->sent[1].local, 1);
	assert_string_equal(lab_where(lab, 1), "198.51.100.1:1");
	lab_close(lab);
}

static void test_silence_where_nobody_is_helped(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 2, "198.51.100.2:2");
	ask(lab, 1, 3, "198.51.100.1:1"); // unknown target: learnt all the same
	assert_string_equal(lab_where(lab, 1), "198.51.100.1:1");
	ask(lab, 2, 1, "203.0.113.9:9"); // not node 2
	assert_string_equal(lab_where(lab, 2), "198.51.100.2:2");
	ask(lab, 0, 2, "198.51.100.1:1");
	ask(lab, 1, 0, "198.51.100.1:1");
	ask(lab, 1, 1, "198.51.100.1:1");
	ask(lab, 4, 1, "198.51.100.1:1"); // two ids of one socket
	assert_int_equal(lab->sent_count, 0);
	assert_int_equal(lab->stats.n[CP_PUNCH_UNKNOWN], 1);
	assert_int_equal(lab->stats.n[CP_PUNCH_REFUSED], 2);
	lab_close(lab);
}

static void test_repeats_are_paced_and_others_not(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 2, "198.51.100.2:2");
	lab_discover(lab, 3, "198.51.100.3:3");
	ask(lab, 1, 2, "198.51.100.1:1");
	ask(lab, 1, 2, "198.51.100.1:1");
	assert_int_equal(lab->sent_count, 2);
	ask(lab, 1, 3, "198.51.100.1:1");
	ask(lab, 2, 1, "198.51.100.2:2");
	assert_int_equal(lab->sent_count, 6);
	lab->now_ns += PUNCH_PACE_NS - 1;
	ask(lab, 1, 2, "198.51.100.1:1");
	assert_int_equal(lab->sent_count, 6);
	lab->now_ns++;
	ask(lab, 1, 2, "198.51.100.1:1");
	assert_int_equal(lab->sent_count, 8);
	// A rebind is learnt from a repeat too.
	ask(lab, 1, 2, "198.51.100.1:9");
	assert_int_equal(lab->sent_count, 8);
	assert_string_equal(lab_where(lab, 1), "198.51.100.1:9");
	lab_close(lab);
}

static void test_no_limit_over_all_nodes(void **state)
{
	struct cp_lab *lab = lab_open();
	char from[32];

	(void)state;
	for (uint32_t id = 1; id <= 200; id++) {
		snprintf(from, sizeof(from), "198.51.100.%u:1", id);
		lab_discover(lab, id, from);
	}
	for (uint32_t id = 1; id < 200; id++) {
		snprintf(from, sizeof(from), "198.51.100.%u:1", id);
		ask(lab, id, id + 1, from);
	}
	assert_int_equal(lab->stats.n[CP_PUNCHES], 199);
	lab_close(lab);
}

// Of 100 requesters with an address each, how many does node 1 hear of?
static uint64_t told_of(struct cp_lab *lab, uint32_t first)
{
	uint64_t before = lab->stats.n[CP_PUNCHES];
	char from[32];

	for (uint32_t id = first; id < first + 100; id++) {
		snprintf(from, sizeof(from), "203.0.113.%u:1", id - first + 1);
		ask(lab, id, 1, from);
	}
	return lab->stats.n[CP_PUNCHES] - before;
}

static void test_invented_requesters_flood_nobody(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	punch_limit(&lab->punch, 20, 40);
	lab_discover(lab, 1, "198.51.100.1:1");
	lab_discover(lab, 2, "198.51.100.1:2"); // behind the same NAT
	lab_discover(lab, 3, "198.51.100.3:1");
	for (uint32_t id = 1000; id < 1100; id++)
		lab_discover(lab, id, "192.0.2.1:7");
	lab->now_ns += STANDING_FAMILIAR_S * NS_PER_S;
	for (uint32_t id = 1000; id < 1100; id++)
		lab_discover(lab, id, "192.0.2.1:7");
	assert_int_equal(told_of(lab, 5000), 40);
	assert_int_equal(lab->stats.n[CP_PUNCH_CROWDED], 60);
	ask(lab, 6000, 2, "203.0.113.200:1");
	assert_int_equal(lab->stats.n[CP_PUNCH_CROWDED], 61);
	// Nobody has to suffer for it: another address, who is known, nor who has come again.
	ask(lab, 6000, 3, "203.0.113.200:1");
	assert_int_equal(lab->stats.n[CP_PUNCHES], 41);
	lab->now_ns += PUNCH_PACE_NS;
	assert_int_equal(told_of(lab, 5000), 40);
	for (uint32_t id = 1000; id < 1100; id++)
		ask(lab, id, 1, "192.0.2.1:7");
	assert_int_equal(lab->stats.n[CP_PUNCHES], 121);
	lab->now_ns += NS_PER_S;
	assert_int_equal(told_of(lab, 5100), 24); // 20 a second
	punch_limit(&lab->punch, 0, 1);
	assert_int_equal(told_of(lab, 5200), 100);
	lab_close(lab);
}

static void test_signed_policy_punches_for_proven_nodes_only(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 1, "198.51.100.1:1");
	lab_discover(lab, 2, "198.51.100.2:2");
	lab->endpoints.config.policy = ADMISSION_SIGNED;
	ask(lab, 1, 2, "198.51.100.1:1");
	ask(lab, 9, 2, "198.51.100.9:1");
	assert_int_equal(lab->sent_count, 0);
	assert_string_equal(lab_where(lab, 9), "");
	lab_close(lab);
}

static size_t stun(struct cp_lab *lab, const char *from, const uint8_t *data, size_t len,
    struct stun_message *answer)
{
	struct emitter out = lab->endpoints.hooks.emit;
	struct punt p = lab_punt(lab, from, data, len);

	lab_sent_clear(lab);
	stun_serve(&out, &p, &lab->stats);
	if (!lab->sent_count)
		return 0;
	assert_int_equal(stun_parse(lab->sent[0].data, lab->sent[0].len, answer), 0);
	return lab->sent[0].len;
}

static void test_stun(void **state)
{
	static const uint8_t transaction[STUN_TRANSACTION_SIZE] = "abcdefghijk";
	uint8_t unknown[] = {0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
	    12, 0x00, 0x77, 0, 0};
	struct stun_options all = {.software = "a client with a name", .fingerprint = true};
	struct stun_options none = {.software = NULL};
	struct cp_lab *lab = lab_open();
	uint8_t request[STUN_BUILD_MAX];
	struct stun_message answer = {0};
	struct endpoint from = lab_endpoint("198.51.100.1:1");
	int n = stun_request_build(request, sizeof(request), transaction, &none);

	(void)state;
	// The smallest request gets the smallest answer.
	assert_int_equal(stun(lab, "198.51.100.1:1", request, (size_t)n, &answer), 32);
	assert_int_equal(answer.type, STUN_BINDING_SUCCESS);
	assert_true(answer.has_mapped && endpoint_equal(&answer.mapped, &from));
	assert_int_equal(stun(lab, "[2001:db8::7]:7", request, (size_t)n, &answer), 44);
	n = stun_request_build(request, sizeof(request), transaction, &all);
	assert_true(stun(lab, "198.51.100.1:1", request, (size_t)n, &answer) <= (size_t)n);
	assert_true(answer.has_fingerprint && answer.software);
	assert_true(stun(lab, "198.51.100.1:1", unknown, sizeof(unknown), &answer) > 0);
	assert_int_equal(answer.error_code, STUN_UNKNOWN_ATTRIBUTE);
	// Nor does a SOFTWARE of no length bring ours.
	memcpy(unknown + 20, (uint8_t[]){0x80, 0x22, 0, 0}, 4);
	assert_int_equal(stun(lab, "198.51.100.1:1", unknown, sizeof(unknown), &answer), 32);
	// Answers and indications deserve none.
	request[0] = 1;
	assert_int_equal(stun(lab, "198.51.100.1:1", request, (size_t)n, &answer), 0);
	assert_int_equal(lab->stats.n[CP_STUN_ANSWERED], 4);
	assert_int_equal(lab->stats.n[CP_STUN_REFUSED], 1);
	lab_close(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_sides_are_told_the_requester_first),
	    cmocka_unit_test(test_silence_where_nobody_is_helped),
	    cmocka_unit_test(test_repeats_are_paced_and_others_not),
	    cmocka_unit_test(test_no_limit_over_all_nodes),
	    cmocka_unit_test(test_invented_requesters_flood_nobody),
	    cmocka_unit_test(test_signed_policy_punches_for_proven_nodes_only),
	    cmocka_unit_test(test_stun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
