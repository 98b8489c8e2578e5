// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/registry_storm.h"

#include "base/clock.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, ANSWER_MAX = 1024, FILES_BESIDE = 600, PATIENCE_S = 30 };

static const enum request steps[] = {REQUEST_REGISTER, REQUEST_HEARTBEAT, REQUEST_POLL};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

struct visitor {
	int fd; // -1: none
	uint32_t node, step;
	uint64_t turn_ns;
	size_t len;
	uint8_t in[ANSWER_MAX];
};

struct storm {
	const struct load *c;
	struct storm_result *result;
	struct visitor *visitors;
	int epoll;
};

// The visitor's connection broke, or never came about; if that was after its last answer, it
// counted as done until now.
static void fail(struct storm *s, struct visitor *v)
{
	s->result->done -= v->step == STEPS;
	s->result->failed++;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

static void ask(struct storm *s, struct visitor *v)
{
	uint8_t out[4 + REQUEST_MAX];
	size_t len = crowd_request(&s->c->crowd, v->node, steps[v->step], 0, (char *)out + 4);

	store_be32(out, (uint32_t)len);
	if (send(v->fd, out, len + 4, MSG_NOSIGNAL) != (ssize_t)len + 4)
		fail(s, v);
}

static void arrive(struct storm *s, uint32_t node)
{
	struct visitor *v = &s->visitors[node % s->result->open];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};

	if (v->fd >= 0 && v->step < STEPS)
		fail(s, v);
	else if (v->fd >= 0)
		close(v->fd);
	*v = (struct visitor){
	    .fd = load_socket(&s->c->to, node), .node = node, .turn_ns = clock_mono_ns()};
	if (v->fd < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, v->fd, &event))
		fail(s, v);
	else
		ask(s, v);
}

static void hear(struct storm *s, struct visitor *v)
{
	static const char error[] = "\"type\":\"error\"";
	ssize_t n = recv(v->fd, v->in + v->len, sizeof(v->in) - v->len, MSG_DONTWAIT);
	size_t want;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || v->step == STEPS) {
		fail(s, v);
		return;
	}
	v->len += (size_t)n;
	want = v->len < 4 ? sizeof(v->in) : 4 + (size_t)load_be32(v->in);
	if (v->len < want && want <= sizeof(v->in))
		return;
	if (v->len != want || memmem(v->in, v->len, error, sizeof(error) - 1)) {
		fail(s, v);
		return;
	}
	v->len = 0;
	if (++v->step < STEPS) {
		ask(s, v);
		return;
	}
	s->result->done++;
	histogram_add(&s->result->latency, clock_mono_ns() - v->turn_ns, 1);
}

static int serve(struct storm *s, uint32_t nodes, uint32_t seconds)
{
	uint64_t start = clock_mono_ns(), now = start, heard = start;
	struct epoll_event events[EVENTS];
	uint32_t next = 0;

	while (s->result->done + s->result->failed < nodes) {
		int n = epoll_wait(s->epoll, events, EVENTS, next < nodes ? 1 : 100);

		for (int i = 0; i < n; i++)
			hear(s, events[i].data.ptr);
		now = clock_mono_ns();
		if (n > 0)
			heard = now;
		else if (now - heard > PATIENCE_S * NS_PER_S)
			return -ETIMEDOUT;
		while (next < nodes &&
		       (now - start) / 1000 * nodes >= (uint64_t)next * seconds * 1000000)
			arrive(s, next++);
	}
	s->result->seconds = (double)(now - start) / 1e9;
	return 0;
}

int storm_run(struct load *c, uint32_t seconds, struct storm_result *result)
{
	struct storm s = {.c = c, .result = result};
	struct rlimit limit = {.rlim_cur = 1024};
	int rc;

	getrlimit(RLIMIT_NOFILE, &limit);
	*result = (struct storm_result){.open = c->crowd.nodes};
	if (limit.rlim_cur < (rlim_t)c->crowd.nodes + c->connections + FILES_BESIDE)
		result->open = (uint32_t)limit.rlim_cur > c->connections + 2 * FILES_BESIDE
				   ? (uint32_t)limit.rlim_cur - c->connections - FILES_BESIDE
				   : FILES_BESIDE;
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s.epoll < 0)
		return -errno;
	s.visitors = calloc(result->open, sizeof(*s.visitors));
	if (!s.visitors) {
		close(s.epoll);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < result->open; i++)
		s.visitors[i].fd = -1;
	rc = serve(&s, c->crowd.nodes, seconds);
	for (uint32_t i = 0; i < result->open; i++)
		if (s.visitors[i].fd >= 0)
			close(s.visitors[i].fd);
	close(s.epoll);
	free(s.visitors);
	return rc;
}
