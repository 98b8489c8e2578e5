// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { COLUMN = 30, WIDTH = 96 };

struct page {
	char *at;
	size_t len, size;
};

static void add(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct page *p, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(p->at + p->len, p->size - p->len, format, args);
	va_end(args);
	p->len += (size_t)n;
	if (p->len >= p->size)
		p->len = p->size - 1;
}

// `text` in lines from COLUMN on; backquotes are for the pages, not for the terminal.
static void add_wrapped(struct page *p, size_t column, const char *text)
{
	if (column + 2 > COLUMN) {
		add(p, "\n");
		column = 0;
	}
	add(p, "%*s", (int)(COLUMN - column), "");
	column = COLUMN;
	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > COLUMN && column + word > WIDTH) {
			p->len--; // the blank before
			add(p, "\n%*s", COLUMN, "");
			column = COLUMN;
		}
		for (size_t i = 0; i < word; i++)
			if (text[i] != '`')
				add(p, "%c", text[i]);
		column += word;
		text += word;
		if (*text == ' ') {
			add(p, " ");
			column++;
			text++;
		}
	}
	add(p, "\n");
}

static const char *choices(const struct config_key *key)
{
	static char text[64];
	size_t len = 0;

	for (int i = 0; key->choices[i] && len < sizeof(text); i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s%s", i ? "|" : "", key->choices[i]);
	return text;
}

static const char *text_name(const char *key)
{
	static const char *const names[][2] = {{"state", "DIR"}, {"http-listen", "ADDR:PORT"},
	    {"dpdk.eal", "ARGS"}, {"registry-store", "FILE"}, {"registry-fleets", "FILE"},
	    {"registry-admin-token-file", "FILE"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i][0], key))
			return names[i][1];
	return "NAME";
}

static const char *argument_name(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_SIZE:
		return "SIZE";
	case CONFIG_DURATION:
		return "TIME";
	case CONFIG_REGISTRY:
	case CONFIG_LISTEN:
	case CONFIG_ADDRESS:
		return "ADDR:PORT";
	case CONFIG_LINKS:
		return "LINK";
	case CONFIG_CPUS:
		return "CORES";
	case CONFIG_PEERS:
		return "ADDR[:PORT]";
	case CONFIG_PORTS:
		return "FIRST-LAST";
	case CONFIG_TEXT:
		return text_name(key->name);
	case CONFIG_CHOICE:
		return choices(key);
	default:
		return "N";
	}
}

static void add_key(struct page *p, const struct config_key *key)
{
	char name[64], text[512];
	size_t before = p->len;

	config_option_name(name, sizeof(name), key->alias ? key->alias : key->name);
	add(p, "  --%s %s", name, argument_name(key));
	if (key->value && *key->value)
		snprintf(text, sizeof(text), "%s (default %s)", key->help, key->value);
	else if (key->computed)
		snprintf(text, sizeof(text), "%s (default %s)", key->help, key->computed);
	else
		snprintf(text, sizeof(text), "%s", key->help);
	add_wrapped(p, p->len - before, text);
}

static void add_option(struct page *p, const char *name, const char *arg, const char *help)
{
	size_t before = p->len;

	add(p, "  --%s%s%s", name, arg ? " " : "", arg ? arg : "");
	add_wrapped(p, p->len - before, help);
}

char *config_help(char *out, size_t size, const struct config_command *command)
{
	struct page p = {.at = out, .size = size};

	add(&p, "usage: %s [options]%s%s\n%s\n\n", command->name, command->operands ? " " : "",
	    command->operands ? command->operands : "", command->summary);
	for (const struct config_option *o = command->options; o && o->name; o++)
		add_option(&p, o->name, o->arg, o->help);
	if (command->keys)
		add_option(&p, "config", "FILE",
		    "YAML file with the keys below; the command line wins over it");
	else
		add_key(&p, config_key_find("state"));
	add_option(&p, "help", NULL, "this text");
	add_option(&p, "version", NULL, "the version");
	if (!command->keys)
		return out;
	add(&p, "\nKeys (group.key in the file; --option=VALUE works too):\n");
	for (const struct config_key *k = config_keys; k->name; k++)
		add_key(&p, k);
	return out;
}
