// SPDX-License-Identifier: BSD-3-Clause
#include "cli/child.h"

#include "base/clock.h"
#include "base/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FIRST_PASSED_FD = 3 };

// Descriptor 3 becomes the kept memory, as sd_listen_fds(3) describes.
static int pass_memory(const struct child *child)
{
	char pid[16];

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (child->memory < 0)
		return 0;
	if (child->memory == FIRST_PASSED_FD) {
		if (fcntl(FIRST_PASSED_FD, F_SETFD, 0))
			return -errno;
	} else if (dup2(child->memory, FIRST_PASSED_FD) < 0) {
		return -errno;
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", child->memory_name, 1);
	return 0;
}

// In the new process; returns only on failure, with what failed.
static const char *become_program(const struct child *child, const char *notify_path, pid_t parent)
{
	struct parse_error error;
	sigset_t none;
	int exec_fd, rc;

	if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM, 0L, 0L, 0L))
		return "prctl(PR_SET_PDEATHSIG)";
	if (getppid() != parent) // it died in between
		_exit(1);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setenv("NOTIFY_SOCKET", notify_path, 1);
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return "dup2";
	exec_fd = fcntl(child->exec_fd, F_DUPFD_CLOEXEC, FIRST_PASSED_FD + 1);
	if (exec_fd < 0)
		return "fcntl";
	rc = pass_memory(child);
	if (rc) {
		errno = -rc;
		return "passing the memory";
	}
	rc = privilege_drop(NULL, child->caps, child->caps, &error);
	if (rc) {
		errno = -rc;
		return "giving up capabilities";
	}
	// the path may lie where only root can go
	execve(child->argv[0], child->argv, environ);
	if (errno == EACCES)
		execveat(exec_fd, "", child->argv, environ, AT_EMPTY_PATH);
	return "execve";
}

int child_start(struct child *child, const char *notify_path)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		const char *step = become_program(child, notify_path, parent);

		dprintf(STDERR_FILENO, "cannot start %s: %s: %s\n", child->argv[0], step,
		    strerrordesc_np(errno));
		_exit(126);
	}
	child->pid = pid;
	child->ready = false;
	child->started_ns = clock_mono_ns();
	child->restart_ns = 0;
	child->kill_ns = 0;
	child->status[0] = 0;
	return 0;
}

void child_stop(struct child *child)
{
	child->restart_ns = 0;
	if (!child->pid || child->kill_ns)
		return;
	kill(child->pid, SIGTERM);
	child->kill_ns = clock_mono_ns() + STOP_PATIENCE_MS * NS_PER_MS;
}
