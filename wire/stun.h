// SPDX-License-Identifier: BSD-3-Clause
// STUN Binding (RFC 8489): a server without authentication, and what a client needs to talk to it.
// Numbers are host order; pointers point into the input. Pure functions, any thread.
#pragma once

#include "wire/bytes.h"
#include "wire/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STUN_HEADER_SIZE = 20,
	STUN_MAGIC_COOKIE = 0x2112a442,
	STUN_TRANSACTION_SIZE = 12,
	STUN_UNKNOWN_MAX = 8,
};

enum stun_type {
	STUN_BINDING_REQUEST = 0x0001,
	STUN_BINDING_INDICATION = 0x0011,
	STUN_BINDING_SUCCESS = 0x0101,
	STUN_BINDING_ERROR = 0x0111,
};

enum stun_attribute {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_USERNAME = 0x0006,
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_PASSWORD_ALGORITHM = 0x001d,
	STUN_USERHASH = 0x001e,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_OPTIONAL = 0x8000, // from here on: may be ignored when unknown
	STUN_SOFTWARE = 0x8022,
	STUN_FINGERPRINT = 0x8028,
};

enum stun_error {
	STUN_BAD_REQUEST = 400,
	STUN_UNKNOWN_ATTRIBUTE = 420,
};

struct stun_message {
	const uint8_t *transaction; // STUN_TRANSACTION_SIZE
	const uint8_t *software;    // not terminated; NULL when absent
	size_t software_len;
	struct endpoint mapped; // XOR-MAPPED-ADDRESS; with has_mapped
	// Comprehension-required attributes that we do not know; in an error response those the
	// server did not know. The first STUN_UNKNOWN_MAX.
	uint16_t unknown[STUN_UNKNOWN_MAX];
	uint8_t unknown_count;
	uint16_t type;	     // enum stun_type
	uint16_t error_code; // of an error response, else 0
	bool has_mapped;
	bool has_fingerprint; // and it was right
};

// What a response carries beside its answer. An answer should not be larger than need be: SOFTWARE
// and FINGERPRINT are for those who sent a FINGERPRINT or do not mind.
struct stun_options {
	const char *software; // NULL: none; at most 127 bytes are sent
	bool fingerprint;
};

// True for anything with the cookie in its place; tells STUN from beacon messages and frames.
static inline bool stun_is_message(const uint8_t *data, size_t len)
{
	return len >= STUN_HEADER_SIZE && data[0] < 0x40 &&
	       load_be32(data + 4) == STUN_MAGIC_COOKIE;
}

// Returns 0 (also with unknown attributes: see unknown_count),
// -EBADMSG: not STUN, not Binding, wrong length or FINGERPRINT: discard silently,
// -EINVAL: an attribute is broken; type and transaction are set: a request deserves a 400.
int stun_parse(const uint8_t *data, size_t len, struct stun_message *out);

// Builders return the length or -ENOBUFS. STUN_BUILD_MAX always suffices.
enum { STUN_BUILD_MAX = 256 };
int stun_request_build(uint8_t *buf, size_t cap, const uint8_t transaction[STUN_TRANSACTION_SIZE],
    const struct stun_options *options);
int stun_success_build(uint8_t *buf, size_t cap, const uint8_t transaction[STUN_TRANSACTION_SIZE],
    const struct endpoint *mapped, const struct stun_options *options);
// Answers request with code; a 420 lists its unknown attributes.
int stun_error_build(uint8_t *buf, size_t cap, const struct stun_message *request,
    enum stun_error code, const struct stun_options *options);
