// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"
#include "wire/inet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <nftables/libnftables.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RULES_SIZE = 16384, ALL = -1 };

// --- an interface of our own ---

static int interface_set(int fd, struct dpdk_link *d, const char **what)
{
	struct ifreq request = {0};
	struct rte_ether_addr mac;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", d->tap_name);
	*what = "its address";
	// The other end of a net_tap is the kernel's too, and has that address itself.
	if (strcmp(d->driver, "net_tap") != 0 && rte_eth_macaddr_get(d->port, &mac) == 0) {
		request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(request.ifr_hwaddr.sa_data, mac.addr_bytes, sizeof(mac.addr_bytes));
		if (ioctl(fd, SIOCSIFHWADDR, &request))
			return -errno;
	}
	*what = "its MTU";
	request.ifr_mtu = d->mtu;
	if (ioctl(fd, SIOCSIFMTU, &request))
		return -errno;
	*what = "it up";
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return -errno;
	if (request.ifr_flags & IFF_UP)
		return 0;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

static int tap_open(struct dpdk_link *d, struct link_error *err)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	const char *what = NULL;
	int fd, rc;

	if (strcmp(d->cfg.dpdk_tap ? d->cfg.dpdk_tap : "auto", "auto") == 0)
		snprintf(d->tap_name, sizeof(d->tap_name), "fairway%u", d->ordinal);
	else
		snprintf(d->tap_name, sizeof(d->tap_name), "%s", d->cfg.dpdk_tap);
	memcpy(request.ifr_name, d->tap_name, sizeof(request.ifr_name));
	d->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->tap < 0 || ioctl(d->tap, TUNSETIFF, &request))
		return dpdk_fail(err, -errno,
		    "the host's interface %s: %s; it takes /dev/net/tun, CAP_NET_ADMIN and a name "
		    "that is free or a tap that nobody uses (auto: one for each link), or \"off\" "
		    "in dpdk.tap",
		    d->tap_name, strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : interface_set(fd, d, &what);
	if (fd >= 0)
		close(fd);
	if (rc)
		return dpdk_fail(err, rc, "the host's interface %s: cannot set %s: %s", d->tap_name,
		    what, strerror(-rc));
	dpdk_cable_follow(d);
	d->watch.ifindex = if_nametoindex(d->tap_name);
	return 0;
}

// --- an interface of the kernel's ---

static size_t rule_add(char *text, size_t size, const struct endpoint *at, unsigned udp_max)
{
	char address[INET6_ADDRSTRLEN];
	bool v4 = endpoint_is_v4(at);

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? at->addr + 12 : at->addr, address, sizeof(address));
	return (size_t)snprintf(text, size, " %s %s %s udp dport %u udp length <= %u drop\n",
	    v4 ? "ip daddr" : "ip6 daddr", address,
	    v4 ? "ip frag-off & 0x1fff == 0" : "ip6 nexthdr udp", at->port, udp_max);
}

// What the engine serves does not go on to the kernel. net_af_packet puts IPv4 fragments together
// (PACKET_FANOUT_FLAG_DEFRAG), the filter sees the first one; both decide by the UDP length, so
// that each datagram is served once, and what is longer than a packet by the sock link. The table
// belongs to our netlink socket: the kernel removes it when that is closed, however we end. It
// cannot be changed without privileges, so addresses that the host gets later are served by the
// sock link.
static int filter_open(struct dpdk_link *d, struct link_error *err)
{
	char ifname[IF_NAMESIZE], *text = malloc(RULES_SIZE);
	const char *why;
	size_t used;
	int rc = -ENOMEM;

	if (!text || !if_indextoname(d->watch.ifindex, ifname)) {
		free(text);
		return dpdk_fail(err, rc, "%s: no memory, or its interface is gone", d->device);
	}
	used = (size_t)snprintf(text, RULES_SIZE,
	    "table netdev fairway_%u {\n flags owner\n chain relay {\n type filter hook ingress "
	    "device \"%s\" priority 0; policy accept;\n",
	    d->watch.ifindex, ifname);
	d->served = 0;
	d->udp_max = d->mtu - IPV4_HEADER_SIZE;
	for (int i = 0; i < LOCAL_MAX && used < RULES_SIZE; i++) {
		const struct local *l = &d->cfg.locals[i];

		if (!l->valid || l->extra || endpoint_is_unspecified(&l->at))
			continue;
		used += rule_add(text + used, RULES_SIZE - used, &l->at, d->udp_max);
		d->served |= 1ULL << i;
	}
	if (used < RULES_SIZE)
		used += (size_t)snprintf(text + used, RULES_SIZE - used, " }\n}\n");
	d->filter = nft_ctx_new(NFT_CTX_DEFAULT);
	if (d->filter && used < RULES_SIZE) {
		nft_ctx_buffer_error(d->filter);
		rc = nft_run_cmd_from_buffer(d->filter, text) ? -EIO : 0;
	}
	free(text);
	if (rc == 0)
		return 0;
	why = d->filter ? nft_ctx_get_error_buffer(d->filter) : NULL;
	why = why ? why : "no memory";
	return dpdk_fail(err, rc,
	    "cannot keep the kernel from serving what the relay serves on %s: %.*s; it takes "
	    "CAP_NET_ADMIN, and net_af_packet serves an interface once",
	    ifname, (int)strcspn(why, "\n"), why);
}

// Also when the interface is gone: the kernel would go on filtering another of that name.
static void filter_close(struct dpdk_link *d)
{
	if (d->filter)
		nft_ctx_free(d->filter);
	d->filter = NULL;
}

// --- both ---

int dpdk_host_open(struct dpdk_link *d, struct link_error *err)
{
	int rc = 0;

	d->served = (uint64_t)ALL;
	d->udp_max = UINT16_MAX;
	dpdk_cable_follow(d);
	if (d->host == DPDK_HOST_NONE)
		return 0;
	rc = d->host == DPDK_HOST_TAP ? tap_open(d, err) : filter_open(d, err);
	if (rc)
		return rc;
	rc = egress_open(&d->watch, d->cfg.egress, d->watch.ifindex, d->cfg.index);
	if (rc) {
		d->watch.fd = -1;
		return dpdk_fail(err, rc,
		    "reading the state of the interface of %s (rtnetlink): %s", d->device,
		    strerror(-rc));
	}
	d->station = mac_word(d->watch.mac);
	return 0;
}

void dpdk_host_follow(struct dpdk_link *d)
{
	dpdk_cable_follow(d);
	if (d->watch.fd >= 0 && egress_follow(&d->watch))
		__atomic_store_n(&d->station, mac_word(d->watch.mac), __ATOMIC_RELAXED);
	if (d->host == DPDK_HOST_KERNEL && !d->watch.present)
		filter_close(d);
}

void dpdk_host_close(struct dpdk_link *d)
{
	egress_close(&d->watch);
	filter_close(d);
	if (d->tap >= 0)
		close(d->tap);
	d->tap = -1;
}

static bool tap_write(int tap, const struct rte_mbuf *m)
{
	struct iovec part[DPDK_SEGMENTS_MAX];
	int n = 0;

	for (; m && n < DPDK_SEGMENTS_MAX; m = m->next)
		part[n++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
	return !m && writev(tap, part, n) > 0;
}

void dpdk_host_put(struct link_queue *q, struct rte_mbuf **m, unsigned n, unsigned limit)
{
	unsigned taken = q->tap < 0 ? n : 0;

	for (unsigned i = 0; q->tap >= 0 && i < n && i < limit; i++)
		taken += tap_write(q->tap, m[i]);
	dpdk_count(&q->counts.to_host, taken);
	dpdk_count(&q->counts.host_dropped, n - taken);
	rte_pktmbuf_free_bulk(m, n);
}

static void host_send(struct link_queue *q, struct rte_mbuf **m, unsigned n)
{
	uint64_t bytes = 0;
	unsigned sent;

	for (unsigned i = 0; i < n; i++)
		bytes += m[i]->pkt_len;
	sent = rte_eth_tx_burst(q->port, q->queue, m, (uint16_t)n);
	for (unsigned i = sent; i < n; i++)
		bytes -= m[i]->pkt_len;
	rte_pktmbuf_free_bulk(m + sent, n - sent);
	dpdk_count(&q->counts.tx_frames, sent);
	dpdk_count(&q->counts.tx_bytes, bytes);
	dpdk_count(&q->counts.from_host, sent);
	dpdk_count(&q->counts.tx_full, n - sent);
}

void dpdk_host_take(struct link_queue *q)
{
	struct rte_mbuf *list[DPDK_HOST_BURST];
	uint64_t now = rte_get_tsc_cycles();
	unsigned n = 0;

	if (now < q->host_look || __atomic_load_n(q->gone, __ATOMIC_RELAXED))
		return;
	while (n < DPDK_HOST_BURST) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(q->pool);
		ssize_t len = m ? read(q->tap, rte_pktmbuf_mtod(m, void *), q->room) : -1;

		if (len <= 0 || len == (ssize_t)q->room) { // nothing there, or cut off
			rte_pktmbuf_free(m);
			dpdk_count(&q->counts.tx_errors, len > 0);
			q->host_look = len > 0 ? now : now + q->host_step;
			break;
		}
		m->data_len = (uint16_t)len;
		m->pkt_len = (uint32_t)len;
		list[n++] = m;
	}
	if (n)
		host_send(q, list, n);
}
