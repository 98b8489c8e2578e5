// SPDX-License-Identifier: BSD-3-Clause
// Documents of networks: what is accepted is JSON, and accepted again.
#include "controlplane/registry/document.h"
#include "tests/fuzz/fuzz.h"

static void twice(bool (*read)(const json_t *, char **, char *, size_t), const json_t *field)
{
	char why[160] = "", *json, *again;
	json_t *o;

	if (!read(field, &json, why, sizeof(why))) {
		fuzz_check(*why && !json);
		return;
	}
	if (!json)
		return;
	o = json_string(json);
	fuzz_check(read(o, &again, why, sizeof(why)) && strcmp(json, again) == 0);
	json_decref(o);
	free(json);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = fuzz_text(data, len);
	json_t *field = json_string(text);

	if (field) {
		twice(rules_read, field);
		twice(policy_read, field);
		json_decref(field);
	}
	free(text);
	return 0;
}
