// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/fleet_file.h"

#include "controlplane/registry/field.h"
#include "controlplane/registry/network.h"
#include "controlplane/registry/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHY_MAX = 200 };

static const char *const file_keys[] = {"fleets", NULL};
static const char *const fleet_keys[] = {"name", "token", "tags", "public", "agents", NULL};
static const char *const agent_keys[] = {"hostname", "public_key", "tags", NULL};

// Where reading stands, for its errors: fleets and agents count from 1, 0 is none.
struct reader {
	struct fleets *fleets;
	size_t fleet, agent;
	char why[WHY_MAX];
};

// The line of the agent, or of the fleet, or 1. The text is known to be what readers accept: fleets
// are the objects at the third level of brackets, agents those at the fifth.
static unsigned line_of(const char *text, size_t len, size_t fleet, size_t agent)
{
	unsigned line = 1, level = 0;
	size_t fleets = 0, agents = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		line += c == '\n';
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		level += (c == '{' || c == '[') - (c == '}' || c == ']');
		fleets += c == '{' && level == 3;
		agents += c == '{' && level == 5 && fleets == fleet;
		if (c == '{' && fleets == fleet && agents == agent)
			return line;
	}
	return 1;
}

static bool is_one_of(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (!strcmp(*keys, key))
			return true;
	return false;
}

// An object without keys that we would not look at. False with the reason.
static bool check_object(struct reader *r, const json_t *o, const char *const *keys)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o)) {
		snprintf(r->why, sizeof(r->why), "not an object");
		return false;
	}
	json_object_foreach((json_t *)o, key, v)
	{
		if (!is_one_of(key, keys)) {
			snprintf(r->why, sizeof(r->why), "\"%.40s\" is no key here", key);
			return false;
		}
	}
	return true;
}

static bool read_list(struct reader *r, const json_t *o, const char *key, const json_t **list)
{
	*list = json_object_get(o, key);
	if (!*list || json_is_array(*list))
		return true;
	snprintf(r->why, sizeof(r->why), "\"%s\" is no list", key);
	return false;
}

static bool read_tags(struct reader *r, const json_t *o, char tags[TAGS_TEXT_MAX])
{
	const json_t *list;
	size_t i;
	json_t *v;

	if (!read_list(r, o, "tags", &list))
		return false;
	json_array_foreach(list, i, v)
	{
		const char *tag = json_string_value(v);

		if (!tag_check(tag ? tag : "", r->why, sizeof(r->why)))
			return false;
		if (i >= TAG_MAX || !tags_append(tags, tag)) {
			snprintf(r->why, sizeof(r->why), "too many tags (max %d)", TAG_MAX);
			return false;
		}
	}
	return true;
}

static bool read_agent(struct reader *r, const json_t *o)
{
	struct fleet_agent *a = &r->fleets->agent[r->fleets->agent_count];
	const char *hostname, *key, *refusal;

	if (!check_object(r, o, agent_keys))
		return false;
	hostname = object_text(o, "hostname");
	key = object_text(o, "public_key");
	refusal = *hostname ? hostname_refusal(hostname) : NULL;
	if (refusal)
		snprintf(r->why, sizeof(r->why), "\"%.80s\": %s", hostname, refusal);
	else if (!key_parse(key, a->key))
		snprintf(
		    r->why, sizeof(r->why), "public_key \"%.60s\" is not base64 of 32 bytes", key);
	else if (read_tags(r, o, a->tags)) {
		snprintf(a->hostname, sizeof(a->hostname), "%s", hostname);
		a->fleet = r->fleets->count - 1;
		r->fleets->agent_count++;
	}
	return !*r->why;
}

static bool is_named_before(const struct fleets *f, const char *name)
{
	for (uint32_t i = 0; i < f->count; i++)
		if (!strcmp(f->fleet[i].name, name))
			return true;
	return false;
}

static bool read_fleet(struct reader *r, const json_t *o)
{
	struct fleet *fleet = &r->fleets->fleet[r->fleets->count];
	const char *name, *token;
	const json_t *agents;
	size_t i;
	json_t *v;

	if (!check_object(r, o, fleet_keys) || !read_list(r, o, "agents", &agents))
		return false;
	name = object_text(o, "name");
	token = object_text(o, "token");
	if (!network_name_check(name, r->why, sizeof(r->why)) || !read_tags(r, o, fleet->tags))
		return false;
	if (is_named_before(r->fleets, name))
		snprintf(r->why, sizeof(r->why), "name \"%s\" is used twice", name);
	else if (strlen(token) > NETWORK_TOKEN_MAX)
		snprintf(
		    r->why, sizeof(r->why), "token is longer than %d bytes", NETWORK_TOKEN_MAX);
	if (*r->why)
		return false;
	snprintf(fleet->name, sizeof(fleet->name), "%s", name);
	fleet->public = object_bool(o, "public");
	fleet->token = *token ? strdup(token) : NULL;
	if (*token && !fleet->token) {
		snprintf(r->why, sizeof(r->why), "out of memory");
		return false;
	}
	r->fleets->count++;
	json_array_foreach(agents, i, v)
	{
		r->agent = i + 1;
		if (!read_agent(r, v))
			return false;
	}
	r->agent = 0;
	return true;
}

static size_t count_agents(const json_t *list)
{
	size_t count = 0, i;
	json_t *v;

	json_array_foreach(list, i, v) count += json_array_size(json_object_get(v, "agents"));
	return count;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct fleet_agent *)a)->key, ((const struct fleet_agent *)b)->key,
	    IDENTITY_KEY_SIZE);
}

const struct fleet_agent *fleets_agent(const struct fleets *f, const uint8_t key[IDENTITY_KEY_SIZE])
{
	struct fleet_agent wanted;

	memcpy(wanted.key, key, sizeof(wanted.key));
	return f->agent_count
		   ? bsearch(&wanted, f->agent, f->agent_count, sizeof(*f->agent), by_key)
		   : NULL;
}

// By key; false when one is there twice.
static bool sort_agents(struct reader *r)
{
	struct fleets *f = r->fleets;

	if (f->agent_count)
		qsort(f->agent, f->agent_count, sizeof(*f->agent), by_key);
	for (uint32_t i = 1; i < f->agent_count; i++) {
		const struct fleet_agent *a = &f->agent[i - 1], *b = &f->agent[i];

		if (by_key(a, b) == 0) {
			snprintf(r->why, sizeof(r->why), "agents \"%s\" and \"%s\" have one key",
			    a->hostname, b->hostname);
			return false;
		}
	}
	return true;
}

static int read_all(struct reader *r, const json_t *list)
{
	size_t i;
	json_t *v;

	r->fleets->fleet = calloc(json_array_size(list), sizeof(*r->fleets->fleet));
	r->fleets->agent = calloc(count_agents(list) + 1, sizeof(*r->fleets->agent));
	if (!r->fleets->fleet || !r->fleets->agent)
		return -ENOMEM;
	json_array_foreach(list, i, v)
	{
		r->fleet = i + 1;
		if (!read_fleet(r, v))
			return -EINVAL;
	}
	r->fleet = 0;
	return sort_agents(r) ? 0 : -EINVAL;
}

static void report(const struct reader *r, const char *text, size_t len, struct parse_error *error)
{
	if (r->fleet)
		parse_error_set(error, "line %u: %s %zu: %s",
		    line_of(text, len, r->fleet, r->agent), r->agent ? "agent" : "fleet",
		    r->agent ? r->agent : r->fleet, r->why);
	else
		parse_error_set(error, "%s", r->why);
}

int fleets_parse(struct fleets *f, const char *text, size_t len, struct parse_error *error)
{
	struct reader r = {.fleets = f};
	json_error_t place;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &place);
	json_t *list = json_object_get(o, "fleets");
	int rc = -EINVAL;

	*f = (struct fleets){0};
	if (!o)
		parse_error_set(error, "line %d: %s", place.line, place.text);
	else if (!check_object(&r, o, file_keys))
		parse_error_set(error, "line 1: %s", r.why);
	else if (!json_array_size(list) || json_array_size(list) > FLEET_MAX ||
		 count_agents(list) > FLEET_AGENT_MAX)
		parse_error_set(error,
		    "line 1: \"fleets\" is no list of 1 to %d with up to %d agents", FLEET_MAX,
		    FLEET_AGENT_MAX);
	else {
		rc = read_all(&r, list);
		if (rc == -EINVAL)
			report(&r, text, len, error);
	}
	json_decref(o);
	return rc;
}

void fleets_free(struct fleets *f)
{
	for (uint32_t i = 0; f->fleet && i < f->count; i++)
		free(f->fleet[i].token);
	free(f->fleet);
	free(f->agent);
	*f = (struct fleets){0};
}
