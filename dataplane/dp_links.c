// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "config/machine.h"
#include "dataplane/dp.h"
#include "dataplane/io/interface.h"
#include "dataplane/io/locals.h"
#include "dataplane/io/xdp_kernel.h"
#include "dataplane/place.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The configuration takes no device in a build without dpdk links.
static const struct link_ops *ops_of(const struct config_link *l)
{
#if FAIRWAY_DPDK
	if (*l->device)
		return &link_dpdk_ops;
#endif
	(void)l;
	return &link_xdp_ops;
}

// net_af_packet is given what the kernel made of the frames: what it merged for a socket that asks
// for it could not be told from one datagram.
static bool sees_merged(const struct config_links *links)
{
	for (uint32_t i = 0; i < links->count; i++)
		if (strstr(links->at[i].device, "af_packet"))
			return true;
	return false;
}

static int kernel_open(struct dp *dp, struct link_error *err)
{
	uint64_t nodes = dp->config.xdp.kernel_nodes, capacity = dp->config.nodes_capacity;

	return xdp_kernel_open(&dp->kernel, &dp->memory,
	    (uint32_t)(nodes && nodes < capacity ? nodes : capacity), err);
}

static int link_open(struct dp *dp, const struct link_ops *ops, const char *spec, bool kernel)
{
	const struct config *c = &dp->config;
	const struct link_config cfg = {
	    .spec = spec,
	    .index = (uint8_t)dp->link_count,
	    .worker_count = (uint16_t)dp->worker_count,
	    .locals = dp->memory.locals,
	    .egress = dp->memory.egress,
	    .frame_count = (uint32_t)(ops == &link_xdp_ops ? c->xdp.frames : c->dpdk.frames),
	    .dpdk_eal = c->dpdk.eal,
	    .dpdk_tap = c->dpdk.tap,
	    .dpdk_queues = (uint16_t)c->dpdk.queues,
	    .dpdk_nap_us = (uint32_t)c->dpdk.nap_us,
	    .busy_poll_us = (uint32_t)c->xdp.busy_poll_us,
	    .zero_copy = (uint8_t)c->xdp.zero_copy,
	    .xdp_mode = (uint8_t)c->xdp.mode,
	    .kernel = kernel ? &dp->kernel : NULL,
	    .hash_key = dp->memory.nodes.hash_key,
	    .socket_buffer = (uint32_t)c->sock_buffer,
	    .singly = sees_merged(&c->links),
	    .settings = dp->memory.settings,
	};
	struct link *link = calloc(1, sizeof(*link));
	struct link_error err = {.text = ""};
	char text[256];
	int rc = -ENOMEM;

	if (link) {
		link->ops = ops;
		if (ops->raw)
			link->first_worker = (uint16_t)(dp->queues_placed % dp->worker_count);
		rc = kernel && !dp->kernel.places ? kernel_open(dp, &err) : 0;
		if (rc == 0)
			rc = ops->open(link, &cfg, &err);
	} else {
		snprintf(err.text, sizeof(err.text), "out of memory");
	}
	if (rc) {
		free(link);
		if (dp->fall_back && ops != &link_sock_ops)
			log_warn("link not opened, sock serves in its place, slower",
			    kv("link", ops->kind), kv("spec", spec), kv("reason", err.text));
		else
			log_error("link not opened", kv("link", ops->kind), kv("spec", spec),
			    kv("reason", err.text));
		return rc;
	}
	if (ops->raw)
		dp->queues_placed += link->queue_count;
	dp->links[dp->link_count++] = link;
	ops->describe(link, text, sizeof(text));
	log_info("link open", kv("link", link->name), kv("details", text));
	if (err.text[0])
		log_warn("link could do better", kv("link", link->name), kv("reason", err.text));
	return 0;
}

void dp_links_reduce(struct dp *dp)
{
	uint64_t missing = privilege_missing(PRIVILEGE_XDP & ~CAP_BIT(CAP_PERFMON));
	struct config_links *links = &dp->config.links;
	uint32_t kept = 0, all = links->count;
	char names[128];

	if (!dp->fall_back || missing == 0)
		return;
	for (uint32_t i = 0; i < all; i++)
		if (*links->at[i].device)
			links->at[kept++] = links->at[i];
	links->count = kept;
	if (kept < all)
		log_warn("no AF_XDP, sock serves in its place, slower",
		    kv("missing", privilege_names(names, sizeof(names), missing)),
		    kv("how", PRIVILEGE_XDP_HINT));
}

// Workers that are far from the device of the link that was opened last.
static void place_tell(const struct dp *dp, int node)
{
	const struct link *link = dp->links[dp->link_count - 1];
	int far = machine_find_far(&dp->config.cpus,
	    (struct machine_span){link->first_worker, link->queue_count, dp->worker_count}, node);
	char cores[128], how[192];

	if (far < 0)
		return;
	machine_list_cores("/sys", node, cores, sizeof(cores));
	snprintf(how, sizeof(how), "cpus: cores of the device's node, %s", cores);
	log_warn("a worker runs on another NUMA node than its device, slower",
	    kv("link", link->name), kv("device_node", node), kv("worker", far),
	    kv("core", dp->config.cpus.at[far]), kv("how", how));
}

// Its buffers lie on the device's NUMA node.
static int link_open_near(struct dp *dp, const struct config_link *l, const char *spec)
{
	int rc, node = machine_find_device("/sys", l);

	// EAL's files: the caller's own folder may be closed to whom we serve as.
	if (*l->device)
		setenv("XDG_RUNTIME_DIR", dp->config.state, 1);
	if (node >= 0)
		place_prefer(node);
	rc = link_open(dp, ops_of(l), spec, l->kernel);
	if (node >= 0)
		place_prefer(-1);
	if (rc == 0)
		place_tell(dp, node);
	return rc;
}

static bool interface_is_up(const char *name)
{
	return interface_flags(name) & IFF_UP;
}

int dp_links_open(struct dp *dp)
{
	if (link_open(dp, &link_sock_ops, "", false))
		return DP_EXIT_LINK;
	for (uint32_t i = 0; i < dp->config.links.count; i++) {
		const struct config_link *l = &dp->config.links.at[i];
		char spec[sizeof(l->device) + 16], name[IFNAMSIZ];
		bool waits = machine_find_interface(l, name) && !interface_is_up(name);
		int rc;

		if (*l->device)
			snprintf(spec, sizeof(spec), "%s", l->device);
		else if (l->queues)
			snprintf(spec, sizeof(spec), "%s:%u", l->ifname, l->queues);
		else
			snprintf(spec, sizeof(spec), "%s", l->ifname);
		rc = link_open_near(dp, l, spec);
		if (rc && !dp->fall_back)
			return DP_EXIT_LINK;
		if (rc && waits)
			snprintf(dp->awaited[dp->awaited_count++], AWAITED_MAX, "%s:%s",
			    ops_of(l)->kind, name);
	}
	return 0;
}

static void store(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

// Shows a link to the control plane. Whether it is to be opened again.
static bool link_publish(const struct link *link, struct link_block *out)
{
	struct link_stats s = {.mtu = 0};
	uint64_t rx_dropped = 0;

	link->ops->stats(link, &s);
	snprintf(out->name, sizeof(out->name), "%s", link->name);
	snprintf(out->kind, sizeof(out->kind), "%s", link->ops->kind);
	out->queues = link->queue_count;
	out->mtu = s.mtu;
	store(&out->counted_ns, clock_mono_ns());
	out->up = !s.down;
	out->native = s.native;
	out->zero_copy = s.zero_copy;
	out->kernel = s.kernel;
	store(&out->rx_datagrams, s.rx_datagrams);
	store(&out->rx_bytes, s.rx_bytes);
	store(&out->tx_datagrams, s.tx_datagrams);
	store(&out->tx_bytes, s.tx_bytes);
	for (unsigned i = 0; i < DROP_LINK_COUNT; i++) {
		rx_dropped += i + DROP_LINK_FIRST == DROP_TX_INVALID ? 0 : s.lost[i];
		store(&out->lost[i], s.lost[i]);
	}
	store(&out->rx_dropped, rx_dropped);
	store(&out->tx_errors, s.tx_errors);
	store(&out->tx_full, s.tx_full);
	__atomic_store_n(&out->valid, 1, __ATOMIC_RELEASE);
	return s.replaced;
}

const char *dp_links_maintain(struct dp *dp)
{
	struct link_block *blocks = dp->memory.header->links;
	const char *ready = NULL;

	for (unsigned i = 0; i < dp->link_count; i++) {
		dp->links[i]->ops->maintain(dp->links[i]);
		if (link_publish(dp->links[i], &blocks[i]))
			ready = dp->links[i]->name;
	}
	for (unsigned i = 0; i < dp->awaited_count && !ready; i++)
		if (interface_is_up(strchr(dp->awaited[i], ':') + 1))
			ready = dp->awaited[i];
	for (unsigned i = dp->link_count; i < LINK_MAX; i++)
		__atomic_store_n(&blocks[i].valid, 0, __ATOMIC_RELEASE);
	return ready;
}

void dp_links_close(struct dp *dp)
{
	while (dp->link_count) {
		struct link *link = dp->links[--dp->link_count];

		link->ops->close(link);
		free(link);
	}
	xdp_kernel_close(&dp->kernel);
}

// Appends the addresses that others can reach, or with `all` any.
static unsigned describe_addresses(const struct dp *dp, char *text, size_t size, bool all)
{
	size_t used = 0;

	for (int i = 0; i < LOCAL_MAX; i++) {
		const struct local *l = &dp->memory.locals[i];
		char one[ENDPOINT_TEXT_MAX];
		int n;

		if (!local_is_valid(l) || l->extra || endpoint_is_link_local(&l->at))
			continue;
		if (!all && (endpoint_is_loopback(&l->at) || endpoint_is_unspecified(&l->at)))
			continue;
		n = endpoint_format(&l->at, one, sizeof(one));
		if (n < 0 || used + (size_t)n + 2 > size)
			break;
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "", one);
	}
	return (unsigned)used;
}

void dp_describe(const struct dp *dp, char *text, size_t size)
{
	size_t used = describe_addresses(dp, text, size, false);

	if (used == 0)
		used = describe_addresses(dp, text, size, true);
	for (unsigned i = 0; i < dp->link_count && used < size; i++)
		used += (size_t)snprintf(
		    text + used, size - used, "%s%s", i ? ", " : " on ", dp->links[i]->name);
	if (used < size)
		snprintf(text + used, size - used, "; %u worker%s", dp->worker_count,
		    dp->worker_count == 1 ? "" : "s");
}
