// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Runs fairway-dp and fairway-cp for `fairway up`: starts them in order, restarts what crashes,
// keeps the data plane's memory for its next run, stops them in order. One thread, one poll loop.

enum child_kind { CHILD_DP, CHILD_CP, CHILD_COUNT };

enum {
	START_FAILURES_MAX = 5,	   // in a row, then it gives up
	MEMORY_FAILURES_MAX = 2,   // in a row, then the kept memory is thrown away
	STOP_PATIENCE_MS = 5000,   // between SIGTERM and SIGKILL
	START_PATIENCE_MS = 60000, // from start to READY
};

struct child {
	const char *name; // program
	int exec_fd;	  // opened while it could be reached
	char **argv;
	uint64_t caps; // ambient capabilities it gets

	pid_t pid;			   // 0 = not running
	bool ready;			   // since its last start
	bool started_once;		   // was ready at least once
	uint64_t started_ns;		   // CLOCK_MONOTONIC
	uint64_t restart_ns;		   // when to start it again; 0 = not waiting
	uint64_t kill_ns;		   // when SIGKILL follows; 0 = not asked to stop
	unsigned failures;		   // starts in a row that did not become ready
	unsigned short_runs;		   // runs in a row that ended within RUN_GOOD_NS
	uint64_t backoff_ns;		   // the next one
	char status[NOTIFY_TEXT_MAX];	   // its last STATUS
	int memory;			   // descriptor it asked us to keep, -1 = none
	char memory_name[NOTIFY_TEXT_MAX]; // under this name
};

struct supervisor {
	struct child children[CHILD_COUNT];
	const char *notify_path;
	int signals;	       // signalfd
	int notify;	       // server socket
	const char *vmstat;    // NULL: /proc/vmstat
	uint64_t memory_kills; // counted there
	bool stopping;
	bool announced;
	int exit_status;
	// both serve for the first time
	void (*serving)(void *context);
	// SIGHUP
	void (*reload)(void *context);
	void *context;
};

// Blocks the signals that the loop reads and ignores SIGPIPE. Call first of all: a signal that
// arrives before supervise() stops it as soon as it starts.
void supervisor_block_signals(void);
// Returns 0 or a negative errno.
int supervisor_open(struct supervisor *s, const char *notify_path);
// Until both have stopped. Returns the exit status.
int supervise(struct supervisor *s);

// What the child's exit means: "exit status 1", "killed by signal 9 (Killed)".
void describe_exit(char *out, size_t size, int wait_status);
// Delay before start number `failures` + 1: 100 ms, doubled each time, 5 s at most.
uint64_t backoff_after(unsigned failures);
