// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdint.h>

// ARP for IPv4 over Ethernet (RFC 826), for a station without a kernel. Addresses are in network
// byte order. Pure functions.

enum { ARP_FRAME_SIZE = 60 };

struct arp_station {
	uint8_t mac[6];
	uint32_t addr;
};

// Asks everybody for the station that has this address.
void arp_request_build(uint8_t frame[ARP_FRAME_SIZE], const struct arp_station *own, uint32_t addr);
// The reply to a request for our address: 0, or -ENOENT when the frame is none.
int arp_reply_build(
    uint8_t reply[ARP_FRAME_SIZE], const struct arp_station *own, const uint8_t *frame, size_t len);
// The sender of an ARP frame of either kind: 0, or -ENOENT when it is none.
int arp_sender(struct arp_station *sender, const uint8_t *frame, size_t len);
