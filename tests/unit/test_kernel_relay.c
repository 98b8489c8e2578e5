// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/frame_changes.h"
#include "tests/unit/police_facts.h"
#include "tests/unit/relay_facts.h"
#include "tests/unit/relay_twice.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>

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

static void sizes(void **state)
{
	const struct frame_spec four = spec_from(AT_A), six = spec_from(AT_SIX);

	(void)state;
	lab_begin(&lab, LAB_RAW);
	for (size_t len = 0; len <= 1400; len += len < 40 ? 1 : 97) {
		assert_int_equal(compare(frame_add(&four, NODE_A, NODE_B, len)), SENT);
		assert_int_equal(compare(frame_add(&four, NODE_A, NODE_EX, len)), SENT);
		assert_int_equal(compare(frame_add(&six, NODE_SIX, NODE_A, len)), SENT);
	}
	for (size_t len = 0; len <= 1200; len += len < 40 ? 1 : 97)
		assert_int_equal(compare(frame_add(&four, NODE_A, NODE_SIX, len)), SENT);
	// 1,500 bytes of IP packet leave, or 1,280: 20 + 8 + 5, or 40 + 8 + 5, are headers
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_B, 1467)), SENT);
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_B, 1468)), UP);
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_SIX, 1227)), SENT);
	assert_int_equal(compare(frame_add(&four, NODE_A, NODE_SIX, 1228)), UP);
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
	static const size_t facts[][2] = {{0, 9}, {8, 1}, {10, 4}, {100, 3}, {1200, 180}};
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
	uint8_t out[TWICE_FRAME_MAX];
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

			frame_sums_mend(d->l2, d->len, true);
			assert_int_equal(compare(d), SENT);
		}
}

// What GRO merged, or a local sender did not split yet, is the kernel's: without a whole checksum
// it may be several datagrams.
static void generic_mode(void **state)
{
	const char *const from[] = {AT_A, AT_SIX};

	(void)state;
	program.state->generic = 1;
	lab_begin(&lab, LAB_RAW);
	for (int six = 0; six < 2; six++) {
		struct frame_spec s = spec_from(from[six]);
		struct dgram *d = frame_add(&s, six ? NODE_SIX : NODE_A, NODE_B, 10);

		assert_int_equal(compare(d), SENT);
		s.no_checksum = 1;
		assert_int_equal(compare(frame_add(&s, six ? NODE_SIX : NODE_A, NODE_B, 10)), UP);
		s.no_checksum = 0;
		d = frame_add(&s, six ? NODE_SIX : NODE_A, NODE_B, 10);
		frame_sums_mend(d->l2, d->len, true);
		assert_int_equal(compare(d), UP);
	}
}

// The program reads the clock, and the engine is given a time that stands: tokens come back so
// seldom that a pause of the machine makes no difference.
static void police(void **state)
{
	(void)state;
	lab.env.set.sender_rate = 1;
	lab.env.set.sender_burst = POLICE_BURST;
	settings_changed();
	kernel.rules->sender.interval_ns *= 3600;
	kernel.rules->sender.slack_ns *= 3600;
	for (size_t i = 0; i < ARRAY_SIZE(police_facts); i++) {
		const struct police_fact *f = &police_facts[i];
		unsigned count[] = {[UP] = 0, [SENT] = 0, [DROPPED] = 0};

		for (unsigned n = 0; n < f->count; n++) {
			lab_begin(&lab, LAB_RAW);
			count[compare(lab_relay(&lab, f->from, f->sender, NODE_B, "x"))]++;
		}
		assert_int_equal(count[f->program ? SENT : UP], f->passed);
		assert_int_equal(count[UP], f->program ? 0 : f->count);
	}
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
		uint8_t sent[TWICE_FRAME_MAX];
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

// A kernel looks at a million instructions on all ways through a program, and others than this one
// need more for the same.
static void verifiers_have_room(void **state)
{
	struct bpf_prog_info info = {.verified_insns = 0};
	uint32_t size = sizeof(info);

	(void)state;
	assert_int_equal(bpf_obj_get_info_by_fd(program.fd, &info, &size), 0);
	print_message("%u instructions verified\n", info.verified_insns);
	assert_in_range(info.verified_insns, 1, 500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, twice_setup, twice_teardown)
	    TEST(routes),
	    TEST(sizes),
	    TEST(unusual_headers),
	    TEST(padding),
	    TEST(corruption_is_not_hidden),
	    TEST(half_done_checksums),
	    TEST(generic_mode),
	    TEST(police),
	    TEST(signs_of_life),
	    TEST(tables_follow),
	    TEST(too_many_nodes),
	    TEST(samples),
	    TEST(sample_gap),
	    TEST(verifiers_have_room),
#undef TEST
	};

	if (!twice_possible())
		return TWICE_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
