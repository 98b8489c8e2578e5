// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/options.h"

#include "pktgen/exit_status.h"
#include "pktgen/settings.h"
#include "wire/constants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
    "usage: fairway-pktgen MODE --to ADDR:PORT [options]\n"
    "\n"
    "modes\n"
    "  register   registers the nodes (Discover) at a chosen rate\n"
    "  relay      relays frames between the nodes; checks payload, order, loss, duplicates\n"
    "  latency    as relay, and reports the time from sending to reception in percentiles\n"
    "  ndr        highest rate at which at most --loss of the frames is lost (RFC 2544)\n"
    "  garbage    floods with what a relay must not answer or forward\n"
    "  registry   daemons against a registry over TCP: fairway-pktgen registry --help\n"
    "\n"
    "options\n"
    "  --to ADDR:PORT       the relay\n"
    "  --from ADDR          local address (sock link; dpdk link: the next hop to the nodes)\n"
    "  --link sock|xdp:IF   UDP sockets, or AF_XDP and XDP live frames on an interface (sock)\n"
    "  --link dpdk:DEVICE   a DPDK device, polled by one thread\n"
    "  --dpdk-eal ARGS      further arguments of DPDK's environment layer\n"
    "  --network ADDR       first address of the simulated nodes, xdp and dpdk links "
    "(198.18.0.1);\n"
    "                       the relay's host needs a route to them through this one\n"
    "  --nodes N            simulated nodes (1000)\n"
    "  --first-id N         node id of the first (1000)\n"
    "  --flows N            pairs of sender and destination (as many as nodes)\n"
    "  --zipf S             destinations by Zipf's law with exponent S (0: uniform)\n"
    "  --size BYTES         frame bytes inside the relay message, 16 to 65000 (64);\n"
    "                       garbage: of the datagram, at most 1472\n"
    "  --train N            consecutive datagrams of one flow (1)\n"
    "  --rate N             datagrams a second, 0: as fast as possible (10000)\n"
    "  --seconds S          time of sending (5)\n"
    "  --sockets N          UDP sockets the nodes are spread over, sock link (16)\n"
    "  --window N           at most N Discovers without an answer before relay, latency and ndr, "
    "and,\n"
    "                       with relay and latency, N frames on their way, 0: no bound (0); not "
    "with\n"
    "                       relay on an xdp link\n"
    "  --loss SHARE         ndr: accepted loss (0.001)\n"
    "  --trial SECONDS      ndr: time of one trial (2)\n"
    "  --kind KIND          garbage: random, discover (new node ids), spoofed (relays with\n"
    "                       the nodes' ids from a foreign address) (random)\n"
    "  --register-rate N    Discovers a second before relay, latency and ndr (20000)\n"
    "  --no-register        the nodes are registered already\n"
    "  --reflected          the other side is no relay: it sends each frame back unchanged\n"
    "  --seed N             of all random choices (1)\n"
    "  --json FILE          result as JSON, - for standard output\n"
    "  --quiet              no progress\n"
    "  --version            the version\n"
    "\n"
    "exit status: 0 done, 1 failed, 2 wrong command line, 3 frames came back altered, misrouted\n"
    "or twice, 4 no frame came back (ndr: every rate lost too much)\n";

static const char *const mode_names[] = {"register", "relay", "latency", "ndr", "garbage"};
static const char *const garbage_names[] = {"random", "discover", "spoofed"};

static int name_index(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

static void parse_link(void *into, const char *value)
{
	struct options *o = into;

	if (!strncmp(value, "xdp:", 4) && value[4])
		o->interface = value + 4;
	else if (!strncmp(value, "dpdk:", 5) && value[5])
		o->device = value + 5;
	else if (strcmp(value, "sock") != 0)
		settings_refuse("--link", value, "give sock, xdp:INTERFACE or dpdk:DEVICE");
}

static void parse_garbage(void *into, const char *value)
{
	int kind = name_index(value, garbage_names, 3);

	if (kind < 0)
		settings_refuse("--kind", value, "give random, discover or spoofed");
	((struct options *)into)->garbage = (enum garbage)kind;
}

// A long measurement should not end with a file that cannot be written.
static void parse_json(void *into, const char *value)
{
	FILE *file = strcmp(value, "-") ? fopen(value, "ae") : NULL;

	if (!file && strcmp(value, "-") != 0)
		settings_refuse("--json", value, strerror(errno));
	if (file)
		fclose(file);
	((struct options *)into)->json = value;
}

#define AT(field) offsetof(struct options, field)

static const struct setting settings[] = {
    {"to", SETTING_ENDPOINT, AT(to), BEACON_PORT, 0, NULL},
    {"from", SETTING_ENDPOINT, AT(from), 1, 0, NULL},
    {"network", SETTING_ENDPOINT, AT(network), 1, 0, NULL},
    {"link", SETTING_OWN, 0, 0, 0, parse_link},
    {"dpdk-eal", SETTING_TEXT, AT(dpdk_eal), 0, 0, NULL},
    {"nodes", SETTING_WHOLE, AT(nodes), 1, NODES_MAX, NULL},
    {"first-id", SETTING_WHOLE, AT(first_id), 1, UINT32_MAX - NODES_MAX, NULL},
    {"flows", SETTING_WHOLE, AT(flows), 1, FLOWS_MAX, NULL},
    {"zipf", SETTING_REAL, AT(zipf), 0, 10, NULL},
    {"size", SETTING_WHOLE, AT(size), FRAME_MIN, FRAME_MAX, NULL},
    {"train", SETTING_WHOLE, AT(train), 1, 64, NULL},
    {"rate", SETTING_REAL, AT(rate), 0, 1e9, NULL},
    {"seconds", SETTING_REAL, AT(seconds), 0.01, 3600, NULL},
    {"register-rate", SETTING_REAL, AT(register_rate), 1, 1e9, NULL},
    {"sockets", SETTING_WHOLE, AT(sockets), 1, SOCKETS_MAX, NULL},
    {"window", SETTING_WHOLE, AT(window), 0, UINT32_MAX, NULL},
    {"loss", SETTING_REAL, AT(loss), 0, 1, NULL},
    {"trial", SETTING_REAL, AT(trial_seconds), 0.1, 600, NULL},
    {"kind", SETTING_OWN, 0, 0, 0, parse_garbage},
    {"no-register", SETTING_FLAG, AT(no_register), 0, 0, NULL},
    {"reflected", SETTING_FLAG, AT(reflected), 0, 0, NULL},
    {"seed", SETTING_WHOLE, AT(seed), 0, UINT32_MAX, NULL},
    {"json", SETTING_OWN, 0, 0, 0, parse_json},
    {"quiet", SETTING_FLAG, AT(quiet), 0, 0, NULL},
    {"help", SETTING_HELP, 0, 0, 0, NULL},
    {"version", SETTING_VERSION, 0, 0, 0, NULL},
    {0},
};

const char *mode_name(enum mode mode)
{
	return mode_names[mode];
}

static void check_addresses(const struct options *o)
{
	char from[ENDPOINT_TEXT_MAX];

	if (!o->to.port)
		settings_refuse(
		    "--to", "(absent)", "give the relay's address, as --to 127.0.0.1:9001");
	if (!o->from.port || endpoint_is_v4(&o->from) == endpoint_is_v4(&o->to))
		return;
	endpoint_format_addr(&o->from, from, sizeof(from));
	settings_refuse("--from", from,
	    endpoint_is_v4(&o->to) ? "--to is IPv4, give an address of that family"
				   : "--to is IPv6, give an address of that family");
}

void options_parse(struct options *o, int argc, char **argv)
{
	int mode;

	*o = (struct options){.nodes = 1000,
	    .first_id = 1000,
	    .size = 64,
	    .train = 1,
	    .sockets = 16,
	    .rate = 10000,
	    .register_rate = 20000,
	    .seconds = 5,
	    .loss = 0.001,
	    .trial_seconds = 2,
	    .seed = 1};
	endpoint_parse("198.18.0.1", 1, &o->network);
	if (argc < 2) {
		fputs(usage_text, stderr);
		exit(EXIT_USAGE);
	}
	mode = name_index(argv[1], mode_names, 5);
	if (mode >= 0)
		o->mode = mode;
	else if (argv[1][0] != '-')
		settings_refuse(
		    "mode", argv[1], "give register, relay, latency, ndr, garbage or registry");
	settings_parse(o, settings, usage_text, argc - (mode >= 0), argv + (mode >= 0));
	if (mode < 0)
		settings_refuse("mode", "(absent)", "name it before the options, see --help");
	check_addresses(o);
	if (!o->flows)
		o->flows = o->nodes;
	if (o->reflected)
		o->no_register = true;
}
