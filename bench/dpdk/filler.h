// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// What a card would do: writes a relay datagram from and to random nodes into every buffer that a
// queue receives. Node i has the id filler_node(i) and the address filler_address(i), port
// NODE_PORT.

enum { NODE_PORT = 4001, FRAME = 60 }; // 64 bytes on the cable, with the checksum a card adds

uint32_t filler_node(uint32_t i);
uint32_t filler_address(uint32_t i); // network order

// Of `nodes`, the first `senders` send; to 192.0.2.1:9001 at rig_mac. Each worker has a device, or
// a queue of the only one.
void filler_open(uint32_t nodes, uint32_t senders, unsigned workers);
// From then on what workers receive is filled, or no longer. No thread may be receiving.
void filler_start(void);
void filler_stop(void);
