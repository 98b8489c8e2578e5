// SPDX-License-Identifier: BSD-3-Clause
// A registry without server and store, in virtual time, and nodes that sign.
#pragma once

#include "controlplane/registry/call.h"
#include "controlplane/registry/object.h"
#include "tests/unit/unit.h"

struct lab_node {
	uint8_t key[IDENTITY_KEY_SIZE], secret[IDENTITY_SECRET_SIZE];
	uint32_t id;
};

struct lab {
	struct registry registry;
	struct registry_time t;
	struct endpoint from;
	struct anchor conn;
	unsigned verifications;
};

// cmocka setup and teardown: *state is the lab. Admin token "adm".
int lab_open(void **state);
int lab_close(void **state);

// Asks with JSON text; the parsed answer. Single quotes stand for double ones.
json_t *lab_ask(struct lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same with the whole text as it is.
json_t *lab_ask_text(struct lab *l, const char *text);
// What the answer must be: {'a':1} must be contained in it.
void lab_expect(struct lab *l, const char *answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The error text must be this one.
void lab_refused(struct lab *l, const char *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A node with a key made of `seed`, registered.
struct lab_node lab_node(struct lab *l, uint8_t seed);
// The base64 signature over a text; valid until the next four calls.
const char *lab_sign(const struct lab_node *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
