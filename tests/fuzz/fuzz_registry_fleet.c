// SPDX-License-Identifier: BSD-3-Clause
// The file of fleets.
#include "controlplane/registry/fleet.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct parse_error error = {.text = ""};
	struct fleets f;
	int rc = fleets_parse(&f, (const char *)data, len, &error);

	fuzz_check(rc == 0 ? f.count > 0 : *error.text != 0);
	fleets_free(&f);
	return 0;
}
