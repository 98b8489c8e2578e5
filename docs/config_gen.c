// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <stdio.h>
#include <string.h>

// Prints docs/configuration.md ("markdown") or docs/man/fairway.yaml.5.scd ("man") from the table
// in config/keys.c.

static const char *const type_names[] = {
    [CONFIG_UINT] = "number",
    [CONFIG_SIZE] = "size (`64K`, `16M`)",
    [CONFIG_DURATION] = "time (`250ms`, `90s`, `10m`, `1h`)",
    [CONFIG_CHOICE] = "word",
    [CONFIG_TEXT] = "text",
    [CONFIG_ADDRESS] = "`ADDR:PORT`",
    [CONFIG_REGISTRY] = "`none`, `embedded` or `ADDR:PORT`",
    [CONFIG_PORTS] = "`FIRST-LAST` or `none`",
    [CONFIG_LISTEN] = "list of `ADDR:PORT`",
    [CONFIG_LINKS] = "list of links",
    [CONFIG_CPUS] = "list of cores",
    [CONFIG_PEERS] = "list of `ADDR` or `ADDR:PORT`",
};

static const char example[] = "listen:\n"
			      "  - \"[::]:9001\"\n"
			      "link:\n"
			      "  - xdp:eth0\n"
			      "police:\n"
			      "  source-rate: 500\n"
			      "gossip:\n"
			      "  peers: [192.0.2.10:9001, 192.0.2.11:9001]\n"
			      "  beacon-id: 1\n"
			      "log:\n"
			      "  format: json\n";

static const char markdown_head[] =
    "# Configuration\n"
    "\n"
    "Generated from `config/keys.c` (`make docs`); a unit test compares.\n"
    "\n"
    "One YAML file, named with `--config FILE`; nothing is read if none is named. Each key is also "
    "an\n"
    "option of `fairway up`, `fairway-dp` and `fairway-cp`: `group.key` is `--group-key VALUE` or\n"
    "`--group-key=VALUE`. The command line wins over the file, the file over the default; the\n"
    "environment is not asked. A list is replaced as a whole, an option of a list may be repeated "
    "or\n"
    "hold commas. `fairway config check FILE` checks a file and shows every value and where it "
    "comes\n"
    "from. Errors name file, line and column; unknown keys are errors.\n"
    "\n"
    "On SIGHUP `fairway up` and `fairway-cp` read the file again: keys with *reload* take effect "
    "at\n"
    "once and without loss, others when the relay is restarted. So it must be a regular file; "
    "only\n"
    "`config check` takes a pipe, too.\n";

static const char man_head[] =
    "fairway.yaml(5)\n"
    "\n"
    "# NAME\n"
    "\n"
    "fairway.yaml - configuration of a Fairway relay\n"
    "\n"
    "# DESCRIPTION\n"
    "\n"
    "A YAML file, named with *--config* _FILE_; nothing is read if none is named. Each key is also "
    "an\n"
    "option of *fairway up*, *fairway-dp* and *fairway-cp*: _group.key_ is *--group-key* _VALUE_. "
    "The\n"
    "command line wins over the file, the file over the default; the environment is not asked. A "
    "list\n"
    "is replaced as a whole; an option of a list may be repeated or hold commas.\n"
    "\n"
    "*fairway config check* _FILE_ checks a file and shows every value and where it comes from.\n"
    "\n"
    "On SIGHUP *fairway up* and *fairway-cp* read the file again: keys marked _reload_ take effect "
    "at\n"
    "once and without loss, others when the relay is restarted. So it must be a regular file; "
    "only\n"
    "*config check* takes a pipe, too.\n"
    "\n"
    "# KEYS\n";

static const char *default_of(const struct config_key *key)
{
	if (!key->value)
		return key->computed;
	if (!*key->value)
		return config_is_list(key) ? "none" : "empty";
	return key->value;
}

// "number, 1 to 255": type, and range or words.
static void format_values(char *out, size_t size, const struct config_key *key)
{
	char low[64], high[64];
	size_t len = 0;

	*out = 0;
	if (key->type == CONFIG_CHOICE) {
		for (int i = 0; key->choices[i]; i++)
			len += (size_t)snprintf(
			    out + len, size - len, "%s`%s`", i ? ", " : "", key->choices[i]);
	} else if (key->type == CONFIG_UINT) {
		snprintf(out, size, "number, %llu to %llu", (unsigned long long)key->min,
		    (unsigned long long)key->max);
	} else if (key->type == CONFIG_SIZE) {
		snprintf(out, size, "size, %s to %s", format_size(low, key->min),
		    format_size(high, key->max));
	} else if (key->type == CONFIG_DURATION) {
		snprintf(out, size, "time, %s to %s", format_duration(low, key->min),
		    format_duration(high, key->max));
	} else {
		snprintf(out, size, "%s", type_names[key->type]);
	}
}

static void print_markdown(void)
{
	char values[256] = "";

	fputs(markdown_head, stdout);
	printf("\n```yaml\n%s```\n\n", example);
	printf(
	    "Sizes: bytes, or a number with K, M or G (powers of 1024). Times: a number with us, "
	    "ms, s, m, h or d.\n\n");
	printf("| key | values | default | reload | meaning |\n|---|---|---|---|---|\n");
	for (const struct config_key *k = config_keys; k->name; k++) {
		format_values(values, sizeof(values), k);
		printf("| `%s` | %s | %s | %s | %s |\n", k->name, values, default_of(k),
		    k->reload ? "yes" : "", k->help);
	}
}

// Backquotes become bold.
static void print_bold(const char *text)
{
	for (; *text; text++)
		putchar(*text == '`' ? '*' : *text);
}

static void print_man(void)
{
	char values[256] = "";

	fputs(man_head, stdout);
	for (const struct config_key *k = config_keys; k->name; k++) {
		format_values(values, sizeof(values), k);
		printf("\n*%s*: ", k->name);
		print_bold(values);
		printf("; default ");
		print_bold(default_of(k));
		printf("%s\n\t", k->reload ? "; _reload_" : "");
		print_bold(k->help);
		printf("\n");
	}
	printf("\n# EXAMPLE\n\n```\n%s```\n\n# SEE ALSO\n\n*fairway*(1), *fairway-dp*(8), "
	       "*fairway-cp*(8)\n",
	    example);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "markdown"))
		print_markdown();
	else if (argc == 2 && !strcmp(argv[1], "man"))
		print_man();
	else
		return 2;
	return 0;
}
