// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/identity.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// Fields of a request as the daemons' registry reads them (wire-registry.md section 1.2): what is
// missing or of another type is the zero value, numbers are doubles, those out of range are 0 and
// fractions are cut off. Texts belong to the request.

// Parses a frame's body. NULL when it is no JSON object; null is an empty one.
json_t *request_parse(const void *text, size_t len);

uint32_t field_u32(const json_t *o, const char *key);
uint16_t field_u16(const json_t *o, const char *key);
// False when the field is no number; the value is cut to int64 by the caller's bounds.
bool field_number(const json_t *o, const char *key, double *out);
const char *field_text(const json_t *o, const char *key); // "" if there is none
bool field_bool(const json_t *o, const char *key);

// Standard base64 with padding, one spelling only. 0, -ENOENT ("" or missing), -EINVAL (no base64)
// or -EMSGSIZE (another length).
int field_base64(const json_t *o, const char *key, uint8_t *out, size_t size);
// Room for the base64 text of a key with its zero.
enum { KEY_TEXT_MAX = 45 };
char *key_text(char out[KEY_TEXT_MAX], const uint8_t key[IDENTITY_KEY_SIZE]);
bool key_parse(const char *text, uint8_t key[IDENTITY_KEY_SIZE]);

// RFC 3339 text to seconds since 1970. False if it is none.
bool time_parse(const char *text, int64_t *unix_s);
