// SPDX-License-Identifier: BSD-3-Clause
#include "base/privilege.h"
#include "dataplane/io/xdp_internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int capabilities_check(struct link_error *err)
{
	uint64_t missing = privilege_missing(PRIVILEGE_XDP);
	char names[128];

	if (!missing)
		return 0;
	return xdp_fail(err, -EPERM, "AF_XDP needs %s at start: " PRIVILEGE_XDP_HINT,
	    privilege_names(names, sizeof(names), missing));
}

// IFACE[:QUEUES]; leaves queue_count at 0 when QUEUES is not given.
static int spec_parse(struct xdp_link *x, const char *spec, struct link_error *err)
{
	const char *colon = strchr(spec, ':');
	size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
	char *end = NULL;
	unsigned long queues;

	if (length == 0 || length >= sizeof(x->ifname))
		return xdp_fail(
		    err, -EINVAL, "\"%s\" names no interface: xdp:IFACE or xdp:IFACE:QUEUES", spec);
	memcpy(x->ifname, spec, length);
	if (!colon)
		return 0;
	queues = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end || queues == 0 || queues > STEER_QUEUE_MAX)
		return xdp_fail(err, -EINVAL, "\"%s\": QUEUES is a number from 1 to %d", colon + 1,
		    STEER_QUEUE_MAX);
	x->queue_count = queues;
	return 0;
}

// Receive queues of an interface; 1 where the driver does not say.
static uint32_t queues_of(const char *ifname)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t count = 1;

	if (fd < 0)
		return count;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	request.ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &request) == 0 && channels.rx_count + channels.combined_count)
		count = channels.rx_count + channels.combined_count;
	close(fd);
	return count;
}

static int interface_find(struct xdp_link *x, struct link_error *err)
{
	uint32_t program = 0;

	x->ifindex = if_nametoindex(x->ifname);
	if (!x->ifindex)
		return xdp_fail(err, -ENODEV,
		    "there is no interface %s: `ip link` lists those there are", x->ifname);
	// The kernel takes the program of a process that has just died off a moment later.
	for (int turn = 0; turn < XDP_RETRIES; turn++) {
		if (bpf_xdp_query_id(x->ifindex, 0, &program) < 0 || !program)
			break;
		usleep(XDP_RETRY_US);
	}
	if (program)
		return xdp_fail(err, -EBUSY,
		    "%s has an XDP program already (id %u): see `bpftool prog show id %u`, stop "
		    "what put it there",
		    x->ifname, program, program);
	x->queue_total = queues_of(x->ifname);
	if (x->queue_count > x->queue_total)
		return xdp_fail(err, -EINVAL,
		    "%s has %u receive queues, %u were asked for: ethtool -L %s shows and sets "
		    "them",
		    x->ifname, x->queue_total, x->queue_count, x->ifname);
	if (!x->queue_count)
		x->queue_count =
		    x->queue_total < STEER_QUEUE_MAX ? x->queue_total : STEER_QUEUE_MAX;
	return 0;
}

static int watch_start(struct xdp_link *x, struct link_error *err)
{
	int rc = egress_open(&x->watch, x->cfg.egress, x->ifindex, x->cfg.index);

	if (rc)
		return xdp_fail(
		    err, rc, "reading the state of %s (rtnetlink): %s", x->ifname, strerror(-rc));
	if (!x->watch.ethernet)
		return xdp_fail(err, -EINVAL,
		    "%s carries no Ethernet frames: leave it out, the sock link serves it",
		    x->ifname);
	// Without carrier the link opens and waits for it: an interface that was just set up gets
	// its carrier a moment later, and a cable may be plugged in at any time.
	if (!x->watch.enabled)
		return xdp_fail(
		    err, -ENETDOWN, "%s is down: ip link set %s up", x->ifname, x->ifname);
	return 0;
}

int xdp_interface_open(struct xdp_link *x, struct link_error *err)
{
	int rc = spec_parse(x, x->cfg.spec, err);

	if (rc == 0)
		rc = interface_find(x, err);
	if (rc == 0)
		rc = capabilities_check(err);
	return rc ? rc : watch_start(x, err);
}
