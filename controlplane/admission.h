// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Who may put a node id on an endpoint. A pure decision; endpoints.c gathers the facts.
//
// A key is bound to an id the first time that a Discover signed with it is admitted; first write
// wins until the node is forgotten.
//
// open: a new id is accepted, a known one only from its IP address or after silence. The signature
// of the bound key moves a node at once from anywhere. Without a signature a bound key changes
// nothing: unmodified daemons show a key that they never sign with. The signature of a key that is
// not bound proves nothing about the id and counts as none.
// signed: only a signature of the bound key changes anything; a new id, or one learnt while the
// policy was open, is bound by the rules of `open`.
// anchored: a node that our own registry knows counts only from the address of its registry
// connection, and from there at once; a signature of the bound key is better still. Ids that the
// registry does not know are admitted as by `open`: there is nobody to take them from.
enum admission_policy { ADMISSION_OPEN, ADMISSION_ANCHORED, ADMISSION_SIGNED };

// Where the registry says that the node is.
enum admission_anchor { ANCHOR_NONE, ANCHOR_HERE, ANCHOR_ELSEWHERE };

// Which key the registry knows for the node. Where one is asked, a signature counts with that key
// only: at once, whoever had the id and whichever key was bound. While it has not said anything (it
// may be away) a bound key goes on, also that of a node that has gone there.
enum admission_identity {
	IDENTITY_NOT_ASKED,
	IDENTITY_UNSAID,
	IDENTITY_ABSENT,
	IDENTITY_OTHER,
	IDENTITY_SAME
};

enum admission_proof {
	PROOF_NONE,
	PROOF_KEY,    // showed a key, as newer daemons do that never sign
	PROOF_STALE,  // signed, but over no challenge of ours that still holds
	PROOF_SIGNED, // showed a key and a valid signature over our challenge
};

enum admission_verdict {
	ADMIT_REFRESH,	  // stored endpoint: a sign of life
	ADMIT_LEARN,	  // store the endpoint
	ADMIT_LEARN_BIND, // store the endpoint and bind the key
	REFUSE_OCCUPIED,  // another IP address was heard less than `silence` ago
	REFUSE_UNPROVEN,  // policy signed, no signature
	REFUSE_KEY,	  // another key is bound
	REFUSE_ANCHOR,	  // its registry connection comes from another address
	REFUSE_FULL,	  // no room for a new node
	REFUSE_NETWORK,	  // what is left is kept for other networks (controlplane/room.h)
};

struct admission_facts {
	enum admission_policy policy;
	enum admission_proof proof;
	enum admission_anchor anchor; // policy anchored only
	enum admission_identity identity;
	bool known;	     // a local node of that id is stored
	bool same_addr;	     // source address is the stored one
	bool same_port;	     // and the port too
	bool key_bound;	     // the node has a key
	bool key_matches;    // and it is the one shown
	bool full;	     // no room for a new node
	uint64_t silent_ns;  // since the last sign of life of the stored endpoint
	uint64_t silence_ns; // admission.silence
};

enum admission_verdict admission_decide(const struct admission_facts *f);

// Whether to send a challenge beside that: only to those who can answer it and need to.
bool admission_challenges(const struct admission_facts *f);

// "occupied", "unproven"...: for log lines and counters. Static text.
const char *admission_verdict_name(enum admission_verdict v);
