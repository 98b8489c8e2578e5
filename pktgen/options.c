// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/options.h"

#include "wire/constants.h"

#include <getopt.h>
#include <math.h>
#include <stddef.h>
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

// Where the value of an option goes, by its kind: uint32_t, double, struct endpoint, const char *,
// bool. The last three are for parse_one() to know.
enum kind { WHOLE, REAL, ENDPOINT, TEXT, FLAG, LINK, GARBAGE, HELP };

struct setting {
	const char *name;
	enum kind kind;
	size_t at;	  // in struct options
	double low, high; // ENDPOINT: low is the port where none is given
};

#define AT(field) offsetof(struct options, field)

static const struct setting settings[] = {
    {"to", ENDPOINT, AT(to), BEACON_PORT, 0},
    {"from", ENDPOINT, AT(from), 1, 0},
    {"network", ENDPOINT, AT(network), 1, 0},
    {"link", LINK, 0, 0, 0},
    {"dpdk-eal", TEXT, AT(dpdk_eal), 0, 0},
    {"nodes", WHOLE, AT(nodes), 1, NODES_MAX},
    {"first-id", WHOLE, AT(first_id), 1, UINT32_MAX - NODES_MAX},
    {"flows", WHOLE, AT(flows), 1, FLOWS_MAX},
    {"zipf", REAL, AT(zipf), 0, 10},
    {"size", WHOLE, AT(size), FRAME_MIN, FRAME_MAX},
    {"train", WHOLE, AT(train), 1, 64},
    {"rate", REAL, AT(rate), 0, 1e9},
    {"seconds", REAL, AT(seconds), 0.01, 3600},
    {"register-rate", REAL, AT(register_rate), 1, 1e9},
    {"sockets", WHOLE, AT(sockets), 1, SOCKETS_MAX},
    {"window", WHOLE, AT(window), 0, UINT32_MAX},
    {"loss", REAL, AT(loss), 0, 1},
    {"trial", REAL, AT(trial_seconds), 0.1, 600},
    {"kind", GARBAGE, AT(garbage), 0, 0},
    {"no-register", FLAG, AT(no_register), 0, 0},
    {"reflected", FLAG, AT(reflected), 0, 0},
    {"seed", WHOLE, AT(seed), 0, UINT32_MAX},
    {"json", TEXT, AT(json), 0, 0},
    {"quiet", FLAG, AT(quiet), 0, 0},
    {"help", HELP, 0, 0, 0},
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

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

static double number(const struct setting *s, const char *value)
{
	char want[64], *end;
	double parsed = strtod(value, &end);

	if (end == value || *end || !(parsed >= s->low && parsed <= s->high)) {
		snprintf(want, sizeof(want), "give a number from %.10g to %.10g", s->low, s->high);
		refuse(s->name, value, want);
	}
	if (s->kind == WHOLE && parsed != floor(parsed))
		refuse(s->name, value, "give a whole number");
	return parsed;
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

static enum garbage parse_garbage(const char *value)
{
	int kind = name_index(value, garbage_names, 3);

	if (kind < 0)
		refuse("kind", value, "give random, discover or spoofed");
	return (enum garbage)kind;
}

static void parse_one(struct options *o, const struct setting *s, const char *value)
{
	void *at = (char *)o + s->at;

	switch (s->kind) {
	case WHOLE:
		*(uint32_t *)at = (uint32_t)number(s, value);
		break;
	case REAL:
		*(double *)at = number(s, value);
		break;
	case ENDPOINT:
		parse_endpoint(at, s->name, value, (uint16_t)s->low);
		break;
	case TEXT:
		*(const char **)at = value;
		break;
	case FLAG:
		*(bool *)at = true;
		break;
	case LINK:
		parse_link(o, value);
		break;
	case GARBAGE:
		o->garbage = parse_garbage(value);
		break;
	case HELP:
		fputs(usage_text, stdout);
		exit(0);
	}
}

static void parse_all(struct options *o, int argc, char **argv)
{
	struct option list[SETTINGS + 1] = {{0}};
	int id, index = 0;

	for (int i = 0; i < SETTINGS; i++) {
		bool alone = settings[i].kind == FLAG || settings[i].kind == HELP;

		list[i] = (struct option){
		    .name = settings[i].name, .has_arg = alone ? no_argument : required_argument};
	}
	while ((id = getopt_long(argc, argv, "", list, &index)) != -1) {
		if (id == '?')
			exit(2);
		parse_one(o, &settings[index], optarg);
	}
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
	parse_all(o, argc, argv);
	if (optind < argc)
		refuse("to ADDR:PORT ... ", argv[optind],
		    "one argument too many; options begin with --");
	if (!o->to.port)
		refuse("to", "(absent)", "give the relay's address, as --to 127.0.0.1:9001");
	if (!o->flows)
		o->flows = o->nodes;
	if (o->reflected)
		o->no_register = true;
}
