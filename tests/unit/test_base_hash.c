// SPDX-License-Identifier: BSD-3-Clause
#include "base/hash.h"
#include "tests/unit/unit.h"

// With 1,024 entries in 1,024 places chance hardly ever puts more than 8 into one.
enum { COUNT = 1024, CROWD = 10 };

// Addresses that differ in two of their bytes only.
static unsigned longest(uint64_t key, unsigned first, unsigned second)
{
	unsigned places[COUNT] = {0}, most = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		uint8_t addr[16] = {[10] = 0xff, [11] = 0xff};
		unsigned place;

		addr[first] = (uint8_t)(i / 256);
		addr[second] = (uint8_t)(i % 256);
		place = hash_address(key, addr, 2) % COUNT;
		places[place]++;
		most = places[place] > most ? places[place] : most;
	}
	return most;
}

static void test_networks_spread(void **state)
{
	(void)state;
	for (uint64_t key = 0; key < 4; key++)
		for (unsigned first = 0; first < 16; first++)
			for (unsigned second = 0; second < 16; second++)
				if (first != second)
					assert_in_range(longest(key, first, second), 2, CROWD);
}

static void test_numbers_spread(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 64 - 10; shift++) {
		unsigned places[COUNT] = {0};

		for (uint64_t i = 0; i < COUNT; i++)
			assert_true(++places[hash_number(0, i << shift) % COUNT] <= CROWD);
	}
}

// Whatever differs: about half of the bits do, of the upper half as of the lower.
static void assert_another(uint64_t a, uint64_t b)
{
	assert_in_range(__builtin_popcountll(a ^ b), 12, 52);
}

static void test_everything_counts(void **state)
{
	const uint8_t addr[16] = {0x20, 1, 0xd, 0xb8};
	const uint64_t hash = hash_address(1, addr, 64);

	(void)state;
	for (unsigned bit = 0; bit < 128; bit++) {
		uint8_t other[16];

		memcpy(other, addr, sizeof(other));
		other[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_another(hash, hash_address(1, other, 64));
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_another(hash, hash_address(1 ^ 1ULL << bit, addr, 64));
		assert_another(hash, hash_address(1, addr, 64 ^ 1ULL << bit));
		assert_another(hash_numbers(1, 2, 3), hash_numbers(1, 2 ^ 1ULL << bit, 3));
		assert_another(hash_numbers(1, 2, 3), hash_numbers(1, 2, 3 ^ 1ULL << bit));
	}
	assert_another(hash_numbers(1, 2, 3), hash_numbers(1, 3, 2));
}

// Numbers that share a place under one key do not under another.
static void test_places_cannot_be_chosen(void **state)
{
	unsigned chosen = 0, together = 0;

	(void)state;
	for (uint64_t i = 0; chosen < COUNT; i++)
		if (hash_number(1, i) % COUNT == 0) {
			chosen++;
			together += hash_number(2, i) % COUNT == 0;
		}
	assert_in_range(together, 0, CROWD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_networks_spread),
	    cmocka_unit_test(test_numbers_spread),
	    cmocka_unit_test(test_everything_counts),
	    cmocka_unit_test(test_places_cannot_be_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
