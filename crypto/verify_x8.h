// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/identity.h"

// Eight Ed25519 signatures side by side with AVX-512 IFMA (RFC 8032 section 5.1.7, without
// cofactor). A signature passes just when libsodium's crypto_sign_verify_detached() takes it.
// For public data: time and memory access depend on it.

enum { VERIFY_LANES = 8 };

// The processor and this build can.
bool verify_x8_works(void);
// Once, before the first verification.
void verify_x8_init(void);
// 1 to VERIFY_LANES checks; sets `valid` of each.
void verify_x8(struct identity_check *checks, unsigned count);
