// SPDX-License-Identifier: BSD-3-Clause
#include "cli/commands.h"
#include "cli/table.h"

#include <stdio.h>

// fairway reload: what SIGHUP does to fairway-cp, with the answer here.

static void print_keys(const char *what, const json_t *keys)
{
	char text[4096];

	if (*format_texts(text, sizeof(text), keys, " "))
		printf("%s: %s\n", what, text);
}

int run_reload(const struct command *self, int argc, char **argv)
{
	static const char *json_flag;
	static const struct config_option options[] = {
	    {"json", NULL, "print the relay's answer as JSON", &json_flag}, {0}};
	const struct config_command shape = {.name = "fairway reload",
	    .summary = "Makes the relay's control plane read its configuration and the file of "
		       "fleets again. If\nsomething is wrong with them, it says what and goes on "
		       "as before.",
	    .options = options};
	struct config_line line;
	json_t *result;
	int status;

	if (read_line(self, &shape, argc, argv, &line, &status))
		return status;
	result = ask(self, json_pack("{s:s}", "request", "reload"), &status);
	if (!result)
		return status;
	if (json_flag) {
		print_json(result);
		return EXIT_OK;
	}
	printf("reloaded\n");
	print_keys("changed and in effect", json_object_get(result, "applied"));
	print_keys("changed, needs a restart", json_object_get(result, "restart"));
	json_decref(result);
	return EXIT_OK;
}
