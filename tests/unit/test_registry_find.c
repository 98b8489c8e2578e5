// SPDX-License-Identifier: BSD-3-Clause
// Search over more nodes than a page looks at, and as a query of a URL.
#include "controlplane/registry/find.h"
#include "controlplane/registry/find_query.h"
#include "tests/unit/registry_lab.h"

#include <stdio.h>

enum { MANY = 3 * FIND_WINDOW + 77, NOW = 1000 };

// Seconds since they were heard: some alone in their second, most in two seconds.
static uint32_t age_of(uint32_t id)
{
	return id % 100 == 0 ? 10 + id % 280 : id % 3 ? 5 : 40;
}

static void fill(struct registry *r, bool with_network)
{
	struct network *net = network_add(&r->networks, 1, "all");

	for (uint32_t id = 1; id <= MANY; id++) {
		uint8_t key[IDENTITY_KEY_SIZE] = {(uint8_t)id, (uint8_t)(id >> 8)};
		struct dir_node *n = directory_add(&r->nodes, id, key);

		assert_non_null(n);
		n->public = id % 2;
		directory_set_live(&r->nodes, n, true, NOW - age_of(id));
		if (with_network)
			assert_non_null(registry_join(r, net, n, ROLE_MEMBER));
		else
			assert_int_equal(directory_set_tags(&r->nodes, n, "many"), 0);
	}
}

// All pages: every public node once, by age.
static void walk(const struct registry *r, struct find f)
{
	static bool got[MANY + 1];
	struct find_hit hits[FIND_PAGE_MAX], last = {UINT32_MAX, 0};
	uint32_t found = 0;

	memset(got, 0, sizeof(got));
	do {
		unsigned count = find_page(r, &f, hits);

		for (unsigned i = 0; i < count; i++) {
			uint32_t id = directory_slot(&r->nodes, hits[i].slot)->id;

			assert_true(id % 2 && !got[id]);
			assert_int_equal(hits[i].seen, NOW - age_of(id));
			assert_true(hits[i].seen < last.seen ||
				    (hits[i].seen == last.seen && hits[i].slot > last.slot));
			last = hits[i];
			got[id] = true;
			found++;
		}
	} while (f.more);
	assert_int_equal(found, (MANY + 1) / 2);
}

static int open_many(void **state)
{
	const struct registry_config config = {.capacity = MANY};
	struct registry *r = calloc(1, sizeof(*r));

	assert_int_equal(identity_init(), 0);
	assert_int_equal(registry_init(r, &config), 0);
	*state = r;
	return 0;
}

static int close_many(void **state)
{
	registry_free(*state);
	free(*state);
	return 0;
}

static void test_many_tagged(void **state)
{
	struct registry *r = *state;

	fill(r, false);
	walk(r, (struct find){.tags = {"many"}, .tag_count = 1, .limit = 500, .now_s = NOW});
	walk(r, (struct find){.tags = {"many"}, .tag_count = 1, .limit = 333, .now_s = NOW});
}

static void test_many_members(void **state)
{
	struct registry *r = *state;

	fill(r, true);
	walk(
	    r, (struct find){
		   .network = network_find(&r->networks, 1), .limit = FIND_PAGE_MAX, .now_s = NOW});
}

static void query(struct lab *l, const char *text, int status, const char *part)
{
	static struct find_pace pace;
	char *body = NULL;

	pace = (struct find_pace){0};
	assert_int_equal(find_query(&l->registry, &pace, text, &l->from, l->t, &body), status);
	assert_non_null(body);
	if (!strstr(body, part))
		fail_msg("%s: %s lacks %s", text, body, part);
	free(body);
}

static void test_query(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);
	char longest[FIND_QUERY_MAX + 8] = "tag=";

	lab_expect(l, "{}", "{'type':'set_tags','node_id':1,'tags':['gpu'],'admin_token':'adm'}");
	lab_expect(l, "{}", "{'type':'set_tags','node_id':2,'tags':['gpu'],'admin_token':'adm'}");
	query(l, "tag=gpu", 200, "\"nodes\":[]"); // private ones are hidden
	lab_expect(l, "{}", "{'type':'set_visibility','node_id':1,'public':true,'signature':'%s'}",
	    lab_sign(&a, "set_visibility:1"));
	lab_expect(l, "{}", "{'type':'set_visibility','node_id':2,'public':true,'signature':'%s'}",
	    lab_sign(&b, "set_visibility:2"));
	query(l, "tag=gpu&limit=1", 200, "\"next\":\"");
	query(l, "tag=gpu&tag=llm", 200, "\"nodes\":[]");
	query(l, "tag=gpu&limit=1&after=0.0", 200, "\"node_id\":1");
	query(l, "tag=gpu&after=x", 400, "invalid \\\"after\\\"");
	// cut within the last character
	query(l,
	    "tag="
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9",
	    400, "a?\\\" too long");
	query(l, "", 400, "tags or network_id required");
	query(l, "network=7", 400, "network 7: network not found");
	query(l, "network=70000", 400, "invalid query");
	query(l, "tag=gpu&admin_token=adm", 400, "invalid query");
	query(l, "tag=\"}&limit=1", 400, "invalid tags: tag");
	query(l, "tag=a&tag=Finance", 400, "must be lowercase alphanumeric with hyphens");
	query(l, "tag=a&tag=b&tag=c&tag=d&tag=e", 400, "too many tags (max 4)");
	memset(longest + 4, 'a', sizeof(longest) - 5);
	query(l, longest, 400, "invalid query");
}

static unsigned answered(struct lab *l, struct find_pace *pace, unsigned asked)
{
	unsigned count = 0;

	for (unsigned i = 0; i < asked; i++) {
		char *body;

		count += find_query(&l->registry, pace, "tag=gpu", &l->from, l->t, &body) == 200;
		free(body);
	}
	return count;
}

static void test_pace(void **state)
{
	struct lab *l = *state;
	struct find_pace pace = {0};
	unsigned all = 0;

	assert_int_equal(answered(l, &pace, 50), FIND_RATE);
	l->t.now_s++;
	assert_int_equal(answered(l, &pace, 50), FIND_RATE);
	// others are still served, up to what all together may ask
	for (uint8_t i = 0; i < 100; i++) {
		l->from.addr[15] = i;
		all += answered(l, &pace, 5);
	}
	assert_int_equal(all, FIND_RATE_ALL - FIND_RATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_many_tagged, open_many, close_many),
	    cmocka_unit_test_setup_teardown(test_many_members, open_many, close_many),
	    cmocka_unit_test_setup_teardown(test_query, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_pace, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
