// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/registry_lab.h"

#include "controlplane/registry/frame.h"
#include "wire/bytes.h"

#include <sodium.h>
#include <stdio.h>

int lab_open(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));
	struct registry_config config = {.capacity = 1000, .admin_token = "adm"};

	assert_non_null(l);
	assert_int_equal(identity_init(), 0);
	assert_int_equal(registry_init(&l->registry, &config), 0);
	l->t = (struct registry_time){.now_s = 1000, .unix_s = 1800000000};
	assert_int_equal(endpoint_parse("198.51.100.7:50000", 0, &l->from), 0);
	*state = l;
	return 0;
}

int lab_close(void **state)
{
	struct lab *l = *state;

	registry_free(&l->registry);
	free(l);
	return 0;
}

// With ' for ".
static void unquote(char copy[8192], const char *text)
{
	assert_true(strlen(text) < 8192);
	for (size_t i = 0; i <= strlen(text); i++)
		copy[i] = text[i] == '\'' ? '"' : text[i];
}

static json_t *quoted(const char *text)
{
	char copy[8192];
	json_error_t error;
	json_t *o;

	unquote(copy, text);
	o = json_loads(copy, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &error);
	if (!o)
		fail_msg("%s: %s", copy, error.text);
	return o;
}

json_t *lab_ask_text(struct lab *l, const char *text)
{
	struct call c = {.from = l->from, .t = l->t, .conn = &l->conn};
	char copy[8192];
	json_t *answer;

	unquote(copy, text);
	c.in = request_parse(copy, strlen(copy));
	if (!c.in)
		fail_msg("%s is no request", copy);
	if (call_begin(&l->registry, &c) == CALL_VERIFY) {
		l->verifications++;
		call_verified(&l->registry, &c, identity_verify(c.key, c.text, c.text_len, c.sig));
	}
	assert_int_equal(load_be32(c.out.text), c.out.len - FRAME_HEADER);
	answer = json_loadb(
	    c.out.text + FRAME_HEADER, c.out.len - FRAME_HEADER, JSON_DECODE_INT_AS_REAL, NULL);
	assert_non_null(answer);
	if (c.polled)
		call_delivered(&l->registry, c.polled, c.polled_seq);
	call_free(&c);
	return answer;
}

#define FORMAT(text, format)                                  \
	do {                                                  \
		va_list args_;                                \
		va_start(args_, format);                      \
		vsnprintf(text, sizeof(text), format, args_); \
		va_end(args_);                                \
	} while (0)

json_t *lab_ask(struct lab *l, const char *format, ...)
{
	char text[8192];

	FORMAT(text, format);
	return lab_ask_text(l, text);
}

static bool contains(const json_t *have, const json_t *want)
{
	const char *key;
	json_t *v;

	if (!json_is_object(want))
		return json_equal(have, want);
	json_object_foreach(
	    (json_t *)want, key, v) if (!contains(json_object_get(have, key), v)) return false;
	return true;
}

void lab_expect(struct lab *l, const char *answer, const char *format, ...)
{
	char text[8192], *got;
	json_t *want = quoted(answer), *have;

	FORMAT(text, format);
	have = lab_ask_text(l, text);
	got = json_dumps(have, 0);
	if (!contains(have, want))
		fail_msg("%s\n  answered %s\n  not      %s", text, got, answer);
	free(got);
	json_decref(want);
	json_decref(have);
}

void lab_refused(struct lab *l, const char *error, const char *format, ...)
{
	char text[8192];
	json_t *have;

	FORMAT(text, format);
	have = lab_ask_text(l, text);
	assert_string_equal(object_text(have, "type"), "error");
	assert_string_equal(object_text(have, "error"), error);
	json_decref(have);
}

const char *lab_sign(const struct lab_node *n, const char *format, ...)
{
	static char signatures[4][96];
	static unsigned turn;
	uint8_t sig[IDENTITY_SIG_SIZE];
	char text[512];

	FORMAT(text, format);
	identity_sign(n->secret, text, strlen(text), sig);
	turn = (turn + 1) % 4;
	return sodium_bin2base64(signatures[turn], sizeof(signatures[turn]), sig, sizeof(sig),
	    sodium_base64_VARIANT_ORIGINAL);
}

struct lab_node lab_node(struct lab *l, uint8_t seed)
{
	uint8_t bytes[IDENTITY_SEED_SIZE];
	struct lab_node n;
	char key[KEY_TEXT_MAX];
	json_t *answer;

	memset(bytes, seed, sizeof(bytes));
	identity_derive(bytes, n.key, n.secret);
	answer = lab_ask(
	    l, "{'type':'register','listen_addr':':4000','public_key':'%s'}", key_text(key, n.key));
	n.id = object_u32(answer, "node_id");
	assert_int_not_equal(n.id, 0);
	json_decref(answer);
	return n;
}
