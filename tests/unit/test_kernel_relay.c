// SPDX-License-Identifier: BSD-3-Clause
// The same frames through the engine's stages and through the XDP program that relays, over the
// same tables: what the program decides itself comes out as from the engine, to the byte.
#include "base/random.h"
#include "dataplane/io/xdp_internal.h"
#include "dataplane/io/xdp_kernel.h"
#include "shm/kernel_writer.h"
#include "tests/unit/relay_facts.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

enum { SKIP_STATUS = 77, FRAME_MAX = 2048, FUZZ_ROUNDS = 20000 };

// What the program is to do by itself.
enum verdict_of { UP, SENT, DROPPED };

static struct stage_lab lab;
static struct kernel_memory kernel;
static struct kernel_writer writer;
static struct xdp_program program;
static uint64_t decided[3]; // by verdict_of

static void kernel_open(uint32_t nodes)
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
	xdp_program_limit(&program, FRAME_MAX);
	xdp_program_serve(&program, lab.memory.locals);
}

static void kernel_close(void)
{
	lab.nodes.kernel = NULL;
	kernel_writer_close(&writer);
	xdp_program_unload(&program);
	xdp_kernel_close(&kernel);
}

static int setup(void **state)
{
	(void)state;
	lab_open(&lab);
	kernel_open(1000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kernel_close();
	lab_close(&lab);
	return 0;
}

static void settings_changed(void)
{
	kernel_rules_write(&kernel, &lab.env.set);
}

// Runs the program over a frame; the answer's length, the frame in `out`.
static uint32_t program_run(const uint8_t *frame, uint32_t len, uint8_t *out, enum verdict_of *v)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = len, .data_out = out,
	    .data_size_out = FRAME_MAX, .repeat = 1);

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

// Both over the last frame of the burst, which is empty again afterwards.
static enum verdict_of compare(struct dgram *d)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX];
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

static void routes(void **state)
{
	(void)state;
	lab_begin(&lab, LAB_RAW);
	for (size_t i = 0; i < ARRAY_SIZE(relay_facts); i++) {
		const struct relay_fact *f = &relay_facts[i];
		enum verdict_of own = f->drop ? DROPPED : SENT;

		lab.env.set.sender_check = (uint64_t)f->check;
		settings_changed();
		if (compare(lab_relay(&lab, f->from, f->sender, f->dest, "a frame")) !=
		    (f->program ? own : UP))
			fail_msg("fact %zu: %s %u -> %u", i, f->from, f->sender, f->dest);
	}
	lab.env.set.sender_check = IP;
}

// A datagram as it comes from there to the local address of its family.
static struct frame_spec spec_from(const char *from)
{
	struct frame_spec s = {.from = lab_endpoint(from), .ttl = 9};

	s.to = lab.memory.locals[endpoint_is_v4(&s.from) ? LAB_V4 : LAB_V6].at;
	memcpy(s.dst_mac, lab_mac, sizeof(s.dst_mac));
	memcpy(s.src_mac, lab_gateway, sizeof(s.src_mac));
	return s;
}

static struct dgram *frame_add(
    const struct frame_spec *s, uint32_t sender, uint32_t dest, size_t len)
{
	uint8_t bytes[FRAME_MAX], message[FRAME_MAX], frame[FRAME_MAX];
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

static void sizes(void **state)
{
	const struct frame_spec four = spec_from(AT_A), six = spec_from(AT_SIX);

	(void)state;
	lab_begin(&lab, LAB_RAW);
	for (size_t len = 0; len <= 1400; len += len < 40 ? 1 : 97) {
		assert_int_equal(compare(frame_add(&four, NODE_A, NODE_B, len)), SENT);
		assert_int_equal(compare(frame_add(&four, NODE_A, NODE_EX, len)), SENT);
		assert_int_equal(compare(frame_add(&six, NODE_SIX, NODE_A, len)), SENT);
		assert_int_equal(compare(frame_add(&four, NODE_A, NODE_SIX, len)), SENT);
	}
	// 1,500 bytes of IP packet leave: 20 + 8 + 5, or 40 + 8 + 5, are headers
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_B, 1467)), SENT);
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_B, 1468)), UP);
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_SIX, 1447)), SENT);
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_SIX, 1448)), UP);
}

static void unusual_headers(void **state)
{
	struct frame_spec s;
	struct dgram *d;

	(void)state;
	lab_begin(&lab, LAB_RAW);
	s = spec_from(AT_A);
	s.ttl = 0;
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_B, 10)), DROPPED);
	s.ttl = 1;
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_B, 10)), SENT);
	s.no_checksum = 1;
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_B, 10)), SENT);
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_SIX, 10)), UP);
	s = spec_from(AT_SIX);
	s.no_checksum = 1;
	assert_int_equal(compare(frame_add(&s, NODE_SIX, NODE_B, 10)), DROPPED);
	s = spec_from(AT_A);
	s.ip_options = 1;
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_B, 10)), UP);
	s = spec_from(AT_A);
	s.vlan_tags = 1;
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_B, 10)), UP);
	s = spec_from(AT_A);
	d = frame_add(&s, NODE_A, NODE_B, 10);
	d->l2[ETH_HEADER_SIZE + IPV4_OFFSET_CHECKSUM] ^= 1;
	assert_int_equal(compare(d), DROPPED);
	d = frame_add(&s, NODE_A, NODE_B, 10);
	d->l2[0] ^= 4; // for another station
	assert_int_equal(compare(d), UP);
	s.to.port++;
	assert_int_equal(compare(frame_add(&s, NODE_A, NODE_B, 10)), UP);
}

// Short frames are padded by who sends them, and a cut-through switch may leave what it likes.
static void padding(void **state)
{
	static const size_t facts[][2] = {{0, 9}, {8, 1}, {10, 4}, {100, 3}, {1300, 180}};
	const struct frame_spec four = spec_from(AT_A), six = spec_from(AT_SIX);

	(void)state;
	lab_begin(&lab, LAB_RAW);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		for (uint32_t to = NODE_A; to <= NODE_SIX; to++)
			for (int v6 = 0; v6 < 2; v6++) {
				struct dgram *d = frame_add(
				    v6 ? &six : &four, v6 ? NODE_SIX : NODE_A, to, facts[i][0]);

				memset(d->l2 + d->len, 0xa5, facts[i][1]);
				d->len += facts[i][1];
				assert_int_equal(compare(d), SENT);
			}
}

static void corruption_is_not_hidden(void **state)
{
	const struct frame_spec s = spec_from(AT_A);
	struct dgram *d;
	uint8_t out[FRAME_MAX];
	enum verdict_of v;
	uint32_t len;
	struct inet_udp h = {0};

	(void)state;
	lab_begin(&lab, LAB_RAW);
	d = frame_add(&s, NODE_A, NODE_B, 100);
	d->l2[d->len - 1] ^= 0x40;
	len = program_run(d->l2, d->len, out, &v);
	assert_int_equal(v, SENT);
	assert_int_equal(inet_udp_parse(out, len, &h), 0);
	assert_false(udp_checksum_ok(inet_udp_pseudo_sum(out, &h), out + h.l4, h.udp_len));
}

// As a local sender leaves it.
static void half_done_checksums(void **state)
{
	const char *const from[] = {AT_A, AT_SIX};

	(void)state;
	lab_begin(&lab, LAB_RAW);
	for (size_t len = 0; len < 1400; len += len < 70 ? 1 : 133)
		for (int six = 0; six < 2; six++) {
			const struct frame_spec s = spec_from(from[six]);
			struct dgram *d = frame_add(&s, six ? NODE_SIX : NODE_A, NODE_B, len);

			struct inet_udp h = {0};
			uint16_t partial;

			assert_int_equal(inet_udp_parse(d->l2, d->len, &h), 0);
			partial = csum_fold(inet_udp_pseudo_sum(d->l2, &h));
			memcpy(d->l2 + h.l4 + UDP_OFFSET_CHECKSUM, &partial, sizeof(partial));
			assert_int_equal(compare(d), SENT);
		}
}

// The program reads the clock, and the engine is given a time that stands: tokens come back so
// seldom that a pause of the machine makes no difference.
static void police(void **state)
{
	unsigned sent = 0;

	(void)state;
	lab.env.set.sender_rate = 1;
	lab.env.set.sender_burst = 5;
	settings_changed();
	kernel.rules->sender.interval_ns *= 3600;
	kernel.rules->sender.slack_ns *= 3600;
	for (int i = 0; i < 20; i++) {
		lab_begin(&lab, LAB_RAW);
		sent += compare(lab_relay(&lab, AT_A, NODE_A, NODE_B, "x")) == SENT;
	}
	assert_int_equal(sent, 5);
	// by sender, and nobody spends another's tokens
	assert_int_equal(compare(lab_relay(&lab, AT_OTHER, NODE_B, NODE_A, "x")), DROPPED);
	assert_int_equal(compare(lab_relay(&lab, AT_B, NODE_B, NODE_A, "x")), SENT);
	lab.env.set.sender_rate = 0;
}

static uint32_t seen_of(uint32_t id)
{
	struct node_entry e;

	assert_true(node_table_find(&lab.memory.nodes, id, &e));
	return kernel_state_seen(&kernel.states[node_entry_index(e)]);
}

static void signs_of_life(void **state)
{
	(void)state;
	lab_begin(&lab, LAB_RAW);
	assert_int_equal(compare(lab_relay(&lab, "198.51.100.1:5", NODE_A, NODE_B, "x")), SENT);
	assert_int_equal(compare(lab_relay(&lab, AT_OTHER, NODE_A, NODE_B, "x")), DROPPED);
	assert_int_equal(seen_of(NODE_A), 0);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_B, "x")), SENT);
	assert_in_range(seen_of(NODE_A), 1, UINT32_MAX);
	assert_int_equal(seen_of(NODE_B), 0);
}

static void tables_follow(void **state)
{
	(void)state;
	lab_begin(&lab, LAB_RAW);
	lab_node(&lab, NODE_B, "198.51.100.9:9", LAB_NEXTHOP, NODE_CARRY);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_B, "moved")), SENT);
	lab_node(&lab, NODE_B, "[2001:db8:1::9]:9", LAB_NEXTHOP, 0);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_B, "six")), SENT);
	assert_int_equal(node_writer_set_nexthop(&lab.nodes, NODE_B, 0), 0);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_B, "unresolved")), UP);
	assert_int_equal(node_writer_remove(&lab.nodes, NODE_B), 0);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_B, "gone")), DROPPED);
	lab_node(&lab, NODE_NOBODY, "198.51.100.99:9", LAB_NEXTHOP, 0);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_NOBODY, "new")), SENT);
	lab.env.set.trace_on = 1;
	lab.env.set.trace_node = NODE_EX;
	settings_changed();
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_NOBODY, "x")), SENT);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_A, NODE_EX, "x")), UP);
	lab.env.set.trace_on = 0;
}

// Some nodes find no room: who is not there may be known to the engine.
static void too_many_nodes(void **state)
{
	unsigned here = 0, up = 0;

	(void)state;
	kernel_close();
	kernel_open(4);
	lab_begin(&lab, LAB_RAW);
	for (uint32_t id = NODE_A; id <= NODE_EX; id++) {
		enum verdict_of v = compare(lab_relay(&lab, AT_OTHER, id, NODE_A, "x"));

		here += v == DROPPED;
		up += v == UP;
	}
	assert_int_equal(writer.count, 4);
	assert_int_equal(here + up, 4);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_NOBODY, NODE_B, "x")), UP);
	for (uint32_t id = NODE_A; id <= NODE_SHADY; id++)
		node_writer_remove(&lab.nodes, id);
	assert_int_equal(writer.count, 0);
	assert_int_equal(compare(lab_relay(&lab, AT_A, NODE_NOBODY, NODE_B, "x")), DROPPED);
}

// What the program notes for those who choose who gets a place: what it relays, and what it would.
static void samples(void **state)
{
	static const struct {
		const char *from;
		uint32_t sender, dest;
		unsigned noted;
	} facts[] = {
	    {AT_A, NODE_A, NODE_B, 1},
	    {AT_SIX, NODE_SIX, NODE_A, 1},
	    {AT_A, NODE_NOBODY, NODE_B, 1},
	    {AT_A, NODE_A, NODE_NOBODY, 1},
	    {AT_OTHER, NODE_A, NODE_B, 0}, // dropped
	    {AT_A, NODE_A, NODE_COLD, 0},  // the engine's, with a place and without
	    {AT_A, NODE_A, NODE_FAR, 0},
	    {AT_A, 0, NODE_B, 0},
	};
	struct kernel_sample out[KERNEL_SAMPLE_SLOTS];
	uint64_t *tails = calloc(kernel.sizes.cpus, sizeof(*tails));

	(void)state;
	assert_non_null(tails);
	for (int gap = 0; gap < 2; gap++)
		for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
			unsigned noted = 0;

			kernel.rules->complete = 0;
			kernel.rules->sample_gap = (uint32_t)gap;
			lab_begin(&lab, LAB_RAW);
			compare(
			    lab_relay(&lab, facts[i].from, facts[i].sender, facts[i].dest, "x"));
			for (uint32_t cpu = 0; cpu < kernel.sizes.cpus; cpu++) {
				struct endpoint from = lab_endpoint(facts[i].from);
				unsigned n =
				    kernel_samples_take(&kernel.samples[cpu], &tails[cpu], out);

				noted += n;
				if (!n)
					continue;
				assert_int_equal(out[0].sender, facts[i].sender);
				assert_int_equal(out[0].dest, facts[i].dest);
				assert_memory_equal(out[0].from, from.addr, sizeof(from.addr));
				assert_int_equal(out[0].from_port, htobe16(from.port));
			}
			assert_int_equal(noted, gap * facts[i].noted);
		}
	free(tails);
}

// One in so many, also where flows take turns; a gap that was drawn for more traffic ends with it.
static void sample_gap(void **state)
{
	enum { GAP = 64, FRAMES = 64000, FLOWS = 4 };
	unsigned by_flow[FLOWS] = {0}, noted = 0;

	(void)state;
	kernel.rules->complete = 0;
	kernel.rules->sample_gap = GAP;
	for (unsigned i = 0; i < FRAMES; i++) {
		static uint64_t tails[XDP_CPUS_MAX];
		struct kernel_sample out[KERNEL_SAMPLE_SLOTS];
		uint8_t sent[FRAME_MAX];
		struct dgram *d;
		enum verdict_of v;

		lab_begin(&lab, LAB_RAW);
		d = lab_relay(&lab, AT_A, NODE_A, i % FLOWS ? NODE_A + i % FLOWS : NODE_B, "x");
		program_run(d->l2, d->len, sent, &v);
		for (uint32_t cpu = 0; cpu < kernel.sizes.cpus; cpu++)
			if (kernel_samples_take(&kernel.samples[cpu], &tails[cpu], out)) {
				noted++;
				by_flow[i % FLOWS]++;
			}
	}
	assert_in_range(noted, FRAMES / GAP / 2, FRAMES / GAP * 2);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_in_range(by_flow[i], noted / FLOWS / 2, noted / FLOWS * 2);
}

// Random frames among known and unknown nodes with random damage to their headers.
static void random_frames(void **state)
{
	static const struct {
		const char *at;
		uint32_t node;
	} from[] = {{AT_A, NODE_A}, {AT_B, NODE_B}, {AT_SIX, NODE_SIX}, {AT_EX, NODE_EX},
	    {AT_OTHER, NODE_NOBODY}, {AT_PEER, NODE_FAR}};
	uint64_t seed = 1;

	(void)state;
	memset(decided, 0, sizeof(decided));
	lab_begin(&lab, LAB_RAW);
	for (int i = 0; i < FUZZ_ROUNDS; i++) {
		unsigned is = random_below(&seed, ARRAY_SIZE(from));
		const struct frame_spec s = spec_from(from[is].at);
		uint32_t sender = random_below(&seed, 4) ? from[is].node : random_below(&seed, 10);
		struct dgram *d =
		    frame_add(&s, sender, random_below(&seed, 10), random_below(&seed, 64));
		unsigned damage = random_below(&seed, 4);

		for (unsigned k = 1; k < damage; k++)
			d->l2[random_below(&seed, d->len)] ^= (uint8_t)random_next(&seed);
		if (random_below(&seed, 16) == 0)
			d->len = 14 + random_below(&seed, d->len - 14);
		compare(d);
	}
	for (unsigned v = UP; v <= DROPPED; v++)
		assert_in_range(decided[v], FUZZ_ROUNDS / 20, FUZZ_ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(routes),
	    TEST(sizes),
	    TEST(unusual_headers),
	    TEST(padding),
	    TEST(corruption_is_not_hidden),
	    TEST(half_done_checksums),
	    TEST(police),
	    TEST(signs_of_life),
	    TEST(tables_follow),
	    TEST(too_many_nodes),
	    TEST(samples),
	    TEST(sample_gap),
	    TEST(random_frames),
#undef TEST
	};
	const struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = BPF_F_MMAPABLE};
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 8, 1, &opts);

	if (fd < 0) {
		printf("skipped: BPF maps need CAP_BPF (%s)\n", strerror(errno));
		return SKIP_STATUS;
	}
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
