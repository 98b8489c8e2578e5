// SPDX-License-Identifier: BSD-3-Clause
// The short cut for usual frames of both families, held against the general code.
#include "tests/unit/classify_twice.h"
#include "tests/unit/usual_frames.h"

STAGE_LAB_FIXTURE

enum { ROUNDS = 200000 };

static unsigned taken, judged;

// From a block of its size, so that ASan sees a read beyond it.
static void judge(const struct usual_frame *f, int usual, const char *what)
{
	uint8_t *copy = exact_copy(f->bytes, f->len);
	bool was_taken;
	const char *differs = classify_twice(&lab, copy, f->len, &was_taken);

	if (!differs && usual != EITHER && usual != was_taken)
		differs = usual ? "not usual" : "usual";
	if (differs) {
		for (size_t i = 0; i < f->len; i++)
			print_message("%02x%s", f->bytes[i], i % 16 == 15 ? "\n" : " ");
		fail_msg("%s: %s", what, differs);
	}
	free(copy);
	judged++;
	taken += was_taken;
}

static const struct usual_look look = {judge};

static void sizes(void **state)
{
	(void)state;
	usual_each_size(look);
}

// As long as its headers say and 64 KiB more, which their 16 bits do not see: the rest is padding.
static void too_long(void **state)
{
	static uint8_t bytes[USUAL_FRAME_MAX + UINT16_MAX + 1];

	(void)state;
	for (int six = 0; six < 2; six++) {
		struct usual_frame f = usual_frame_make(six, 40);
		bool usual;

		memcpy(bytes, f.bytes, f.len);
		assert_null(classify_twice(&lab, bytes, f.len + UINT16_MAX + 1, &usual));
		assert_false(usual);
	}
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

// Only the general code takes what is not a whole sum.
static void checksums(void **state)
{
	(void)state;
	usual_each_checksum(look);
}

// Where a relay message went to, and nothing else, is usual from then on.
static void learning(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		struct usual_frame relay = usual_frame_make(six, 40), discover = relay;
		struct dgram d = {.l2 = relay.bytes, .len = (uint32_t)relay.len, .link = LAB_RAW};
		struct dgram other = d, again = d;
		uint32_t ids[2];

		discover.bytes[usual_message_at(six)] = BEACON_DISCOVER;
		usual_sums_fix(&discover);
		other.l2 = discover.bytes;
		assert_int_equal(classify_alone(&lab, &other, false).others, 1);
		assert_false(usual_take(&again, &lab.env, ids));
		assert_int_equal(classify_alone(&lab, &d, false).relays, 1);
		assert_true(usual_take(&again, &lab.env, ids));
	}
}

static void random_edits(void **state)
{
	(void)state;
	usual_random_edits(look, ROUNDS);
	assert_true(taken > judged / 10 && taken < judged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(too_long),
	    cmocka_unit_test(bits),
	    cmocka_unit_test(fields),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(checksums),
	    cmocka_unit_test(learning),
	    cmocka_unit_test(random_edits),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
