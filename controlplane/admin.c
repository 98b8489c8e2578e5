// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/admin.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REQUESTS_AT_ONCE = 8 }; // of one client, before the others' turn

static void on_client_closed(uv_handle_t *handle)
{
	struct admin_client *c = handle->data;

	close(c->fd);
	free(c);
}

static void client_drop(struct admin_client *c)
{
	struct admin_client **at = &c->admin->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->admin->count--;
	c->admin->gone(c->admin->ctx, c);
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
}

// 0 or a negative errno; -EMSGSIZE when it is larger than a message may be.
static int send_json(int fd, const json_t *message)
{
	static char text[ADMIN_MESSAGE_MAX];
	size_t n = json_dumpb(message, text, sizeof(text), JSON_COMPACT | JSON_REAL_PRECISION(12));

	if (n == 0 || n > sizeof(text))
		return -EMSGSIZE;
	return send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static json_t *error_answer(const struct admin_error *e)
{
	json_t *answer = json_pack("{s:b,s:s,s:s}", "ok", 0, "error", e->error, "hint", e->hint);

	if (e->again)
		json_object_set_new(answer, "again", json_true());
	return answer;
}

static json_t *make_answer(struct admin_client *c, const char *text, size_t len)
{
	struct admin *a = c->admin;
	struct admin_error err = {.error = "", .hint = ""};
	json_error_t where;
	json_t *request = json_loadb(text, len, 0, &where), *result;

	if (!json_is_object(request)) {
		snprintf(err.error, sizeof(err.error), "the message is no JSON object: %s",
		    request ? "another type" : where.text);
		json_decref(request);
		snprintf(err.hint, sizeof(err.hint), "send {\"request\":\"status\"}");
		return error_answer(&err);
	}
	result = a->answer(a->ctx, c, request, &err);
	json_decref(request);
	return result ? json_pack("{s:b,s:o}", "ok", 1, "result", result) : error_answer(&err);
}

// Answers one message. False when the client is to be dropped.
static bool answer_one(struct admin_client *c, const char *text, size_t len)
{
	json_t *answer = make_answer(c, text, len);
	int rc = answer ? send_json(c->fd, answer) : -ENOMEM;

	json_decref(answer);
	if (rc == -EMSGSIZE) {
		const struct admin_error err = {
		    .error = "the answer is larger than a message may be (64 KiB)",
		    .hint = "ask for fewer entries with \"limit\""};

		answer = error_answer(&err);
		rc = send_json(c->fd, answer);
		json_decref(answer);
	}
	if (rc < 0)
		log_warn("admin client dropped: it does not read its answers", kv_errno(rc));
	return rc == 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	static char text[ADMIN_MESSAGE_MAX + 1];
	struct admin_client *c = poll->data;

	(void)events;
	for (int i = 0; i < REQUESTS_AT_ONCE; i++) {
		ssize_t n = status < 0 ? 0 : recv(c->fd, text, sizeof(text), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || !answer_one(c, text, (size_t)n)) {
			client_drop(c);
			return;
		}
	}
}

static void refuse_client(int fd)
{
	const struct admin_error err = {.error = "too many admin clients are connected (32)",
	    .hint = "close some: `fairway top` and `fairway trace` hold a connection each"};
	json_t *answer = error_answer(&err);

	log_warn("admin client refused: too many", kv("clients", ADMIN_CLIENT_MAX));
	send_json(fd, answer);
	json_decref(answer);
	close(fd);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct admin *a = poll->data;
	struct admin_client *c;
	int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	c = a->count < ADMIN_CLIENT_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		refuse_client(fd);
		return;
	}
	c->admin = a;
	c->fd = fd;
	c->next = a->clients;
	a->clients = c;
	a->count++;
	uv_poll_init(a->loop, &c->poll, fd);
	c->poll.data = c;
	uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

int admin_bind(struct admin *a, const char *path, uid_t owner, gid_t group)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	mode_t before;
	int rc = 0;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	memcpy(a->path, path, strlen(path) + 1);
	a->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->fd < 0)
		return -errno;
	unlink(path);
	before = umask(0177);
	if (bind(a->fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 || listen(a->fd, 16) != 0)
		rc = -errno;
	umask(before);
	if (rc == 0 && geteuid() == 0 && lchown(path, owner, group) != 0)
		rc = -errno;
	if (rc) {
		close(a->fd);
		a->fd = -1;
	}
	return rc;
}

void admin_start(struct admin *a, uv_loop_t *loop)
{
	a->loop = loop;
	uv_poll_init(loop, &a->poll, a->fd);
	a->poll.data = a;
	uv_poll_start(&a->poll, UV_READABLE, on_connection);
}

void admin_stop(struct admin *a)
{
	while (a->clients)
		client_drop(a->clients);
	if (a->loop)
		uv_close((uv_handle_t *)&a->poll, NULL);
	unlink(a->path);
}

bool admin_send(struct admin_client *c, json_t *message, uint64_t now_ns)
{
	int rc = send_json(c->fd, message);

	json_decref(message);
	if (rc == 0) {
		c->stuck_ns = 0;
		return true;
	}
	c->lost++;
	if (!c->stuck_ns)
		c->stuck_ns = now_ns;
	if (rc != -EAGAIN || now_ns - c->stuck_ns > ADMIN_STUCK_S * NS_PER_S)
		client_drop(c);
	return false;
}
