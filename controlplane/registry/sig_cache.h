// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Remembers which signatures were verified. Ed25519 signs the same text with the same bytes each
// time and the challenges of the registry carry neither nonce nor time, so a daemon's heartbeats
// are all equal: only the first costs a verification, and every one is checked. An entry is a
// secretly keyed 64-bit hash over key, text and signature; a wrong signature passes with
// probability 2^-61 a try. Fixed size, memory is touched as it fills. One thread.
enum {
	SIG_CACHE_WAYS = 8,
	SIG_CACHE_PAGE = 64, // sets
	SIG_TEXT_LEN = 88,   // base64 of a signature, which is hashed as it comes
};

struct sig_cache {
	uint64_t *tags; // sets of SIG_CACHE_WAYS
	bool *written;	// by SIG_CACHE_PAGE sets: read before, memory would be mapped twice
	uint32_t set_mask;
	uint8_t secret[16];
	uint64_t hits, misses;
};

struct sig_tag {
	uint64_t set, tag;
};

// `entries` is rounded up to a power of two. 0 or -ENOMEM.
int sig_cache_init(struct sig_cache *c, uint32_t entries);
void sig_cache_free(struct sig_cache *c);
struct sig_tag sig_cache_tag(const struct sig_cache *c, const uint8_t key[IDENTITY_KEY_SIZE],
    const void *text, size_t len, const char sig[SIG_TEXT_LEN]);
bool sig_cache_has(struct sig_cache *c, struct sig_tag t);
// The oldest of its set goes.
void sig_cache_add(struct sig_cache *c, struct sig_tag t);
