// SPDX-License-Identifier: BSD-3-Clause
// The data plane's main thread, piece by piece: which memory it takes over, and whom it hands it
// to.
#include "base/fds.h"
#include "base/log.h"
#include "config/machine.h"
#include "dataplane/dp.h"
#include "dataplane/io/locals.h"
#include "shm/node_writer.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_FD = 3 }; // SD_LISTEN_FDS_START

static void config_make(struct dp *dp, const char *text)
{
	struct config_errors errors = {.count = 0};

	memset(dp, 0, sizeof(*dp));
	dp->worker_count = 2;
	config_defaults(&dp->config);
	if (config_read_text(&dp->config, "test", text, strlen(text), &errors) ||
	    config_finish(&dp->config, "test", &errors))
		fail_msg("%s", errors.text);
}

// What a supervisor does with a stored descriptor at the next start.
static void pass_on(int fd)
{
	char pid[16];

	assert_int_equal(dup2(fd, LISTEN_FD), LISTEN_FD);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "shm", 1);
}

static void node_put(struct dp *dp, uint32_t id)
{
	struct node_route route = {.at = endpoint_from_v4(htobe32(0xc6336401), 4001)};
	struct node_writer w;

	assert_int_equal(node_writer_open(&w, &dp->memory), 0);
	assert_int_equal(node_writer_put(&w, id, &route, 1), 1);
	node_writer_close(&w);
}

#define SMALL "nodes: {capacity: 5000}\n"

// A data plane that starts after another: with which configuration it goes on with its memory.
static void adoption(void **state)
{
	static const char before[] = SMALL "listen: ['127.0.0.1:9001', '[::]:9001']\n"
					   "gossip: {extra-ports: 9100-9102}\n";
	static const struct {
		const char *what, *config;
		bool adopted;
	} facts[] = {
	    {"the same", before, true},
	    {"another time to live",
		SMALL "listen: ['127.0.0.1:9001', '[::]:9001']\n"
		      "gossip: {extra-ports: 9100-9102}\nttl: 9\n",
		true},
	    {"one address more",
		SMALL "listen: ['127.0.0.1:9001', '[::]:9001', '127.0.0.1:9005']\n"
		      "gossip: {extra-ports: 9100-9102}\n",
		true},
	    {"one address less",
		SMALL "listen: ['127.0.0.1:9001']\ngossip: {extra-ports: 9100-9102}\n", false},
	    {"another first address",
		SMALL "listen: ['[::]:9001', '127.0.0.1:9001']\n"
		      "gossip: {extra-ports: 9100-9102}\n",
		false},
	    {"fewer gossip ports",
		SMALL "listen: ['127.0.0.1:9001', '[::]:9001']\n"
		      "gossip: {extra-ports: 9100-9101}\n",
		false},
	    {"another capacity",
		"nodes: {capacity: 6000}\nlisten: ['127.0.0.1:9001', '[::]:9001']\n"
		"gossip: {extra-ports: 9100-9102}\n",
		false},
	};
	static struct dp first, second;
	int kept;

	(void)state;
	config_make(&first, before);
	assert_int_equal(dp_memory_open(&first), 0);
	assert_false(first.adopted);
	node_put(&first, 77);
	// Under a wildcard the sock link enters the host's addresses; they do not count.
	assert_true(locals_add(first.memory.locals,
			&(struct endpoint){.addr = {0x20, 1}, .port = 9001}, LOCAL_MAX) > 0);
	kept = fcntl(first.memory.fd, F_DUPFD_CLOEXEC, 10);
	memory_unmap(&first.memory);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct node_entry e;

		config_make(&second, facts[i].config);
		pass_on(kept);
		assert_int_equal(dp_memory_open(&second), 0);
		if (second.adopted != facts[i].adopted)
			fail_msg("%s: adopted %d", facts[i].what, second.adopted);
		assert_int_equal(node_table_find(&second.memory.nodes, 77, &e), facts[i].adopted);
		memory_unmap(&second.memory);
	}
	unsetenv("LISTEN_FDS");
	close(kept);
}

// Gossip ports are entries of their own, behind those of --listen.
static void gossip_ports(void **state)
{
	static struct dp dp;

	(void)state;
	config_make(&dp, SMALL "listen: ['127.0.0.1:9001', '127.0.0.2:9001']\n"
			       "gossip: {extra-ports: 9100-9101}\n");
	assert_int_equal(dp_memory_open(&dp), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(dp.memory.locals[i].valid, 1);
		assert_int_equal(dp.memory.locals[i].extra, i >= 2);
		assert_int_equal(dp.memory.locals[i].at.port, i < 2 ? 9001 : 9098 + i);
	}
	assert_int_equal(dp.memory.locals[4].valid, 0);
	memory_unmap(&dp.memory);
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void hand_over(void **state)
{
	int given[3] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
	char dir[FOLDER_MAX], text[64];
	int clients[SERVE_CLIENTS + 1];
	struct server s;

	(void)state;
	folder_make(dir);
	assert_int_equal(server_open(&s, dir, getuid(), getgid()), 0);
	for (unsigned i = 0; i <= SERVE_CLIENTS; i++) {
		int got[8];
		unsigned count = 8;
		uint64_t seen;
		ssize_t n;

		clients[i] = connect_to(s.path);
		server_accept(&s, 1, given, 3);
		n = fds_receive(clients[i], text, sizeof(text), got, &count);
		if (i == SERVE_CLIENTS) {
			assert_true(n <= 0); // one too many
			break;
		}
		assert_int_equal(n, strlen("{\"version\":1,\"workers\":1}"));
		assert_memory_equal(text, "{\"version\":1,\"workers\":1}", (size_t)n);
		assert_int_equal(count, 3);
		assert_int_equal(write(given[2], &(uint64_t){5}, 8), 8);
		assert_int_equal(read(got[2], &seen, 8), 8);
		assert_int_equal(seen, 5);
		for (unsigned k = 0; k < count; k++)
			close(got[k]);
	}
	assert_int_equal(s.client_count, SERVE_CLIENTS);
	server_check(&s, 3); // still there
	assert_int_equal(s.client_count, SERVE_CLIENTS);
	close(clients[3]);
	server_check(&s, 3);
	assert_int_equal(s.client_count, SERVE_CLIENTS - 1);
	server_close(&s);
	assert_int_equal(recv(clients[0], text, sizeof(text), 0), 0);
	for (unsigned i = 0; i <= SERVE_CLIENTS; i++)
		if (i != 3)
			close(clients[i]);
	for (unsigned i = 0; i < 3; i++)
		close(given[i]);
	assert_int_equal(rmdir(dir), 0); // the socket is gone
}

static void workers_wanted(void **state)
{
	static struct dp dp;

	(void)state;
	config_make(&dp, "workers: 3\n");
	assert_int_equal(machine_workers(&dp.config), 3);
	config_make(&dp, "workers: 0\nlink: ['xdp:nowhere:1']\n");
	assert_int_equal(machine_workers(&dp.config), 1);
	config_make(&dp, "workers: 0\n");
	assert_in_range(machine_workers(&dp.config), 1, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(adoption),
	    cmocka_unit_test(gossip_ports),
	    cmocka_unit_test(hand_over),
	    cmocka_unit_test(workers_wanted),
	};

	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
