// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// `fairway-pktgen registry`: simulated daemons against a Pilot registry over TCP, phase by phase:
// register, heartbeat, poll, look-up, resolve. Each phase keeps a window of requests open on every
// connection and reports answers a second, latency, and the CPU time of the registry's process.
int registry_main(int argc, char **argv);
