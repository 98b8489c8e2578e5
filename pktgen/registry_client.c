// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/registry_client.h"

#include "crypto/identity.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	SIG_TEXT = 92, // base64 of 64 bytes and a zero
	WINDOW_MAX = 64,
	INPUT_MAX = 65536,
	OUTPUT_MAX = WINDOW_MAX * 512,
	PATIENCE_MS = 30000,
	EVENTS = 256,
};

struct crowd_node {
	uint32_t id;
	char heartbeat[SIG_TEXT], poll[SIG_TEXT]; // daemons send the same bytes each time
};

struct open_request {
	uint64_t sent_ns;
	uint32_t node;
};

struct crowd_link {
	int fd;
	uint32_t first, count, next; // nodes of this connection
	struct open_request window[WINDOW_MAX];
	uint32_t head, open; // answers come in order
	uint8_t *in, *out;
	size_t in_len, out_len;
};

struct turn {
	struct crowd *c;
	struct crowd_link *l;
	enum phase phase;
	struct phase_result *result;
	bool ended; // nothing more to send
};

const char *phase_name(enum phase phase)
{
	static const char *const names[] = {"register", "heartbeat", "poll", "lookup", "resolve"};

	return names[phase];
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void keys_of(const struct crowd *c, uint32_t node, uint8_t *key, uint8_t *secret)
{
	uint8_t seed[IDENTITY_SEED_SIZE] = {0};

	memcpy(seed, &node, sizeof(node));
	memcpy(seed + 8, &c->seed, sizeof(c->seed));
	identity_derive(seed, key, secret);
}

static void sign(const struct crowd *c, uint32_t node, const char *text, char out[SIG_TEXT])
{
	uint8_t key[IDENTITY_KEY_SIZE], secret[IDENTITY_SECRET_SIZE], sig[IDENTITY_SIG_SIZE];

	keys_of(c, node, key, secret);
	identity_sign(secret, text, strlen(text), sig);
	sodium_bin2base64(out, SIG_TEXT, sig, sizeof(sig), sodium_base64_VARIANT_ORIGINAL);
}

static int write_register(const struct crowd *c, uint32_t node, char *out, size_t size)
{
	uint8_t key[IDENTITY_KEY_SIZE], secret[IDENTITY_SECRET_SIZE];
	char text[64];

	keys_of(c, node, key, secret);
	sodium_bin2base64(text, sizeof(text), key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
	return snprintf(out, size,
	    "{\"lan_addrs\":[\"10.1.2.3:4000\"],\"listen_addr\":\"192.0.2.1:%u\",\"owner\":"
	    "\"n%u.%u@example.org\",\"public_key\":\"%s\",\"type\":\"register\",\"version\":"
	    "\"v1.9.0\"}",
	    1024 + node % 60000, c->seed, node, text);
}

static int write_signed(const struct crowd *c, uint32_t node, enum phase phase, char *out)
{
	struct crowd_node *n = &c->node[node];
	const char *type = phase == PHASE_POLL ? "poll_handshakes" : "heartbeat";
	char *sig = phase == PHASE_POLL ? n->poll : n->heartbeat, text[64];

	if (!*sig) {
		snprintf(text, sizeof(text), "%s:%u", type, n->id);
		sign(c, node, text, sig);
	}
	return snprintf(
	    out, 400, "{\"node_id\":%u,\"signature\":\"%s\",\"type\":\"%s\"}", n->id, sig, type);
}

static int write_request(const struct crowd *c, uint32_t node, enum phase phase, char *out)
{
	uint32_t other = c->node[(uint32_t)rand() % c->nodes].id;
	char text[64], sig[SIG_TEXT];

	switch (phase) {
	case PHASE_REGISTER:
		return write_register(c, node, out, 400);
	case PHASE_LOOKUP:
		return snprintf(out, 400, "{\"node_id\":%u,\"type\":\"lookup\"}", other);
	case PHASE_RESOLVE:
		snprintf(text, sizeof(text), "resolve:%u:%u", c->node[node].id, other);
		sign(c, node, text, sig);
		return snprintf(out, 400,
		    "{\"node_id\":%u,\"requester_id\":%u,\"signature\":\"%s\",\"type\":"
		    "\"resolve\"}",
		    other, c->node[node].id, sig);
	default:
		return write_signed(c, node, phase, out);
	}
}

// Keeps the window full. False when the socket takes no more.
static void send_more(struct turn *t)
{
	struct crowd_link *l = t->l;
	ssize_t n;

	while (!t->ended && l->count && l->open < t->c->window && l->out_len + 512 < OUTPUT_MAX) {
		uint32_t node;
		int len;

		if (l->next == l->count && t->phase == PHASE_REGISTER)
			break;
		node = l->first + l->next % l->count;
		len = write_request(t->c, node, t->phase, (char *)l->out + l->out_len + 4);
		store_be32(l->out + l->out_len, (uint32_t)len);
		l->out_len += (size_t)len + 4;
		l->next++;
		l->window[(l->head + l->open) % WINDOW_MAX] = (struct open_request){now_ns(), node};
		l->open++;
	}
	n = l->out_len ? send(l->fd, l->out, l->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (n > 0) {
		l->out_len -= (size_t)n;
		memmove(l->out, l->out + n, l->out_len);
	}
}

static int take_answer(struct turn *t, const char *json, size_t len)
{
	static const char error[] = "\"type\":\"error\"";
	struct open_request *r = &t->l->window[t->l->head];
	const char *id;

	if (!t->l->open)
		return -EBADMSG;
	histogram_add(&t->result->latency, now_ns() - r->sent_ns);
	t->l->head = (t->l->head + 1) % WINDOW_MAX;
	t->l->open--;
	t->result->answers++;
	if (memmem(json, len, error, sizeof(error) - 1)) {
		t->result->refused++;
		return t->phase == PHASE_REGISTER ? -EBADMSG : 0;
	}
	if (t->phase == PHASE_REGISTER) {
		id = memmem(json, len, "\"node_id\":", 10);
		t->c->node[r->node].id = id ? (uint32_t)strtoul(id + 10, NULL, 10) : 0;
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

int crowd_run(struct crowd *c, enum phase phase, struct phase_result *result)
{
	uint64_t start = now_ns(), end = start + c->seconds * 1000000000ULL, want;
	struct turn t = {.c = c, .phase = phase, .result = result};
	struct epoll_event events[EVENTS];

	memset(result, 0, sizeof(*result));
	want = c->nodes;
	for (uint32_t i = 0; i < c->connections; i++) {
		t.l = &c->link[i];
		t.l->next = 0;
		send_more(&t);
	}
	for (;;) {
		uint64_t open = 0;
		int n = epoll_wait(c->epoll, events, EVENTS, PATIENCE_MS);

		if (n == 0)
			return -ETIMEDOUT;
		t.ended = phase != PHASE_REGISTER && now_ns() >= end;
		for (int i = 0; i < n; i++) {
			int rc;

			t.l = events[i].data.ptr;
			rc = receive(&t);
			if (rc)
				return rc;
			send_more(&t);
		}
		for (uint32_t i = 0; t.ended && i < c->connections; i++)
			open += c->link[i].open;
		if (phase == PHASE_REGISTER ? result->answers == want : t.ended && !open)
			break;
	}
	result->seconds = (double)(now_ns() - start) / 1e9;
	return 0;
}

// Sources on loopback: an address has only so many ports.
static int open_socket(const struct crowd *c, uint32_t number)
{
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&c->to, &to);
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / 10000);
	if (endpoint_is_v4(&c->to) && load_be32(c->to.addr + 12) >> 24 == 127 &&
	    bind(fd, (struct sockaddr *)&from, sizeof(from)))
		goto fail;
	if (connect(fd, (struct sockaddr *)&to, len) == 0)
		return fd;
fail:
	on = -errno;
	close(fd);
	return on;
}

int crowd_open(struct crowd *c)
{
	if (c->connections > c->nodes)
		c->connections = c->nodes;
	if (c->window > WINDOW_MAX)
		c->window = WINDOW_MAX;
	c->node = calloc(c->nodes, sizeof(*c->node));
	c->link = calloc(c->connections, sizeof(*c->link));
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!c->node || !c->link || c->epoll < 0 || identity_init())
		return -ENOMEM;
	for (uint32_t i = 0; i < c->connections; i++) {
		struct crowd_link *l = &c->link[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};

		l->first = (uint32_t)((uint64_t)i * c->nodes / c->connections);
		l->count = (uint32_t)((uint64_t)(i + 1) * c->nodes / c->connections) - l->first;
		l->in = malloc(INPUT_MAX);
		l->out = malloc(OUTPUT_MAX);
		l->fd = open_socket(c, i);
		if (l->fd < 0)
			return l->fd;
		if (!l->in || !l->out || epoll_ctl(c->epoll, EPOLL_CTL_ADD, l->fd, &event))
			return -ENOMEM;
	}
	return 0;
}

void crowd_close(struct crowd *c)
{
	for (uint32_t i = 0; i < c->connections; i++) {
		close(c->link[i].fd);
		free(c->link[i].in);
		free(c->link[i].out);
	}
	close(c->epoll);
	free(c->link);
	free(c->node);
}
