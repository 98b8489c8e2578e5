// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/identity.h"
#include "wire/beacon.h"

#include <stdbool.h>
#include <stdint.h>

// Challenges of signed admission, without state: the nonce is a keyed hash of node id, source
// endpoint and a window of time, so that it only serves who received it, where, and soon.

enum { CHALLENGE_WINDOW_S = 32 }; // a nonce holds for one to two windows

struct challenge {
	uint8_t secret[KEYED_HASH_KEY_SIZE];
};

void challenge_init(struct challenge *c);
void challenge_nonce(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t now_ns, uint8_t nonce[BEACON_NONCE_SIZE]);
bool challenge_holds(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t now_ns, const uint8_t nonce[BEACON_NONCE_SIZE]);

// The second DiscoverReply, with the challenge in its trailer. Bytes written, or 0 when both
// replies together would be larger than the request of `request_len` bytes.
size_t challenge_reply(const struct challenge *c, uint32_t node, const struct endpoint *from,
    uint64_t now_ns, size_t request_len,
    uint8_t buf[BEACON_OBSERVED_V6_SIZE + BEACON_CHALLENGE_SIZE]);
