// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/exit_status.h"
#include "cli/client.h"
#include "config/config.h"

#include <stdbool.h>

// A subcommand. `run` gets argv from its own name on and returns an exit status
// (base/exit_status.h).
struct command {
	const char *name;
	const char *summary;
	int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command commands[]; // ends with a NULL name

int run_up(const struct command *self, int argc, char **argv);
int run_show(const struct command *self, int argc, char **argv);
int run_node(const struct command *self, int argc, char **argv);
int run_top(const struct command *self, int argc, char **argv);
int run_trace(const struct command *self, int argc, char **argv);
int run_config(const struct command *self, int argc, char **argv);
int run_reload(const struct command *self, int argc, char **argv);
int run_version(const struct command *self, int argc, char **argv);

enum { LIMIT_DEFAULT = 100 }; // entries of a list that is shown

// Prints "fairway NAME: text" to standard error, each line of `text` so.
void complain(const struct command *self, const char *text);

// Reads the command line of a client command. Returns 0; otherwise it has printed what was to be
// said and *status is the exit status.
int read_line(const struct command *self, const struct config_command *shape, int argc, char **argv,
    struct config_line *line, int *status);
// The configuration that read_line() filled.
extern struct config command_config;

// A number that an option `name` gave; nothing happens without `text`. False: it has complained.
bool read_number(
    const struct command *self, const char *name, const char *text, uint64_t min, uint64_t *value);

// Connects, asks once and closes. NULL: it has complained; *status is the exit status.
json_t *ask(const struct command *self, json_t *request, int *status);
// Entries of the list `name` of the answers to `request` (taken over), page by page as if they had
// been one answer: at most `limit`, 0 = all, those behind `after` if that is not NULL.
json_t *ask_pages(const struct command *self, json_t *request, const char *name, uint64_t limit,
    const char *after, int *status);
// The exit status after a failure to connect or to be answered.
int failure_status(const struct client *client);
// Prints as JSON, indented, and a newline. Takes `value` over.
void print_json(json_t *value);
