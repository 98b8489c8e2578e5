// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"
#include "dataplane/io/locals.h"
#include "wire/inet.h"

#include <string.h>

#define STATION_MASK 0xffffffffffffULL

// Flags that say where an mbuf's bytes are; all others are of the frame received.
#define PLACE_FLAGS (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)

static bool is_served(struct link_queue *q, const struct endpoint *to)
{
	int i = locals_find(q->locals, to);

	return i >= 0 && q->served >> i & 1 && !q->locals[i].extra;
}

// The same decision as bpf/steer: a whole UDP datagram for this station and one of our addresses.
static bool is_ours_slow(struct link_queue *q, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip, *udp;
	struct endpoint to;
	struct inet_udp h;

	if (inet_udp_parse(frame, len, &h) || h.udp_len > q->udp_max)
		return false;
	ip = frame + h.l3;
	udp = frame + h.l4;
	if (h.version == 6) {
		to = endpoint_from_v6(ip + IPV6_OFFSET_DST, load_be16(udp + UDP_OFFSET_DST));
		return is_served(q, &to);
	}
	memcpy(&q->served_addr, ip + IPV4_OFFSET_DST, sizeof(q->served_addr));
	memcpy(&q->served_port, udp + UDP_OFFSET_DST, sizeof(q->served_port));
	to = endpoint_from_v4(q->served_addr, be16toh(q->served_port));
	if (is_served(q, &to))
		return true;
	q->served_port = 0;
	return false;
}

static inline bool is_ours(struct link_queue *q, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + ETH_HEADER_SIZE, *udp = ip + IPV4_HEADER_SIZE;
	uint64_t mac;
	uint32_t addr;
	uint16_t port;

	if (len < ETH_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_HEADER_SIZE)
		return false;
	memcpy(&mac, frame + ETH_OFFSET_DST, sizeof(mac));
	if ((mac & STATION_MASK) != __atomic_load_n(q->station, __ATOMIC_RELAXED))
		return false;
	memcpy(&addr, ip + IPV4_OFFSET_DST, sizeof(addr));
	memcpy(&port, udp + UDP_OFFSET_DST, sizeof(port));
	// The common datagram is like the last one; locals are never taken back.
	if (load_be16(frame + ETH_OFFSET_TYPE) == ETH_TYPE_IPV4 && ip[0] == IPV4_FIRST &&
	    ip[IPV4_OFFSET_PROTOCOL] == IP_PROTOCOL_UDP &&
	    (load_be16(ip + IPV4_OFFSET_FRAGMENT) & IPV4_FRAGMENT_MASK) == 0 &&
	    addr == q->served_addr && port == q->served_port &&
	    load_be16(udp + UDP_OFFSET_LENGTH) <= q->udp_max)
		return true;
	return is_ours_slow(q, frame, len);
}

// Drivers may deliver a frame in several buffers, or without the room that stages write into.
static inline bool is_plain(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && m->data_off >= HEADROOM && rte_pktmbuf_tailroom(m) >= TAILROOM;
}

// Moves such a frame into one buffer of ours if it fits; else it stays as it is.
static struct rte_mbuf *make_plain(struct link_queue *q, struct rte_mbuf *m)
{
	struct rte_mbuf *whole = m->pkt_len < q->room ? rte_pktmbuf_alloc(q->pool) : NULL;
	uint8_t *to;

	if (!whole)
		return m;
	to = rte_pktmbuf_mtod(whole, uint8_t *);
	for (const struct rte_mbuf *part = m; part; part = part->next) {
		memcpy(to, rte_pktmbuf_mtod(part, void *), part->data_len);
		to += part->data_len;
	}
	whole->data_len = (uint16_t)m->pkt_len;
	whole->pkt_len = m->pkt_len;
	rte_pktmbuf_free(m);
	return whole;
}

static inline void describe(const struct link_queue *q, struct rte_mbuf *m, struct dgram *d)
{
	d->l2 = rte_pktmbuf_mtod(m, uint8_t *);
	d->len = m->data_len; // less than the frame when it could not be made plain: "truncated"
	d->handle = (uintptr_t)m;
	d->link = q->link;
}

static struct rte_mbuf *mbuf_of(const struct dgram *d)
{
	return (struct rte_mbuf *)(uintptr_t)d->handle; // NOLINT(performance-no-int-to-ptr)
}

// Leaves our frames, in their order, and gives the others to the host.
static unsigned sort_out(struct link_queue *q, struct dgram *d, unsigned n)
{
	struct rte_mbuf *others[BURST_MAX];
	unsigned ours = 0, other = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = mbuf_of(&d[i]);

		if (unlikely(!is_plain(m)) || !is_ours(q, d[i].l2, d[i].len)) {
			others[other++] = m;
			continue;
		}
		if (unlikely(ours != i))
			describe(q, m, &d[ours]);
		ours++;
	}
	if (other)
		dpdk_host_put(q, others, other, ours ? DPDK_HOST_BURST : BURST_MAX);
	return ours;
}

unsigned dpdk_rx(struct link_queue *q, struct dgram *d, unsigned max)
{
	struct rte_mbuf *list[BURST_MAX];
	uint64_t bytes = 0;
	unsigned n;

	if (unlikely(__atomic_load_n(q->gone, __ATOMIC_RELAXED))) {
		__atomic_store_n(&q->left, true, __ATOMIC_RELEASE);
		return 0;
	}
	if (unlikely(q->armed))
		dpdk_wait_end(q);
	n = rte_eth_rx_burst(
	    q->port, q->queue, list, (uint16_t)(max < BURST_MAX ? max : BURST_MAX));
	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = list[i];

		bytes += m->pkt_len;
		if (unlikely(!is_plain(m)))
			m = make_plain(q, m);
		describe(q, m, &d[i]);
		rte_prefetch0(d[i].l2);
	}
	dpdk_count(&q->counts.rx_frames, n);
	dpdk_count(&q->counts.rx_bytes, bytes);
	return q->host == DPDK_HOST_NONE ? n : sort_out(q, d, n);
}

unsigned dpdk_lend(struct link_queue *q, struct dgram *d, unsigned n)
{
	struct rte_mbuf *m[BURST_MAX];

	if (rte_pktmbuf_alloc_bulk(q->pool, m, n))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		describe(q, m[i], &d[i]);
		d[i].len = q->room;
	}
	return n;
}

// Sends what it can and frees the rest. `bytes`: of all.
static unsigned frames_send(
    struct link_queue *q, struct rte_mbuf **m, struct dgram **d, unsigned n, uint64_t bytes)
{
	unsigned sent = 0;

	if (!__atomic_load_n(q->gone, __ATOMIC_RELAXED))
		sent = rte_eth_tx_burst(q->port, q->queue, m, (uint16_t)n);
	for (unsigned i = sent; i < n; i++) {
		bytes -= d[i]->len;
		dgram_drop(d[i], DROP_TX_FULL);
	}
	if (sent < n)
		rte_pktmbuf_free_bulk(m + sent, n - sent);
	dpdk_count(&q->counts.tx_frames, sent);
	dpdk_count(&q->counts.tx_bytes, bytes);
	dpdk_count(&q->counts.tx_full, n - sent);
	return sent;
}

unsigned dpdk_tx(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct rte_mbuf *list[BURST_MAX];
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = mbuf_of(d[i]);
		const uint32_t len = d[i]->len;

		m->data_off = (uint16_t)(d[i]->l2 - (uint8_t *)m->buf_addr);
		m->data_len = (uint16_t)len;
		m->pkt_len = len;
		m->ol_flags &= PLACE_FLAGS;
		list[i] = m;
		bytes += len;
	}
	return frames_send(q, list, d, n, bytes);
}

unsigned dpdk_tx_copy(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct rte_mbuf *list[BURST_MAX];
	struct dgram *fit[BURST_MAX];
	unsigned count = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		if (d[i]->len < q->room)
			fit[count++] = d[i];
		else
			dgram_drop(d[i], DROP_TX_TOO_BIG);
	dpdk_count(&q->counts.tx_errors, n - count);
	if (rte_pktmbuf_alloc_bulk(q->pool, list, count)) {
		for (unsigned i = 0; i < count; i++)
			dgram_drop(fit[i], DROP_NO_BUFFER);
		dpdk_count(&q->counts.tx_full, count);
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		memcpy(rte_pktmbuf_mtod(list[i], void *), fit[i]->l2, fit[i]->len);
		list[i]->data_len = (uint16_t)fit[i]->len;
		list[i]->pkt_len = fit[i]->len;
		bytes += fit[i]->len;
	}
	return count ? frames_send(q, list, fit, count, bytes) : 0;
}

void dpdk_release(struct link_queue *q, struct dgram **d, unsigned n)
{
	struct rte_mbuf *list[BURST_MAX];

	(void)q;
	for (unsigned i = 0; i < n; i++)
		list[i] = mbuf_of(d[i]);
	rte_pktmbuf_free_bulk(list, n);
}

void dpdk_flush(struct link_queue *q)
{
	if (q->reads_host)
		dpdk_host_take(q);
}
