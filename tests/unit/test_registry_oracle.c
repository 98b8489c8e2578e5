// SPDX-License-Identifier: BSD-3-Clause
// The registry's structures against naive twins on seeded random input; frames in all pieces.
#include "controlplane/registry/find.h"
#include "controlplane/registry/frame.h"
#include "tests/unit/registry_lab.h"
#include "wire/bytes.h"

#include <stdio.h>

enum { STEPS = 20000, IDS = 60, TAGS = 6 };

static uint32_t seed = 7;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static void test_index(void **state)
{
	// value -> hash, 0 = not in; few hashes, so that chains and holes happen
	uint32_t twin[200] = {0};
	struct index ix = {0};

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		uint32_t v = 1 + draw(199), place, got;
		bool found = false;

		if (twin[v]) {
			index_remove(&ix, twin[v], v);
			twin[v] = 0;
		} else {
			twin[v] = 1 + draw(40);
			assert_int_equal(index_add(&ix, twin[v], v), 0);
		}
		v = 1 + draw(199);
		place = index_start(&ix, twin[v]);
		while (twin[v] && (got = index_next(&ix, twin[v], &place)) != 0) {
			assert_int_equal(twin[got], twin[v]);
			found = found || got == v;
		}
		assert_int_equal(found, twin[v] != 0);
	}
	index_free(&ix);
}

static void test_pairs(void **state)
{
	static uint8_t twin[IDS][IDS];
	struct pairs p;
	uint32_t both = 0, single = 0;

	(void)state;
	pairs_init(&p);
	for (int step = 0; step < STEPS; step++) {
		uint32_t a = 1 + draw(IDS - 1), b = 1 + draw(IDS - 1);
		uint8_t sides = (uint8_t)draw(4);

		if (a == b)
			continue;
		assert_int_equal(pairs_set(&p, a, b, sides), 0);
		twin[a < b ? a : b][a < b ? b : a] = sides;
		a = 1 + draw(IDS - 1);
		b = 1 + draw(IDS - 1);
		if (a != b)
			assert_int_equal(pairs_get(&p, a, b), twin[a < b ? a : b][a < b ? b : a]);
	}
	for (int a = 0; a < IDS; a++)
		for (int b = 0; b < IDS; b++) {
			both += twin[a][b] == PAIR_BOTH;
			single += twin[a][b] == PAIR_LOW || twin[a][b] == PAIR_HIGH;
		}
	assert_int_equal(p.count, both);
	assert_int_equal(p.one_sided, single);
	pairs_free(&p);
}

struct twin_node {
	bool there, public;
	uint32_t seen;
	bool tags[TAGS];
};

static void set_tags(struct registry *r, struct dir_node *n, struct twin_node *t)
{
	char tags[TAGS_TEXT_MAX] = "";

	for (int i = 0; i < TAGS; i++) {
		char tag[4] = {'t', (char)('0' + i), 0};

		t->tags[i] = draw(2);
		if (t->tags[i])
			tags_append(tags, tag);
	}
	assert_int_equal(directory_set_tags(&r->nodes, n, tags), 0);
}

static void change_node(struct registry *r, struct twin_node *twin)
{
	uint32_t id = 1 + draw(IDS - 1);
	struct dir_node *n = directory_find(&r->nodes, id);
	uint8_t key[IDENTITY_KEY_SIZE] = {(uint8_t)id};

	assert_int_equal(n != NULL, twin[id].there);
	if (n && draw(3) == 0) {
		directory_remove(&r->nodes, n);
		twin[id] = (struct twin_node){0};
		return;
	}
	if (!n) {
		n = directory_add(&r->nodes, id, key);
		assert_non_null(n);
		assert_ptr_equal(directory_by_key(&r->nodes, key), n);
	}
	twin[id] = (struct twin_node){.there = true, .public = draw(2), .seen = 1 + draw(20)};
	n->public = twin[id].public;
	directory_set_live(&r->nodes, n, true, twin[id].seen);
	set_tags(r, n, &twin[id]);
}

// All pages of a search: each match once, the ones heard last first.
static void check_find(const struct registry *r, const struct twin_node *twin)
{
	char tag[4] = {'t', (char)('0' + draw(TAGS)), 0};
	struct find f = {.tags = {tag}, .tag_count = 1, .limit = 1 + draw(9), .now_s = 30};
	struct find_hit hits[FIND_PAGE_MAX];
	bool got[IDS] = {0};
	uint32_t last = UINT32_MAX;

	do {
		unsigned count = find_page(r, &f, hits);

		for (unsigned i = 0; i < count; i++) {
			uint32_t id = directory_slot(&r->nodes, hits[i].slot)->id;

			assert_false(got[id]);
			assert_true(hits[i].seen <= last);
			assert_int_equal(hits[i].seen, twin[id].seen);
			last = hits[i].seen;
			got[id] = true;
		}
	} while (f.more);
	for (uint32_t id = 1; id < IDS; id++)
		assert_int_equal(
		    got[id], twin[id].there && twin[id].public && twin[id].tags[tag[1] - '0']);
}

static void test_directory_and_find(void **state)
{
	static struct twin_node twin[IDS];
	struct lab *l = *state;

	for (int step = 0; step < STEPS / 4; step++) {
		change_node(&l->registry, twin);
		if (step % 8 == 0)
			check_find(&l->registry, twin);
	}
}

static void test_frames(void **state)
{
	uint8_t stream[64];
	size_t len = 0;

	(void)state;
	for (uint32_t body = 0; body < 8; body += 3) {
		store_be32(stream + len, body);
		memset(stream + len + 4, (int)body, body);
		len += 4 + body;
	}
	for (size_t first = 0; first <= len; first++)
		for (size_t second = first; second <= len; second++) {
			size_t cuts[] = {0, first, second, len};
			struct frame_input in = {0};
			uint32_t want = 0;

			for (int i = 0; i < 3; i++) {
				size_t n = cuts[i + 1] - cuts[i], got;
				uint8_t *piece = exact_copy(stream + cuts[i], n);
				struct frame_feed feed;
				const uint8_t *json;

				assert_int_equal(frame_feed(&feed, &in, piece, n), 0);
				while (frame_next(&feed, &json, &got) == 1) {
					assert_int_equal(got, want);
					assert_true(got == 0 || json[got - 1] == want);
					want += 3;
				}
				assert_int_equal(frame_end(&feed), 0);
				free(piece);
			}
			assert_int_equal(want, 9);
			assert_null(in.rest);
		}
	store_be32(stream, FRAME_REQUEST_MAX + 1);
	{
		struct frame_input in = {0};
		struct frame_feed feed;
		const uint8_t *json;
		size_t got;

		assert_int_equal(frame_feed(&feed, &in, stream, 4), 0);
		assert_int_equal(frame_next(&feed, &json, &got), -EMSGSIZE);
	}
}

static void test_signatures_are_remembered(void **state)
{
	uint8_t key[IDENTITY_KEY_SIZE] = {1};
	char sig[SIG_TEXT_LEN] = {2};
	struct sig_cache c;
	struct sig_tag t;

	(void)state;
	assert_int_equal(sig_cache_init(&c, 1000), 0);
	t = sig_cache_tag(&c, key, "heartbeat:1", 11, sig);
	assert_false(sig_cache_has(&c, t));
	sig_cache_add(&c, t);
	assert_true(sig_cache_has(&c, t));
	// any other byte is another signature
	assert_false(sig_cache_has(&c, sig_cache_tag(&c, key, "heartbeat:2", 11, sig)));
	sig[63] ^= 1;
	assert_false(sig_cache_has(&c, sig_cache_tag(&c, key, "heartbeat:1", 11, sig)));
	sig[63] ^= 1;
	key[0] ^= 1;
	assert_false(sig_cache_has(&c, sig_cache_tag(&c, key, "heartbeat:1", 11, sig)));
	sig_cache_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_index),
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test_setup_teardown(test_directory_and_find, lab_open, lab_close),
	    cmocka_unit_test(test_frames),
	    cmocka_unit_test_setup_teardown(test_signatures_are_remembered, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
