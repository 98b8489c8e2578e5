// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"
#include "dataplane/io/lines.h"

#include <errno.h>
#include <rte_eal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int dpdk_fail(struct link_error *err, int rc, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(err->text, sizeof(err->text), format, list);
	va_end(list);
	return rc;
}

static void dpdk_close(struct link *link)
{
	struct dpdk_link *d = link->priv;

	if (!d)
		return;
	dpdk_port_close(d, link->queues);
	dpdk_host_close(d);
	pthread_mutex_destroy(&d->cable);
	free(d);
	link->priv = NULL;
	link->queue_count = 0;
}

static int open_steps(struct link *link, struct dpdk_link *d, struct link_error *err)
{
	int rc;

	if (!*d->device)
		return dpdk_fail(
		    err, -EINVAL, "no device: dpdk:0000:03:00.0 or dpdk:net_tap0,iface=NAME");
	rc = dpdk_eal_start(&d->cfg, err);
	if (rc == 0)
		rc = dpdk_port_probe(d, err);
	if (rc == 0)
		rc = dpdk_host_open(d, err);
	if (rc == 0)
		rc = dpdk_port_start(d, link->queues, err);
	if (rc == 0)
		dpdk_host_follow(d); // some cables are up only from the start on
	return rc;
}

static int dpdk_open(struct link *link, const struct link_config *cfg, struct link_error *err)
{
	static unsigned ordinal;
	struct dpdk_link *d = lines_alloc(sizeof(*d));
	struct rte_ether_addr mac;
	int rc;

	if (!d)
		return dpdk_fail(err, -ENOMEM, "no memory");
	err->text[0] = 0;
	d->cfg = *cfg;
	d->ordinal = ordinal++;
	d->tap = d->watch.fd = d->xdp_link = -1;
	pthread_mutex_init(&d->cable, NULL);
	snprintf(d->device, sizeof(d->device), "%s", cfg->spec);
	link->priv = d;
	link->index = cfg->index;
	rc = open_steps(link, d, err);
	if (rc) {
		dpdk_close(link);
		return rc;
	}
	link->queue_count = d->queue_count;
	if (rte_eth_macaddr_get(d->port, &mac) == 0)
		memcpy(link->mac, mac.addr_bytes, sizeof(link->mac));
	snprintf(
	    link->name, sizeof(link->name), "dpdk:%.*s", (int)strcspn(d->device, ","), d->device);
	d->cfg.spec = d->cfg.dpdk_eal = d->cfg.dpdk_tap = NULL; // not ours
	if (d->queue_count < cfg->dpdk_queues)
		dpdk_fail(err, 0, "%s serves with %u of the %u queues asked for (dpdk.queues): %s",
		    link->name, d->queue_count, cfg->dpdk_queues,
		    d->queue_count < cfg->worker_count
			? "it has no more; the other workers send through those"
			: "each takes a worker (workers; as many as cores if none are said)");
	else if (d->socket != d->node && rte_eal_has_hugepages())
		dpdk_fail(err, 0,
		    "%s is on NUMA node %d, which has no room for its buffers; they are on "
		    "another: reserve huge pages in /sys/devices/system/node/node%d/hugepages",
		    d->device, d->node, d->node);
	return 0;
}

// No worker touches the device any more.
static bool is_left(const struct link *link)
{
	for (unsigned i = 0; i < link->queue_count; i++)
		if (!__atomic_load_n(&link->queues[i]->left, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void dpdk_maintain(struct link *link)
{
	struct dpdk_link *d = link->priv;

	dpdk_host_follow(d);
	if (d->probed && dpdk_is_gone(d) && is_left(link)) {
		if (dpdk_port_is_there(d))
			rte_eth_stats_get(d->port, &d->counted);
		dpdk_port_release(d);
	}
}

static uint64_t load_relaxed(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

static uint64_t sum_of(const struct link *link, size_t counter)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < link->queue_count; w++)
		sum += load_relaxed((const uint64_t *)&link->queues[w]->counts + counter);
	return sum;
}

#define SUM(link, name) sum_of(link, offsetof(struct dpdk_counts, name) / sizeof(uint64_t))

static void dpdk_stats(const struct link *link, struct link_stats *out)
{
	const struct dpdk_link *d = link->priv;
	struct rte_eth_stats device = d->counted;

	if (dpdk_port_is_there(d))
		rte_eth_stats_get(d->port, &device);
	*out = (struct link_stats){
	    .rx_datagrams = SUM(link, rx_frames),
	    .rx_bytes = SUM(link, rx_bytes),
	    .tx_datagrams = SUM(link, tx_frames),
	    .tx_bytes = SUM(link, tx_bytes),
	    .tx_full = SUM(link, tx_full),
	    .mtu = d->mtu,
	    .down = !dpdk_link_is_up(d),
	    .replaced = dpdk_is_replaced(d),
	    .native = d->wakes,
	    .tx_errors = SUM(link, tx_errors) + device.oerrors,
	};
	link_stats_lose(out, DROP_RX_RING_FULL, device.imissed);
	link_stats_lose(out, DROP_RX_NO_BUFFER, device.rx_nombuf);
	link_stats_lose(out, DROP_RX_ERROR, SUM(link, host_dropped) + device.ierrors);
}

static const char *dpdk_state_name(const struct dpdk_link *d)
{
	return dpdk_is_gone(d) ? "gone" : dpdk_link_is_up(d) ? "up" : "down";
}

static const char *dpdk_wait_name(const struct dpdk_link *d)
{
	return d->wakes ? "interrupts" : d->cfg.dpdk_nap_us ? "naps" : "polled";
}

static void dpdk_describe(const struct link *link, char *text, size_t size)
{
	static const char *const hosts[] = {"none", "tap ", "kernel's"};
	const struct dpdk_link *d = link->priv;

	snprintf(text, size,
	    "%s, %s, %u queues, %s, mtu %u, %s, host interface %s%s, to host %llu, from host %llu",
	    dpdk_state_name(d), d->driver, link->queue_count, dpdk_eal_memory(), d->mtu,
	    dpdk_wait_name(d), hosts[d->host], d->host == DPDK_HOST_TAP ? d->tap_name : "",
	    (unsigned long long)SUM(link, to_host), (unsigned long long)SUM(link, from_host));
}

const struct link_ops link_dpdk_ops = {
    .kind = "dpdk",
    .raw = 1,
    .open = dpdk_open,
    .close = dpdk_close,
    .maintain = dpdk_maintain,
    .stats = dpdk_stats,
    .describe = dpdk_describe,
    .rx = dpdk_rx,
    .lend = dpdk_lend,
    .tx = dpdk_tx,
    .tx_copy = dpdk_tx_copy,
    .release = dpdk_release,
    .flush = dpdk_flush,
    .poll_fds = dpdk_poll_fds,
    .nap_us = dpdk_nap_us,
    .thread_start = dpdk_thread_start,
    .thread_end = dpdk_thread_end,
};
