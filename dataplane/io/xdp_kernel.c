// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/xdp_kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static_assert(KERNEL_MAP_COUNT <= 8, "descriptors for the greeting");

static int maps_create(int fds[KERNEL_MAP_COUNT], const struct kernel_sizes *sizes)
{
	static const char *const names[KERNEL_MAP_COUNT] = {
	    [KERNEL_PLACES] = "fw_places",
	    [KERNEL_RULES] = "fw_rules",
	    [KERNEL_NODES] = "fw_nodes",
	    [KERNEL_V6] = "fw_v6",
	    [KERNEL_STATES] = "fw_states",
	    [KERNEL_NEXTHOPS] = "fw_nexthops",
	    [KERNEL_COUNTS] = "fw_counts",
	    [KERNEL_SAMPLES] = "fw_samples",
	};
	const struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = BPF_F_MMAPABLE};

	for (int i = 0; i < KERNEL_MAP_COUNT; i++) {
		struct kernel_shape shape = kernel_map_shape(i, sizes);

		fds[i] = bpf_map_create(BPF_MAP_TYPE_ARRAY, names[i], sizeof(uint32_t),
		    shape.value_size, shape.entries, &opts);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

static void fds_close(const int fds[KERNEL_MAP_COUNT])
{
	for (int i = 0; i < KERNEL_MAP_COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

// The sizes are what everybody who maps the rest goes by.
static int sizes_store(int places_fd, const struct kernel_sizes *sizes)
{
	struct kernel_places *p =
	    mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, places_fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	p->sizes = *sizes;
	munmap(p, sizeof(*p));
	return 0;
}

int xdp_kernel_open(
    struct kernel_memory *k, const struct memory *m, uint32_t nodes, struct link_error *err)
{
	int cpus = libbpf_num_possible_cpus(), fds[KERNEL_MAP_COUNT];
	struct kernel_sizes sizes =
	    kernel_sizes_for(m->nodes.header, nodes, cpus > 0 ? (uint32_t)cpus : 1);
	int rc;

	memset(fds, -1, sizeof(fds));
	rc = maps_create(fds, &sizes);
	if (rc == 0)
		rc = sizes_store(fds[KERNEL_PLACES], &sizes);
	if (rc == 0)
		rc = kernel_memory_map(k, fds, &m->nodes);
	if (rc) {
		fds_close(fds);
		snprintf(err->text, sizeof(err->text),
		    rc == -EPERM ? "the kernel refuses BPF maps: CAP_BPF is needed (%s)"
				 : "the tables of the relaying program: %s; fewer xdp.kernel-nodes "
				   "need less memory",
		    strerror(-rc));
		return rc;
	}
	for (uint32_t i = 0; i < sizes.cpus; i++)
		k->counts[i].ip_id = i; // in steps of the number of processors
	return 0;
}

void xdp_kernel_close(struct kernel_memory *k)
{
	if (k->places)
		kernel_memory_unmap(k);
}

// A wildcard's source address is the kernel's choice.
static bool can_send_from(const struct local *l)
{
	return __atomic_load_n(&l->valid, __ATOMIC_ACQUIRE) && !endpoint_is_unspecified(&l->at);
}

// Locals are only added, so an entry is written once.
void xdp_kernel_locals(struct kernel_memory *k, const struct local *locals)
{
	for (int i = 0; i < LOCAL_MAX; i++) {
		struct kernel_local *to = &k->places->locals[i];

		if (!can_send_from(&locals[i]) || to->port)
			continue;
		memcpy(to->words, locals[i].at.addr, sizeof(to->words));
		__atomic_store_n(&to->port, htobe16(locals[i].at.port), __ATOMIC_RELEASE);
	}
}

static struct kernel_egress egress_make(const struct egress *e, uint8_t flags)
{
	struct kernel_egress out = {
	    .mac = mac_word(e->mac), .mtu = e->mtu, .link = e->link, .flags = flags};

	// frames with a tag are the engine's
	if (flags && !e->vlan && __atomic_load_n(&e->valid, __ATOMIC_ACQUIRE))
		out.ifindex = e->ifindex;
	return out;
}

void xdp_kernel_egress(
    struct kernel_memory *k, const struct egress *egress, uint8_t link, uint8_t flags)
{
	for (int i = 0; i < EGRESS_MAX; i++) {
		struct kernel_egress *to = &k->places->egress[i];
		struct kernel_egress is;

		if (egress[i].link != link || !egress[i].ifindex)
			continue;
		is = egress_make(&egress[i], flags);
		if (memcmp(&is, to, sizeof(is)) == 0)
			continue;
		__atomic_store_n(&to->ifindex, 0, __ATOMIC_SEQ_CST);
		to->mac = is.mac;
		to->mtu = is.mtu;
		to->link = is.link;
		to->flags = is.flags;
		__atomic_store_n(&to->ifindex, is.ifindex, __ATOMIC_RELEASE);
	}
}
