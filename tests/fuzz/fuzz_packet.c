// SPDX-License-Identifier: BSD-3-Clause
// Packets: as they come, and with the CRC made right so that mutation gets past it.
#include "tests/fuzz/fuzz.h"
#include "wire/packet.h"

static void round_trip(const uint8_t *data, size_t len)
{
	static uint8_t buf[PACKET_HEADER_SIZE + PACKET_PAYLOAD_MAX];
	struct packet p;
	int built;

	if (packet_parse(data, len, &p) < 0)
		return;
	built = packet_build(buf, sizeof(buf), &p);
	fuzz_check(built == PACKET_HEADER_SIZE + p.payload_len && (size_t)built <= len);
	fuzz_check(memcmp(buf, data, (size_t)built) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = exact_copy(data, len);

	round_trip(data, len);
	if (len >= PACKET_HEADER_SIZE) {
		uint16_t payload = load_be16(data + 2);
		if (len - PACKET_HEADER_SIZE < payload) {
			payload = (uint16_t)(len - PACKET_HEADER_SIZE);
			store_be16(copy + 2, payload);
		}
		store_be32(copy + PACKET_OFFSET_CRC,
		    packet_crc(copy, (size_t)PACKET_HEADER_SIZE + payload));
		round_trip(copy, len);
	}
	free(copy);
	return 0;
}
