// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Fields of JSON objects as the daemons' registry reads them (wire-registry.md section 1.2): what
// is missing or of another type is the zero value, numbers are doubles, those out of range are 0
// and fractions are cut off. Texts belong to the object. field.h is the same for requests.

// NULL when the text is no JSON object; null is an empty one.
json_t *object_parse(const void *text, size_t len);

uint32_t object_u32(const json_t *o, const char *key);
uint16_t object_u16(const json_t *o, const char *key);
// False when the field is no number.
bool object_number(const json_t *o, const char *key, double *out);
const char *object_text(const json_t *o, const char *key); // "" if there is none
bool object_bool(const json_t *o, const char *key);

// A number as an unsigned integer of 0 to `max`.
static inline uint32_t number_up_to(double v, double max)
{
	return v >= 0 && v <= max ? (uint32_t)v : 0;
}
