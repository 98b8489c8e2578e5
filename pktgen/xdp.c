// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "bpf/generate.skel.h"
#include "pktgen/pace.h"
#include "pktgen/traffic.h"
#include "pktgen/windows.h"
#include "pktgen/xdp_internal.h"
#include "wire/beacon.h"
#include "wire/inet.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static_assert((int)WINDOWS_MAX == (int)GENERATE_WINDOWS_MAX, "the program counts by window");

enum {
	LIVE_BATCH = 64, // frames that the kernel transmits at once
	LENT_MAX = 1024,
};

struct xdp {
	const struct options *o;
	struct xdp_path path;
	struct xdp_socket socket;
	struct generate_bpf *bpf;
	struct bpf_link *attached;
	struct generate_flow *flows; // the program's map
	size_t flows_size;
	uint8_t *template;
	uint32_t template_len;
};

static void xdp_close(struct backend *b)
{
	struct xdp *x = b->priv;

	if (!x)
		return;
	if (x->attached)
		bpf_link__destroy(x->attached);
	xdp_socket_close(&x->socket);
	if (x->flows)
		munmap(x->flows, x->flows_size);
	if (x->bpf)
		generate_bpf__destroy(x->bpf);
	free(x->template);
	free(x);
	b->priv = NULL;
}

static int load(struct xdp *x, char *error)
{
	__u32 queue = 0;
	int fd;

	x->bpf = generate_bpf__open_and_load();
	if (!x->bpf) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "XDP programs: %s (needs CAP_BPF and CAP_NET_ADMIN)", strerror(errno));
		return -errno;
	}
	x->flows_size = (size_t)GENERATE_FLOWS_MAX * sizeof(struct generate_flow);
	x->flows = mmap(NULL, x->flows_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    bpf_map__fd(x->bpf->maps.flows), 0);
	if (x->flows == MAP_FAILED) {
		x->flows = NULL;
		snprintf(error, BACKEND_ERROR_MAX, "map of flows: %s", strerror(errno));
		return -errno;
	}
	x->bpf->bss->relay_port = x->path.relay_port;
	x->attached = bpf_program__attach_xdp(x->bpf->progs.capture, (int)x->path.ifindex);
	fd = xsk_socket__fd(x->socket.xsk);
	if (!x->attached || bpf_map__update_elem(x->bpf->maps.xsks, &queue, sizeof(queue), &fd,
				sizeof(fd), BPF_ANY)) {
		snprintf(error, BACKEND_ERROR_MAX, "capture program on %s: %s", x->o->interface,
		    strerror(errno));
		return -errno;
	}
	return 0;
}

static int check_options(const struct options *o, char *error)
{
	uint32_t tail = (o->size - FRAME_MIN) % 8;

	if (o->size > FRAME_MIN + 8 * GENERATE_WORDS_MAX || tail) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "--size %u: frames made in the kernel are 16 plus a multiple of 8 bytes, at "
		    "most %u",
		    o->size, FRAME_MIN + 8 * GENERATE_WORDS_MAX);
		return -EINVAL;
	}
	if (o->flows > GENERATE_FLOWS_MAX) {
		snprintf(error, BACKEND_ERROR_MAX, "--flows %u: at most %u on an xdp link",
		    o->flows, GENERATE_FLOWS_MAX);
		return -EINVAL;
	}
	return 0;
}

static int xdp_open(struct backend *b, const struct options *o, char *error)
{
	struct xdp *x = calloc(1, sizeof(*x));
	int failed;

	if (!x) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory");
		return -ENOMEM;
	}
	b->priv = x;
	b->sockets = o->nodes; // every node has an address of its own
	x->o = o;
	failed = check_options(o, error);
	if (!failed)
		failed = xdp_path_find(&x->path, o, error);
	if (!failed)
		failed = xdp_socket_open(&x->socket, o->interface, error);
	if (!failed)
		failed = load(x, error);
	x->template_len = GENERATE_HEADERS + BEACON_RELAY_SIZE + o->size;
	x->template = calloc(1, x->template_len);
	if (!failed && !x->template) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory");
		failed = -ENOMEM;
	}
	if (failed)
		xdp_close(b);
	return failed;
}

static unsigned xdp_send(struct backend *b, uint32_t place, const struct message *m, unsigned n)
{
	struct xdp *x = b->priv;

	return xdp_socket_send(&x->socket, &x->path, place, m, n);
}

static void give_back(struct xdp_socket *s)
{
	uint32_t at, n = xsk_ring_prod__reserve(&s->fill, s->lent_count, &at);

	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) = s->lent[i];
	xsk_ring_prod__submit(&s->fill, n);
	s->lent_count = 0;
}

static unsigned xdp_receive(
    struct backend *b, struct message *m, uint32_t *places, unsigned max, int timeout_ms)
{
	struct xdp *x = b->priv;
	struct xdp_socket *s = &x->socket;
	struct pollfd ready = {.fd = xsk_socket__fd(s->xsk), .events = POLLIN};
	uint32_t at, n, kept = 0;

	give_back(s);
	n = xsk_ring_cons__peek(&s->rx, max < LENT_MAX ? max : LENT_MAX, &at);
	if (!n && (poll(&ready, 1, timeout_ms) < 1 ||
		      !(n = xsk_ring_cons__peek(&s->rx, max < LENT_MAX ? max : LENT_MAX, &at))))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&s->rx, at + i);
		uint8_t *frame = s->area + d->addr;
		struct inet_udp h;
		uint32_t addr;
		uint16_t port;

		s->lent[s->lent_count++] = xsk_umem__extract_addr(d->addr);
		if (inet_udp_parse(frame, d->len, &h))
			continue;
		memcpy(&addr, frame + h.l3 + 16, 4);
		memcpy(&port, frame + h.l4 + 2, 2);
		places[kept] = xdp_address_node(&x->path, addr, port);
		m[kept++] = (struct message){frame + h.payload, h.udp_len - 8U};
	}
	xsk_ring_cons__release(&s->rx, n);
	return kept;
}

// Prepares what `generate` needs: flows with sequence 0, the template and the constant sums.
static void prepare(struct xdp *x, const struct traffic *t)
{
	uint8_t *ip = x->template + 14, *udp = ip + 20;
	size_t payload = BEACON_RELAY_SIZE + x->o->size;

	for (uint32_t i = 0; i < x->o->flows; i++) {
		struct generate_flow *f = &x->flows[i];

		xdp_node_address(&x->path, t->flows[i].sender, &f->address, &f->port);
		f->sender = htonl(x->o->first_id + t->flows[i].sender);
		f->dest = htonl(x->o->first_id + t->flows[i].dest);
		f->sequence = 0;
	}
	memset(x->template, 0, x->template_len);
	x->template[GENERATE_HEADERS] = BEACON_RELAY;
	xdp_headers_build(&x->path, x->template, 0, payload);
	memset(ip + 10, 0, 6); // checksum and source address
	memset(udp + 6, 0, 2); // checksum
	memset(udp, 0, 2);     // source port
	x->bpf->bss->ip_sum = csum_fold(csum_add(0, ip, 20));
	x->bpf->bss->udp_sum =
	    csum_fold(udp4_pseudo_sum(0, x->path.relay_addr, (uint16_t)(8 + payload)) +
		      csum_fold(csum_add(0, udp, 9)));
	x->bpf->bss->train = x->o->train;
	x->bpf->bss->word_count = (x->o->size - FRAME_MIN) / 8;
	x->bpf->bss->flow_count = x->o->flows;
}

static void interrupt(int sig)
{
	(void)sig;
}

// A timer that from end_ns on keeps interrupting this thread's system call until it is deleted.
static int interrupt_at(uint64_t end_ns, timer_t *timer)
{
	struct sigaction action = {.sa_handler = interrupt};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct itimerspec when = {.it_interval.tv_nsec = 10 * NS_PER_MS,
	    .it_value = {(time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S)}};

	event._sigev_un._tid = gettid();
	sigaction(SIGALRM, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, timer))
		return -errno;
	return timer_settime(*timer, TIMER_ABSTIME, &when, NULL) ? -errno : 0;
}

// One system call for the whole trial: each call allocates its pages anew and waits for the last
// one to come back, tens of milliseconds. The program paces itself and a signal ends the call.
static int xdp_blast(
    struct backend *b, const struct traffic *t, const struct pace *p, struct windows *w)
{
	struct xdp *x = b->priv;
	struct xdp_md in = {.data_end = x->template_len, .ingress_ifindex = x->path.ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = x->template, .data_size_in = x->template_len,
	    .ctx_in = &in, .ctx_size_in = sizeof(in), .repeat = INT32_MAX,
	    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = LIVE_BATCH);
	timer_t timer;
	int failed;

	prepare(x, t);
	x->bpf->bss->sent = x->bpf->bss->skipped = 0;
	x->bpf->bss->start_ns = p->start_ns;
	x->bpf->bss->window_ns = w->length_ns;
	memset((void *)x->bpf->bss->window_sent, 0, sizeof(x->bpf->bss->window_sent));
	x->bpf->bss->pace = (uint64_t)(p->rate * (1ULL << 30) / NS_PER_S);
	failed = interrupt_at(p->end_ns, &timer);
	while (!failed && clock_mono_ns() < p->end_ns)
		failed = bpf_prog_test_run_opts(bpf_program__fd(x->bpf->progs.generate), &run);
	timer_delete(timer);
	for (int i = 0; i < WINDOWS_MAX; i++)
		w->sent[i] = x->bpf->bss->window_sent[i];
	return failed == -EINTR ? 0 : failed;
}

static uint64_t xdp_blast_sent(const struct backend *b)
{
	const struct xdp *x = b->priv;

	return x->bpf->bss->sent;
}

const struct backend_ops backend_xdp = {.open = xdp_open,
    .send = xdp_send,
    .receive = xdp_receive,
    .blast = xdp_blast,
    .blast_sent = xdp_blast_sent,
    .close = xdp_close};
