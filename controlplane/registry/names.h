// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Rules for hostnames, network names and tags (wire-registry.md 4.3, 4.4, 4.6). A list of tags is
// one text, "gpu,llm". Pure, any thread.
enum {
	NAME_LEN_MAX = 63,
	TAG_LEN_MAX = 32,
	TAG_MAX = 10,
	TAGS_TEXT_MAX = TAG_MAX * (TAG_LEN_MAX + 1),
	ECHO_MAX = 80, // bytes of a client's text that an error repeats
};

// NULL or why it cannot be one, in the words of the daemons' registry.
const char *hostname_refusal(const char *name);
// False with the daemons' error text in `why`.
bool network_name_check(const char *name, char *why, size_t size);
bool tag_check(const char *tag, char *why, size_t size);

bool tags_contain(const char *tags, const char *tag);
// Appends; false when there is no room. Not twice.
bool tags_append(char tags[TAGS_TEXT_MAX], const char *tag);
