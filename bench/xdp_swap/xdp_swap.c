// SPDX-License-Identifier: BSD-3-Clause
// xdp-swap IFACE [QUEUE]: returns every IP frame of one receive queue to its sender and does
// nothing else. The yardstick for Fairway's xdp link: same frame size, rings, wake-ups and burst,
// one thread, always polling. Ends on SIGINT or SIGTERM and prints what it did as JSON.
#include "bpf/redirect.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

enum { FRAMES = 8192, FRAME_SIZE = 2048, RING = 2048, BURST = 64, TX_BUDGET = 256 };

struct swap {
	uint8_t *area;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	struct redirect_bpf *program;
	uint64_t frames, turns, full;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void die(const char *what, int rc)
{
	fprintf(stderr, "xdp-swap: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t keep[16];

	memcpy(keep, a, n);
	memcpy(a, b, n);
	memcpy(b, keep, n);
}

// Ethernet addresses, IP addresses, UDP ports: no checksum changes.
static void frame_swap(uint8_t *p)
{
	swap_bytes(p, p + 6, 6);
	if (p[12] == 0x08 && p[13] == 0x00) {
		swap_bytes(p + 26, p + 30, 4);
		swap_bytes(p + 34, p + 36, 2);
	} else if (p[12] == 0x86 && p[13] == 0xdd) {
		swap_bytes(p + 22, p + 38, 16);
		swap_bytes(p + 54, p + 56, 2);
	}
}

static void open_all(struct swap *s, const char *ifname, uint32_t queue)
{
	struct xsk_umem_config umem_cfg = {
	    .fill_size = RING, .comp_size = RING, .frame_size = FRAME_SIZE};
	struct xsk_socket_config cfg = {.rx_size = RING,
	    .tx_size = RING,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	    .bind_flags = XDP_USE_NEED_WAKEUP};
	size_t size = (size_t)FRAMES * FRAME_SIZE;
	int rc, fd, budget = TX_BUDGET, ifindex = (int)if_nametoindex(ifname);
	struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = XDP_FLAGS_DRV_MODE};

	s->program = redirect_bpf__open_and_load();
	if (!s->program)
		die("loading the program", errno);
	fd = bpf_program__fd(s->program->progs.redirect);
	if (bpf_link_create(fd, ifindex, BPF_XDP, &opts) < 0)
		die("attaching in native mode", errno);
	s->area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->area == MAP_FAILED)
		die("mmap", errno);
	madvise(s->area, size, MADV_HUGEPAGE);
	rc = xsk_umem__create(&s->umem, s->area, size, &s->fill, &s->comp, &umem_cfg);
	if (rc)
		die("buffers", rc);
	rc = xsk_socket__create(&s->xsk, ifname, queue, s->umem, &s->rx, &s->tx, &cfg);
	if (rc)
		die("socket", rc);
	fd = xsk_socket__fd(s->xsk);
	setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	rc = bpf_map_update_elem(bpf_map__fd(s->program->maps.xsks_map), &queue, &fd, BPF_ANY);
	if (rc)
		die("map", rc);
}

// Every completed frame goes straight back to the fill ring.
static void reclaim(struct swap *s)
{
	uint32_t from, to, n = xsk_ring_cons__peek(&s->comp, RING, &from);

	if (n == 0)
		return;
	if (xsk_ring_prod__reserve(&s->fill, n, &to) != n) {
		xsk_ring_cons__cancel(&s->comp, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, to + i) =
		    *xsk_ring_cons__comp_addr(&s->comp, from + i);
	xsk_ring_prod__submit(&s->fill, n);
	xsk_ring_cons__release(&s->comp, n);
}

static void turn(struct swap *s)
{
	uint32_t from, to, n = xsk_ring_cons__peek(&s->rx, BURST, &from);

	if (n && xsk_ring_prod__reserve(&s->tx, n, &to) != n) {
		xsk_ring_cons__cancel(&s->rx, n);
		s->full++;
		n = 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *in = xsk_ring_cons__rx_desc(&s->rx, from + i);

		frame_swap(s->area + in->addr);
		*xsk_ring_prod__tx_desc(&s->tx, to + i) = *in;
	}
	if (n) {
		xsk_ring_prod__submit(&s->tx, n);
		xsk_ring_cons__release(&s->rx, n);
	}
	if (*s->tx.producer != *s->tx.consumer && xsk_ring_prod__needs_wakeup(&s->tx))
		sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	if (!n && xsk_ring_prod__needs_wakeup(&s->fill))
		recvfrom(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, NULL);
	reclaim(s);
	s->frames += n;
	s->turns += n > 0;
}

int main(int argc, char **argv)
{
	static struct swap s;
	struct rusage use;
	uint32_t at;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: xdp-swap IFACE [QUEUE]\n");
		return 2;
	}
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	open_all(&s, argv[1], argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0);
	if (xsk_ring_prod__reserve(&s.fill, RING, &at) != RING)
		die("fill ring", ENOBUFS);
	for (uint32_t i = 0; i < RING; i++)
		*xsk_ring_prod__fill_addr(&s.fill, at + i) = (uint64_t)i * FRAME_SIZE;
	xsk_ring_prod__submit(&s.fill, RING);
	puts("ready");
	fflush(stdout);
	while (!stopped)
		turn(&s);
	getrusage(RUSAGE_SELF, &use);
	printf("{\"frames\":%llu,\"bursts\":%llu,\"full\":%llu,\"cpu_seconds\":%.3f}\n",
	    (unsigned long long)s.frames, (unsigned long long)s.turns, (unsigned long long)s.full,
	    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
	return 0;
}
