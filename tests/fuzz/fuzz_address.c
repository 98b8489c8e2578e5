// SPDX-License-Identifier: BSD-3-Clause
// Text of Pilot addresses: what parses prints and parses again to the same.
#include "tests/fuzz/fuzz.h"
#include "wire/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = fuzz_text(data, len);
	char printed[ADDRESS_SOCKET_TEXT_MAX];
	struct address a, again;
	uint16_t port, port_again;

	if (address_parse(text, &a) == 0) {
		fuzz_check(address_format(a, printed, ADDRESS_TEXT_MAX) > 0);
		fuzz_check(address_parse(printed, &again) == 0 && address_equal(a, again));
	}
	if (address_socket_parse(text, &a, &port) == 0) {
		fuzz_check(address_socket_format(a, port, printed, sizeof(printed)) > 0);
		fuzz_check(address_socket_parse(printed, &again, &port_again) == 0);
		fuzz_check(address_equal(a, again) && port == port_again);
	}
	free(text);
	return 0;
}
