// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"
#include "wire/beacon.h"

#include <arpa/inet.h>

#define KEY   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NONCE "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
#define SIG                                                                \
	"404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f" \
	"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"

// Which parser a fact is for; all return only the error here.
static int parse(enum beacon_type type, const uint8_t *data, size_t len)
{
	union {
		struct beacon_discover discover;
		struct beacon_discover_reply reply;
		struct beacon_punch_request request;
		struct beacon_punch_command command;
		struct beacon_relay relay;
		struct beacon_sync sync;
		struct beacon_notify notify;
	} out;

	switch (type) {
	case BEACON_DISCOVER:
	case BEACON_DISCOVER_EX:
		return beacon_discover_parse(data, len, &out.discover);
	case BEACON_DISCOVER_REPLY:
		return beacon_discover_reply_parse(data, len, &out.reply);
	case BEACON_PUNCH_REQUEST:
		return beacon_punch_request_parse(data, len, &out.request);
	case BEACON_PUNCH_COMMAND:
		return beacon_punch_command_parse(data, len, &out.command);
	case BEACON_RELAY:
		return beacon_relay_parse(data, len, &out.relay);
	case BEACON_RELAY_DELIVER:
		return beacon_relay_deliver_parse(data, len, &out.relay);
	case BEACON_RELAY_DELIVER_DEST:
		return beacon_relay_deliver_dest_parse(data, len, &out.relay);
	case BEACON_SYNC:
		return beacon_sync_parse(data, len, &out.sync);
	case BEACON_NOTIFY:
		return beacon_notify_parse(data, len, &out.notify);
	default:
		fail();
		return 0;
	}
}

static void every_minimum_and_one_less(void **state)
{
	static const struct {
		enum beacon_type type;
		const char *hex;
	} facts[] = {
	    {BEACON_DISCOVER, "01 00000007"},
	    {BEACON_DISCOVER_EX, "08 00000007"},
	    {BEACON_DISCOVER_REPLY, "02 04 c0000201 2329"},
	    {BEACON_DISCOVER_REPLY, "02 10 20010db8000000000000000000000001 2329"},
	    {BEACON_PUNCH_REQUEST, "03 00000001 00000002"},
	    {BEACON_PUNCH_COMMAND, "04 04 c0000201 2329"},
	    {BEACON_PUNCH_COMMAND, "04 10 20010db8000000000000000000000001 2329"},
	    {BEACON_RELAY, "05 00000001 00000002"},
	    {BEACON_RELAY_DELIVER, "06 00000001"},
	    {BEACON_SYNC, "07 00000001 0000"},
	    {BEACON_SYNC, "07 00000001 0002 00000003 00000004"},
	    {BEACON_RELAY_DELIVER_DEST, "09 00000001 00000002"},
	    {BEACON_NOTIFY, "0a 01"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i].hex);
		uint8_t *copy = exact_copy(v.data, v.len);

		assert_int_equal(parse(facts[i].type, copy, v.len), 0);
		copy[0] = 0x0f;
		assert_int_equal(parse(facts[i].type, copy, v.len), -EBADMSG);
		free(copy);
		for (size_t len = 0; len < v.len; len++) {
			copy = exact_copy(v.data, len);
			assert_int_equal(parse(facts[i].type, copy, len), -EMSGSIZE);
			free(copy);
		}
		memset(v.data + v.len, 0xee, 3);
		assert_int_equal(parse(facts[i].type, v.data, v.len + 3), 0);
	}
}

static void discover_forms(void **state)
{
	static const struct {
		const char *hex;
		bool ex, key, signature;
	} facts[] = {
	    {"01 01020304", false, false, false},
	    {"08 01020304", true, false, false},
	    {"01 01020304" KEY, false, true, false},
	    {"08 01020304" KEY, true, true, false},
	    {"01 01020304" KEY NONCE SIG, false, true, true},
	    {"08 01020304" KEY NONCE SIG, true, true, true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i].hex);
		struct beacon_discover d;
		uint8_t buf[BEACON_DISCOVER_SIGNED_SIZE];

		assert_int_equal(beacon_discover_parse(v.data, v.len, &d), 0);
		assert_int_equal(d.node, 0x01020304);
		assert_int_equal(d.ex, facts[i].ex);
		assert_int_equal(d.key != NULL, facts[i].key);
		assert_int_equal(d.nonce != NULL, facts[i].signature);
		assert_int_equal(d.signature != NULL, facts[i].signature);
		assert_int_equal(beacon_discover_build(buf, sizeof(buf), &d), v.len);
		assert_memory_equal(buf, v.data, v.len);
		assert_int_equal(beacon_discover_build(buf, v.len - 1, &d), -ENOBUFS);
	}
}

static void discover_partial_trailers(void **state)
{
	struct vector v = vector_from_hex("01 01020304" KEY NONCE SIG);
	(void)state;

	assert_int_equal(v.len, 117);
	for (size_t len = BEACON_DISCOVER_SIZE; len <= v.len; len++) {
		uint8_t *copy = exact_copy(v.data, len);
		struct beacon_discover d;

		assert_int_equal(beacon_discover_parse(copy, len, &d), 0);
		assert_int_equal(d.key != NULL, len >= 37);
		assert_int_equal(d.signature != NULL, len >= 117);
		free(copy);
	}
}

static void signed_message(void **state)
{
	struct vector nonce = vector_from_hex(NONCE);
	struct vector wanted = vector_from_hex("666169727761792d646973636f7665723a 01020304" NONCE);
	uint8_t message[BEACON_SIGNED_SIZE];
	(void)state;

	beacon_signed_message(message, 0x01020304, nonce.data);
	assert_int_equal(wanted.len, sizeof(message));
	assert_memory_equal(message, wanted.data, sizeof(message));
}

static void discover_reply_forms(void **state)
{
	static const struct {
		const char *hex, *observed;
		bool challenge;
	} facts[] = {
	    {"02 04 c0000201 2329", "192.0.2.1:9001", false},
	    {"02 10 20010db8000000000000000000000001 2329", "[2001:db8::1]:9001", false},
	    {"02 04 c0000201 2329 46574331" NONCE, "192.0.2.1:9001", true},
	    {"02 10 20010db8000000000000000000000001 2329 46574331" NONCE, "[2001:db8::1]:9001",
		true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i].hex);
		struct beacon_discover_reply r;
		char text[ENDPOINT_TEXT_MAX];
		uint8_t buf[64];

		assert_int_equal(beacon_discover_reply_parse(v.data, v.len, &r), 0);
		endpoint_format(&r.observed, text, sizeof(text));
		assert_string_equal(text, facts[i].observed);
		assert_int_equal(r.challenge != NULL, facts[i].challenge);
		assert_int_equal(beacon_discover_reply_build(buf, sizeof(buf), &r), v.len);
		assert_memory_equal(buf, v.data, v.len);
		assert_int_equal(beacon_discover_reply_build(buf, v.len - 1, &r), -ENOBUFS);
	}
}

static void discover_reply_without_challenge(void **state)
{
	static const char *const facts[] = {
	    "02 04 c0000201 2329 46574332" NONCE,			   // another label
	    "02 04 c0000201 2329 46574331 a0a1a2a3a4a5a6a7a8a9aaabacadae", // a byte short
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i]);
		struct beacon_discover_reply r;
		uint8_t *copy = exact_copy(v.data, v.len);

		assert_int_equal(beacon_discover_reply_parse(copy, v.len, &r), 0);
		assert_null(r.challenge);
		free(copy);
	}
}

static void mapped_source_leaves_as_4_bytes(void **state)
{
	uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1};
	struct beacon_punch_command c = {endpoint_from_v6(mapped, 9001)};
	struct vector wanted = vector_from_hex("04 04 c0000201 2329");
	uint8_t buf[20];
	(void)state;

	assert_int_equal(beacon_punch_command_build(buf, sizeof(buf), &c), wanted.len);
	assert_memory_equal(buf, wanted.data, wanted.len);
}

static void observed_length_byte(void **state)
{
	(void)state;
	for (int iplen = 0; iplen < 256; iplen++) {
		uint8_t data[32] = {BEACON_PUNCH_COMMAND, (uint8_t)iplen};
		struct beacon_punch_command c;
		int wanted = iplen == 4 || iplen == 16 ? 0 : -EBADMSG;

		assert_int_equal(beacon_punch_command_parse(data, sizeof(data), &c), wanted);
	}
}

static void punch_request_forms(void **state)
{
	struct vector plain = vector_from_hex("03 00000001 00000002");
	struct vector grant = vector_from_hex("03 00000001 00000002 0000000065000000" SIG);
	struct beacon_punch_request r;
	char text[BEACON_GRANT_TEXT_MAX];
	uint8_t buf[BEACON_PUNCH_GRANT_SIZE];
	(void)state;

	assert_int_equal(beacon_punch_request_parse(plain.data, plain.len, &r), 0);
	assert_int_equal(r.requester, 1);
	assert_int_equal(r.target, 2);
	assert_null(r.signature);
	assert_int_equal(beacon_punch_request_build(buf, sizeof(buf), &r), plain.len);
	assert_memory_equal(buf, plain.data, plain.len);

	assert_int_equal(grant.len, BEACON_PUNCH_GRANT_SIZE);
	assert_int_equal(beacon_punch_request_parse(grant.data, grant.len - 1, &r), 0);
	assert_null(r.signature);
	assert_int_equal(beacon_punch_request_parse(grant.data, grant.len, &r), 0);
	assert_ptr_equal(r.signature, grant.data + 17);
	assert_int_equal(r.expiry, 0x65000000);
	assert_int_equal(beacon_punch_request_build(buf, sizeof(buf), &r), grant.len);
	assert_memory_equal(buf, grant.data, grant.len);
	assert_int_equal(beacon_punch_request_build(buf, grant.len - 1, &r), -ENOBUFS);
	beacon_punch_grant_text(text, sizeof(text), &r);
	assert_string_equal(text, "punch-grant:1:2:1694498816");
}

static void grant_text_fits(void **state)
{
	struct beacon_punch_request r = {UINT32_MAX, UINT32_MAX, UINT64_MAX, NULL};
	const char *wanted = "punch-grant:4294967295:4294967295:18446744073709551615";
	char text[BEACON_GRANT_TEXT_MAX];
	(void)state;

	assert_int_equal(beacon_punch_grant_text(text, sizeof(text), &r), strlen(wanted));
	assert_string_equal(text, wanted);
	assert_int_equal(beacon_punch_grant_text(text, strlen(wanted), &r), -ENOBUFS);
}

static void relay_turns_into_delivery(void **state)
{
	struct vector relay = vector_from_hex("05 01020304 05060708 50494c50aa");
	struct vector deliver = vector_from_hex("06 01020304 50494c50aa");
	struct vector dest = vector_from_hex("09 01020304 05060708 50494c50aa");
	struct vector copy = relay;
	struct beacon_relay r = {0};
	uint8_t buf[32];
	(void)state;

	assert_int_equal(beacon_relay_parse(relay.data, relay.len, &r), 0);
	assert_int_equal(r.sender, 0x01020304);
	assert_int_equal(r.dest, 0x05060708);
	assert_int_equal(r.frame_len, 5);
	assert_ptr_equal(r.frame, relay.data + 9);

	assert_ptr_equal(beacon_relay_to_deliver(copy.data), copy.data + 4);
	assert_memory_equal(copy.data + 4, deliver.data, deliver.len);
	assert_int_equal(
	    beacon_relay_build(buf, sizeof(buf), BEACON_RELAY_DELIVER, &r), deliver.len);
	assert_memory_equal(buf, deliver.data, deliver.len);

	copy = relay;
	beacon_relay_to_deliver_dest(copy.data);
	assert_memory_equal(copy.data, dest.data, dest.len);
	assert_int_equal(
	    beacon_relay_build(buf, sizeof(buf), BEACON_RELAY_DELIVER_DEST, &r), dest.len);
	assert_memory_equal(buf, dest.data, dest.len);
	assert_int_equal(beacon_relay_deliver_dest_parse(dest.data, dest.len, &r), 0);
	assert_int_equal(r.dest, 0x05060708);
	assert_int_equal(r.frame_len, 5);

	assert_int_equal(beacon_relay_deliver_parse(deliver.data, deliver.len, &r), 0);
	assert_int_equal(r.sender, 0x01020304);
	assert_int_equal(r.dest, 0);
	assert_int_equal(r.frame_len, 5);
}

static void relay_build_room(void **state)
{
	struct beacon_relay r = {1, 2, (const uint8_t *)"abcd", 4};
	uint8_t buf[16];
	(void)state;

	for (size_t cap = 0; cap < 13; cap++)
		assert_int_equal(beacon_relay_build(buf, cap, BEACON_RELAY, &r), -ENOBUFS);
	assert_int_equal(beacon_relay_build(buf, 13, BEACON_RELAY, &r), 13);
	assert_int_equal(beacon_relay_build_header(buf, 8, 1, 2), -ENOBUFS);
	assert_int_equal(beacon_relay_build_header(buf, 9, 1, 2), 9);
	assert_memory_equal(buf, "\5\0\0\0\1\0\0\0\2", 9);
}

static void sync_both_ways(void **state)
{
	static uint8_t buf[UDP_PAYLOAD_MAX];
	static uint32_t ids[BEACON_SYNC_MAX + 1];
	static const size_t counts[] = {0, 1, 2, 1000, BEACON_SYNC_MAX};
	(void)state;

	for (uint32_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = i * 2654435761u;
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		struct beacon_sync s;
		int len = beacon_sync_build(buf, sizeof(buf), 0xaabbccdd, ids, counts[c]);

		assert_int_equal(len, 7 + 4 * counts[c]);
		assert_int_equal(
		    beacon_sync_build(buf, (size_t)len - 1, 1, ids, counts[c]), -ENOBUFS);
		assert_int_equal(beacon_sync_parse(buf, (size_t)len, &s), 0);
		assert_int_equal(s.beacon_id, 0xaabbccdd);
		assert_int_equal(s.count, counts[c]);
		for (uint16_t i = 0; i < s.count; i++)
			assert_int_equal(beacon_sync_id(&s, i), ids[i]);
	}
	assert_int_equal(beacon_sync_build(buf, SIZE_MAX, 1, ids, BEACON_SYNC_MAX + 1), -EMSGSIZE);
	// one more id would not fit into a datagram
	assert_true(BEACON_SYNC_SIZE + 4 * BEACON_SYNC_MAX <= UDP_PAYLOAD_MAX);
	assert_true(BEACON_SYNC_SIZE + 4 * (BEACON_SYNC_MAX + 1) > UDP_PAYLOAD_MAX);
}

static void notify_both_ways(void **state)
{
	struct beacon_notify n = {BEACON_NOTIFY_HANDSHAKES};
	uint8_t buf[2];
	(void)state;

	assert_int_equal(beacon_notify_build(buf, 1, &n), -ENOBUFS);
	assert_int_equal(beacon_notify_build(buf, 2, &n), 2);
	n.kind = 9;
	assert_int_equal(beacon_notify_parse(buf, 2, &n), 0);
	assert_int_equal(n.kind, BEACON_NOTIFY_HANDSHAKES);
}

static void type_names(void **state)
{
	(void)state;
	assert_string_equal(beacon_type_name(BEACON_DISCOVER), "Discover");
	assert_string_equal(beacon_type_name(BEACON_NOTIFY), "Notify");
	assert_string_equal(beacon_type_name(0), "unknown");
	assert_string_equal(beacon_type_name(0x0b), "unknown");
	assert_string_equal(beacon_type_name(0xff), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_minimum_and_one_less),
	    cmocka_unit_test(discover_forms),
	    cmocka_unit_test(discover_partial_trailers),
	    cmocka_unit_test(signed_message),
	    cmocka_unit_test(discover_reply_forms),
	    cmocka_unit_test(discover_reply_without_challenge),
	    cmocka_unit_test(mapped_source_leaves_as_4_bytes),
	    cmocka_unit_test(observed_length_byte),
	    cmocka_unit_test(punch_request_forms),
	    cmocka_unit_test(grant_text_fits),
	    cmocka_unit_test(relay_turns_into_delivery),
	    cmocka_unit_test(relay_build_room),
	    cmocka_unit_test(sync_both_ways),
	    cmocka_unit_test(notify_both_ways),
	    cmocka_unit_test(type_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
