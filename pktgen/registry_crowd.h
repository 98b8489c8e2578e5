// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/identity.h"
#include "wire/endpoint.h"

#include <stddef.h>
#include <stdint.h>

// Who the simulated daemons are: keys from a seed, ids from the registry, and their signatures,
// made beforehand on all processors so that the load measures the registry and not the signing.

enum {
	SIGNATURE_TEXT = 89, // base64 of 64 bytes and a zero
	REQUEST_MAX = 400,
};

enum request {
	REQUEST_REGISTER,
	REQUEST_HEARTBEAT,
	REQUEST_POLL,
	REQUEST_PUBLISH, // set_visibility
	REQUEST_LOOKUP,	 // of the node `which`
	REQUEST_RESOLVE, // of the sender's peer `which`, below 2 * peers
};

struct crowd {
	uint32_t nodes, seed, peers; // fill in first

	uint32_t *id; // by node; 0: not registered
	uint8_t (*key)[IDENTITY_KEY_SIZE];
	char (*signatures)[SIGNATURE_TEXT];
};

// Makes everybody's keys. 0 or a negative errno.
int crowd_derive(struct crowd *c);
// Makes everybody's signatures, once; all nodes have their ids. 0 or a negative errno.
int crowd_sign(struct crowd *c);
void crowd_forget(struct crowd *c);
// The body of a request, not terminated: its length.
size_t crowd_request(
    const struct crowd *c, uint32_t node, enum request what, uint32_t which, char out[REQUEST_MAX]);
