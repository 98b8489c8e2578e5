// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_room.h"

#include "dataplane/place.h"
#include "dataplane/stage/familiar.h"
#include "shm/pages.h"

#include <errno.h>
#include <sys/mman.h>

enum { SOURCES_SIZE = SOURCE_SETS * sizeof(struct bucket_set) };

int worker_room_open(struct worker_room *r, size_t own_size, uint32_t node_index_max, int cpu)
{
	uint8_t *hot, *cold;

	*r = (struct worker_room){
	    .police.sender_count = node_index_max + 1,
	    .hot_size = own_size,
	    .cold_size =
		SOURCES_SIZE + FAMILIAR_SIZE + (node_index_max + 1ULL) * sizeof(*r->police.senders),
	};
	hot = pages_own(&r->hot_size);
	if (!hot)
		return -errno;
	cold = mmap(NULL, r->cold_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cold == MAP_FAILED) {
		munmap(hot, r->hot_size);
		return -ENOMEM;
	}
	place_near(hot, r->hot_size, cpu);
	place_near(cold, r->cold_size, cpu);
	pages_ready(hot, r->hot_size, true);
	pages_ready(cold, SOURCES_SIZE, true);
	r->own = hot;
	r->police.sources = (struct bucket_set *)cold;
	r->familiar = cold + SOURCES_SIZE;
	r->police.senders = (uint32_t *)(cold + SOURCES_SIZE + FAMILIAR_SIZE);
	worker_room_follow(r, 0);
	return 0;
}

void worker_room_follow(struct worker_room *r, uint32_t nodes)
{
	uint32_t *from = r->police.senders + r->ready, left = r->police.sender_count - r->ready;
	uint32_t wanted = nodes + ROOM_AHEAD - r->ready;

	if (left == 0 || nodes + ROOM_AHEAD / 2 < r->ready)
		return;
	wanted = wanted < left ? wanted : left;
	pages_ready(from, wanted * sizeof(*from), true);
	r->ready += wanted;
}

void worker_room_close(struct worker_room *r)
{
	munmap(r->police.sources, r->cold_size);
	munmap(r->own, r->hot_size);
}
