// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/request.h"
#include "crypto/identity.h"

// Fields of a request; how they are read: object.h. Texts belong to the request.

uint32_t field_u32(const struct request *q, const char *key);
uint16_t field_u16(const struct request *q, const char *key);
// False when the field is no number; the value is cut to int64 by the caller's bounds.
bool field_number(const struct request *q, const char *key, double *out);
const char *field_text(const struct request *q, const char *key); // "" if there is none
bool field_bool(const struct request *q, const char *key);
// A list of plain texts as request.h packs them; NULL: it has others, or there is none.
const char *field_list(const struct request *q, const char *key, uint32_t *count);
// The value as it came; NULL: none. Belongs to the request.
const json_t *field_json(const struct request *q, const char *key);

// Standard base64 with padding, one spelling only. 0, -ENOENT ("" or missing), -EINVAL (no base64)
// or -EMSGSIZE (another length).
int field_base64(const struct request *q, const char *key, uint8_t *out, size_t size);
// Room for the base64 text of a key with its zero.
enum { KEY_TEXT_MAX = 45 };
char *key_text(char out[KEY_TEXT_MAX], const uint8_t key[IDENTITY_KEY_SIZE]);
bool key_parse(const char *text, uint8_t key[IDENTITY_KEY_SIZE]);

// RFC 3339 text to seconds since 1970. False if it is none.
bool time_parse(const char *text, int64_t *unix_s);
