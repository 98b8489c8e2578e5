// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

static struct config config;
static struct config_errors errors;
static struct config_line line;
static const char *json, *limit;

static const struct config_option options[] = {
    {"json", NULL, "JSON", &json}, {"limit", "N", "at most N", &limit}, {0}};
static const struct config_command with_keys = {
    .name = "prog", .summary = "Does.", .options = options, .keys = true};
static const struct config_command with_operands = {
    .name = "prog", .summary = "Does.", .operands = "ID", .options = options};

// `text` split at blanks becomes argv[1] and on.
static int read_line(const struct config_command *command, const char *text)
{
	static char words[4096];
	char *argv[64] = {(char *)"prog"}, *rest = words, *word;
	int argc = 1;

	json = limit = NULL;
	snprintf(words, sizeof(words), "%s", text);
	while ((word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	return config_read(&config, command, argc, argv, &line, &errors);
}

static void wrong_lines(void **state)
{
	static const struct {
		const char *text, *error;
	} facts[] = {
	    {"--workers x", "--workers: \"x\" is no whole number from 0 to 64"},
	    {"--workers=x", "--workers: \"x\" is no whole number from 0 to 64"},
	    {"--wrkers 3", "there is no option --wrkers: did you mean --workers?"},
	    {"--frobnicate", "there is no option --frobnicate: \"prog --help\" lists them"},
	    {"--workers", "--workers needs a value: \"prog --help\" says which"},
	    {"--workers --ttl 5", "--workers needs a value: \"prog --help\" says which"},
	    {"--json=1", "--json takes no value, found \"1\""},
	    {"--limit", "--limit needs a value: \"prog --help\" says which"},
	    {"-x", "\"-x\": options start with two dashes: \"prog --help\" lists them"},
	    {"extra", "\"extra\" is not expected: \"prog --help\" says what is"},
	    {"-- --json", "\"--json\" is not expected: \"prog --help\" says what is"},
	    {"--admission maybe",
		"--admission: \"maybe\" is not known: write open, anchored, signed or auto"},
	    {"--registry nats",
		"--registry: \"nats\" is no registry: write none, embedded or ADDR:PORT"},
	    {"--listen 9001", "--listen: \"9001\" names no port: write IP:PORT, IPv6 as [IP]:PORT"},
	    {"--workers x --ttl 0", "--workers: \"x\" is no whole number from 0 to 64\n"
				    "--ttl: \"0\" is out of range: 1 to 255"},
	    {"--xdp-frames 3000",
		"--xdp-frames: 3000 is no power of two: write 4096, 8192 or 16384"},
	    {"--cpus 000000000000005x", "--cpus: \"000000000000005x\" is no core: write a number "
					"from 0 to 1023 or a range as 2-5"},
	    {"--cpus 5-2",
		"--cpus: \"5-2\" is no core: write a number from 0 to 1023 or a range as 2-5"},
	    {"--gossip-extra-ports 0000080x", "--gossip-extra-ports: \"0000080x\" is no range of "
					      "ports: write FIRST-LAST within 1 to 65535, or none"},
	    {"--link xdp:a:0000000000000000000000000008x",
		"--link: \"xdp:a:0000000000000000000000000008x\": the number of queues must be 1 "
		"to 64, or left out for all"},
	    {"--link xdp:a:",
		"--link: \"xdp:a:\": the number of queues must be 1 to 64, or left out for all"},
	    {"--link xdp:sixteen-letters-",
		"--link: \"xdp:sixteen-letters-\": interface names have at most 15 characters"},
	    {"--config /no/such", "/no/such: cannot read the configuration: No such file or "
				  "directory: name another with --config"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		assert_int_equal(read_line(&with_keys, facts[i].text), -EINVAL);
		assert_string_equal(errors.text, facts[i].error);
	}
}

static void only_state_without_keys(void **state)
{
	(void)state;
	assert_int_equal(read_line(&with_operands, "--state /x 5 --json"), 0);
	assert_string_equal(config.state, "/x");
	assert_int_equal(line.operand_count, 1);
	assert_string_equal(line.operands[0], "5");
	assert_non_null(json);
	assert_int_equal(read_line(&with_operands, "--workers 2"), -EINVAL);
	assert_string_equal(
	    errors.text, "there is no option --workers: \"prog --help\" lists them");
	assert_int_equal(read_line(&with_operands, "--config x"), -EINVAL);
}

static void lists(void **state)
{
	(void)state;
	assert_int_equal(
	    read_line(&with_keys, "--listen 192.0.2.1:1 --listen=192.0.2.1:2,192.0.2.1:3"), 0);
	assert_int_equal(config.listen.count, 3);
	assert_int_equal(read_line(&with_keys, "--cpus 0-2,4 --link xdp:a --link sock"), 0);
	assert_int_equal(config.cpus.count, 4);
	assert_int_equal(config.links.count, 1);
	assert_int_equal(
	    read_line(&with_keys, "--link xdp:a,mode=engine,xdp:b:2,mode=kernel,xdp:c"), 0);
	assert_int_equal(config.links.count, 3);
	assert_int_equal(config.links.at[0].kernel, 0);
	assert_string_equal(config.links.at[1].ifname, "b");
	assert_int_equal(config.links.at[1].queues, 2);
	assert_int_equal(config.links.at[1].kernel, 1);
	assert_int_equal(config.links.at[2].kernel, 0);
#if FAIRWAY_DPDK
	assert_int_equal(read_line(&with_keys, "--link xdp:a,dpdk:net_tap0,iface=b,mac=fixed"), 0);
	assert_int_equal(config.links.count, 2);
	assert_string_equal(config.links.at[0].ifname, "a");
	assert_string_equal(config.links.at[1].ifname, "");
	assert_string_equal(config.links.at[1].device, "net_tap0,iface=b,mac=fixed");
#endif
}

static void precedence(void **state)
{
	char path[FILE_MAX], text[256];
	const struct config_key *ttl = config_key_find("ttl");

	(void)state;
	file_new(path, "ttl: 10\nworkers: 3\nlisten: [192.0.2.1:1, 192.0.2.1:2]\n");
	snprintf(text, sizeof(text), "--ttl 20 --config %s --listen 192.0.2.9:9", path);
	assert_int_equal(read_line(&with_keys, text), 0);
	assert_int_equal(config.ttl, 20);
	assert_int_equal(config.workers, 3);
	assert_int_equal(config.xdp.frames, 8192);
	assert_int_equal(config.listen.count, 1);
	assert_int_equal(config.origins[ttl - config_keys].from, CONFIG_FROM_ARGUMENT);
	assert_int_equal(config.origins[config_key_find("workers") - config_keys].line, 2);
	assert_int_equal(
	    config.origins[config_key_find("user") - config_keys].from, CONFIG_FROM_DEFAULT);
}

static void defaults(void **state)
{
	(void)state;
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(read_line(&with_keys, ""), 0);
	assert_int_equal(config.listen.count, 1);
	assert_int_equal(config.nodes_capacity, 1000000);
	assert_int_equal(config.admission.silence_ns, 90000000000ULL);
	if (geteuid() == 0)
		assert_string_equal(config.state, "/run/fairway");
	else
		assert_non_null(strstr(config.state, "/tmp/fairway-"));
}

static void relative_state_is_from_here(void **state)
{
	char cwd[256], expected[300];

	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(expected, sizeof(expected), "%s/here", cwd);
	assert_int_equal(read_line(&with_keys, "--state here"), 0);
	assert_string_equal(config.state, expected);
}

// What is shown for a value is read back as the same value.
static void values_both_ways(void **state)
{
	static struct config back;
	char text[4096], file[8192] = "";
	size_t len = 0;

	(void)state;
	assert_int_equal(
	    read_line(&with_keys,
		"--listen [::1]:9001 --link xdp:eth0:2,mode=kernel --cpus 1-3 --gossip-peers "
		"192.0.2.1 --gossip-extra-ports 9100-9104 --admission signed --sock-buffer 3M"),
	    0);
	for (const struct config_key *k = config_keys; k->name; k++)
		len += (size_t)snprintf(file + len, sizeof(file) - len, "%s: %s\n", k->name,
		    config_format(text, sizeof(text), &config, k));
	config_defaults(&back);
	config_read_text(&back, "back", file, strlen(file), &errors);
	assert_string_equal(errors.text, "");
	for (const struct config_key *k = config_keys; k->name; k++)
		assert_memory_equal(
		    (char *)&config + k->offset, (char *)&back + k->offset, k->size);
}

static int changes;
static char last_change[64];

static void changed(void *context, const struct config_key *key)
{
	(void)context;
	changes++;
	snprintf(last_change, sizeof(last_change), "%s", key->name);
}

static void changes_are_found(void **state)
{
	static struct config before;

	(void)state;
	assert_int_equal(read_line(&with_keys, "--cpus 1"), 0);
	before = config;
	config_compare(&before, &config, changed, NULL);
	assert_int_equal(changes, 0);
	assert_int_equal(read_line(&with_keys, "--cpus 2"), 0);
	config_compare(&before, &config, changed, NULL);
	assert_int_equal(changes, 1);
	assert_string_equal(last_change, "cpus");
}

static void the_longest_value_has_room(void **state)
{
	static char text[CONFIG_VALUE_MAX], again[CONFIG_VALUE_MAX];
	const struct config_key *peers = config_key_find("gossip.peers");
	char peer[64];

	(void)state;
	config_defaults(&config);
	for (unsigned i = 0; i < CONFIG_PEER_MAX; i++) {
		snprintf(
		    peer, sizeof(peer), "[2001:db8:1111:2222:3333:4444:5555:%x]:65535", 0x1000 + i);
		assert_int_equal(config_set(&config, peers, peer, NULL), 0);
	}
	config_format(text, sizeof(text), &config, peers);
	assert_string_equal(text + strlen(text) - 2, "\"]");
	config_format(again, strlen(text) + 1, &config, peers);
	assert_string_equal(again, text);
}

static void help_names_every_key(void **state)
{
	static char text[16384];
	char name[64];

	(void)state;
	config_help(text, sizeof(text), &with_keys);
	for (const struct config_key *k = config_keys; k->name; k++) {
		char option[48];

		config_option_name(option, sizeof(option), k->alias ? k->alias : k->name);
		snprintf(name, sizeof(name), "--%s ", option);
		assert_non_null(strstr(text, name));
	}
	assert_non_null(strstr(text, "--json"));
	assert_true(strlen(text) < sizeof(text) - 1);
	config_help(text, sizeof(text), &with_operands);
	assert_non_null(strstr(text, "usage: prog [options] ID\n"));
	assert_null(strstr(text, "--workers"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_lines),
	    cmocka_unit_test(only_state_without_keys),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(precedence),
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(relative_state_is_from_here),
	    cmocka_unit_test(values_both_ways),
	    cmocka_unit_test(changes_are_found),
	    cmocka_unit_test(the_longest_value_has_room),
	    cmocka_unit_test(help_names_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
