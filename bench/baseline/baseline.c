// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// The reference that Fairway is measured against: a relay as one would plainly write it. One
// socket, batches through recvmmsg and sendmmsg, a hash table from node id to address; Discover
// and Relay of the beacon protocol and nothing else: no checks, no limits, no GRO or GSO.

enum {
	BATCH = 64,
	PAYLOAD_MAX = 65536,
	// An odd number of cache lines, so that the buffers do not share the same cache sets.
	BUFFER_STRIDE = PAYLOAD_MAX + 64,
	SOCKET_BUFFER = 16 << 20,
	DISCOVER = 0x01,
	DISCOVER_REPLY = 0x02,
	RELAY = 0x05,
	RELAY_DELIVER = 0x06,
};

struct node {
	uint32_t id; // 0 = free
	struct sockaddr_in at;
};

static struct node *nodes;
static uint32_t node_mask, node_count;

static struct node *node_slot(uint32_t id)
{
	uint32_t i = id * 0x9e3779b1U;

	for (i ^= i >> 15;; i++) {
		struct node *n = &nodes[i & node_mask];

		if (n->id == id || n->id == 0)
			return n;
	}
}

static void node_learn(uint32_t id, const struct sockaddr_in *at)
{
	struct node *n = node_slot(id);

	if (n->id == 0) {
		if (id == 0 || node_count > node_mask / 4 * 3)
			return;
		n->id = id;
		node_count++;
	}
	n->at = *at;
}

static uint32_t load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return ntohl(v);
}

// Turns what was received into what is sent; 0 = nothing is.
static int message_handle(struct mmsghdr *in, struct msghdr *out)
{
	uint8_t *p = in->msg_hdr.msg_iov->iov_base;
	struct sockaddr_in *from = in->msg_hdr.msg_name;
	size_t len = in->msg_len;
	struct node *n;

	if (len >= 9 && p[0] == RELAY) {
		uint32_t sender = htonl(load_be32(p + 1));

		n = node_slot(load_be32(p + 5));
		if (n->id == 0)
			return 0;
		p[4] = RELAY_DELIVER;
		memcpy(p + 5, &sender, sizeof sender);
		out->msg_name = &n->at;
		*out->msg_iov = (struct iovec){.iov_base = p + 4, .iov_len = len - 4};
		return 1;
	}
	if (len >= 5 && p[0] == DISCOVER) {
		node_learn(load_be32(p + 1), from);
		p[0] = DISCOVER_REPLY;
		p[1] = 4;
		memcpy(p + 2, &from->sin_addr, 4);
		memcpy(p + 6, &from->sin_port, 2);
		out->msg_name = from;
		*out->msg_iov = (struct iovec){.iov_base = p, .iov_len = 8};
		return 1;
	}
	return 0;
}

static void batch_send(int fd, struct mmsghdr *out, unsigned count)
{
	for (unsigned i = 0; i < count;) {
		int sent = sendmmsg(fd, out + i, count - i, 0);

		i += sent > 0 ? (unsigned)sent : 1;
	}
}

static _Noreturn void relay_run(int fd)
{
	static struct mmsghdr in[BATCH], out[BATCH];
	static struct iovec in_iov[BATCH], out_iov[BATCH];
	static struct sockaddr_in from[BATCH];
	uint8_t *buffers = malloc((size_t)BATCH * BUFFER_STRIDE);

	if (!buffers)
		abort();
	for (unsigned i = 0; i < BATCH; i++) {
		in_iov[i].iov_base = buffers + (size_t)i * BUFFER_STRIDE;
		in_iov[i].iov_len = PAYLOAD_MAX;
		in[i].msg_hdr.msg_iov = &in_iov[i];
		in[i].msg_hdr.msg_iovlen = 1;
		in[i].msg_hdr.msg_name = &from[i];
		out[i].msg_hdr.msg_iov = &out_iov[i];
		out[i].msg_hdr.msg_iovlen = 1;
		out[i].msg_hdr.msg_namelen = sizeof from[0];
	}
	for (;;) {
		unsigned sends = 0;
		int got;

		for (unsigned i = 0; i < BATCH; i++)
			in[i].msg_hdr.msg_namelen = sizeof from[0];
		got = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < got; i++)
			sends += (unsigned)message_handle(&in[i], &out[sends].msg_hdr);
		batch_send(fd, out, sends);
	}
}

static int socket_open(const char *address, const char *port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = SOCKET_BUFFER;

	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return bind(fd, (struct sockaddr *)&at, sizeof at) ? -1 : fd;
}

int main(int argc, char **argv)
{
	unsigned long capacity = argc > 3 ? strtoul(argv[3], NULL, 10) : 100000;
	uint32_t slots = 1024;
	int fd;

	if (argc < 3 || capacity > 100000000) {
		fprintf(stderr, "usage: baseline IPV4-ADDRESS PORT [NODES]\n");
		return 2;
	}
	while (slots < capacity * 2)
		slots *= 2;
	node_mask = slots - 1;
	nodes = calloc(slots, sizeof *nodes);
	fd = socket_open(argv[1], argv[2]);
	if (!nodes || fd < 0) {
		fprintf(stderr, "baseline: cannot serve on %s:%s: %s\n", argv[1], argv[2],
		    strerror(errno));
		return 1;
	}
	printf("ready %s:%s\n", argv[1], argv[2]);
	fflush(stdout);
	relay_run(fd);
}
