// SPDX-License-Identifier: BSD-3-Clause
// Beacon messages: what parses is built again to the same bytes, and fits exactly.
#include "tests/fuzz/fuzz.h"
#include "wire/beacon.h"

static uint8_t buf[BEACON_SYNC_SIZE + 4 * 65536];

static void same_bytes(const uint8_t *data, size_t len, int built)
{
	fuzz_check(built > 0 && (size_t)built <= len);
	fuzz_check(memcmp(buf, data, (size_t)built) == 0);
}

static void discover(const uint8_t *data, size_t len)
{
	struct beacon_discover m;
	uint8_t message[BEACON_SIGNED_SIZE];

	if (beacon_discover_parse(data, len, &m) < 0)
		return;
	same_bytes(data, len, beacon_discover_build(buf, sizeof(buf), &m));
	if (m.nonce)
		beacon_signed_message(message, m.node, m.nonce);
}

static void observed(const uint8_t *data, size_t len)
{
	struct beacon_discover_reply reply, reply_again;
	struct beacon_punch_command command, command_again;
	int built;

	if (beacon_discover_reply_parse(data, len, &reply) == 0) {
		built = beacon_discover_reply_build(buf, sizeof(buf), &reply);
		fuzz_check(built > 0 && (size_t)built <= len);
		fuzz_check(beacon_discover_reply_parse(buf, (size_t)built, &reply_again) == 0);
		fuzz_check(endpoint_equal(&reply.observed, &reply_again.observed));
		fuzz_check(!reply.challenge == !reply_again.challenge);
	}
	if (beacon_punch_command_parse(data, len, &command) == 0) {
		built = beacon_punch_command_build(buf, sizeof(buf), &command);
		fuzz_check(built > 0 && (size_t)built <= len);
		fuzz_check(beacon_punch_command_parse(buf, (size_t)built, &command_again) == 0);
		fuzz_check(endpoint_equal(&command.peer, &command_again.peer));
	}
}

static void punch_request(const uint8_t *data, size_t len)
{
	struct beacon_punch_request m;
	char text[BEACON_GRANT_TEXT_MAX];

	if (beacon_punch_request_parse(data, len, &m) < 0)
		return;
	same_bytes(data, len, beacon_punch_request_build(buf, sizeof(buf), &m));
	fuzz_check(beacon_punch_grant_text(text, sizeof(text), &m) > 0);
}

static void relay(const uint8_t *data, size_t len)
{
	struct beacon_relay m, delivered;
	uint8_t *copy, *start;

	if (beacon_relay_deliver_parse(data, len, &m) == 0)
		same_bytes(data, len, beacon_relay_build(buf, sizeof(buf), data[0], &m));
	if (beacon_relay_deliver_dest_parse(data, len, &m) == 0)
		same_bytes(data, len, beacon_relay_build(buf, sizeof(buf), data[0], &m));
	if (beacon_relay_parse(data, len, &m) < 0)
		return;
	same_bytes(data, len, beacon_relay_build(buf, sizeof(buf), BEACON_RELAY, &m));
	copy = exact_copy(data, len);
	start = beacon_relay_to_deliver(copy);
	fuzz_check(beacon_relay_deliver_parse(start, len - 4, &delivered) == 0);
	fuzz_check(delivered.sender == m.sender && delivered.frame_len == m.frame_len);
	fuzz_check(memcmp(delivered.frame, m.frame, m.frame_len) == 0);
	free(copy);
}

static void sync_message(const uint8_t *data, size_t len)
{
	static uint32_t ids[65536];
	struct beacon_sync m;

	if (beacon_sync_parse(data, len, &m) < 0)
		return;
	for (uint32_t i = 0; i < m.count; i++)
		ids[i] = beacon_sync_id(&m, (uint16_t)i);
	if (m.count <= BEACON_SYNC_MAX)
		same_bytes(
		    data, len, beacon_sync_build(buf, sizeof(buf), m.beacon_id, ids, m.count));
}

static void notify(const uint8_t *data, size_t len)
{
	struct beacon_notify m;

	if (beacon_notify_parse(data, len, &m) == 0)
		same_bytes(data, len, beacon_notify_build(buf, sizeof(buf), &m));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > UDP_PAYLOAD_MAX)
		return 0;
	discover(data, len);
	observed(data, len);
	punch_request(data, len);
	relay(data, len);
	sync_message(data, len);
	notify(data, len);
	fuzz_check(beacon_type_name(len ? data[0] : 0) != NULL);
	return 0;
}
