// SPDX-License-Identifier: BSD-3-Clause
// The query of a URL as a search: every one is answered, with one JSON object.
#include "controlplane/registry/find_query.h"
#include "controlplane/registry/object.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static struct registry registry;

static void prepare(void)
{
	static const uint8_t key[IDENTITY_KEY_SIZE] = {1};
	struct registry_config config = {.capacity = 10};
	struct dir_node *n;

	if (registry.config.capacity)
		return;
	fuzz_check(identity_init() == 0 && registry_init(&registry, &config) == 0);
	n = directory_add(&registry.nodes, 1, key);
	fuzz_check(n != NULL);
	n->public = true;
	directory_set_live(&registry.nodes, n, true, 900);
	fuzz_check(directory_set_tags(&registry.nodes, n, "gpu,eu") == 0);
	fuzz_check(registry_join(&registry, network_add(&registry.networks, 1, "lab"), n,
		       ROLE_MEMBER) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct registry_time now = {.now_s = 1000, .unix_s = 1800000000};
	struct endpoint from = endpoint_from_v4(0x01020304, 5);
	struct find_pace pace = {0};
	char *query = strndup((const char *)data, len), *body = NULL;
	json_t *answer;
	int status;

	prepare();
	status = find_query(&registry, &pace, query, &from, now, &body);
	fuzz_check(status == 200 || status == 400);
	answer = json_loads(body, 0, NULL);
	fuzz_check(json_is_object(answer));
	fuzz_check((status == 200) == json_is_array(json_object_get(answer, "nodes")));
	json_decref(answer);
	free(body);
	free(query);
	return 0;
}
