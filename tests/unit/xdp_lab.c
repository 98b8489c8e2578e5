// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/xdp_lab.h"

#include "wire/inet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000, SKIP_STATUS = 77 }; // meson's

static void die(const char *what)
{
	perror(what);
	abort();
}

static void enter(int ns)
{
	if (setns(ns, CLONE_NEWNET) < 0)
		die("setns");
}

static void run(const char *format, va_list args)
{
	char command[512];

	vsnprintf(command, sizeof(command), format, args);
	if (system(command) != 0) // NOLINT(cert-env33-c)
		die(command);
}

void lab_ours(struct xdp_lab *lab, const char *format, ...)
{
	va_list args;

	(void)lab;
	va_start(args, format);
	run(format, args);
	va_end(args);
}

void lab_theirs(struct xdp_lab *lab, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	enter(lab->theirs);
	run(format, args);
	enter(lab->ours);
	va_end(args);
}

int lab_their_socket(struct xdp_lab *lab, int family, int type)
{
	int fd;

	enter(lab->theirs);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	enter(lab->ours);
	if (fd < 0)
		die("socket");
	return fd;
}

int lab_packet_socket(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int buffer = 8 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));

	at.sll_ifindex = if_nametoindex(ifname);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("packet socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

static int new_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

// The kernel gives an interface its carrier up to a second after it was set up.
void lab_await_carrier(const char *ifname)
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(r.ifr_name, ifname, sizeof(r.ifr_name) - 1);
	for (int i = 0; i < 500; i++) {
		if (ioctl(fd, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_RUNNING)
			break;
		usleep(10000);
	}
	close(fd);
}

bool lab_open(struct xdp_lab *lab)
{
	*lab = (struct xdp_lab){.tap = -1, .wire = -1};
	lab->theirs = new_namespace();
	lab->ours = lab->theirs < 0 ? -1 : new_namespace();
	if (lab->ours < 0) {
		snprintf(lab->skip, sizeof(lab->skip), "network namespaces need CAP_SYS_ADMIN");
		return false;
	}
	lab->locals = aligned_alloc(CACHE_LINE, LOCAL_MAX * sizeof(*lab->locals));
	lab->egress = aligned_alloc(CACHE_LINE, EGRESS_MAX * sizeof(*lab->egress));
	memset(lab->locals, 0, LOCAL_MAX * sizeof(*lab->locals));
	memset(lab->egress, 0, EGRESS_MAX * sizeof(*lab->egress));
	lab_ours(lab,
	    "ip link add fw0 mtu 9000 numrxqueues 4 numtxqueues 4 type veth peer name fw1 "
	    "mtu 9000 numrxqueues 4 numtxqueues 4");
	lab_ours(lab, "ip link set fw1 netns /proc/%d/fd/%d", getpid(), lab->theirs);
	lab_ours(lab, "ip addr add 10.9.0.1/24 dev fw0; ip addr add fd09::1/64 dev fw0 nodad; "
		      "ip link set lo up; ip link set fw0 up");
	lab_theirs(lab, "ip addr add 10.9.0.2/24 dev fw1; ip addr add fd09::2/64 dev fw1 nodad; "
			"ip link set fw1 up");
	lab_await_carrier("fw0");
	lab->vlans = system("ip link add link fw0 name fw0.v type vlan id 1 2>/dev/null && "
			    "ip link del fw0.v") == 0; // NOLINT(cert-env33-c)
	lab->tun = system("ip tuntap add dev fwt mode tun 2>/dev/null") == 0; // NOLINT
	lab->tap = lab_packet_socket("fw0");
	enter(lab->theirs);
	lab->wire = lab_packet_socket("fw1");
	enter(lab->ours);
	lab_serve(lab, 0, "10.9.0.1:9001");
	lab_serve(lab, 1, "[fd09::1]:9001");
	return true;
}

void lab_close(struct xdp_lab *lab)
{
	close(lab->tap);
	close(lab->wire);
	close(lab->ours);
	close(lab->theirs);
	free(lab->locals);
	free(lab->egress);
}

void lab_serve(struct xdp_lab *lab, int index, const char *endpoint)
{
	if (endpoint_parse(endpoint, 0, &lab->locals[index].at))
		abort();
	__atomic_store_n(&lab->locals[index].valid, 1, __ATOMIC_RELEASE);
}

struct link_config lab_config(struct xdp_lab *lab, const char *spec)
{
	return (struct link_config){
	    .spec = spec,
	    .index = 1,
	    .worker_count = 1,
	    .locals = lab->locals,
	    .egress = lab->egress,
	    .frame_count = 4096,
	};
}

void lab_link_open(struct link *l, const struct link_config *cfg)
{
	struct link_error err = {0};

	*l = (struct link){.ops = &link_xdp_ops};
	if (l->ops->open(l, cfg, &err) != 0)
		fail_msg("open: %s", err.text);
}

void lab_link_open_default(struct link *l, struct xdp_lab *lab)
{
	struct link_config cfg = lab_config(lab, "fw0");

	lab_link_open(l, &cfg);
}

const struct egress *lab_egress(struct xdp_lab *lab, const char *ifname)
{
	uint32_t ifindex = if_nametoindex(ifname);

	for (int i = 0; i < EGRESS_MAX; i++)
		if (ifindex && lab->egress[i].ifindex == ifindex)
			return &lab->egress[i];
	return NULL;
}

static bool xdp_is_missing(struct xdp_lab *lab)
{
	struct link_config cfg = lab_config(lab, "fw0");
	struct link l = {.ops = &link_xdp_ops};
	struct link_error err = {0};

	if (l.ops->open(&l, &cfg, &err) == 0) {
		l.ops->close(&l);
		return false;
	}
	snprintf(lab->skip, sizeof(lab->skip), "%.190s", err.text);
	return true;
}

static void mac_of(const char *ifname, uint8_t mac[6])
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		die(ifname);
	close(fd);
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ADDR_SIZE);
}

static void frame_start(struct lab_frame *f, const uint16_t vlans[2], uint16_t type)
{
	static uint64_t serial;

	memset(f, 0, sizeof(*f));
	serial++;
	memcpy(f->tag, "fw", 2);
	memcpy(f->tag + 2, &serial, LAB_TAG_SIZE - 2);
	mac_of("fw0", f->data + ETH_OFFSET_DST);
	memcpy(f->data + ETH_OFFSET_SRC, "\x02\0\0\0\0\x02", 6);
	f->l3 = ETH_OFFSET_TYPE;
	for (int i = 0; i < 2 && vlans && vlans[i]; i++) {
		store_be16(f->data + f->l3, vlans[1] && i == 0 ? ETH_TYPE_SVLAN : ETH_TYPE_VLAN);
		store_be16(f->data + f->l3 + 2, vlans[i]);
		f->l3 += VLAN_TAG_SIZE;
	}
	store_be16(f->data + f->l3, type);
	f->l3 += 2;
}

static void frame_end(struct lab_frame *f, size_t payload)
{
	uint16_t udp_len = UDP_HEADER_SIZE + payload;

	udp_build(f->data + f->l4, 4000, LAB_PORT, udp_len, 0xffff);
	f->len = f->l4 + udp_len;
	memcpy(f->data + f->len - LAB_TAG_SIZE, f->tag, LAB_TAG_SIZE);
}

void lab_frame_v4(struct lab_frame *f, const uint16_t vlans[2], size_t payload)
{
	frame_start(f, vlans, ETH_TYPE_IPV4);
	f->l4 = f->l3 + IPV4_HEADER_SIZE;
	ipv4_build(f->data + f->l3, UDP_HEADER_SIZE + payload, htonl(0x0a090002), htonl(0x0a090001),
	    64, 1);
	frame_end(f, payload);
}

void lab_frame_v6(struct lab_frame *f, const uint16_t vlans[2], size_t payload)
{
	uint8_t from[16] = {0xfd, 0x09, [15] = 2}, to[16] = {0xfd, 0x09, [15] = 1};

	frame_start(f, vlans, ETH_TYPE_IPV6);
	f->l4 = f->l3 + IPV6_HEADER_SIZE;
	ipv6_build(f->data + f->l3, UDP_HEADER_SIZE + payload, from, to, 64);
	frame_end(f, payload);
}

void lab_send(struct xdp_lab *lab, const struct lab_frame *f)
{
	if (send(lab->wire, f->data, f->len, 0) != (ssize_t)f->len)
		die("send on fw1");
}

uint64_t lab_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static bool tap_has(int tap, const uint8_t *bytes, size_t len)
{
	static uint8_t data[65536];
	ssize_t n = recv(tap, data, sizeof(data), 0);

	return n > 0 && memmem(data, n, bytes, len) != NULL;
}

static struct link_queue *link_poll(struct link *link, const uint8_t *tag, struct dgram *out)
{
	for (unsigned w = 0; w < link->queue_count; w++) {
		struct link_queue *q = link->queues[w];
		struct dgram d = {0}, *p = &d;

		if (link->ops->rx(q, &d, 1) == 0)
			continue;
		if (d.len >= LAB_TAG_SIZE && memmem(d.l2, d.len, tag, LAB_TAG_SIZE)) {
			*out = d;
			return q;
		}
		link->ops->release(q, &p, 1);
	}
	return NULL;
}

struct link_queue *lab_take(struct link *link, const uint8_t *tag, struct dgram *out)
{
	uint64_t end = lab_now_ms() + PATIENCE_MS;
	struct link_queue *q;

	do {
		q = link_poll(link, tag, out);
	} while (!q && lab_now_ms() < end);
	return q;
}

enum lab_place lab_find(struct xdp_lab *lab, struct link *link, const uint8_t *tag)
{
	uint64_t end = lab_now_ms() + PATIENCE_MS;

	do {
		struct dgram d, *p = &d;
		struct link_queue *q = link_poll(link, tag, &d);

		if (q) {
			link->ops->release(q, &p, 1);
			return LAB_LINK;
		}
		if (tap_has(lab->tap, tag, LAB_TAG_SIZE))
			return LAB_KERNEL;
	} while (lab_now_ms() < end);
	return LAB_NOWHERE;
}

bool lab_peer_got(struct xdp_lab *lab, const uint8_t *bytes, size_t len)
{
	uint64_t end = lab_now_ms() + PATIENCE_MS;

	do {
		if (tap_has(lab->wire, bytes, len))
			return true;
	} while (lab_now_ms() < end);
	return false;
}

int lab_run_tests(struct xdp_lab *lab, const char *group, const struct CMUnitTest *tests, size_t n)
{
	int failed;

	if (!lab_open(lab) || xdp_is_missing(lab)) {
		fprintf(stderr, "skipped: %s\n", lab->skip);
		return SKIP_STATUS;
	}
	failed = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
	lab_close(lab);
	return failed;
}
