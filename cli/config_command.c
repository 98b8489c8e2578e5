// SPDX-License-Identifier: BSD-3-Clause
#include "cli/commands.h"
#include "config/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *json_flag;
static char value[CONFIG_VALUE_MAX];

// What the data plane will warn of, or refuse, when it starts on this machine.
__attribute__((format(printf, 2, 3))) static void warning_add(json_t *list, const char *format, ...)
{
	char text[512];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	json_array_append_new(list, json_string(text));
}

static void warn_of_link(
    json_t *list, const struct config *c, const struct config_link *l, struct machine_span span)
{
	int node = machine_find_device("/sys", l);
	int far = machine_find_far(&c->cpus, span, node);
	char cores[128];

	if (far < 0)
		return;
	machine_list_cores("/sys", node, cores, sizeof(cores));
	warning_add(list,
	    "link %s is on NUMA node %d, core %u of cpus on another one: slower; near it are cores "
	    "%s",
	    *l->device ? l->device : l->ifname, node, c->cpus.at[far], cores);
}

static json_t *warnings_make(const struct config *c)
{
	json_t *list = json_array();
	unsigned workers = machine_workers(c), queues = 0;
	int absent = machine_find_absent(&c->cpus);

	if (absent >= 0)
		warning_add(list,
		    "no worker can run on core %d of cpus here, it would not start: lscpu lists "
		    "those there are",
		    absent);
	if (workers > machine_cores())
		warning_add(list,
		    "more workers than cores (%u, %u here): they would take turns and wait for "
		    "each other; workers 0 follows queues and cores",
		    workers, machine_cores());
	if (c->cpus.count && workers > c->cpus.count)
		warning_add(list,
		    "cpus names fewer cores than there are workers (%u, %u workers here): the "
		    "others would not be pinned",
		    c->cpus.count, workers);
	for (uint32_t i = 0; i < c->links.count; i++) {
		const struct config_link *l = &c->links.at[i];
		unsigned n = machine_queues(c, l);

		n = n < workers ? n : workers;
		warn_of_link(list, c, l, (struct machine_span){queues % workers, n, workers});
		queues += n;
	}
	return list;
}

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

static void print_settings(const struct config_line *line, json_t *warnings)
{
	json_t *keys = json_object();

	for (const struct config_key *k = config_keys; k->name; k++)
		json_object_set_new(keys, k->name,
		    json_string(config_format(value, sizeof(value), &command_config, k)));
	print_json(json_pack("{s:b,s:s?,s:O,s:o}", "ok", 1, "file", line->file, "warnings",
	    warnings, "settings", keys));
}

int run_config(const struct command *self, int argc, char **argv)
{
	const struct config_option options[] = {
	    {"json", NULL, "print the settings as JSON", &json_flag}, {0}};
	const struct config_command shape = {.name = "fairway config",
	    .summary =
		"Checks a configuration without starting anything and prints every key with "
		"its value\nand where it comes from. Exit status 2 if it is wrong. Warns of "
		"cores that this\nmachine does not have, workers without one, and cores far from a "
		"link's device.",
	    .operands = "check [FILE]",
	    .file_operand = 2,
	    .options = options,
	    .once = true,
	    .keys = true};
	struct config_line line;
	struct parse_error error;
	json_t *warnings, *warning;
	size_t i;
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
	warnings = warnings_make(&command_config);
	if (json_flag)
		print_settings(&line, warnings);
	else
		print_text(&line);
	fflush(stdout); // they are the last words
	json_array_foreach(warnings, i, warning)
	{
		snprintf(value, sizeof(value), "warning: %s", json_string_value(warning));
		complain(self, value);
	}
	json_decref(warnings);
	return EXIT_OK;
}
