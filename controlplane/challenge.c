// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/challenge.h"

void challenge_init(struct challenge *c)
{
	identity_random(c->secret, sizeof(c->secret));
}

static void nonce_of_window(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t window, uint8_t nonce[BEACON_NONCE_SIZE])
{
	uint8_t text[4 + 16 + 2 + 8];

	store_be32(text, node);
	memcpy(text + 4, from->addr, 16);
	store_be16(text + 20, from->port);
	store_be64(text + 22, window);
	keyed_hash(c->secret, text, sizeof(text), nonce, BEACON_NONCE_SIZE);
}

static uint64_t window_of(uint64_t now_ns)
{
	return now_ns / (CHALLENGE_WINDOW_S * 1000000000ULL);
}

void challenge_nonce(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t now_ns, uint8_t nonce[BEACON_NONCE_SIZE])
{
	nonce_of_window(c, node, from, window_of(now_ns), nonce);
}

bool challenge_holds(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t now_ns, const uint8_t nonce[BEACON_NONCE_SIZE])
{
	uint8_t now[BEACON_NONCE_SIZE], before[BEACON_NONCE_SIZE];

	nonce_of_window(c, node, from, window_of(now_ns), now);
	nonce_of_window(c, node, from, window_of(now_ns) - 1, before);
	return bytes_equal_secret(now, nonce, BEACON_NONCE_SIZE) ||
	       bytes_equal_secret(before, nonce, BEACON_NONCE_SIZE);
}

size_t challenge_reply(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t now_ns, size_t request_len,
    uint8_t buf[BEACON_OBSERVED_V6_SIZE + BEACON_CHALLENGE_SIZE])
{
	size_t plain = endpoint_is_v4(from) ? BEACON_OBSERVED_V4_SIZE : BEACON_OBSERVED_V6_SIZE;
	uint8_t nonce[BEACON_NONCE_SIZE];
	struct beacon_discover_reply reply = {.observed = *from, .challenge = nonce};
	int n;

	if (request_len < 2 * plain + BEACON_CHALLENGE_SIZE)
		return 0;
	challenge_nonce(c, node, from, now_ns, nonce);
	n = beacon_discover_reply_build(
	    buf, BEACON_OBSERVED_V6_SIZE + BEACON_CHALLENGE_SIZE, &reply);
	return n < 0 ? 0 : (size_t)n;
}
