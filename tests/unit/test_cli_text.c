// SPDX-License-Identifier: BSD-3-Clause
#include "cli/capture.h"
#include "cli/decode.h"
#include "cli/rates.h"
#include "cli/table.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

static void counts(void **state)
{
	static const struct {
		uint64_t value;
		const char *text;
	} facts[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"},
	    {UINT64_MAX, "18,446,744,073,709,551,615"}};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_string_equal(format_count(text, facts[i].value), facts[i].text);
}

static void short_numbers(void **state)
{
	static const struct {
		double value;
		const char *text;
	} facts[] = {{0, "0"}, {999, "999"}, {999.4, "999"}, {999.6, "1.00k"}, {1000, "1.00k"},
	    {12345, "12.3k"}, {123456, "123k"}, {999999, "1.00M"}, {4200000, "4.20M"},
	    {1e18, "1000P"}};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_string_equal(format_short(text, facts[i].value), facts[i].text);
}

static void ages(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} facts[] = {{-1, "0s"}, {0.9, "0s"}, {59, "59s"}, {60, "1m 0s"}, {3599, "59m 59s"},
	    {3600, "1h 0m"}, {90000, "1d 1h"}};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_string_equal(format_age(text, facts[i].seconds), facts[i].text);
}

static void texts_in_a_row(void **state)
{
	static const struct {
		const char *list, *text;
	} facts[] = {{"[]", ""}, {"[\"a\"]", "a"}, {"[\"a\",\"b\"]", "a, b"},
	    {"[\"a\",1,\"\"]", "a, ?, "}, {"[\"123456\",\"789\"]", "123456, 7"}};
	char text[10];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		json_t *list = json_loads(facts[i].list, 0, NULL);

		assert_string_equal(format_texts(text, sizeof(text), list, ", "), facts[i].text);
		json_decref(list);
	}
	assert_string_equal(format_texts(text, sizeof(text), NULL, ","), "");
}

static void tables(void **state)
{
	static const struct column columns[] = {{"node", "node", CELL_TEXT},
	    {"count", "count", CELL_NUMBER}, {"up", "up", CELL_YES}, {"note", "note", CELL_TEXT},
	    {0}};
	json_t *list = json_loads("[{\"node\":7,\"count\":12345,\"up\":true,\"note\":\"long "
				  "text\"},{\"node\":\"x\",\"up\":false,\"note\":null}]",
	    0, NULL);
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	table_print(out, columns, list);
	fclose(out);
	json_decref(list);
	assert_string_equal(text, "node   count  up   note\n"
				  "7     12,345  yes  long text\n"
				  "x          -  no   -\n");
}

static void datagrams(void **state)
{
	static const struct {
		const char *bytes;
		size_t captured, len;
		const char *text;
	} facts[] = {
	    {"", 0, 0, "empty"},
	    {"\x01\0\0\0\x2a", 5, 5, "Discover node 42"},
	    {"\x05\0\0\0\x01\0\0\0\x02PILS\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x09xxxxxxxxxxxxxxxx", 45,
		1000, "Relay 1 to 2, 991 bytes: PILS sealed by 1, counter 9"},
	    {"\x05\0\0\0\x01\0\0\0\x02zzzz", 13, 13, "Relay 1 to 2, 4 bytes: unknown frame"},
	    {"\x05\0\0", 3, 3, "Relay"},
	    {"\x03\0\0\0\x01\0\0\0\x02", 9, 9, "PunchRequest 1 wants to reach 2"},
	    {"\x07\0\0\0\x05\0\x03\0\0\0\x01", 11, 19, "Sync of relay 5: 3 nodes"},
	    {"PILP", 4, 4, "PILP"},
	    {"\0\x01\0\0\x21\x12\xa4\x42\0\0\0\0\0\0\0\0\0\0\0\0", 20, 20, "STUN Binding request"},
	    {"\xff\xff", 2, 2, "unknown, 2 bytes"},
	};
	char text[DECODE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint8_t *copy = exact_copy(facts[i].bytes, facts[i].captured);

		decode_datagram(text, copy, facts[i].captured, facts[i].len);
		free(copy);
		assert_string_equal(text, facts[i].text);
	}
}

// Whatever the bytes: a line, no byte read too far (ASan), nothing too long.
static void garbage_decodes(void **state)
{
	char text[DECODE_MAX];
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[300], *copy;
		size_t len = (size_t)(rand_r(&seed) % 300);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)rand_r(&seed);
		if (len > 13 && i % 2) {
			bytes[0] = (uint8_t)(i / 2 % 12);
			memcpy(bytes + 9, "PIL", 3);
			bytes[12] = "TSKAP"[i % 5];
		}
		copy = exact_copy(bytes, len);
		assert_true(strlen(decode_datagram(text, copy, len, len)) < DECODE_MAX);
		free(copy);
	}
}

static json_t *stats_at(double seconds, int relayed, int drops)
{
	return json_pack("{s:I,s:{s:i},s:{s:i,s:i}}", "time_ns", (json_int_t)(seconds * 1e9),
	    "counters", "relayed", relayed, "drops", "short_message", drops, "tx_full", 1);
}

static void rates(void **state)
{
	struct sample before = {.stats = stats_at(10, 100, 0)},
		      now = {.stats = stats_at(12, 300, 50)};
	json_t *rates = rates_json(&before, &now), *drops = json_object_get(rates, "drops");

	(void)state;
	assert_true(member_real(rates, "seconds") == 2.0);
	assert_true(member_real(json_object_get(rates, "rates"), "relayed") == 100.0);
	assert_int_equal(json_array_size(drops), 2);
	assert_string_equal(member_text(json_array_get(drops, 0), "name", ""), "short_message");
	assert_true(member_real(json_array_get(drops, 0), "rate") == 25.0);
	assert_true(member_real(json_array_get(drops, 1), "rate") == 0.0);
	json_decref(rates);
	sample_free(&before);
	// a first picture has no rates, and totals that went back are no rate either
	before.stats = stats_at(13, 1000, 0);
	assert_true(sample_seconds(&before, &now) == 0.0);
	assert_true(member_rate(NULL, now.stats, "time_ns", 1) == 0.0);
	sample_free(&before);
	sample_free(&now);
}

// Links are counted once a second: between two counts the last rate stands, before the first two
// there is none.
static void link_rates(void **state)
{
	static const struct {
		json_int_t counted_s, total;
		double rate;
	} story[] = {{5, 100, -1}, {5, 100, -1}, {6, 400, 300}, {6, 400, 300}, {8, 500, 50}};
	struct link_totals totals = {.now = NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(story) / sizeof(story[0]); i++) {
		struct sample s = {
		    .links = json_pack("{s:[{s:i,s:I,s:I}]}", "links", "link", 3, "counted_ns",
			story[i].counted_s * 1000000000, "rx_datagrams", story[i].total)};

		link_totals_add(&totals, &s);
		sample_free(&s);
		assert_true(link_rate(&totals, json_array_get(totals.now, 0), "rx_datagrams") ==
			    story[i].rate);
	}
	link_totals_free(&totals);
}

static void captures(void **state)
{
	static const uint8_t payload[] = {1, 0, 0, 0, 42};
	struct captured d = {.time_ns = 1700000000000000000ULL,
	    .payload = payload,
	    .captured = sizeof(payload),
	    .len = 1000,
	    .comment = "drop short_message"};
	char path[FILE_MAX];
	uint8_t bytes[1024];
	FILE *file;
	size_t n;

	(void)state;
	file_new(path, "");
	assert_int_equal(parse_address("192.0.2.1:5", false, &d.from, NULL), 0);
	assert_int_equal(parse_address("[2001:db8::1]:9001", false, &d.to, NULL), 0);
	assert_int_equal(capture_open(&file, path), 0);
	assert_int_equal(capture_write(file, &d), 0);
	assert_int_equal(parse_address("192.0.2.2:9001", false, &d.to, NULL), 0);
	assert_int_equal(capture_write(file, &d), 0);
	assert_int_equal(fclose(file), 0);
	file = fopen(path, "re");
	assert_non_null(file);
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_true(n > 200 && n % 4 == 0);
	assert_memory_equal(bytes, "\x0a\x0d\x0d\x0a", 4);
	assert_non_null(memmem(bytes, n, "drop short_message", 18));
	assert_non_null(memmem(bytes, n, payload, sizeof(payload)));
	assert_int_equal(capture_open(&file, "/no/such/file"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts),
	    cmocka_unit_test(short_numbers),
	    cmocka_unit_test(ages),
	    cmocka_unit_test(texts_in_a_row),
	    cmocka_unit_test(tables),
	    cmocka_unit_test(datagrams),
	    cmocka_unit_test(garbage_decodes),
	    cmocka_unit_test(rates),
	    cmocka_unit_test(link_rates),
	    cmocka_unit_test(captures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
