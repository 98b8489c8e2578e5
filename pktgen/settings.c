// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/settings.h"

#include "pktgen/exit_status.h"
#include "wire/endpoint.h"

#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SETTINGS_MAX = 32, NAME_MAX_SIZE = 64 };

_Noreturn void settings_refuse(const char *what, const char *value, const char *want)
{
	fprintf(stderr, "fairway-pktgen: %s %s: %s\n", what, value, want);
	exit(EXIT_USAGE);
}

static _Noreturn void refuse(const struct setting *s, const char *value, const char *want)
{
	char what[NAME_MAX_SIZE];

	snprintf(what, sizeof(what), "--%s", s->name);
	settings_refuse(what, value, want);
}

static double number(const struct setting *s, const char *value)
{
	char want[64], *end;
	double parsed = strtod(value, &end);

	if (end == value || *end || !(parsed >= s->low && parsed <= s->high)) {
		snprintf(want, sizeof(want), "give a number from %.10g to %.10g", s->low, s->high);
		refuse(s, value, want);
	}
	if (s->kind == SETTING_WHOLE && parsed != floor(parsed))
		refuse(s, value, "give a whole number");
	return parsed;
}

static void parse_endpoint(struct endpoint *out, const struct setting *s, const char *value)
{
	struct endpoint at;

	if (endpoint_parse(value, (uint16_t)s->low, &at) || !at.port)
		refuse(
		    s, value, "give an address and a port as 192.0.2.1:9001 or [2001:db8::1]:9001");
	*out = at;
}

static void parse_one(void *into, const struct setting *s, const char *usage, const char *value)
{
	void *at = (char *)into + s->at;

	switch (s->kind) {
	case SETTING_WHOLE:
		*(uint32_t *)at = (uint32_t)number(s, value);
		break;
	case SETTING_REAL:
		*(double *)at = number(s, value);
		break;
	case SETTING_ENDPOINT:
		parse_endpoint(at, s, value);
		break;
	case SETTING_TEXT:
		*(const char **)at = value;
		break;
	case SETTING_FLAG:
		*(bool *)at = true;
		break;
	case SETTING_OWN:
		s->parse(into, value);
		break;
	case SETTING_HELP:
		fputs(usage, stdout);
		exit(0);
	case SETTING_VERSION:
		puts("fairway-pktgen " FAIRWAY_VERSION);
		exit(0);
	}
}

static bool has_value(enum setting_kind kind)
{
	return kind != SETTING_FLAG && kind != SETTING_HELP && kind != SETTING_VERSION;
}

void settings_parse(
    void *into, const struct setting *list, const char *usage, int argc, char **argv)
{
	struct option options[SETTINGS_MAX + 1] = {{0}};
	int id, index = 0;

	for (int i = 0; list[i].name; i++) {
		if (i == SETTINGS_MAX)
			abort();
		options[i] = (struct option){.name = list[i].name,
		    .has_arg = has_value(list[i].kind) ? required_argument : no_argument};
	}
	optind = 1;
	while ((id = getopt_long(argc, argv, ":h", options, &index)) != -1) {
		if (id == ':')
			settings_refuse("option", argv[optind - 1], "needs a value, see --help");
		if (id == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		if (id == '?')
			settings_refuse("option", argv[optind - 1],
			    "there is none of that kind, --help lists them");
		parse_one(into, &list[index], usage, optarg);
	}
	if (optind < argc)
		settings_refuse("argument", argv[optind], "options begin with --, see --help");
}
