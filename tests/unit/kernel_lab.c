// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/kernel_lab.h"

#include "tests/unit/memory_lab.h"

#include <sys/mman.h>
#include <unistd.h>

static int map_make(enum kernel_map map, const struct kernel_sizes *sizes)
{
	struct kernel_shape shape = kernel_map_shape(map, sizes);
	int fd = memfd_create("kernel map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)shape.value_size * shape.entries), 0);
	if (map == KERNEL_PLACES)
		assert_int_equal(pwrite(fd, sizes, sizeof(*sizes), 0), sizeof(*sizes));
	return fd;
}

void kernel_lab_open(struct kernel_lab *lab, uint32_t capacity, uint32_t limit)
{
	struct kernel_sizes sizes;
	int fds[KERNEL_MAP_COUNT];

	memory_lab_create(&lab->memory, capacity, 1, 4096);
	assert_int_equal(node_writer_open(&lab->nodes, &lab->memory), 0);
	sizes = kernel_sizes_for(lab->memory.nodes.header, limit, KERNEL_LAB_CPUS);
	for (int i = 0; i < KERNEL_MAP_COUNT; i++)
		fds[i] = map_make(i, &sizes);
	assert_int_equal(kernel_memory_map(&lab->kernel, fds, &lab->memory.nodes), 0);
	lab->memory.kernel = &lab->kernel;
	assert_int_equal(kernel_writer_open(&lab->writer, &lab->nodes), 0);
}

void kernel_lab_close(struct kernel_lab *lab)
{
	kernel_writer_close(&lab->writer);
	kernel_memory_unmap(&lab->kernel);
	node_writer_close(&lab->nodes);
	memory_unmap(&lab->memory);
}
