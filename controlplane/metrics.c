// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/metrics.h"

#include "controlplane/admin_api.h"
#include "controlplane/registry/call.h"
#include "shm/kernel_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void head(FILE *out, const char *name, const char *kind, const char *help)
{
	fprintf(out, "# HELP fairway_%s %s\n# TYPE fairway_%s %s\n", name, help, name, kind);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
	head(out, name, "gauge", help);
	fprintf(out, "fairway_%s %.17g\n", name, value);
}

static void total(
    FILE *out, const char *part, const char *counter, const char *help, uint64_t value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s_total", part, counter);
	head(out, name, "counter", help);
	fprintf(out, "fairway_%s %llu\n", name, (unsigned long long)value);
}

static void counters(FILE *out, const struct memory *m)
{
	char name[64];

	for (int c = 0; c < COUNTER_COUNT; c++) {
		snprintf(name, sizeof(name), "%s_total", counter_names[c]);
		head(out, name, "counter", counter_helps[c]);
		for (uint32_t w = 0; w < m->worker_count; w++)
			fprintf(out, "fairway_%s{worker=\"%u\"} %llu\n", name, w,
			    (unsigned long long)__atomic_load_n(
				&m->workers[w].counters[c], __ATOMIC_RELAXED));
		if (m->kernel)
			fprintf(out, "fairway_%s{worker=\"kernel\"} %llu\n", name,
			    (unsigned long long)kernel_counter(m->kernel, c));
	}
	head(out, "drops_total", "counter", "datagrams dropped, by reason (docs/counters.md)");
	for (int d = DROP_NONE + 1; d < DROP_COUNT; d++)
		fprintf(out, "fairway_drops_total{reason=\"%s\"} %llu\n", drop_names[d],
		    (unsigned long long)admin_drop(m, d));
	head(out, "worker_busy_seconds_total", "counter",
	    "time that a worker spent on bursts that held something");
	for (uint32_t w = 0; w < m->worker_count; w++)
		fprintf(out, "fairway_worker_busy_seconds_total{worker=\"%u\"} %.9f\n", w,
		    (double)__atomic_load_n(&m->workers[w].busy_ns, __ATOMIC_RELAXED) / 1e9);
}

static void links(FILE *out, const struct shm_header *h)
{
	static const struct {
		const char *name, *kind, *help;
		size_t offset;
	} table[] = {
	    {"link_rx_datagrams_total", "counter", "datagrams received",
		offsetof(struct link_block, rx_datagrams)},
	    {"link_tx_datagrams_total", "counter", "datagrams sent",
		offsetof(struct link_block, tx_datagrams)},
	    {"link_rx_dropped_total", "counter", "dropped by the kernel or the card before us",
		offsetof(struct link_block, rx_dropped)},
	    {"link_tx_errors_total", "counter", "refused by the link",
		offsetof(struct link_block, tx_errors)},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		head(out, table[i].name, table[i].kind, table[i].help);
		for (unsigned k = 0; k < LINK_MAX; k++) {
			const struct link_block *l = &h->links[k];
			const uint64_t *at =
			    (const uint64_t *)((const uint8_t *)l + table[i].offset);

			if (__atomic_load_n(&l->valid, __ATOMIC_ACQUIRE))
				fprintf(out, "fairway_%s{link=\"%.*s\"} %llu\n", table[i].name,
				    (int)sizeof(l->name), l->name,
				    (unsigned long long)__atomic_load_n(at, __ATOMIC_RELAXED));
		}
	}
	head(out, "link_up", "gauge", "1: the link's interface is there and up");
	for (unsigned k = 0; k < LINK_MAX; k++)
		if (__atomic_load_n(&h->links[k].valid, __ATOMIC_ACQUIRE))
			fprintf(out, "fairway_link_up{link=\"%.*s\"} %u\n",
			    (int)sizeof(h->links[k].name), h->links[k].name, h->links[k].up);
}

static void own(FILE *out, const struct cp_stats *s)
{
	for (int c = 0; c < CP_COUNTER_COUNT; c++)
		if (c == CP_SYNC_UNANNOUNCED)
			gauge(
			    out, "control_sync_unannounced", cp_counter_helps[c], (double)s->n[c]);
		else
			total(out, "control", cp_counter_names[c], cp_counter_helps[c], s->n[c]);
}

static void registry_types(FILE *out, const struct registry *r)
{
	const char *name;

	head(out, "registry_type_requests_total", "counter", "requests answered, by type");
	for (unsigned i = 0; (name = call_type_name(i)); i++)
		fprintf(out, "fairway_registry_type_requests_total{type=\"%s\"} %llu\n", name,
		    (unsigned long long)r->types[i].requests);
	head(out, "registry_type_errors_total", "counter",
	    "requests answered with an error, by type");
	for (unsigned i = 0; (name = call_type_name(i)); i++)
		fprintf(out, "fairway_registry_type_errors_total{type=\"%s\"} %llu\n", name,
		    (unsigned long long)r->types[i].errors);
}

static void registry(FILE *out, const struct embedded *e)
{
	const struct registry *r = &e->registry;
	struct store_stats store = store_stats(r->store);

	gauge(out, "registry_nodes", "nodes that are online", r->nodes.live);
	gauge(out, "registry_nodes_known", "nodes that are stored", r->nodes.count);
	gauge(out, "registry_networks", "networks", r->networks.count);
	gauge(out, "registry_trust", "pairs of nodes that trust each other", r->pairs.count);
	gauge(out, "registry_trust_one_sided", "pairs of which one node trusts the other",
	    r->pairs.one_sided);
	gauge(out, "registry_open_connections", "connections", e->server.count);
	gauge(out, "registry_verifying", "signatures that wait", e->server.verifying);
	for (int c = 0; c < REGISTRY_COUNTER_COUNT; c++)
		total(out, "registry", registry_counter_names[c], registry_counter_helps[c],
		    r->count[c]);
	registry_types(out, r);
	total(out, "registry", "store_commits", "batches of changes that reached the disk",
	    store.batches);
	total(out, "registry", "store_changes", "changes that reached the disk", store.changes);
	total(out, "registry", "store_failures", "attempts to write a batch that failed",
	    store.failures);
	head(out, "registry_store_commit_seconds_total", "counter", "time that commits took");
	fprintf(out, "fairway_registry_store_commit_seconds_total %.9f\n",
	    (double)store.commit_ns_sum / 1e9);
	gauge(out, "registry_store_commit_seconds_max", "the longest commit",
	    (double)store.commit_ns_max / 1e9);
}

char *metrics_text(const struct cp *cp, size_t *len)
{
	const struct session *s = &cp->session;
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	gauge(out, "data_plane_up", "1: a data plane is attached", cp->attach.up);
	own(out, &cp->stats);
	if (cp->embedded.on)
		registry(out, &cp->embedded);
	if (cp->attach.up) {
		gauge(out, "nodes", "nodes registered here",
		    s->nodes.node_count - s->nodes.remote_count);
		gauge(out, "nodes_remote", "nodes that peer relays know", s->nodes.remote_count);
		gauge(out, "node_capacity", "most nodes, here and remote", s->nodes.table.capacity);
		if (s->nodes.kernel)
			gauge(out, "nodes_kernel", "nodes that the XDP program relays between",
			    s->kernel.count);
		counters(out, s->memory);
		links(out, s->memory->header);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
