// SPDX-License-Identifier: BSD-3-Clause
// Sizes of the shared tables. No includes: BPF programs use this file too.
#pragma once

enum {
	LOCAL_MAX = 64,	     // local table: addresses and ports we serve
	EGRESS_MAX = 64,     // interfaces (and VLANs on them) that raw links send through
	NEXTHOP_MAX = 16384, // index 0 means unresolved
	PEER_MAX = 1024, // endpoints of peer relays (a peer with many nodes gossips from several)
	WORKER_MAX = 64,
	LINK_MAX = 16,
};

enum sender_check { SENDER_CHECK_IP, SENDER_CHECK_ENDPOINT, SENDER_CHECK_OFF };
