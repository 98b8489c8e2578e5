// SPDX-License-Identifier: BSD-3-Clause
#include "base/fds.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void sent_and_received(void **state)
{
	int pair[2], fds[4], sent[3];
	unsigned count = 4;
	char text[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (int i = 0; i < 3; i++)
		sent[i] = memfd_create("x", 0);
	assert_int_equal(fds_send(pair[0], "hello", 5, sent, 3), 5);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), fds, &count), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(count, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	// Room for two only, and a message that is too long.
	count = 2;
	assert_int_equal(fds_send(pair[0], "hello", 5, sent, 3), 5);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), fds, &count), 5);
	assert_int_equal(count, 2);
	close(fds[0]);
	close(fds[1]);
	count = 4;
	assert_int_equal(fds_send(pair[0], "hello, you", 10, sent, 1), 10);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), fds, &count), -EMSGSIZE);
	assert_int_equal(count, 0);
	assert_int_equal(fds_send(pair[0], "x", 1, sent, FDS_MAX + 1), -EINVAL);
	close(pair[0]);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), fds, &count), 0);
	assert_int_equal(fds_send(pair[1], "x", 1, NULL, 0), -EPIPE);
	close(pair[1]);
	for (int i = 0; i < 3; i++)
		close(sent[i]);
}

// What may not be opened is not received, and the error says why.
static void descriptor_limit(void **state)
{
	struct rlimit before, low;
	int pair[2], fds[4], sent;
	unsigned count = 4;
	char text[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	sent = memfd_create("x", 0);
	assert_int_equal(fds_send(pair[0], "x", 1, (int[]){sent, sent, sent}, 3), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){(rlim_t)sent + 2, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), fds, &count), -EMFILE);
	assert_int_equal(count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fcntl(sent + 1, F_GETFD), -1);
	close(sent);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sent_and_received),
	    cmocka_unit_test(descriptor_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
