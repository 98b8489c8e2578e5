// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/names.h"

#include <stdio.h>
#include <string.h>

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Letters and digits, with hyphens between them.
static bool spelled_well(const char *s, size_t len)
{
	if (!plain(s[0]) || !plain(s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!plain(s[i]) && s[i] != '-')
			return false;
	return true;
}

const char *hostname_refusal(const char *name)
{
	static const struct {
		const char *name, *refusal;
	} reserved[] = {
	    {"localhost", "hostname \"localhost\" is reserved"},
	    {"backbone", "hostname \"backbone\" is reserved"},
	    {"broadcast", "hostname \"broadcast\" is reserved"},
	};
	size_t len = strnlen(name, NAME_LEN_MAX + 1);

	if (len == 0)
		return "hostname required";
	if (len > NAME_LEN_MAX)
		return "hostname too long (max 63 chars)";
	if (!spelled_well(name, len))
		return "hostname must be lowercase alphanumeric with hyphens, start/end with "
		       "alphanumeric";
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!strcmp(name, reserved[i].name))
			return reserved[i].refusal;
	return NULL;
}

bool network_name_check(const char *name, char *why, size_t size)
{
	size_t len = strnlen(name, NAME_LEN_MAX + 1);

	if (len == 0)
		snprintf(why, size, "network name required");
	else if (len > NAME_LEN_MAX)
		snprintf(why, size, "network name too long (max 63 chars)");
	else if (!spelled_well(name, len))
		snprintf(why, size, "network name must be lowercase alphanumeric with hyphens");
	else if (!strcmp(name, "backbone"))
		snprintf(why, size, "network name \"%s\" is reserved", name);
	else
		return true;
	return false;
}

bool tag_check(const char *tag, char *why, size_t size)
{
	size_t len = strnlen(tag, TAG_LEN_MAX + 1);

	if (len == 0)
		snprintf(why, size, "empty tag not allowed");
	else if (len > TAG_LEN_MAX)
		snprintf(why, size, "tag \"%.*s\" too long (max 32 chars)", ECHO_MAX, tag);
	else if (!spelled_well(tag, len))
		snprintf(why, size, "tag \"%s\" must be lowercase alphanumeric with hyphens", tag);
	else
		return true;
	return false;
}

bool tags_contain(const char *tags, const char *tag)
{
	size_t len = strlen(tag);

	while (tags && *tags) {
		size_t n = strcspn(tags, ",");

		if (n == len && !memcmp(tags, tag, n))
			return true;
		tags += n + (tags[n] == ',');
	}
	return false;
}

bool tags_append(char tags[TAGS_TEXT_MAX], const char *tag)
{
	size_t len = strlen(tags), more = strlen(tag);

	if (tags_contain(tags, tag))
		return true;
	if (len + more + 2 > TAGS_TEXT_MAX)
		return false;
	if (len)
		tags[len++] = ',';
	memcpy(tags + len, tag, more + 1);
	return true;
}
