// SPDX-License-Identifier: BSD-3-Clause
// What becomes of a dpdk link's device, and drivers and machines that are hard to come by: fakes
// of DPDK's answers stand in for them.
#define ALLOW_EXPERIMENTAL_API // rte_dev_event_callback_process
#include "tests/unit/dpdk_lab.h"

#include <rte_dev.h>

static struct link_stats stats_now(void)
{
	struct link_stats stats;

	raw.ops->maintain(&raw);
	raw.ops->stats(&raw, &stats);
	return stats;
}

static void check_gone(uint64_t frames)
{
	struct link_stats stats = stats_now();
	char text[256];

	raw.ops->describe(&raw, text, sizeof(text));
	assert_memory_equal(text, "gone", 4);
	assert_true(stats.down);
	assert_false(stats.replaced);
	assert_int_equal(stats.rx_datagrams, frames);
	assert_int_equal(stats.tx_datagrams, frames);
}

// The kernel waits for a card that it takes away: it is given back when every worker has left it.
static void device_taken_away(void **state)
{
	static struct dgram got[BURST_MAX];
	uint16_t port;

	(void)state;
	open_all("net_ring6");
	port = raw.queues[0]->port;
	put_relay(NODE_B, "in time");
	assert_int_equal(take(0, got), 1);
	rte_dev_event_callback_process("net_ring7", RTE_DEV_EVENT_REMOVE);
	rte_dev_event_callback_process("net_ring6", RTE_DEV_EVENT_ADD);
	assert_false(stats_now().down);
	rte_dev_event_callback_process("net_ring6", RTE_DEV_EVENT_REMOVE);
	assert_int_equal(put(0), 0);
	assert_int_equal(lab.b.d[0].drop, DROP_TX_FULL);
	check_gone(1);
	assert_true(rte_eth_dev_is_valid_port(port));
	assert_int_equal(take(0, &got[1]), 0);
	check_gone(1);
	assert_true(rte_eth_dev_is_valid_port(port)); // the second queue's worker has it
	assert_int_equal(take(1, &got[1]), 0);
	check_gone(1);
	assert_false(rte_eth_dev_is_valid_port(port));
	check_gone(1);
	give_back(0, got, 1);
	close_all();
}

// By somebody else, as another process of a multi-process DPDK may do.
static void device_unplugged(void **state)
{
	static struct dgram got[BURST_MAX];
	struct rte_eth_dev_info info;

	(void)state;
	open_all("net_ring8");
	assert_int_equal(rte_eth_dev_info_get(raw.queues[0]->port, &info), 0);
	assert_int_equal(rte_dev_remove(info.device), 0);
	assert_int_equal(worker_turn(worker), 0);
	assert_int_equal(put(1), 0);
	assert_int_equal(take(1, got), 0);
	check_gone(0);
	close_all();
}

enum { NODE_31 = 31 };

static bool refuses_interrupts, has_cable, cable;
static int huge_pages = -1; // as it is
static int node_of_device = -1, node_of_buffers;
static unsigned refused;
static rte_eth_dev_cb_fn on_change;
static void *on_change_of;

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names
int __real_rte_eth_dev_configure(
    uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(
    uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf);

int __wrap_rte_eth_dev_configure(
    uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf)
{
	if (!refuses_interrupts || !conf->intr_conf.rxq)
		return __real_rte_eth_dev_configure(port, rx, tx, conf);
	refused++;
	return -ENOTSUP;
}

int __real_rte_eth_dev_socket_id(uint16_t port);
int __wrap_rte_eth_dev_socket_id(uint16_t port);

int __wrap_rte_eth_dev_socket_id(uint16_t port)
{
	return node_of_device >= 0 ? node_of_device : __real_rte_eth_dev_socket_id(port);
}

int __real_rte_eal_has_hugepages(void);
int __wrap_rte_eal_has_hugepages(void);

int __wrap_rte_eal_has_hugepages(void)
{
	return huge_pages >= 0 ? huge_pages : __real_rte_eal_has_hugepages();
}

int __real_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors,
    unsigned socket, const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors,
    unsigned socket, const struct rte_eth_rxconf *conf, struct rte_mempool *pool);

int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors,
    unsigned socket, const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	node_of_buffers = (int)socket;
	assert_int_equal(pool->socket_id, node_of_buffers);
	return __real_rte_eth_rx_queue_setup(port, queue, descriptors, socket, conf, pool);
}

int __real_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *now);
int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *now);

int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *now)
{
	int rc = __real_rte_eth_link_get_nowait(port, now);

	if (has_cable)
		now->link_status = cable;
	return rc;
}

int __real_rte_eth_dev_callback_register(
    uint16_t port, enum rte_eth_event_type type, rte_eth_dev_cb_fn call, void *arg);
int __wrap_rte_eth_dev_callback_register(
    uint16_t port, enum rte_eth_event_type type, rte_eth_dev_cb_fn call, void *arg);

int __wrap_rte_eth_dev_callback_register(
    uint16_t port, enum rte_eth_event_type type, rte_eth_dev_cb_fn call, void *arg)
{
	if (type == RTE_ETH_EVENT_INTR_LSC) {
		on_change = call;
		on_change_of = arg;
	}
	return __real_rte_eth_dev_callback_register(port, type, call, arg);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

// A driver that does not even start with interrupts is started without.
static void starts_without_interrupts(void **state)
{
	char text[256];

	(void)state;
	refuses_interrupts = true;
	open_all("net_null0,size=60,copy=1");
	refuses_interrupts = false;
	assert_int_equal(refused, 1);
	raw.ops->describe(&raw, text, sizeof(text));
	assert_non_null(strstr(text, ", naps,"));
	assert_int_equal(worker_turn(worker), BURST_MAX);
	close_all();
}

// Buffers are on the device's NUMA node, or where there is room for them: not on one that no
// machine has.
static void buffers_are_near_the_device(void **state)
{
	static const struct {
		int huge, device, buffers;
		const char *advice;
	} facts[] = {
	    {1, 0, 0, NULL},
	    {1, NODE_31, SOCKET_ID_ANY, "is on NUMA node 31, which has no room for its buffers"},
	    {0, NODE_31, SOCKET_ID_ANY, NULL},
	};
	struct link_error err;

	(void)state;
	lab_open(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		huge_pages = facts[i].huge;
		node_of_device = facts[i].device;
		assert_int_equal(link_start("net_null1", &err), 0);
		assert_int_equal(node_of_buffers, facts[i].buffers);
		if (facts[i].advice)
			assert_non_null(strstr(err.text, facts[i].advice));
		else
			assert_string_equal(err.text, "");
		raw.ops->close(&raw);
	}
	huge_pages = node_of_device = -1;
	lab_close(&lab);
}

// The driver tells that the cable has changed; nobody has to ask it.
static void cable_changes(void **state)
{
	static const bool states[] = {false, false, true, false, true};
	struct link_stats stats;

	(void)state;
	has_cable = cable = true;
	open_all("net_ring9");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		cable = states[i];
		on_change(raw.queues[0]->port, RTE_ETH_EVENT_INTR_LSC, on_change_of, NULL);
		raw.ops->stats(&raw, &stats);
		assert_int_equal(stats.down, !states[i]);
	}
	has_cable = false;
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(device_taken_away),
	    cmocka_unit_test(device_unplugged),
	    cmocka_unit_test(starts_without_interrupts),
	    cmocka_unit_test(buffers_are_near_the_device),
	    cmocka_unit_test(cable_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
