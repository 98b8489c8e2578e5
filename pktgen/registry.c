// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/registry.h"

#include "pktgen/registry_client.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_WRONG = 3 };

static const char usage[] =
    "usage: fairway-pktgen registry --to ADDR:PORT [options]\n"
    "Registers simulated daemons with a Pilot registry and asks as they do.\n"
    "  --nodes N         simulated daemons (default 10000)\n"
    "  --connections N   TCP connections that they share (default 200)\n"
    "  --window N        requests open on a connection (default 4)\n"
    "  --seconds N       time of each phase but the first (default 5)\n"
    "  --seed N          which nodes: another seed, other keys (default 1)\n"
    "  --pid PID         the registry's process: its CPU time and memory are reported\n"
    "  --json            print JSON\n";

static const struct option long_options[] = {{"to", 1, NULL, 't'}, {"nodes", 1, NULL, 'n'},
    {"connections", 1, NULL, 'c'}, {"window", 1, NULL, 'w'}, {"seconds", 1, NULL, 's'},
    {"seed", 1, NULL, 'e'}, {"pid", 1, NULL, 'p'}, {"json", 0, NULL, 'j'}, {"help", 0, NULL, 'h'},
    {0}};

struct measurement {
	struct phase_result phase;
	double cpu_s; // negative: not known
};

static double process_cpu(long pid)
{
	char path[64], line[1024];
	unsigned long user = 0, system = 0;
	const char *rest;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = pid ? fopen(path, "re") : NULL;
	if (!file)
		return -1;
	rest = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
	if (rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			&system) != 2)
		user = system = 0;
	fclose(file);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long process_memory_kib(long pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	file = pid ? fopen(path, "re") : NULL;
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

static void print_row(const struct measurement *m, enum phase phase)
{
	const struct phase_result *p = &m->phase;
	double rate = (double)p->answers / p->seconds;

	printf("%-10s %10llu %8llu %10.0f %9.2f %9.2f %9.2f", phase_name(phase),
	    (unsigned long long)p->answers, (unsigned long long)p->refused, rate,
	    (double)histogram_quantile(&p->latency, 0.5) / 1e6,
	    (double)histogram_quantile(&p->latency, 0.99) / 1e6, (double)p->latency.max / 1e6);
	if (m->cpu_s > 0)
		printf(" %12.0f", (double)p->answers / m->cpu_s);
	printf("\n");
	fflush(stdout);
}

static json_t *row_json(const struct measurement *m, enum phase phase)
{
	const struct phase_result *p = &m->phase;

	return json_pack("{s:s,s:I,s:I,s:f,s:f,s:f,s:f}", "phase", phase_name(phase), "answers",
	    (json_int_t)p->answers, "refused", (json_int_t)p->refused, "seconds", p->seconds,
	    "p50_ms", (double)histogram_quantile(&p->latency, 0.5) / 1e6, "p99_ms",
	    (double)histogram_quantile(&p->latency, 0.99) / 1e6, "cpu_s", m->cpu_s);
}

static int measure(struct crowd *crowd, long pid, bool json)
{
	static struct measurement m;
	json_t *rows = json_array();
	long before = process_memory_kib(pid), after = 0;

	if (!json)
		printf("%-10s %10s %8s %10s %9s %9s %9s %12s\n", "phase", "answers", "refused",
		    "a second", "p50 ms", "p99 ms", "max ms", pid ? "a CPU second" : "");
	for (enum phase phase = 0; phase < PHASE_COUNT; phase++) {
		double cpu = process_cpu(pid);
		int rc = crowd_run(crowd, phase, &m.phase);

		if (rc) {
			fprintf(
			    stderr, "fairway-pktgen: %s: %s\n", phase_name(phase), strerror(-rc));
			json_decref(rows);
			return rc == -EBADMSG ? EXIT_WRONG : EXIT_FAILED;
		}
		m.cpu_s = cpu < 0 ? -1 : process_cpu(pid) - cpu;
		if (phase == PHASE_REGISTER)
			after = process_memory_kib(pid);
		if (json)
			json_array_append_new(rows, row_json(&m, phase));
		else
			print_row(&m, phase);
	}
	if (!json && pid)
		printf("memory of the process: %ld KiB before, %ld KiB with the nodes: %ld bytes a "
		       "node\n",
		    before, after, (after - before) * 1024 / (long)crowd->nodes);
	if (json) {
		json_dumpf(rows, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(rows);
	return 0;
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (!*text || *end || v == 0 || v > UINT32_MAX) {
		fprintf(stderr, "fairway-pktgen: \"%s\" is no number from 1 to 4294967295\n", text);
		exit(EXIT_USAGE);
	}
	return (uint32_t)v;
}

int registry_main(int argc, char **argv)
{
	struct crowd crowd = {
	    .nodes = 10000, .connections = 200, .window = 4, .seed = 1, .seconds = 5};
	long pid = 0;
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 't':
			if (endpoint_parse(optarg, 9000, &crowd.to) == 0)
				break;
			fprintf(stderr, "fairway-pktgen: \"%s\" is no ADDR:PORT\n", optarg);
			return EXIT_USAGE;
		case 'n':
			crowd.nodes = number(optarg);
			break;
		case 'c':
			crowd.connections = number(optarg);
			break;
		case 'w':
			crowd.window = number(optarg);
			break;
		case 's':
			crowd.seconds = number(optarg);
			break;
		case 'e':
			crowd.seed = number(optarg);
			break;
		case 'p':
			pid = (long)number(optarg);
			break;
		case 'j':
			json = true;
			break;
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : EXIT_USAGE;
		}
	}
	if (!crowd.to.port) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	status = crowd_open(&crowd);
	if (status) {
		fprintf(stderr, "fairway-pktgen: connections: %s\n", strerror(-status));
		return EXIT_FAILED;
	}
	status = measure(&crowd, pid, json);
	crowd_close(&crowd);
	return status;
}
