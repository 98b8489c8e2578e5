// SPDX-License-Identifier: BSD-3-Clause
#include "cli/supervise.h"

#include "base/clock.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/state.h"
#include "base/thread_limit.h"
#include "cli/child.h"
#include "cli/memory_kills.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)
#define RUN_GOOD_NS    (10 * NS_PER_S)

static sigset_t our_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	return set;
}

void supervisor_block_signals(void)
{
	sigset_t set = our_signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int supervisor_open(struct supervisor *s, const char *notify_path)
{
	sigset_t set = our_signals();

	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return -errno;
	s->notify_path = notify_path;
	s->vmstat = s->vmstat ? s->vmstat : "/proc/vmstat";
	s->memory_kills = memory_kills(s->vmstat);
	s->notify = notify_server_open(notify_path);
	return s->notify < 0 ? s->notify : 0;
}

uint64_t backoff_after(unsigned failures)
{
	if (failures > 6)
		return BACKOFF_MAX_NS;
	return BACKOFF_MIN_NS << failures < BACKOFF_MAX_NS ? BACKOFF_MIN_NS << failures
							   : BACKOFF_MAX_NS;
}

void describe_exit(char *out, size_t size, int wait_status)
{
	if (WIFSIGNALED(wait_status))
		snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(wait_status),
		    sigdescr_np(WTERMSIG(wait_status)));
	else
		snprintf(out, size, "exit status %d", WEXITSTATUS(wait_status));
}

static void stop(struct supervisor *s, int exit_status)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->exit_status = exit_status;
}

static void start(struct supervisor *s, struct child *c)
{
	int rc = child_start(c, s->notify_path);
	char why[128];

	if (!rc)
		return;
	snprintf(why, sizeof(why), "%s%s", strerrordesc_np(-rc), thread_limit_hint(rc));
	log_error("cannot start program", kv("child", c->name), kv("reason", (const char *)why));
	c->restart_ns = clock_mono_ns() + BACKOFF_MAX_NS;
}

static void forget_memory(struct child *c)
{
	if (c->memory >= 0)
		close(c->memory);
	c->memory = -1;
}

// After an upgrade the programs of before run on; a new control plane may need a new data plane.
static void renew_data_plane(struct supervisor *s, const struct child *cp)
{
	struct child *dp = &s->children[CHILD_DP];

	if (!dp->pid || dp->kill_ns)
		return;
	log_warn("the programs are of two versions, starting both anew", kv("child", cp->name));
	child_stop(dp);
}

// A program that is killed cannot say why.
static void tell_of_memory(struct supervisor *s, const struct child *c, int wait_status)
{
	uint64_t before = s->memory_kills;

	s->memory_kills = memory_kills(s->vmstat);
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL &&
	    s->memory_kills != before)
		log_error("the kernel ran out of memory and killed the program",
		    kv("child", c->name),
		    kv("how", "raise the memory limit (memory.max, MemoryMax), or lower "
			      "nodes.capacity"));
}

// A run has ended on its own: decides when to start again, or gives up.
static void plan_restart(struct supervisor *s, struct child *c, int wait_status)
{
	bool again = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_AGAIN;
	bool good = c->ready && (again || clock_mono_ns() - c->started_ns >= RUN_GOOD_NS);
	bool usage = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_USAGE;
	char how[96];

	describe_exit(how, sizeof(how), wait_status);
	tell_of_memory(s, c, wait_status);
	c->failures = c->ready ? 0 : c->failures + 1;
	c->short_runs = good ? 0 : c->short_runs + 1;
	if (!c->ready && (usage || c->failures >= START_FAILURES_MAX)) {
		log_error(usage ? "program refuses its configuration, giving up"
				: "program does not start, giving up: its last lines say why",
		    kv("child", c->name), kv("exit", how), kv("attempts", c->failures),
		    kv("status", c->status));
		stop(s, usage ? EXIT_USAGE : EXIT_FAILED);
		return;
	}
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_OTHER_BUILD)
		renew_data_plane(s, c);
	if (c->memory >= 0 && c->short_runs > MEMORY_FAILURES_MAX) {
		log_warn("throwing the kept memory away: the program did not last with it",
		    kv("child", c->name), kv("runs", c->short_runs));
		forget_memory(c);
	}
	c->backoff_ns = backoff_after(c->short_runs ? c->short_runs - 1 : 0);
	c->restart_ns = clock_mono_ns() + c->backoff_ns;
	log_warn("program ended, starting it again", kv("child", c->name), kv("exit", how),
	    kv("delay_ms", c->backoff_ns / NS_PER_MS));
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < CHILD_COUNT; i++) {
			struct child *c = &s->children[i];

			if (c->pid != pid)
				continue;
			c->pid = 0;
			c->kill_ns = 0;
			if (!s->stopping)
				plan_restart(s, c, status);
			c->ready = false;
		}
	}
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			reap(s);
		} else if (info.ssi_signo == SIGHUP) {
			if (!s->stopping)
				s->reload(s->context);
		} else if (s->stopping) { // asked twice: no more patience
			for (int i = 0; i < CHILD_COUNT; i++)
				if (s->children[i].pid)
					kill(s->children[i].pid, SIGKILL);
		} else {
			log_info("stopping", kv("signal", sigabbrev_np((int)info.ssi_signo)));
			stop(s, EXIT_OK);
		}
	}
}

static void take_message(struct supervisor *s, struct child *c, const struct notify_message *m)
{
	if (*m->status)
		memcpy(c->status, m->status, sizeof(c->status));
	if (m->remove && !strcmp(m->fd_name, c->memory_name))
		forget_memory(c);
	if (m->store && m->fd >= 0) {
		forget_memory(c);
		c->memory = m->fd;
		memcpy(c->memory_name, m->fd_name, sizeof(c->memory_name));
	} else if (m->fd >= 0) {
		close(m->fd);
	}
	if (m->ready && !c->ready) {
		log_debug("program serves", kv("child", c->name), kv("pid", c->pid),
		    kv("status", c->status));
		c->ready = c->started_once = true;
		c->failures = 0;
	}
	if (!s->announced && s->children[CHILD_DP].ready && s->children[CHILD_CP].ready &&
	    !s->stopping) {
		s->announced = true;
		s->serving(s->context);
	}
}

static void take_messages(struct supervisor *s)
{
	struct notify_message m;

	while (!notify_server_receive(s->notify, &m)) {
		struct child *from = NULL;

		for (int i = 0; i < CHILD_COUNT; i++)
			if (s->children[i].pid && s->children[i].pid == m.pid)
				from = &s->children[i];
		if (from)
			take_message(s, from, &m);
		else if (m.fd >= 0)
			close(m.fd);
	}
}

// Starts, restarts, stops and kills what is due. Returns when it wants to be called again.
static uint64_t push(struct supervisor *s, uint64_t now)
{
	struct child *dp = &s->children[CHILD_DP], *cp = &s->children[CHILD_CP];
	uint64_t next = now + 3600 * NS_PER_S;

	if (s->stopping) {
		child_stop(cp);
		if (!cp->pid)
			child_stop(dp);
	} else if (!cp->started_once && !cp->pid && !cp->restart_ns && dp->ready) {
		start(s, cp);
	}
	for (int i = 0; i < CHILD_COUNT; i++) {
		struct child *c = &s->children[i];
		uint64_t due;

		if (!s->stopping && c->restart_ns && now >= c->restart_ns)
			start(s, c);
		due = c->started_ns + START_PATIENCE_MS * NS_PER_MS;
		if (c->pid && !c->ready && now >= due && !c->kill_ns) {
			log_error("program does not become ready, killing it", kv("child", c->name),
			    kv("status", c->status));
			kill(c->pid, SIGKILL);
			c->started_ns = now;
		}
		if (c->pid && c->kill_ns && now >= c->kill_ns) {
			log_error("program does not stop, killing it", kv("child", c->name));
			kill(c->pid, SIGKILL);
			c->kill_ns = now + STOP_PATIENCE_MS * NS_PER_MS;
		}
		if (c->kill_ns && c->kill_ns < next)
			next = c->kill_ns;
		if (c->restart_ns && c->restart_ns < next)
			next = c->restart_ns;
		if (c->pid && !c->ready && due > now && due < next)
			next = due;
	}
	return next;
}

int supervise(struct supervisor *s)
{
	struct pollfd fds[] = {{s->signals, POLLIN, 0}, {s->notify, POLLIN, 0}};

	take_signals(s);
	if (!s->stopping)
		start(s, &s->children[CHILD_DP]);
	for (;;) {
		uint64_t now = clock_mono_ns(), next = push(s, now);

		if (s->stopping && !s->children[CHILD_DP].pid && !s->children[CHILD_CP].pid)
			break;
		poll(fds, 2, next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0);
		// messages first: what a child said before it died still counts
		take_messages(s);
		take_signals(s);
	}
	unlink(s->notify_path);
	return s->exit_status;
}
