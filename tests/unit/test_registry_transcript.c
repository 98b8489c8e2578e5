// SPDX-License-Identifier: BSD-3-Clause
// What unmodified daemons and pilotctl asked, frame by frame, gets the same answers again.
#include "tests/unit/registry_lab.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOST_MAX = 8, LINE_MAX_BYTES = 8192 };

// A machine with a daemon: its address, its key, the connection of the daemon.
struct host {
	char name;
	struct endpoint from;
	struct lab_node node;
	struct anchor conn;
};

struct play {
	struct lab *lab;
	struct host hosts[HOST_MAX];
	unsigned count, exchanges;
	json_t *answers[256]; // by name: not yet compared; names with ! are in the upper half
};

static struct host *find_host(struct play *p, char name)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->hosts[i].name == name)
			return &p->hosts[i];
	fail_msg("no host %c", name);
	return NULL;
}

static void add_host(struct play *p, const char *line)
{
	struct host *h = &p->hosts[p->count];
	uint8_t seed[IDENTITY_SEED_SIZE];
	char address[64];

	assert_true(p->count < HOST_MAX);
	assert_int_equal(sscanf(line, "host %c %63s", &h->name, address), 2);
	assert_int_equal(endpoint_parse(address, 50000, &h->from), 0);
	memset(seed, h->name, sizeof(seed));
	identity_derive(seed, h->node.key, h->node.secret);
	p->count++;
}

// "@a" is the key of a, "@a TEXT" its signature over the text.
static void put_value(struct play *p, const char *value, size_t len, FILE *out)
{
	struct host *h = find_host(p, value[1]);
	char key[KEY_TEXT_MAX];

	if (len == 2)
		fputs(key_text(key, h->node.key), out);
	else
		fputs(lab_sign(&h->node, "%.*s", (int)len - 3, value + 3), out);
}

static void fill_in(struct play *p, const char *text, char *filled)
{
	FILE *out = fmemopen(filled, LINE_MAX_BYTES, "w");

	assert_non_null(out);
	while (*text) {
		size_t len = strcspn(text + 1, "\"");

		fputc(*text, out);
		if (text[0] == '"' && text[1] == '@' && strchr("\" ", text[3])) {
			put_value(p, text + 1, len, out);
			text += len;
		}
		text++;
	}
	fclose(out);
}

// "*" stands for any value.
static bool equals(const json_t *have, const json_t *want)
{
	const char *key, *text = json_string_value(want);
	size_t i;
	json_t *v;

	if (text && !strcmp(text, "*"))
		return have != NULL;
	if (json_typeof(want) == JSON_OBJECT) {
		if (json_object_size(have) != json_object_size(want))
			return false;
		json_object_foreach((json_t *)want, key, v)
		{
			if (!equals(json_object_get(have, key), v))
				return false;
		}
		return true;
	}
	if (json_typeof(want) != JSON_ARRAY)
		return json_equal(have, want);
	if (json_array_size(have) != json_array_size(want))
		return false;
	json_array_foreach(want, i, v)
	{
		if (!equals(json_array_get(have, i), v))
			return false;
	}
	return true;
}

static void ask(struct play *p, struct host *h, unsigned slot, const char *text)
{
	struct lab *l = p->lab;

	l->from = h->from;
	l->conn = slot < 128 ? h->conn : (struct anchor){0};
	assert_null(p->answers[slot]);
	p->answers[slot] = lab_ask_text(l, text);
	if (slot < 128)
		h->conn = l->conn;
}

static void compare(struct play *p, unsigned slot, const char *text, unsigned line)
{
	json_t *want = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
	char *got = json_dumps(p->answers[slot], JSON_COMPACT);

	assert_non_null(want);
	if (!equals(p->answers[slot], want))
		fail_msg("line %u: answered %s\n  not %s", line, got, text);
	free(got);
	json_decref(want);
	json_decref(p->answers[slot]);
	p->answers[slot] = NULL;
	p->exchanges++;
}

static void play_line(struct play *p, const char *line, unsigned number)
{
	static char filled[LINE_MAX_BYTES];
	unsigned once = line[1] == '!';
	unsigned slot = (unsigned char)line[0] + once * 128;
	const char *text = line + 4 + once;

	fill_in(p, text, filled);
	if (line[2 + once] == '>')
		ask(p, find_host(p, line[0]), slot, filled);
	else
		compare(p, slot, filled, number);
}

static void replay(void **state)
{
	static char line[LINE_MAX_BYTES];
	struct play p = {.lab = *state};
	FILE *file = fopen(VECTORS_DIR "/registry-daemons.txt", "re");
	unsigned number = 0;

	assert_non_null(file);
	snprintf(p.lab->registry.config.admin_token, ADMIN_TOKEN_MAX, "adm-secret");
	while (fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "host ", 5))
			add_host(&p, line);
		else if (*line && *line != '#')
			play_line(&p, line, number);
	}
	fclose(file);
	assert_true(p.exchanges > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(replay, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
