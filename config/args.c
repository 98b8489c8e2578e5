// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 2 * CONFIG_KEY_MAX };

struct arguments {
	struct config *config;
	const struct config_command *command;
	struct config_line *line;
	struct config_errors *errors;
	char **next; // the argument behind the current one
	int done;    // 1 after --help or --version
};

static bool offers(const struct config_command *command, const struct config_key *key)
{
	return command->keys || !strcmp(key->name, "state");
}

static const struct config_key *find_key(const struct config_command *command, const char *name)
{
	char option[64];

	for (const struct config_key *k = config_keys; k->name; k++) {
		config_option_name(option, sizeof(option), k->name);
		if (offers(command, k) &&
		    (!strcmp(option, name) || (k->alias && !strcmp(k->alias, name))))
			return k;
	}
	return NULL;
}

static const struct config_option *find_option(
    const struct config_command *command, const char *name)
{
	for (const struct config_option *o = command->options; o && o->name; o++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

static void set_item(
    struct arguments *a, const struct config_key *key, const char *name, const char *value)
{
	struct parse_error error;

	if (config_set(a->config, key, value, &error))
		config_error_add(a->errors, "--%s: %s%s%s", name, error.text, key->hint ? "; " : "",
		    key->hint ? key->hint : "");
}

// Cuts off the next item of a list. A link's mode belongs to the item before it.
static char *next_item(char **rest)
{
	char *item = strsep(rest, ",");

	while (*rest && !strncmp(*rest, "mode=", 5)) {
		(*rest)[-1] = ',';
		strsep(rest, ",");
	}
	return item;
}

static void set_key(
    struct arguments *a, const struct config_key *key, const char *name, const char *value)
{
	struct config_origin *origin = &a->config->origins[key - config_keys];
	char copy[1024], *rest = copy, *item;

	if (!config_is_list(key)) {
		set_item(a, key, name, value);
	} else if (snprintf(copy, sizeof(copy), "%s", value) >= (int)sizeof(copy)) {
		config_error_add(a->errors, "--%s: the list is too long: repeat the option", name);
	} else {
		if (origin->from != CONFIG_FROM_ARGUMENT)
			config_clear_list(a->config, key);
		// a dpdk device's own arguments are separated by commas too
		while (rest && strncmp(rest, "dpdk:", 5) != 0 && (item = next_item(&rest)))
			if (*item)
				set_item(a, key, name, item);
		if (rest)
			set_item(a, key, name, rest);
	}
	*origin = (struct config_origin){.from = CONFIG_FROM_ARGUMENT};
}

// What an unknown option may have been meant for.
struct names {
	const char *at[NAMES_MAX + 1]; // ends with NULL
	size_t count;
};

static void names_add(struct names *names, const char *name)
{
	if (name && names->count < NAMES_MAX)
		names->at[names->count++] = name;
}

static void fail_unknown(struct arguments *a, const char *name)
{
	static char options[CONFIG_KEY_MAX][64];
	struct names names = {.count = 0};
	const char *nearest;

	for (const struct config_option *o = a->command->options; o && o->name; o++)
		names_add(&names, o->name);
	names_add(&names, a->command->keys ? "config" : NULL);
	for (size_t i = 0; i < config_key_count(); i++) {
		if (!offers(a->command, &config_keys[i]))
			continue;
		config_option_name(options[i], sizeof(options[i]), config_keys[i].name);
		names_add(&names, options[i]);
		names_add(&names, config_keys[i].alias);
	}
	nearest = nearest_name(name, names.at);
	if (nearest)
		config_error_add(
		    a->errors, "there is no option --%s: did you mean --%s?", name, nearest);
	else
		config_error_add(a->errors, "there is no option --%s: \"%s --help\" lists them",
		    name, a->command->name);
}

// The value of an option: behind '=', or the next argument.
static const char *take_value(struct arguments *a, const char *name, const char *inline_value)
{
	if (inline_value)
		return inline_value;
	if (*a->next && strncmp(*a->next, "--", 2) != 0)
		return *a->next++;
	config_error_add(
	    a->errors, "--%s needs a value: \"%s --help\" says which", name, a->command->name);
	return NULL;
}

static void take_own(struct arguments *a, const struct config_option *option, const char *value)
{
	if (option->arg) {
		value = take_value(a, option->name, value);
		if (value)
			*option->value = value;
	} else if (value) {
		config_error_add(
		    a->errors, "--%s takes no value, found \"%s\"", option->name, value);
	} else {
		*option->value = "";
	}
}

static void take_help(struct arguments *a)
{
	static char text[16384];

	fputs(config_help(text, sizeof(text), a->command), stdout);
	a->done = 1;
}

static void take_option(struct arguments *a, const char *argument)
{
	const char *equals = strchr(argument, '=');
	const struct config_option *own;
	const struct config_key *key;
	const char *value;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", equals ? (int)(equals - argument) : 63, argument);
	value = equals ? equals + 1 : NULL;
	own = find_option(a->command, name);
	key = find_key(a->command, name);
	if (own) {
		take_own(a, own, value);
	} else if (!strcmp(name, "help")) {
		take_help(a);
	} else if (!strcmp(name, "version")) {
		printf("%s %s\n", a->command->name, FAIRWAY_VERSION);
		a->done = 1;
	} else if (a->command->keys && !strcmp(name, "config")) {
		a->line->file = take_value(a, name, value);
	} else if (key) {
		value = take_value(a, name, value);
		if (value)
			set_key(a, key, name, value);
	} else {
		fail_unknown(a, name);
		// what follows is probably its value
		if (!value && *a->next && **a->next != '-')
			a->next++;
	}
}

static void take_operand(struct arguments *a, char *argument)
{
	int max = sizeof(a->line->operands) / sizeof(a->line->operands[0]);

	if (!a->command->operands || a->line->operand_count == max)
		config_error_add(a->errors, "\"%s\" is not expected: \"%s --help\" says what is",
		    argument, a->command->name);
	else
		a->line->operands[a->line->operand_count++] = argument;
}

int config_read_args(struct config *config, const struct config_command *command, int argc,
    char **argv, struct config_line *line, struct config_errors *errors)
{
	struct arguments a = {
	    .config = config, .command = command, .line = line, .errors = errors, .next = argv};
	unsigned before = errors->count;
	bool options = true;

	*line = (struct config_line){0};
	if (argc > 0)
		a.next++;
	while (*a.next && !a.done) {
		char *argument = *a.next++;

		if (options && !strcmp(argument, "--"))
			options = false;
		else if (options && !strncmp(argument, "--", 2))
			take_option(&a, argument + 2);
		else if (options && !strcmp(argument, "-h"))
			take_help(&a);
		else if (options && argument[0] == '-' && argument[1])
			config_error_add(errors,
			    "\"%s\": options start with two dashes: \"%s --help\" lists them",
			    argument, command->name);
		else
			take_operand(&a, argument);
	}
	if (a.done)
		return 1;
	return errors->count == before ? 0 : -EINVAL;
}
