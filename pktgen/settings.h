// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>

// Command lines as tables: each option's name, kind, limits, and where its value goes.

enum setting_kind {
	SETTING_WHOLE,	  // uint32_t
	SETTING_REAL,	  // double
	SETTING_ENDPOINT, // struct endpoint; `low` is the port where none is given, 0: it must be
	SETTING_TEXT,	  // const char *, of the command line
	SETTING_FLAG,	  // bool, without a value
	SETTING_OWN,	  // `parse` knows
	SETTING_HELP,	  // prints the usage
	SETTING_VERSION,
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t at; // in what settings_parse() fills in
	double low, high;
	void (*parse)(void *into, const char *value); // SETTING_OWN; settings_refuse() if it must
};

// Fills in *into from argv[1] on. `list` ends with a setting without a name. Anything wrong ends
// the program with status 2 and a line on standard error that says what is and what would be right;
// --help and --version end it with 0.
void settings_parse(
    void *into, const struct setting *list, const char *usage, int argc, char **argv);

// `what` as on the command line, as "--to".
_Noreturn void settings_refuse(const char *what, const char *value, const char *want);
