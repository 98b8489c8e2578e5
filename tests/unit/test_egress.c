// SPDX-License-Identifier: BSD-3-Clause
// The egress table against a kernel that answers from a table: also where there are no VLANs.
#include "dataplane/io/egress.h"
#include "tests/unit/xdp_lab.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UP = IFF_UP | IFF_RUNNING, OURS = 3, LINK = 2, ANSWER_MAX = 16384 };

struct fake {
	uint32_t ifindex, flags, mtu, parent;
	uint16_t vlan, protocol; // protocol 0: no VLAN interface
	const char *kind;
	bool foreign;
};

static struct fake links[EGRESS_MAX + 8];
static unsigned link_count;
static struct egress table[EGRESS_MAX];

static void put(struct nlmsghdr *h, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)h + NLMSG_ALIGN(h->nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + RTA_LENGTH(len);
}

static void put_vlan(struct nlmsghdr *h, const struct fake *f)
{
	struct {
		struct nlmsghdr h;
		char data[128];
	} info = {.h = {.nlmsg_len = sizeof(struct nlmsghdr)}}, data = info;
	uint16_t protocol = htobe16(f->protocol);

	put(&data.h, IFLA_VLAN_ID, &f->vlan, sizeof(f->vlan));
	put(&data.h, IFLA_VLAN_PROTOCOL, &protocol, sizeof(protocol));
	put(&info.h, IFLA_INFO_KIND, f->kind, strlen(f->kind) + 1);
	put(&info.h, IFLA_INFO_DATA, data.data, data.h.nlmsg_len - sizeof(data.h));
	put(h, IFLA_LINKINFO, info.data, info.h.nlmsg_len - sizeof(info.h));
}

static size_t answer_link(char *at, const struct fake *f)
{
	struct nlmsghdr *h = (void *)at;
	struct ifinfomsg *info = NLMSG_DATA(h);
	uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)f->ifindex};
	uint32_t ns = 1;

	memset(at, 0, 512);
	h->nlmsg_len = NLMSG_LENGTH(sizeof(*info));
	h->nlmsg_type = RTM_NEWLINK;
	h->nlmsg_seq = 1;
	info->ifi_index = (int)f->ifindex;
	info->ifi_flags = f->flags;
	info->ifi_type = ARPHRD_ETHER;
	put(h, IFLA_ADDRESS, mac, sizeof(mac));
	put(h, IFLA_MTU, &f->mtu, sizeof(f->mtu));
	if (f->parent)
		put(h, IFLA_LINK, &f->parent, sizeof(f->parent));
	if (f->foreign)
		put(h, IFLA_LINK_NETNSID, &ns, sizeof(ns));
	if (f->protocol)
		put_vlan(h, f);
	return NLMSG_ALIGN(h->nlmsg_len);
}

// Answers dumps, a message each link, until the other end closes.
static void *kernel_run(void *arg)
{
	int fd = *(int *)arg;
	struct nlmsghdr ask[4], done = {.nlmsg_len = sizeof(done), .nlmsg_seq = 1};
	static _Alignas(8) char answer[ANSWER_MAX];

	done.nlmsg_type = NLMSG_DONE;
	while (recv(fd, ask, sizeof(ask), 0) > 0) {
		for (unsigned i = 0; i < link_count; i++)
			send(fd, answer, answer_link(answer, &links[i]), 0);
		send(fd, &done, sizeof(done), 0);
	}
	return NULL;
}

// Takes in the links of the table as if a change had been announced.
static bool follow(struct egress_watch *w)
{
	pthread_t thread;
	int pair[2];
	bool changed;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(pthread_create(&thread, NULL, kernel_run, &pair[1]), 0);
	w->fd = pair[0];
	w->stale = true;
	changed = egress_follow(w);
	assert_false(w->stale);
	close(pair[0]);
	pthread_join(thread, NULL);
	close(pair[1]);
	w->fd = -1;
	return changed;
}

static const struct egress *find(uint32_t ifindex)
{
	for (int i = 0; i < EGRESS_MAX; i++)
		if (table[i].ifindex == ifindex)
			return &table[i];
	return NULL;
}

static struct egress_watch watch(void)
{
	memset(table, 0, sizeof(table));
	link_count = 0;
	links[link_count++] = (struct fake){.ifindex = OURS, .flags = UP, .mtu = 1500};
	return (struct egress_watch){.table = table, .ifindex = OURS, .link = LINK, .fd = -1};
}

static void test_which_interfaces(void **state)
{
	static const struct {
		const char *name;
		struct fake f;
		int valid; // -1: not in the table
	} facts[] = {
	    {"a VLAN", {9, UP, 1496, OURS, 5, ETH_P_8021Q, "vlan", false}, 1},
	    {"the highest VLAN", {9, UP, 1500, OURS, 4094, ETH_P_8021Q, "vlan", false}, 1},
	    {"an outer tag", {9, UP, 1500, OURS, 5, ETH_P_8021AD, "vlan", false}, -1},
	    {"a VLAN of another", {9, UP, 1500, OURS + 1, 5, ETH_P_8021Q, "vlan", false}, -1},
	    {"parent elsewhere", {9, UP, 1500, OURS, 5, ETH_P_8021Q, "vlan", true}, -1},
	    {"a VLAN that is down", {9, IFF_RUNNING, 1500, OURS, 5, ETH_P_8021Q, "vlan", false}, 0},
	    {"a VLAN without carrier", {9, IFF_UP, 1500, OURS, 5, ETH_P_8021Q, "vlan", false}, 0},
	    {"a macvlan", {9, UP, 1500, OURS, 5, ETH_P_8021Q, "macvlan", false}, -1},
	    {"another interface", {9, UP, 1500, 0, 0, 0, NULL, false}, -1},
	    {"a huge MTU", {9, UP, 70000, OURS, 5, ETH_P_8021Q, "vlan", false}, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		struct egress_watch w = watch();
		const struct fake *f = &facts[i].f;
		const struct egress *e;

		links[link_count++] = *f;
		follow(&w);
		e = find(f->ifindex);
		if ((e ? (int)e->valid : -1) != facts[i].valid)
			fail_msg("%s: %d", facts[i].name, e ? (int)e->valid : -1);
		if (!e)
			continue;
		assert_int_equal(e->vlan, f->vlan);
		assert_int_equal(e->mtu, f->mtu > UINT16_MAX ? UINT16_MAX : f->mtu);
		assert_int_equal(e->link, LINK);
		assert_int_equal(e->mac[5], f->ifindex);
		assert_int_equal(find(OURS)->valid, 1);
		assert_int_equal(find(OURS)->vlan, 0);
	}
}

static void test_changes(void **state)
{
	struct egress_watch w = watch();

	(void)state;
	links[link_count++] = (struct fake){9, UP, 1500, OURS, 5, ETH_P_8021Q, "vlan", false};
	assert_true(follow(&w));
	assert_false(follow(&w));
	links[0].flags = IFF_UP; // the VLANs go down with it
	assert_true(follow(&w));
	assert_int_equal(find(OURS)->valid, 0);
	assert_int_equal(find(9)->valid, 0);
	assert_false(w.up);
	links[0].flags = UP;
	links[1].mtu = 1400;
	assert_true(follow(&w));
	assert_int_equal(find(9)->valid, 1);
	assert_int_equal(find(9)->mtu, 1400);
	link_count = 1;
	assert_true(follow(&w));
	assert_int_equal(find(9)->valid, 0);
	link_count = 0;
	assert_true(follow(&w));
	assert_false(w.present);
	assert_int_equal(find(OURS)->valid, 0);
}

// More VLANs than entries: those that fit are served, and a place comes free when one goes.
static void test_full_table(void **state)
{
	struct egress_watch w = watch();
	const uint32_t last = 100 + EGRESS_MAX - 1;

	(void)state;
	for (uint32_t i = 0; i < EGRESS_MAX; i++)
		links[link_count++] = (struct fake){
		    100 + i, UP, 1500, OURS, (uint16_t)(1 + i), ETH_P_8021Q, "vlan", false};
	follow(&w);
	assert_int_equal(find(last - 1)->valid, 1);
	assert_null(find(last));
	links[1] = links[--link_count]; // the first VLAN goes, the last one takes its turn
	follow(&w);
	follow(&w);
	assert_null(find(100));
	assert_int_equal(find(last)->valid, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_which_interfaces),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_full_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
