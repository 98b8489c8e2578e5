// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "bpf/generate_shared.h"
#include "pktgen/backend.h"
#include "pktgen/path.h"

#include <xdp/xsk.h>

// The parts of the xdp backend; only its own files include this.

enum {
	XDP_FRAMES = 8192,
	XDP_FRAME_SIZE = XSK_UMEM__DEFAULT_FRAME_SIZE,
	XDP_RING = 4096,
	XDP_LENT_MAX = 1024, // frames of one receive
};

// Looks the interface up and asks the kernel for the relay's MAC, which must be on the link.
int xdp_path_find(struct path *p, unsigned *ifindex, const struct options *o, char *error);

// AF_XDP socket: one queue, receiving and sending.
struct xdp_socket {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	uint8_t *area;
	uint64_t free[XDP_FRAMES / 2]; // frames for sending; the other half receives
	uint32_t free_count;
	uint64_t lent[XDP_LENT_MAX]; // received frames that the last receive handed out
	uint32_t lent_count;
};

int xdp_socket_open(struct xdp_socket *s, const char *interface, char *error);
void xdp_socket_close(struct xdp_socket *s);
// The programs that make and check frames in the kernel.
struct xdp_live {
	struct generate_bpf *generate;
	struct capture_bpf *capture;
	struct bpf_link *attached;
	struct generate_flow *flows; // the programs' maps
	struct generate_check *checks;
	uint32_t flow_count;
	uint8_t *template;
	uint32_t template_len;
};

// All that the backend has.
struct xdp {
	const struct options *o;
	struct path path;
	unsigned ifindex;
	struct xdp_socket socket;
	struct xdp_live live;
};

// Loads the programs; `capture` is at work on the interface then. The path and the socket are open.
int xdp_live_open(struct xdp *x, char *error);
void xdp_live_close(struct xdp_live *l);
// As backend_ops.
int xdp_blast_prepare(struct backend *b, const struct traffic *t);
int xdp_blast(struct backend *b, const struct pace *p, uint64_t window_ns);
void xdp_blast_count(const struct backend *b, uint64_t *sent, uint64_t *received);
void xdp_blast_collect(struct backend *b, struct trial *t);

unsigned xdp_socket_send(
    struct xdp_socket *s, const struct path *p, const struct message *m, unsigned n);
