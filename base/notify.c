// SPDX-License-Identifier: BSD-3-Clause
#include "base/notify.h"

#include "base/fds.h"
#include "base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_FDS_START = 3, LISTEN_FDS_MAX = 64, MESSAGE_MAX = 4096 };

static int client = -1;

static int address_of(const char *path, struct sockaddr_un *at, socklen_t *len)
{
	size_t n = strlen(path);

	if (n < 2 || n >= sizeof(at->sun_path) || (*path != '/' && *path != '@'))
		return -EINVAL;
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(at->sun_path, path, n);
	if (*path == '@')
		at->sun_path[0] = 0;
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

int notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un at;
	socklen_t len;
	int rc, fd;

	if (!path || client >= 0)
		return 0;
	rc = address_of(path, &at, &len);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&at, len)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	client = fd;
	return 0;
}

void notify_close(void)
{
	if (client >= 0)
		close(client);
	client = -1;
}

// `fd` -1: none.
static int send_with_fd(const char *state, int fd)
{
	ssize_t n = 0;

	if (client >= 0)
		n = fds_send(client, state, strlen(state), &fd, fd >= 0);
	return n < 0 ? (int)n : 0;
}

// Lines as "READY=1\nSTATUS=serving".
static int notify_send(const char *state)
{
	return send_with_fd(state, -1);
}

static int send_status(const char *lead, const char *status)
{
	char text[NOTIFY_TEXT_MAX + 32];

	snprintf(text, sizeof(text), "%sSTATUS=%s", lead, status);
	return notify_send(text);
}

int notify_ready(const char *status)
{
	return send_status("READY=1\n", status);
}

int notify_status(const char *status)
{
	return send_status("", status);
}

int notify_stopping(const char *status)
{
	return send_status("STOPPING=1\n", status);
}

int notify_store_fd(int fd, const char *name)
{
	char text[NOTIFY_TEXT_MAX];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	return send_with_fd(text, fd);
}

int notify_remove_fd(const char *name)
{
	char text[NOTIFY_TEXT_MAX];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return notify_send(text);
}

int notify_listen_fd(const char *name)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *at = getenv("LISTEN_FDNAMES");
	uint64_t want_pid, n;
	size_t len = strlen(name);

	if (!pid || !count || !at || parse_uint(pid, 1, INT32_MAX, &want_pid, NULL) ||
	    parse_uint(count, 0, LISTEN_FDS_MAX, &n, NULL))
		return -ENOENT;
	if ((pid_t)want_pid != getpid())
		return -ENOENT;
	for (int i = 0; i < (int)n; i++) {
		const char *end = strchrnul(at, ':');
		int fd = LISTEN_FDS_START + i;

		if ((size_t)(end - at) == len && !memcmp(at, name, len))
			return fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : fd;
		if (!*end)
			break;
		at = end + 1;
	}
	return -ENOENT;
}

int notify_server_open(const char *path)
{
	struct sockaddr_un at;
	socklen_t len;
	mode_t before;
	int one = 1, rc, fd;

	rc = address_of(path, &at, &len);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (*path == '/')
		unlink(path);
	before = umask(0177);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, len))
		rc = -errno;
	umask(before);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static void copy_value(char *to, const char *from, size_t len)
{
	if (len >= NOTIFY_TEXT_MAX)
		len = NOTIFY_TEXT_MAX - 1;
	memcpy(to, from, len);
	to[len] = 0;
}

static bool is_line(const char *line, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(line, text, len);
}

static void parse_line(const char *line, size_t len, struct notify_message *m)
{
	if (is_line(line, len, "READY=1"))
		m->ready = true;
	else if (is_line(line, len, "STOPPING=1"))
		m->stopping = true;
	else if (is_line(line, len, "FDSTORE=1"))
		m->store = true;
	else if (is_line(line, len, "FDSTOREREMOVE=1"))
		m->remove = true;
	else if (len > 7 && !memcmp(line, "FDNAME=", 7))
		copy_value(m->fd_name, line + 7, len - 7);
	else if (len > 7 && !memcmp(line, "STATUS=", 7))
		copy_value(m->status, line + 7, len - 7);
}

void notify_parse(const char *text, size_t len, struct notify_message *message)
{
	const char *end = text + len;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		parse_line(text, (size_t)(stop - text), message);
		text = stop + 1;
	}
}

int notify_server_receive(int server, struct notify_message *message)
{
	char text[MESSAGE_MAX];
	struct iovec part = {.iov_base = text, .iov_len = sizeof(text)};
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	unsigned count = 0;
	ssize_t n = recvmsg(server, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	*message = (struct notify_message){.fd = -1};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			fds_take(c, &message->fd, &count, 1);
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof(who));
			message->pid = who.pid;
		}
	}
	notify_parse(text, (size_t)n, message);
	return 0;
}
