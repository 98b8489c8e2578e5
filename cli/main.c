// SPDX-License-Identifier: BSD-3-Clause
#include "cli/commands.h"
#include "cli/registry.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    {"up", "run a relay in the foreground", run_up},
    {"status", "is the relay well, and what does it serve", run_show},
    {"stats", "all counters", run_show},
    {"top", "live screen of rates, workers, links, drops, nodes", run_top},
    {"nodes", "the nodes that the relay knows", run_show},
    {"node", "one node in detail", run_node},
    {"peers", "peer relays and what they said", run_show},
    {"links", "network links and their state", run_show},
    {"drops", "datagrams that were not sent, by reason", run_show},
    {"trace", "decoded datagrams with their verdicts, live", run_trace},
    {"registry", "the embedded registry: its state, lists, backup", run_registry},
    {"networks", "the networks of the embedded registry", run_registry_list},
    {"find", "nodes of the embedded registry by their tags", run_registry_list},
    {"config", "check the configuration", run_config},
    {"reload", "make the relay read its configuration again", run_reload},
    {"version", "the version", run_version},
    {0},
};

struct config command_config;

void complain(const struct command *self, const char *text)
{
	char name[32];

	snprintf(name, sizeof(name), "fairway %s", self->name);
	config_complain(name, text);
}

// What goes into requests must be what JSON can hold.
static bool all_texts(int argc, char **argv, struct config_errors *errors)
{
	for (int i = 1; i < argc; i++) {
		json_t *text = json_string(argv[i]);

		if (!text)
			config_error_add(
			    errors, "argument %d is no UTF-8 text: write it as such", i);
		json_decref(text);
	}
	return !errors->count;
}

int read_line(const struct command *self, const struct config_command *shape, int argc, char **argv,
    struct config_line *line, int *status)
{
	static struct config_errors errors;
	int rc = -EINVAL;

	errors = (struct config_errors){0};
	if (all_texts(argc, argv, &errors))
		rc = config_read(&command_config, shape, argc, argv, line, &errors);
	if (rc < 0)
		complain(self, errors.text);
	*status = rc < 0 ? EXIT_USAGE : EXIT_OK;
	return rc;
}

bool read_number(
    const struct command *self, const char *name, const char *text, uint64_t min, uint64_t *value)
{
	struct parse_error error, named;

	if (!text || !parse_uint(text, min, UINT32_MAX, value, &error))
		return true;
	parse_error_set(&named, "--%s: %s", name, error.text);
	complain(self, named.text);
	return false;
}

int failure_status(const struct client *client)
{
	return client->away ? EXIT_NO_RELAY : EXIT_FAILED;
}

json_t *ask(const struct command *self, json_t *request, int *status)
{
	struct parse_error error;
	struct client client;
	json_t *result;

	if (client_open(&client, command_config.state, &error)) {
		json_decref(request);
		complain(self, error.text);
		*status = failure_status(&client);
		return NULL;
	}
	result = client_request(&client, request, &error);
	client_close(&client);
	*status = result ? EXIT_OK : failure_status(&client);
	if (!result)
		complain(self, error.text);
	return result;
}

void print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}

int run_version(const struct command *self, int argc, char **argv)
{
	const char *json = NULL;
	const struct config_option options[] = {{"json", NULL, "print JSON", &json}, {0}};
	const struct config_command shape = {
	    .name = "fairway version", .summary = self->summary, .options = options};
	struct config_line line;
	int status;

	if (read_line(self, &shape, argc, argv, &line, &status))
		return status;
	if (json)
		print_json(
		    json_pack("{s:s,s:b}", "version", FAIRWAY_VERSION, "dpdk", FAIRWAY_DPDK));
	else
		printf("fairway %s (links: sock, xdp%s)\n", FAIRWAY_VERSION,
		    FAIRWAY_DPDK ? ", dpdk" : "; built without dpdk");
	return EXIT_OK;
}

static void print_help(FILE *to)
{
	fputs("usage: fairway COMMAND [options]\n"
	      "A relay for the Pilot Protocol: runs it, and shows what it does.\n\n",
	    to);
	for (const struct command *c = commands; c->name; c++)
		fprintf(to, "  %-10s %s\n", c->name, c->summary);
	fputs("\n\"fairway COMMAND --help\" lists the options of a command. Exit status: 0 done, 1 "
	      "failed,\n2 wrong command line or configuration, 3 no relay is running there, or a "
	      "part of it\n"
	      "does not answer.\n",
	    to);
}

static int unknown(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0])] = {0}, *nearest;

	for (int i = 0; commands[i].name; i++)
		names[i] = commands[i].name;
	nearest = nearest_name(name, names);
	fprintf(stderr, "fairway: there is no command \"%s\": %s%s%s\n", name,
	    nearest ? "did you mean \"" : "\"fairway --help\" lists them", nearest ? nearest : "",
	    nearest ? "\"?" : "");
	return EXIT_USAGE;
}

// Output that did not arrive is a failure.
static int finish(int status)
{
	int rc = fflush(stdout);

	if (!rc && !ferror(stdout))
		return status;
	fprintf(stderr, "fairway: cannot write the output%s%s\n", rc ? ": " : "",
	    rc ? strerrordesc_np(errno) : "");
	return status == EXIT_OK ? EXIT_FAILED : status;
}

static int run(int argc, char **argv)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, argv[1]))
			return c->run(c, argc - 1, argv + 1);
	return unknown(argv[1]);
}

int main(int argc, char **argv)
{
	signal(SIGXFSZ, SIG_IGN); // a file size limit: writing fails with EFBIG
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    (!strcmp(argv[1], "help") && argc != 3)) {
		print_help(stdout);
		return finish(EXIT_OK);
	}
	if (!strcmp(argv[1], "help")) {
		argv[1] = argv[2];
		argv[2] = (char *)"--help";
	}
	if (!strcmp(argv[1], "--version"))
		argv[1] = (char *)"version";
	// a relay whose "ready" nobody read has served all the same
	return strcmp(argv[1], "up") ? finish(run(argc, argv)) : run(argc, argv);
}
