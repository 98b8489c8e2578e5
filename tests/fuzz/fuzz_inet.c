// SPDX-License-Identifier: BSD-3-Clause
// Frames: headers found lie inside, and a sum made over what they hold is taken for right.
#include "tests/fuzz/fuzz.h"
#include "wire/inet.h"

static void sum_anew(uint8_t *udp, size_t udp_len, uint64_t pseudo)
{
	uint16_t check = udp_checksum(pseudo, udp, udp_len);

	memcpy(udp + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
	fuzz_check(udp_checksum_ok(pseudo, udp, udp_len));
}

static void headers(uint8_t *data, size_t len, const struct inet_udp *w)
{
	fuzz_check(w->l3 < w->l4 && w->payload == w->l4 + UDP_HEADER_SIZE);
	fuzz_check(w->udp_len >= UDP_HEADER_SIZE && (size_t)w->l4 + w->udp_len <= len);
	if (w->version == 4)
		ipv4_checksum(data + w->l3, (size_t)w->l4 - w->l3);
	sum_anew(data + w->l4, w->udp_len, inet_udp_pseudo_sum(data, w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = exact_copy(data, len);
	struct inet_udp w;

	if (inet_udp_parse(copy, len, &w) == 0)
		headers(copy, len, &w);
	free(copy);
	return 0;
}
