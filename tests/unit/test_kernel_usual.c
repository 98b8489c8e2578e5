// SPDX-License-Identifier: BSD-3-Clause
// Usual frames, and what is nearly that, as the engine and the XDP program that relays read them.
#include "tests/unit/relay_twice.h"
#include "tests/unit/usual_frames.h"

enum { ROUNDS = 20000 };

// A usual one is the program's to decide.
static void judge(const struct usual_frame *f, int usual, const char *what)
{
	if (f->len < ETH_HEADER_SIZE)
		return; // no interface hands over less
	lab_begin(&lab, LAB_RAW);
	if (compare(lab_frame(&lab, f->bytes, f->len)) == UP && usual == true)
		fail_msg("%s: left to the engine", what);
}

static const struct usual_look look = {judge};

static void sizes(void **state)
{
	(void)state;
	usual_each_size(look);
}

static void bits(void **state)
{
	(void)state;
	usual_each_bit(look);
}

static void fields(void **state)
{
	(void)state;
	usual_each_field(look);
}

static void lengths(void **state)
{
	(void)state;
	usual_each_length(look);
}

static void checksums(void **state)
{
	(void)state;
	usual_each_checksum(look);
}

static void random_edits(void **state)
{
	(void)state;
	usual_random_edits(look, ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, twice_setup, twice_teardown)
	    TEST(sizes),
	    TEST(bits),
	    TEST(fields),
	    TEST(lengths),
	    TEST(checksums),
	    TEST(random_edits),
#undef TEST
	};

	if (!twice_possible())
		return TWICE_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
