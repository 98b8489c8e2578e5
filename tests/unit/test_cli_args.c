// SPDX-License-Identifier: BSD-3-Clause
#include "base/exit_status.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The fairway and fairway-pktgen programs themselves: what they say and how they exit.

static char output[65536];

// `output` holds both streams. The shell knows STATE, a directory, and PORT, a free one. Returns
// the exit status.
static int run_program(const char *program, const char *arguments)
{
	char command[512];
	FILE *pipe;
	size_t n;
	int status;

	snprintf(command, sizeof(command), "%s %s 2>&1", program, arguments);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = 0;
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run(const char *arguments)
{
	return run_program(FAIRWAY, arguments);
}

static void wrong_lines(void **state)
{
	static const struct {
		const char *arguments;
		int status;
		const char *output;
	} facts[] = {
		{"stauts", EXIT_USAGE,
		    "fairway: there is no command \"stauts\": did you mean \"stats\"?\n"},
		{"frobnicate", EXIT_USAGE,
		    "fairway: there is no command \"frobnicate\": \"fairway --help\" lists them\n"},
		{"up extra", EXIT_USAGE,
		    "fairway up: \"extra\" is not expected: \"fairway up --help\" says what is\n"},
		{"up --workers x --ttl 0", EXIT_USAGE,
		    "fairway up: --workers: \"x\" is no whole number from 0 to 64\n"
		    "fairway up: --ttl: \"0\" is out of range: 1 to 255\n"},
		{"up --registry etcd", EXIT_USAGE,
		    "fairway up: --registry: \"etcd\" is no registry: write none, embedded or "
		    "ADDR:PORT\n"},
		{"up --json", EXIT_USAGE,
		    "fairway up: there is no option --json: \"fairway up --help\" lists them\n"},
		{"status --jsn", EXIT_USAGE,
		    "fairway status: there is no option --jsn: did you mean --json?\n"},
		{"nodes --limit x", EXIT_USAGE,
		    "fairway nodes: --limit: \"x\" is no whole number from 0 to 4294967295\n"},
		{"find finance $(printf '\\377')", EXIT_USAGE,
		    "fairway find: argument 2 is no UTF-8 text: write it as such\n"},
		{"registry nodes --limit -1", EXIT_USAGE,
		    "fairway registry: --limit: \"-1\" is no whole number from 0 to 4294967295\n"},
		{"find x --network 0", EXIT_USAGE,
		    "fairway find: --network: \"0\" is out of range: 1 to 4294967295\n"},
		{"networks --store x", EXIT_USAGE,
		    "fairway networks: there is no option --store: did you mean --state?\n"},
		{"node", EXIT_USAGE,
		    "fairway node: name one node: fairway node ID (\"fairway nodes\" lists "
		    "them)\n"},
		{"node 0", EXIT_USAGE, "fairway node: \"0\" is out of range: 1 to 4294967295\n"},
		{"node 4294967296", EXIT_USAGE,
		    "fairway node: \"4294967296\" is out of range: 1 to 4294967295\n"},
		{"trace --sample 0", EXIT_USAGE,
		    "fairway trace: --sample: \"0\" is out of range: 1 to 4294967295\n"},
		{"top --interval 1", EXIT_USAGE,
		    "fairway top: --interval: \"1\" is no duration: write a number with us, ms, s, "
		    "m, "
		    "h or d\n"},
		{"top --count 0", EXIT_USAGE,
		    "fairway top: --count: \"0\" is out of range: 1 to 4294967295\n"},
		{"config", EXIT_USAGE,
		    "fairway config: \"\" is not known, or not with so many words: write fairway "
		    "config check [FILE]\n"},
		{"registry backup", EXIT_USAGE,
		    "fairway registry: \"backup\" is not known, or not with so many words: write "
		    "fairway registry status, nodes, networks, trust, audit, backup FILE, restore "
		    "FILE, import FILE or token FILE\n"},
		{"config check /no/such", EXIT_USAGE,
		    "fairway config: /no/such: cannot read the configuration: No such file or "
		    "directory: name another with --config\n"},
		{"up --link xdp:no-such-if --state $STATE --listen 127.0.0.1:1", EXIT_FAILED,
		    "fairway up: link xdp:no-such-if: there is no interface \"no-such-if\": \"ip "
		    "link\" lists them\n"},
#if FAIRWAY_DPDK
		{"up --link dpdk:net_af_xdp0,iface=no-such-if,queue_count=1 --state $STATE "
		 "--listen "
		 "127.0.0.1:1",
		    EXIT_FAILED,
		    "fairway up: link dpdk:net_af_xdp0,iface=no-such-if,queue_count=1: there is no "
		    "interface \"no-such-if\": \"ip link\" lists them\n"},
#endif
		{"status --state /etc/passwd", EXIT_FAILED,
		    "fairway status: cannot reach the relay with state directory /etc/passwd: Not "
		    "a "
		    "directory\n"},
		{"up --listen 203.0.113.7:9001 --state $STATE", EXIT_FAILED,
		    "fairway up: 203.0.113.7:9001: no interface of this machine has the address: "
		    "\"ip "
		    "addr\" lists them\n"},
		{"up --state /proc/no", EXIT_USAGE,
		    "fairway up: cannot make directory /proc/no: No such file or directory: name "
		    "another with --state\n"},
		{"up --listen 127.0.0.1:$PORT --state $STATE --registry embedded --registry-store "
		 "/proc/no/r.db",
		    EXIT_USAGE,
		    "fairway up: cannot make directory /proc/no: No such file or directory: name "
		    "another with --registry-store\n"},
		{"up --listen 127.0.0.1:$PORT --state $STATE --registry embedded --registry-store "
		 "/proc",
		    EXIT_USAGE,
		    "fairway up: /proc is a directory: name a file in one of its own with "
		    "--registry-store\n"},
		{"up --listen 127.0.0.1:$PORT --state $STATE --registry embedded --registry-listen "
		 "127.0.0.1:$PORT --registry-fleets /no/such",
		    EXIT_USAGE,
		    "fairway up: registry-fleets /no/such: No such file or directory\n"},
		{"up --listen 127.0.0.1:$PORT --state $STATE --http-listen 203.0.113.7:80",
		    EXIT_FAILED,
		    "fairway up: 203.0.113.7:80: no interface of this machine has the address: "
		    "\"ip "
		    "addr\" lists them\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		assert_int_equal(run(facts[i].arguments), facts[i].status);
		assert_string_equal(output, facts[i].output);
	}
}

static void wrong_generator_lines(void **state)
{
	static const struct {
		const char *arguments, *output;
	} facts[] = {
	    {"foo", "mode foo: give register, relay, latency, ndr, garbage or registry"},
	    {"--to ::1", "mode (absent): name it before the options, see --help"},
	    {"relay", "--to (absent): give the relay's address, as --to 127.0.0.1:9001"},
	    {"relay --to", "option --to: needs a value, see --help"},
	    {"relay --to 192.0.2.1:0", "--to 192.0.2.1:0: give an address and a port as "
				       "192.0.2.1:9001 or [2001:db8::1]:9001"},
	    {"relay --to ::1 --foo", "option --foo: there is none of that kind, --help lists them"},
	    {"relay --to ::1 more", "argument more: options begin with --, see --help"},
	    {"relay --to ::1 --size 9", "--size 9: give a number from 16 to 65000"},
	    {"relay --to ::1 --size 17.5", "--size 17.5: give a whole number"},
	    {"relay --to ::1 --link eth0", "--link eth0: give sock, xdp:INTERFACE or dpdk:DEVICE"},
	    {"relay --to ::1 --from 192.0.2.1",
		"--from 192.0.2.1: --to is IPv6, give an address of that family"},
	    {"relay --to ::1 --json /proc/no", "--json /proc/no: No such file or directory"},
	    {"garbage --to ::1 --kind x", "--kind x: give random, discover or spoofed"},
	    {"registry", "--to (absent): give the registry's address, as --to 127.0.0.1:9000"},
	    {"registry --to ::1 --phases poll,foo",
		"--phases foo: there is no such phase, --help lists them"},
	    {"registry --to ::1 --nodes 0", "--nodes 0: give a number from 1 to 4294967295"},
	    {"registry --to ::1 --pid 4194305",
		"--pid 4194305: give the id of a process that runs here"},
	};
	char expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		assert_int_equal(run_program(PKTGEN, facts[i].arguments), EXIT_USAGE);
		snprintf(expected, sizeof(expected), "fairway-pktgen: %s\n", facts[i].output);
		assert_string_equal(output, expected);
	}
}

static void no_relay(void **state)
{
	static const char *const names[] = {
	    "status", "stats", "top", "nodes", "node 5", "peers", "links", "drops", "trace"};
	char arguments[128], expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(arguments, sizeof(arguments), "%s --state /tmp/fw-no-relay", names[i]);
		assert_int_equal(run(arguments), EXIT_NO_RELAY);
		snprintf(expected, sizeof(expected),
		    "fairway %.*s: no relay is running with state directory /tmp/fw-no-relay",
		    (int)strcspn(names[i], " "), names[i]);
		assert_memory_equal(output, expected, strlen(expected));
		assert_non_null(strstr(output, "--state"));
	}
}

static void every_command_has_help(void **state)
{
	static const char *const names[] = {"up", "status", "stats", "top", "nodes", "node",
	    "peers", "links", "drops", "trace", "config", "version"};
	char arguments[64];

	(void)state;
	assert_int_equal(run("--help"), EXIT_OK);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(arguments, sizeof(arguments), "  %-10s ", names[i]);
		assert_int_equal(run("--help"), EXIT_OK);
		assert_non_null(strstr(output, arguments));
		snprintf(arguments, sizeof(arguments), "%s --help", names[i]);
		assert_int_equal(run(arguments), EXIT_OK);
		snprintf(arguments, sizeof(arguments), "usage: fairway %s [options]", names[i]);
		assert_memory_equal(output, arguments, strlen(arguments));
		if (strcmp(names[i], "up") != 0)
			assert_non_null(strstr(output, "--json"));
	}
	assert_int_equal(run("up --help"), EXIT_OK);
	assert_null(strstr(output, " \n"));
	assert_non_null(strstr(output, "--log-format logfmt|json"));
	assert_int_equal(run("help nodes"), EXIT_OK);
	assert_memory_equal(output, "usage: fairway nodes", 20);
	assert_int_equal(run(""), EXIT_USAGE);
}

static void generator_help(void **state)
{
	static const char *const lines[] = {
	    "--help", "-h", "relay --help", "ndr -h", "registry -h"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(run_program(PKTGEN, lines[i]), EXIT_OK);
		assert_memory_equal(output, "usage: fairway-pktgen", 21);
	}
	for (const char *const *mode = (const char *const[]){"", "relay ", "registry ", NULL};
	     *mode; mode++) {
		char line[64];

		snprintf(line, sizeof(line), "%s--version", *mode);
		assert_int_equal(run_program(PKTGEN, line), EXIT_OK);
		assert_string_equal(output, "fairway-pktgen " FAIRWAY_VERSION "\n");
	}
}

#if FAIRWAY_DPDK
#define VERSION_LINE "fairway " FAIRWAY_VERSION " (links: sock, xdp, dpdk)\n"
#define VERSION_JSON "{\n  \"version\": \"" FAIRWAY_VERSION "\",\n  \"dpdk\": true\n}\n"
#else
#define VERSION_LINE "fairway " FAIRWAY_VERSION " (links: sock, xdp; built without dpdk)\n"
#define VERSION_JSON "{\n  \"version\": \"" FAIRWAY_VERSION "\",\n  \"dpdk\": false\n}\n"
#endif

static void versions(void **state)
{
	(void)state;
	assert_int_equal(run("version"), EXIT_OK);
	assert_string_equal(output, VERSION_LINE);
	assert_int_equal(run("--version"), EXIT_OK);
	assert_string_equal(output, VERSION_LINE);
	assert_int_equal(run("version --json"), EXIT_OK);
	assert_string_equal(output, VERSION_JSON);
}

static void lost_output_is_a_failure(void **state)
{
	static const char *const commands[] = {"version", "--help", "config check --json"};
	char arguments[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(arguments, sizeof(arguments), "%s >/dev/full", commands[i]);
		assert_int_equal(run(arguments), EXIT_FAILED);
		snprintf(arguments, sizeof(arguments), "%s > $STATE/output", commands[i]);
		assert_int_equal(run_program("ulimit -f 0; " FAIRWAY, arguments), EXIT_FAILED);
	}
}

static void configurations(void **state)
{
	char path[FILE_MAX], arguments[128], expected[256];
	int fd;

	(void)state;
	file_new(path, "ttl: 9\nworkrs: 2\n");
	snprintf(arguments, sizeof(arguments), "config check %s", path);
	assert_int_equal(run(arguments), EXIT_USAGE);
	snprintf(expected, sizeof(expected),
	    "fairway config: %s:2:1: there is no key \"workrs\": did you mean \"workers\"?\n",
	    path);
	assert_string_equal(output, expected);
	assert_int_equal(truncate(path, 7), 0);
	assert_int_equal(run(arguments), EXIT_OK);
	snprintf(expected, sizeof(expected), "%-27s %-28s # %s:1\n", "ttl", "9", path);
	assert_non_null(strstr(output, expected));
	// rules between keys are judged with those of the file, however it is named
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "registry: embedded\n", 19), 19);
	close(fd);
	snprintf(arguments, sizeof(arguments), "config check %s --admission anchored", path);
	assert_int_equal(run(arguments), EXIT_OK);
	snprintf(arguments, sizeof(arguments), "config check --json --ttl 8 --config %s", path);
	assert_int_equal(run(arguments), EXIT_OK);
	assert_non_null(strstr(output, "\"ttl\": \"8\""));
}

// What a start would warn of, or refuse; the machine has one core meanwhile.
// Who serves reads it again, in both programs and at each reload; a check does not.
static void configurations_from_a_pipe(void **state)
{
	(void)state;
	assert_int_equal(
	    run_program("echo 'ttl: 9' | " FAIRWAY, "config check /dev/stdin"), EXIT_OK);
	assert_non_null(strstr(output, "# /dev/stdin:1\n"));
	assert_int_equal(
	    run_program("echo 'ttl: 9' | " FAIRWAY, "up --config /dev/stdin --state $STATE"),
	    EXIT_USAGE);
	assert_string_equal(output,
	    "fairway up: /dev/stdin: cannot read the configuration: it is no regular file, which "
	    "could be read again: name another with --config\n");
}

static void checks_tell_of_the_machine(void **state)
{
	static const struct {
		const char *arguments, *first, *last;
	} facts[] = {
	    {"--workers 1", NULL, NULL},
	    {"--cpus 1023", "warning: no worker can run on core 1023 of cpus here", NULL},
	    {"--workers 2", "warning: more workers than cores (2, 1 here)", NULL},
	    {"--workers 1 --cpus $CPU", NULL, NULL},
	    {"--workers 0 --cpus $CPU", NULL, NULL},
	    {"--workers 2 --cpus $CPU", "warning: more workers than cores",
		"warning: cpus names fewer cores than there are workers (1, 2 workers here)"},
	};
	cpu_set_t before, one;
	char arguments[128], number[12];
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	snprintf(number, sizeof(number), "%d", cpu);
	setenv("CPU", number, 1);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		const char *found, *next;

		snprintf(arguments, sizeof(arguments), "config check %s", facts[i].arguments);
		assert_int_equal(run(arguments), EXIT_OK);
		found = strstr(output, "warning: ");
		assert_int_equal(found != NULL, facts[i].first != NULL);
		if (!found)
			continue;
		assert_true(found > strstr(output, "ok: ")); // the last words
		assert_memory_equal(found, facts[i].first, strlen(facts[i].first));
		next = strstr(found + 1, "warning: ");
		assert_int_equal(next != NULL, facts[i].last != NULL);
		if (next)
			assert_memory_equal(next, facts[i].last, strlen(facts[i].last));
	}
	assert_int_equal(run("config check --json --workers 2"), EXIT_OK);
	assert_non_null(strstr(output, "\"more workers than cores (2, 1 here)"));
	assert_int_equal(run("config check --json"), EXIT_OK);
	assert_non_null(strstr(output, "\"warnings\": []"));
	sched_setaffinity(0, sizeof(before), &before);
}

static bool port_is_free(uint16_t port, int type)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool is_free = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	close(fd);
	return is_free;
}

// A port that nobody has now, below those that the kernel gives out to others meanwhile.
static void choose_port(void)
{
	uint16_t port = (uint16_t)(10000 + getpid() % 20000);
	char text[8];

	while (!port_is_free(port, SOCK_DGRAM) || !port_is_free(port, SOCK_STREAM))
		port++;
	snprintf(text, sizeof(text), "%u", port);
	setenv("PORT", text, 1);
}

int main(void)
{
	char folder[FOLDER_MAX];
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_lines),
	    cmocka_unit_test(wrong_generator_lines),
	    cmocka_unit_test(no_relay),
	    cmocka_unit_test(every_command_has_help),
	    cmocka_unit_test(generator_help),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(lost_output_is_a_failure),
	    cmocka_unit_test(configurations),
	    cmocka_unit_test(configurations_from_a_pipe),
	    cmocka_unit_test(checks_tell_of_the_machine),
	};

	folder_make(folder);
	setenv("STATE", folder, 1);
	choose_port();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
