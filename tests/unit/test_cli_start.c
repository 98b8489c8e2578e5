// SPDX-License-Identifier: BSD-3-Clause
#include "cli/up_start.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

// An address that is taken when `fairway up` starts. A process that ends has given its descriptors
// up before its sockets are gone; one on its way through a Unix socket is as invisible.

static int carrier[2] = {-1, -1};
static unsigned naps, naps_until_free;

// In libc's place: the time passes in which the other process ends.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): libc's name is reserved
int usleep(useconds_t us)
{
	(void)us;
	if (++naps == naps_until_free) {
		close(carrier[0]);
		close(carrier[1]);
	}
	return 0;
}

static void carrier_send(int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			 .cmsg_level = SOL_SOCKET,
			 .cmsg_type = SCM_RIGHTS}};
	char byte = 0;
	struct iovec text = {&byte, sizeof(byte)};
	struct msghdr msg = {.msg_iov = &text,
	    .msg_iovlen = 1,
	    .msg_control = control.room,
	    .msg_controllen = sizeof(control.room)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, carrier), 0);
	assert_int_equal(sendmsg(carrier[0], &msg, 0), 1);
	close(fd);
}

static int bound(struct config *config)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	config->listen.count = 1;
	config->listen.at[0].v4 = at;
	return fd;
}

static void waits_for_who_ends(void **state)
{
	static const struct {
		unsigned free_after; // naps, 0: never
		int rc;
	} facts[] = {{1, 0}, {7, 0}, {0, -EADDRINUSE}};
	static struct config config;
	struct parse_error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		naps = 0;
		naps_until_free = facts[i].free_after;
		carrier_send(bound(&config));
		assert_int_equal(addresses_check(&config, &error), facts[i].rc);
		if (facts[i].free_after) {
			assert_int_equal(naps, facts[i].free_after);
			continue;
		}
		assert_non_null(strstr(error.text, "is in use by a process of another user"));
		close(carrier[0]);
		close(carrier[1]);
	}
}

static void does_not_wait_for_others(void **state)
{
	static struct config config;
	struct parse_error error;
	int fd = bound(&config);

	(void)state;
	naps = 0;
	assert_int_equal(addresses_check(&config, &error), -EADDRINUSE);
	assert_int_equal(naps, 0);
	assert_non_null(strstr(error.text, "(test_cli_start): stop that one"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_for_who_ends),
	    cmocka_unit_test(does_not_wait_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
