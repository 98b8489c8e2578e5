// SPDX-License-Identifier: BSD-3-Clause
// SACK payloads: what parses is built again to the same bytes.
#include "tests/fuzz/fuzz.h"
#include "wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t buf[SACK_SIZE_MAX];
	struct sack s;

	if (sack_parse(data, len, &s) == 0) {
		int built = sack_build(buf, sizeof(buf), &s);
		fuzz_check(built > 0 && (size_t)built <= len);
		fuzz_check(memcmp(buf, data, (size_t)built) == 0);
	}
	return 0;
}
