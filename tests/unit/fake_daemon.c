// SPDX-License-Identifier: BSD-3-Clause
#include "base/exit_status.h"
#include "base/notify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A program that speaks to its supervisor and does nothing else.
// usage: fake_daemon JOURNAL NAME MODE; MODE: serve, fail, usage, other (finds a memory of another
// version), late (the same, at its first start), mute (never READY), deaf (ignores SIGTERM), store
// (keeps a memory, counts its runs in it), poison (crashes as long as it is given a memory).

static const char *journal, *self;
static volatile sig_atomic_t ended;

static void note(const char *what)
{
	char line[128];
	int fd = open(journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	int n = snprintf(line, sizeof(line), "%s %s\n", self, what);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(99);
	close(fd);
}

static void on_term(int number)
{
	(void)number;
	ended = 1;
}

// The memory holds one byte: how often it was served from.
static void count_run(void)
{
	int fd = notify_listen_fd("shm");
	char runs = '0', text[16];

	if (fd < 0) {
		fd = memfd_create("shm", MFD_CLOEXEC);
		if (fd < 0 || notify_store_fd(fd, "shm"))
			_exit(98);
	} else if (pread(fd, &runs, 1, 0) != 1) {
		_exit(97);
	}
	runs++;
	if (pwrite(fd, &runs, 1, 0) != 1)
		_exit(96);
	snprintf(text, sizeof(text), "run %c", runs);
	note(text);
}

static int starts(void)
{
	char line[64], mine[64];
	FILE *file = fopen(journal, "re");
	int count = 0;

	snprintf(mine, sizeof(mine), "%s start\n", self);
	while (file && fgets(line, sizeof(line), file))
		count += !strcmp(line, mine);
	if (file)
		fclose(file);
	return count;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_term};
	const char *mode = argc == 4 ? argv[3] : "";
	sigset_t none, term;

	if (argc != 4)
		return 2;
	alarm(300); // a test that failed may have forgotten us
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL); // it arrives while we wait, not before
	journal = argv[1];
	self = argv[2];
	note("start");
	if (!strcmp(mode, "deaf"))
		action.sa_handler = SIG_IGN;
	sigaction(SIGTERM, &action, NULL);
	if (notify_open())
		return 95;
	if (!strcmp(mode, "fail"))
		return 1;
	if (!strcmp(mode, "usage"))
		return 2;
	if (!strcmp(mode, "other") || (!strcmp(mode, "late") && starts() == 1))
		return EXIT_OTHER_BUILD;
	if (!strcmp(mode, "store"))
		count_run();
	if (!strcmp(mode, "poison")) {
		if (notify_listen_fd("shm") >= 0)
			return 1;
		count_run();
		notify_ready("poisoned");
		return 1;
	}
	if (strcmp(mode, "mute") != 0)
		notify_ready("serving");
	sigemptyset(&none);
	while (!ended)
		sigsuspend(&none);
	note("end");
	return 0;
}
