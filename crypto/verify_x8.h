// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/identity.h"
#include "crypto/key_cache.h"

// Eight Ed25519 signatures side by side with AVX-512 IFMA (RFC 8032 section 5.1.7, without
// cofactor). A signature passes just when libsodium's crypto_sign_verify_detached() takes it.
// For public data: time and memory access depend on it.

enum { VERIFY_LANES = 8 };

// The processor and this build can.
bool verify_x8_works(void);
// Once, before the first verification.
void verify_x8_init(void);
// 1 to IDENTITY_VERIFY_BATCH checks; sets `valid` of each. The cache may be NULL.
void verify_x8(struct key_cache *cache, struct identity_check *checks, unsigned count);
