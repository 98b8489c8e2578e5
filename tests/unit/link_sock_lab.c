// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/link_sock_lab.h"

#include "dataplane/io/locals.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO	    104
#endif

enum { WAIT_MS = 5000 };

static uint8_t scratch[70000];

static uint8_t payload_byte(unsigned number, uint32_t at)
{
	return (uint8_t)(number * 37 + at * 11 + (at >> 8));
}

static void payload_make(uint8_t *p, unsigned number, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = payload_byte(number, i);
}

void assert_payload(const uint8_t *data, unsigned number, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (data[i] != payload_byte(number, i))
			fail_msg("datagram %u differs at byte %u of %u", number, i, len);
	}
}

static uint16_t port_free(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	struct sockaddr_in at4 = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
		assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
		close(fd);
		return be16toh(at.sin6_port);
	}
	if (fd >= 0)
		close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	len = sizeof(at4);
	assert_int_equal(bind(fd, (struct sockaddr *)&at4, sizeof(at4)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at4, &len), 0);
	close(fd);
	return be16toh(at4.sin_port);
}

// The packets of a processor stay in order on loopback, so all are sent from one.
static void processor_keep(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

void lab_settle(void)
{
	const struct timeval wait = {.tv_sec = WAIT_MS / 1000};
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htobe32(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	assert_int_equal(sendto(fd, "", 1, 0, (struct sockaddr *)&at, sizeof(at)), 1);
	assert_int_equal(recv(fd, &at, sizeof(at), 0), 1);
	close(fd);
}

static void locals_fill(struct lab *lab, const char *const *listen, unsigned extras)
{
	unsigned n = 0;

	memset(lab->locals, 0, sizeof(lab->locals));
	lab->port = port_free();
	for (unsigned i = 0; listen[i]; i++, n++) {
		assert_int_equal(endpoint_parse(listen[i], lab->port, &lab->locals[n].at), 0);
		lab->locals[n].valid = 1;
	}
	for (unsigned i = 0; i < extras; i++, n++) {
		lab->extra_port[i] = port_free();
		lab->extra_local[i] = (uint8_t)n;
		assert_int_equal(
		    endpoint_parse(listen[0], lab->extra_port[i], &lab->locals[n].at), 0);
		lab->locals[n].extra = 1;
		lab->locals[n].valid = 1;
	}
}

struct lab *lab_open(const char *const *listen, unsigned workers, unsigned extras)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct link_error err = {""};
	int code = -EADDRINUSE;

	assert_non_null(lab);
	processor_keep();
	// Another program may take a free port before we do.
	for (unsigned tries = 0; code == -EADDRINUSE && tries < 10; tries++) {
		locals_fill(lab, listen, extras);
		lab->cfg = (struct link_config){.spec = "",
		    .index = 3,
		    .worker_count = (uint16_t)workers,
		    .locals = lab->locals,
		    .egress = lab->egress,
		    .settings = &lab->settings,
		    .socket_buffer = 4 << 20};
		code = link_sock_ops.open(&lab->link, &lab->cfg, &err);
	}
	if (code)
		fail_msg("%s", err.text);
	return lab;
}

void lab_close(struct lab *lab)
{
	lab->link.ops->close(&lab->link);
	free(lab);
}

void lab_gro_set(struct lab *lab)
{
	int fds[8];
	unsigned n = lab->link.ops->poll_fds(lab->link.queues[0], fds, 8);

	for (unsigned i = 0; i < n; i++)
		setsockopt(fds[i], SOL_UDP, UDP_GRO, &(int){1}, sizeof(int));
}

bool lab_has_gro(struct lab *lab)
{
	int fd, on = 0;
	socklen_t len = sizeof(on);

	lab->link.ops->poll_fds(lab->link.queues[0], &fd, 1);
	assert_int_equal(getsockopt(fd, SOL_UDP, UDP_GRO, &on, &len), 0);
	return on;
}

static void queue_wait(struct lab *lab, unsigned queue)
{
	struct pollfd p[8];
	int fds[8];
	unsigned n = lab->link.ops->poll_fds(lab->link.queues[queue], fds, 8);

	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	assert_true(poll(p, n, WAIT_MS) > 0);
}

unsigned lab_receive(struct lab *lab, unsigned queue, unsigned n)
{
	unsigned got;

	lab_settle();
	got = lab->link.ops->rx(lab->link.queues[queue], lab->d, n);
	if (got == 0) {
		queue_wait(lab, queue);
		got = lab->link.ops->rx(lab->link.queues[queue], lab->d, n);
	}
	for (unsigned i = 0; i < got; i++) {
		assert_int_equal(lab->d[i].link, 3);
		assert_null(lab->d[i].l2);
	}
	return got;
}

unsigned lab_receive_any(struct lab *lab)
{
	for (unsigned waited = 0; waited < WAIT_MS; waited++) {
		for (unsigned q = 0; q < lab->link.queue_count; q++) {
			if (lab->link.ops->rx(lab->link.queues[q], lab->d, 1))
				return q;
		}
		usleep(1000);
	}
	fail_msg("nothing received");
	return 0;
}

void lab_answer_prepare(struct lab *lab, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		lab->d[i].to = lab->d[i].src;
		lab->d[i].out_local = lab->d[i].local;
	}
}

unsigned lab_answer(struct lab *lab, unsigned queue, unsigned n)
{
	struct dgram *d[BURST_MAX];

	lab_answer_prepare(lab, n);
	for (unsigned i = 0; i < n; i++)
		d[i] = &lab->d[i];
	return lab->link.ops->tx(lab->link.queues[queue], d, n);
}

void lab_release(struct lab *lab, unsigned queue, unsigned n)
{
	struct dgram *d[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		d[i] = &lab->d[i];
	lab->link.ops->release(lab->link.queues[queue], d, n);
}

int client_open(const char *to, uint16_t port, bool gro)
{
	struct timeval wait = {.tv_sec = WAIT_MS / 1000};
	struct sockaddr_storage at;
	struct endpoint e;
	int on = 1;

	assert_int_equal(endpoint_parse(to, port, &e), 0);
	socklen_t len = endpoint_to_sockaddr(&e, &at);
	int fd = socket(at.ss_family, SOCK_DGRAM, 0);
	int size = 4 << 20;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (gro)
		assert_int_equal(setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	return fd;
}

static void bytes_send(int fd, size_t len, uint16_t segment)
{
	struct iovec iov = {.iov_base = scratch, .iov_len = len};
	uint8_t control[CMSG_SPACE(sizeof(segment))] = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (segment) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	assert_int_equal(sendmsg(fd, &m, 0), len);
}

void client_send(int fd, unsigned number, uint32_t len, uint16_t segment)
{
	payload_make(scratch, number, len);
	bytes_send(fd, len, segment);
}

void client_send_train(int fd, uint16_t size, unsigned count, uint32_t last)
{
	for (unsigned i = 0; i < count; i++)
		payload_make(scratch + i * size, i, size);
	payload_make(scratch + count * size, count, last);
	bytes_send(fd, count * size + last, size);
}

void client_expect(int fd, unsigned number, uint32_t len)
{
	ssize_t got = recv(fd, scratch, sizeof(scratch), 0);

	assert_int_equal(got, len);
	assert_payload(scratch, number, len);
}

unsigned client_expect_train(int fd, unsigned number, const uint32_t *sizes)
{
	ssize_t got = recv(fd, scratch, sizeof(scratch), 0);
	ssize_t at = 0;
	unsigned n = 0;

	assert_true(got >= 0);
	do {
		assert_true(at + (ssize_t)sizes[n] <= got);
		assert_payload(scratch + at, number + n, sizes[n]);
		at += sizes[n++];
	} while (at < got);
	return n;
}

int client_ttl(int fd)
{
	struct iovec iov = {.iov_base = scratch, .iov_len = sizeof(scratch)};
	uint8_t control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control)};
	int ttl = 0;

	// Taken from the header when it is read: it may be asked for after the datagram came.
	setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &(int){1}, sizeof(int));
	assert_true(recvmsg(fd, &m, 0) >= 0);
	assert_true(m.msg_controllen >= CMSG_LEN(sizeof(ttl)));
	memcpy(&ttl, control + CMSG_LEN(0), sizeof(ttl));
	return ttl;
}

bool has_ipv6(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

bool namespace_enter(int mtu)
{
	struct ifreq req = {.ifr_name = "lo", .ifr_mtu = mtu};
	bool ok;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ok = fd >= 0 && ioctl(fd, SIOCSIFMTU, &req) == 0;
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	ok = ok && ioctl(fd, SIOCSIFFLAGS, &req) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}
