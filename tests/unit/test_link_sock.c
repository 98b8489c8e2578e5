// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/link.h"
#include "dataplane/io/locals.h"
#include "tests/unit/link_sock_lab.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const any4[] = {"0.0.0.0", NULL};
static const char *const any6[] = {"::", NULL};
static const char *const both[] = {"127.0.0.1", "::1", NULL};
static const char *const one4[] = {"127.0.0.1", NULL};

static void sizes_pass_whole(void **state)
{
	static const uint32_t sizes[] = {0, 1, 5, 20, 31, 32, 33, 1472, 1473, 9000, 32753, 65507};
	struct lab *lab = lab_open(any4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);
	const unsigned n = sizeof(sizes) / sizeof(*sizes);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		client_send(client, i, sizes[i], 0);
	assert_int_equal(lab_receive(lab, 0, n), n);
	for (unsigned i = 0; i < n; i++) {
		struct dgram *d = &lab->d[i];

		assert_int_equal(d->len, sizes[i]);
		memset(d->data - HEADROOM, 0xee, HEADROOM);
		memset(d->data + d->len, 0xee, TAILROOM);
	}
	for (unsigned i = 0; i < n; i++)
		assert_payload(lab->d[i].data, i, sizes[i]);
	assert_int_equal(lab_answer(lab, 0, n), n);
	for (unsigned i = 0; i < n; i++)
		client_expect(client, i, sizes[i]);
	close(client);
	lab_close(lab);
}

static void train_is_split_in_order(void **state)
{
	struct lab *lab = lab_open(any4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	lab_gro_set(lab);
	client_send_train(client, 100, 39, 60);
	assert_int_equal(lab_receive(lab, 0, 40), 40);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(lab->d[i].len, i < 39 ? 100 : 60);
		assert_payload(lab->d[i].data, i, lab->d[i].len);
	}
	assert_int_equal(lab_answer(lab, 0, 40), 40);
	for (unsigned i = 0; i < 40; i++)
		client_expect(client, i, i < 39 ? 100 : 60);
	close(client);
	lab_close(lab);
}

static void short_datagrams_of_a_train_have_room(void **state)
{
	struct lab *lab = lab_open(any4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	lab_gro_set(lab);
	client_send_train(client, 5, 20, 0);
	assert_int_equal(lab_receive(lab, 0, 20), 20);
	for (unsigned i = 0; i < 20; i++) {
		memset(lab->d[i].data - HEADROOM, 0xee, HEADROOM);
		memset(lab->d[i].data + 5, 0xee, TAILROOM);
	}
	for (unsigned i = 0; i < 20; i++)
		assert_payload(lab->d[i].data, i, 5);
	lab_release(lab, 0, 20);
	close(client);
	lab_close(lab);
}

static void bursts_are_lent_one_at_a_time(void **state)
{
	struct lab *lab = lab_open(any4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	lab_gro_set(lab);
	client_send_train(client, 50, 60, 0);
	client_send_train(client, 50, 60, 0);
	assert_int_equal(lab_receive(lab, 0, BURST_MAX), BURST_MAX);
	assert_int_equal(lab->link.ops->rx(lab->link.queues[0], lab->d, BURST_MAX), 0);
	lab_release(lab, 0, BURST_MAX);
	assert_int_equal(lab_receive(lab, 0, 120 - BURST_MAX), 120 - BURST_MAX);
	assert_payload(lab->d[0].data, BURST_MAX - 60, 50);
	lab_release(lab, 0, 120 - BURST_MAX);
	close(client);
	lab_close(lab);
}

static void runs_pass(struct lab *lab, int client)
{
	for (unsigned i = 0; i < 64; i++) {
		client_send_train(client, 100, 32, 0);
		for (unsigned n = 0, got; n < 32; n += got) {
			got = lab_receive(lab, 0, BURST_MAX);
			assert_payload(lab->d[0].data, n, 100);
			lab_release(lab, 0, got);
		}
	}
}

static void gro_comes_with_runs_of_datagrams(void **state)
{
	struct lab *lab = lab_open(one4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	for (unsigned i = 0; i < 2048; i++) {
		client_send(client, i, i % 3, 0);
		lab_release(lab, 0, lab_receive(lab, 0, 1));
	}
	assert_false(lab_has_gro(lab));
	runs_pass(lab, client);
	assert_true(lab_has_gro(lab));
	close(client);
	lab_close(lab);
}

static void gro_stays_off_where_it_would_harm(void **state)
{
	struct lab *lab = lab_open(one4, 1, 0);
	struct link_error err;
	int client;

	(void)state;
	lab->link.ops->close(&lab->link);
	lab->cfg.singly = true;
	assert_int_equal(link_sock_ops.open(&lab->link, &lab->cfg, &err), 0);
	client = client_open("127.0.0.1", lab->port, 0);
	runs_pass(lab, client);
	assert_false(lab_has_gro(lab));
	close(client);
	lab_close(lab);
}

// Two destinations, interleaved: trains for each, in order for each, sizes that close a train.
static void interleaved_flows_leave_as_trains(void **state)
{
	static const uint32_t sizes[] = {100, 100, 60, 100, 100, 200, 200, 0, 200, 200};
	const unsigned n = sizeof(sizes) / sizeof(*sizes);
	static const unsigned trains[] = {3, 2, 2, 1, 2};
	struct lab *lab = lab_open(any4, 1, 0);
	int client[2] = {
	    client_open("127.0.0.1", lab->port, 1), client_open("127.0.0.1", lab->port, 1)};

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		client_send(client[0], i, sizes[i], 0);
		client_send(client[1], i, sizes[i], 0);
	}
	assert_int_equal(lab_receive(lab, 0, 2 * n), 2 * n);
	assert_int_equal(lab_answer(lab, 0, 2 * n), 2 * n);
	for (unsigned c = 0; c < 2; c++) {
		unsigned number = 0;

		for (unsigned t = 0; t < sizeof(trains) / sizeof(*trains); t++) {
			assert_int_equal(
			    client_expect_train(client[c], number, sizes + number), trains[t]);
			number += trains[t];
		}
		close(client[c]);
	}
	lab_close(lab);
}

static void trains_end_at_64_and_at_65507_bytes(void **state)
{
	static const uint32_t sizes[] = {1100, 2, 1100};
	struct lab *lab = lab_open(any4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	for (unsigned s = 0; s < 3; s++) {
		for (unsigned i = 0; i < BURST_MAX; i++)
			client_send(client, i, sizes[s], 0);
		assert_int_equal(lab_receive(lab, 0, BURST_MAX), BURST_MAX);
		assert_int_equal(lab_answer(lab, 0, BURST_MAX), BURST_MAX);
		for (unsigned i = 0; i < BURST_MAX; i++)
			client_expect(client, i, sizes[s]);
	}
	close(client);
	lab_close(lab);
}

// The clients are connected: an answer from another address does not reach them.
static void answer_leaves_from_the_address_asked(void **state)
{
	static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
	static const char *const *const listens[] = {any4, any6};

	(void)state;
	for (unsigned l = 0; l < 2; l++) {
		struct lab *lab = lab_open(listens[l], 1, 0);

		for (unsigned round = 0; round < 2; round++) {
			for (unsigned a = 0; a < 3; a++) {
				int client = client_open(addresses[a], lab->port, 0);

				client_send(client, a, 40, 0);
				assert_int_equal(lab_receive(lab, 0, 1), 1);
				assert_int_equal(lab->d[0].local != 0, a == 0 || round == 1);
				assert_int_equal(lab_answer(lab, 0, 1), 1);
				client_expect(client, a, 40);
				close(client);
				lab->link.ops->maintain(&lab->link);
			}
		}
		lab_close(lab);
	}
}

static void both_families_are_served(void **state)
{
	static const char *const *const listens[] = {any6, both};

	(void)state;
	if (!has_ipv6())
		skip();
	for (unsigned l = 0; l < 2; l++) {
		struct lab *lab = lab_open(listens[l], 2, 0);
		int client4 = client_open("127.0.0.1", lab->port, 0);
		int client6 = client_open("::1", lab->port, 0);

		client_send(client4, 4, 100, 0);
		unsigned q = lab_receive_any(lab);
		assert_true(endpoint_is_v4(&lab->d[0].src));
		assert_int_equal(lab_answer(lab, q, 1), 1);
		client_expect(client4, 4, 100);
		client_send(client6, 6, 3000, 0);
		q = lab_receive_any(lab);
		assert_false(endpoint_is_v4(&lab->d[0].src));
		assert_int_equal(lab_answer(lab, q, 1), 1);
		client_expect(client6, 6, 3000);
		close(client4);
		close(client6);
		lab_close(lab);
	}
}

static void extra_ports_are_served_and_sent_through(void **state)
{
	struct lab *lab = lab_open(one4, 2, 3);

	(void)state;
	for (unsigned e = 0; e < 3; e++) {
		int client = client_open("127.0.0.1", lab->extra_port[e], 0);
		int fds[8];
		unsigned q = e % 2;

		assert_int_equal(lab->link.ops->poll_fds(lab->link.queues[q], fds, 8), 2);
		client_send(client, e, 100, 0);
		assert_int_equal(lab_receive(lab, q, 1), 1);
		assert_int_equal(lab->d[0].local, lab->extra_local[e]);
		// Any queue sends from any gossip port: the other one does here.
		lab->d[0].to = lab->d[0].src;
		lab->d[0].out_local = lab->d[0].local;
		lab->d[0].handle = 0;
		struct dgram *d = &lab->d[0];
		assert_int_equal(lab->link.ops->tx_copy(lab->link.queues[!q], &d, 1), 1);
		client_expect(client, e, 100);
		lab_release(lab, q, 1);
		close(client);
	}
	lab_close(lab);
}

// The only socket of a queue is waited for in the receive call, which keeps what came.
static void waits_in_the_socket(void **state)
{
	struct lab *lab = lab_open(one4, 1, 0);
	struct link_queue *q = lab->link.queues[0];
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	lab->link.ops->wait(q); // ends by itself
	assert_int_equal(lab->link.ops->rx(q, lab->d, BURST_MAX), 0);
	for (unsigned i = 0; i < 3; i++)
		client_send(client, i, 100, 0);
	lab_settle();
	lab->link.ops->wait(q);
	lab->link.ops->wait(q); // the first is still there
	assert_int_equal(lab->link.ops->rx(q, lab->d, BURST_MAX), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_payload(lab->d[i].data, i, 100);
	lab_release(lab, 0, 3);
	close(client);
	lab_close(lab);
}

// With several sockets there is none to wait for.
static void waits_for_one_only(void **state)
{
	struct lab *lab = lab_open(one4, 1, 1);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	client_send(client, 0, 100, 0);
	lab_settle();
	lab->link.ops->wait(lab->link.queues[0]);
	assert_int_equal(lab_receive(lab, 0, 1), 1);
	lab_release(lab, 0, 1);
	close(client);
	lab_close(lab);
}

struct refusal {
	const char *to;
	uint16_t port;
	uint32_t len;
	enum drop drop;
};

static void refused_datagrams_have_names(void **state)
{
	static const struct refusal table[] = {
	    {"127.0.0.1", 0, 100, DROP_TX_ERROR},
	    {"2001:db8::1", 9, 100, DROP_NO_ROUTE},
	    {"127.0.0.1", 9, 65508, DROP_TX_TOO_BIG},
	    {"255.255.255.255", 9, 100, DROP_TX_ERROR},
	};
	static uint8_t bytes[65600];
	struct lab *lab = lab_open(one4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct dgram bad = {.data = bytes, .len = table[i].len};
		struct dgram *d[3] = {&lab->d[0], &bad, &lab->d[1]};

		assert_int_equal(endpoint_parse(table[i].to, 1, &bad.to), 0);
		bad.to.port = table[i].port;
		client_send(client, 1, 50, 0);
		client_send(client, 2, 50, 0);
		assert_int_equal(lab_receive(lab, 0, 2), 2);
		lab_answer_prepare(lab, 2);
		assert_int_equal(lab->link.ops->tx_copy(lab->link.queues[0], d, 3), 2);
		assert_int_equal(bad.drop, table[i].drop);
		client_expect(client, 1, 50);
		client_expect(client, 2, 50);
		lab_release(lab, 0, 2);
	}
	close(client);
	lab_close(lab);
}

static void closed_peer_does_not_stop_the_link(void **state)
{
	struct lab *lab = lab_open(one4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	client_send(client, 0, 50, 0);
	assert_int_equal(lab_receive(lab, 0, 1), 1);
	close(client);
	lab_answer_prepare(lab, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct dgram *d = &lab->d[0];

		assert_int_equal(lab->link.ops->tx_copy(lab->link.queues[0], &d, 1), 1);
	}
	lab_release(lab, 0, 1);
	client = client_open("127.0.0.1", lab->port, 0);
	client_send(client, 7, 50, 0);
	assert_int_equal(lab_receive(lab, 0, 1), 1);
	assert_int_equal(lab_answer(lab, 0, 1), 1);
	client_expect(client, 7, 50);
	close(client);
	lab_close(lab);
}

static void taken_port_is_refused(void **state)
{
	struct lab *lab = lab_open(one4, 1, 0);
	struct link second = {0};
	struct link_error err = {""};
	struct link_config cfg = lab->cfg;
	char port[16];

	(void)state;
	snprintf(port, sizeof(port), ":%u", lab->port);
	assert_int_equal(link_sock_ops.open(&second, &cfg, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, port));
	assert_non_null(strstr(err.text, "--listen"));
	lab_close(lab);
}

static void ttl_follows_the_settings(void **state)
{
	static const unsigned ttls[] = {64, 7, 255};
	struct lab *lab = lab_open(any6, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		lab->settings.ttl = ttls[i];
		lab->link.ops->maintain(&lab->link);
		client_send(client, i, 10, 0);
		assert_int_equal(lab_receive(lab, 0, 1), 1);
		assert_int_equal(lab_answer(lab, 0, 1), 1);
		assert_int_equal(client_ttl(client), ttls[i]);
	}
	close(client);
	lab_close(lab);
}

static void counters_follow(void **state)
{
	struct lab *lab = lab_open(one4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);
	struct link_stats s;
	char text[256];

	(void)state;
	client_send_train(client, 100, 10, 0);
	assert_int_equal(lab_receive(lab, 0, 10), 10);
	assert_int_equal(lab_answer(lab, 0, 10), 10);
	lab->link.ops->stats(&lab->link, &s);
	assert_int_equal(s.rx_datagrams, 10);
	assert_int_equal(s.rx_bytes, 1000);
	assert_int_equal(s.tx_datagrams, 10);
	assert_int_equal(s.tx_bytes, 1000);
	assert_int_equal(s.tx_errors + s.tx_full, 0);
	assert_int_equal(link_stats_lost(&s, DROP_RX_SOCKET_FULL), 0);
	lab->link.ops->describe(&lab->link, text, sizeof(text));
	assert_non_null(strstr(text, "1 queues"));
	close(client);
	lab_close(lab);
}

// A device that cannot cut a train (larger than its MTU): sent singly and remembered.
static void refused_train_is_sent_singly(void **state)
{
	(void)state;
	if (!namespace_enter(1500))
		skip();
	struct lab *lab = lab_open(one4, 1, 0);
	int client = client_open("127.0.0.1", lab->port, 0);

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 8; i++)
			client_send(client, i, i < 4 ? 4000 : 1000, 0);
		assert_int_equal(lab_receive(lab, 0, 8), 8);
		assert_int_equal(lab_answer(lab, 0, 8), 8);
		for (unsigned i = 0; i < 8; i++)
			client_expect(client, i, i < 4 ? 4000 : 1000);
	}
	close(client);
	lab_close(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_pass_whole),
	    cmocka_unit_test(train_is_split_in_order),
	    cmocka_unit_test(short_datagrams_of_a_train_have_room),
	    cmocka_unit_test(bursts_are_lent_one_at_a_time),
	    cmocka_unit_test(gro_comes_with_runs_of_datagrams),
	    cmocka_unit_test(gro_stays_off_where_it_would_harm),
	    cmocka_unit_test(interleaved_flows_leave_as_trains),
	    cmocka_unit_test(trains_end_at_64_and_at_65507_bytes),
	    cmocka_unit_test(answer_leaves_from_the_address_asked),
	    cmocka_unit_test(both_families_are_served),
	    cmocka_unit_test(extra_ports_are_served_and_sent_through),
	    cmocka_unit_test(waits_in_the_socket),
	    cmocka_unit_test(waits_for_one_only),
	    cmocka_unit_test(refused_datagrams_have_names),
	    cmocka_unit_test(closed_peer_does_not_stop_the_link),
	    cmocka_unit_test(taken_port_is_refused),
	    cmocka_unit_test(ttl_follows_the_settings),
	    cmocka_unit_test(counters_follow),
	    // Last: it moves the process into a network namespace of its own.
	    cmocka_unit_test(refused_train_is_sent_singly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
