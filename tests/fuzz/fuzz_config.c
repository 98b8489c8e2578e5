// SPDX-License-Identifier: BSD-3-Clause
// Configuration files: what is accepted is shown as a file that means the same.
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

// Free text is shown without quotes, so it may be something else as YAML; an address that nobody
// has chosen or computed yet is none.
static bool comes_back(const struct config *config, const struct config_key *key)
{
	const union socket_address *at = (const void *)((const char *)config + key->offset);

	return key->type != CONFIG_TEXT && (key->type != CONFIG_ADDRESS || at->any.sa_family);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct config config, back;
	static struct config_errors errors;
	static char file[2 * CONFIG_VALUE_MAX], text[CONFIG_VALUE_MAX];
	size_t used = 0;

	config_defaults(&config);
	errors = (struct config_errors){0};
	config_read_text(&config, "fuzz", (const char *)data, len, &errors);
	fuzz_check((errors.count > 0) == (errors.text[0] != 0));
	if (errors.count)
		return 0;
	for (const struct config_key *k = config_keys; k->name; k++) {
		config_format(text, sizeof(text), &config, k);
		if (comes_back(&config, k))
			used += (size_t)snprintf(
			    file + used, sizeof(file) - used, "%s: %s\n", k->name, text);
	}
	fuzz_check(used < sizeof(file));
	config_defaults(&back);
	config_read_text(&back, "back", file, used, &errors);
	fuzz_check(errors.count == 0);
	for (const struct config_key *k = config_keys; k->name; k++)
		fuzz_check(!comes_back(&config, k) || memcmp((char *)&config + k->offset,
							  (char *)&back + k->offset, k->size) == 0);
	return 0;
}
