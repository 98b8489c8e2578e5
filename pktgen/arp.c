// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/arp.h"

#include "wire/inet.h"

#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <string.h>

static int arp_read(struct ether_arp *a, const uint8_t *frame, size_t len)
{
	if (len < ETH_HEADER_SIZE + sizeof(*a) ||
	    load_be16(frame + ETH_OFFSET_TYPE) != ETHERTYPE_ARP)
		return -ENOENT;
	memcpy(a, frame + ETH_HEADER_SIZE, sizeof(*a));
	if (a->arp_hrd != htobe16(ARPHRD_ETHER) || a->arp_pro != htobe16(ETHERTYPE_IP) ||
	    a->arp_hln != ETH_ADDR_SIZE || a->arp_pln != sizeof(uint32_t))
		return -ENOENT;
	return 0;
}

static void arp_write(uint8_t *frame, const struct arp_station *own, uint16_t operation,
    const uint8_t *mac, uint32_t addr)
{
	struct ether_arp a = {.arp_hrd = htobe16(ARPHRD_ETHER),
	    .arp_pro = htobe16(ETHERTYPE_IP),
	    .arp_hln = ETH_ADDR_SIZE,
	    .arp_pln = sizeof(uint32_t),
	    .arp_op = htobe16(operation)};

	memset(frame, 0, ARP_FRAME_SIZE);
	memcpy(frame + ETH_OFFSET_DST, mac, ETH_ADDR_SIZE);
	memcpy(frame + ETH_OFFSET_SRC, own->mac, ETH_ADDR_SIZE);
	store_be16(frame + ETH_OFFSET_TYPE, ETHERTYPE_ARP);
	memcpy(a.arp_sha, own->mac, sizeof(a.arp_sha));
	memcpy(a.arp_spa, &own->addr, sizeof(a.arp_spa));
	memcpy(a.arp_tha, mac, sizeof(a.arp_tha));
	memcpy(a.arp_tpa, &addr, sizeof(a.arp_tpa));
	memcpy(frame + ETH_HEADER_SIZE, &a, sizeof(a));
}

void arp_request_build(uint8_t frame[ARP_FRAME_SIZE], const struct arp_station *own, uint32_t addr)
{
	static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	arp_write(frame, own, ARPOP_REQUEST, everybody, addr);
}

int arp_reply_build(
    uint8_t reply[ARP_FRAME_SIZE], const struct arp_station *own, const uint8_t *frame, size_t len)
{
	struct arp_station asks;
	struct ether_arp a;
	uint32_t target;

	if (arp_read(&a, frame, len) || arp_sender(&asks, frame, len))
		return -ENOENT;
	memcpy(&target, a.arp_tpa, sizeof(target));
	if (a.arp_op != htobe16(ARPOP_REQUEST) || target != own->addr)
		return -ENOENT;
	arp_write(reply, own, ARPOP_REPLY, asks.mac, asks.addr);
	return 0;
}

int arp_sender(struct arp_station *sender, const uint8_t *frame, size_t len)
{
	struct ether_arp a;

	if (arp_read(&a, frame, len))
		return -ENOENT;
	memcpy(sender->mac, a.arp_sha, sizeof(sender->mac));
	memcpy(&sender->addr, a.arp_spa, sizeof(sender->addr));
	return 0;
}
