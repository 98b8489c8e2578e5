// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

// Descriptors over a connected Unix socket, beside a message (unix(7), SCM_RIGHTS). Thread-safe.

enum { FDS_MAX = 128 };

// Sends one message with count descriptors (0 to FDS_MAX); the caller keeps them. The number of
// bytes sent, or a negative errno. Never raises SIGPIPE.
ssize_t fds_send(int sock, const void *message, size_t len, const int *fds, unsigned count);
// Receives one message; the descriptors are close-on-exec and belong to the caller. *count is the
// size of fds on entry and how many came on return; what does not fit is closed. The number of
// bytes, 0 when the peer closed the connection, or a negative errno (-EMSGSIZE: message longer than
// size, -EMFILE: this process can hold no more descriptors; those that came were closed).
ssize_t fds_receive(int sock, void *message, size_t size, int *fds, unsigned *count);
// Takes over what one SCM_RIGHTS control message carries: appends to the *count descriptors that
// `fds` holds, at most `max`, and closes the others. For those who read control messages
// themselves.
void fds_take(struct cmsghdr *control, int *fds, unsigned *count, unsigned max);
