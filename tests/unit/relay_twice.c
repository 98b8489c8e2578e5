// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/relay_twice.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

struct stage_lab lab;
struct kernel_memory kernel;
struct kernel_writer writer;
struct xdp_program program;
uint64_t decided[3];

void kernel_open(uint32_t nodes)
{
	struct link_error err = {.text = ""};
	struct link_config cfg = {.index = LAB_RAW, .kernel = &kernel};

	cfg.hash_key = lab.memory.nodes.hash_key;
	if (xdp_kernel_open(&kernel, &lab.memory, nodes, &err) ||
	    xdp_program_load(&program, &cfg, &err))
		fail_msg("%s", err.text);
	lab.memory.kernel = &kernel;
	assert_int_equal(kernel_writer_open(&writer, &lab.nodes), 0);
	kernel_rules_write(&kernel, &lab.env.set);
	xdp_kernel_locals(&kernel, lab.memory.locals);
	xdp_kernel_egress(
	    &kernel, lab.memory.egress, LAB_RAW, KERNEL_EGRESS_TX | KERNEL_EGRESS_REDIRECT);
	xdp_program_station(&program, lab_mac);
	xdp_program_limit(&program, TWICE_FRAME_MAX);
	xdp_program_serve(&program, lab.memory.locals);
}

void kernel_close(void)
{
	lab.nodes.kernel = NULL;
	kernel_writer_close(&writer);
	xdp_program_unload(&program);
	xdp_kernel_close(&kernel);
}

int twice_setup(void **state)
{
	(void)state;
	lab_open(&lab);
	kernel_open(1000);
	return 0;
}

int twice_teardown(void **state)
{
	(void)state;
	kernel_close();
	lab_close(&lab);
	return 0;
}

void settings_changed(void)
{
	kernel_rules_write(&kernel, &lab.env.set);
}

uint32_t program_run(const uint8_t *frame, uint32_t len, uint8_t *out, enum verdict_of *v)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = len, .data_out = out,
	    .data_size_out = TWICE_FRAME_MAX, .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(program.fd, &run), 0);
	*v = run.retval == XDP_PASS ? UP : run.retval == XDP_DROP ? DROPPED : SENT;
	if (*v == SENT)
		assert_int_equal(run.retval, XDP_REDIRECT);
	decided[*v]++;
	return run.data_size_out;
}

static bool ip_sum_ok(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETH_HEADER_SIZE;

	return ip[0] >> 4 != 4 || csum_fold(csum_add(0, ip, IPV4_HEADER_SIZE)) == 0xffff;
}

// Identification counts in each of the two by itself.
static void mask_identification(uint8_t *frame)
{
	uint8_t *ip = frame + ETH_HEADER_SIZE;

	if (ip[0] >> 4 != 4)
		return;
	memset(ip + IPV4_OFFSET_ID, 0, 2);
	memset(ip + IPV4_OFFSET_CHECKSUM, 0, 2);
}

struct counts {
	uint64_t engine[COUNTER_COUNT], kernel[COUNTER_COUNT];
	uint64_t engine_drops[DROP_COUNT], kernel_drops[DROP_COUNT];
};

static struct counts counts_take(void)
{
	struct counts c;

	for (int i = 0; i < COUNTER_COUNT; i++) {
		c.engine[i] = lab_count(&lab, i);
		c.kernel[i] = kernel_counter(&kernel, i);
	}
	for (int i = 0; i < DROP_COUNT; i++) {
		c.engine_drops[i] = lab_drops(&lab, i);
		c.kernel_drops[i] = kernel_drop(&kernel, i);
	}
	return c;
}

static void compare_counts(const struct counts *before, uint32_t sent)
{
	static const enum counter same[] = {COUNTER_RX_DATAGRAMS, COUNTER_RX_BYTES, COUNTER_RELAYED,
	    COUNTER_RELAYED_BYTES, COUNTER_CHECKSUM_COMPLETED};
	struct counts now = counts_take();

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		assert_int_equal(now.kernel[same[i]] - before->kernel[same[i]],
		    now.engine[same[i]] - before->engine[same[i]]);
	for (int i = 1; i < DROP_COUNT; i++)
		assert_int_equal(now.kernel_drops[i] - before->kernel_drops[i],
		    now.engine_drops[i] - before->engine_drops[i]);
	assert_int_equal(now.kernel[COUNTER_KERNEL] - before->kernel[COUNTER_KERNEL], 1);
	assert_int_equal(
	    now.kernel[COUNTER_TX_DATAGRAMS] - before->kernel[COUNTER_TX_DATAGRAMS], sent > 0);
	assert_int_equal(now.kernel[COUNTER_TX_BYTES] - before->kernel[COUNTER_TX_BYTES], sent);
}

// What goes up to the engine is counted there alone.
static void compare_nothing(const struct counts *before)
{
	struct counts now = counts_take();

	assert_memory_equal(now.kernel, before->kernel, sizeof(now.kernel));
	assert_memory_equal(now.kernel_drops, before->kernel_drops, sizeof(now.kernel_drops));
}

enum verdict_of compare(struct dgram *d)
{
	uint8_t frame[TWICE_FRAME_MAX], out[TWICE_FRAME_MAX];
	uint32_t len = d->len, out_len;
	struct counts before = counts_take();
	enum verdict_of v;

	memcpy(frame, d->l2, len);
	out_len = program_run(frame, len, out, &v);
	lab_run(&lab, NS_PER_S);
	lab_begin(&lab, LAB_RAW);
	if (v == UP) {
		assert_int_equal(out_len, len);
		assert_memory_equal(out, frame, len);
		compare_nothing(&before);
		return UP;
	}
	assert_int_equal(d->verdict, v == SENT ? VERDICT_SEND : VERDICT_DROP);
	compare_counts(&before, v == SENT ? dgram_payload_size(d, &lab.env) : 0);
	if (v == DROPPED)
		return v;
	assert_int_equal(d->out_link, LAB_RAW);
	assert_int_equal(out_len, d->len);
	memcpy(frame, d->l2, d->len);
	if (ip_sum_ok(out))
		mask_identification(out);
	mask_identification(frame);
	assert_memory_equal(out, frame, out_len);
	return v;
}

struct frame_spec spec_from(const char *from)
{
	struct frame_spec s = {.from = lab_endpoint(from), .ttl = 9};

	s.to = lab.memory.locals[endpoint_is_v4(&s.from) ? LAB_V4 : LAB_V6].at;
	memcpy(s.dst_mac, lab_mac, sizeof(s.dst_mac));
	memcpy(s.src_mac, lab_gateway, sizeof(s.src_mac));
	return s;
}

struct dgram *frame_add(const struct frame_spec *s, uint32_t sender, uint32_t dest, size_t len)
{
	uint8_t bytes[TWICE_FRAME_MAX], message[TWICE_FRAME_MAX], frame[TWICE_FRAME_MAX];
	const struct beacon_relay relay = {
	    .sender = sender, .dest = dest, .frame = bytes, .frame_len = len};
	int n;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + len);
	n = beacon_relay_build(message, sizeof(message), BEACON_RELAY, &relay);
	assert_true(n > 0);
	n = frame_build(frame, sizeof(frame), s, message, (size_t)n);
	assert_true(n > 0);
	return lab_frame(&lab, frame, (size_t)n);
}

bool twice_possible(void)
{
	const struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = BPF_F_MMAPABLE};
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 8, 1, &opts);

	if (fd < 0) {
		printf("skipped: BPF maps need CAP_BPF (%s)\n", strerror(errno));
		return false;
	}
	close(fd);
	return true;
}
