// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/privilege.h"
#include "base/state.h"
#include "controlplane/admin_api.h"
#include "controlplane/cp.h"
#include "controlplane/gossip.h"
#include "controlplane/pages.h"
#include "controlplane/pool.h"
#include "crypto/identity.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 100 };

static const char *import_path, *restore_path;

static const struct config_option options[] = {
    {"registry-import", "FILE",
	"take over the JSON snapshot of a Go registry into a new registry-store, and end",
	&import_path},
    {"registry-restore", "FILE",
	"put a backup in the place of registry-store, which stays as STORE-before, and end",
	&restore_path},
    {0}};

static const struct config_command command = {
    .name = "fairway-cp",
    .summary = "control plane of a Fairway relay: decides who is where, for fairway-dp to relay",
    .options = options,
    .keys = true,
};

// Beside the common ones: attaching again, reading the configuration anew, going away; what SQLite
// does with its files, and the keeping of nodes with its own.
static const char *const calls[] = {"socket", "connect", "openat", "newfstatat", "fstat", "unlink",
    "kill", "statx", "fdatasync", "access", "faccessat2", "readlink", "lstat", "stat", "fchmod",
    "fchown", "getcwd", "rename", "renameat", NULL};

// Whoever asks right after our start waits for the data plane that is there, as for us.
static void serve_admin(struct cp *cp)
{
	if (!cp->admin.loop && !attach_is_pending(&cp->attach))
		admin_start(&cp->admin, &cp->loop);
}

static int on_attached(void *ctx)
{
	struct cp *cp = ctx;
	int rc = session_open(cp);

	if (rc == 0) {
		serve_admin(cp);
		notify_ready("serving");
	}
	return rc;
}

static void on_beacons_changed(void *ctx)
{
	gossip_configure(ctx);
}

static void on_detached(void *ctx)
{
	session_close(ctx);
	notify_status("waiting for the data plane");
}

static void stop(struct cp *cp, int status)
{
	cp->exit_status = status;
	uv_stop(&cp->loop);
}

static void on_refused(void *ctx, const char *why)
{
	log_error("the data plane's memory cannot be used", kv("reason", why));
	stop(ctx, EXIT_OTHER_BUILD);
}

static void on_tick(uv_timer_t *timer)
{
	struct cp *cp = timer->data;

	serve_admin(cp);
	rtnl_tick(&cp->rtnl, clock_mono_ns());
	embedded_tick(&cp->embedded, clock_mono_ns());
	if (cp->attach.up)
		session_tick(cp, clock_mono_ns());
}

static void on_signal(uv_signal_t *signal, int number)
{
	log_info("stopping", kv("signal", number));
	stop(signal->data, EXIT_OK);
}

static void on_reload(uv_signal_t *signal, int number)
{
	static struct config_errors errors;

	(void)number;
	json_decref(cp_reload(signal->data, &errors));
}

static int loop_prepare(struct cp *cp, struct parse_error *error)
{
	int rc;

	rc = uv_loop_init(&cp->loop);
	if (rc) {
		parse_error_set(error, "no event loop: %s%s", strerrordesc_np(-rc),
		    rc == -EMFILE ? ": raise ulimit -n (LimitNOFILE)" : "");
		return rc;
	}
	cp->attach.loop = &cp->loop;
	cp->attach.attached = on_attached;
	cp->attach.detached = on_detached;
	cp->attach.refused = on_refused;
	cp->attach.ctx = cp;
	cp->hub.stats = &cp->stats;
	cp->hub.punted = session_punted;
	cp->hub.ctx = cp;
	cp->verifier.loop = &cp->loop;
	cp->admin.answer = admin_answer;
	cp->admin.gone = admin_gone;
	cp->admin.ctx = cp;
	uv_timer_init(&cp->loop, &cp->tick);
	uv_signal_init(&cp->loop, &cp->on_term);
	uv_signal_init(&cp->loop, &cp->on_int);
	uv_signal_init(&cp->loop, &cp->on_hup);
	trace_init(&cp->trace, &cp->loop);
	cp->tick.data = cp->on_term.data = cp->on_int.data = cp->on_hup.data = cp;
	uv_signal_start(&cp->on_hup, on_reload, SIGHUP);
	uv_timer_start(&cp->tick, on_tick, TICK_MS, TICK_MS);
	uv_signal_start(&cp->on_term, on_signal, SIGTERM);
	uv_signal_start(&cp->on_int, on_signal, SIGINT);
	return pool_start(&cp->loop, error);
}

// What needs the state directory and, as root, its privileges.
static int open_state(struct cp *cp, struct parse_error *error)
{
	const struct routes_hooks hooks = {
	    .ctx = cp, .neighbour = session_neighbour, .changed = session_routes_changed};
	struct privilege_user user, *who = NULL;
	char path[sizeof(cp->admin.path)];
	int rc;

	rc = privilege_find_server(cp->config.user, &user, error);
	if (rc < 0)
		return rc;
	if (rc)
		who = &user;
	rc = state_open(cp->config.state, cp->config.registry_store, who, "--state", error);
	if (rc)
		return rc;
	rc = state_lock(cp->config.state, "cp.lock", error);
	if (rc < 0)
		return rc;
	keep_init(&cp->keep, cp->config.state);
	snprintf(cp->attach.path, sizeof(cp->attach.path), "%s/dp.sock", cp->config.state);
	snprintf(path, sizeof(path), "%s/admin.sock", cp->config.state);
	rc = admin_bind(&cp->admin, path, who ? user.uid : 0, who ? user.gid : 0);
	if (rc) {
		parse_error_set(error, "%s: %s", path, strerror(-rc));
		return rc;
	}
	rc = rtnl_open(&cp->rtnl, &hooks);
	if (rc) {
		parse_error_set(error, "netlink: %s", strerror(-rc));
		return rc;
	}
	cp->embedded.import_path = import_path;
	cp->embedded.restore_path = restore_path;
	cp->embedded.client.changed = on_beacons_changed;
	cp->embedded.client.ctx = cp;
	rc = embedded_open(&cp->embedded, &cp->config, who, error);
	if (rc)
		return rc;
	notify_open();
	return privilege_drop(who, 0, 0, error);
}

static int open_http(struct cp *cp, struct parse_error *error)
{
	union socket_address address;
	int rc;

	if (!cp->config.http_listen[0])
		return 0;
	cp->http.answer = pages_answer;
	cp->http.ctx = cp;
	rc = parse_address(cp->config.http_listen, false, &address, error);
	return rc ? rc : http_open(&cp->http, &cp->loop, &address, error);
}

static int cannot(const char *what, int rc, const struct parse_error *error)
{
	log_error(what, kv("reason", (const char *)error->text));
	return exit_status_of(rc);
}

static int run(struct cp *cp)
{
	struct parse_error error = {.text = ""};
	int rc;

	if (identity_init() != 0) {
		log_error("libsodium does not work on this machine");
		return EXIT_FAILED;
	}
	rc = open_state(cp, &error);
	if (rc)
		return cannot("cannot start", rc, &error);
	if (import_path || restore_path) {
		rc = import_path ? embedded_import(&cp->embedded, &error)
				 : embedded_restore(&cp->embedded, &error);
		if (rc)
			cannot(import_path ? "cannot import" : "cannot restore", rc, &error);
		return rc ? EXIT_FAILED : EXIT_OK;
	}
	rc = loop_prepare(cp, &error);
	if (!rc)
		rc = embedded_start(&cp->embedded, &cp->loop, &error);
	if (!rc)
		rc = open_http(cp, &error);
	if (rc)
		return cannot("cannot start", rc, &error);
	rtnl_start(&cp->rtnl, &cp->loop);
	rc = privilege_filter(calls, &error);
	if (rc)
		return cannot("cannot start", rc, &error);
	attach_start(&cp->attach);
	uv_run(&cp->loop, UV_RUN_DEFAULT);
	notify_stopping("stopping");
	admin_stop(&cp->admin);
	attach_stop(&cp->attach);
	rtnl_stop(&cp->rtnl);
	embedded_stop(&cp->embedded);
	http_close(&cp->http);
	uv_run(&cp->loop, UV_RUN_NOWAIT);
	return cp->exit_status;
}

int main(int argc, char **argv)
{
	static struct cp cp;
	static struct config_errors errors;
	struct config_line line;
	int rc;

	signal(SIGPIPE, SIG_IGN); // of who reads our log
	signal(SIGXFSZ, SIG_IGN); // a file size limit: writing fails with EFBIG
	cp.command = &command;
	cp.argc = argc;
	cp.argv = argv;
	cp.started_ns = clock_mono_ns();
	rc = config_read(&cp.config, &command, argc, argv, &line, &errors);
	if (rc == 1)
		return EXIT_OK;
	if (rc < 0) {
		config_complain(command.name, errors.text);
		return EXIT_USAGE;
	}
	log_setup("fairway-cp", cp.config.log.level, cp.config.log.format);
	return run(&cp);
}
