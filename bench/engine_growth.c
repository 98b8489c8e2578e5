// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "bench/engine.h"
#include "bench/spin.h"
#include "bench/traffic.h"
#include "shm/quiescent.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Two processes, as a relay has: one with the worker, one that writes the node table.

enum { BATCH = MEM_RING, ROUNDS = 4 };
enum { WORKER_CORE, WRITER_CORE, CONTROL_CORE };
enum { NODES_A_SECOND = 300000, PACE = 256 }; // more than a control plane was ever seen to learn
enum phase { STEADY, GROWING, EXPIRING, PHASES };

// In memory that both processes have.
struct common {
	uint32_t fd;	// of the shared memory in the worker's process, 0 = not there yet
	uint32_t phase; // writer: the table is left alone, nodes come, they go
	uint32_t known; // writer: nodes 1 to known are there
	uint32_t used;	// worker: sends among these
};

struct growth {
	struct rig rig;
	struct common *common;
	int grown[2]; // pipe: the writer says that there is memory to map
	uint32_t from, to;
	uint64_t steady_ns; // how long the table is left alone in each round
	uint32_t stop;
	struct gaps turns[PHASES];
	uint64_t faults[PHASES]; // page faults in the worker's turns
};

static void batch_run(struct growth *g, struct traffic *t)
{
	struct worker *w = g->rig.workers[0];
	uint32_t sender, dest;
	unsigned n = 0;

	for (unsigned i = 0; i < BATCH; i++)
		traffic_put(t, 0, &sender, &dest);
	while (n < BATCH) {
		uint32_t phase = __atomic_load_n(&g->common->phase, __ATOMIC_RELAXED);
		struct gap_causes causes = gap_causes_now();
		uint64_t start = clock_mono_ns(), took;

		n += worker_turn(w);
		took = clock_mono_ns() - start;
		gap_count(&g->turns[phase], took, &causes);
		g->faults[phase] += gap_causes_now().faults - causes.faults;
	}
	traffic_take(t, BATCH);
}

// Relays among all nodes that there are, all the time.
static void *worker_side(void *arg)
{
	struct growth *g = arg;
	struct common *c = g->common;
	struct traffic t = {.rig = &g->rig, .random = 42};

	spin_pin(WORKER_CORE);
	quiescent_online(&g->rig.memory.workers[0], (int32_t)gettid());
	while (!__atomic_load_n(&g->stop, __ATOMIC_RELAXED)) {
		t.nodes = __atomic_load_n(&c->known, __ATOMIC_ACQUIRE);
		__atomic_store_n(&c->used, t.nodes, __ATOMIC_RELEASE);
		batch_run(g, &t);
	}
	quiescent_offline(&g->rig.memory.workers[0]);
	return NULL;
}

static void phase_begin(struct common *c, enum phase phase)
{
	__atomic_store_n(&c->phase, phase, __ATOMIC_RELAXED);
}

static void grown_tell(void *ctx)
{
	struct growth *g = ctx;

	if (write(g->grown[1], "", 1) != 1)
		err(1, "pipe");
}

static void writer_attach(struct growth *g)
{
	struct memory_error why;
	char path[64];
	uint32_t fd;

	while ((fd = __atomic_load_n(&g->common->fd, __ATOMIC_ACQUIRE)) == 0)
		usleep(1000);
	snprintf(path, sizeof(path), "/proc/%d/fd/%u", getppid(), fd);
	if (memory_map(&g->rig.memory, open(path, O_RDWR | O_CLOEXEC), &why))
		errx(1, "%s", why.text);
	if (node_writer_open(&g->rig.nodes, &g->rig.memory))
		errx(1, "cannot attach to the node table");
	g->rig.nodes.grown = grown_tell;
	g->rig.nodes.grown_ctx = g;
}

// Waits until so many nodes may have come since then.
static void pace(uint64_t since_ns, uint32_t nodes)
{
	while (clock_mono_ns() - since_ns < nodes * NS_PER_S / NODES_A_SECOND)
		;
}

// As the control plane: nodes come, then all of those expire.
static void writer_side(struct growth *g)
{
	struct common *c = g->common;
	uint64_t since = clock_mono_ns();

	while (clock_mono_ns() - since < g->steady_ns)
		node_writer_run(&g->rig.nodes);
	phase_begin(c, GROWING);
	since = clock_mono_ns();
	for (uint32_t id = g->from + 1; id <= g->to; id++) {
		traffic_node_add(&g->rig, id);
		__atomic_store_n(&c->known, id, __ATOMIC_RELEASE);
		if (id % PACE == 0)
			pace(since, id - g->from);
	}
	__atomic_store_n(&c->known, g->from, __ATOMIC_RELEASE);
	phase_begin(c, STEADY);
	while (__atomic_load_n(&c->used, __ATOMIC_ACQUIRE) != g->from)
		;
	phase_begin(c, EXPIRING);
	for (uint32_t id = g->from + 1; id <= g->to; id++) {
		node_writer_remove(&g->rig.nodes, id);
		if (id % 1024 == 0)
			node_writer_run(&g->rig.nodes);
	}
	phase_begin(c, STEADY);
}

// As the data plane's main thread, until the writer has ended.
static void follow(struct growth *g, pid_t writer)
{
	struct memory *m = &g->rig.memory;
	struct node_mapped mapped = {0};
	int status;
	char byte;

	close(g->grown[1]);
	do {
		node_table_follow(&m->nodes, &mapped);
		worker_follow(g->rig.workers[0], (uint32_t)m->nodes.header->node_count);
	} while (read(g->grown[0], &byte, 1) == 1);
	close(g->grown[0]);
	if (waitpid(writer, &status, 0) != writer || status)
		errx(1, "the writer failed");
}

static uint32_t round_run(struct growth *g)
{
	uint32_t pages;
	pthread_t thread;
	pid_t writer;

	*g->common = (struct common){.known = g->from};
	g->stop = 0;
	if (pipe(g->grown))
		err(1, "pipe");
	writer = fork();
	if (writer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); // it waits for the worker
		spin_pin(WRITER_CORE);
		writer_attach(g);
		writer_side(g);
		_exit(0);
	}
	traffic_rig(&g->rig, g->to, g->from, 1);
	if (writer < 0 || pthread_create(&thread, NULL, worker_side, g))
		errx(1, "cannot start a process and a thread");
	__atomic_store_n(&g->common->fd, (uint32_t)g->rig.memory.fd, __ATOMIC_RELEASE);
	follow(g, writer);
	__atomic_store_n(&g->stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	pages = g->rig.memory.nodes.header->huge_pages;
	rig_close(&g->rig);
	return pages;
}

int engine_growth(int argc, char **argv)
{
	static const char *const names[PHASES] = {"steady", "growing", "expiring"};
	static struct growth g = {.from = 10000, .to = 1000000, .steady_ns = 2000000000};
	struct spin control;
	uint32_t pages = 0, rounds = ROUNDS;
	bool controlled = spin_cores() > CONTROL_CORE;

	if (argc > 1) {
		g.from = (uint32_t)strtoul(argv[0], NULL, 10);
		g.to = (uint32_t)strtoul(argv[1], NULL, 10);
	}
	if (argc > 2)
		rounds = (uint32_t)strtoul(argv[2], NULL, 10);
	if (g.from == 0 || g.to <= g.from || rounds == 0)
		return 2;
	g.common = mmap(
	    NULL, sizeof(*g.common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g.common == MAP_FAILED)
		err(1, "mmap");
	if (controlled)
		spin_start(&control, CONTROL_CORE, &g.common->phase);
	for (uint32_t i = 0; i < rounds; i++)
		pages += round_run(&g);
	if (controlled)
		spin_end(&control);
	printf("{\"from\":%u,\"to\":%u,\"huge_pages\":%u", g.from, g.to, pages / rounds);
	for (int i = 0; i < PHASES; i++) {
		char name[32];

		printf(",");
		gaps_print(names[i], &g.turns[i]);
		printf(",\"%s_s\":%.2f,\"%s_faults\":%lu", names[i], g.turns[i].seconds, names[i],
		    (unsigned long)g.faults[i]);
		if (!controlled)
			continue;
		snprintf(name, sizeof(name), "%s_control", names[i]);
		printf(",");
		gaps_print(name, &control.gaps[i]);
	}
	printf("}\n");
	return 0;
}
