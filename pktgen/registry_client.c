// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/registry_client.h"

#include "base/clock.h"
#include "base/random.h"
#include "wire/bytes.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WINDOW_MAX = 64,
	INPUT_MAX = 65536,
	OUTPUT_MAX = WINDOW_MAX * 512,
	PATIENCE_MS = 30000,
	EVENTS = 256,
	MIX_MINUTES = 4,
	MIX_STEPS = 3, // heartbeat, poll, look-up; then each peer's resolve, cached for a minute
};

struct open_request {
	uint64_t sent_ns;
	uint32_t node;
};

struct crowd_link {
	int fd;
	uint32_t first, count; // nodes of this connection
	uint64_t next;	       // requests of this phase so far
	struct open_request window[WINDOW_MAX];
	uint32_t head, open; // answers come in order
	uint8_t *in, *out;
	size_t in_len, out_len;
};

struct turn {
	struct load *c;
	struct crowd_link *l;
	enum phase phase;
	struct phase_result *result;
	uint64_t sent; // requests
	uint32_t next_link;
	bool paced;
	bool ended; // nothing more to send
};

const char *phase_name(enum phase phase)
{
	static const char *const names[] = {"register", "first", "publish", "heartbeat", "poll",
	    "lookup", "resolve", "again", "mix"};

	return names[phase];
}

// Requests of a node in a phase; 0: until the time is over.
static uint32_t rounds_of(const struct load *c, enum phase phase)
{
	static const uint32_t rounds[PHASE_COUNT] = {
	    [PHASE_REGISTER] = 1, [PHASE_FIRST] = 2, [PHASE_PUBLISH] = 1};

	if (phase == PHASE_MIX)
		return MIX_MINUTES * (MIX_STEPS + c->crowd.peers);
	return phase == PHASE_RESOLVE ? c->crowd.peers : rounds[phase];
}

static size_t write_request(struct turn *t, uint32_t node, uint32_t round, char *out)
{
	static const enum request requests[PHASE_COUNT] = {
	    [PHASE_REGISTER] = REQUEST_REGISTER,
	    [PHASE_PUBLISH] = REQUEST_PUBLISH,
	    [PHASE_HEARTBEAT] = REQUEST_HEARTBEAT,
	    [PHASE_POLL] = REQUEST_POLL,
	    [PHASE_LOOKUP] = REQUEST_LOOKUP,
	    [PHASE_RESOLVE] = REQUEST_RESOLVE,
	    [PHASE_AGAIN] = REQUEST_RESOLVE,
	};
	static const enum request mix[MIX_STEPS] = {
	    REQUEST_HEARTBEAT, REQUEST_POLL, REQUEST_LOOKUP};
	enum request what = requests[t->phase];
	// NOLINTNEXTLINE(clang-analyzer-core.DivideZero): options are at least 1
	uint32_t peers = t->c->crowd.peers, which = round % peers,
		 step = round % (MIX_STEPS + peers);

	if (t->phase == PHASE_FIRST)
		what = round ? REQUEST_POLL : REQUEST_HEARTBEAT;
	if (t->phase == PHASE_MIX) {
		what = step < MIX_STEPS ? mix[step] : REQUEST_RESOLVE;
		which = peers + step - MIX_STEPS;
	}
	if (what == REQUEST_LOOKUP)
		which = (uint32_t)(random_next(&t->c->random) >> 32);
	return crowd_request(&t->c->crowd, node, what, which, out);
}

// One more request into the connection's output. False: its window is full, or all are sent.
static bool request_add(struct turn *t)
{
	struct crowd_link *l = t->l;
	uint32_t rounds = rounds_of(t->c, t->phase), round, node;
	size_t len;

	if (t->ended || !l->count || l->open >= t->c->window ||
	    l->out_len + REQUEST_MAX + 4 >= OUTPUT_MAX)
		return false;
	round = (uint32_t)(l->next / l->count);
	if (rounds && round == rounds)
		return false;
	node = l->first + (uint32_t)(l->next++ % l->count);
	len = write_request(t, node, round, (char *)l->out + l->out_len + 4);
	store_be32(l->out + l->out_len, (uint32_t)len);
	l->out_len += len + 4;
	l->window[(l->head + l->open) % WINDOW_MAX] = (struct open_request){clock_mono_ns(), node};
	l->open++;
	t->sent++;
	return true;
}

static void send_output(struct crowd_link *l)
{
	ssize_t n = l->out_len ? send(l->fd, l->out, l->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n > 0) {
		l->out_len -= (size_t)n;
		memmove(l->out, l->out + n, l->out_len);
	}
}

// Keeps the window full.
static void send_more(struct turn *t)
{
	while (!t->paced && request_add(t))
		;
	send_output(t->l);
}

// One from each connection in turn, as many as are due. What full windows keep back is left out.
static void send_due(struct turn *t, uint64_t ns)
{
	uint64_t due = ns / 1000 * t->c->rate / 1000000;

	for (uint32_t tries = 0; t->sent < due && tries < t->c->connections; tries++) {
		t->l = &t->c->link[t->next_link++ % t->c->connections];
		if (request_add(t))
			send_output(t->l);
	}
	t->sent = due;
}

static int take_answer(struct turn *t, const char *json, size_t len)
{
	static const char error[] = "\"type\":\"error\"";
	struct open_request *r = &t->l->window[t->l->head];
	const char *id;

	if (!t->l->open)
		return -EBADMSG;
	histogram_add(&t->result->latency, clock_mono_ns() - r->sent_ns, 1);
	t->l->head = (t->l->head + 1) % WINDOW_MAX;
	t->l->open--;
	t->result->answers++;
	if (memmem(json, len, error, sizeof(error) - 1)) {
		t->result->refused++;
		return t->phase <= PHASE_PUBLISH ? -EBADMSG : 0;
	}
	if (t->phase == PHASE_REGISTER) {
		id = memmem(json, len, "\"node_id\":", 10);
		t->c->crowd.id[r->node] = id ? (uint32_t)strtoul(id + 10, NULL, 10) : 0;
	}
	return 0;
}

static int receive(struct turn *t)
{
	struct crowd_link *l = t->l;
	ssize_t n = recv(l->fd, l->in + l->in_len, INPUT_MAX - l->in_len, MSG_DONTWAIT);
	size_t used = 0;

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -ECONNRESET;
	l->in_len += (size_t)n;
	while (l->in_len - used >= 4) {
		uint32_t len = load_be32(l->in + used);
		int rc;

		if (len > INPUT_MAX - 4)
			return -EBADMSG;
		if (l->in_len - used < len + 4)
			break;
		rc = take_answer(t, (const char *)l->in + used + 4, len);
		if (rc)
			return rc;
		used += len + 4;
	}
	l->in_len -= used;
	memmove(l->in, l->in + used, l->in_len);
	return 0;
}

int load_run(struct load *c, enum phase phase, struct phase_result *result)
{
	uint64_t want = (uint64_t)c->crowd.nodes * rounds_of(c, phase), start, end;
	struct turn t = {
	    .c = c, .phase = phase, .result = result, .paced = c->rate && phase >= PHASE_HEARTBEAT};
	struct epoll_event events[EVENTS];
	int rc;

	memset(result, 0, sizeof(*result));
	start = clock_mono_ns();
	end = start + c->seconds * NS_PER_S;
	for (uint32_t i = 0; i < c->connections; i++) {
		t.l = &c->link[i];
		// everybody is somewhere else in its minute
		t.l->next = t.paced && phase == PHASE_MIX
				? i % (MIX_STEPS + c->crowd.peers) * t.l->count
				: 0;
		send_more(&t);
	}
	for (;;) {
		uint64_t open = 0;
		bool waits = t.paced && !t.ended;
		int n = epoll_wait(c->epoll, events, EVENTS, waits ? 1 : PATIENCE_MS);

		if (n == 0 && !waits)
			return -ETIMEDOUT;
		t.ended = (!want || t.paced) && clock_mono_ns() >= end;
		for (int i = 0; i < n; i++) {
			t.l = events[i].data.ptr;
			rc = receive(&t);
			if (rc)
				return rc;
			send_more(&t);
		}
		if (t.paced)
			send_due(&t, clock_mono_ns() - start);
		for (uint32_t i = 0; t.ended && i < c->connections; i++)
			open += c->link[i].open;
		if (t.ended ? !open : want && result->answers == want)
			break;
	}
	result->seconds = (double)(clock_mono_ns() - start) / 1e9;
	return 0;
}

int load_socket(const struct endpoint *target, uint32_t number)
{
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(target, &to);
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / 10000);
	if (endpoint_is_v4(target) && endpoint_is_loopback(target) &&
	    bind(fd, (struct sockaddr *)&from, sizeof(from)))
		goto fail;
	if (connect(fd, (struct sockaddr *)&to, len) == 0)
		return fd;
fail:
	rc = -errno;
	close(fd);
	return rc;
}

int load_open(struct load *c)
{
	uint64_t nodes = c->crowd.nodes;
	int rc = crowd_derive(&c->crowd);

	if (rc)
		return rc;
	if (c->connections > nodes)
		c->connections = (uint32_t)nodes;
	if (c->window > WINDOW_MAX)
		c->window = WINDOW_MAX;
	c->random = c->crowd.seed;
	c->link = calloc(c->connections, sizeof(*c->link));
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return -errno;
	if (!c->link)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->connections; i++) {
		struct crowd_link *l = &c->link[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};

		l->first = (uint32_t)(i * nodes / c->connections);
		l->count = (uint32_t)((i + 1) * nodes / c->connections) - l->first;
		l->in = malloc(INPUT_MAX);
		l->out = malloc(OUTPUT_MAX);
		l->fd = load_socket(&c->to, i);
		if (l->fd < 0)
			return l->fd;
		if (!l->in || !l->out)
			return -ENOMEM;
		if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, l->fd, &event))
			return -errno;
	}
	return 0;
}

void load_close(struct load *c)
{
	for (uint32_t i = 0; i < c->connections; i++) {
		close(c->link[i].fd);
		free(c->link[i].in);
		free(c->link[i].out);
	}
	close(c->epoll);
	free(c->link);
	crowd_forget(&c->crowd);
}
