// SPDX-License-Identifier: BSD-3-Clause
// STUN: as it comes, and with cookie and length made right. Whatever parses as a request can be
// answered, and the answers parse.
#include "tests/fuzz/fuzz.h"
#include "wire/stun.h"

static const struct stun_options options = {.software = "fuzz", .fingerprint = true};

static void answer(const struct stun_message *request)
{
	uint8_t buf[STUN_BUILD_MAX];
	struct endpoint e = endpoint_from_v4(1, 9001);
	struct stun_message m;
	int len = stun_success_build(buf, sizeof(buf), request->transaction, &e, &options);

	fuzz_check(len > 0 && stun_parse(buf, (size_t)len, &m) == 0);
	fuzz_check(m.has_mapped && endpoint_equal(&m.mapped, &e) && m.has_fingerprint);
	len = stun_error_build(buf, sizeof(buf), request, STUN_UNKNOWN_ATTRIBUTE, &options);
	fuzz_check(len > 0 && stun_parse(buf, (size_t)len, &m) == 0);
	fuzz_check(m.error_code == STUN_UNKNOWN_ATTRIBUTE);
	fuzz_check(m.unknown_count == request->unknown_count);
}

static void parse(const uint8_t *data, size_t len)
{
	struct stun_message m;
	int err = stun_parse(data, len, &m);

	if (err < 0)
		return;
	fuzz_check(m.transaction == data + 8);
	fuzz_check(!m.software || m.software + m.software_len <= data + len);
	answer(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = exact_copy(data, len);

	parse(data, len);
	if (len >= STUN_HEADER_SIZE && len < 2048) {
		len &= ~(size_t)3;
		store_be16(copy + 2, (uint16_t)(len - STUN_HEADER_SIZE));
		store_be32(copy + 4, STUN_MAGIC_COOKIE);
		parse(copy, len);
	}
	free(copy);
	return 0;
}
