// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct config config;
static struct config_errors errors;

// As a file named f.yaml; returns the errors.
static const char *read_text(const char *text)
{
	uint8_t *copy = exact_copy(text, strlen(text));

	memset(&errors, 0, sizeof(errors));
	config_defaults(&config);
	if (!config_read_text(&config, "f.yaml", (const char *)copy, strlen(text), &errors))
		config_finish(&config, "f.yaml", &errors);
	free(copy);
	return errors.text;
}

#if FAIRWAY_DPDK
#define NO_DEVICE                                                                             \
	" names no device: write dpdk:0000:03:00.0 or dpdk:net_tap0,iface=NAME, at most 127 " \
	"characters"
#else
#define NO_DEVICE                                                                      \
	": this build has no dpdk links: install libdpdk-dev and libnftables-dev and " \
	"build again, or write xdp:IFACE[:QUEUES]"
#endif

static const struct {
	const char *text, *error;
} wrong[] = {
    // values
    {"workers: 900\n", "f.yaml:1:10: workers: \"900\" is out of range: 0 to 64"},
    {"\n\nworkers: two\n", "f.yaml:3:10: workers: \"two\" is no whole number from 0 to 64"},
    {"ttl: 0\n", "f.yaml:1:6: ttl: \"0\" is out of range: 1 to 255"},
    {"police:\n  source-rate: many\n",
	"f.yaml:2:16: police.source-rate: \"many\" is no whole number from 0 to 4294967295"},
    {"admission: {ttl: 10}\n", "f.yaml:1:18: admission.ttl: \"10\" is no duration: write a number "
			       "with us, ms, s, m, h or d"},
    {"admission:\n  silence: 8s\n",
	"f.yaml:2:12: admission.silence: \"8s\" is out of range: 30s to 24h"},
    {"admission: {policy: closed}\n", "f.yaml:1:21: admission.policy: \"closed\" is not known: "
				      "write open, anchored, signed or auto"},
    {"sender-check: maybe\n",
	"f.yaml:1:15: sender-check: \"maybe\" is not known: write ip, endpoint or off"},
    {"registry: sqlite\n",
	"f.yaml:1:11: registry: \"sqlite\" is no registry: write none, embedded or ADDR:PORT"},
    {"sock: {buffer: 1K}\n", "f.yaml:1:16: sock.buffer: \"1K\" is out of range: 64K to 1G"},
    {"gossip:\n  extra-ports: 9-1\n", "f.yaml:2:16: gossip.extra-ports: \"9-1\" is no range of "
				      "ports: write FIRST-LAST within 1 to 65535, or none"},
    {"gossip:\n  interval: 1h\n",
	"f.yaml:2:13: gossip.interval: \"1h\" is out of range: 1s to 80s"},
    // lists
    {"listen: 192.0.2.1\n",
	"f.yaml:1:9: listen: \"192.0.2.1\" names no port: write IP:PORT, IPv6 as [IP]:PORT"},
    {"listen:\n  - 192.0.2.1:9001\n  - x:1\n",
	"f.yaml:3:5: listen: \"x:1\" is no address: write IP:PORT, IPv6 as [IP]:PORT"},
    {"listen: [192.0.2.1:1, 192.0.2.1:1]\n",
	"f.yaml:1:23: listen: \"192.0.2.1:1\" is in the list twice: remove one"},
    {"listen: [[192.0.2.1:1]]\n", "f.yaml:1:10: listen: entries of this list are plain values, "
				  "those with brackets in quotes"},
    {"listen: [::]:9001\n",
	"f.yaml:1:10: did not find expected node content, while parsing a flow node (line 1): "
	"write addresses with brackets in quotes, as \"[::]:9001\""},
    {"ttl: 5\nlisten:\n  - [::1]:9001",
	"f.yaml:3:6: did not find expected node content, while parsing a flow node (line 3): write "
	"addresses with brackets in quotes, as \"[::]:9001\""},
    {"link: eth0\n", "f.yaml:1:7: link: \"eth0\" is no link: write "
		     "xdp:IFACE[:QUEUES][,mode=kernel], dpdk:DEVICE or sock"},
    {"link: xdp:\n", "f.yaml:1:10: mapping values are not allowed in this context: check "
		     "indentation and colons"},
    {"link: [xdp:a'b\"]\n",
	"f.yaml:1:8: link: \"xdp:a'b\"\" is no link: names have no spaces, quotes or backslashes"},
    {"link: [xdp:eth0:0]\n", "f.yaml:1:8: link: \"xdp:eth0:0\": the number of queues must be 1 to "
			     "64, or left out for all"},
    {"link: [\"dpdk:,x\"]\n", "f.yaml:1:8: link: \"dpdk:,x\"" NO_DEVICE},
#if FAIRWAY_DPDK
    {"link: [\"dpdk:net_tap0\", \"dpdk:net_tap01\", \"dpdk:net_tap0,mac=x\"]\n",
	"f.yaml:1:43: link: \"dpdk:net_tap0,mac=x\": the device net_tap0 is in the list twice: "
	"remove one, or name another as net_tap1"},
#endif
    {"link: xdp:a,mode=fast\n",
	"f.yaml:1:7: link: \"xdp:a,mode=fast\": write mode=kernel or mode=engine behind the comma"},
    {"link: xdp:a-name-that-is-too-long\n", "f.yaml:1:7: link: \"xdp:a-name-that-is-too-long\": "
					    "interface names have at most 15 characters"},
    {"cpus: [0, x]\n",
	"f.yaml:1:11: cpus: \"x\" is no core: write a number from 0 to 1023 or a range as 2-5"},
    // keys
    {"wokers: 2\n", "f.yaml:1:1: there is no key \"wokers\": did you mean \"workers\"?"},
    {"police:\n  sender_rate: 2\n",
	"f.yaml:2:3: there is no key \"police.sender_rate\": did you mean \"police.sender-rate\"?"},
    {"silence: 5s\n",
	"f.yaml:1:1: there is no key \"silence\": did you mean \"admission.silence\"?"},
    {"colour: red\n", "f.yaml:1:1: there is no key \"colour\": docs/configuration.md lists them"},
    {"workers: 1\nttl: 9\nworkers: 2\n",
	"f.yaml:3:1: workers is set a second time (first on line 1): remove one"},
    {"workers:\n",
	"f.yaml:1:9: workers has no value: write one, or remove the key for its default"},
    {"workers: [1]\n", "f.yaml:1:10: workers is a single value: write it behind the colon"},
    {"listen: {a: b}\n", "f.yaml:1:9: listen is a list of plain values: write them as [A, B]"},
    {"police: 5\n", "f.yaml:1:9: police is a group of keys: indent them below it"},
    {"[a]: b\n", "f.yaml:1:1: a key must be a plain word"},
    // addresses that are nobody's
    {"listen: 224.0.0.1:9001\n", "f.yaml:1:9: listen: \"224.0.0.1:9001\" is a multicast or "
				 "broadcast address: write one of one host"},
    {"listen: 255.255.255.255:9001\n", "f.yaml:1:9: listen: \"255.255.255.255:9001\" is a "
				       "multicast or broadcast address: write one of one host"},
    {"listen: \"[ff02::1]:9001\"\n", "f.yaml:1:9: listen: \"[ff02::1]:9001\" is a multicast or "
				     "broadcast address: write one of one host"},
    {"listen: \"[::ffff:192.0.2.1]:9001\"\n", "f.yaml:1:9: listen: \"[::ffff:192.0.2.1]:9001\" is "
					      "an IPv4 address in IPv6: write it as IPv4"},
    {"listen:\n  - \"[fe80::1%lo]:9001\"\n",
	"f.yaml:2:5: listen: \"[fe80::1%lo]:9001\" is link-local: nodes' and peer relays' "
	"addresses have no interface, so answers would not find them; write a global or private "
	"(fd00::/8) one"},
    {"gossip:\n  peers: [\"fe80::1\"]\n",
	"f.yaml:2:11: gossip.peers: \"fe80::1\" is link-local: nodes' and peer relays' addresses "
	"have no interface, so answers would not find them; write a global or private (fd00::/8) "
	"one"},
    // files
    {"just words\n", "f.yaml:1:1: the file must hold keys and values, as \"workers: 2\""},
    {"- a\n", "f.yaml:1:1: the file must hold keys and values, as \"workers: 2\""},
    {"ttl: 9\n---\nttl: 8\n", "f.yaml:3:1: a second document starts here: keep everything in one"},
    {"police:\n\tttl: 9\n",
	"f.yaml:2:1: found character that cannot start any token, while scanning for the next "
	"token (line 2): indent with blanks, YAML takes no tabs"},
    {"ttl: 9\nuser: \xc3\x28\n",
	"f.yaml:2:8: invalid trailing UTF-8 octet: save the file as UTF-8 text"},
    {"ttl: \x01\n", "f.yaml:1:6: control characters are not allowed: save the file as UTF-8 text"},
    {"a: [1\n", "f.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence (line "
		"1): check indentation and colons"},
    {"state: relative\n", "f.yaml:1:8: state: \"relative\" must be an absolute path"},
    {"registry-store: r.db\n", "f.yaml:1:17: registry-store: \"r.db\" must be an absolute path"},
    {"state: \"/a\\0b\"\n", "f.yaml:1:8: state: the value holds a zero byte"},
    // rules between keys
    {"xdp:\n  frames: 5000\n",
	"f.yaml:2:11: xdp.frames: 5000 is no power of two: write 4096, 8192 or 16384"},
    {"admission:\n  silence: 20m\n",
	"f.yaml:2:12: admission.silence: 20m is longer than admission.ttl (10m), after which the "
	"node is forgotten anyway: make it shorter"},
    {"listen: 192.0.2.1:9001\ngossip:\n  extra-ports: 9000-9002\n",
	"f.yaml:3:16: gossip.extra-ports: 9000-9002 holds port 9001, which listen serves: choose "
	"others"},
    {"gossip:\n  extra-ports: 10000-10063\n",
	"f.yaml:2:16: gossip.extra-ports: 64 ports and 1 listen addresses are more than the 64 "
	"that can be served: take fewer ports"},
    {"admission:\n  policy: anchored\n", "f.yaml:2:11: admission.policy: anchored needs a registry "
					 "that knows the nodes: set registry, or write auto"},
    {"gossip:\n  discover: on\n  beacon-id: 1\n",
	"f.yaml:2:13: gossip.discover: on needs an existing registry to ask: set registry to its "
	"ADDR:PORT"},
    {"registry: 192.0.2.1:9000\ngossip:\n  discover: on\n",
	"f.yaml:3:13: gossip.discover: on needs gossip.beacon-id, another one for each relay"},
    {"registry: embedded\nregistry-listen: 0.0.0.0:9000\nhttp-listen: 127.0.0.1:9000\n",
	"f.yaml:3:14: http-listen: \"127.0.0.1:9000\" is what registry-listen serves: take "
	"another"},
    {"registry: embedded\nregistry-listen: 127.0.0.1:9000\nhttp-listen: 127.0.0.2:9000\n", ""},
};

static void wrong_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_string_equal(read_text(wrong[i].text), wrong[i].error);
}

static void all_errors_are_told(void **state)
{
	(void)state;
	assert_string_equal(read_text("workers: x\npolice:\n  sorce-rate: 1\nttl: 999\n"),
	    "f.yaml:1:10: workers: \"x\" is no whole number from 0 to 64\n"
	    "f.yaml:3:3: there is no key \"police.sorce-rate\": did you mean "
	    "\"police.source-rate\"?\n"
	    "f.yaml:4:6: ttl: \"999\" is out of range: 1 to 255");
	assert_int_equal(errors.count, 3);
}

static void many_errors_do_not_overflow(void **state)
{
	static char text[20000];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 500; i++)
		len +=
		    (size_t)snprintf(text + len, sizeof(text) - len, "nothing-like-it-%d: 1\n", i);
	read_text(text);
	assert_int_equal(errors.count, 500);
	assert_int_equal(strlen(errors.text), sizeof(errors.text) - 1);
}

static void right_files(void **state)
{
	static const char *const texts[] = {"", "# only a comment\n", "---\n", "gossip:\nttl: 3\n",
	    "listen: []\n", "link: [sock]\n", "police.source-rate: 5\n", "cpus: 0-3\n",
	    "cpus: [0-1, 3]\n"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_string_equal(read_text(texts[i]), "");
}

static void values_arrive(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(
	    read_text(
		"listen: [\"[::1]:9001\", 192.0.2.1:9002]\n"
		"link:\n  - xdp:eth0:4\n  - sock\n  - xdp:eth1,mode=kernel\n"
		"cpus: [2, 4-5]\nstate: /x\nadmission:\n  policy: signed\n  silence: 2m\n"
		"sender-check: off\nsock:\n  buffer: 1M\nxdp: {mode: generic, zero-copy: off}\n"
		"gossip:\n  peers: [192.0.2.7, \"[2001:db8::1]:9\"]\n  extra-ports: 9100-9103\n"),
	    "");
	assert_int_equal(config.listen.count, 2);
	assert_string_equal(format_address(text, &config.listen.at[0]), "[::1]:9001");
	assert_string_equal(format_address(text, &config.listen.at[1]), "192.0.2.1:9002");
	assert_int_equal(config.links.count, 2);
	assert_string_equal(config.links.at[0].ifname, "eth0");
	assert_int_equal(config.links.at[0].queues, 4);
	assert_string_equal(config.links.at[1].ifname, "eth1");
	assert_int_equal(config.links.at[1].queues, 0);
	assert_int_equal(config.links.at[0].kernel, 0);
	assert_int_equal(config.links.at[1].kernel, 1);
	assert_int_equal(config.cpus.count, 3);
	assert_int_equal(config.cpus.at[2], 5);
	assert_string_equal(config.state, "/x");
	assert_int_equal(config.admission.policy, CONFIG_ADMISSION_SIGNED);
	assert_int_equal(config.admission.silence_ns, 120000000000ULL);
	assert_int_equal(config.sender_check, CONFIG_SENDER_OFF);
	assert_int_equal(config.sock_buffer, 1 << 20);
	assert_int_equal(config.xdp.mode, CONFIG_XDP_GENERIC);
	assert_int_equal(config.xdp.zero_copy, CONFIG_OFF);
	assert_int_equal(config.gossip.peers.count, 2);
	assert_int_equal(config.gossip.peers.at[0].v4.sin_port, 0);
	assert_int_equal(config.gossip.extra_ports.first, 9100);
	assert_int_equal(config.gossip.extra_ports.last, 9103);
}

static void the_example_is_right(void **state)
{
	(void)state;
	memset(&errors, 0, sizeof(errors));
	config_defaults(&config);
	assert_int_equal(config_read_file(&config, EXAMPLE, false, &errors), 0);
	assert_int_equal(config_finish(&config, EXAMPLE, &errors), 0);
	assert_string_equal(errors.text, "");
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	memset(&errors, 0, sizeof(errors));
	assert_int_equal(config_read_file(&config, "/no/such", false, &errors), -EINVAL);
	assert_string_equal(errors.text, "/no/such: cannot read the configuration: No such file or "
					 "directory: name another with --config");
	memset(&errors, 0, sizeof(errors));
	assert_int_equal(config_read_file(&config, "/", false, &errors), -EINVAL);
	assert_string_equal(errors.text, "/: cannot read the configuration: Is a directory: name "
					 "another with --config");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_files),
	    cmocka_unit_test(all_errors_are_told),
	    cmocka_unit_test(many_errors_do_not_overflow),
	    cmocka_unit_test(right_files),
	    cmocka_unit_test(values_arrive),
	    cmocka_unit_test(the_example_is_right),
	    cmocka_unit_test(files_that_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
