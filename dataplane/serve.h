// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

// STATE/dp.sock: hands the shared memory and the eventfds to the control plane. A client gets one
// message, {"version":1,"workers":N}, with the descriptors: memory, the control plane's eventfd,
// one eventfd per worker, and with a link that relays in the kernel its maps (enum kernel_map). The
// connection then stays until one side ends. Main thread only.

enum { SERVE_CLIENTS = 16 };

struct server {
	int fd; // listening, -1 = none
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	uid_t owner; // may connect, beside root and who we are
	int clients[SERVE_CLIENTS];
	unsigned client_count;
};

// Replaces what is left at the path. 0 or a negative errno.
int server_open(struct server *s, const char *state, uid_t owner, gid_t group);
// Takes a waiting connection, if there is one, and serves it.
void server_accept(struct server *s, unsigned workers, const int *fds, unsigned count);
// Looks whether client i has gone; it is then removed and the last one takes its place.
void server_check(struct server *s, unsigned i);
void server_close(struct server *s);
