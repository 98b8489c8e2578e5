// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What waits for a node until it asks: handshake requests, answers to its own, invites. One thread.
enum inbox_kind { INBOX_REQUEST, INBOX_RESPONSE, INBOX_INVITE };

enum {
	INBOX_MAX = 100, // of each kind
	INBOX_DAYS = 30, // entries are forgotten after
	JUSTIFICATION_MAX = 1024,
	INBOX_TEXT_MAX = 64 << 20, // bytes of the texts of all nodes
	TEXT_BURST = 4 << 20,	   // of those that a network (IPv4 /24, IPv6 /48) writes at once
	TEXT_RATE = 110,	   // and a second: less than INBOX_TEXT_MAX a week
};

struct inbox_entry {
	uint64_t seq; // ever growing over all nodes, the entry's name in the store
	int64_t unix_s;
	char *text; // justification, owned; NULL = ""
	uint32_t from;
	uint16_t network; // invites
	uint8_t kind;
	bool accept; // responses
};

struct inbox {
	struct inbox_entry *at;
	uint32_t count, cap;
};

unsigned inbox_count(const struct inbox *box, enum inbox_kind kind);
// The entry of that kind from a node (and for a network), or NULL.
struct inbox_entry *inbox_find(
    const struct inbox *box, enum inbox_kind kind, uint32_t from, uint16_t network);
// Takes over `entry.text`, also when it fails. *box may be NULL. 0, -ENOSPC or -ENOMEM.
int inbox_add(struct inbox **box, struct inbox_entry entry);
void inbox_remove(struct inbox **box, struct inbox_entry *entry);
void inbox_free(struct inbox **box);
