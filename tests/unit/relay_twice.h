// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/xdp_internal.h"
#include "dataplane/io/xdp_kernel.h"
#include "shm/kernel_writer.h"
#include "tests/unit/stage_lab.h"

// The same frames through the engine's stages and through the XDP program that relays, over the
// same tables: what the program decides itself comes out as from the engine, to the byte.

enum { TWICE_SKIP = 77, TWICE_FRAME_MAX = 2048 };

// What the program is to do by itself.
enum verdict_of { UP, SENT, DROPPED };

extern struct stage_lab lab;
extern struct kernel_memory kernel;
extern struct kernel_writer writer;
extern struct xdp_program program;
extern uint64_t decided[3]; // by verdict_of

// Whether the machine lets us; tells why not.
bool twice_possible(void);
// The program's tables, with room for so many nodes of the lab's.
void kernel_open(uint32_t nodes);
void kernel_close(void);
// Of cmocka; with room for all.
int twice_setup(void **state);
int twice_teardown(void **state);

// After changes to lab.env.set.
void settings_changed(void);

// A datagram as it comes from there to the local address of its family.
struct frame_spec spec_from(const char *from);
// Into the burst: a relay message with a payload of len bytes.
struct dgram *frame_add(const struct frame_spec *s, uint32_t sender, uint32_t dest, size_t len);

// Runs the program over a frame; the answer's length, the frame in `out`.
uint32_t program_run(const uint8_t *frame, uint32_t len, uint8_t *out, enum verdict_of *v);
// Both over the last frame of the burst, which is empty again afterwards. Fails the test where they
// differ.
enum verdict_of compare(struct dgram *d);
