// SPDX-License-Identifier: BSD-3-Clause
// A dpdk link of the data plane, without a host: the generator is a station of its own, which asks
// for the relay's MAC and answers for --from, the next hop to all simulated nodes.
#include "base/clock.h"
#include "dataplane/io/link.h"
#include "pktgen/arp.h"
#include "pktgen/path.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	FRAMES = 8192,
	RESOLVE_NS = 100000000, // between two requests
	RESOLVE_TRIES = 100,	// some devices take seconds until they are connected
};

struct station {
	alignas(CACHE_LINE) struct link link;
	struct path path;
	struct arp_station own;
	struct dgram lent[BURST_MAX]; // what the last receive handed out
	unsigned lent_count;
	// What the next send sends in place: the last of those received, which need not be given
	// back first, or new ones. NULL: none.
	struct dgram *blanks;
	struct dgram fresh[BATCH];
	uint32_t room; // bytes of a frame that a new one holds
};

static void dpdk_close(struct backend *b)
{
	struct station *s = b->priv;

	if (!s)
		return;
	if (s->link.ops)
		s->link.ops->close(&s->link);
	free(s);
	b->priv = NULL;
}

static uint32_t blank_size(struct link *link)
{
	struct dgram one = {.len = 0}, *list = &one;

	if (link->ops->lend(link->queues[0], &one, 1))
		link->ops->release(link->queues[0], &list, 1);
	return one.len;
}

static int device_open(struct station *s, const struct options *o, char *error)
{
	const struct link_config cfg = {.spec = o->device,
	    .worker_count = 1,
	    .frame_count = FRAMES,
	    .dpdk_queues = 1,
	    .dpdk_eal = o->dpdk_eal};
	struct link_error why;
	int failed;

#if FAIRWAY_DPDK
	s->link.ops = &link_dpdk_ops;
#endif
	if (!s->link.ops) {
		snprintf(error, BACKEND_ERROR_MAX, "this build has no dpdk links");
		return -ENOTSUP;
	}
	failed = s->link.ops->open(&s->link, &cfg, &why);
	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX, "%s", why.text);
		return failed;
	}
	if (s->link.ops->thread_start)
		s->link.ops->thread_start(s->link.queues[0]);
	s->room = blank_size(&s->link);
	return 0;
}

static unsigned frames_send(struct station *s, struct dgram **d, unsigned n)
{
	const struct link_ops *ops = s->link.ops;
	unsigned sent = ops->tx_copy(s->link.queues[0], d, n);

	ops->flush(s->link.queues[0]);
	return sent;
}

// The first of the device's own buffers, which messages were written into.
static unsigned blanks_send(struct station *s, const struct message *m, unsigned n)
{
	const struct link_ops *ops = s->link.ops;
	struct dgram *list[BATCH], *d = s->blanks;
	unsigned sent;

	for (unsigned i = 0; i < n; i++, d++) {
		d->l2 = m[i].data - PATH_HEADERS;
		d->len = PATH_HEADERS + m[i].len;
		path_headers_build(&s->path, d->l2, m[i].place, m[i].len);
		list[i] = d;
	}
	sent = ops->tx(s->link.queues[0], list, n);
	ops->flush(s->link.queues[0]);
	s->blanks = NULL;
	return sent;
}

static void frame_send(struct station *s, uint8_t frame[ARP_FRAME_SIZE])
{
	struct dgram d = {.l2 = frame, .len = ARP_FRAME_SIZE}, *list = &d;

	frames_send(s, &list, 1);
}

static void give_back(struct station *s)
{
	struct dgram *list[BURST_MAX];

	for (unsigned i = 0; i < s->lent_count; i++)
		list[i] = &s->lent[i];
	if (s->lent_count)
		s->link.ops->release(s->link.queues[0], list, s->lent_count);
	s->lent_count = 0;
}

static unsigned frames_receive(struct station *s)
{
	give_back(s);
	s->lent_count = s->link.ops->rx(s->link.queues[0], s->lent, BURST_MAX);
	return s->lent_count;
}

static unsigned frames_await(struct station *s, int timeout_ms)
{
	uint64_t end = timeout_ms ? clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS : 0;
	unsigned n;

	while ((n = frames_receive(s)) == 0 && timeout_ms && clock_mono_ns() < end)
		__builtin_ia32_pause();
	return n;
}

// Answers those who look for us, and learns the relay's MAC.
static void arp_serve(struct station *s, const struct dgram *d)
{
	uint8_t reply[ARP_FRAME_SIZE];
	struct arp_station who;

	if (arp_sender(&who, d->l2, d->len) == 0 && who.addr == s->path.relay_addr)
		memcpy(s->path.relay_mac, who.mac, sizeof(who.mac));
	if (arp_reply_build(reply, &s->own, d->l2, d->len) == 0)
		frame_send(s, reply);
}

static bool relay_is_known(const struct station *s)
{
	static const uint8_t none[6];

	return memcmp(s->path.relay_mac, none, sizeof(none)) != 0;
}

static int relay_resolve(struct station *s, const struct options *o, char *error)
{
	uint8_t request[ARP_FRAME_SIZE];

	arp_request_build(request, &s->own, s->path.relay_addr);
	for (int i = 0; i < RESOLVE_TRIES && !relay_is_known(s); i++) {
		uint64_t end = clock_mono_ns() + RESOLVE_NS;

		frame_send(s, request);
		while (clock_mono_ns() < end && !relay_is_known(s))
			for (unsigned n = frames_receive(s); n-- > 0;)
				arp_serve(s, &s->lent[n]);
	}
	if (relay_is_known(s))
		return 0;
	snprintf(error, BACKEND_ERROR_MAX,
	    "the relay's address does not answer on %s: it must be on that link, not behind a "
	    "router; is --from an address of its network?",
	    o->device);
	return -EHOSTUNREACH;
}

static int path_open(struct station *s, const struct options *o, char *error)
{
	int failed = path_init(&s->path, o, error);

	if (failed)
		return failed;
	memcpy(s->own.mac, s->link.mac, sizeof(s->own.mac));
	memcpy(s->path.own_mac, s->link.mac, sizeof(s->own.mac));
	if (o->reflected) {
		s->path.relay_mac[0] = 2; // whoever reflects takes every frame
		return 0;
	}
	if (!o->from.port || !endpoint_is_v4(&o->from)) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "give --from, an IPv4 address of this end: the next hop to the nodes");
		return -EINVAL;
	}
	s->own.addr = endpoint_v4(&o->from);
	return relay_resolve(s, o, error);
}

static int dpdk_open(struct backend *b, const struct options *o, char *error)
{
	struct station *s = aligned_alloc(CACHE_LINE, sizeof(*s));
	int failed;

	if (!s) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory");
		return -ENOMEM;
	}
	memset(s, 0, sizeof(*s));
	b->priv = s;
	b->sockets = o->nodes; // every node has an address of its own
	b->mixed = b->polled = true;
	failed = device_open(s, o, error);
	if (!failed)
		failed = path_open(s, o, error);
	if (failed)
		dpdk_close(b);
	return failed;
}

// Whether messages of that size with their headers may be written there.
static bool messages_place(struct message *m, struct dgram *d, unsigned n, uint32_t size)
{
	for (unsigned i = 0; i < n; i++) {
		if (size > d[i].len + TAILROOM)
			return false;
		m[i].data = d[i].l2 + PATH_HEADERS;
	}
	return true;
}

static bool dpdk_lend(struct backend *b, struct message *m, unsigned n, uint32_t size)
{
	struct station *s = b->priv;
	struct dgram *last = &s->lent[s->lent_count];

	size += PATH_HEADERS;
	if (n <= s->lent_count && messages_place(m, last - n, n, size)) {
		s->blanks = last - n;
		s->lent_count -= n;
	} else if (size <= s->room && s->link.ops->lend(s->link.queues[0], s->fresh, n) == n) {
		s->blanks = s->fresh;
		messages_place(m, s->fresh, n, size);
	}
	return s->blanks;
}

static unsigned dpdk_send(struct backend *b, const struct message *m, unsigned n)
{
	struct station *s = b->priv;
	struct dgram d[BATCH], *list[BATCH];

	if (s->blanks)
		return blanks_send(s, m, n);
	for (unsigned i = 0; i < n; i++) {
		d[i].l2 = m[i].data - PATH_HEADERS;
		d[i].len = PATH_HEADERS + m[i].len;
		path_headers_build(&s->path, d[i].l2, m[i].place, m[i].len);
		list[i] = &d[i];
	}
	return frames_send(s, list, n);
}

static unsigned dpdk_receive(struct backend *b, struct message *m, unsigned max, int timeout_ms)
{
	struct station *s = b->priv;
	unsigned kept = 0, n = frames_await(s, timeout_ms);

	for (unsigned i = 0; i < n && kept < max; i++)
		if (path_message_find(&s->path, s->lent[i].l2, s->lent[i].len, &m[kept]))
			kept++;
		else
			arp_serve(s, &s->lent[i]);
	return kept;
}

const struct backend_ops backend_dpdk = {.open = dpdk_open,
    .lend = dpdk_lend,
    .send = dpdk_send,
    .receive = dpdk_receive,
    .close = dpdk_close};
