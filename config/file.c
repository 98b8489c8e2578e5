// SPDX-License-Identifier: BSD-3-Clause
#include "base/file.h"

#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { FILE_SIZE_MAX = 1 << 20 };

struct reader {
	struct config *config;
	struct config_errors *errors;
	const char *name, *text;
	size_t len;
	yaml_document_t document;
};

// Reports at a node's place.
#define fail(r, node, format, ...)                                      \
	config_error_add((r)->errors, "%s:%zu:%zu: " format, (r)->name, \
	    (node)->start_mark.line + 1, (node)->start_mark.column + 1, __VA_ARGS__)

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static void set_scalar(struct reader *r, const struct config_key *key, const yaml_node_t *node)
{
	struct parse_error error;

	if (strlen(scalar(node)) != node->data.scalar.length) {
		fail(r, node, "%s: the value holds a zero byte", key->name);
		return;
	}
	if (!*scalar(node) && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		fail(r, node, "%s has no value: write one, or remove the key for its default",
		    key->name);
		return;
	}
	if (config_set(r->config, key, scalar(node), &error))
		fail(r, node, "%s: %s%s%s", key->name, error.text, key->hint ? "; " : "",
		    key->hint ? key->hint : "");
}

static void set_list(struct reader *r, const struct config_key *key, const yaml_node_t *node)
{
	const yaml_node_item_t *item = node->data.sequence.items.start;

	config_clear_list(r->config, key);
	for (; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *entry = yaml_document_get_node(&r->document, *item);

		if (entry->type == YAML_SCALAR_NODE)
			set_scalar(r, key, entry);
		else
			fail(r, entry,
			    "%s: entries of this list are plain values, those with brackets in "
			    "quotes",
			    key->name);
	}
}

static void set_key(struct reader *r, const struct config_key *key, const yaml_node_t *name,
    const yaml_node_t *value)
{
	struct config_origin *origin = &r->config->origins[key - config_keys];

	if (origin->from == CONFIG_FROM_FILE) {
		fail(r, name, "%s is set a second time (first on line %u): remove one", key->name,
		    origin->line);
		return;
	}
	*origin = (struct config_origin){CONFIG_FROM_FILE, (uint32_t)value->start_mark.line + 1,
	    (uint32_t)value->start_mark.column + 1};
	if (value->type == YAML_SCALAR_NODE) {
		if (config_is_list(key))
			config_clear_list(r->config, key);
		set_scalar(r, key, value);
	} else if (value->type == YAML_SEQUENCE_NODE && config_is_list(key)) {
		set_list(r, key, value);
	} else if (config_is_list(key)) {
		fail(r, value, "%s is a list of plain values: write them as [A, B]", key->name);
	} else {
		fail(r, value, "%s is a single value: write it behind the colon", key->name);
	}
}

static bool is_group(const char *name)
{
	size_t len = strlen(name);

	for (const struct config_key *k = config_keys; k->name; k++)
		if (!strncmp(k->name, name, len) && k->name[len] == '.')
			return true;
	return false;
}

static void fail_unknown(struct reader *r, const yaml_node_t *node, const char *name)
{
	const char *names[CONFIG_KEY_MAX + 1] = {0}, *nearest;
	int n = 0;

	for (const struct config_key *k = config_keys; k->name; k++)
		names[n++] = k->name;
	nearest = nearest_name(name, names);
	if (nearest)
		fail(r, node, "there is no key \"%s\": did you mean \"%s\"?", name, nearest);
	else
		fail(r, node, "there is no key \"%s\": docs/configuration.md lists them", name);
}

// `group` is "" at the top.
static void read_mapping(struct reader *r, const char *group, const yaml_node_t *node)
{
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

	for (; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = yaml_document_get_node(&r->document, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
		const struct config_key *key;
		char full[96];

		if (name->type != YAML_SCALAR_NODE) {
			fail(r, name, "%s", "a key must be a plain word");
			continue;
		}
		snprintf(full, sizeof(full), "%s%s%s", group, *group ? "." : "", scalar(name));
		key = config_key_find(full);
		if (key)
			set_key(r, key, name, value);
		else if (*group || !is_group(full))
			fail_unknown(r, name, full);
		else if (value->type == YAML_MAPPING_NODE)
			read_mapping(r, full, value);
		else if (value->type != YAML_SCALAR_NODE || *scalar(value))
			fail(r, value, "%s is a group of keys: indent them below it", full);
	}
}

// Bytes that are no text: the parser knows only their offset.
static void fail_bytes(struct reader *r, const char *problem, size_t offset)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < r->len; i++) {
		column = r->text[i] == '\n' ? 1 : column + 1;
		line += r->text[i] == '\n';
	}
	config_error_add(r->errors, "%s:%zu:%zu: %s: save the file as UTF-8 text", r->name, line,
	    column, problem);
}

// [2001:db8::1]:9001 begins a list, to YAML.
static bool line_holds_bare_address(const struct reader *r, size_t line)
{
	const char *at = r->text, *end = r->text + r->len, *stop;

	for (; line && at < end; line--) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : end;
	}
	stop = memchr(at, '\n', (size_t)(end - at));
	return memmem(at, (size_t)((stop ? stop : end) - at), "]:", 2) != NULL;
}

static void fail_syntax(struct reader *r, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "this is no YAML";
	const char *hint = "check indentation and colons";
	size_t line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1;

	if (parser->error == YAML_READER_ERROR) {
		fail_bytes(r, problem, parser->problem_offset);
		return;
	}
	if (strstr(problem, "cannot start any token") && memchr(r->text, '\t', r->len))
		hint = "indent with blanks, YAML takes no tabs";
	else if (line_holds_bare_address(r, line - 1))
		hint = "write addresses with brackets in quotes, as \"[::]:9001\"";
	if (parser->context)
		config_error_add(r->errors, "%s:%zu:%zu: %s, %s (line %zu): %s", r->name, line,
		    column, problem, parser->context, parser->context_mark.line + 1, hint);
	else
		config_error_add(
		    r->errors, "%s:%zu:%zu: %s: %s", r->name, line, column, problem, hint);
}

static void read_document(struct reader *r, yaml_parser_t *parser)
{
	const yaml_node_t *top;

	if (!yaml_parser_load(parser, &r->document)) {
		fail_syntax(r, parser);
		return;
	}
	top = yaml_document_get_root_node(&r->document);
	if (top && top->type == YAML_MAPPING_NODE)
		read_mapping(r, "", top);
	else if (top && (top->type != YAML_SCALAR_NODE || *scalar(top)))
		fail(r, top, "%s", "the file must hold keys and values, as \"workers: 2\"");
	yaml_document_delete(&r->document);
	if (!top)
		return;
	if (!yaml_parser_load(parser, &r->document)) {
		fail_syntax(r, parser);
		return;
	}
	top = yaml_document_get_root_node(&r->document);
	if (top)
		fail(r, top, "%s", "a second document starts here: keep everything in one");
	yaml_document_delete(&r->document);
}

int config_read_text(struct config *config, const char *name, const char *text, size_t len,
    struct config_errors *errors)
{
	struct reader r = {
	    .config = config, .errors = errors, .name = name, .text = text, .len = len};
	unsigned before = errors->count;
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser)) {
		config_error_add(errors, "%s: cannot be read: out of memory", name);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	read_document(&r, &parser);
	yaml_parser_delete(&parser);
	return errors->count == before ? 0 : -EINVAL;
}

int config_read_file(
    struct config *config, const char *path, bool once, struct config_errors *errors)
{
	struct parse_error error;
	size_t len;
	char *text = file_read(path, once, FILE_SIZE_MAX, &len, &error);
	int rc;

	if (!text) {
		config_error_add(errors,
		    "%s: cannot read the configuration: %s: name another with --config", path,
		    error.text);
		return -EINVAL;
	}
	rc = config_read_text(config, path, text, len, errors);
	free(text);
	return rc;
}
