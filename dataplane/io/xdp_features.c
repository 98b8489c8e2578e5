// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/xdp_features.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// linux/netdev.h, which Linux 6.3 brought.
enum {
	NETDEV_DEV_GET = 1,
	NETDEV_IFINDEX = 1,
	NETDEV_XDP_FEATURES = 3,
	NETDEV_NDO_XMIT = 1 << 2,
	NETDEV_ZERO_COPY = 1 << 3,
};

// A request has one attribute, and the kernel ignores what is behind its length.
struct request {
	struct nlmsghdr h;
	struct genlmsghdr g;
	struct nlattr a;
	char value[16];
};

struct answer {
	_Alignas(8) char bytes[8192];
	size_t len;
};

static int ask(int fd, struct request *r, struct answer *out)
{
	ssize_t n;

	out->len = 0;
	r->h.nlmsg_len = (uint32_t)(offsetof(struct request, a) + NLA_ALIGN(r->a.nla_len));
	r->h.nlmsg_flags = NLM_F_REQUEST;
	r->g.version = 1;
	if (send(fd, r, r->h.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, out->bytes, sizeof(out->bytes), 0);
	if (n < 0)
		return -errno;
	out->len = (size_t)n;
	return ((struct nlmsghdr *)out->bytes)->nlmsg_type == r->h.nlmsg_type ? 0 : -ENOENT;
}

// The attribute's value, or NULL if it is not there with that many bytes.
static const void *attribute_find(const struct answer *from, uint16_t type, size_t size)
{
	size_t at = NLMSG_HDRLEN + GENL_HDRLEN;

	while (at + NLA_HDRLEN <= from->len) {
		const struct nlattr *a = (const struct nlattr *)(from->bytes + at);

		if (a->nla_len < NLA_HDRLEN || at + a->nla_len > from->len)
			break;
		if ((a->nla_type & NLA_TYPE_MASK) == type && a->nla_len >= NLA_HDRLEN + size)
			return from->bytes + at + NLA_HDRLEN;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

static int features_ask(int fd, uint32_t ifindex, uint64_t *features)
{
	struct request family = {.h.nlmsg_type = GENL_ID_CTRL,
	    .g.cmd = CTRL_CMD_GETFAMILY,
	    .a = {.nla_type = CTRL_ATTR_FAMILY_NAME, .nla_len = NLA_HDRLEN + sizeof("netdev")},
	    .value = "netdev"};
	struct request device = {.g.cmd = NETDEV_DEV_GET,
	    .a = {.nla_type = NETDEV_IFINDEX, .nla_len = NLA_HDRLEN + sizeof(ifindex)}};
	struct answer answer;
	const void *at;
	int rc = ask(fd, &family, &answer);

	at = rc ? NULL : attribute_find(&answer, CTRL_ATTR_FAMILY_ID, sizeof(uint16_t));
	if (!at)
		return -ENOENT;
	memcpy(&device.h.nlmsg_type, at, sizeof(uint16_t));
	memcpy(device.value, &ifindex, sizeof(ifindex));
	rc = ask(fd, &device, &answer);
	at = rc ? NULL : attribute_find(&answer, NETDEV_XDP_FEATURES, sizeof(*features));
	if (!at)
		return -ENOENT;
	memcpy(features, at, sizeof(*features));
	return 0;
}

static int features_query(uint32_t ifindex, uint64_t *features)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK};
	struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	int rc;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		rc = -errno;
	else
		rc = features_ask(fd, ifindex, features);
	close(fd);
	return rc;
}

static bool is_veth(const char *ifname)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	request.ifr_data = (void *)&info;
	is = ioctl(fd, SIOCETHTOOL, &request) == 0 && strcmp(info.driver, "veth") == 0;
	close(fd);
	return is;
}

struct xdp_features xdp_features_read(const char *ifname, uint32_t ifindex)
{
	bool veth = is_veth(ifname);
	uint64_t bits = veth ? 0 : NETDEV_NDO_XMIT | NETDEV_ZERO_COPY;

	features_query(ifindex, &bits);
	return (struct xdp_features){
	    .tx = !veth, .redirect = bits & NETDEV_NDO_XMIT, .zero_copy = bits & NETDEV_ZERO_COPY};
}
