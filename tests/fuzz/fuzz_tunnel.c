// SPDX-License-Identifier: BSD-3-Clause
// Tunnel frames: what parses is built again to the same bytes.
#include "tests/fuzz/fuzz.h"
#include "wire/tunnel.h"

static uint8_t buf[PILA_SIZE_MAX];

static void pila(const uint8_t *data, size_t len)
{
	struct pila p, again;
	uint8_t message[PILA_SIGNED_SIZE];
	int built;

	if (pila_parse(data, len, &p) < 0)
		return;
	built = pila_build(buf, sizeof(buf), &p);
	fuzz_check(built >= PILA_SIZE && memcmp(buf, data, PILA_SIZE) == 0);
	fuzz_check(pila_parse(buf, (size_t)built, &again) == 0);
	fuzz_check(again.caps == p.caps && again.flags == p.flags);
	pila_signed_message(message, p.node, p.x25519);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pilk pilk;
	struct pils pils;
	struct pilt pilt;
	enum frame_magic magic = frame_classify(data, len);

	fuzz_check(frame_magic_name(magic) != NULL);
	pila(data, len);
	if (pilk_parse(data, len, &pilk) == 0) {
		fuzz_check(magic == FRAME_PILK);
		fuzz_check(pilk_build(buf, sizeof(buf), &pilk) == PILK_SIZE);
		fuzz_check(memcmp(buf, data, PILK_SIZE) == 0);
	}
	if (pils_parse(data, len, &pils) == 0) {
		fuzz_check(magic == FRAME_PILS);
		fuzz_check(pils_build_header(buf, sizeof(buf), &pils) == PILS_SIZE);
		fuzz_check(memcmp(buf, data, PILS_SIZE) == 0);
		fuzz_check(pils.sealed + pils.sealed_len == data + len);
	}
	if (pilt_parse(data, len, &pilt) == 0) {
		fuzz_check(magic == FRAME_PILT);
		fuzz_check(pilt.packet + pilt.packet_len == data + len);
	}
	return 0;
}
