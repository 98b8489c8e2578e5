// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/egress.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 32768, // the kernel's largest dump message
	MESSAGES_MAX = 4096,
	USABLE = IFF_UP | IFF_RUNNING,
};

// What one RTM_NEWLINK message says that matters here.
struct link_facts {
	uint32_t ifindex, flags, parent, mtu, vlan;
	bool foreign_parent; // the parent is in another network namespace
	bool is_vlan, ethernet;
	const uint8_t *mac;
	const char *name;
};

static void read_vlan(const struct rtattr *info, struct link_facts *f)
{
	const struct rtattr *a = RTA_DATA(info), *data = NULL;
	int left = RTA_PAYLOAD(info);
	uint16_t protocol = 0;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_INFO_KIND)
			f->is_vlan = RTA_PAYLOAD(a) >= 4 && memcmp(RTA_DATA(a), "vlan", 4) == 0;
		else if (a->rta_type == IFLA_INFO_DATA)
			data = a;
	}
	if (!f->is_vlan || !data) {
		f->is_vlan = false;
		return;
	}
	a = RTA_DATA(data);
	left = RTA_PAYLOAD(data);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_VLAN_ID)
			f->vlan = *(const uint16_t *)RTA_DATA(a);
		else if (a->rta_type == IFLA_VLAN_PROTOCOL)
			protocol = *(const uint16_t *)RTA_DATA(a);
	}
	f->is_vlan = protocol == htobe16(ETH_P_8021Q);
}

static struct link_facts read_facts(const struct nlmsghdr *h)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	const struct rtattr *a = IFLA_RTA(info);
	int left = IFLA_PAYLOAD(h);
	struct link_facts f = {.ifindex = info->ifi_index, .flags = info->ifi_flags, .name = ""};

	f.ethernet = info->ifi_type == ARPHRD_ETHER || info->ifi_type == ARPHRD_LOOPBACK;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == ETH_ALEN)
			f.mac = RTA_DATA(a);
		else if (a->rta_type == IFLA_IFNAME)
			f.name = RTA_DATA(a);
		else if (a->rta_type == IFLA_MTU)
			f.mtu = *(const uint32_t *)RTA_DATA(a);
		else if (a->rta_type == IFLA_LINK)
			f.parent = *(const uint32_t *)RTA_DATA(a);
		else if (a->rta_type == IFLA_LINK_NETNSID)
			f.foreign_parent = true;
		else if (a->rta_type == IFLA_LINKINFO)
			read_vlan(a, &f);
	}
	return f;
}

// The entry of this interface; else one never used; else one that is no longer valid.
static int slot_find(const struct egress_watch *w, uint32_t ifindex)
{
	int unused = -1, invalid = -1;

	for (int i = 0; i < EGRESS_MAX; i++) {
		const struct egress *e = &w->table[i];

		if (e->ifindex == ifindex)
			return i;
		if (unused < 0 && e->ifindex == 0)
			unused = i;
		if (invalid < 0 && e->ifindex && !e->valid && e->link == w->link)
			invalid = i;
	}
	return unused >= 0 ? unused : invalid;
}

static bool slot_write(struct egress_watch *w, const struct link_facts *f)
{
	int i = slot_find(w, f->ifindex);
	struct egress *e;
	uint16_t mtu = f->mtu > UINT16_MAX ? UINT16_MAX : f->mtu;
	uint8_t valid = w->up && (f->flags & USABLE) == USABLE && f->mac;

	if (i < 0)
		return false;
	e = &w->table[i];
	if (e->ifindex == f->ifindex && e->valid == valid && e->mtu == mtu && e->vlan == f->vlan &&
	    e->link == w->link && (!f->mac || memcmp(e->mac, f->mac, sizeof(e->mac)) == 0))
		return false;
	__atomic_store_n(&e->valid, 0, __ATOMIC_RELEASE);
	if (f->mac)
		memcpy(e->mac, f->mac, sizeof(e->mac));
	e->vlan = f->vlan;
	e->ifindex = f->ifindex;
	e->mtu = mtu;
	e->link = w->link;
	__atomic_store_n(&e->valid, valid, __ATOMIC_RELEASE);
	return true;
}

static bool own_facts(struct egress_watch *w, const struct link_facts *f)
{
	bool up = (f->flags & USABLE) == USABLE;
	bool changed = !w->present || w->up != up || w->mtu != f->mtu ||
		       (f->mac && memcmp(w->mac, f->mac, sizeof(w->mac)) != 0);

	if (!*w->name)
		snprintf(w->name, sizeof(w->name), "%s", f->name);
	w->present = true;
	w->ethernet = f->ethernet;
	w->enabled = f->flags & IFF_UP;
	w->up = up;
	w->mtu = f->mtu;
	if (f->mac)
		memcpy(w->mac, f->mac, sizeof(w->mac));
	return changed;
}

// One pass over the answer of a dump; `seen` marks the slots that were met.
struct dump {
	struct egress_watch *w;
	bool own_only; // first pass: VLANs depend on the state of the interface below
	bool changed, found;
	bool heir; // another interface has the name and can be used
	bool seen[EGRESS_MAX];
};

static void dump_take(struct dump *d, const struct nlmsghdr *h)
{
	struct link_facts f = read_facts(h);
	bool own = f.ifindex == d->w->ifindex;
	int slot;

	if (own && d->own_only) {
		f.vlan = 0;
		d->found = true;
		d->changed |= own_facts(d->w, &f);
		return;
	}
	if (d->own_only) {
		d->heir |= (f.flags & USABLE) == USABLE && strcmp(f.name, d->w->name) == 0;
		return;
	}
	if (own)
		f.vlan = 0; // a VLAN interface that is itself the link sends untagged
	else if (!f.is_vlan || f.foreign_parent || f.parent != d->w->ifindex)
		return;
	d->changed |= slot_write(d->w, &f);
	slot = slot_find(d->w, f.ifindex);
	if (slot >= 0)
		d->seen[slot] = true;
}

static int dump_links(struct dump *d)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
	} ask = {
	    .h = {.nlmsg_len = sizeof(ask),
		.nlmsg_type = RTM_GETLINK,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nlmsg_seq = 1},
	};
	static _Alignas(8) char answer[ANSWER_MAX];

	if (send(d->w->fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	for (int turn = 0; turn < MESSAGES_MAX; turn++) {
		ssize_t n = recv(d->w->fd, answer, sizeof(answer), 0);
		unsigned left = n < 0 ? 0 : n;

		if (n < 0)
			return -errno;
		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_seq != ask.h.nlmsg_seq)
				continue; // a notice; the dump is newer
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type == RTM_NEWLINK)
				dump_take(d, h);
		}
	}
	return -EIO;
}

static int table_refresh(struct egress_watch *w, bool *changed)
{
	struct dump own = {.w = w, .own_only = true}, all = {.w = w};
	int rc = dump_links(&own);

	if (rc == 0 && !own.found) {
		own.changed = w->present;
		w->present = false;
		w->up = false;
	}
	if (rc == 0)
		w->replaced = !own.found && own.heir;
	if (rc == 0)
		rc = dump_links(&all);
	if (rc)
		return rc;
	for (int i = 0; i < EGRESS_MAX; i++) {
		struct egress *e = &w->table[i];

		if (e->link == w->link && e->valid && !all.seen[i]) {
			__atomic_store_n(&e->valid, 0, __ATOMIC_RELEASE);
			all.changed = true;
		}
	}
	*changed = own.changed || all.changed;
	return 0;
}

int egress_open(struct egress_watch *w, struct egress *table, uint32_t ifindex, uint8_t link)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	struct timeval patience = {.tv_sec = 1};
	bool changed;
	int rc;

	*w = (struct egress_watch){.table = table, .ifindex = ifindex, .link = link};
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (w->fd < 0)
		return -errno;
	if (bind(w->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		rc = -errno;
	else
		rc = table_refresh(w, &changed);
	if (rc == 0 && !w->present)
		rc = -ENODEV;
	if (rc)
		egress_close(w);
	return rc;
}

bool egress_follow(struct egress_watch *w)
{
	static char notice[ANSWER_MAX];
	bool changed = false;

	for (int i = 0; i < MESSAGES_MAX; i++) {
		ssize_t n = recv(w->fd, notice, sizeof(notice), MSG_DONTWAIT);

		if (n < 0 && errno != ENOBUFS)
			break;
		w->stale = true; // also after ENOBUFS: notices were lost
	}
	if (w->stale && table_refresh(w, &changed) == 0)
		w->stale = false;
	return changed;
}

void egress_close(struct egress_watch *w)
{
	if (w->fd < 0)
		return;
	close(w->fd);
	w->fd = -1;
	for (int i = 0; i < EGRESS_MAX; i++)
		if (w->table[i].link == w->link && w->table[i].ifindex)
			__atomic_store_n(&w->table[i].valid, 0, __ATOMIC_RELEASE);
}
