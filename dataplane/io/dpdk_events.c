// SPDX-License-Identifier: BSD-3-Clause
#define ALLOW_EXPERIMENTAL_API // rte_dev_event_callback_*
#include "dataplane/io/dpdk_internal.h"
#include "dataplane/io/interface.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <rte_dev.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Drivers and buses that can tell of a cable or a removal do so from a thread of DPDK's; the others
// are asked by the main thread. Either comes to dpdk_cable_follow.

bool dpdk_is_gone(const struct dpdk_link *d)
{
	return __atomic_load_n(&d->gone, __ATOMIC_RELAXED);
}

static bool interface_runs(const char *name)
{
	const int wanted = IFF_UP | IFF_RUNNING;

	return (interface_flags(name) & wanted) == wanted;
}

static bool cable_is_up(const struct dpdk_link *d)
{
	struct rte_eth_link state = {0};
	char name[IF_NAMESIZE];

	if (dpdk_is_gone(d))
		return false;
	// A driver that borrows the kernel's interface does not see its cable, nor that it goes.
	if (d->lower && (!if_indextoname(d->lower, name) || !interface_runs(name)))
		return false;
	return rte_eth_link_get_nowait(d->port, &state) == 0 && state.link_status;
}

void dpdk_cable_follow(struct dpdk_link *d)
{
	char name[IF_NAMESIZE];
	int up;

	pthread_mutex_lock(&d->cable);
	if (d->lower && !if_indextoname(d->lower, name))
		__atomic_store_n(&d->gone, 1, __ATOMIC_RELAXED);
	up = cable_is_up(d);
	__atomic_store_n(&d->link_up, up, __ATOMIC_RELAXED);
	if (d->tap >= 0)
		ioctl(d->tap, TUNSETCARRIER, &up); // before Linux 5.0 it is always there
	pthread_mutex_unlock(&d->cable);
}

bool dpdk_is_replaced(const struct dpdk_link *d)
{
	return dpdk_is_gone(d) && *d->lower_name && interface_runs(d->lower_name);
}

static int cable_changed(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)port;
	(void)type;
	(void)ret;
	dpdk_cable_follow(arg);
	return 0;
}

static int port_removed(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct dpdk_link *d = arg;

	__atomic_store_n(&d->gone, 1, __ATOMIC_RELAXED);
	return cable_changed(port, type, arg, ret);
}

// The kernel wants a card back from vfio-pci, and waits until it is closed.
static void device_removed(const char *name, enum rte_dev_event_type type, void *arg)
{
	struct dpdk_link *d = arg;

	(void)name;
	if (type == RTE_DEV_EVENT_REMOVE)
		port_removed(d->port, RTE_ETH_EVENT_INTR_RMV, d, NULL);
}

static const struct {
	enum rte_eth_event_type type;
	rte_eth_dev_cb_fn call;
} events[] = {
    {RTE_ETH_EVENT_INTR_LSC, cable_changed}, {RTE_ETH_EVENT_INTR_RMV, port_removed},
    {RTE_ETH_EVENT_DESTROY, port_removed}, // by another process of a multi-process DPDK
};

enum { EVENTS = sizeof(events) / sizeof(events[0]) };

void dpdk_events_open(struct dpdk_link *d)
{
	for (int i = 0; i < EVENTS; i++)
		rte_eth_dev_callback_register(d->port, events[i].type, events[i].call, d);
	rte_dev_event_callback_register(d->device_name, device_removed, d);
}

void dpdk_events_close(struct dpdk_link *d)
{
	// A port that another process has removed takes this call only as one of all.
	uint16_t port = dpdk_port_is_there(d) ? d->port : RTE_ETH_ALL;

	for (int i = 0; i < EVENTS; i++)
		while (rte_eth_dev_callback_unregister(port, events[i].type, events[i].call, d) ==
		       -EAGAIN)
			usleep(1);
	while (rte_dev_event_callback_unregister(d->device_name, device_removed, d) == -EAGAIN)
		usleep(1);
}
