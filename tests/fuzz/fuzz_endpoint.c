// SPDX-License-Identifier: BSD-3-Clause
// Text of endpoints: what parses prints and parses again to the same.
#include "tests/fuzz/fuzz.h"
#include "wire/endpoint.h"

static void round_trip(const struct endpoint *e)
{
	char printed[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage ss;
	struct endpoint again;
	socklen_t len;

	fuzz_check(endpoint_format(e, printed, sizeof(printed)) > 0);
	fuzz_check(endpoint_parse(printed, 0, &again) == 0 && endpoint_equal(e, &again));
	len = endpoint_to_sockaddr(e, &ss);
	fuzz_check(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &again) == 0);
	fuzz_check(endpoint_equal(e, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = fuzz_text(data, len);
	struct endpoint e;

	if (endpoint_parse(text, 0, &e) == 0)
		round_trip(&e);
	if (endpoint_parse(text, 9001, &e) == 0)
		round_trip(&e);
	free(text);
	if (len == sizeof(e.addr) + 2) {
		e = endpoint_from_v6(data, load_be16(data + sizeof(e.addr)));
		round_trip(&e);
	}
	return 0;
}
