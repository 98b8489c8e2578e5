// SPDX-License-Identifier: BSD-3-Clause
// What the command line decodes and what supervisors are told: a line or a record, whatever comes.
#include "base/notify.h"
#include "cli/decode.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = exact_copy(data, len);
	struct notify_message m = {.fd = -1};
	char text[DECODE_MAX];

	decode_datagram(text, copy, len, len);
	fuzz_check(strnlen(text, DECODE_MAX) < DECODE_MAX);
	decode_datagram(text, copy, len, 65507);
	notify_parse((const char *)copy, len, &m);
	fuzz_check(strnlen(m.status, NOTIFY_TEXT_MAX) < NOTIFY_TEXT_MAX);
	fuzz_check(m.fd == -1 && m.pid == 0);
	free(copy);
	return 0;
}
