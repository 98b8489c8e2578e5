// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/registry.h"

#include "pktgen/exit_status.h"
#include "pktgen/registry_client.h"
#include "pktgen/registry_storm.h"
#include "pktgen/report.h"
#include "pktgen/settings.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: fairway-pktgen registry --to ADDR:PORT [options]\n"
    "Registers simulated daemons with a Pilot registry and asks as they do.\n"
    "  --nodes N         simulated daemons (default 10000)\n"
    "  --connections N   TCP connections that they share (default 1000)\n"
    "  --window N        requests open on a connection (default 4)\n"
    "  --seconds N       time of the phases that have no end of their own (default 5)\n"
    "  --seed N          which nodes: another seed, other keys (default 1)\n"
    "  --rate N          requests a second of all connections, from heartbeat on; they\n"
    "                    end after --seconds (default: as fast as answers come)\n"
    "  --peers N         nodes that each resolves (default 4)\n"
    "  --phases A,B,...  only these, of register, first (heartbeat and poll of each),\n"
    "                    publish, heartbeat, poll, lookup, resolve (each peer once),\n"
    "                    again (the same once more, until the time is over),\n"
    "                    mix (four minutes of a daemon: heartbeat, poll, a lookup and\n"
    "                    a resolve of each of as many new peers a minute)\n"
    "  --storm SECONDS   at the end everybody comes again on a connection of its own\n"
    "  --pid PID         the registry's process: its CPU time and memory are reported\n"
    "  --json            print JSON\n"
    "  --version         the version\n";

struct run {
	struct load load;
	const char *only; // phases, NULL: all
	uint32_t pid;	  // 0: not known
	uint32_t storm_s; // 0: none
	bool json;
};

struct measurement {
	struct phase_result phase;
	double cpu_s; // negative: not known
};

static double process_cpu(uint32_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (!pid || clock_getcpuclockid((pid_t)pid, &clock) || clock_gettime(clock, &used))
		return -1;
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static long process_memory_kib(uint32_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
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

// Is the phase one of "a,b,c"? NULL: all are.
static bool is_chosen(const char *only, enum phase phase)
{
	const char *name = phase_name(phase);
	size_t len = strlen(name);

	for (const char *at = only; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, name, len) && (!at[len] || at[len] == ','))
			return true;
	// without ids nothing works
	return !only || phase == PHASE_REGISTER;
}

static int run_phase(struct run *run, enum phase phase, json_t *rows)
{
	static struct measurement m;
	double cpu;
	int rc = phase == PHASE_REGISTER ? 0 : crowd_sign(&run->load.crowd);

	cpu = process_cpu(run->pid);
	if (!rc)
		rc = load_run(&run->load, phase, &m.phase);
	if (rc) {
		fprintf(stderr, "fairway-pktgen: %s: %s\n", phase_name(phase), strerror(-rc));
		return rc == -EBADMSG ? EXIT_WRONG : EXIT_FAILED;
	}
	m.cpu_s = cpu < 0 ? -1 : process_cpu(run->pid) - cpu;
	if (rows)
		json_array_append_new(rows, row_json(&m, phase));
	else
		print_row(&m, phase);
	return 0;
}

static json_t *storm_json(const struct storm_result *r, double cpu_s)
{
	return json_pack("{s:s,s:I,s:I,s:I,s:f,s:f,s:f,s:f}", "phase", "storm", "done",
	    (json_int_t)r->done, "failed", (json_int_t)r->failed, "connections",
	    (json_int_t)r->open, "seconds", r->seconds, "p50_ms",
	    (double)histogram_quantile(&r->latency, 0.5) / 1e6, "p99_ms",
	    (double)histogram_quantile(&r->latency, 0.99) / 1e6, "cpu_s", cpu_s);
}

static int run_storm(struct run *run, json_t *rows)
{
	static struct storm_result r;
	int rc = crowd_sign(&run->load.crowd);
	double cpu = process_cpu(run->pid);

	if (!rc)
		rc = storm_run(&run->load, run->storm_s, &r);
	if (rc) {
		fprintf(stderr, "fairway-pktgen: storm: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	cpu = cpu < 0 ? -1 : process_cpu(run->pid) - cpu;
	if (rows) {
		json_array_append_new(rows, storm_json(&r, cpu));
	} else {
		printf("storm: %llu daemons came again in %.1f s, %llu failed; up to %u "
		       "connections; p50 %.2f ms, p99 %.2f ms",
		    (unsigned long long)r.done, r.seconds, (unsigned long long)r.failed, r.open,
		    (double)histogram_quantile(&r.latency, 0.5) / 1e6,
		    (double)histogram_quantile(&r.latency, 0.99) / 1e6);
		if (cpu > 0)
			printf("; %.2f s of CPU", cpu);
		printf("\n");
	}
	return r.failed ? EXIT_WRONG : 0;
}

static int measure(struct run *run)
{
	json_t *rows = run->json ? json_array() : NULL;
	long before = process_memory_kib(run->pid), connected, registered;
	char to[ENDPOINT_TEXT_MAX];
	int status = load_open(&run->load);

	if (status) {
		endpoint_format(&run->load.to, to, sizeof(to));
		fprintf(stderr, "fairway-pktgen: %u connections to %s: %s%s\n",
		    run->load.connections, to, strerror(-status),
		    status == -EMFILE	      ? ": fewer --connections, or a higher ulimit -n"
		    : status == -ECONNREFUSED ? ": is a registry running there?"
					      : "");
		return EXIT_FAILED;
	}
	connected = registered = process_memory_kib(run->pid);
	if (!rows)
		printf("%-10s %10s %8s %10s %9s %9s %9s %12s\n", "phase", "answers", "refused",
		    "a second", "p50 ms", "p99 ms", "max ms", run->pid ? "a CPU second" : "");
	for (enum phase phase = 0; phase < PHASE_COUNT && !status; phase++) {
		if (is_chosen(run->only, phase))
			status = run_phase(run, phase, rows);
		if (phase == PHASE_REGISTER)
			registered = process_memory_kib(run->pid);
	}
	if (!rows && run->pid)
		printf("memory of the process: %ld bytes a connection, %ld bytes a node\n",
		    (connected - before) * 1024 / (long)run->load.connections,
		    (registered - connected) * 1024 / (long)run->load.crowd.nodes);
	if (!status && run->storm_s)
		status = run_storm(run, rows);
	if (rows && (!status || status == EXIT_WRONG) && report_json("-", json_incref(rows)))
		status = EXIT_FAILED;
	json_decref(rows);
	load_close(&run->load);
	return status;
}

static void parse_phases(void *into, const char *value)
{
	char names[256], *rest = names;

	snprintf(names, sizeof(names), "%s", value);
	for (const char *name; (name = strsep(&rest, ",")) != NULL;) {
		int phase = 0;

		while (phase < PHASE_COUNT && strcmp(name, phase_name((enum phase)phase)) != 0)
			phase++;
		if (phase == PHASE_COUNT)
			settings_refuse(
			    "--phases", name, "there is no such phase, --help lists them");
	}
	((struct run *)into)->only = value;
}

static void parse_pid(void *into, const char *value)
{
	long pid = strtol(value, NULL, 10);

	if (pid <= 0 || pid > INT32_MAX || process_cpu((uint32_t)pid) < 0)
		settings_refuse("--pid", value, "give the id of a process that runs here");
	((struct run *)into)->pid = (uint32_t)pid;
}

#define AT(field) offsetof(struct run, field)

static const struct setting settings[] = {
    {"to", SETTING_ENDPOINT, AT(load.to), 9000, 0, NULL},
    {"nodes", SETTING_WHOLE, AT(load.crowd.nodes), 1, UINT32_MAX, NULL},
    {"connections", SETTING_WHOLE, AT(load.connections), 1, UINT32_MAX, NULL},
    {"window", SETTING_WHOLE, AT(load.window), 1, UINT32_MAX, NULL},
    {"seconds", SETTING_WHOLE, AT(load.seconds), 1, UINT32_MAX, NULL},
    {"seed", SETTING_WHOLE, AT(load.crowd.seed), 1, UINT32_MAX, NULL},
    {"rate", SETTING_WHOLE, AT(load.rate), 1, UINT32_MAX, NULL},
    {"peers", SETTING_WHOLE, AT(load.crowd.peers), 1, UINT32_MAX, NULL},
    {"phases", SETTING_OWN, 0, 0, 0, parse_phases},
    {"storm", SETTING_WHOLE, AT(storm_s), 1, UINT32_MAX, NULL},
    {"pid", SETTING_OWN, 0, 0, 0, parse_pid},
    {"json", SETTING_FLAG, AT(json), 0, 0, NULL},
    {"help", SETTING_HELP, 0, 0, 0, NULL},
    {"version", SETTING_VERSION, 0, 0, 0, NULL},
    {0},
};

int registry_main(int argc, char **argv)
{
	struct run run = {.load = {.crowd = {.nodes = 10000, .seed = 1, .peers = 4},
			      .connections = 1000,
			      .window = 4,
			      .seconds = 5}};

	settings_parse(&run, settings, usage, argc, argv);
	if (!run.load.to.port)
		settings_refuse(
		    "--to", "(absent)", "give the registry's address, as --to 127.0.0.1:9000");
	return measure(&run);
}
