// SPDX-License-Identifier: BSD-3-Clause
#include "base/port.h"
#include "base/privilege.h"
#include "base/state.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs `body` in a process of its own and returns how it ended.
static int in_child(int (*body)(void))
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (!pid)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void *try_socket(void *result)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*(int *)result = fd < 0 ? errno : 0;
	return NULL;
}

static int filtered(void)
{
	static const char *const calls[] = {"openat", "no_such_call_anywhere", NULL};
	struct parse_error error;
	int result = -1, fd;

	if (privilege_filter(calls, &error))
		return 1;
	fd = open("/dev/null", O_RDONLY);
	if (fd < 0 || close(fd))
		return 2;
	try_socket(&result);
	if (result != EPERM)
		return 3;
	if (mkdir("/tmp/never", 0700) != -1 || errno != EPERM)
		return 4;
	return 0;
}

static pthread_barrier_t barrier;

static void *wait_then_try(void *result)
{
	pthread_barrier_wait(&barrier);
	return try_socket(result);
}

static int filtered_threads(void)
{
	struct parse_error error;
	pthread_t thread;
	int result = -1;

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&thread, NULL, wait_then_try, &result) || privilege_filter(NULL, &error))
		return 1;
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	return result == EPERM ? 0 : 2;
}

static int traces(void)
{
	struct parse_error error;

	if (privilege_filter(NULL, &error))
		return 1;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	return 2;
}

static void calls_are_filtered(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip(); // the filter is left out under AddressSanitizer
#endif
	assert_int_equal(in_child(filtered), 0);
	assert_int_equal(in_child(filtered_threads), 0);
	assert_int_equal(WTERMSIG(in_child(traces)), SIGSYS);
}

static bool become_nobody(struct privilege_user *user, uint64_t keep)
{
	struct parse_error error;

	return !privilege_find_user("nobody", user, &error) &&
	       !privilege_drop(user, keep, keep, &error);
}

static int drops_all(void)
{
	const gid_t more[] = {4, 20};
	struct privilege_user user;

	if (setgroups(2, more) || !become_nobody(&user, 0))
		return 1;
	if (getgroups(0, NULL) != 0)
		return 5;
	if (getuid() != user.uid || geteuid() != user.uid || getgid() != user.gid)
		return 2;
	if (privilege_missing(CAP_BIT(CAP_NET_RAW)) != CAP_BIT(CAP_NET_RAW))
		return 3;
	return setuid(0) ? 0 : 4;
}

static int keeps_one(void)
{
	const uint64_t keep = CAP_BIT(CAP_NET_BIND_SERVICE);
	struct privilege_user user;
	struct parse_error error;

	if (!become_nobody(&user, keep))
		return 1;
	if (privilege_missing(keep | CAP_BIT(CAP_NET_RAW)) != CAP_BIT(CAP_NET_RAW))
		return 2;
	return privilege_park(&error) ? 3 : 0;
}

static void root_is_left(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(in_child(drops_all), 0);
	assert_int_equal(in_child(keeps_one), 0);
}

static void users(void **state)
{
	struct privilege_user user;
	struct parse_error error;

	(void)state;
	assert_int_equal(privilege_find_user("root", &user, &error), -EINVAL);
	assert_string_equal(error.text,
	    "user \"root\" is root, and nothing serves as root: name another with --user");
	assert_int_equal(privilege_find_user("no-such-user", &user, &error), -ENOENT);
	assert_int_equal(privilege_find_user("nobody", &user, &error), 0);
	assert_string_equal(user.name, "nobody");
}

// Root of a container that may not become anybody.
static int stays_root(void)
{
	struct privilege_user user;
	struct parse_error error;

	if (privilege_find_server("", &user, &error) != 1 || strcmp(user.name, "") == 0)
		return 1;
	if (privilege_drop(NULL, CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_SETGID), 0, &error))
		return 2;
	if (privilege_find_server("", &user, &error) != 0)
		return 3;
	if (privilege_find_server("nobody", &user, &error) != -EPERM)
		return 4;
	return strstr(error.text, "CAP_SETUID") ? 0 : 5;
}

static int is_no_root(void)
{
	struct privilege_user user;
	struct parse_error error;

	if (!become_nobody(&user, 0))
		return 1;
	return privilege_find_server("no-such-user", &user, &error);
}

static void who_serves(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(in_child(stays_root), 0);
	assert_int_equal(in_child(is_no_root), 0);
}

static void names(void **state)
{
	char text[128];

	(void)state;
	privilege_names(text, sizeof(text), CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_BPF));
	assert_string_equal(text, "CAP_NET_RAW, CAP_BPF");
	assert_string_equal(privilege_names(text, sizeof(text), 0), "none");
	privilege_names(text, 10, PRIVILEGE_DP);
	assert_true(strlen(text) < 10);
}

// Root neither writes into nor gives away a file that has a name outside of the directory too.
static void hard_links_are_refused(const char *path, const char *file)
{
	struct privilege_user nobody = {.uid = 65534, .gid = 65534, .name = "nobody"};
	struct parse_error error;
	struct stat info;
	char outside[80];

	snprintf(outside, sizeof(outside), "%s-outside", path);
	assert_int_equal(link(file, outside), 0);
	assert_int_equal(state_lock(path, "lock", &error), -EMLINK);
	assert_non_null(strstr(error.text, "hard link"));
	assert_int_equal(stat(outside, &info), 0);
	assert_true(info.st_size > 0);
	if (geteuid() == 0) {
		assert_int_equal(state_open(path, "", &nobody, "--state", &error), -EMLINK);
		assert_int_equal(stat(outside, &info), 0);
		assert_int_equal(info.st_uid, 0);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	unlink(outside);
}

// What a relay has left in a directory is no hindrance to the next one, whatever its store is
// called.
static void state_files(void **state)
{
	static const struct {
		const char *file, *store; // in the directory
		int rc;
	} facts[] = {
	    {"lock", "", 0},
	    {"registry.db-wal", "", 0},
	    {"own.db", "own.db", 0},
	    {"own.db-wal", "own.db", 0},
	    {"own.db-shm", "own.db", 0},
	    {"own.db-backup", "own.db", 0},
	    {"own.db-lock", "own.db", 0},
	    {"own.db", "", -ENOTEMPTY},
	    {"own.db", "other.db", -ENOTEMPTY},
	    {"own.db-journal", "own.db", 0},
	    {"own.db-backup-journal", "own.db", 0},
	    {"own.db-other", "own.db", -ENOTEMPTY},
	    {"registry.db-journal", "", 0},
	    {"registry.db-backup-journal", "own.db", 0},
	    {"registry.pem.new", "", 0},
	    {"own.db-before-wal", "own.db", 0},
	    {"registry.db-restore", "own.db", 0},
	    {"own.db-new", "own.db", 0},
	    {"registry.db-new-journal", "", 0},
	    {"own.db", "deeper/own.db", -ENOTEMPTY},
	};
	struct privilege_user nobody = {.uid = 65534, .gid = 65534, .name = "nobody"};
	char path[FOLDER_MAX], file[96], store[96];
	struct parse_error error;
	struct stat info;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		folder_make(path);
		snprintf(file, sizeof(file), "%s/%s", path, facts[i].file);
		snprintf(store, sizeof(store), "%s/%s", path, facts[i].store);
		close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		assert_int_equal(state_open(path, store, &nobody, "--state", &error), facts[i].rc);
		assert_int_equal(stat(file, &info), 0);
		assert_int_equal(info.st_uid, facts[i].rc ? 0 : 65534);
	}
}

static void state_directory(void **state)
{
	char folder[FOLDER_MAX], path[64], file[80], expected[256];
	struct parse_error error;
	struct stat info;
	int fd;

	(void)state;
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/state", folder);
	assert_int_equal(state_open(path, "", NULL, "--state", &error), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(state_open(path, "", NULL, "--state", &error), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0755);
	fd = state_lock(path, "lock", &error);
	assert_true(fd >= 0);
	assert_true(state_is_locked(path, "lock"));
	assert_int_equal(state_lock(path, "lock", &error), -EBUSY);
	snprintf(expected, sizeof(expected),
	    "state directory %s is in use by process %d: stop that one, or name another with "
	    "--state",
	    path, (int)getpid());
	assert_string_equal(error.text, expected);
	close(fd);
	assert_false(state_is_locked(path, "lock"));
	assert_false(state_is_locked(path, "dp.lock"));
	snprintf(file, sizeof(file), "%s/own.db", path);
	fd = state_lock_store(file, "--store", &error);
	assert_true(fd >= 0);
	assert_int_equal(state_lock_store(file, "--store", &error), -EBUSY);
	snprintf(expected, sizeof(expected),
	    "registry store %s is in use by process %d: stop that one, or name another with "
	    "--store",
	    file, (int)getpid());
	assert_string_equal(error.text, expected);
	close(fd);
	snprintf(file, sizeof(file), "%s/own.db-lock", path);
	unlink(file);
	fd = state_lock(path, "lock", &error);
	assert_true(fd >= 0);
	close(fd);
	snprintf(file, sizeof(file), "%s/lock", path);
	hard_links_are_refused(path, file);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(state_open(path, "", NULL, "--state", &error), -EACCES);
	}
	assert_int_equal(state_open("/proc/no/such", "", NULL, "--state", &error), -ENOENT);
}

static void a_busy_port_names_its_owner(void **state)
{
	static const struct {
		enum port_kind kind;
		int type;
		const char *option;
	} facts[] = {{PORT_UDP, SOCK_DGRAM, "--listen"}, {PORT_TCP, SOCK_STREAM, "--http-listen"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		union socket_address at = {.v4.sin_family = AF_INET};
		socklen_t len = sizeof(at);
		enum port_kind kind = facts[i].kind;
		const char *option = facts[i].option;
		struct parse_error error;
		char pid[64];
		int one = 1, fd = socket(AF_INET, facts[i].type, 0);

		at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		assert_true(fd >= 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		assert_int_equal(bind(fd, &at.any, socket_address_len(&at)), 0);
		assert_true(kind == PORT_UDP || listen(fd, 1) == 0);
		assert_int_equal(getsockname(fd, &at.any, &len), 0);
		assert_int_equal(port_probe(&at, kind, option, &error), -EADDRINUSE);
		snprintf(pid, sizeof(pid), "is in use by process %d (", (int)getpid());
		assert_non_null(strstr(error.text, pid));
		assert_non_null(strstr(error.text, option));
		close(fd);
		assert_int_equal(port_probe(&at, kind, option, &error), 0);
		inet_pton(AF_INET, "203.0.113.77", &at.v4.sin_addr);
		assert_int_equal(port_probe(&at, kind, option, &error), -EADDRNOTAVAIL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_are_filtered),
	    cmocka_unit_test(root_is_left),
	    cmocka_unit_test(users),
	    cmocka_unit_test(who_serves),
	    cmocka_unit_test(names),
	    cmocka_unit_test(state_files),
	    cmocka_unit_test(state_directory),
	    cmocka_unit_test(a_busy_port_names_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
