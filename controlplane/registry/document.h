// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// Documents that the registry stores and hands out without acting on them: the rules of managed
// networks and policy expressions (wire-registry.md 4.7 and set_expr_policy). Pure, any thread.

// A field that holds a document as an object or as its text. *json is NULL when the field is
// missing, "" or "null"; free it. False with the daemons' error text, which names `what`.
bool document_read(const json_t *field, const char *what, char **json, char *why, size_t size);
// The same and what must be in it.
bool rules_read(const json_t *field, char **json, char *why, size_t size);
bool policy_read(const json_t *field, char **json, char *why, size_t size);
