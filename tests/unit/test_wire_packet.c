// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"
#include "wire/packet.h"

#define FILE_NAME "wire-tunnel.txt"

static const struct {
	const char *name;
	struct packet packet;
} vectors[] = {
    {"packet-syn",
	{
	    .flags = PACKET_SYN,
	    .protocol = PACKET_STREAM,
	    .src = {0, 1},
	    .dst = {0, 2},
	    .src_port = 49152,
	    .dst_port = PORT_STDIO,
	    .window = 512,
	}},
    {"packet-hello",
	{
	    .flags = PACKET_ACK,
	    .protocol = PACKET_STREAM,
	    .src = {0, 1},
	    .dst = {0, 2},
	    .src_port = 49152,
	    .dst_port = PORT_STDIO,
	    .seq = 1,
	    .ack = 1,
	    .window = 502,
	    .payload = (const uint8_t *)"hello",
	    .payload_len = 5,
	}},
    {"packet-sack",
	{
	    .flags = PACKET_ACK,
	    .protocol = PACKET_STREAM,
	    .src = {0, 2},
	    .dst = {0, 1},
	    .src_port = PORT_STDIO,
	    .dst_port = 49152,
	    .seq = 1,
	    .ack = 1,
	    .window = 512,
	    .payload = (const uint8_t *)"SACK\1\0\0\x10\1\0\0\x20\1",
	    .payload_len = 13,
	}},
};

static void assert_packet_equal(const struct packet *a, const struct packet *b)
{
	assert_true(address_equal(a->src, b->src));
	assert_true(address_equal(a->dst, b->dst));
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->ack, b->ack);
	assert_int_equal(a->src_port, b->src_port);
	assert_int_equal(a->dst_port, b->dst_port);
	assert_int_equal(a->window, b->window);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->payload_len, b->payload_len);
	if (a->payload_len > 0)
		assert_memory_equal(a->payload, b->payload, a->payload_len);
}

static void vectors_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct vector v = vector_load(FILE_NAME, vectors[i].name);
		struct packet p;
		uint8_t buf[64];

		assert_int_equal(packet_parse(v.data, v.len, &p), 0);
		assert_packet_equal(&p, &vectors[i].packet);
		assert_int_equal(packet_build(buf, sizeof(buf), &vectors[i].packet), v.len);
		assert_memory_equal(buf, v.data, v.len);
		assert_int_equal(packet_build(buf, v.len - 1, &vectors[i].packet), -ENOBUFS);
	}
}

static void every_corruption_is_seen(void **state)
{
	struct vector v = vector_load(FILE_NAME, "packet-hello");
	struct packet p;
	(void)state;

	for (size_t bit = 0; bit < v.len * 8; bit++) {
		v.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(packet_parse(v.data, v.len, &p) < 0);
		v.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(packet_parse(v.data, v.len, &p), 0);
}

static void short_input(void **state)
{
	struct vector v = vector_load(FILE_NAME, "packet-hello");
	(void)state;

	for (size_t len = 0; len < v.len; len++) {
		uint8_t *copy = exact_copy(v.data, len);
		struct packet p;

		assert_int_equal(packet_parse(copy, len, &p), -EMSGSIZE);
		free(copy);
	}
}

static void trailing_bytes_are_ignored(void **state)
{
	struct vector v = vector_load(FILE_NAME, "packet-hello");
	struct packet p;
	(void)state;

	memset(v.data + v.len, 0xaa, 9);
	assert_int_equal(packet_parse(v.data, v.len + 9, &p), 0);
	assert_packet_equal(&p, &vectors[1].packet);
}

static void version_is_checked_after_the_sum(void **state)
{
	struct vector v = vector_load(FILE_NAME, "packet-hello");
	struct packet p;
	(void)state;

	v.data[0] = 0x22;
	assert_int_equal(packet_parse(v.data, v.len, &p), -EBADMSG);
	store_be32(v.data + PACKET_OFFSET_CRC, packet_crc(v.data, v.len));
	assert_int_equal(packet_parse(v.data, v.len, &p), -EPROTONOSUPPORT);
}

static void largest_payload(void **state)
{
	static uint8_t buf[PACKET_HEADER_SIZE + PACKET_PAYLOAD_MAX];
	struct packet in = vectors[1].packet, out;
	(void)state;

	memset(buf, 0x5a, sizeof(buf));
	in.payload = buf + PACKET_HEADER_SIZE;
	in.payload_len = PACKET_PAYLOAD_MAX;
	assert_int_equal(packet_build(buf, sizeof(buf), &in), sizeof(buf));
	assert_int_equal(packet_parse(buf, sizeof(buf), &out), 0);
	assert_int_equal(out.payload_len, PACKET_PAYLOAD_MAX);
	assert_int_equal(packet_parse(buf, sizeof(buf) - 1, &out), -EMSGSIZE);
}

static void flags_out_of_range(void **state)
{
	struct packet in = vectors[0].packet;
	uint8_t buf[64];
	(void)state;

	in.flags = 0x10;
	assert_int_equal(packet_build(buf, sizeof(buf), &in), -EINVAL);
}

static void sack_both_ways(void **state)
{
	(void)state;
	for (unsigned int count = 1; count <= SACK_BLOCKS_MAX; count++) {
		struct sack in = {.count = (uint8_t)count}, out;
		uint8_t buf[SACK_SIZE_MAX];
		size_t len = 5 + 8 * (size_t)count;

		for (unsigned int i = 0; i < count; i++)
			in.blocks[i] = (struct sack_block){i * 100u + 1, 0xffffff00u + i};
		assert_int_equal(sack_build(buf, sizeof(buf), &in), len);
		assert_int_equal(sack_build(buf, len - 1, &in), -ENOBUFS);
		uint8_t *copy = exact_copy(buf, len);
		assert_int_equal(sack_parse(copy, len, &out), 0);
		assert_int_equal(out.count, count);
		assert_memory_equal(out.blocks, in.blocks, count * sizeof(in.blocks[0]));
		assert_int_equal(sack_parse(copy, len - 1, &out), -EBADMSG);
		free(copy);
	}
}

static void sack_of_the_vector(void **state)
{
	struct vector v = vector_load(FILE_NAME, "packet-sack");
	struct packet p;
	struct sack s;
	(void)state;

	assert_int_equal(packet_parse(v.data, v.len, &p), 0);
	assert_int_equal(sack_parse(p.payload, p.payload_len, &s), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.blocks[0].left, 4097);
	assert_int_equal(s.blocks[0].right, 8193);
}

static void sack_or_user_data(void **state)
{
	static const struct {
		const char *hex;
		int result;
	} facts[] = {
	    {"5341434b 01 00000001 00000002", 0},
	    {"5341434b 01 00000001 00000002 ff", 0}, // extra bytes are ignored
	    {"5341434b 01 00000001 000000", -EBADMSG},
	    {"5341434b 00 00000001 00000002", -EBADMSG},
	    {"5341434b 02 00000001 00000002", -EBADMSG},
	    {"5341434b 05 00000001 00000002 00000001 00000002 00000001 00000002 00000001 00000002"
	     "00000001 00000002",
		-EBADMSG},
	    {"5341434c 01 00000001 00000002", -EBADMSG},
	    {"5341434b", -EBADMSG},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i].hex);
		struct sack s;

		assert_int_equal(sack_parse(v.data, v.len, &s), facts[i].result);
	}
}

static void sack_count_out_of_range(void **state)
{
	uint8_t buf[64];
	(void)state;

	assert_int_equal(sack_build(buf, sizeof(buf), &(struct sack){.count = 0}), -EINVAL);
	assert_int_equal(sack_build(buf, sizeof(buf), &(struct sack){.count = 5}), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_both_ways),
	    cmocka_unit_test(every_corruption_is_seen),
	    cmocka_unit_test(short_input),
	    cmocka_unit_test(trailing_bytes_are_ignored),
	    cmocka_unit_test(version_is_checked_after_the_sum),
	    cmocka_unit_test(largest_payload),
	    cmocka_unit_test(flags_out_of_range),
	    cmocka_unit_test(sack_both_ways),
	    cmocka_unit_test(sack_of_the_vector),
	    cmocka_unit_test(sack_or_user_data),
	    cmocka_unit_test(sack_count_out_of_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
