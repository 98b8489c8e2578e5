// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

// What the command line asks for. Units are in the names or beside them.

enum mode { MODE_REGISTER, MODE_RELAY, MODE_LATENCY, MODE_NDR, MODE_GARBAGE };

enum garbage { GARBAGE_RANDOM, GARBAGE_DISCOVER, GARBAGE_SPOOFED };

struct options {
	enum mode mode;
	struct endpoint to;	 // the relay
	struct endpoint from;	 // sock, dpdk: local address; its port is not used
	const char *interface;	 // xdp: AF_XDP and live frames on it
	const char *device;	 // dpdk: as the relay's. Neither: sock link
	const char *dpdk_eal;	 // dpdk: further arguments of DPDK's EAL, or NULL
	struct endpoint network; // xdp, dpdk: first address of the simulated nodes
	uint32_t nodes;
	uint32_t first_id;
	uint32_t flows;
	uint32_t size;	      // frame bytes inside the relay message
	uint32_t train;	      // consecutive datagrams of one flow
	uint32_t sockets;     // sock: how many the nodes are spread over
	uint32_t window;      // relay, latency: frames on their way at most, 0 = no bound
	double rate;	      // datagrams per second, 0 = as fast as possible
	double register_rate; // Discovers per second before relay, latency and ndr
	double seconds;	      // of sending
	double zipf;	      // exponent of the destinations' distribution, 0 = uniform
	double loss;	      // ndr: highest accepted share, 0.001 = 0.1 %
	double trial_seconds;
	uint32_t seed;
	enum garbage garbage;
	bool reflected;	  // frames come back to their sender as they were sent
	bool no_register; // relay, latency, ndr: the nodes are registered already
	bool quiet;
	const char *json; // file for the result, "-" for stdout
};

enum {
	FRAME_MIN = 16,	   // flow, sequence and time of sending
	FRAME_MAX = 65000, // what a relay message in one UDP datagram holds, with room for tunnels
	NODES_MAX = 16000000,
	FLOWS_MAX = 16000000,
	SOCKETS_MAX = 4096,
};

// Fills in *o from the command line. Prints usage or an error with the value and the way out and
// exits with status 2 (0 for --help) where the arguments do not fit.
void options_parse(struct options *o, int argc, char **argv);

const char *mode_name(enum mode mode);
