// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"
#include "controlplane/registry/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// Announces a relay at somebody else's registry, as beacons do: every CLIENT_PERIOD_S a new
// connection, beacon_register and beacon_list (wire-registry.md 2.E). Main thread.
enum { CLIENT_PERIOD_S = 30, CLIENT_BEACON_MAX = 256 };

struct client_beacon {
	uint32_t id;
	char addr[64];
};

struct registry_client {
	// Fill in before client_start().
	union socket_address at;
	char addr[64];		    // what others are told: our ADDR:PORT
	uint32_t beacon_id;	    // 0: listens only
	void (*changed)(void *ctx); // the list of beacons has changed; NULL: nobody cares
	void *ctx;

	uv_loop_t *loop;
	uv_timer_t timer;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct frame_input in;
	uint8_t request[512], buffer[65536];
	unsigned due;	      // answers of this round that are missing
	bool open, closing;   // of tcp
	uint64_t answered_ns; // CLOCK_MONOTONIC of the last complete round, 0 = none
	struct client_beacon beacons[CLIENT_BEACON_MAX];
	uint32_t beacon_count;
	char error[160]; // why the last round failed, "" = it did not
};

void client_start(struct registry_client *c, uv_loop_t *loop);
void client_stop(struct registry_client *c);

// Takes an answer's JSON. False when it is none, with c->error. No I/O.
bool client_answer(struct registry_client *c, const void *json, size_t len);
