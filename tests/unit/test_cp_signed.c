// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/identity.h"
#include "tests/unit/cp_lab.h"

// An agent of ours: an id, a key and the last challenge that it received.
struct agent {
	uint32_t node;
	uint8_t key[IDENTITY_KEY_SIZE], secret[IDENTITY_SECRET_SIZE];
	uint8_t nonce[BEACON_NONCE_SIZE];
};

static struct agent agent_make(uint32_t node, uint8_t seed)
{
	uint8_t bytes[IDENTITY_SEED_SIZE] = {seed};
	struct agent a = {.node = node};

	identity_derive(bytes, a.key, a.secret);
	return a;
}

static struct cp_lab *signed_lab(void)
{
	struct cp_lab *lab = lab_open();

	lab->endpoints.config.policy = ADMISSION_SIGNED;
	return lab;
}

static uint32_t count(const struct cp_lab *lab, enum cp_counter c)
{
	return (uint32_t)lab->stats.n[c];
}

// Shows the key; keeps the challenge. False when there was none.
static bool ask(struct cp_lab *lab, struct agent *a, const char *from, size_t padded)
{
	uint8_t message[256] = {0};
	struct beacon_discover d = {.node = a->node, .key = a->key};
	struct beacon_discover_reply reply;
	int n = beacon_discover_build(message, sizeof(message), &d);
	struct punt p = lab_punt(lab, from, message, padded ? padded : (size_t)n);

	lab_sent_clear(lab);
	endpoints_discover(&lab->endpoints, &p);
	if (!lab->sent_count)
		return false;
	assert_int_equal(lab->sent_count, 1);
	assert_true(endpoint_equal(&lab->sent[0].to, &p.from));
	assert_int_equal(
	    beacon_discover_reply_parse(lab->sent[0].data, lab->sent[0].len, &reply), 0);
	assert_non_null(reply.challenge);
	// The worker's answer and this one together are no larger than the request.
	assert_true(lab->sent[0].len + (endpoint_is_v4(&p.from) ? 8 : 20) <= p.len);
	memcpy(a->nonce, reply.challenge, sizeof(a->nonce));
	return true;
}

// Signs the challenge, from where it pleases.
static void prove(struct cp_lab *lab, const struct agent *a, const char *from)
{
	uint8_t message[BEACON_DISCOVER_SIGNED_SIZE], text[BEACON_SIGNED_SIZE];
	uint8_t signature[IDENTITY_SIG_SIZE];
	struct beacon_discover d = {
	    .node = a->node, .key = a->key, .nonce = a->nonce, .signature = signature};
	struct punt p;
	int n;

	beacon_signed_message(text, a->node, a->nonce);
	identity_sign(a->secret, text, sizeof(text), signature);
	n = beacon_discover_build(message, sizeof(message), &d);
	p = lab_punt(lab, from, message, (size_t)n);
	lab_sent_clear(lab);
	endpoints_discover(&lab->endpoints, &p);
}

static void test_challenge_and_proof(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1);

	(void)state;
	lab_discover(lab, 5, "198.51.100.1:1");
	assert_string_equal(lab_where(lab, 5), "");
	assert_true(ask(lab, &a, "198.51.100.1:1", 0));
	assert_string_equal(lab_where(lab, 5), "");
	prove(lab, &a, "198.51.100.1:1");
	assert_string_equal(lab_where(lab, 5), "198.51.100.1:1");
	// Showing the key from there needs no challenge any more.
	assert_false(ask(lab, &a, "198.51.100.1:1", 0));
	// A move, even on the same IP, needs one.
	lab_discover(lab, 5, "198.51.100.1:2");
	assert_string_equal(lab_where(lab, 5), "198.51.100.1:1");
	assert_true(ask(lab, &a, "203.0.113.7:7", 0));
	prove(lab, &a, "203.0.113.7:7");
	assert_string_equal(lab_where(lab, 5), "203.0.113.7:7");
	lab_close(lab);
}

// A proof that a worker did not answer is answered when it has been verified, right or wrong.
static void test_answer_after_the_proof(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1);

	(void)state;
	lab->verify_later = true;
	assert_true(ask(lab, &a, "198.51.100.1:1", 0));
	for (int wrong = 1; wrong >= 0; wrong--) {
		prove(lab, &a, "198.51.100.1:1");
		assert_int_equal(lab->sent_count, 0);
		lab->job.unanswered = true;
		lab->job.signature[0] ^= (uint8_t)wrong;
		lab_verify(lab);
		assert_int_equal(lab->sent_count, 1);
		assert_int_equal(lab->sent[0].len, BEACON_OBSERVED_V4_SIZE);
		assert_string_equal(lab_where(lab, 5), wrong ? "" : "198.51.100.1:1");
	}
	lab_close(lab);
}

static void test_nonce_serves_nobody_else(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1), other;

	(void)state;
	assert_true(ask(lab, &a, "198.51.100.1:1", 0));
	prove(lab, &a, "203.0.113.7:1");  // another address
	prove(lab, &a, "198.51.100.1:2"); // another port
	other = a;
	other.node = 6; // another node
	prove(lab, &other, "198.51.100.1:1");
	lab->now_ns += 2ULL * CHALLENGE_WINDOW_S * NS_PER_S;
	prove(lab, &a, "198.51.100.1:1"); // too late
	assert_int_equal(lab->nodes.node_count, 0);
	assert_int_equal(count(lab, CP_SIGNATURES_GOOD), 0);
	// Who comes with an old nonce is told a new one.
	assert_int_equal(lab->sent_count, 1);
	lab_close(lab);
}

static void test_wrong_signature(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1), forger = agent_make(5, 2);

	(void)state;
	assert_true(ask(lab, &a, "198.51.100.1:1", 0));
	memcpy(a.secret, forger.secret, sizeof(a.secret));
	prove(lab, &a, "198.51.100.1:1");
	assert_int_equal(count(lab, CP_SIGNATURES_BAD), 1);
	assert_int_equal(lab->nodes.node_count, 0);
	lab_close(lab);
}

static void test_first_key_stays(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1), thief = agent_make(5, 2);

	(void)state;
	assert_true(ask(lab, &a, "198.51.100.1:1", 0));
	prove(lab, &a, "198.51.100.1:1");
	// Another key is not even challenged, and its signature moves nothing, silent or not.
	assert_false(ask(lab, &thief, "203.0.113.9:1", 0));
	challenge_nonce(
	    &lab->endpoints.challenge, 5, &(struct endpoint){.port = 0}, lab->now_ns, thief.nonce);
	for (int i = 0; i < 2; i++) {
		struct endpoint at = lab_endpoint("203.0.113.9:1");

		challenge_nonce(&lab->endpoints.challenge, 5, &at, lab->now_ns, thief.nonce);
		prove(lab, &thief, "203.0.113.9:1");
		assert_string_equal(lab_where(lab, 5), "198.51.100.1:1");
		lab->now_ns += 300 * NS_PER_S;
	}
	assert_int_equal(count(lab, CP_REFUSED_KEY), 3);
	// Forgotten with the node.
	lab_walk(lab);
	assert_int_equal(lab->nodes.node_count, 0);
	assert_true(ask(lab, &thief, "203.0.113.9:1", 0));
	lab_close(lab);
}

static void test_open_policy_and_proofs(void **state)
{
	struct cp_lab *lab = lab_open();
	struct agent a = agent_make(5, 1), thief = agent_make(5, 2);
	struct endpoint at = lab_endpoint("203.0.113.9:1");

	(void)state;
	// Newer daemons show a key: nothing is sent back.
	assert_false(ask(lab, &a, "198.51.100.1:1", 0));
	assert_string_equal(lab_where(lab, 5), "198.51.100.1:1");
	// A signature with a key of one's own takes nothing over.
	challenge_nonce(&lab->endpoints.challenge, 5, &at, lab->now_ns, thief.nonce);
	prove(lab, &thief, "203.0.113.9:1");
	assert_string_equal(lab_where(lab, 5), "198.51.100.1:1");
	// The node binds its key, and then moves at once.
	prove(lab, &a, "198.51.100.1:1");
	assert_int_equal(lab->sent_count, 1);
	at = lab_endpoint("198.51.100.1:1");
	challenge_nonce(&lab->endpoints.challenge, 5, &at, lab->now_ns, a.nonce);
	prove(lab, &a, "198.51.100.1:1");
	at = lab_endpoint("203.0.113.20:1");
	challenge_nonce(&lab->endpoints.challenge, 5, &at, lab->now_ns, a.nonce);
	prove(lab, &a, "203.0.113.20:1");
	assert_string_equal(lab_where(lab, 5), "203.0.113.20:1");
	lab_close(lab);
}

static void test_ipv6_challenge_wants_a_padded_request(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1);

	(void)state;
	assert_false(ask(lab, &a, "[2001:db8::5]:1", 0));
	assert_false(ask(lab, &a, "[2001:db8::5]:1", 59));
	assert_true(ask(lab, &a, "[2001:db8::5]:1", 60));
	prove(lab, &a, "[2001:db8::5]:1");
	assert_string_equal(lab_where(lab, 5), "[2001:db8::5]:1");
	lab_close(lab);
}

static void test_verification_is_bounded_and_late(void **state)
{
	struct cp_lab *lab = signed_lab();
	struct agent a = agent_make(5, 1), b = agent_make(6, 2);

	(void)state;
	assert_true(ask(lab, &a, "198.51.100.1:1", 0));
	assert_true(ask(lab, &b, "198.51.100.2:1", 0));
	lab->verify_later = true;
	prove(lab, &a, "198.51.100.1:1");
	prove(lab, &b, "198.51.100.2:1");
	assert_int_equal(count(lab, CP_SIGNATURES_SHED), 1);
	assert_int_equal(lab->nodes.node_count, 0);
	lab_verify(lab);
	assert_string_equal(lab_where(lab, 5), "198.51.100.1:1");
	lab_close(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_challenge_and_proof),
	    cmocka_unit_test(test_answer_after_the_proof),
	    cmocka_unit_test(test_nonce_serves_nobody_else),
	    cmocka_unit_test(test_wrong_signature),
	    cmocka_unit_test(test_first_key_stays),
	    cmocka_unit_test(test_open_policy_and_proofs),
	    cmocka_unit_test(test_ipv6_challenge_wants_a_padded_request),
	    cmocka_unit_test(test_verification_is_bounded_and_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
