// SPDX-License-Identifier: BSD-3-Clause
#include "shm/memory.h"

#include "base/clock.h"
#include "shm/pages.h"
#include "shm/peer_table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(sizeof(struct shm_header) <= 4096, "the settings follow on the next page");

enum { PAGE = 4096, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

// Room that is reserved for rings, so that they can be larger after a restart.
static const uint64_t RINGS_RESERVED = 1ULL << 30;
static const char MAGIC[8] = "FAIRWAY";

static int __attribute__((format(printf, 3, 4)))
refuse(struct memory_error *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return code;
}

static uint64_t rings_size(const struct memory_config *cfg)
{
	return cfg->worker_count * (cfg->punt_size + cfg->inject_size + cfg->trace_size);
}

static uint64_t round_up(uint64_t size, uint64_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

static struct shm_region region_after(struct shm_region previous, uint64_t size)
{
	return (struct shm_region){
	    .offset = previous.offset + previous.size,
	    .size = round_up(size, PAGE),
	};
}

// Where everything lies, given the node capacity and the size of the rings region.
static void layout_plan(struct shm_header *h, uint32_t node_capacity, uint64_t rings)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, MAGIC, sizeof(MAGIC));
	h->version = SHM_VERSION;
	h->header_size = sizeof(*h);
	h->node_capacity = node_capacity;
	h->settings = (struct shm_region){.offset = PAGE, .size = PAGE};
	h->locals = region_after(h->settings, LOCAL_MAX * sizeof(struct local));
	h->egress = region_after(h->locals, EGRESS_MAX * sizeof(struct egress));
	h->nexthops = region_after(h->egress, NEXTHOP_MAX * sizeof(nexthop_word));
	h->peers = region_after(h->nexthops, PEER_MAX * sizeof(struct peer));
	h->peer_index = region_after(h->peers, sizeof(struct peer_index));
	h->workers = region_after(h->peer_index, (uint64_t)WORKER_MAX * PAGE);
	h->rings = region_after(h->workers, rings);
	h->nodes.offset = round_up(h->rings.offset + h->rings.size, HUGE_PAGE);
	h->nodes.size = round_up(node_table_size(node_capacity), HUGE_PAGE);
	h->total_size = h->nodes.offset + h->nodes.size;
}

static bool ring_size_valid(uint64_t size)
{
	return size >= RING_SIZE_MIN && size <= RING_SIZE_MAX && (size & (size - 1)) == 0;
}

static int config_check(const struct memory_config *cfg, struct memory_error *err)
{
	if (cfg->node_capacity == 0 || cfg->node_capacity > NODE_CAPACITY_MAX)
		return refuse(err, -EINVAL, "node capacity %u: it must be 1 to %u",
		    cfg->node_capacity, NODE_CAPACITY_MAX);
	if (cfg->worker_count == 0 || cfg->worker_count > WORKER_MAX)
		return refuse(err, -EINVAL, "%u workers: there can be 1 to %u", cfg->worker_count,
		    WORKER_MAX);
	if (!ring_size_valid(cfg->punt_size) || !ring_size_valid(cfg->inject_size) ||
	    !ring_size_valid(cfg->trace_size))
		return refuse(err, -EINVAL,
		    "ring sizes %llu, %llu, %llu: each must be a power of two from %u to %u",
		    (unsigned long long)cfg->punt_size, (unsigned long long)cfg->inject_size,
		    (unsigned long long)cfg->trace_size, RING_SIZE_MIN, RING_SIZE_MAX);
	return 0;
}

static int cpu_check(struct memory_error *err)
{
	if (!__builtin_cpu_supports("avx"))
		return refuse(err, -ENOTSUP,
		    "this CPU has no AVX, without which 16-byte loads are not atomic: "
		    "run on a CPU made since 2011, or let the hypervisor pass AVX on");
	return 0;
}

static int memory_mmap(struct memory *m, int fd, uint64_t size, struct memory_error *err)
{
	void *base = pages_map(fd, size);

	if (!base)
		return refuse(err, -errno,
		    "cannot map %llu bytes of shared memory: %s; lower nodes.capacity, or raise "
		    "ulimit -v",
		    (unsigned long long)size, strerror(errno));
	m->base = base;
	m->size = size;
	m->header = base;
	return 0;
}

// Resolves the pointers; h is a checked copy of the header.
static int memory_resolve(struct memory *m, const struct shm_header *h, struct memory_error *err)
{
	m->worker_count = h->worker_count;
	m->punt_size = h->punt_size;
	m->inject_size = h->inject_size;
	m->trace_size = h->trace_size;
	m->settings = (struct relay_settings *)(m->base + h->settings.offset);
	m->locals = (struct local *)(m->base + h->locals.offset);
	m->egress = (struct egress *)(m->base + h->egress.offset);
	m->nexthops = (nexthop_word *)(m->base + h->nexthops.offset);
	m->peers = (struct peer *)(m->base + h->peers.offset);
	m->peer_index = (struct peer_index *)(m->base + h->peer_index.offset);
	m->workers = (struct worker_block *)(m->base + h->workers.offset);
	m->rings = m->base + h->rings.offset;
	if (node_table_open(&m->nodes, m->base + h->nodes.offset, h->nodes.size) ||
	    m->nodes.capacity != h->node_capacity)
		return refuse(err, -EINVAL, "the node table in the memory is damaged");
	return 0;
}

static void dp_sign(struct shm_header *h)
{
	h->dp_started_ns = clock_mono_ns();
	__atomic_store_n(&h->dp_pid, (uint64_t)getpid(), __ATOMIC_RELEASE);
	__atomic_fetch_add(&h->boot_count, 1, __ATOMIC_SEQ_CST);
}

static void config_store(struct shm_header *h, const struct memory_config *cfg)
{
	h->worker_count = cfg->worker_count;
	h->punt_size = cfg->punt_size;
	h->inject_size = cfg->inject_size;
	h->trace_size = cfg->trace_size;
	h->block_size = sizeof(struct worker_block);
	h->counter_count = COUNTER_COUNT;
	h->drop_count = DROP_COUNT;
}

// The first huge page holds the table's header and first buckets; the writer takes the others.
static void huge_begin(struct memory *m, const struct memory_config *cfg)
{
	if (cfg->huge_pages)
		m->huge_error = pages_join(m->nodes.header);
	m->header->huge_pages = cfg->huge_pages && m->huge_error == 0;
}

static int memory_fill(
    struct memory *m, int fd, const struct memory_config *cfg, struct memory_error *err)
{
	uint64_t rings = WORKER_MAX * (cfg->punt_size + cfg->inject_size + cfg->trace_size);
	struct shm_header h;
	int code;

	layout_plan(&h, cfg->node_capacity, rings > RINGS_RESERVED ? rings : RINGS_RESERVED);
	config_store(&h, cfg);
	if (ftruncate(fd, (off_t)h.total_size) || fcntl(fd, F_ADD_SEALS, SEALS))
		return refuse(err, -errno, "cannot size the shared memory to %llu bytes: %s%s",
		    (unsigned long long)h.total_size, strerrordesc_np(errno),
		    errno == EFBIG ? ": raise the file size limit (ulimit -f, LimitFSIZE)" : "");
	code = memory_mmap(m, fd, h.total_size, err);
	if (code)
		return code;
	if (node_table_format(m->base + h.nodes.offset, h.nodes.size, cfg->node_capacity))
		return refuse(err, -EIO, "cannot set up the node table");
	code = memory_resolve(m, &h, err);
	if (code)
		return code;
	if (getrandom(m->peer_index->key, sizeof(m->peer_index->key), 0) < 0)
		return refuse(err, -errno, "getrandom: %s", strerror(errno));
	memcpy(m->base, &h, sizeof(h));
	huge_begin(m, cfg);
	dp_sign(m->header);
	m->fd = fd;
	return 0;
}

int memory_create(struct memory *m, const struct memory_config *cfg, struct memory_error *err)
{
	int code, fd;

	*m = (struct memory){.fd = -1};
	code = config_check(cfg, err);
	if (!code)
		code = cpu_check(err);
	if (code)
		return code;
	fd = memfd_create("fairway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return refuse(err, -errno, "memfd_create: %s", strerror(errno));
	code = memory_fill(m, fd, cfg, err);
	if (code) {
		memory_unmap(m);
		close(fd);
	}
	return code;
}

static bool regions_equal(const struct shm_header *a, const struct shm_header *b)
{
	return memcmp(&a->settings, &b->settings,
		   offsetof(struct shm_header, boot_count) -
		       offsetof(struct shm_header, settings)) == 0;
}

// Reads the header into h and checks everything in it.
static int header_check(int fd, struct shm_header *h, struct memory_error *err)
{
	struct memory_config cfg;
	struct shm_header plan;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	memset(h, 0, sizeof(*h));
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) ||
	    pread(fd, h, sizeof(*h), 0) < 16 || memcmp(h->magic, MAGIC, sizeof(MAGIC)) != 0)
		return refuse(err, -EINVAL, "descriptor is not a memory of fairway-dp");
	if (h->version != SHM_VERSION || h->header_size != sizeof(*h))
		return refuse(err, -EPROTO,
		    "memory has layout version %u, this build has %u (header %u and %zu bytes): "
		    "run fairway-dp and fairway-cp of one build",
		    h->version, SHM_VERSION, h->header_size, sizeof(*h));
	cfg = (struct memory_config){
	    .node_capacity = h->node_capacity,
	    .worker_count = h->worker_count,
	    .punt_size = h->punt_size,
	    .inject_size = h->inject_size,
	    .trace_size = h->trace_size,
	};
	if (config_check(&cfg, err))
		return -EINVAL;
	if (h->rings.size > 1ULL << 40 || rings_size(&cfg) > h->rings.size)
		return refuse(err, -EINVAL, "memory is damaged: rings do not fit their region");
	layout_plan(&plan, h->node_capacity, h->rings.size);
	if (plan.total_size != h->total_size || (uint64_t)st.st_size != h->total_size ||
	    !regions_equal(h, &plan))
		return refuse(err, -EINVAL,
		    "memory is damaged: header says %llu bytes, file has %llu, layout needs %llu",
		    (unsigned long long)h->total_size, (unsigned long long)st.st_size,
		    (unsigned long long)plan.total_size);
	return 0;
}

static int memory_open(struct memory *m, int fd, struct shm_header *h, struct memory_error *err)
{
	int code = cpu_check(err);

	*m = (struct memory){.fd = -1};
	if (!code)
		code = header_check(fd, h, err);
	if (!code)
		code = memory_mmap(m, fd, h->total_size, err);
	if (!code)
		code = memory_resolve(m, h, err);
	if (code)
		memory_unmap(m);
	return code;
}

int memory_map(struct memory *m, int fd, struct memory_error *err)
{
	struct shm_header h;
	int code = memory_open(m, fd, &h, err);

	if (code)
		return code;
	if (h.block_size != sizeof(struct worker_block) || h.counter_count != COUNTER_COUNT ||
	    h.drop_count != DROP_COUNT) {
		memory_unmap(m);
		return refuse(err, -EPROTO,
		    "the data plane has %u counters and %u drops, this build has %u and %u: "
		    "run fairway-dp and fairway-cp of one build",
		    h.counter_count, h.drop_count, COUNTER_COUNT, DROP_COUNT);
	}
	m->fd = fd;
	return 0;
}

int memory_adopt(
    struct memory *m, int fd, const struct memory_config *cfg, struct memory_error *err)
{
	struct shm_header h;
	int code = config_check(cfg, err);

	*m = (struct memory){.fd = -1};
	if (!code)
		code = memory_open(m, fd, &h, err);
	if (code)
		return code;
	if (h.node_capacity != cfg->node_capacity)
		code = refuse(err, -EINVAL, "memory has room for %u nodes, configured are %u",
		    h.node_capacity, cfg->node_capacity);
	else if (rings_size(cfg) > h.rings.size)
		code = refuse(err, -EINVAL,
		    "rings of %u workers need %llu bytes, memory has room for %llu",
		    cfg->worker_count, (unsigned long long)rings_size(cfg),
		    (unsigned long long)h.rings.size);
	else if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)h.workers.offset,
		     (off_t)(h.workers.size + h.rings.size)))
		code = refuse(err, -errno, "cannot clear the worker blocks: %s", strerror(errno));
	if (code) {
		memory_unmap(m);
		return code;
	}
	for (unsigned i = 0; i < EGRESS_MAX; i++)
		__atomic_store_n(&m->egress[i].valid, 0, __ATOMIC_RELEASE);
	config_store(m->header, cfg);
	config_store(&h, cfg);
	code = memory_resolve(m, &h, err);
	if (code) {
		memory_unmap(m);
		return code;
	}
	huge_begin(m, cfg);
	dp_sign(m->header);
	m->fd = fd;
	return 0;
}

void memory_unmap(struct memory *m)
{
	if (m->base)
		munmap(m->base, m->size);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct memory){.fd = -1};
}
