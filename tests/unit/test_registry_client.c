// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/client.h"
#include "tests/unit/unit.h"

#include <string.h>

static unsigned changes;

static void on_changed(void *ctx)
{
	(void)ctx;
	changes++;
}

// Answers of a registry in turn: what is listed then, and whether that was news.
static void beacon_lists(void **state)
{
	static const struct {
		const char *answer;
		unsigned beacons, changes;
		bool good;
	} story[] = {
	    {"{\"type\":\"beacon_register_ok\",\"beacon_id\":1}", 0, 0, true},
	    {"{\"beacons\":[{\"id\":3,\"addr\":\"192.0.2.3:9001\"}]}", 1, 1, true},
	    {"{\"beacons\":[{\"id\":3,\"addr\":\"192.0.2.3:9001\"}]}", 1, 1, true},
	    {"{\"beacons\":[{\"id\":3,\"addr\":\"192.0.2.4:9001\"}]}", 1, 2, true},
	    {"{\"beacons\":[{\"id\":5,\"addr\":\"[::1]:1\"},{\"id\":3,\"addr\":\"192.0.2.4:9001\"}]"
	     "}",
		2, 3, true},
	    {"{\"beacons\":[{\"id\":3,\"addr\":\"192.0.2.4:9001\"},{\"id\":5,\"addr\":\"[::1]:1\"}]"
	     "}",
		2, 3, true}, // in another order
	    {"{\"type\":\"error\",\"error\":\"rate limited\"}", 2, 3, false},
	    {"[1", 2, 3, false},
	    {"{\"beacons\":[{\"id\":0,\"addr\":\"a:1\"},{\"addr\":7},8]}", 0, 4, true},
	};
	static struct registry_client c = {.changed = on_changed};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(story); i++) {
		c.error[0] = 0;
		assert_int_equal(
		    client_answer(&c, story[i].answer, strlen(story[i].answer)), story[i].good);
		assert_int_equal(c.beacon_count, story[i].beacons);
		assert_int_equal(changes, story[i].changes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(beacon_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
