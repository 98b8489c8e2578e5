// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/endpoint.h"
#include "wire/inet.h"

#include <stddef.h>
#include <stdint.h>

// Ethernet frames with one UDP datagram, for tests, benchmarks and the generator. Pure functions.

struct frame_spec {
	uint8_t dst_mac[ETH_ADDR_SIZE], src_mac[ETH_ADDR_SIZE];
	uint16_t vlan[VLAN_TAGS_MAX]; // tag control information, outer first
	uint8_t vlan_tags;
	uint8_t ip_options;	  // 32-bit words of IPv4 no-operation options
	uint8_t ttl;		  // as is, 0 too
	uint8_t no_checksum;	  // UDP checksum field zero
	struct endpoint from, to; // of one family
};

// Bytes of the headers before the payload.
size_t frame_header_size(const struct frame_spec *s);
// Returns the frame's length, or -ENOBUFS; -EAFNOSUPPORT: from and to of different families.
int frame_build(
    uint8_t *buf, size_t cap, const struct frame_spec *s, const void *payload, size_t len);
