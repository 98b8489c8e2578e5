// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/exit_status.h"
#include "cli/supervise.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Supervises fake daemons (fake_daemon.c) in a process of its own; they write what they do into a
// journal.

static char folder[FOLDER_MAX], journal[96], notify_path[96], said[96], vmstat[96];
static bool aged; // children count as started long ago once they serve

static void note(const char *what)
{
	int fd = open(journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%s\n", what) < 0)
		_exit(99);
	close(fd);
}

static void serving(void *context)
{
	struct supervisor *s = context;

	for (int i = 0; i < CHILD_COUNT && aged; i++)
		s->children[i].started_ns -= 2 * START_PATIENCE_MS * NS_PER_MS;
	note("up serving");
}

static void reload(void *context)
{
	(void)context;
	note("up reload");
}

// In the new process.
static int run_supervisor(const char *dp_mode, const char *cp_mode)
{
	char *dp[] = {(char *)FAKE, journal, (char *)"dp", (char *)dp_mode, NULL};
	char *cp[] = {(char *)FAKE, journal, (char *)"cp", (char *)cp_mode, NULL};
	int exec_fd = open(FAKE, O_PATH | O_CLOEXEC);
	struct supervisor s = {
	    .serving = serving, .reload = reload, .context = &s, .vmstat = vmstat};
	int status;

	s.children[CHILD_DP] =
	    (struct child){.name = "dp", .exec_fd = exec_fd, .argv = dp, .memory = -1};
	s.children[CHILD_CP] =
	    (struct child){.name = "cp", .exec_fd = exec_fd, .argv = cp, .memory = -1};
	supervisor_block_signals();
	if (supervisor_open(&s, notify_path))
		return 98;
	status = supervise(&s);
	if (s.children[CHILD_DP].short_runs)
		note("dp short run");
	return status;
}

static pid_t start(const char *dp_mode, const char *cp_mode)
{
	pid_t pid;

	unlink(journal);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(open(said, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
		_exit(run_supervisor(dp_mode, cp_mode));
	}
	return pid;
}

static const char *read_text(const char *path)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	return text;
}

static const char *read_journal(void)
{
	return read_text(journal);
}

static int count(const char *what)
{
	int found = 0;

	for (const char *at = read_journal(); (at = strstr(at, what)); at++)
		found++;
	return found;
}

// Waits until the journal holds `what` so many times; slow machines get half a minute.
static void await(const char *what, int times)
{
	for (int i = 0; i < 3000 && count(what) < times; i++)
		usleep(10000);
	assert_true(count(what) >= times);
}

static int await_exit(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void starts_and_stops_in_order(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid = start("serve", "serve");

		await("up serving", 1);
		kill(pid, signals[i]);
		assert_int_equal(await_exit(pid), EXIT_OK);
		assert_string_equal(
		    read_journal(), "dp start\ncp start\nup serving\ncp end\ndp end\n");
		assert_int_equal(access(notify_path, F_OK), -1);
	}
}

static void reloads(void **state)
{
	pid_t pid = start("serve", "serve");

	(void)state;
	await("up serving", 1);
	kill(pid, SIGHUP);
	await("up reload", 1);
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
}

static void stops_while_starting(void **state)
{
	pid_t pid = start("mute", "serve");

	(void)state;
	await("dp start", 1);
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
	assert_int_equal(count("cp start"), 0);
}

static void a_second_signal_kills(void **state)
{
	pid_t pid = start("deaf", "serve");

	(void)state;
	await("up serving", 1);
	kill(pid, SIGTERM);
	await("cp end", 1);
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
}

static void gives_up(void **state)
{
	static const struct {
		const char *dp, *cp, *counted;
		int starts, status;
	} facts[] = {
	    {"fail", "serve", "dp start", START_FAILURES_MAX, EXIT_FAILED},
	    {"usage", "serve", "dp start", 1, EXIT_USAGE},
	    {"serve", "usage", "cp start", 1, EXIT_USAGE},
	    {"serve", "other", "cp start", START_FAILURES_MAX, EXIT_FAILED},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		pid_t pid = start(facts[i].dp, facts[i].cp);

		assert_int_equal(await_exit(pid), facts[i].status);
		assert_int_equal(count(facts[i].counted), facts[i].starts);
		assert_int_equal(count("up serving"), 0);
	}
}

// Sends `number` to the youngest child of `parent` whose argument is `name`.
static void kill_child(pid_t parent, const char *name, int number)
{
	char command[256];

	snprintf(command, sizeof(command),
	    "for p in $(cat /proc/%d/task/%d/children); do "
	    "tr '\\0' ' ' < /proc/$p/cmdline | grep -q ' %s ' && kill -%d $p; done; true",
	    (int)parent, (int)parent, name, number);
	assert_int_equal(WEXITSTATUS(system(command)), 0);
}

static void memory_outlives_a_crash(void **state)
{
	pid_t pid = start("store", "serve");

	(void)state;
	await("up serving", 1);
	kill_child(pid, "dp", SIGKILL);
	await("dp run 2", 1);
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
	assert_int_equal(count("dp start"), 2);
	assert_int_equal(count("cp start"), 1);
	assert_int_equal(count("up serving"), 1);
}

// Of the whole machine, since it started.
static void kernel_kills(unsigned kills)
{
	FILE *file = fopen(vmstat, "w");

	assert_non_null(file);
	fprintf(file, "oom_kill_other 99\noom_kill %u\nlast 1\n", kills);
	assert_int_equal(fclose(file), 0);
}

// Killed by somebody, by the kernel, and by somebody again.
static void a_lack_of_memory_is_told(void **state)
{
	static const struct {
		unsigned kills;
		bool told;
	} facts[] = {{7, false}, {8, true}, {8, false}};
	pid_t pid;

	(void)state;
	kernel_kills(7);
	pid = start("serve", "serve");
	await("up serving", 1);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		assert_int_equal(truncate(said, 0), 0);
		kernel_kills(facts[i].kills);
		kill_child(pid, "dp", SIGKILL);
		await("dp start", (int)i + 2);
		assert_non_null(strstr(read_text(said), "killed by signal 9 (Killed)"));
		assert_int_equal(
		    strstr(read_text(said), "lower nodes.capacity") != NULL, facts[i].told);
	}
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
}

// The patience with a new start counts from that start.
static void an_old_child_is_started_again_once(void **state)
{
	pid_t pid;

	(void)state;
	aged = true;
	pid = start("serve", "serve");
	aged = false;
	await("up serving", 1);
	kill_child(pid, "dp", SIGKILL);
	await("dp start", 2);
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
	assert_int_equal(count("dp start"), 2);
	assert_int_equal(count("dp short run"), 0);
}

// The programs were replaced below us: one of before cannot go on with one of after.
static void both_are_renewed(void **state)
{
	pid_t pid = start("serve", "late");

	(void)state;
	await("up serving", 1);
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
	assert_int_equal(count("dp start"), 2);
	assert_int_equal(count("cp start"), 2);
}

static void a_poisoned_memory_is_thrown_away(void **state)
{
	pid_t pid = start("poison", "serve");

	(void)state;
	await("dp run 1", 2); // a second one only without the first one's memory
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid), EXIT_OK);
}

static void children_end_with_us(void **state)
{
	pid_t pid = start("serve", "serve");
	int status;

	(void)state;
	await("up serving", 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	await("dp end", 1);
	await("cp end", 1);
}

static void delays(void **state)
{
	static const uint64_t facts[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++)
		assert_int_equal(backoff_after(i), facts[i] * 1000000);
	assert_int_equal(backoff_after(1000000), 5000000000ULL);
}

static int make_folder(void **state)
{
	(void)state;
	folder_make(folder);
	snprintf(journal, sizeof(journal), "%s/journal", folder);
	snprintf(notify_path, sizeof(notify_path), "%s/notify.sock", folder);
	snprintf(said, sizeof(said), "%s/said", folder);
	snprintf(vmstat, sizeof(vmstat), "%s/vmstat", folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_and_stops_in_order),
	    cmocka_unit_test(reloads),
	    cmocka_unit_test(stops_while_starting),
	    cmocka_unit_test(a_second_signal_kills),
	    cmocka_unit_test(gives_up),
	    cmocka_unit_test(memory_outlives_a_crash),
	    cmocka_unit_test(a_lack_of_memory_is_told),
	    cmocka_unit_test(an_old_child_is_started_again_once),
	    cmocka_unit_test(both_are_renewed),
	    cmocka_unit_test(a_poisoned_memory_is_thrown_away),
	    cmocka_unit_test(children_end_with_us),
	    cmocka_unit_test(delays),
	};
	return cmocka_run_group_tests(tests, make_folder, NULL);
}
