// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/xdp_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Their types are in bpf/steer_shared.h and shm/kernel_layout.h, included above.
#include "bpf/relay.skel.h"
#include "bpf/steer.skel.h"

static_assert(STEER_SERVED_MAX >= (int)LOCAL_MAX, "every local can be served");

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

static int steer_load(struct xdp_program *p)
{
	p->steer = steer_bpf__open_and_load();
	if (!p->steer)
		return -errno;
	p->state = &p->steer->bss->state;
	p->fd = bpf_program__fd(p->steer->progs.steer);
	p->xsks_fd = bpf_map__fd(p->steer->maps.xsks);
	p->counters_fd = bpf_map__fd(p->steer->maps.counters);
	return 0;
}

// The program works on the maps that all such links share.
static int relay_share(struct relay_bpf *r, const struct kernel_memory *k)
{
	struct bpf_map *const maps[KERNEL_MAP_COUNT] = {
	    [KERNEL_PLACES] = r->maps.places,
	    [KERNEL_RULES] = r->maps.rules,
	    [KERNEL_NODES] = r->maps.nodes,
	    [KERNEL_V6] = r->maps.v6,
	    [KERNEL_STATES] = r->maps.states,
	    [KERNEL_NEXTHOPS] = r->maps.nexthops,
	    [KERNEL_COUNTS] = r->maps.counts,
	    [KERNEL_SAMPLES] = r->maps.samples,
	};

	for (int i = 0; i < KERNEL_MAP_COUNT; i++) {
		int rc = bpf_map__reuse_fd(maps[i], k->fds[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static int relay_load(struct xdp_program *p, const struct link_config *cfg)
{
	struct relay_bpf *r = relay_bpf__open();
	int rc;

	if (!r)
		return -errno;
	memcpy((void *)r->rodata->hash_key, cfg->hash_key, sizeof(r->rodata->hash_key));
	r->rodata->bucket_count = cfg->kernel->sizes.buckets;
	r->rodata->cpu_count = cfg->kernel->sizes.cpus;
	r->rodata->link_index = cfg->index;
	rc = relay_share(r, cfg->kernel);
	if (rc == 0)
		rc = relay_bpf__load(r);
	if (rc) {
		relay_bpf__destroy(r);
		return rc;
	}
	p->relay = r;
	p->state = &r->bss->state;
	p->fd = bpf_program__fd(r->progs.relay);
	p->xsks_fd = bpf_map__fd(r->maps.xsks);
	p->counters_fd = bpf_map__fd(r->maps.counters);
	return 0;
}

void xdp_program_unload(struct xdp_program *p)
{
	steer_bpf__destroy(p->steer);
	relay_bpf__destroy(p->relay);
	p->steer = NULL;
	p->relay = NULL;
	p->state = NULL;
}

int xdp_program_load(struct xdp_program *p, const struct link_config *cfg, struct link_error *err)
{
	libbpf_print_fn_t before = libbpf_set_print(note_complaint);
	int rc;

	bpf_complaint[0] = 0;
	rc = cfg->kernel ? relay_load(p, cfg) : steer_load(p);
	libbpf_set_print(before);
	if (rc == -EPERM)
		return xdp_fail(err, rc,
		    "the kernel refuses BPF programs: CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are "
		    "needed, in a "
		    "container those of the host");
	if (rc)
		return xdp_fail(err, rc, "loading the %s program: %s (%s); Linux 5.18 is needed",
		    cfg->kernel ? "relaying" : "steering", strerror(-rc),
		    bpf_complaint[0] ? bpf_complaint : "no details");
	return 0;
}

static int attach_as(struct xdp_program *p, uint32_t ifindex, uint32_t flags)
{
	struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = flags};

	p->link_fd = bpf_link_create(p->fd, ifindex, BPF_XDP, &opts);
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
	int rc = xdp_program_load(p, &x->cfg, err);

	if (rc)
		return rc;
	p->state->generic = 1;
	rc = -EOPNOTSUPP;
	if (x->cfg.xdp_mode != CONFIG_XDP_GENERIC) {
		rc = attach_as(p, x->ifindex, XDP_FLAGS_DRV_MODE);
		p->native = rc == 0;
		p->state->generic = rc != 0;
	}
	if (x->cfg.xdp_mode == CONFIG_XDP_GENERIC ||
	    (x->cfg.xdp_mode == CONFIG_XDP_AUTO && rc && rc != -EBUSY && rc != -EEXIST &&
		rc != -EPERM))
		rc = attach_as(p, x->ifindex, XDP_FLAGS_SKB_MODE);
	if (rc) {
		xdp_program_unload(p);
		return attach_failure(x, rc, err);
	}
	return 0;
}

void xdp_program_detach(struct xdp_program *p)
{
	if (!p->state)
		return;
	close(p->link_fd);
	xdp_program_unload(p);
}

int xdp_program_bind(struct xdp_program *p, uint32_t queue, int socket_fd)
{
	int rc = bpf_map_update_elem(p->xsks_fd, &queue, &socket_fd, BPF_ANY);

	return rc < 0 ? -errno : 0;
}

void xdp_program_limit(struct xdp_program *p, uint32_t frame_max)
{
	p->state->frame_max = frame_max;
}

void xdp_program_station(struct xdp_program *p, const uint8_t mac[6])
{
	p->state->station = mac_word(mac);
}

void xdp_program_vlans(struct xdp_program *p, const struct egress *table, uint8_t link)
{
	uint64_t vlans[STEER_VLAN_WORDS] = {1};

	for (int i = 0; i < EGRESS_MAX; i++) {
		const struct egress *e = &table[i];

		if (e->link == link && e->valid)
			vlans[e->vlan / 64 % STEER_VLAN_WORDS] |= 1ULL << e->vlan % 64;
	}
	for (int i = 0; i < STEER_VLAN_WORDS; i++)
		__atomic_store_n(&p->state->vlans[i], vlans[i], __ATOMIC_RELAXED);
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
	struct steer_state *state = p->state;
	uint32_t n = 0;

	for (int i = 0; i < LOCAL_MAX; i++)
		if (is_steerable(&locals[i]))
			served_write(&state->served[n++], &locals[i].at);
	__atomic_store_n(&state->served_count, n, __ATOMIC_RELEASE);
}

void xdp_program_counts(const struct xdp_program *p, uint64_t counts[STEER_COUNTER_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[XDP_CPUS_MAX];

	for (uint32_t i = 0; i < STEER_COUNTER_COUNT; i++) {
		counts[i] = 0;
		if (cpus <= 0 || cpus > XDP_CPUS_MAX ||
		    bpf_map_lookup_elem(p->counters_fd, &i, values) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			counts[i] += values[cpu];
	}
}
