// SPDX-License-Identifier: BSD-3-Clause
#include "base/text.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static void cut_texts(void **state)
{
	static const struct {
		const char *text, *mended;
	} facts[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"\u00e9\u20ac\U0001f600", "\u00e9\u20ac\U0001f600"},
	    {"cut \xde", "cut ?"},
	    {"cut \xde\" quoted", "cut ?\" quoted"},
	    {"\xe2\x82", "??"},
	    {"\xf0\x9f\x98\xe2\x82\xac", "???\u20ac"},
	    {"\x82\xac after", "?? after"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		snprintf(text, sizeof(text), "%s", facts[i].text);
		text_mend(text);
		assert_string_equal(text, facts[i].mended);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cut_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
