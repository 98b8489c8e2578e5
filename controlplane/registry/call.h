// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/field.h"
#include "controlplane/registry/json_out.h"
#include "controlplane/registry/place.h"
#include "controlplane/registry/registry.h"
#include "controlplane/registry/sig_cache.h"

#include <stdbool.h>
#include <stdint.h>

// One request and its answer. call_begin() finds the row of its type, checks what the row says of
// authority, and answers; or it stops for a signature that somebody verifies (on another thread if
// they like), and call_verified() goes on. Between the two everything may have changed: a call
// holds ids, not pointers.

enum {
	CALL_ERROR_MAX = 320,
	CHALLENGE_MAX = 384,
	CALL_ADDR_MAX = 64, // longest listen_addr
};

// What a costly request counts as; one more for each so many nodes that it went through, and bytes
// of the answer.
enum { CALL_COST = 20, CALL_COST_NODES = 5000, CALL_COST_BYTES = 4096 };

// Bytes of a list: what daemons accept, less the largest entry (a network with its rules).
enum { CALL_LIST_MAX = 3 << 20 };

enum call_step { CALL_DONE, CALL_VERIFY };

struct call_row;

struct call {
	// Fill in before call_begin(); `in` is taken over.
	struct request *in;
	struct endpoint from; // where the connection comes from
	struct registry_time t;
	struct anchor *conn; // what the connection may do later; may be NULL

	// The answer: a whole frame. Nobody may see it before `ticket` is committed.
	struct json_out out;
	uint64_t ticket;
	// Entries of this node's inbox up to this are delivered with the answer.
	uint32_t polled;
	uint64_t polled_seq;

	// For whoever verifies.
	uint8_t key[IDENTITY_KEY_SIZE];
	uint8_t sig[IDENTITY_SIG_SIZE];
	char text[CHALLENGE_MAX];
	size_t text_len;

	// Own.
	struct registry *registry;
	const struct call_row *row;
	unsigned type; // the row's number
	struct sig_tag tag;
	uint32_t signer; // id whose key signed; 0: none
	bool proven;	 // by a signature
	bool admin;	 // by the administrator's token
	bool failed;
	uint32_t cost; // requests that it counts as beside itself
	char error[CALL_ERROR_MAX];
};

// What a connection has shown. An endpoint that an unsigned registration claimed for a live node of
// another address counts when the node proves its key on the same connection.
struct anchor {
	uint32_t node; // 0 = none
	struct place place;
	uint32_t signer; // the node that has signed a request here, the last one; 0 = none
};

typedef void call_handler(struct registry *r, struct call *c);

enum call_flags {
	CALL_SIGNED = 1,      // needs the signature of `signer` over `challenge`
	CALL_OR_ADMIN = 2,    // or the administrator's token
	CALL_ADMIN = 4,	      // needs the administrator's token
	CALL_WRITES = 8,      // the answer waits for the disk
	CALL_OPTIONAL = 16,   // checked if there is a signature, `proven` says so
	CALL_KEY_INSIDE = 32, // the key is in the request ("public_key"), not in the directory
	CALL_COSTLY = 64,     // goes through many nodes: counts as CALL_COST requests
};

struct call_row {
	const char *type;
	call_handler *handle;
	unsigned flags;
	const char *signer;    // field with the signer's node id
	const char *challenge; // "resolve:{requester_id}:{node_id}"; {$x} a text, {?x} ":" and
	// a text that is not "", or nothing
	// Before authority is asked for: refuses what cannot be right. May call call_fail(), or
	// set `failed` with an empty error to answer at once.
	call_handler *check;
};

// The types of requests by number, fewer than REGISTRY_TYPES_MAX; NULL behind the last.
const char *call_type_name(unsigned number);

enum call_step call_begin(struct registry *r, struct call *c);
// What call_begin() would have verified now, without doing anything else: true with what is for
// whoever verifies, and the tag to remember.
bool call_peek(struct registry *r, struct call *c);
void call_verified(struct registry *r, struct call *c, bool valid);
// After the answer was written: what it delivered is gone.
void call_delivered(struct registry *r, uint32_t node, uint64_t seq);
void call_free(struct call *c);

// What handlers use. The error that clients see, masked as the daemons' registry does.
void call_fail(struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The live node that a field names; NULL with the standard error.
struct dir_node *call_node(struct registry *r, struct call *c, const char *field);
// The node that asks: who signed this request, or else the one before on this connection. NULL:
// nobody knows.
const struct dir_node *call_viewer(const struct registry *r, const struct call *c);
// The network that "network_id" names; NULL with the standard error.
struct network *call_network(struct registry *r, struct call *c);
// A list's answer has room for no more entries; the rest comes when "next" is passed as "after".
bool call_is_full(const struct call *c);
// "admin_token" is the administrator's or, unless `net` is NULL, that of the network. No error is
// set.
bool call_shows_token(const struct registry *r, const struct call *c, const struct network *net);
// The administrator's token is right; else false with the standard error.
bool call_is_admin(struct registry *r, struct call *c);
// Owner, admin (`least`) of a network, by token or signature; false with the standard error.
bool call_has_role(struct registry *r, struct call *c, const struct network *net, enum role least);
// A change for the audit log: the actor is whoever proved to be one.
void call_note(
    struct call *c, const char *action, uint32_t node, uint16_t network, const char *details);
void call_audit(struct call *c, const char *action, uint32_t node, uint16_t network,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

// The rows of each part, each list ends with a NULL type.
extern const struct call_row call_identity_rows[], call_profile_rows[], call_lookup_rows[],
    call_trust_rows[], call_network_rows[], call_member_rows[], call_policy_rows[],
    call_admin_rows[], call_find_rows[], call_provision_rows[], call_directory_rows[];
