// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/kernel_writer.h"

// The maps of the XDP program that relays in plain memory, beside a node table; the program itself
// is not there.

enum { KERNEL_LAB_CPUS = 3 };

struct kernel_lab {
	struct memory memory;
	struct node_writer nodes;
	struct kernel_memory kernel;
	struct kernel_writer writer;
};

// A node table of that capacity, and maps with room for `limit` nodes.
void kernel_lab_open(struct kernel_lab *lab, uint32_t capacity, uint32_t limit);
void kernel_lab_close(struct kernel_lab *lab);
