// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// The sd_notify protocol (systemd's sd_notify(3), sd_listen_fds(3)): both programs speak it to
// whoever started them, systemd or `fairway up`; `fairway up` has the server side below.
// All return 0 or a negative errno.

// Client. Connects to $NOTIFY_SOCKET once, so that messages still arrive after the uid changed or
// the file system is out of reach. Without the variable this and all sends succeed and do nothing.
// Call before privilege_drop(). Sends are thread-safe.
int notify_open(void);
void notify_close(void);
int notify_ready(const char *status);
int notify_status(const char *status);
int notify_stopping(const char *status);
// Gives a descriptor to the supervisor, to be had back by `name` after a restart.
int notify_store_fd(int fd, const char *name);
int notify_remove_fd(const char *name);
// The descriptor that the supervisor passed under `name` (LISTEN_PID, LISTEN_FDS,
// LISTEN_FDNAMES), close-on-exec; -ENOENT if there is none.
int notify_listen_fd(const char *name);

// Server.
enum { NOTIFY_TEXT_MAX = 256 };

struct notify_message {
	pid_t pid; // of the sender, from the kernel; 0 if it is not known
	bool ready, stopping;
	bool store;  // keep `fd` under `fd_name`
	bool remove; // forget what is kept under `fd_name`
	int fd;	     // owned by the receiver; -1 = none
	char fd_name[NOTIFY_TEXT_MAX];
	char status[NOTIFY_TEXT_MAX]; // empty if the message carries none
};

// A datagram socket at `path` (replaced if it is there), 0600, non-blocking, close-on-exec.
// Returns the descriptor.
int notify_server_open(const char *path);
// -EAGAIN when there is no message.
int notify_server_receive(int server, struct notify_message *message);
// Fills `message` from the text of a datagram; pid and fd are left alone.
void notify_parse(const char *text, size_t len, struct notify_message *message);
