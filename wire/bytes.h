// SPDX-License-Identifier: BSD-3-Clause
// Unaligned big-endian loads and stores.
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t load_be16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t load_be32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t load_be64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void store_be16(void *p, uint16_t host)
{
	uint16_t v = htobe16(host);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be32(void *p, uint32_t host)
{
	uint32_t v = htobe32(host);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be64(void *p, uint64_t host)
{
	uint64_t v = htobe64(host);
	memcpy(p, &v, sizeof(v));
}
