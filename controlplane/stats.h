// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// Every counter of the control plane, in one line each; `fairway stats` and docs/counters.md are
// made from it. Counted since the process started.
// X(NAME, name, help)
#define CP_COUNTER_LIST(X)                                                                        \
	X(PUNTS, punts, "datagrams taken from the workers")                                       \
	X(PUNT_BROKEN, punt_broken, "punt records that make no sense, or of an unknown class")    \
	X(INJECT_FULL, inject_full, "datagrams not sent: a worker's inject ring was full")        \
	X(NODES_NEW, nodes_new, "node ids learnt that were not known here")                       \
	X(NODES_MOVED, nodes_moved, "nodes that came to another endpoint")                        \
	X(NODES_EXPIRED, nodes_expired,                                                           \
	    "nodes forgotten after admission.ttl without a sign of life")                         \
	X(NODES_EVICTED, nodes_evicted,                                                           \
	    "nodes that gave room to others: nodes.capacity was reached")                         \
	X(REFUSED_OCCUPIED, refused_occupied,                                                     \
	    "endpoint not learnt: another IP address holds the node id and is alive")             \
	X(REFUSED_UNPROVEN, refused_unproven, "endpoint not learnt: policy signed, no signature") \
	X(REFUSED_KEY, refused_key, "endpoint not learnt: another key is bound to the node id")   \
	X(REFUSED_ANCHOR, refused_anchor,                                                         \
	    "endpoint not learnt: the node's registry connection comes from another address")     \
	X(REFUSED_FULL, refused_full, "node not stored: nodes.capacity is reached")               \
	X(REFUSED_NETWORK, refused_network,                                                       \
	    "node not stored: network at admission.network-share, nodes.capacity 7/8 full")       \
	X(CHALLENGES, challenges, "challenges sent for signed admission")                         \
	X(SIGNATURES_GOOD, signatures_good, "signed Discovers that verified")                     \
	X(SIGNATURES_BAD, signatures_bad, "signed Discovers with a wrong signature")              \
	X(SIGNATURES_SHED, signatures_shed,                                                       \
	    "signed Discovers dropped: too many wait for verification")                           \
	X(PUNCHES, punches, "punch requests answered to both sides")                              \
	X(PUNCH_UNKNOWN, punch_unknown, "punch requests for a node that is not registered here")  \
	X(PUNCH_REFUSED, punch_refused,                                                           \
	    "punch requests whose requester was not admitted, or is the target itself")           \
	X(PUNCH_PACED, punch_paced, "punch requests repeated too soon")                           \
	X(PUNCH_CROWDED, punch_crowded,                                                           \
	    "punch requests left out: too many at once for nodes of one address")                 \
	X(STUN_ANSWERED, stun_answered, "STUN Binding requests answered")                         \
	X(STUN_REFUSED, stun_refused, "STUN requests answered with an error")                     \
	X(STUN_IGNORED, stun_ignored, "STUN messages that deserve no answer")                     \
	X(SYNC_SENT, sync_sent, "gossip datagrams sent")                                          \
	X(SYNC_RECEIVED, sync_received, "gossip datagrams taken over")                            \
	X(SYNC_REFUSED, sync_refused, "gossip from a source that is not allowed, or broken")      \
	X(SYNC_UNANNOUNCED, sync_unannounced,                                                     \
	    "nodes in the last round that no source port had room for: set gossip.extra-ports")   \
	X(REMOTE_FULL, remote_full, "nodes of peer relays not stored: no room")                   \
	X(NEIGHBOUR_PROBES, neighbour_probes, "datagrams sent to keep neighbours in use fresh")   \
	X(KERNEL_SAMPLES, kernel_samples,                                                         \
	    "relay datagrams by which it is chosen who is among the xdp.kernel-nodes")            \
	X(KERNEL_ENTERED, kernel_entered,                                                         \
	    "nodes that came to be among the xdp.kernel-nodes because they relay much")

enum cp_counter {
#define X(NAME, name, help) CP_##NAME,
	CP_COUNTER_LIST(X)
#undef X
	    CP_COUNTER_COUNT,
};

struct cp_stats {
	uint64_t n[CP_COUNTER_COUNT];
};

extern const char *const cp_counter_names[CP_COUNTER_COUNT];
extern const char *const cp_counter_helps[CP_COUNTER_COUNT];
