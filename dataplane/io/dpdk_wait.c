// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"

#include <rte_interrupts.h>
#include <rte_log.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

// A queue whose driver can tells of input through an epoll descriptor of ours, which a worker waits
// for like for any other. One whose driver cannot is looked at from time to time.

enum {
	SLACK_NS = 1000, // of a worker's timers: less than the shortest sleep asked for
	LOOKS = 2000,
};

static bool queue_wakes(struct link_queue *q)
{
	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (q->epoll < 0)
		return false;
	if (rte_eth_dev_rx_intr_ctl_q(q->port, q->queue, q->epoll, RTE_INTR_EVENT_ADD, NULL) == 0)
		return true;
	close(q->epoll);
	q->epoll = -1;
	return false;
}

void dpdk_wait_open(struct dpdk_link *d, struct link_queue **queues)
{
	int type = rte_log_register("lib.ethdev"), level = rte_log_get_level((uint32_t)type);

	// Asking is the only way to find out, and no is no error.
	rte_log_set_level((uint32_t)type, RTE_LOG_CRIT);
	d->wakes = d->interrupts;
	for (uint16_t i = 0; i < d->queue_count && d->wakes; i++)
		d->wakes = queue_wakes(queues[i]);
	rte_log_set_level((uint32_t)type, (uint32_t)level);
	if (!d->wakes)
		dpdk_wait_close(d, queues);
}

void dpdk_wait_close(struct dpdk_link *d, struct link_queue **queues)
{
	for (uint16_t i = 0; i < d->queue_count; i++) {
		struct link_queue *q = queues[i];

		if (!q || q->epoll < 0)
			continue;
		if (dpdk_port_is_there(d))
			rte_eth_dev_rx_intr_ctl_q(d->port, i, q->epoll, RTE_INTR_EVENT_DEL, NULL);
		close(q->epoll);
		q->epoll = -1;
	}
	d->wakes = false;
}

unsigned dpdk_poll_fds(struct link_queue *q, int *fds, unsigned max)
{
	unsigned n = 0;

	if (q->reads_host && n < max)
		fds[n++] = q->tap;
	if (q->epoll < 0 || n == max || __atomic_load_n(q->gone, __ATOMIC_RELAXED))
		return n;
	// Drivers whose interrupts are always on (net_tap) do not know this call.
	rte_eth_dev_rx_intr_enable(q->port, q->queue);
	q->armed = true;
	fds[n++] = q->epoll;
	return n;
}

unsigned dpdk_nap_us(struct link_queue *q)
{
	if (q->epoll < 0 || __atomic_load_n(q->gone, __ATOMIC_RELAXED))
		return q->nap_us;
	// What came before the interrupt was switched on may not raise it.
	if (rte_eth_rx_queue_count(q->port, q->queue) > 0)
		return 0;
	if (q->looks == 0 || q->counts.rx_frames != q->looked_at) {
		q->looks = 0;
		return LINK_WAKES;
	}
	q->looks--;
	return q->nap_us;
}

void dpdk_wait_end(struct link_queue *q)
{
	struct rte_epoll_event event;

	q->armed = false;
	rte_eth_dev_rx_intr_disable(q->port, q->queue);
	// Takes back what the interrupt counted. net_tap gives out its input when a signal has been
	// handled too, perhaps by a thread that waits for a processor, and tells of it only once.
	if (rte_epoll_wait(q->epoll, &event, 1, 0) <= 0)
		return;
	q->looks = LOOKS;
	q->looked_at = q->counts.rx_frames;
}

void dpdk_thread_start(struct link_queue *q)
{
	(void)q;
	prctl(PR_SET_TIMERSLACK, SLACK_NS);
	// Buffers come fast only to threads that DPDK knows.
	if (rte_lcore_id() == LCORE_ID_ANY)
		rte_thread_register();
}

void dpdk_thread_end(struct link_queue *q)
{
	(void)q;
	if (rte_lcore_id() != LCORE_ID_ANY)
		rte_thread_unregister();
}
