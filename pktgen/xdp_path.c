// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/xdp_internal.h"
#include "wire/bytes.h"
#include "wire/inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { RESOLVE_TRIES = 50, RESOLVE_PAUSE_NS = 20000000, TTL = 64 };

void xdp_node_address(const struct xdp_path *p, uint32_t node, uint32_t *addr, uint16_t *port)
{
	*addr = htonl(p->first_addr + node / PORTS_PER_ADDRESS);
	*port = htons((uint16_t)(FIRST_PORT + node % PORTS_PER_ADDRESS));
}

uint32_t xdp_address_node(const struct xdp_path *p, uint32_t addr, uint16_t port)
{
	return (ntohl(addr) - p->first_addr) * PORTS_PER_ADDRESS + ntohs(port) - FIRST_PORT;
}

// The kernel resolves the relay's MAC when a datagram is sent to it: one byte to the discard port.
static int resolve(struct xdp_path *p, const char *interface, int fd)
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

int xdp_path_find(struct xdp_path *p, const struct options *o, char *error)
{
	struct ifreq request = {0};
	int fd, failed;

	if (!endpoint_is_v4(&o->to) || !endpoint_is_v4(&o->network)) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "the xdp link simulates IPv4 nodes: give IPv4 addresses, or --link sock");
		return -EAFNOSUPPORT;
	}
	p->relay_addr = endpoint_v4(&o->to);
	p->relay_port = htons(o->to.port);
	p->first_addr = ntohl(endpoint_v4(&o->network));
	p->ifindex = if_nametoindex(o->interface);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(request.ifr_name, o->interface, IFNAMSIZ - 1);
	if (!p->ifindex || fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request)) {
		snprintf(
		    error, BACKEND_ERROR_MAX, "interface %s: %s", o->interface, strerror(errno));
		failed = -errno;
	} else {
		memcpy(p->own_mac, request.ifr_hwaddr.sa_data, 6);
		failed = resolve(p, o->interface, fd);
		if (failed)
			snprintf(error, BACKEND_ERROR_MAX,
			    "the relay's address does not answer on %s: it must be on that link, "
			    "not "
			    "behind a router",
			    o->interface);
	}
	if (fd >= 0)
		close(fd);
	return failed;
}

void xdp_headers_build(const struct xdp_path *p, uint8_t *frame, uint32_t node, size_t payload)
{
	uint8_t *ip = frame + 14, *udp = ip + 20;
	uint16_t udp_len = (uint16_t)(8 + payload), port, check;
	uint32_t addr;

	xdp_node_address(p, node, &addr, &port);
	memcpy(frame, p->relay_mac, 6);
	memcpy(frame + 6, p->own_mac, 6);
	store_be16(frame + 12, 0x0800);
	ipv4_build(ip, udp_len, addr, p->relay_addr, TTL, 0);
	udp_build(udp, ntohs(port), ntohs(p->relay_port), udp_len, 0);
	check = udp_checksum(udp4_pseudo_sum(addr, p->relay_addr, udp_len), udp, udp_len);
	memcpy(udp + 6, &check, 2);
}
