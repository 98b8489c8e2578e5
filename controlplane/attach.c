// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/attach.h"

#include "base/fds.h"
#include "base/log.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void try_attach(uv_timer_t *timer);

static void retry_later(struct attach *a)
{
	a->failed = true;
	uv_timer_start(&a->retry, try_attach, a->retry_ms, 0);
	a->retry_ms *= 2;
	if (a->retry_ms > ATTACH_RETRY_MAX_MS)
		a->retry_ms = ATTACH_RETRY_MAX_MS;
}

static void attachment_close(struct attachment *at, uint32_t workers)
{
	if (at->memory.kernel)
		kernel_memory_unmap(&at->kernel);
	memory_unmap(&at->memory);
	close(at->wake_fd);
	for (uint32_t i = 0; i < workers; i++)
		close(at->worker_fds[i]);
}

static int connect_dp(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

// Number of workers that the greeting speaks of, or -EBADMSG.
static int greeting_workers(const char *text, size_t len)
{
	json_t *hello = json_loadb(text, len, 0, NULL);
	json_int_t workers = json_integer_value(json_object_get(hello, "workers"));

	json_decref(hello);
	return workers >= 1 && workers <= WORKER_MAX ? (int)workers : -EBADMSG;
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

// Maps the memory, and the XDP program's if there is one; `fds` as in the greeting.
static int map_memories(
    struct attachment *at, const int *fds, unsigned workers, bool kernel, struct memory_error *err)
{
	int rc = memory_map(&at->memory, fds[0], err);

	if (rc)
		return rc;
	if (at->memory.worker_count != workers)
		rc = -EBADMSG;
	else if (kernel)
		rc = kernel_memory_map(&at->kernel, fds + 2 + workers, &at->memory.nodes);
	if (rc) {
		at->memory.fd = -1; // the caller closes it
		memory_unmap(&at->memory);
		return rc;
	}
	if (kernel) {
		at->memory.kernel = &at->kernel;
		at->memory.nodes.kernel = at->kernel.states;
	}
	return 0;
}

// Receives the greeting and maps the memory. Descriptors of failed attempts are closed.
static int receive_memory(int sock, struct attachment *at, struct memory_error *err)
{
	char text[1024];
	int fds[2 + WORKER_MAX + KERNEL_MAP_COUNT];
	unsigned count = 2 + WORKER_MAX + KERNEL_MAP_COUNT, plain;
	ssize_t n = fds_receive(sock, text, sizeof(text), fds, &count);
	int rc;

	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	rc = greeting_workers(text, (size_t)n);
	plain = rc > 0 ? 2 + (unsigned)rc : 0;
	if (rc > 0 && count != plain && count != plain + KERNEL_MAP_COUNT)
		rc = -EBADMSG;
	if (rc > 0)
		rc = map_memories(at, fds, plain - 2, count > plain, err);
	if (rc < 0) {
		close_all(fds, count);
		return rc;
	}
	at->wake_fd = fds[1];
	memcpy(at->worker_fds, fds + 2, (plain - 2) * sizeof(int));
	return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct attach *a = handle->data;

	close(a->sock);
	a->sock = -1;
	if (!a->given_up && !uv_is_closing((uv_handle_t *)&a->retry))
		retry_later(a);
}

static void disconnect(struct attach *a)
{
	if (a->up) {
		a->detached(a->ctx);
		a->up = false;
		attachment_close(&a->at, a->at.memory.worker_count);
	}
	uv_close((uv_handle_t *)&a->poll, on_poll_closed);
}

// The greeting is there.
static void take_greeting(struct attach *a)
{
	struct memory_error err = {.text = ""};
	int rc = receive_memory(a->sock, &a->at, &err);

	if (rc == -EAGAIN || rc == -EINTR)
		return;
	if (rc == 0) {
		a->up = true;
		rc = a->attached(a->ctx);
		if (rc == 0) {
			a->retry_ms = ATTACH_RETRY_MIN_MS;
			return;
		}
		a->up = false;
		attachment_close(&a->at, a->at.memory.worker_count);
	}
	if (rc == -EPROTO) {
		a->given_up = true;
		a->refused(a->ctx, err.text);
	} else {
		log_warn("attaching to the data plane failed",
		    kv("reason", rc == -EMFILE ? "ulimit -n (LimitNOFILE) is too low"
					       : (const char *)err.text),
		    kv_errno(rc));
	}
	disconnect(a);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct attach *a = poll->data;
	ssize_t n;
	char byte;

	(void)events;
	if (!a->up && status == 0) {
		take_greeting(a);
		return;
	}
	// After the greeting the data plane says nothing: readable means that it has gone.
	n = status == 0 ? recv(a->sock, &byte, 1, MSG_DONTWAIT) : 0;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_warn(
	    "data plane gone, waiting for it to come back", kv("socket", (const char *)a->path));
	a->retry_ms = ATTACH_RETRY_MIN_MS;
	disconnect(a);
}

static void try_attach(uv_timer_t *timer)
{
	struct attach *a = timer->data;

	a->sock = connect_dp(a->path);
	if (a->sock < 0) {
		if (a->retry_ms == ATTACH_RETRY_MAX_MS)
			log_warn("no data plane yet", kv("socket", (const char *)a->path),
			    kv_errno(a->sock));
		retry_later(a);
		return;
	}
	uv_poll_init(a->loop, &a->poll, a->sock);
	a->poll.data = a;
	uv_poll_start(&a->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

void attach_start(struct attach *a)
{
	a->sock = -1;
	a->up = a->given_up = a->failed = false;
	uv_update_time(a->loop);
	a->started_ms = uv_now(a->loop);
	a->retry_ms = ATTACH_RETRY_MIN_MS;
	uv_timer_init(a->loop, &a->retry);
	a->retry.data = a;
	uv_timer_start(&a->retry, try_attach, 0, 0);
}

bool attach_is_pending(const struct attach *a)
{
	return !a->up && !a->failed && uv_now(a->loop) - a->started_ms < ATTACH_PATIENCE_MS;
}

void attach_tell_growth(struct attach *a)
{
	// where it has no room for one more, those that are there will do
	send(a->sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void attach_stop(struct attach *a)
{
	uv_close((uv_handle_t *)&a->retry, NULL);
	if (a->sock >= 0 && !uv_is_closing((uv_handle_t *)&a->poll))
		disconnect(a);
}
