// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/place.h"

#include "controlplane/registry/registry.h"

#include <stdlib.h>
#include <string.h>

static uint8_t first_byte(const struct endpoint *e)
{
	return e->addr[endpoint_is_v4(e) ? 12 : 0];
}

// Of a site, as far as somebody else may name it: neither loopback, link-local nor multicast.
static bool is_of_site(const struct endpoint *e)
{
	uint8_t b = first_byte(e);

	return endpoint_is_v4(e) ? b != 0 && b != 127 && b != 169 && b < 224 : (b & 0xfe) == 0xfc;
}

// An address that means to us what it means to the node: public, or of the site that both are in.
static bool is_plausible(const struct endpoint *claim, const struct endpoint *from)
{
	if (endpoint_is_public(claim))
		return true;
	return !endpoint_is_public(from) &&
	       (is_of_site(claim) || first_byte(claim) == first_byte(from));
}

// A list of digits that is no port gives none, text that cannot be split gives the connection's.
struct place place_read(const struct endpoint *from, const char *listen)
{
	struct place p = {.at = *from};
	struct endpoint said;
	const char *colon = strrchr(listen, ':');
	const char *bracket = strchr(listen, ']');
	char *end;
	unsigned long port;

	if (!*listen) {
		p.at.port = 0;
		return p;
	}
	if (!colon || (bracket && colon < bracket) || (!bracket && strchr(listen, ':') != colon))
		return p;
	port = strtoul(colon + 1, &end, 10);
	p.at.port = colon[1] && !*end && port <= UINT16_MAX ? (uint16_t)port : 0;
	if (endpoint_parse(listen, 0, &said) || !said.port || endpoint_same_addr(&said, from))
		return p;
	if (endpoint_is_v4(&said) == endpoint_is_v4(from))
		p.claim = is_plausible(&said, from) ? said : p.claim;
	else if (endpoint_is_public(&said))
		p.at = said;
	return p;
}

bool place_take(struct dir_node *n, const struct place *p)
{
	char claim[ENDPOINT_TEXT_MAX] = "";

	if (p->claim.port)
		endpoint_format(&p->claim, claim, sizeof(claim));
	if (endpoint_equal(&n->at, &p->at) && strcmp(n->claim ? n->claim : "", claim) == 0)
		return false;
	n->at = p->at;
	text_set(&n->claim, claim);
	return true;
}

static bool is_anchored(const struct dir_node *n)
{
	static const uint8_t none[sizeof(n->anchor)];

	return memcmp(n->anchor, none, sizeof(none)) != 0;
}

unsigned place_anchors(const struct dir_node *n, struct endpoint at[PLACE_ANCHORS])
{
	struct endpoint anchor = endpoint_from_v6(n->anchor, 0);
	bool anchored = is_anchored(n);
	unsigned count = 0;

	if (!anchored && !n->at.port)
		return 0;
	if (n->claim && endpoint_parse(n->claim, 0, &at[count]) == 0)
		count++;
	if (anchored)
		at[count++] = anchor;
	// a connection of the other family than the datagrams
	if (!anchored ||
	    (n->proven && n->at.port && endpoint_is_v4(&n->at) != endpoint_is_v4(&anchor)))
		at[count++] = n->at;
	return count;
}

static bool is_among(const struct endpoint *at, unsigned count, const struct endpoint *from)
{
	while (count)
		if (endpoint_same_addr(&at[--count], from))
			return true;
	return false;
}

bool place_is_from(
    const struct registry *r, uint32_t node, const struct endpoint *from, bool *known)
{
	const struct dir_node *n = directory_live(&r->nodes, node);
	struct endpoint at[PLACE_ANCHORS];
	unsigned count = n ? place_anchors(n, at) : 0;

	*known = count > 0;
	return is_among(at, count, from);
}

static bool is_of_node(const struct dir_node *n, const struct endpoint *heard)
{
	struct endpoint at[PLACE_ANCHORS];

	return is_among(at, place_anchors(n, at), heard);
}

struct endpoint place_current(const struct registry *r, const struct dir_node *n)
{
	struct endpoint heard;

	if (n->at.port && r->heard_at && r->heard_at(r->heard_ctx, n->id, &heard) &&
	    (endpoint_same_addr(&heard, &n->at) || (n->proven && is_of_node(n, &heard))))
		return heard;
	return n->at;
}
