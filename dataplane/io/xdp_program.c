// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/xdp_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Its types are in bpf/steer_shared.h, included above.
#include "bpf/steer.skel.h"

static_assert(STEER_SERVED_MAX >= (int)LOCAL_MAX, "every local can be served");

enum { MODE_AUTO, MODE_NATIVE, MODE_GENERIC }; // link_config.native

int xdp_fail(struct link_error *err, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return rc;
}

// libbpf's last complaint goes into our sentence instead of onto the terminal.
static char bpf_complaint[160];

__attribute__((format(printf, 2, 0))) static int note_complaint(
    enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		vsnprintf(bpf_complaint, sizeof(bpf_complaint), format, args);
	bpf_complaint[strcspn(bpf_complaint, "\n")] = 0;
	return 0;
}

static int program_load(struct xdp_program *p, struct link_error *err)
{
	libbpf_print_fn_t before = libbpf_set_print(note_complaint);
	int rc = 0;

	bpf_complaint[0] = 0;
	p->skeleton = steer_bpf__open_and_load();
	if (!p->skeleton)
		rc = -errno;
	libbpf_set_print(before);
	if (rc == -EPERM)
		return xdp_fail(err, rc,
		    "the kernel refuses BPF programs: CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are "
		    "needed, in a "
		    "container those of the host");
	if (rc)
		return xdp_fail(err, rc,
		    "loading the steering program: %s (%s); Linux 5.18 is needed", strerror(-rc),
		    bpf_complaint);
	return 0;
}

static int attach_as(struct xdp_program *p, uint32_t ifindex, uint32_t flags)
{
	struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = flags};

	p->link_fd =
	    bpf_link_create(bpf_program__fd(p->skeleton->progs.steer), ifindex, BPF_XDP, &opts);
	return p->link_fd < 0 ? -errno : 0;
}

static int attach_failure(const struct xdp_link *x, int rc, struct link_error *err)
{
	if (rc == -EBUSY || rc == -EEXIST)
		return xdp_fail(err, rc,
		    "%s has an XDP program already: see `ip link show %s`, stop what put it there",
		    x->ifname, x->ifname);
	if (rc == -EPERM)
		return xdp_fail(err, rc, "attaching to %s needs CAP_NET_ADMIN", x->ifname);
	if (rc == -EOPNOTSUPP)
		return xdp_fail(err, rc,
		    "the driver of %s has no native XDP: set xdp.mode to auto or generic",
		    x->ifname);
	if (rc == -ERANGE || rc == -EINVAL)
		return xdp_fail(err, rc,
		    "the driver of %s refuses native XDP, often because of its MTU or that "
		    "of its peer: lower the MTU, or set xdp.mode to generic",
		    x->ifname);
	if (rc == -ENOSPC)
		return xdp_fail(err, rc,
		    "%s has fewer receive queues than its peer sends with, or too few for XDP: "
		    "ethtool -L, or set xdp.mode to generic",
		    x->ifname);
	return xdp_fail(err, rc, "attaching to %s: %s", x->ifname, strerror(-rc));
}

int xdp_program_attach(struct xdp_program *p, const struct xdp_link *x, struct link_error *err)
{
	int rc = program_load(p, err);

	if (rc)
		return rc;
	p->skeleton->bss->generic = 1;
	rc = -EOPNOTSUPP;
	if (x->cfg.native != MODE_GENERIC) {
		rc = attach_as(p, x->ifindex, XDP_FLAGS_DRV_MODE);
		p->native = rc == 0;
		p->skeleton->bss->generic = rc != 0;
	}
	if (x->cfg.native == MODE_GENERIC ||
	    (x->cfg.native == MODE_AUTO && rc && rc != -EBUSY && rc != -EEXIST && rc != -EPERM))
		rc = attach_as(p, x->ifindex, XDP_FLAGS_SKB_MODE);
	if (rc) {
		steer_bpf__destroy(p->skeleton);
		p->skeleton = NULL;
		return attach_failure(x, rc, err);
	}
	return 0;
}

void xdp_program_detach(struct xdp_program *p)
{
	if (!p->skeleton)
		return;
	close(p->link_fd);
	steer_bpf__destroy(p->skeleton);
	p->skeleton = NULL;
}

int xdp_program_bind(struct xdp_program *p, uint32_t queue, int socket_fd)
{
	int rc =
	    bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.xsks), &queue, &socket_fd, BPF_ANY);

	return rc < 0 ? -errno : 0;
}

void xdp_program_limit(struct xdp_program *p, uint32_t frame_max)
{
	p->skeleton->bss->frame_max = frame_max;
}

void xdp_program_station(struct xdp_program *p, const uint8_t mac[6])
{
	uint64_t station = 0;

	for (int i = 0; i < 6; i++)
		station |= (uint64_t)mac[i] << (8 * i);
	p->skeleton->bss->station = station;
}

// Gossip's extra ports and wildcards are the companion's.
static bool is_steerable(const struct local *l)
{
	return __atomic_load_n(&l->valid, __ATOMIC_ACQUIRE) && !l->extra &&
	       !endpoint_is_unspecified(&l->at);
}

// The program runs meanwhile: an entry without a port matches nothing.
static void served_write(struct steer_address *entry, const struct endpoint *at)
{
	uint32_t port = htobe16(at->port);

	if (entry->port == port && memcmp(entry->words, at->addr, sizeof(entry->words)) == 0)
		return;
	__atomic_store_n(&entry->port, 0, __ATOMIC_SEQ_CST);
	memcpy(entry->words, at->addr, sizeof(entry->words));
	__atomic_store_n(&entry->port, port, __ATOMIC_RELEASE);
}

void xdp_program_serve(struct xdp_program *p, const struct local *locals)
{
	struct steer_bpf__bss *bss = p->skeleton->bss;
	uint32_t n = 0;

	for (int i = 0; i < LOCAL_MAX; i++)
		if (is_steerable(&locals[i]))
			served_write(&bss->served[n++], &locals[i].at);
	__atomic_store_n(&bss->served_count, n, __ATOMIC_RELEASE);
}

void xdp_program_counts(const struct xdp_program *p, uint64_t counts[STEER_COUNTER_COUNT])
{
	int map = bpf_map__fd(p->skeleton->maps.counters);
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[XDP_CPUS_MAX];

	for (uint32_t i = 0; i < STEER_COUNTER_COUNT; i++) {
		counts[i] = 0;
		if (cpus <= 0 || cpus > XDP_CPUS_MAX || bpf_map_lookup_elem(map, &i, values) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			counts[i] += values[cpu];
	}
}
