// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/link.h"
#include "shm/kernel_memory.h"
#include "shm/memory.h"

#include <stdint.h>

// The maps of bpf/relay, one set for all links with mode=kernel. Made and kept by the data plane's
// main thread; the control plane fills in nodes, next hops and rules (shm/kernel_writer.h).

// Makes and maps them with room for so many nodes. Needs CAP_BPF. 0 or a negative errno with err.
int xdp_kernel_open(
    struct kernel_memory *k, const struct memory *m, uint32_t nodes, struct link_error *err);
// Nothing to do for maps that were not opened.
void xdp_kernel_close(struct kernel_memory *k);

// Mirrors the local addresses, and the egress entries of one link with what its interface can send
// (enum kernel_egress_flags; 0 = nothing). Main thread, whenever one of these may have changed.
void xdp_kernel_locals(struct kernel_memory *k, const struct local *locals);
void xdp_kernel_egress(
    struct kernel_memory *k, const struct egress *egress, uint8_t link, uint8_t flags);
