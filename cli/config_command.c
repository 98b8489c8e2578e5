// SPDX-License-Identifier: BSD-3-Clause
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

static const char *json_flag;
static char value[CONFIG_VALUE_MAX];

static void print_text(const struct config_line *line)
{
	char where[192];

	for (const struct config_key *k = config_keys; k->name; k++) {
		const struct config_origin *origin = &command_config.origins[k - config_keys];

		if (origin->from == CONFIG_FROM_FILE)
			snprintf(where, sizeof(where), "%s:%u", line->file, origin->line);
		else
			snprintf(where, sizeof(where), "%s",
			    origin->from == CONFIG_FROM_ARGUMENT ? "command line" : "default");
		printf("%-27s %-28s # %s\n", k->name,
		    config_format(value, sizeof(value), &command_config, k), where);
	}
	printf("ok: %s\n", line->file ? line->file : "no file named: these are the defaults");
}

static void print_settings(const struct config_line *line)
{
	json_t *keys = json_object();

	for (const struct config_key *k = config_keys; k->name; k++)
		json_object_set_new(keys, k->name,
		    json_string(config_format(value, sizeof(value), &command_config, k)));
	print_json(json_pack("{s:b,s:s?,s:o}", "ok", 1, "file", line->file, "settings", keys));
}

int run_config(const struct command *self, int argc, char **argv)
{
	const struct config_option options[] = {
	    {"json", NULL, "print the settings as JSON", &json_flag}, {0}};
	const struct config_command shape = {.name = "fairway config",
	    .summary = "Checks a configuration without starting anything and prints every key with "
		       "its value\nand where it comes from. Exit status 2 if it is wrong.",
	    .operands = "check [FILE]",
	    .file_operand = 2,
	    .options = options,
	    .keys = true};
	struct config_line line;
	struct parse_error error;
	int status, rc = read_line(self, &shape, argc, argv, &line, &status);

	if (rc)
		return status;
	if (!line.operand_count || strcmp(line.operands[0], "check") != 0 ||
	    line.operand_count > 2) {
		parse_error_set(&error,
		    "\"%s\" is not known, or not with so many words: write fairway "
		    "config check [FILE]",
		    line.operand_count ? line.operands[0] : "");
		complain(self, error.text);
		return EXIT_USAGE;
	}
	if (json_flag)
		print_settings(&line);
	else
		print_text(&line);
	return EXIT_OK;
}
