// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tunnel frames (wire-tunnel.md sections 4.1, 4.2, 4.6). Keys, signatures and sealing are
// crypto/'s.
//
// Parsers return 0, -EBADMSG (another magic) or -EMSGSIZE; builders the length or -ENOBUFS.
// Numbers are host order; pointers point into the input. Pure functions, any thread.

#include "wire/bytes.h"
#include "wire/constants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TUNNEL_KEY_SIZE = 32, TUNNEL_SIGNATURE_SIZE = 64 };

// Flags of the trailer that one family of daemons puts behind PILA.
enum pila_flag {
	PILA_REQUEST = 1, // an answer is wanted even if the key is not new
	PILA_RESPONSE = 2,
};

struct pila {
	uint32_t node;		  // of the sender
	const uint8_t *x25519;	  // TUNNEL_KEY_SIZE
	const uint8_t *ed25519;	  // TUNNEL_KEY_SIZE
	const uint8_t *signature; // TUNNEL_SIGNATURE_SIZE
	uint64_t caps;		  // trailer; 0 when there is none
	uint64_t flags;		  // enum pila_flag
};

struct pilk {
	uint32_t node;
	const uint8_t *x25519;
};

struct pils {
	uint32_t node;
	uint32_t prefix;       // first 4 bytes of the nonce
	uint64_t counter;      // last 8 bytes of the nonce
	const uint8_t *nonce;  // PILS_NONCE_SIZE
	const uint8_t *aad;    // the node id as it stands in the frame, 4 bytes
	const uint8_t *sealed; // ciphertext and tag
	size_t sealed_len;     // at least PILS_TAG_SIZE
};

struct pilt {
	const uint8_t *packet;
	size_t packet_len;
};

// The magic of a frame, or 0: shorter than 4 bytes or none of ours.
static inline enum frame_magic frame_classify(const uint8_t *data, size_t len)
{
	uint32_t magic = len >= FRAME_MAGIC_SIZE ? load_be32(data) : 0;

	switch (magic) {
	case FRAME_PILT:
	case FRAME_PILS:
	case FRAME_PILK:
	case FRAME_PILA:
	case FRAME_PILP:
		return (enum frame_magic)magic;
	default:
		return (enum frame_magic)0;
	}
}

// "PILS"...; "unknown" else. Static text.
const char *frame_magic_name(enum frame_magic magic);

// A broken trailer counts as none: other versions ignore it altogether.
int pila_parse(const uint8_t *data, size_t len, struct pila *out);
// Without a trailer when caps and flags are 0.
int pila_build(uint8_t *buf, size_t cap, const struct pila *in);
enum { PILA_SIZE_MAX = PILA_SIZE + 20 }; // with the longest trailer

// What the signature of PILA covers.
enum { PILA_SIGNED_SIZE = 4 + 4 + TUNNEL_KEY_SIZE };
void pila_signed_message(
    uint8_t out[PILA_SIGNED_SIZE], uint32_t node, const uint8_t x25519[TUNNEL_KEY_SIZE]);

int pilk_parse(const uint8_t *data, size_t len, struct pilk *out);
int pilk_build(uint8_t *buf, size_t cap, const struct pilk *in);

int pils_parse(const uint8_t *data, size_t len, struct pils *out);
// Header only, from node, prefix and counter; what is sealed goes to buf + PILS_SIZE.
int pils_build_header(uint8_t *buf, size_t cap, const struct pils *in);

int pilt_parse(const uint8_t *data, size_t len, struct pilt *out);
// Header only; the packet goes to buf + PILT_SIZE.
int pilt_build_header(uint8_t *buf, size_t cap);

int pilp_build(uint8_t *buf, size_t cap);
