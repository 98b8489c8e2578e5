// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_writer.h"

#include <stdbool.h>
#include <stdint.h>

// Who makes room when the node table is full. Without keys anybody can invent nodes by the million,
// from invented addresses; nodes that are alive must not suffer, and new ones find a place. What a
// flood does not do is to come back, so nodes that were heard once go first.

enum standing {
	STANDING_NEW,	   // heard once
	STANDING_FAMILIAR, // heard again from its address, after STANDING_FAMILIAR_S or longer
	STANDING_PROVEN,   // its key or its registry connection vouches for it
	STANDING_COUNT
};

enum {
	STANDING_FAMILIAR_S = 15,
	STANDING_NEW_TTL_S = 130, // daemons come back within 60 s; one time may get lost
	ROOM_WINDOW = 8,	  // nodes that are compared for one that goes
	ROOM_WINDOWS = 32,	  // looked at before nobody goes
	ROOM_KEPT_SHARE = 8,	  // one in so many places is kept for those who hold few
	ROOM_SAMPLE = 128,	  // nodes by which it is judged who holds many
};

// Seconds of CLOCK_MONOTONIC of the last sign of life of a local node.
uint32_t node_alive_at(const struct node_table *t, struct node_entry entry);

// By the index of a local node.
enum standing node_standing(const struct node_table *t, uint32_t index);
// A local node has come to another IP address, or is new.
void node_standing_begin(
    const struct node_table *t, struct node_entry entry, enum standing standing, uint32_t now_s);

enum room {
	ROOM_FREE,    // a place as for anybody
	ROOM_IN_TURN, // one of a node that room_find() gives up, no other
	ROOM_KEPT,    // none: what is left is kept for others
};

// What a newcomer may take, so that nobody fills the table with invented nodes from a few networks.
// It matters when seven of eight places are taken, and to networks (IPv4 /24, IPv6 /48) with more
// than `percent` of a sample of the local nodes, 0 = to none: their new nodes are kept out. Those
// that come back (FAMILIAR) may take the places of such as do not, or a flood would keep them out,
// as long as the table is not full of nodes that came back. Nobody who is known is given up for it.
enum room room_for(const struct node_table *t, uint64_t *cursor, const struct endpoint *from,
    enum standing newcomer, unsigned percent);

// Whom to forget so that a node of this standing finds a place: of the next few one of the lowest
// standing, of these the one that is silent for longest. Proven nodes replace any that is not,
// others only nodes that were heard once. `cursor` goes round the table. False: nobody.
bool room_find(const struct node_table *t, uint64_t *cursor, enum standing newcomer,
    struct node_entry *victim);
