// SPDX-License-Identifier: BSD-3-Clause
// pcapng blocks from arbitrary data and comment: lengths agree, and no room is reported as such.
#include "tests/fuzz/fuzz.h"
#include "wire/pcapng.h"

static void whole_block(const uint8_t *buf, int len)
{
	uint32_t first, last;

	fuzz_check(len >= 12 && len % 4 == 0);
	memcpy(&first, buf + 4, sizeof(first));
	memcpy(&last, buf + len - 4, sizeof(last));
	fuzz_check(first == (uint32_t)len && last == (uint32_t)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t buf[1 << 18];
	size_t comment_len = len ? data[0] % len : 0;
	char *comment = fuzz_text(data, comment_len);
	struct pcapng_packet p = {
	    .data = data + comment_len,
	    .captured_len = (uint32_t)(len - comment_len),
	    .comment = len % 3 ? comment : NULL,
	    .direction = (enum pcapng_direction)(len % 3),
	};
	int built = pcapng_packet_build(buf, sizeof(buf), &p);

	if (built >= 0) {
		whole_block(buf, built);
		uint8_t *small = malloc((size_t)built - 1);
		fuzz_check(small);
		fuzz_check(pcapng_packet_build(small, (size_t)built - 1, &p) < 0);
		free(small);
	}
	whole_block(buf, pcapng_section_build(buf, sizeof(buf), comment));
	whole_block(buf, pcapng_interface_build(buf, sizeof(buf), PCAPNG_LINK_RAW, 0, comment));
	free(comment);
	return 0;
}
