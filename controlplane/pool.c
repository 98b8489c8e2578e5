// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/pool.h"

#include "base/thread_limit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// They shall not take the workers' cores.
enum { POOL_SIZE = 2 };

static void *wait_for(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return NULL;
}

// All at once, as libuv's.
static int threads_try(void)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[POOL_SIZE];
	unsigned count = 0;
	int rc = 0;

	pthread_mutex_lock(&lock);
	while (!rc && count < POOL_SIZE) {
		rc = -pthread_create(&threads[count], NULL, wait_for, &lock);
		count += !rc;
	}
	pthread_mutex_unlock(&lock);
	while (count)
		pthread_join(threads[--count], NULL);
	return rc;
}

static void nothing(uv_work_t *work)
{
	(void)work;
}

int pool_start(uv_loop_t *loop, struct parse_error *error)
{
	static uv_work_t first;
	char size[4];
	int rc = threads_try();

	if (rc) {
		parse_error_set(error, "no threads to verify signatures: %s%s",
		    strerrordesc_np(-rc), thread_limit_hint(rc));
		return rc;
	}
	snprintf(size, sizeof(size), "%d", POOL_SIZE);
	setenv("UV_THREADPOOL_SIZE", size, 1);
	return uv_queue_work(loop, &first, nothing, NULL);
}
