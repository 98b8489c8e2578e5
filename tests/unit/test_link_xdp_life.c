// SPDX-License-Identifier: BSD-3-Clause
// The life of the AF_XDP link on a veth pair of the real kernel: changes around it, its end,
// and what it says when it cannot be opened.
#include "tests/unit/xdp_lab.h"
#include "wire/inet.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct xdp_lab lab;
static struct link one;
static const struct link_ops *const ops = &link_xdp_ops;

static int close_links(void **state)
{
	(void)state;
	ops->close(&one);
	return 0;
}

static const uint16_t no_vlan[2];

static void to_other_address(struct lab_frame *f)
{
	f->data[f->l3 + IPV4_OFFSET_DST + 3] = 77;
}

// --- following changes ---

static void test_served_follows_locals(void **state)
{
	struct lab_frame f;

	(void)state;
	lab_link_open_default(&one, &lab);
	lab_frame_v4(&f, no_vlan, 64);
	to_other_address(&f);
	lab_send(&lab, &f);
	assert_int_equal(lab_find(&lab, &one, f.tag), LAB_KERNEL);
	lab_serve(&lab, 3, "10.9.0.77:9001");
	ops->maintain(&one);
	lab_send(&lab, &f);
	assert_int_equal(lab_find(&lab, &one, f.tag), LAB_LINK);
	lab.locals[3].extra = 1;
	ops->maintain(&one);
	lab_send(&lab, &f);
	assert_int_equal(lab_find(&lab, &one, f.tag), LAB_KERNEL);
	lab.locals[3] = (struct local){0};
}

static void test_interface_changes(void **state)
{
	const struct egress *e;
	struct lab_frame f;

	(void)state;
	lab_link_open_default(&one, &lab);
	e = lab_egress(&lab, "fw0");
	assert_non_null(e);
	assert_int_equal(e->valid, 1);
	assert_int_equal(e->mtu, 9000);
	lab_ours(&lab, "ip link set fw0 down");
	ops->maintain(&one);
	assert_int_equal(e->valid, 0);
	lab_ours(&lab, "ip link set fw0 mtu 1400; ip link set fw0 address 02:00:00:00:00:55; "
		       "ip link set fw0 up");
	lab_await_carrier("fw0");
	ops->maintain(&one);
	assert_int_equal(e->valid, 1);
	assert_int_equal(e->mtu, 1400);
	assert_memory_equal(e->mac, "\x02\0\0\0\0\x55", 6);
	lab_frame_v4(&f, no_vlan, 64); // to the new address
	lab_send(&lab, &f);
	assert_int_equal(lab_find(&lab, &one, f.tag), LAB_LINK);
	lab_ours(&lab, "ip link set fw0 mtu 9000");
	ops->close(&one);
	assert_int_equal(e->valid, 0);
}

static void test_interface_deleted(void **state)
{
	struct link_config cfg = lab_config(&lab, "fw4");
	struct dgram d = {0}, *p = &d;
	struct lab_frame f;
	char text[256];

	(void)state;
	lab_ours(&lab, "ip link add fw4 type veth peer name fw5; ip link set fw4 up; "
		       "ip link set fw5 up");
	lab_link_open(&one, &cfg);
	lab_ours(&lab, "ip link del fw4");
	ops->maintain(&one);
	ops->describe(&one, text, sizeof(text));
	assert_memory_equal(text, "gone", 4);
	assert_int_equal(ops->rx(one.queues[0], &d, 1), 0);
	lab_frame_v4(&f, no_vlan, 64);
	d.l2 = f.data;
	d.len = f.len;
	for (int i = 0; i < 3; i++) {
		ops->tx_copy(one.queues[0], &p, 1);
		ops->flush(one.queues[0]);
		ops->maintain(&one);
	}
}

// --- the end of the process, and errors ---

static uint32_t attached_program(void)
{
	uint32_t id = 0;

	bpf_xdp_query_id(if_nametoindex("fw0"), 0, &id);
	return id;
}

static void test_killed_process_leaves_nothing(void **state)
{
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct link_config cfg = lab_config(&lab, "fw0");
		struct link_error err;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		one = (struct link){.ops = ops};
		if (ops->open(&one, &cfg, &err) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_not_equal(attached_program(), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (uint64_t end = lab_now_ms() + 60000; attached_program() && lab_now_ms() < end;)
		usleep(1000);
	assert_int_equal(attached_program(), 0);
	close(ready[0]);
}

static void expect_error(const char *spec, int rc, const char *text)
{
	struct link_config cfg = lab_config(&lab, spec);
	struct link l = {.ops = ops};
	struct link_error err = {0};

	assert_int_equal(ops->open(&l, &cfg, &err), rc);
	if (!strstr(err.text, text))
		fail_msg("%s: \"%s\" does not say \"%s\"", spec, err.text, text);
	assert_null(l.priv);
	assert_int_equal(lab_egress(&lab, "fw0") ? lab_egress(&lab, "fw0")->valid : 0, 0);
}

static void test_errors(void **state)
{

	(void)state;
	expect_error("", -EINVAL, "names no interface");
	expect_error("fw0:", -EINVAL, "QUEUES is a number");
	expect_error("fw0:0", -EINVAL, "QUEUES is a number");
	expect_error("fw0:2x", -EINVAL, "QUEUES is a number");
	expect_error("fw9", -ENODEV, "there is no interface fw9");
	expect_error("fw0:5", -EINVAL, "fw0 has 4 receive queues, 5 were asked for");
	if (lab.tun)
		expect_error("fwt", -EINVAL, "fwt carries no Ethernet frames");
	lab_ours(&lab, "ip link set fw0 down");
	expect_error("fw0", -ENETDOWN, "ip link set fw0 up");
	lab_ours(&lab, "ip link set fw0 up");
	lab_await_carrier("fw0");
	lab_link_open_default(&one, &lab);
	{
		struct link_config cfg = lab_config(&lab, "fw0");
		struct link second = {.ops = ops};
		struct link_error err = {0};

		cfg.index = 2;
		assert_int_equal(ops->open(&second, &cfg, &err), -EBUSY);
		assert_non_null(strstr(err.text, "has an XDP program already"));
	}
	ops->close(&one);
	assert_int_equal(attached_program(), 0);
}

static void test_unprivileged(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct link_config cfg = lab_config(&lab, "fw0");
		struct link l = {.ops = ops};
		struct link_error err = {0};

		if (setuid(65534) < 0)
			_exit(2);
		if (ops->open(&l, &cfg, &err) != -EPERM)
			_exit(3);
		_exit(strstr(err.text, "CAP_NET_ADMIN") ? 0 : 4);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

// After start the data plane has no capabilities; the map still takes addresses.
static void test_maintain_unprivileged(void **state)
{
	struct lab_frame f;
	int status;
	pid_t pid;

	(void)state;
	lab_link_open_default(&one, &lab);
	pid = fork();
	if (pid == 0) {
		if (setuid(65534) < 0)
			_exit(2);
		lab_serve(&lab, 3, "10.9.0.77:9001");
		ops->maintain(&one);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	lab_frame_v4(&f, no_vlan, 64);
	to_other_address(&f);
	lab_send(&lab, &f);
	assert_int_equal(lab_find(&lab, &one, f.tag), LAB_LINK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_served_follows_locals, close_links),
	    cmocka_unit_test_teardown(test_interface_changes, close_links),
	    cmocka_unit_test_teardown(test_interface_deleted, close_links),
	    cmocka_unit_test_teardown(test_killed_process_leaves_nothing, close_links),
	    cmocka_unit_test_teardown(test_errors, close_links),
	    cmocka_unit_test_teardown(test_unprivileged, close_links),
	    cmocka_unit_test_teardown(test_maintain_unprivileged, close_links),
	};

	return lab_run_tests(&lab, "link_xdp_life", tests, sizeof(tests) / sizeof(tests[0]));
}
