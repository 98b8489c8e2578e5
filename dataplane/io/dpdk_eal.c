// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "dataplane/io/dpdk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ARGS_MAX = 48,
	ARG_SIZE = 64,
	MIB = 1 << 20,
	POOL_MIB = 256, // what the EAL and drivers take beside packet buffers, generously
};

// Arguments in the order they are given. EAL keeps pointers into them.
struct eal_args {
	int count;
	char *list[ARGS_MAX + 1];
	char text[ARGS_MAX][ARG_SIZE];
	char own[256]; // the operator's, split in place
};

static bool started, huge;

const char *dpdk_eal_memory(void)
{
	return huge ? "hugepages" : "no hugepages";
}

// DPDK's lines become ours. Informative ones are for those who debug.
static ssize_t log_take(void *cookie, const char *text, size_t size)
{
	char line[512];
	int len = (int)(size < sizeof(line) ? size : sizeof(line) - 1);

	(void)cookie;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (len == 0)
		return (ssize_t)size;
	snprintf(line, sizeof(line), "%.*s", len, text);
	if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_WARNING)
		log_warn("dpdk", kv("says", line));
	else
		log_debug("dpdk", kv("says", line));
	return (ssize_t)size;
}

static void log_redirect(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_take});

	if (!stream)
		return;
	setvbuf(stream, NULL, _IONBF, 0);
	rte_openlog_stream(stream);
}

static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long n = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &n) != 1) // NOLINT(cert-err34-c): the kernel wrote it
		n = 0;
	fclose(file);
	return n;
}

// Free huge pages of all sizes, in MiB.
static uint64_t huge_free(void)
{
	static const char folder[] = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(folder);
	uint64_t sum = 0;

	if (!dir)
		return 0;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char path[320];
		unsigned kib;

		// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
		if (sscanf(e->d_name, "hugepages-%ukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, e->d_name);
		sum += read_number(path) * kib / 1024;
	}
	closedir(dir);
	return sum;
}

static __attribute__((format(printf, 2, 3))) void arg_add(
    struct eal_args *a, const char *format, ...)
{
	va_list list;

	if (a->count == ARGS_MAX)
		return;
	va_start(list, format);
	vsnprintf(a->text[a->count], ARG_SIZE, format, list);
	va_end(list);
	a->list[a->count] = a->text[a->count];
	a->count++;
}

// True if the operator's arguments hold one of these words (or start with it and a '=').
static bool own_has(const char *own, const char *const *words)
{
	for (; *words; words++) {
		size_t len = strlen(*words);

		for (const char *at = strstr(own, *words); at; at = strstr(at + 1, *words))
			if ((at == own || at[-1] == ' ') &&
			    (at[len] == 0 || at[len] == ' ' || at[len] == '='))
				return true;
	}
	return false;
}

// The main thread counts as DPDK's main core whatever it runs on; workers register themselves.
static void args_cores(struct eal_args *a, const char *own, const cpu_set_t *cpus)
{
	unsigned cpu = 0;

	if (own_has(own, (const char *const[]){"-l", "-c", "--lcores", NULL}))
		return;
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, cpus))
		cpu++;
	arg_add(a, "--lcores=0@%u", cpu);
}

static void args_memory(struct eal_args *a, const char *own, uint64_t needed_mib)
{
	bool decided = own_has(own, (const char *const[]){"--no-huge", NULL});

	huge = own_has(own, (const char *const[]){"--socket-mem", "--socket-limit", "--huge-dir",
				"--legacy-mem", "--single-file-segments", NULL}) ||
	       (!decided && huge_free() >= needed_mib);
	if (huge) {
		if (!own_has(own, (const char *const[]){"--huge-dir", "--file-prefix",
				      "--huge-unlink", "--in-memory", NULL}))
			arg_add(a, "--in-memory"); // nothing is left behind, however we end
		return;
	}
	if (!decided)
		arg_add(a, "--no-huge");
	if (!own_has(own, (const char *const[]){"-m", NULL})) {
		arg_add(a, "-m");
		arg_add(a, "%llu", (unsigned long long)needed_mib);
	}
	arg_add(a, "--no-shconf");
}

static void args_build(struct eal_args *a, const struct link_config *cfg, const cpu_set_t *cpus)
{
	// Room for a few links like this one; without huge pages only what is used is there.
	uint64_t buffers = (uint64_t)cfg->frame_count * cfg->worker_count * 4096 / MIB;
	const char *own = cfg->dpdk_eal ? cfg->dpdk_eal : "";
	char *rest;

	arg_add(a, "fairway-dp");
	args_cores(a, own, cpus);
	args_memory(a, own, POOL_MIB + buffers);
	if (!own_has(own, (const char *const[]){"--telemetry", "--no-telemetry", NULL}))
		arg_add(a, "--no-telemetry");
	// Devices are taken when a link names them, and no others: this address has no driver.
	if (!own_has(
		own, (const char *const[]){"-a", "--allow", "-b", "--block", "--no-pci", NULL}))
		arg_add(a, "--allow=0000:00:00.0");
	snprintf(a->own, sizeof(a->own), "%s", own);
	rest = a->own;
	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
		if (*word && a->count < ARGS_MAX)
			a->list[a->count++] = word;
}

// EAL prints its whole manual there for a word that it does not know, which hides the reason.
static int stdout_close(void)
{
	int kept, null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	if (null >= 0 && kept >= 0)
		dup2(null, STDOUT_FILENO);
	if (null >= 0)
		close(null);
	return kept;
}

static void stdout_open(int kept)
{
	fflush(stdout);
	if (kept < 0)
		return;
	dup2(kept, STDOUT_FILENO);
	close(kept);
}

int dpdk_eal_start(const struct link_config *cfg, struct link_error *err)
{
	static struct eal_args args; // EAL keeps them
	cpu_set_t cpus;
	sigset_t signals;
	int rc, kept;

	if (started)
		return 0;
	if (cfg->dpdk_eal && own_has(cfg->dpdk_eal, (const char *const[]){"-h", "--help",
							"--log-level=help", "--proc-type", NULL}))
		return dpdk_fail(err, -EINVAL,
		    "dpdk.eal \"%s\": leave out -h, --help and --proc-type, with which EAL ends or "
		    "waits for another process",
		    cfg->dpdk_eal);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	pthread_sigmask(SIG_SETMASK, NULL, &signals);
	log_redirect();
	args_build(&args, cfg, &cpus);
	kept = stdout_close();
	rc = rte_eal_init(args.count, args.list);
	stdout_open(kept);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	if (rc < 0)
		return dpdk_fail(err, rte_errno ? -rte_errno : -EIO,
		    "DPDK's EAL does not start: %s; its own lines above say why, dpdk.eal \"%s\" "
		    "holds its arguments",
		    rte_strerror(rte_errno), cfg->dpdk_eal ? cfg->dpdk_eal : "");
	if (rc + 1 < args.count) // it puts what is no option last
		log_warn("DPDK's EAL leaves words of dpdk.eal out: options begin with -",
		    kv("first", args.list[rc + 1]));
	started = true;
	return 0;
}
