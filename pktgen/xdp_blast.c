// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "bpf/capture.skel.h"
#include "bpf/generate.skel.h"
#include "pktgen/pace.h"
#include "pktgen/run.h"
#include "pktgen/xdp_internal.h"
#include "wire/beacon.h"
#include "wire/inet.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static_assert((int)WINDOWS_MAX == (int)GENERATE_WINDOWS_MAX, "the programs count by window");

enum { LIVE_BATCH = 64 }; // frames that the kernel transmits at once

static void *map_open(const struct bpf_map *map, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

static int load(struct xdp_live *l)
{
	l->generate = generate_bpf__open();
	l->capture = capture_bpf__open();
	if (!l->generate || !l->capture)
		return -errno;
	bpf_map__set_max_entries(l->generate->maps.flows, l->flow_count);
	bpf_map__set_max_entries(l->capture->maps.checks, l->flow_count);
	if (generate_bpf__load(l->generate) || capture_bpf__load(l->capture))
		return -errno;
	l->flows = map_open(l->generate->maps.flows, l->flow_count * sizeof(*l->flows));
	l->checks = map_open(l->capture->maps.checks, l->flow_count * sizeof(*l->checks));
	l->template = calloc(1, l->template_len);
	return l->flows && l->checks && l->template ? 0 : -ENOMEM;
}

int xdp_live_open(struct xdp *x, char *error)
{
	struct xdp_live *l = &x->live;
	int fd = xsk_socket__fd(x->socket.xsk), failed;
	__u32 queue = 0;

	l->flow_count = x->o->flows;
	l->template_len = GENERATE_HEADERS + BEACON_RELAY_SIZE + x->o->size;
	failed = load(l);
	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "XDP programs: %s (needs CAP_BPF and CAP_NET_ADMIN)", strerror(-failed));
		return failed;
	}
	l->capture->bss->relay_port = x->path.relay_port;
	l->attached = bpf_program__attach_xdp(l->capture->progs.capture, (int)x->ifindex);
	if (!l->attached || bpf_map__update_elem(l->capture->maps.xsks, &queue, sizeof(queue), &fd,
				sizeof(fd), BPF_ANY)) {
		failed = -errno;
		snprintf(error, BACKEND_ERROR_MAX, "capture program on %s: %s", x->o->interface,
		    strerror(-failed));
		return failed;
	}
	return 0;
}

void xdp_live_close(struct xdp_live *l)
{
	if (l->attached)
		bpf_link__destroy(l->attached);
	if (l->flows)
		munmap(l->flows, l->flow_count * sizeof(*l->flows));
	if (l->checks)
		munmap(l->checks, l->flow_count * sizeof(*l->checks));
	generate_bpf__destroy(l->generate);
	capture_bpf__destroy(l->capture);
	free(l->template);
}

static void template_build(struct xdp *x)
{
	struct xdp_live *l = &x->live;
	uint8_t *ip = l->template + ETH_HEADER_SIZE, *udp = ip + IPV4_HEADER_SIZE;
	size_t payload = BEACON_RELAY_SIZE + x->o->size;
	uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + payload);

	memset(l->template, 0, l->template_len);
	l->template[GENERATE_HEADERS] = BEACON_RELAY;
	path_headers_build(&x->path, l->template, 0, payload);
	memset(ip + IPV4_OFFSET_CHECKSUM, 0, IPV4_OFFSET_DST - IPV4_OFFSET_CHECKSUM);
	memset(udp + UDP_OFFSET_CHECKSUM, 0, sizeof(uint16_t));
	memset(udp + UDP_OFFSET_SRC, 0, sizeof(uint16_t));
	memcpy((void *)l->generate->bss->start, l->template, GENERATE_START);
	l->generate->bss->ip_sum = csum_fold(csum_add(0, ip, IPV4_HEADER_SIZE));
	// the UDP header, and of the message its type
	l->generate->bss->udp_sum = csum_fold(udp4_pseudo_sum(0, x->path.relay_addr, udp_len) +
					      csum_fold(csum_add(0, udp, UDP_HEADER_SIZE + 1)));
}

static void flows_build(struct xdp *x, const struct traffic *t)
{
	for (uint32_t i = 0; i < x->live.flow_count; i++) {
		const struct flow *f = &t->flows[i];
		struct generate_flow *out = &x->live.flows[i];
		struct generate_check *in = &x->live.checks[i];

		path_node_address(&x->path, f->sender, &out->address, &out->port);
		out->sender = htonl(x->o->first_id + f->sender);
		out->dest = htonl(x->o->first_id + f->dest);
		out->sequence = 0;
		path_node_address(
		    &x->path, x->o->reflected ? f->sender : f->dest, &in->address, &in->port);
		in->sender = out->sender;
		in->expected = 0;
		in->window = 0;
	}
}

int xdp_blast_prepare(struct backend *b, const struct traffic *t)
{
	struct xdp *x = b->priv;
	struct generate_bpf__bss *out = x->live.generate->bss;
	struct capture_bpf__bss *in = x->live.capture->bss;

	flows_build(x, t);
	template_build(x);
	out->train = x->o->train;
	out->word_count = in->word_count = (x->o->size - FRAME_MIN) / 8;
	out->flow_count = x->o->flows;
	out->sent = out->skipped = 0;
	memset((void *)out->window_sent, 0, sizeof(out->window_sent));
	in->message_type = x->o->reflected ? BEACON_RELAY : BEACON_RELAY_DELIVER;
	in->header_size = x->o->reflected ? BEACON_RELAY_SIZE : BEACON_RELAY_DELIVER_SIZE;
	in->deadline_ns = DEADLINE_MS * NS_PER_MS;
	in->latency_max_ns = 0;
	memset((void *)in->counts, 0, sizeof(in->counts));
	memset((void *)in->window_on_time, 0, sizeof(in->window_on_time));
	memset((void *)in->latency, 0, sizeof(in->latency));
	return 0;
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
	if (timer_settime(*timer, TIMER_ABSTIME, &when, NULL) == 0)
		return 0;
	timer_delete(*timer);
	return -EINVAL;
}

// One system call for the whole trial: each call allocates its pages anew and waits for the last
// one to come back, tens of milliseconds. The program paces itself and a signal ends the call.
int xdp_blast(struct backend *b, const struct pace *p, uint64_t window_ns)
{
	struct xdp *x = b->priv;
	struct generate_bpf__bss *out = x->live.generate->bss;
	struct capture_bpf__bss *in = x->live.capture->bss;
	struct xdp_md context = {.data_end = x->live.template_len, .ingress_ifindex = x->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = x->live.template,
	    .data_size_in = x->live.template_len, .ctx_in = &context,
	    .ctx_size_in = sizeof(context), .repeat = INT32_MAX,
	    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = LIVE_BATCH);
	timer_t timer;
	int failed;

	out->start_ns = in->start_ns = p->start_ns;
	out->window_ns = in->window_ns = window_ns;
	out->pace = (uint64_t)(p->rate * (1ULL << 30) / NS_PER_S);
	in->flow_count = x->o->flows;
	failed = interrupt_at(p->end_ns, &timer);
	if (failed)
		return failed;
	while (!failed && clock_mono_ns() < p->end_ns)
		failed =
		    bpf_prog_test_run_opts(bpf_program__fd(x->live.generate->progs.generate), &run);
	timer_delete(timer);
	return failed == -EINTR ? 0 : failed;
}

void xdp_blast_count(const struct backend *b, uint64_t *sent, uint64_t *received)
{
	const struct xdp *x = b->priv;

	*sent = x->live.generate->bss->sent;
	*received = x->live.capture->bss->counts[GENERATE_RECEIVED];
}

void xdp_blast_collect(struct backend *b, struct trial *t)
{
	struct xdp *x = b->priv;
	struct generate_bpf__bss *out = x->live.generate->bss;
	struct capture_bpf__bss *in = x->live.capture->bss;

	in->flow_count = 0;
	t->sent = out->sent;
	t->check = (struct check){.received = in->counts[GENERATE_RECEIVED],
	    .bytes = in->counts[GENERATE_RECEIVED] * x->o->size,
	    .duplicates = in->counts[GENERATE_DUPLICATES],
	    .reordered = in->counts[GENERATE_REORDERED],
	    .corrupt = in->counts[GENERATE_CORRUPT],
	    .misrouted = in->counts[GENERATE_MISROUTED],
	    .foreign = in->counts[GENERATE_FOREIGN]};
	t->latency.max = in->latency_max_ns;
	for (int i = 0; i < LOG_LINEAR_BUCKETS; i++) {
		t->latency.buckets[i] = in->latency[i];
		t->latency.count += in->latency[i];
	}
	for (int i = 0; i < WINDOWS_MAX; i++) {
		t->windows.sent[i] = out->window_sent[i];
		t->windows.on_time[i] = in->window_on_time[i];
	}
}
