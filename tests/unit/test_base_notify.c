// SPDX-License-Identifier: BSD-3-Clause
#include "base/notify.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static void messages(void **state)
{
	static const struct {
		const char *text;
		bool ready, stopping, store, remove;
		const char *status, *fd_name;
	} facts[] = {
	    {"READY=1", true, false, false, false, "", ""},
	    {"READY=1\n", true, false, false, false, "", ""},
	    {"READY=1\nSTATUS=serving 3 = all", true, false, false, false, "serving 3 = all", ""},
	    {"STOPPING=1\nSTATUS=bye\n", false, true, false, false, "bye", ""},
	    {"FDSTORE=1\nFDNAME=shm", false, false, true, false, "", "shm"},
	    {"FDSTOREREMOVE=1\nFDNAME=shm\n", false, false, false, true, "", "shm"},
	    {"READY=10", false, false, false, false, "", ""},
	    {"XREADY=1", false, false, false, false, "", ""},
	    {"STATUS=", false, false, false, false, "", ""},
	    {"\n\n", false, false, false, false, "", ""},
	    {"", false, false, false, false, "", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct notify_message m = {.fd = -1};
		uint8_t *text = exact_copy(facts[i].text, strlen(facts[i].text));

		notify_parse((const char *)text, strlen(facts[i].text), &m);
		free(text);
		assert_int_equal(m.ready, facts[i].ready);
		assert_int_equal(m.stopping, facts[i].stopping);
		assert_int_equal(m.store, facts[i].store);
		assert_int_equal(m.remove, facts[i].remove);
		assert_string_equal(m.status, facts[i].status);
		assert_string_equal(m.fd_name, facts[i].fd_name);
	}
}

static void long_values_are_cut(void **state)
{
	char text[1024] = "STATUS=";
	struct notify_message m = {.fd = -1};

	(void)state;
	memset(text + 7, 'x', sizeof(text) - 7);
	notify_parse(text, sizeof(text), &m);
	assert_int_equal(strlen(m.status), NOTIFY_TEXT_MAX - 1);
}

static void client_and_server(void **state)
{
	int server = notify_server_open(path), memory = memfd_create("x", MFD_CLOEXEC);
	struct notify_message m;
	struct stat info;
	char text[8] = "";

	(void)state;
	assert_true(server >= 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	setenv("NOTIFY_SOCKET", path, 1);
	assert_int_equal(notify_open(), 0);
	assert_int_equal(notify_server_receive(server, &m), -EAGAIN);

	assert_int_equal(notify_ready("serving"), 0);
	assert_int_equal(notify_server_receive(server, &m), 0);
	assert_true(m.ready);
	assert_int_equal(m.pid, getpid());
	assert_int_equal(m.fd, -1);
	assert_string_equal(m.status, "serving");

	assert_int_equal(write(memory, "hello", 5), 5);
	assert_int_equal(notify_store_fd(memory, "shm"), 0);
	close(memory);
	assert_int_equal(notify_server_receive(server, &m), 0);
	assert_true(m.store && m.fd >= 0);
	assert_string_equal(m.fd_name, "shm");
	assert_true(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(pread(m.fd, text, 5, 0), 5);
	assert_string_equal(text, "hello");
	close(m.fd);

	assert_int_equal(notify_stopping("bye"), 0);
	assert_int_equal(notify_server_receive(server, &m), 0);
	assert_true(m.stopping);
	notify_close();
	close(server);
	unlink(path);
}

static void without_supervisor_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_open(), 0);
	assert_int_equal(notify_ready("serving"), 0);
	assert_int_equal(notify_store_fd(0, "shm"), 0);
}

static void bad_addresses(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_open(), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	assert_int_equal(notify_open(), -ENOENT);
	unsetenv("NOTIFY_SOCKET");
}

static void passed_descriptors(void **state)
{
	static const struct {
		const char *fds, *names, *name;
		int fd;
	} facts[] = {
	    {"1", "shm", "shm", 3},
	    {"2", "other:shm", "shm", 4},
	    {"1", "other:shm", "shm", -ENOENT},
	    {"1", "shmx", "shm", -ENOENT},
	    {"1", "", "shm", -ENOENT},
	    {"x", "shm", "shm", -ENOENT},
	};
	char pid[16];

	(void)state;
	assert_true(dup2(STDERR_FILENO, 3) == 3 && dup2(STDERR_FILENO, 4) == 4);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", facts[i].fds, 1);
		setenv("LISTEN_FDNAMES", facts[i].names, 1);
		assert_int_equal(notify_listen_fd(facts[i].name), facts[i].fd);
		setenv("LISTEN_PID", "1", 1); // meant for another process
		assert_int_equal(notify_listen_fd(facts[i].name), -ENOENT);
	}
	close(3);
	close(4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages),
	    cmocka_unit_test(long_values_are_cut),
	    cmocka_unit_test(client_and_server),
	    cmocka_unit_test(without_supervisor_nothing_happens),
	    cmocka_unit_test(bad_addresses),
	    cmocka_unit_test(passed_descriptors),
	};
	char folder[FOLDER_MAX];

	folder_make(folder);
	snprintf(path, sizeof(path), "%s/notify.sock", folder);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
