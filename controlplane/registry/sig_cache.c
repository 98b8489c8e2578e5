// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/sig_cache.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 512 };

int sig_cache_init(struct sig_cache *c, uint32_t entries)
{
	uint32_t sets = 64;

	while (sets * SIG_CACHE_WAYS < entries && sets < 1u << 24)
		sets *= 2;
	*c = (struct sig_cache){.set_mask = sets - 1};
	// calloc: pages are only there once they are written
	c->tags = calloc(sets, SIG_CACHE_WAYS * sizeof(*c->tags));
	c->written = calloc(sets / SIG_CACHE_PAGE, sizeof(*c->written));
	if (!c->tags || !c->written)
		return -ENOMEM;
	identity_random(c->secret, sizeof(c->secret));
	return 0;
}

void sig_cache_free(struct sig_cache *c)
{
	free(c->tags);
	free(c->written);
}

struct sig_tag sig_cache_tag(const struct sig_cache *c, const uint8_t key[IDENTITY_KEY_SIZE],
    const void *text, size_t len, const char sig[SIG_TEXT_LEN])
{
	uint8_t all[IDENTITY_KEY_SIZE + SIG_TEXT_LEN + TEXT_MAX];
	struct sig_tag t;

	len = len < TEXT_MAX ? len : TEXT_MAX;
	memcpy(all, key, IDENTITY_KEY_SIZE);
	memcpy(all + IDENTITY_KEY_SIZE, sig, SIG_TEXT_LEN);
	memcpy(all + IDENTITY_KEY_SIZE + SIG_TEXT_LEN, text, len);
	crypto_shorthash_siphashx24(
	    (uint8_t *)&t, all, IDENTITY_KEY_SIZE + SIG_TEXT_LEN + len, c->secret);
	t.tag |= t.tag == 0;
	return t;
}

static uint64_t set_of(const struct sig_cache *c, struct sig_tag t)
{
	return t.set & c->set_mask;
}

bool sig_cache_has(struct sig_cache *c, struct sig_tag t)
{
	const uint64_t *set = c->tags + set_of(c, t) * SIG_CACHE_WAYS;
	bool any = c->written[set_of(c, t) / SIG_CACHE_PAGE];

	for (int i = 0; any && i < SIG_CACHE_WAYS; i++)
		if (set[i] == t.tag) {
			c->hits++;
			return true;
		}
	c->misses++;
	return false;
}

void sig_cache_add(struct sig_cache *c, struct sig_tag t)
{
	uint64_t *set = c->tags + set_of(c, t) * SIG_CACHE_WAYS;

	// to read a page before it is first written would map it twice
	if (!c->written[set_of(c, t) / SIG_CACHE_PAGE])
		memset(set, 0, SIG_CACHE_WAYS * sizeof(*set));
	c->written[set_of(c, t) / SIG_CACHE_PAGE] = true;
	memmove(set + 1, set, (SIG_CACHE_WAYS - 1) * sizeof(*set));
	set[0] = t.tag;
}
