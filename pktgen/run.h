// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/backend.h"
#include "pktgen/histogram.h"
#include "pktgen/traffic.h"
#include "pktgen/windows.h"

// One trial: sends for a time at a rate with one thread and receives with another.

struct trial {
	double rate;	      // asked, datagrams per second; 0 = as fast as possible
	double seconds;	      // asked
	double sent_seconds;  // how long sending took
	uint64_t sent;	      // datagrams the kernel took
	uint64_t refused;     // datagrams the kernel did not take; not counted as lost
	uint64_t cpu_send_ns; // of the sending thread
	uint64_t cpu_receive_ns;
	struct check check;
	struct histogram latency; // ns from sending to reception, all frames
	struct windows windows;
};

// Share of the sent frames that never came back, 0 to 1.
double trial_loss(const struct trial *t);

// Runs one trial of relayed frames. 0 or a negative errno with a sentence in `error`, which has
// BACKEND_ERROR_MAX bytes here and below.
int trial_relay(
    struct trial *t, struct traffic *traffic, struct backend *b, const char *label, char *error);

// Sends one Discover for each node. `answered` counts the replies, which name no node.
struct registration {
	uint64_t sent;
	uint64_t answered;
	double seconds; // from the first Discover to the last reply
};

int registration_run(
    struct registration *r, const struct options *o, struct backend *b, char *error);

struct flood {
	uint64_t sent;
	uint64_t refused;
	double seconds;
};

int flood_run(struct flood *f, const struct options *o, struct backend *b, char *error);
