// SPDX-License-Identifier: BSD-3-Clause
// Random frames, as the engine and the XDP program that relays read them.
#include "tests/unit/frame_changes.h"
#include "tests/unit/relay_twice.h"

#include <stdlib.h>

enum { ROUNDS = 40000, SETTINGS_ROUNDS = 500 };

// A frame as it may come, mostly.
static struct dgram *frame_random(uint64_t *random)
{
	static const struct {
		const char *at;
		uint32_t node;
	} from[] = {{AT_A, NODE_A}, {AT_B, NODE_B}, {AT_SIX, NODE_SIX}, {AT_EX, NODE_EX},
	    {AT_OTHER, NODE_NOBODY}, {AT_PEER, NODE_FAR}};
	unsigned is = random_below(random, ARRAY_SIZE(from));
	struct frame_spec s = spec_from(from[is].at);
	uint32_t sender = random_below(random, 4) ? from[is].node : random_below(random, 10);
	uint32_t size = random_below(random, random_below(random, 8) ? 64 : 1500);

	s.ttl = (uint8_t)random_next(random);
	s.no_checksum = random_below(random, 16) == 0;
	s.ip_options = endpoint_is_v4(&s.from) && random_below(random, 32) == 0;
	s.vlan_tags = random_below(random, 32) == 0;
	return frame_add(&s, sender, random_below(random, 10), size);
}

// Lies, damage, what was cut off and what was put behind.
static void frame_mutate(struct dgram *d, uint64_t *random)
{
	for (unsigned n = random_below(random, 3); n; n--)
		frame_change_one(d->l2, d->len, random);
	if (random_below(random, 4) == 0)
		d->l2[random_below(random, d->len)] ^= (uint8_t)random_next(random);
	if (random_below(random, 16) == 0)
		d->len = ETH_HEADER_SIZE + random_below(random, d->len - ETH_HEADER_SIZE);
	else if (random_below(random, 8) == 0)
		for (unsigned n = random_below(random, 20); n; n--)
			d->l2[d->len++] = (uint8_t)random_next(random);
	if (random_below(random, 4))
		frame_sums_mend(d->l2, d->len, random_below(random, 8) == 0);
}

// Under every sender check. FAIRWAY_SEED chooses other frames than the usual.
static void random_frames(void **state)
{
	const char *seed = getenv("FAIRWAY_SEED");
	uint64_t random = seed ? strtoull(seed, NULL, 0) | 1 : 1;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random);
	memset(decided, 0, sizeof(decided));
	lab_begin(&lab, LAB_RAW);
	for (int i = 0; i < ROUNDS; i++) {
		struct dgram *d;

		if (i % SETTINGS_ROUNDS == 0) {
			lab.env.set.sender_check = random_below(&random, SENDER_CHECK_OFF + 1);
			lab.env.set.ttl = 1 + random_below(&random, 255);
			settings_changed();
		}
		d = frame_random(&random);
		frame_mutate(d, &random);
		compare(d);
	}
	lab.env.set.sender_check = SENDER_CHECK_IP;
	for (unsigned v = UP; v <= DROPPED; v++)
		assert_in_range(decided[v], ROUNDS / 20, ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_frames, twice_setup, twice_teardown),
	};

	if (!twice_possible())
		return TWICE_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
