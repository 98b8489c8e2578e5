// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/options.h"

#include "wire/constants.h"

#include <getopt.h>
#include <math.h>
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
    "  --size BYTES         frame bytes inside the relay message, 16 to 65000 (64)\n"
    "  --train N            consecutive datagrams of one flow (1)\n"
    "  --rate N             datagrams a second, 0: as fast as possible (10000)\n"
    "  --seconds S          time of sending (5)\n"
    "  --sockets N          UDP sockets the nodes are spread over, sock link (16)\n"
    "  --window N           relay, latency: at most N frames on their way, 0: no bound (0); not "
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

enum { OPTION_BASE = 1000 };
enum option_id {
	O_TO = OPTION_BASE,
	O_FROM,
	O_LINK,
	O_DPDK_EAL,
	O_NETWORK,
	O_NODES,
	O_FIRST_ID,
	O_FLOWS,
	O_ZIPF,
	O_SIZE,
	O_TRAIN,
	O_RATE,
	O_SECONDS,
	O_REGISTER_RATE,
	O_SOCKETS,
	O_WINDOW,
	O_LOSS,
	O_TRIAL,
	O_KIND,
	O_NO_REGISTER,
	O_REFLECTED,
	O_SEED,
	O_JSON,
	O_QUIET,
	O_HELP,
};

static const struct option long_options[] = {
    {"to", required_argument, NULL, O_TO},
    {"from", required_argument, NULL, O_FROM},
    {"link", required_argument, NULL, O_LINK},
    {"dpdk-eal", required_argument, NULL, O_DPDK_EAL},
    {"network", required_argument, NULL, O_NETWORK},
    {"nodes", required_argument, NULL, O_NODES},
    {"first-id", required_argument, NULL, O_FIRST_ID},
    {"flows", required_argument, NULL, O_FLOWS},
    {"zipf", required_argument, NULL, O_ZIPF},
    {"size", required_argument, NULL, O_SIZE},
    {"train", required_argument, NULL, O_TRAIN},
    {"rate", required_argument, NULL, O_RATE},
    {"seconds", required_argument, NULL, O_SECONDS},
    {"register-rate", required_argument, NULL, O_REGISTER_RATE},
    {"sockets", required_argument, NULL, O_SOCKETS},
    {"window", required_argument, NULL, O_WINDOW},
    {"loss", required_argument, NULL, O_LOSS},
    {"trial", required_argument, NULL, O_TRIAL},
    {"kind", required_argument, NULL, O_KIND},
    {"no-register", no_argument, NULL, O_NO_REGISTER},
    {"reflected", no_argument, NULL, O_REFLECTED},
    {"seed", required_argument, NULL, O_SEED},
    {"json", required_argument, NULL, O_JSON},
    {"quiet", no_argument, NULL, O_QUIET},
    {"help", no_argument, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

const char *mode_name(enum mode mode)
{
	return mode_names[mode];
}

static _Noreturn void refuse(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "fairway-pktgen: --%s %s: %s\n", option, value, want);
	exit(2);
}

static _Noreturn void refuse_mode(const char *value)
{
	fprintf(stderr, "fairway-pktgen: mode %s: give register, relay, latency, ndr or garbage\n",
	    value);
	exit(2);
}

static double number(const char *option, const char *value, double low, double high)
{
	char want[64], *end;
	double parsed = strtod(value, &end);

	if (end == value || *end || !(parsed >= low && parsed <= high)) {
		snprintf(want, sizeof(want), "give a number from %.10g to %.10g", low, high);
		refuse(option, value, want);
	}
	return parsed;
}

static uint32_t integer(const char *option, const char *value, uint32_t low, uint32_t high)
{
	double parsed = number(option, value, low, high);

	if (parsed != floor(parsed))
		refuse(option, value, "give a whole number");
	return (uint32_t)parsed;
}

static int name_index(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

static void parse_endpoint(
    struct endpoint *out, const char *option, const char *value, uint16_t default_port)
{
	if (endpoint_parse(value, default_port, out))
		refuse(option, value,
		    "give an address and a port as 192.0.2.1:9001 or [2001:db8::1]:9001");
}

static void parse_link(struct options *o, const char *value)
{
	if (!strncmp(value, "xdp:", 4) && value[4])
		o->interface = value + 4;
	else if (!strncmp(value, "dpdk:", 5) && value[5])
		o->device = value + 5;
	else if (strcmp(value, "sock") != 0)
		refuse("link", value, "give sock, xdp:INTERFACE or dpdk:DEVICE");
}

static void parse_one(struct options *o, int id, const char *option, const char *value)
{
	int kind;

	switch (id) {
	case O_TO:
		parse_endpoint(&o->to, option, value, BEACON_PORT);
		break;
	case O_FROM:
		parse_endpoint(&o->from, option, value, 1);
		break;
	case O_NETWORK:
		parse_endpoint(&o->network, option, value, 1);
		break;
	case O_LINK:
		parse_link(o, value);
		break;
	case O_DPDK_EAL:
		o->dpdk_eal = value;
		break;
	case O_NODES:
		o->nodes = integer(option, value, 1, NODES_MAX);
		break;
	case O_FIRST_ID:
		o->first_id = integer(option, value, 1, UINT32_MAX - NODES_MAX);
		break;
	case O_FLOWS:
		o->flows = integer(option, value, 1, FLOWS_MAX);
		break;
	case O_SIZE:
		o->size = integer(option, value, FRAME_MIN, FRAME_MAX);
		break;
	case O_TRAIN:
		o->train = integer(option, value, 1, 64);
		break;
	case O_SOCKETS:
		o->sockets = integer(option, value, 1, SOCKETS_MAX);
		break;
	case O_WINDOW:
		o->window = integer(option, value, 0, UINT32_MAX);
		break;
	case O_SEED:
		o->seed = integer(option, value, 0, UINT32_MAX);
		break;
	case O_ZIPF:
		o->zipf = number(option, value, 0, 10);
		break;
	case O_RATE:
		o->rate = number(option, value, 0, 1e9);
		break;
	case O_REGISTER_RATE:
		o->register_rate = number(option, value, 1, 1e9);
		break;
	case O_SECONDS:
		o->seconds = number(option, value, 0.01, 3600);
		break;
	case O_LOSS:
		o->loss = number(option, value, 0, 1);
		break;
	case O_TRIAL:
		o->trial_seconds = number(option, value, 0.1, 600);
		break;
	case O_KIND:
		kind = name_index(value, garbage_names, 3);
		if (kind < 0)
			refuse(option, value, "give random, discover or spoofed");
		o->garbage = kind;
		break;
	case O_NO_REGISTER:
		o->no_register = true;
		break;
	case O_REFLECTED:
		o->reflected = o->no_register = true;
		break;
	case O_QUIET:
		o->quiet = true;
		break;
	default:
		o->json = value;
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	int id, index = 0, mode;

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
	parse_endpoint(&o->network, "network", "198.18.0.1", 1);
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		fputs(usage_text, argc < 2 ? stderr : stdout);
		exit(argc < 2 ? 2 : 0);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("fairway-pktgen " FAIRWAY_VERSION);
		exit(0);
	}
	mode = name_index(argv[1], mode_names, 5);
	if (mode < 0)
		refuse_mode(argv[1]);
	o->mode = mode;
	optind = 2;
	while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (id == '?')
			exit(2);
		if (id == O_HELP) {
			fputs(usage_text, stdout);
			exit(0);
		}
		parse_one(o, id, long_options[index].name, optarg);
	}
	if (optind < argc)
		refuse("to ADDR:PORT ... ", argv[optind],
		    "one argument too many; options begin with --");
	if (!o->to.port)
		refuse("to", "(absent)", "give the relay's address, as --to 127.0.0.1:9001");
	if (!o->flows)
		o->flows = o->nodes;
}
