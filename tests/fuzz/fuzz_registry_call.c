// SPDX-License-Identifier: BSD-3-Clause
// A connection's bytes: frames, requests, answers. Every complete frame that is an object gets one
// answer that is a JSON object; signatures pass by coin, so that handlers behind them are reached.
#include "controlplane/registry/call.h"
#include "controlplane/registry/frame.h"
#include "controlplane/registry/object.h"
#include "tests/fuzz/fuzz.h"
#include "wire/bytes.h"

static struct registry registry;

static void prepare(void)
{
	static const uint8_t keys[3][IDENTITY_KEY_SIZE] = {{1}, {2}, {3}};
	struct registry_config config = {.capacity = 100, .admin_token = "adm"};
	static bool ready; // once is enough, and it tests itself each time
	struct network *net;

	fuzz_check((ready || identity_init() == 0) && registry_init(&registry, &config) == 0);
	ready = true;
	for (uint32_t i = 0; i < 3; i++) {
		struct dir_node *n = directory_add(&registry.nodes, i + 1, keys[i]);

		fuzz_check(n != NULL);
		directory_set_live(&registry.nodes, n, true, 1000);
	}
	registry.nodes.next_id = 4;
	net = network_add(&registry.networks, 0, "lab");
	net->enterprise = true;
	registry_join(&registry, net, directory_find(&registry.nodes, 1), ROLE_OWNER);
}

// Our reader takes what jansson takes, but for zero bytes and too many fields.
static void check_fields(const struct request *have, const uint8_t *text, size_t len)
{
	json_t *want = object_parse(text, len), *v;
	const char *key;

	if (have)
		fuzz_check(want != NULL);
	else
		fuzz_check(!want || memchr(text, 0, len) || len > 5 * REQUEST_FIELD_MAX);
	json_object_foreach(have ? want : NULL, key, v)
	    // texts end before a zero
	    fuzz_check(json_is_string(v) ? !strcmp(json_string_value(v), field_text(have, key))
					 : json_equal(field_json(have, key), v));
	json_decref(want);
}

static void ask(const uint8_t *json, size_t len)
{
	static struct anchor anchor;
	struct call c = {.t = {.now_s = 1000, .unix_s = 1800000000}, .conn = &anchor};
	json_t *answer;

	c.from = endpoint_from_v4(0x01020304, 5);
	c.in = request_parse(json, len);
	check_fields(c.in, json, len);
	if (!c.in)
		return;
	if (call_begin(&registry, &c) == CALL_VERIFY)
		call_verified(&registry, &c, len % 8 != 0);
	fuzz_check(load_be32(c.out.text) == c.out.len - FRAME_HEADER);
	answer = json_loadb(c.out.text + FRAME_HEADER, c.out.len - FRAME_HEADER, 0, NULL);
	fuzz_check(json_is_object(answer) && *object_text(answer, "type"));
	json_decref(answer);
	if (c.polled)
		call_delivered(&registry, c.polled, c.polled_seq);
	call_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct frame_input in = {0};
	size_t cut = len / 3;
	bool open = true;

	prepare();
	// in three pieces
	for (size_t at = 0; at < len && open;) {
		size_t piece = cut && at + cut <= len ? cut : len - at;
		struct frame_feed feed;
		const uint8_t *json;
		size_t n;
		int rc;

		fuzz_check(frame_feed(&feed, &in, data + at, piece) == 0);
		while ((rc = frame_next(&feed, &json, &n)) == 1)
			ask(json, n);
		open = rc == 0;
		fuzz_check(frame_end(&feed) == 0);
		at += piece;
	}
	frame_input_free(&in);
	registry_tick(&registry, (struct registry_time){.now_s = 5000, .unix_s = 1800004000});
	registry_free(&registry);
	return 0;
}
