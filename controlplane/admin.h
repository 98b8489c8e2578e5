// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>
#include <uv.h>

// The admin socket's transport: clients, messages, back-pressure. What requests mean is in
// admin_api.c; docs/admin.md describes both. Main thread.

enum { ADMIN_CLIENT_MAX = 32, ADMIN_MESSAGE_MAX = 65536, ADMIN_ERROR_MAX = 512 };

struct admin;

// What went wrong with a request.
struct admin_error {
	char error[ADMIN_ERROR_MAX];
	char hint[ADMIN_ERROR_MAX];
	bool again; // the same request may succeed in a moment
};

struct admin_client {
	struct admin *admin;
	int fd;
	uint64_t stuck_ns; // since when its socket is full, 0 = it is not
	uint64_t lost;	   // events that it was too slow for
	uv_poll_t poll;
	struct admin_client *next;
};

struct admin {
	// Fill in before admin_open(). Returns the result (a new reference), or NULL with err.
	json_t *(*answer)(
	    void *ctx, struct admin_client *client, const json_t *request, struct admin_error *err);
	// A client has gone.
	void (*gone)(void *ctx, struct admin_client *client);
	void *ctx;

	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uv_loop_t *loop; // NULL before admin_start()
	uv_poll_t poll;
	struct admin_client *clients;
	unsigned count;
};

// Creates PATH with mode 0600, in the place of one that is left over. 0 or a negative errno.
// Bind with privileges, start after they were given up; owner: who may use it beside root. Who asks
// in between waits.
int admin_bind(struct admin *a, const char *path, uid_t owner, gid_t group);
void admin_start(struct admin *a, uv_loop_t *loop);
void admin_stop(struct admin *a);

// Sends a message outside of an answer. Takes over `message`. A client that cannot take it loses
// it, and its connection when that lasts for ADMIN_STUCK_S. True when it got it.
enum { ADMIN_STUCK_S = 10 };
bool admin_send(struct admin_client *c, json_t *message, uint64_t now_ns);
