// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Every counter and every drop of the data plane is declared here, in one line each. Counter
// arrays, `fairway stats`, `fairway drops`, metrics and docs/counters.md are generated from these.

// X(NAME, name, help). Counters of datagrams unless the help says otherwise.
#define COUNTER_LIST(X)                                                                         \
	X(RX_DATAGRAMS, rx_datagrams, "datagrams received on all links")                        \
	X(RX_BYTES, rx_bytes, "UDP payload bytes received")                                     \
	X(TX_DATAGRAMS, tx_datagrams, "datagrams handed to a link for sending")                 \
	X(TX_BYTES, tx_bytes, "UDP payload bytes handed to a link for sending")                 \
	X(BURSTS, bursts, "bursts processed")                                                   \
	X(POLLS_EMPTY, polls_empty, "polls of all links that found nothing")                    \
	X(SLEEPS, sleeps, "times the worker blocked because its links were idle")               \
	X(RELAYED, relayed, "relay datagrams delivered to a node")                              \
	X(RELAYED_BYTES, relayed_bytes, "frame bytes delivered to nodes")                       \
	X(FORWARDED, forwarded, "relay datagrams forwarded to a peer relay")                    \
	X(DISCOVER_ANSWERED, discover_answered, "Discover datagrams answered by a worker")      \
	X(REFRESHED, refreshed, "Discovers from the stored endpoint, learnt without a punt")    \
	X(PUNTED, punted, "datagrams handed to the control plane")                              \
	X(INJECTED, injected, "datagrams sent for the control plane")                           \
	X(TRACED, traced, "datagrams copied to the trace ring")                                 \
	X(CHECKSUM_COMPLETED, checksum_completed,                                               \
	    "datagrams from a local sender whose UDP checksum a link left to be completed")     \
	X(COMPANION, companion, "datagrams of a raw link sent through the companion sock link") \
	X(HANDED_OFF, handed_off,                                                               \
	    "datagrams for a link whose queue another worker has, given to that")               \
	X(KERNEL, kernel, "relay datagrams that the XDP program decided itself (mode=kernel)")  \
	X(INJECT_RESETS, inject_resets,                                                         \
	    "times that a damaged inject ring was emptied; other than 0 is a defect")

// X(NAME, name, help). A drop is a verdict; its help says what an operator can do.
#define DROP_LIST(X)                                                                               \
	X(NOT_UDP, not_udp, "frame without an IPv4 or IPv6 UDP datagram for us")                   \
	X(TRUNCATED, truncated, "headers or lengths disagree with the bytes received")             \
	X(IP_CHECKSUM, ip_checksum, "IPv4 header checksum wrong")                                  \
	X(UDP_CHECKSUM, udp_checksum,                                                              \
	    "UDP checksum absent over IPv6, or wrong in a message for the relay itself")           \
	X(EMPTY, empty, "UDP datagram without payload")                                            \
	X(UNKNOWN_TYPE, unknown_type, "first byte is no message that a relay answers")             \
	X(TUNNEL_FRAME, tunnel_frame,                                                              \
	    "bare tunnel frame: a daemon whose relay flag was cleared sent to the relay itself")   \
	X(SHORT_MESSAGE, short_message, "message shorter than its type demands")                   \
	X(NODE_ZERO, node_zero, "relay or punch from or to node id 0, which is never routed")      \
	X(SOURCE_INVALID, source_invalid,                                                          \
	    "source address or port that nobody can answer, link-local IPv6 among them")           \
	X(POLICE_SOURCE, police_source, "a source sent more than police.source-rate")              \
	X(POLICE_SENDER, police_sender, "a node relayed more than police.sender-rate")             \
	X(POLICE_PUNT, police_punt, "more punts of one class than police.punt-rate allows")        \
	X(SENDER_UNKNOWN, sender_unknown, "relay from a node that is not registered here")         \
	X(SENDER_ADDRESS, sender_address,                                                          \
	    "relay whose source differs from the sender's stored endpoint (sender-check)")         \
	X(DEST_UNKNOWN, dest_unknown, "relay to a node that nobody here or at a peer relay knows") \
	X(SPLIT_HORIZON, split_horizon, "relay from a peer relay to a node that is not local")     \
	X(PEER_UNKNOWN, peer_unknown, "gossip from a source that is not an allowed peer relay")    \
	X(PUNT_FULL, punt_full, "punt ring full: the control plane is down or slow")               \
	X(TTL_EXPIRED, ttl_expired, "arrived with a time to live of zero")                         \
	X(NO_ROUTE, no_route, "no route to the destination's address")                             \
	X(TX_FULL, tx_full, "the link's transmit queue stayed full")                               \
	X(TX_ERROR, tx_error, "the link refused the datagram")                                     \
	X(TX_TOO_BIG, tx_too_big, "larger than the link can send, also as fragments")              \
	X(NO_BUFFER, no_buffer, "no free buffer for a datagram that had to be copied")             \
	X(RX_RING_FULL, rx_ring_full,                                                              \
	    "a link's receive ring was full: the worker fell behind; more workers and queues")     \
	X(RX_NO_BUFFER, rx_no_buffer,                                                              \
	    "a link had no free buffer for what arrived; raise xdp.frames or dpdk.frames")         \
	X(RX_SOCKET_FULL, rx_socket_full,                                                          \
	    "a socket's receive buffer was full: the worker fell behind; raise sock.buffer")       \
	X(RX_ERROR, rx_error, "the kernel or the card could not hand over what arrived")           \
	X(TX_INVALID, tx_invalid,                                                                  \
	    "the kernel refused a frame in a link's transmit ring; other than 0 is a defect")

enum counter {
#define X(NAME, name, help) COUNTER_##NAME,
	COUNTER_LIST(X)
#undef X
	    COUNTER_COUNT,
};

enum drop {
	DROP_NONE,
#define X(NAME, name, help) DROP_##NAME,
	DROP_LIST(X)
#undef X
	    DROP_COUNT,
	// What is lost in a link's own queues, where no worker sees it, is counted by the kernel or
	// the card: the last drops, in the links' blocks of shm/layout.h.
	DROP_LINK_FIRST = DROP_RX_RING_FULL,
	DROP_LINK_COUNT = DROP_COUNT - DROP_LINK_FIRST,
};

// Names and help texts, indexed by the enums; the first drop is "none".
extern const char *const counter_names[COUNTER_COUNT];
extern const char *const counter_helps[COUNTER_COUNT];
extern const char *const drop_names[DROP_COUNT];
extern const char *const drop_helps[DROP_COUNT];
