// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/serve.h"

#include "base/fds.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int server_open(struct server *s, const char *state, uid_t owner, gid_t group)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	mode_t mask;
	int rc;

	s->client_count = 0;
	s->owner = owner;
	snprintf(s->path, sizeof(s->path), "%s/dp.sock", state);
	memcpy(at.sun_path, s->path, sizeof(at.sun_path));
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	unlink(s->path);
	mask = umask(0177);
	rc = bind(s->fd, (struct sockaddr *)&at, sizeof(at)) ? -errno : 0;
	umask(mask);
	if (rc == 0 && geteuid() == 0 && lchown(s->path, owner, group))
		rc = -errno;
	if (rc == 0 && listen(s->fd, SERVE_CLIENTS))
		rc = -errno;
	if (rc) {
		close(s->fd);
		s->fd = -1;
	}
	return rc;
}

void server_accept(struct server *s, unsigned workers, const int *fds, unsigned count)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);
	char text[64];
	int client = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ssize_t rc;
	int len;

	if (client < 0)
		return;
	getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (peer.uid != 0 && peer.uid != s->owner && peer.uid != geteuid()) {
		log_warn("refused a control plane of another user", kv("uid", peer.uid),
		    kv("pid", peer.pid));
		close(client);
		return;
	}
	if (s->client_count == SERVE_CLIENTS) {
		log_warn("too many control planes connected", kv("most", (int)SERVE_CLIENTS));
		close(client);
		return;
	}
	len = snprintf(text, sizeof(text), "{\"version\":1,\"workers\":%u}", workers);
	rc = fds_send(client, text, (size_t)len, fds, count);
	if (rc < 0) {
		log_warn("could not hand over the memory", kv("pid", peer.pid), kv_errno((int)rc));
		close(client);
		return;
	}
	s->clients[s->client_count++] = client;
	log_info("control plane attached", kv("pid", peer.pid));
}

void server_check(struct server *s, unsigned i)
{
	char byte;
	ssize_t n = recv(s->clients[i], &byte, 1, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(s->clients[i]);
	s->clients[i] = s->clients[--s->client_count];
	log_info("control plane left", kv("attached", s->client_count));
}

void server_close(struct server *s)
{
	if (s->fd < 0)
		return;
	while (s->client_count)
		close(s->clients[--s->client_count]);
	unlink(s->path);
	close(s->fd);
	s->fd = -1;
}
