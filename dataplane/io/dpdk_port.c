// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"
#include "dataplane/io/lines.h"

#include <errno.h>
#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf_pool_ops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FRAME_OVERHEAD = RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN,
	MICROSECONDS = 1000000,
	ROOM_MAX = 65280
};

// By links of this process. DPDK lets every name of a device lead to it, and nobody but us count.
static bool taken[RTE_MAX_ETHPORTS];

static int find_port(struct dpdk_link *d)
{
	struct rte_dev_iterator it;
	char name[sizeof(d->device)];
	uint16_t port;

	snprintf(name, sizeof(name), "%s", d->device);
	*strchrnul(name, ',') = 0;
	if (rte_eth_dev_get_port_by_name(name, &d->port) == 0)
		return 0;
	RTE_ETH_FOREACH_MATCHING_DEV(port, d->device, &it)
	{
		d->port = port;
		rte_eth_iterator_cleanup(&it);
		return 0;
	}
	return -ENODEV;
}

// Devices whose other end is memory or a file: no host is there to talk to.
static bool has_no_cable(const char *driver)
{
	static const char *const drivers[] = {"net_null", "net_ring", "net_pcap"};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	return false;
}

static enum dpdk_host host_choose(const struct dpdk_link *d, const struct rte_eth_dev_info *info)
{
	const char *tap = d->cfg.dpdk_tap ? d->cfg.dpdk_tap : "auto";

	if (!d->cfg.locals)
		return DPDK_HOST_NONE;
	if (strcmp(d->driver, "net_af_packet") == 0 && info->if_index)
		return DPDK_HOST_KERNEL;
	if (strcmp(tap, "off") == 0)
		return DPDK_HOST_NONE;
	return strcmp(tap, "auto") == 0 && has_no_cable(d->driver) ? DPDK_HOST_NONE : DPDK_HOST_TAP;
}

static int probe_fail(const struct dpdk_link *d, int rc, struct link_error *err)
{
	if (memchr(d->device, ':', strcspn(d->device, ",")))
		return dpdk_fail(err, rc,
		    "DPDK finds no device \"%s\": %s; dpdk-devbind.py --status lists PCI devices "
		    "(bind it to vfio-pci and let user access /dev/vfio), the package librte-net-* "
		    "holds its driver",
		    d->device, rte_strerror(-rc));
	return dpdk_fail(err, -ENODEV, // drivers only say "no"
	    "DPDK makes no device \"%s\": its lines above say why; names are net_tap0, "
	    "net_memif1 and so on, and arguments follow (docs/bare-metal.md)",
	    d->device);
}

int dpdk_port_probe(struct dpdk_link *d, struct link_error *err)
{
	struct rte_eth_dev_info info;
	int rc;

	dpdk_socket_clean(d->device);
	rc = rte_dev_probe(d->device);
	if (rc && rc != -EEXIST)
		return probe_fail(d, rc, err);
	if (find_port(d))
		return dpdk_fail(err, -ENODEV, "\"%s\" is no network device", d->device);
	if (taken[d->port])
		return dpdk_fail(err, -EEXIST,
		    "\"%s\" is the device of another link: remove one of them", d->device);
	d->probed = taken[d->port] = true;
	rc = rte_eth_dev_info_get(d->port, &info);
	if (rc)
		return dpdk_fail(err, rc, "\"%s\": %s", d->device, rte_strerror(-rc));
	snprintf(d->driver, sizeof(d->driver), "%s", info.driver_name);
	d->is_virtual = strcmp(rte_bus_name(rte_dev_bus(info.device)), "vdev") == 0;
	d->host = host_choose(d, &info);
	d->watch.ifindex = info.if_index;
	d->lower = d->is_virtual ? info.if_index : 0;
	// The interface of a net_tap is the driver's own: nobody else makes it again.
	if (d->lower && strcmp(d->driver, "net_tap") != 0)
		if_indextoname(d->lower, d->lower_name);
	snprintf(d->device_name, sizeof(d->device_name), "%s", rte_dev_name(info.device));
	d->tells = *info.dev_flags & RTE_ETH_DEV_INTR_LSC;
	d->interrupts = d->cfg.dpdk_nap_us != 0;
	d->queue_count = d->cfg.dpdk_queues ? d->cfg.dpdk_queues : 1;
	d->queue_count = RTE_MIN(d->queue_count, d->cfg.worker_count);
	d->queue_count = RTE_MIN(d->queue_count, info.max_rx_queues);
	d->queue_count = RTE_MIN(d->queue_count, info.max_tx_queues);
	if (rte_eth_dev_get_mtu(d->port, &d->mtu))
		d->mtu = RTE_ETHER_MTU;
	rc = rte_eth_dev_socket_id(d->port);
	d->node = rc < 0 ? SOCKET_ID_ANY : rc;
	// Of memory without huge pages DPDK does not know where it is; the main thread does.
	d->socket = rte_eal_has_hugepages() ? d->node : SOCKET_ID_ANY;
	return 0;
}

// Checksums are not offloaded: the relay updates the UDP sum from the received one, which costs
// less than asking the card, and keeps damage visible.
static int configure(struct dpdk_link *d, struct rte_eth_dev_info *info, struct link_error *err)
{
	struct rte_eth_conf conf = {.intr_conf.rmv = !!(*info->dev_flags & RTE_ETH_DEV_INTR_RMV),
	    .intr_conf.lsc = d->tells,
	    .intr_conf.rxq = d->interrupts};
	int rc;

	conf.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	if (d->queue_count > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
		    info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
		if (!conf.rx_adv_conf.rss_conf.rss_hf)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	}
	rc = rte_eth_dev_configure(d->port, d->queue_count, d->queue_count, &conf);
	if (rc)
		return dpdk_fail(err, rc, "%s does not take %u queues: %s", d->device,
		    d->queue_count, rte_strerror(-rc));
	info->default_txconf.offloads = conf.txmode.offloads;
	return 0;
}

// As rte_pktmbuf_pool_create, but packed where no card reads the buffers. Without huge pages DPDK
// keeps buffers from crossing a page, for cards without an IOMMU. Each then starts at the same
// place of its page, and all headers meet in a few sets of the first-level cache.
static struct rte_mempool *pool_make(const struct dpdk_link *d, const char *name, uint32_t room)
{
	bool packed = d->is_virtual && !rte_eal_has_hugepages();
	struct rte_pktmbuf_pool_private layout = {
	    .mbuf_data_room_size = (uint16_t)(RTE_PKTMBUF_HEADROOM + room)};
	struct rte_mempool *pool = rte_mempool_create_empty(name, d->cfg.frame_count,
	    sizeof(struct rte_mbuf) + layout.mbuf_data_room_size, DPDK_POOL_CACHE, sizeof(layout),
	    d->socket, packed ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);

	if (!pool)
		return NULL;
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) == 0) {
		rte_pktmbuf_pool_init(pool, &layout);
		if (rte_mempool_populate_default(pool) >= 0) {
			rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
			return pool;
		}
	}
	rte_mempool_free(pool);
	return NULL;
}

static struct link_queue *queue_make(const struct dpdk_link *d, uint16_t index)
{
	struct link_queue *q = lines_alloc(sizeof(*q));
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t room = RTE_MAX(d->mtu + FRAME_OVERHEAD + TAILROOM + 1, RTE_MBUF_DEFAULT_DATAROOM);

	if (!q)
		return NULL;
	room = RTE_ALIGN_CEIL(RTE_MIN(room, (uint32_t)ROOM_MAX), (uint32_t)CACHE_LINE);
	snprintf(name, sizeof(name), "fw_p%u_q%u", d->port, index);
	*q = (struct link_queue){
	    .port = d->port,
	    .queue = index,
	    .link = d->cfg.index,
	    .host = d->host,
	    .reads_host = index == 0 && d->tap >= 0,
	    .tap = d->tap,
	    .epoll = -1,
	    .nap_us = d->cfg.dpdk_nap_us,
	    .room = room - TAILROOM,
	    .host_step = rte_get_tsc_hz() / MICROSECONDS * DPDK_HOST_US,
	    .locals = d->cfg.locals,
	    .served = d->served,
	    .udp_max = d->udp_max,
	    .station = &d->station,
	    .gone = &d->gone,
	    .pool = pool_make(d, name, room),
	};
	if (q->pool)
		return q;
	free(q);
	return NULL;
}

static int queues_make(struct dpdk_link *d, struct link_queue **queues,
    const struct rte_eth_dev_info *info, struct link_error *err)
{
	uint16_t rx = DPDK_DESCRIPTORS, tx = DPDK_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(d->port, &rx, &tx);

	for (uint16_t i = 0; rc == 0 && i < d->queue_count; i++) {
		if (!queues[i])
			queues[i] = queue_make(d, i);
		if (!queues[i] && d->socket != SOCKET_ID_ANY) {
			d->socket = SOCKET_ID_ANY; // far buffers are better than none
			queues[i] = queue_make(d, i);
		}
		if (!queues[i])
			return dpdk_fail(err, -ENOMEM,
			    "no memory for %u packet buffers (dpdk.frames) of %s: reserve more "
			    "huge pages, or without them raise -m in dpdk.eal",
			    d->cfg.frame_count, d->device);
		rc = rte_eth_rx_queue_setup(d->port, i, rx, d->socket, NULL, queues[i]->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(
			    d->port, i, tx, d->socket, &info->default_txconf);
	}
	return rc ? dpdk_fail(err, rc, "queues of %s: %s; DPDK's lines above say why%s", d->device,
			rte_strerror(-rc),
			strcmp(d->driver, "net_af_xdp") == 0 && !strstr(d->device, ",xdp_prog=")
			    ? ": xdp_prog= helps (docs/bare-metal.md)"
			    : "")
		  : 0;
}

static int start_steps(struct dpdk_link *d, struct link_queue **queues, struct link_error *err)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(d->port, &info);

	if (rc == 0)
		rc = configure(d, &info, err);
	if (rc == 0)
		rc = queues_make(d, queues, &info, err);
	if (rc)
		return rc;
	rc = rte_eth_dev_start(d->port);
	if (rc)
		return dpdk_fail(err, rc, "%s does not start: %s", d->device, rte_strerror(-rc));
	d->started = true;
	return 0;
}

int dpdk_port_start(struct dpdk_link *d, struct link_queue **queues, struct link_error *err)
{
	int rc = start_steps(d, queues, err);

	// Some drivers refuse to start with interrupts that they do not have.
	while (rc && (d->interrupts || d->tells)) {
		if (d->interrupts)
			d->interrupts = false;
		else
			d->tells = false;
		err->text[0] = 0;
		rc = start_steps(d, queues, err);
	}
	if (rc == 0)
		rc = dpdk_xdp_hold(d, err);
	if (rc)
		return rc;
	dpdk_wait_open(d, queues);
	dpdk_events_open(d);
	rte_eth_allmulticast_enable(d->port); // neighbour discovery; devices without it get all
	return 0;
}

void dpdk_port_release(struct dpdk_link *d)
{
	bool there = dpdk_port_is_there(d);
	struct rte_eth_dev_info info;

	if (d->started) {
		dpdk_events_close(d);
		if (there)
			rte_eth_dev_stop(d->port);
	}
	if (there && rte_eth_dev_info_get(d->port, &info) == 0) {
		dpdk_xdp_close_port(d);
		rte_dev_remove(info.device);
	}
	if (d->probed)
		taken[d->port] = false;
	d->probed = d->started = false;
}

void dpdk_port_close(struct dpdk_link *d, struct link_queue **queues)
{
	dpdk_wait_close(d, queues);
	dpdk_port_release(d);
	for (unsigned i = 0; i < WORKER_MAX; i++) {
		if (!queues[i])
			continue;
		rte_mempool_free(queues[i]->pool);
		free(queues[i]);
		queues[i] = NULL;
	}
}
