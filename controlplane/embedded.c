// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/embedded.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/first_line.h"
#include "base/log.h"
#include "base/state.h"
#include "base/thread_limit.h"
#include "controlplane/registry/connection.h"
#include "controlplane/registry/import.h"
#include "controlplane/registry/place.h"
#include "controlplane/registry/store_restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Are we there for the file of a store, and not to serve?
static bool is_for_file(const struct embedded *e)
{
	return e->import_path || e->restore_path;
}

// What names the store: `fairway registry import` and `restore` call it by another name.
static const char *store_option(const struct embedded *e)
{
	return is_for_file(e) ? "--store" : "--registry-store";
}

static int open_backup(struct embedded *e, struct parse_error *error)
{
	struct parse_error why;

	e->restore = file_open(e->restore_path, false, &why);
	if (e->restore >= 0)
		return 0;
	parse_error_set(error, "cannot read %s: %s", e->restore_path, why.text);
	return e->restore;
}

int embedded_fleets(struct embedded *e, const char *path, struct parse_error *error)
{
	struct fleets next = {0};
	struct parse_error why = {.text = "out of memory"};
	size_t len = 0;
	char *text = NULL;
	int rc = 0;

	if (*path) {
		text = file_read(path, false, SIZE_MAX - 1, &len, &why);
		if (!text) {
			parse_error_set(error,
			    "registry-fleets %s: %s: name another with --registry-fleets", path,
			    why.text);
			return -EINVAL;
		}
		rc = fleets_parse(&next, text, len, &why);
		free(text);
	}
	if (!rc)
		rc = fleets_replace(&e->registry, &next, server_time().unix_s, &why);
	fleets_free(&next);
	if (rc)
		parse_error_set(error, "registry-fleets: %s %s", path, why.text);
	else if (*path)
		log_info("fleets read", kv("path", path), kv("fleets", e->registry.fleets.count),
		    kv("agents", e->registry.fleets.agent_count));
	return rc;
}

static uint32_t seconds_now(void)
{
	return (uint32_t)(clock_mono_ns() / NS_PER_S);
}

// What other relays and nodes reach us by.
static void prepare_client(struct embedded *e, const struct config *config)
{
	union socket_address at = socket_address_reachable(&config->listen.at[0]);

	e->is_client = true;
	e->client.at = e->lookup.at = config->registry.at;
	e->client.beacon_id = (uint32_t)config->gossip.beacon_id;
	format_address(e->client.addr, &at);
	if (!e->client.beacon_id)
		log_warn("not announced at the registry: set gossip.beacon-id");
}

int embedded_open(struct embedded *e, const struct config *config,
    const struct privilege_user *user, struct parse_error *error)
{
	struct registry_config rc = {.capacity = (uint32_t)config->nodes_capacity,
	    .source_nodes = (uint32_t)config->registry_source_nodes};
	struct parse_error why;
	int status = 0;

	if (config->registry.mode == CONFIG_REGISTRY_CLIENT) {
		prepare_client(e, config);
		if (*config->registry_admin_token_file)
			status = first_line_read("registry-admin-token-file",
			    config->registry_admin_token_file, e->lookup.token,
			    sizeof(e->lookup.token), error);
		if (status)
			return status;
	}
	if (config->registry.mode != CONFIG_REGISTRY_EMBEDDED && !is_for_file(e))
		return 0;
	e->config = config;
	if (*config->registry_admin_token_file)
		status =
		    first_line_read("registry-admin-token-file", config->registry_admin_token_file,
			rc.admin_token, sizeof(rc.admin_token), error);
	if (!status)
		status = state_open_store(config->registry_store, store_option(e), user, error);
	if (!status && e->restore_path)
		return open_backup(e, error);
	if (!status && registry_init(&e->registry, &rc)) {
		parse_error_set(error, "out of memory for the registry");
		status = -ENOMEM;
	}
	if (!status && e->import_path) {
		e->import = file_read(e->import_path, true, SIZE_MAX - 1, &e->import_len, &why);
		if (!e->import)
			parse_error_set(error, "cannot read %s: %s", e->import_path, why.text);
		return e->import ? 0 : -EINVAL;
	}
	if (status)
		return status;
	e->server = (struct server){.registry = &e->registry,
	    .connection_max = (uint32_t)config->registry_connections,
	    .source_max = (uint32_t)config->registry_source_connections};
	return server_listen(&e->server, &config->registry_listen, error);
}

// Until the process ends nobody else opens the store: two registries would give out the same ids.
static int attach_store(struct embedded *e, struct parse_error *error)
{
	const char *store = e->config->registry_store;

	e->lock = state_lock_store(store, store_option(e), error);
	return e->lock < 0 ? e->lock : registry_attach(&e->registry, store, server_time(), error);
}

int embedded_start(struct embedded *e, uv_loop_t *loop, struct parse_error *error)
{
	char text[64];
	int rc;

	if (e->is_client) {
		client_start(&e->client, loop);
		if (lookup_client_open(&e->lookup, loop)) {
			parse_error_set(error, "out of memory for the registry's answers");
			return -ENOMEM;
		}
	}
	if (!e->config)
		return 0;
	rc = attach_store(e, error);
	if (rc)
		return rc;
	rc = embedded_fleets(e, e->config->registry_fleets, error);
	if (rc)
		return rc;
	if (e->config->registry_tls) {
		char pem[300];

		snprintf(pem, sizeof(pem), "%s", e->config->registry_store);
		snprintf(strrchr(pem, '/') ? strrchr(pem, '/') + 1 : pem, 16, "registry.pem");
		e->server.tls = tls_open(pem, error);
		if (!e->server.tls)
			return -EIO;
	}
	rc = server_start(&e->server, loop);
	if (rc) {
		parse_error_set(error, "the registry cannot serve: %s%s", strerrordesc_np(-rc),
		    thread_limit_hint(rc));
		return rc;
	}
	e->on = true;
	log_info("registry serving",
	    kv("address", format_address(text, &e->config->registry_listen)),
	    kv("admin", *e->registry.config.admin_token ? "token" : "off"),
	    kv("fingerprint", e->server.tls ? tls_fingerprint(e->server.tls) : "plain"));
	return 0;
}

void embedded_stop(struct embedded *e)
{
	if (e->is_client) {
		client_stop(&e->client);
		lookup_client_close(&e->lookup);
	}
	if (!e->on)
		return;
	server_stop(&e->server);
	e->on = false;
}

static void run_backup(uv_work_t *work)
{
	struct embedded *e = work->data;

	// the thread owns path and error until it is done
	unlink(e->backup.path);
	store_backup(e->config->registry_store, e->backup.path, &e->backup.error);
}

static void backup_done(uv_work_t *work, int status)
{
	struct embedded *e = work->data;

	if (status || *e->backup.error.text) {
		e->backup.state = BACKUP_FAILED;
		log_warn("backup of the registry failed",
		    kv("reason", (const char *)e->backup.error.text));
	} else {
		e->backup.state = BACKUP_DONE;
		log_info("backup of the registry made", kv("path", (const char *)e->backup.path));
	}
}

int embedded_backup(struct embedded *e)
{
	struct backup *b = &e->backup;

	if (b->state == BACKUP_RUNS)
		return -EBUSY;
	b->state = BACKUP_RUNS;
	b->error.text[0] = 0;
	snprintf(b->path, sizeof(b->path), "%s-backup", e->config->registry_store);
	b->work.data = e;
	return uv_queue_work(e->server.loop, &b->work, run_backup, backup_done);
}

// What an existing registry says. Who comes from another address may have moved.
static enum admission_anchor anchor_elsewhere(
    struct embedded *e, uint32_t node, const struct endpoint *from)
{
	struct lookup found;

	if (lookups_find(&e->lookup.lookups, node, seconds_now(), &found) != LOOKUP_KNOWN ||
	    !found.anchor_count)
		return ANCHOR_NONE;
	if (lookup_is_from(&found, from))
		return ANCHOR_HERE;
	lookups_doubt(&e->lookup.lookups, node, seconds_now());
	return ANCHOR_ELSEWHERE;
}

enum admission_identity embedded_identity(struct embedded *e, uint32_t node, const uint8_t key[32])
{
	struct lookup found;
	const struct dir_node *n;

	if (!e->is_client) {
		n = e->on ? directory_find(&e->registry.nodes, node) : NULL;
		return !n			      ? IDENTITY_NOT_ASKED
		       : memcmp(n->key, key, 32) == 0 ? IDENTITY_SAME
						      : IDENTITY_OTHER;
	}
	switch (lookups_find(&e->lookup.lookups, node, seconds_now(), &found)) {
	case LOOKUP_KNOWN:
		if (memcmp(found.key, key, 32) == 0)
			return IDENTITY_SAME;
		return lookups_doubt(&e->lookup.lookups, node, seconds_now()) ? IDENTITY_UNSAID
									      : IDENTITY_OTHER;
	case LOOKUP_ABSENT:
		return IDENTITY_ABSENT;
	default:
		return IDENTITY_UNSAID;
	}
}

void embedded_tick(struct embedded *e, uint64_t now_ns)
{
	if (e->is_client)
		lookup_client_tick(&e->lookup, now_ns);
}

enum admission_anchor embedded_anchor(
    struct embedded *e, uint32_t node, const struct endpoint *from)
{
	bool known, here;

	if (e->is_client)
		return anchor_elsewhere(e, node, from);
	if (!e->on)
		return ANCHOR_NONE;
	here = place_is_from(&e->registry, node, from, &known);
	return !known ? ANCHOR_NONE : here ? ANCHOR_HERE : ANCHOR_ELSEWHERE;
}

int embedded_import(struct embedded *e, struct parse_error *error)
{
	struct import_report report;
	struct parse_error why;
	int rc = attach_store(e, error);

	if (!rc) {
		rc = import_snapshot(
		    &e->registry, e->import, e->import_len, server_time(), &report, &why);
		if (rc)
			parse_error_set(error, "%s %s", e->import_path, why.text);
		if (store_close(e->registry.store) && !rc) {
			parse_error_set(error,
			    "%s cannot be written, nothing was imported: make room there, or name "
			    "another --store",
			    e->config->registry_store);
			rc = -EIO;
		}
		e->registry.store = NULL;
	}
	free(e->import);
	if (!rc)
		log_info("imported", kv("nodes", report.nodes), kv("gone", report.gone),
		    kv("trust", report.pairs), kv("networks", report.networks),
		    kv("members", report.members), kv("inbox", report.inbox),
		    kv("left_out", report.refused));
	registry_free(&e->registry);
	return rc;
}

int embedded_restore(struct embedded *e, struct parse_error *error)
{
	const char *store = e->config->registry_store;
	struct parse_error why;
	int rc;

	e->lock = state_lock_store(store, store_option(e), error);
	if (e->lock < 0)
		return e->lock;
	rc = store_restore(e->restore, store, &why);
	if (rc)
		parse_error_set(error, "%s: %s", e->restore_path, why.text);
	else
		log_info("restored", kv("store", store), kv("from", e->restore_path));
	return rc;
}
