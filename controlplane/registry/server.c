// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/server.h"

#include "base/clock.h"
#include "controlplane/registry/audit.h"
#include "controlplane/registry/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BACKLOG = 4096, TICK_MS = 100, SWEEP_TURNS = 100, FILES_BESIDE = 256 };

struct registry_time server_time(void)
{
	uint32_t now_s = (uint32_t)(clock_mono_ns() / NS_PER_S);

	return (struct registry_time){
	    .now_s = now_s ? now_s : 1, .unix_s = (int64_t)(clock_real_ns() / NS_PER_S)};
}

static void raise_file_limit(uint32_t connections)
{
	struct rlimit limit;
	rlim_t want = connections + FILES_BESIDE;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want;
	if (limit.rlim_max < want)
		limit.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int server_listen(struct server *s, const union socket_address *at, struct parse_error *error)
{
	const int on = 1, off = 0;
	char text[64];
	int rc;

	raise_file_limit(s->connection_max);
	s->fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		goto fail;
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->any.sa_family == AF_INET6)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(s->fd, &at->any, socket_address_len(at)) || listen(s->fd, BACKLOG))
		goto fail;
	return 0;
fail:
	rc = -errno;
	parse_error_set(error, "the registry cannot listen on %s: %s%s", format_address(text, at),
	    strerror(-rc), rc == -EADDRINUSE ? "; choose another --registry-listen" : "");
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return rc;
}

static void on_connection(uv_stream_t *listener, int status)
{
	if (status == 0)
		connection_open(listener->data);
}

// Connections that are silent, that do not read, or that may ask again.
static void look_at(struct connection *c, uint32_t now_s)
{
	bool idle = now_s - c->heard_s >= SERVER_IDLE_S && !c->head && !c->verifying;
	bool stuck = c->stuck_s && now_s - c->stuck_s >= SERVER_STUCK_S;

	if (!idle && !stuck)
		return;
	c->server->registry->count[REGISTRY_SLOW] += stuck || c->in.len;
	connection_close(c);
}

static void sweep(struct server *s, uint32_t now_s)
{
	uint32_t turns = s->count / SWEEP_TURNS + 1;

	while (turns-- && s->connections) {
		struct connection *c = s->sweep ? s->sweep : s->connections;

		s->sweep = c->next;
		look_at(c, now_s);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	struct registry_time t = server_time();

	registry_tick(s->registry, t);
	sweep(s, t.now_s);
	pace_tick(s);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct server *s = prepare->data;

	verify_submit(s);
	store_flush(s->registry->store);
}

static void on_committed(uv_async_t *async)
{
	struct server *s = async->data;
	uint64_t committed = store_committed(s->registry->store);
	struct connection *c, *next;

	// What changed during the commit goes to the thread at once.
	store_flush(s->registry->store);
	for (c = s->waiting; c && c->head->ticket <= committed; c = next) {
		next = c->wait_next;
		connection_flush(c);
		connection_resume(c);
	}
}

// On the store's thread.
static void wake(void *ctx)
{
	struct server *s = ctx;

	uv_async_send(&s->committed);
}

int server_start(struct server *s, uv_loop_t *loop)
{
	int rc;

	s->loop = loop;
	s->jobs_tail = &s->jobs;
	s->waiting_tail = &s->waiting;
	sources_init(&s->sources);
	uv_timer_init(loop, &s->tick);
	uv_prepare_init(loop, &s->prepare);
	uv_async_init(loop, &s->committed, on_committed);
	uv_tcp_init(loop, &s->listener);
	s->tick.data = s->prepare.data = s->committed.data = s->listener.data = s;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	uv_prepare_start(&s->prepare, on_prepare);
	rc = s->registry->store ? store_start(s->registry->store, wake, s) : 0;
	if (!rc)
		rc = uv_tcp_open(&s->listener, s->fd);
	if (!rc)
		rc = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
	return rc;
}

void server_stop(struct server *s)
{
	while (s->connections)
		connection_close(s->connections);
	uv_close((uv_handle_t *)&s->listener, NULL);
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->prepare, NULL);
	verify_submit(s);
	audit_tell(s->registry, server_time().unix_s);
	// The thread may still wake us until the store is closed.
	store_close(s->registry->store);
	s->registry->store = NULL;
	uv_close((uv_handle_t *)&s->committed, NULL);
	sources_free(&s->sources);
	tls_close(s->tls);
	out_free(&s->out);
	request_free(s->spare);
}
