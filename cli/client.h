// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/state.h"

#include <jansson.h>

// Client of the admin socket (docs/admin.md).

enum { ADMIN_MESSAGE_MAX = 64 << 10, ADMIN_PATIENCE_MS = 5000 };

struct client {
	int fd; // -1 = not connected any more
	const char *state;
	bool away; // nobody there, or a part of the relay does not answer: trying later may help
};

// Returns 0 or a negative errno with a text that says what to do.
int client_open(struct client *client, const char *state, struct parse_error *error);
void client_close(struct client *client);
// Sends `request` (taken over) and returns `result` (owned by the caller), or NULL with the error
// and the hint of the relay. One that does not answer in time is not asked again: the connection is
// closed, later requests fail at once.
json_t *client_request(struct client *client, json_t *request, struct parse_error *error);
// The next message, waiting at most `patience_ms` (-1 = for ever). NULL with an empty `error` when
// none came, also when a signal arrived.
json_t *client_receive(struct client *client, int patience_ms, struct parse_error *error);
