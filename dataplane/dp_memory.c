// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "base/notify.h"
#include "dataplane/dp.h"
#include "dataplane/io/locals.h"
#include "dataplane/place.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static_assert((int)CONFIG_LOCAL_MAX == (int)LOCAL_MAX && (int)CONFIG_WORKER_MAX == (int)WORKER_MAX,
    "what the configuration allows has places");

enum { RING_SIZE = 1 << 20 };

static const char memory_name[] = "shm";

static struct endpoint listen_endpoint(const struct config *c, uint32_t i)
{
	const union socket_address *a = &c->listen.at[i];
	struct endpoint e = {.port = 0};

	endpoint_from_sockaddr(&a->any, socket_address_len(a), &e);
	return e;
}

static bool port_is_extra(const struct config *c, uint16_t port)
{
	return c->gossip.extra_ports.first && port >= c->gossip.extra_ports.first &&
	       port <= c->gossip.extra_ports.last;
}

// An entry that an earlier data plane left is one we would make today, or the host's address under
// a wildcard of ours.
static bool local_is_ours(const struct config *c, const struct local *l)
{
	if (l->extra)
		return port_is_extra(c, l->at.port);
	for (uint32_t i = 0; i < c->listen.count; i++) {
		struct endpoint e = listen_endpoint(c, i);

		if (endpoint_equal(&e, &l->at) ||
		    (e.port == l->at.port && endpoint_is_unspecified(&e)))
			return true;
	}
	return false;
}

// Nodes are stored with the index of the local address that they know, so the table must go on.
static bool locals_fit(const struct dp *dp)
{
	struct endpoint first = listen_endpoint(&dp->config, 0);

	for (int i = 0; i < LOCAL_MAX; i++) {
		const struct local *l = &dp->memory.locals[i];

		if (local_is_valid(l) && !local_is_ours(&dp->config, l))
			return false;
	}
	return local_is_valid(&dp->memory.locals[0]) &&
	       endpoint_equal(&dp->memory.locals[0].at, &first);
}

static int locals_fill(struct dp *dp)
{
	const struct config_ports *extra = &dp->config.gossip.extra_ports;
	struct local *locals = dp->memory.locals;
	struct endpoint e = listen_endpoint(&dp->config, 0);

	for (uint32_t i = 0; i < dp->config.listen.count; i++) {
		e = listen_endpoint(&dp->config, i);
		if (locals_add(locals, &e, LOCAL_MAX) < 0)
			return -ENOSPC;
	}
	e = listen_endpoint(&dp->config, 0);
	for (uint32_t port = extra->first; extra->first && port <= extra->last; port++) {
		int i;

		e.port = (uint16_t)port;
		i = locals_add(locals, &e, LOCAL_MAX);
		if (i < 0)
			return -ENOSPC;
		locals[i].extra = 1;
	}
	return 0;
}

static void settings_fill(struct relay_settings *s, const struct config *c)
{
	*s = (struct relay_settings){
	    .sender_check = (uint64_t)c->sender_check,
	    .source_rate = c->police.source_rate,
	    .source_burst = c->police.source_burst,
	    .sender_rate = c->police.sender_rate,
	    .sender_burst = c->police.sender_burst,
	    .busy_rate = c->busy_rate,
	    .trace_sample = 1,
	    .ttl = c->ttl,
	};
	for (size_t i = 0; i < sizeof(s->punt_rate) / sizeof(s->punt_rate[0]); i++)
		s->punt_rate[i] = c->police.punt_rate;
}

static bool memory_adopt_kept(struct dp *dp, const struct memory_config *cfg)
{
	struct memory_error err = {.text = "its local addresses differ from --listen"};
	int fd = notify_listen_fd(memory_name);
	int rc;

	if (fd < 0)
		return false;
	rc = memory_adopt(&dp->memory, fd, cfg, &err);
	if (rc)
		close(fd);
	else if (locals_fit(dp))
		return true;
	else
		memory_unmap(&dp->memory);
	log_warn("the kept memory is not used: nodes must register again", kv("reason", err.text));
	notify_remove_fd(memory_name);
	return false;
}

int dp_memory_open(struct dp *dp)
{
	struct memory_config cfg = {
	    .node_capacity = (uint32_t)dp->config.nodes_capacity,
	    .worker_count = dp->worker_count,
	    .punt_size = RING_SIZE,
	    .inject_size = RING_SIZE,
	    .trace_size = RING_SIZE,
	    .huge_pages = dp->config.nodes_huge_pages == 0,
	};
	struct memory_error err;
	int rc;

	dp->adopted = memory_adopt_kept(dp, &cfg);
	if (!dp->adopted) {
		rc = memory_create(&dp->memory, &cfg, &err);
		if (rc) {
			log_error("no shared memory", kv("reason", err.text));
			return rc;
		}
		place_between(
		    dp->memory.nodes.header, dp->memory.header->nodes.size, &dp->config.cpus);
		settings_fill(dp->memory.settings, &dp->config);
		rc = notify_store_fd(dp->memory.fd, memory_name);
		if (rc)
			log_warn(
			    "the supervisor does not keep the memory: a restart loses the nodes",
			    kv_errno(rc));
	}
	if (dp->memory.huge_error)
		log_warn("no huge pages for the node table, look-ups among many nodes cost more; "
			 "it takes Linux 6.1 with transparent huge pages and 2 MiB free in one "
			 "piece, or --nodes-huge-pages off",
		    kv_errno(dp->memory.huge_error));
	rc = locals_fill(dp);
	if (rc)
		log_error("too many addresses to listen on; give fewer --listen or "
			  "--gossip-extra-ports",
		    kv("most", (int)LOCAL_MAX));
	return rc;
}

void dp_memory_follow(struct dp *dp)
{
	const struct node_table *t = &dp->memory.nodes;
	uint64_t nodes = __atomic_load_n(&t->header->node_count, __ATOMIC_RELAXED);

	node_table_follow(t, &dp->mapped);
	for (unsigned i = 0; i < dp->worker_count; i++)
		if (dp->workers[i])
			worker_follow(
			    dp->workers[i], (uint32_t)(nodes < t->capacity ? nodes : t->capacity));
}
