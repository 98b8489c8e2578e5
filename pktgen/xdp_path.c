// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/xdp_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { RESOLVE_TRIES = 50, RESOLVE_PAUSE_NS = 20000000 };

// The kernel resolves the relay's MAC when a datagram is sent to it: one byte to the discard port.
static int resolve(struct path *p, const char *interface, int fd)
{
	struct sockaddr_in relay = {
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = p->relay_addr};
	struct arpreq r = {0};

	memcpy(&r.arp_pa, &relay, sizeof(relay));
	strncpy(r.arp_dev, interface, sizeof(r.arp_dev) - 1);
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		struct timespec pause = {.tv_nsec = RESOLVE_PAUSE_NS};

		if (!ioctl(fd, SIOCGARP, &r) && r.arp_flags & ATF_COM) {
			memcpy(p->relay_mac, r.arp_ha.sa_data, 6);
			return 0;
		}
		if (sendto(fd, "", 1, 0, (struct sockaddr *)&relay, sizeof(relay)) < 0 && i == 0)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EHOSTUNREACH;
}

int xdp_path_find(struct path *p, unsigned *ifindex, const struct options *o, char *error)
{
	struct ifreq request = {0};
	int failed = path_init(p, o, error), fd;

	if (failed)
		return failed;
	*ifindex = if_nametoindex(o->interface);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(request.ifr_name, o->interface, IFNAMSIZ - 1);
	if (!*ifindex || fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request)) {
		failed = -errno;
		snprintf(
		    error, BACKEND_ERROR_MAX, "interface %s: %s", o->interface, strerror(-failed));
	} else {
		memcpy(p->own_mac, request.ifr_hwaddr.sa_data, 6);
		failed = resolve(p, o->interface, fd);
		if (failed)
			snprintf(error, BACKEND_ERROR_MAX,
			    "the relay's address does not answer on %s: it must be on that link, "
			    "not behind a router",
			    o->interface);
	}
	if (fd >= 0)
		close(fd);
	return failed;
}
