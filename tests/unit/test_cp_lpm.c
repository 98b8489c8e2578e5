// SPDX-License-Identifier: BSD-3-Clause
#include "base/random.h"
#include "controlplane/lpm.h"
#include "tests/unit/unit.h"
#include "wire/endpoint.h"

#include <stdbool.h>

static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
	return random_below(&seed, n);
}

// Addresses that share long prefixes with each other.
static void address_random(uint8_t out[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	for (int i = 0; i < 16; i++)
		out[i] = dice(4) ? 0 : (uint8_t)dice(256);
	if (dice(2))
		memcpy(out, mapped, sizeof(mapped));
}

static bool covers(const struct route *r, const uint8_t addr[16])
{
	for (unsigned bit = 0; bit < r->length; bit++)
		if ((r->prefix[bit / 8] ^ addr[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

// The naive twin: looks at all routes.
static const struct route *naive_find(
    const struct route *routes, unsigned count, const uint8_t addr[16])
{
	const struct route *best = NULL;

	for (unsigned i = 0; i < count; i++) {
		const struct route *r = &routes[i];

		if (!covers(r, addr))
			continue;
		if (!best || r->length > best->length ||
		    (r->length == best->length &&
			(r->metric < best->metric ||
			    (r->metric == best->metric && !r->ifindex && best->ifindex))))
			best = r;
	}
	return best;
}

static void test_against_naive_twin(void **state)
{
	static struct route routes[300];
	struct lpm *t = lpm_new();

	(void)state;
	for (int round = 0; round < 50; round++) {
		unsigned count = dice(ARRAY_SIZE(routes)), hits = 0;

		lpm_clear(t);
		for (unsigned i = 0; i < count; i++) {
			routes[i] = (struct route){
			    .length = (uint8_t)dice(129), .metric = dice(3), .ifindex = dice(4)};
			address_random(routes[i].prefix);
			assert_int_equal(lpm_add(t, &routes[i]), 0);
		}
		assert_int_equal(lpm_count(t), count);
		for (int look = 0; look < 2000; look++) {
			uint8_t addr[16];
			const struct route *want, *got;

			address_random(addr);
			want = naive_find(routes, count, addr);
			got = lpm_find(t, addr);
			assert_int_equal(got != NULL, want != NULL);
			if (!want)
				continue;
			hits++;
			assert_int_equal(got->length, want->length);
			assert_int_equal(got->metric, want->metric);
			assert_int_equal(got->ifindex != 0, want->ifindex != 0);
		}
		assert_true(count < 200 || hits > 100);
	}
	lpm_free(t);
}

static struct route route_make(const char *prefix, uint8_t length, uint32_t ifindex)
{
	struct route r = {.length = length, .ifindex = ifindex};
	struct endpoint at;

	assert_int_equal(endpoint_parse(prefix, 1, &at), 0);
	memcpy(r.prefix, at.addr, 16);
	return r;
}

static void test_families_do_not_meet(void **state)
{
	static const struct {
		const char *addr;
		uint32_t ifindex; // 0 = no route
	} table[] = {
	    {"10.1.2.3", 3},
	    {"10.9.2.3", 2},
	    {"11.9.2.3", 1},
	    {"2001:db8::1", 0},
	    {"fd00::1", 4},
	};
	struct lpm *t = lpm_new();
	struct route routes[] = {
	    route_make("0.0.0.0", 96, 1),
	    route_make("10.0.0.0", 104, 2),
	    route_make("10.1.0.0", 112, 3),
	    route_make("fd00::", 8, 4),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		assert_int_equal(lpm_add(t, &routes[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct route *r;
		struct endpoint at;

		assert_int_equal(endpoint_parse(table[i].addr, 1, &at), 0);
		r = lpm_find(t, at.addr);
		assert_int_equal(r ? r->ifindex : 0, table[i].ifindex);
	}
	lpm_free(t);
}

static void test_full_and_equal(void **state)
{
	struct lpm *a = lpm_new(), *b = lpm_new();

	(void)state;
	for (unsigned i = 0; i < LPM_ROUTE_MAX; i++) {
		struct route r = {
		    .length = 128, .prefix = {[14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}};

		assert_int_equal(lpm_add(a, &r), 0);
		assert_false(lpm_equal(a, b));
		assert_int_equal(lpm_add(b, &r), 0);
	}
	assert_true(lpm_equal(a, b));
	assert_int_equal(lpm_add(a, &(struct route){.length = 1}), -ENOSPC);
	lpm_free(a);
	lpm_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_naive_twin),
	    cmocka_unit_test(test_families_do_not_meet),
	    cmocka_unit_test(test_full_and_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
