// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/pool.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdbool.h>

static unsigned allowed, running; // threads of ours

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names
int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *ctx);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *ctx);
int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *ctx)
{
	if (running == allowed)
		return EAGAIN;
	running++;
	return __real_pthread_create(thread, attr, main, ctx);
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
	running--;
	return __real_pthread_join(thread, result);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

// libuv itself would abort.
static void test_too_few_threads(void **state)
{
	struct parse_error error;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	for (allowed = 0; allowed < 2; allowed++) {
		assert_int_equal(pool_start(&loop, &error), -EAGAIN);
		assert_int_equal(running, 0);
		assert_non_null(strstr(error.text, ": raise the limit of threads (pids.max"));
	}
	assert_int_equal(pool_start(&loop, &error), 0);
	assert_int_equal(running, 0);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_too_few_threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
