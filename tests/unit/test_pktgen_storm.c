// SPDX-License-Identifier: BSD-3-Clause
// The storm's count of its daemons, against a registry that hangs up on them.
#include "pktgen/registry_storm.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DAEMONS = 20, REQUESTS = 3 };

struct registry {
	int listener;
	unsigned answers;  // to each connection before it is closed
	unsigned accepted; // read when the thread has ended
};

static bool read_all(int fd, uint8_t *data, size_t len)
{
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static bool answer_one(int fd)
{
	static const uint8_t answer[] = {0, 0, 0, 2, '{', '}'};
	uint8_t request[REQUEST_MAX];

	return read_all(fd, request, 4) && load_be32(request) <= sizeof(request) &&
	       read_all(fd, request, load_be32(request)) &&
	       send(fd, answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer);
}

// Ends when the listener is shut down.
static void *serve(void *arg)
{
	struct registry *r = arg;
	int fd;

	while ((fd = accept(r->listener, NULL, NULL)) >= 0) {
		r->accepted++;
		for (unsigned i = 0; i < r->answers && answer_one(fd); i++)
			;
		close(fd);
	}
	return NULL;
}

static void listen_on_loopback(struct registry *r, struct endpoint *at)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htobe32(0x7f000001)};
	socklen_t len = sizeof(address);

	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(r->listener >= 0);
	assert_int_equal(bind(r->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(r->listener, DAEMONS), 0);
	assert_int_equal(getsockname(r->listener, (struct sockaddr *)&address, &len), 0);
	endpoint_from_sockaddr((struct sockaddr *)&address, len, at);
}

static void storm(struct registry *r, struct storm_result *result)
{
	struct load load = {.crowd = {.nodes = DAEMONS, .seed = 1, .peers = 1}};
	pthread_t thread;

	listen_on_loopback(r, &load.to);
	assert_int_equal(pthread_create(&thread, NULL, serve, r), 0);
	assert_int_equal(crowd_derive(&load.crowd), 0);
	assert_int_equal(crowd_sign(&load.crowd), 0);
	assert_int_equal(storm_run(&load, 1, result), 0);
	shutdown(r->listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(r->listener);
	crowd_forget(&load.crowd);
}

// Each daemon comes and is counted once, also if it was answered and then cut off.
static void cut_off_daemons_are_counted_once(void **state)
{
	(void)state;
	for (unsigned answers = 1; answers <= REQUESTS; answers += REQUESTS - 1) {
		struct registry r = {.answers = answers};
		static struct storm_result result;

		storm(&r, &result);
		assert_int_equal(r.accepted, DAEMONS);
		assert_int_equal(result.done + result.failed, DAEMONS);
		if (answers < REQUESTS)
			assert_int_equal(result.done, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cut_off_daemons_are_counted_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
