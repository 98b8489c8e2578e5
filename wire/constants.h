// SPDX-License-Identifier: BSD-3-Clause
// Numbers of the Pilot wire protocol (wire-tunnel.md sections 2-4). No includes: BPF programs use
// this file too. Sizes are bytes and count the type byte or the magic.
#pragma once

// Byte 0 of a beacon message; every frame starts with 'P' instead.
enum beacon_type {
	BEACON_DISCOVER = 0x01,
	BEACON_DISCOVER_REPLY = 0x02,
	BEACON_PUNCH_REQUEST = 0x03,
	BEACON_PUNCH_COMMAND = 0x04,
	BEACON_RELAY = 0x05,
	BEACON_RELAY_DELIVER = 0x06,
	BEACON_SYNC = 0x07,
	BEACON_DISCOVER_EX = 0x08,
	BEACON_RELAY_DELIVER_DEST = 0x09,
	BEACON_NOTIFY = 0x0a,
};

enum {
	BEACON_PORT = 9001, // UDP, by convention

	BEACON_KEY_SIZE = 32,	    // Ed25519 public key
	BEACON_NONCE_SIZE = 16,	    // challenge of signed admission
	BEACON_SIGNATURE_SIZE = 64, // Ed25519

	BEACON_DISCOVER_SIZE = 5,
	BEACON_DISCOVER_KEY_SIZE = BEACON_DISCOVER_SIZE + BEACON_KEY_SIZE,
	BEACON_DISCOVER_SIGNED_SIZE =
	    BEACON_DISCOVER_KEY_SIZE + BEACON_NONCE_SIZE + BEACON_SIGNATURE_SIZE,
	BEACON_OBSERVED_V4_SIZE = 8, // 0x02 and 0x04
	BEACON_OBSERVED_V6_SIZE = 20,
	BEACON_CHALLENGE_SIZE = 4 + BEACON_NONCE_SIZE, // trailer "FWC1" and nonce
	BEACON_PUNCH_REQUEST_SIZE = 9,
	BEACON_PUNCH_GRANT_SIZE = 81,
	BEACON_RELAY_SIZE = 9, // header; the frame follows
	BEACON_RELAY_DELIVER_SIZE = 5,
	BEACON_RELAY_DELIVER_DEST_SIZE = 9,
	BEACON_SYNC_SIZE = 7, // header; 4 bytes an id follow
	BEACON_SYNC_MAX = 16375,
	BEACON_NOTIFY_SIZE = 2,

	UDP_PAYLOAD_MAX = 65507, // over IPv4
	IPV6_PATH_MTU = 1280,	 // IPv6 packet bytes that every path carries (RFC 8200 section 5)
};

// First four bytes of a tunnel frame as a big-endian number.
enum frame_magic {
	FRAME_PILT = 0x50494c54, // plaintext packet
	FRAME_PILS = 0x50494c53, // sealed packet
	FRAME_PILK = 0x50494c4b, // key exchange
	FRAME_PILA = 0x50494c41, // authenticated key exchange
	FRAME_PILP = 0x50494c50, // punch
};

enum {
	FRAME_MAGIC_SIZE = 4,
	PILT_SIZE = 4, // header; the packet follows
	PILK_SIZE = 40,
	PILA_SIZE = 136,
	PILS_SIZE = 20, // header; ciphertext and tag follow
	PILS_NONCE_SIZE = 12,
	PILS_TAG_SIZE = 16,
	PILS_MIN_SIZE = PILS_SIZE + PILS_TAG_SIZE,

	PACKET_HEADER_SIZE = 34,
};
