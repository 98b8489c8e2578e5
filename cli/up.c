// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "base/notify.h"
#include "cli/commands.h"
#include "cli/supervise.h"
#include "cli/table.h"
#include "cli/up_registry.h"
#include "cli/up_start.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct config_command up_shape = {
    .name = "fairway up",
    .summary =
	"Runs a relay in the foreground: starts fairway-dp and fairway-cp, restarts what "
	"crashes,\nprints one line \"ready\" when it serves. SIGTERM and SIGINT stop it, SIGHUP "
	"reloads\nthe configuration. As root it only starts as root and serves as --user.",
    .keys = true,
};

struct up {
	int argc;
	char **argv;
	const char *program; // as the user calls us
	struct config config;
	struct config_line line;
	struct supervisor supervisor;
	char paths[CHILD_COUNT][PATH_MAX];
	char notify_path[CONFIG_PATH_MAX + 16];
};

// What the relay itself says it serves; the configuration if it does not answer.
static void describe(const struct up *up, char *listen, char *links, size_t size)
{
	struct parse_error error;
	struct client client;
	json_t *status = NULL;
	size_t len = 0;

	*listen = *links = 0;
	if (!client_open(&client, up->config.state, &error)) {
		status = client_request(&client, json_pack("{s:s}", "request", "status"), &error);
		client_close(&client);
	}
	if (status) {
		format_texts(listen, size, json_object_get(status, "listen"), ",");
		format_texts(links, size, json_object_get(status, "links"), ",");
		json_decref(status);
	}
	for (uint32_t i = 0; !*listen && i < up->config.listen.count && len < size; i++) {
		char text[64];

		len += (size_t)snprintf(listen + len, size - len, "%s%s", i ? "," : "",
		    format_address(text, &up->config.listen.at[i]));
	}
	if (!*links)
		snprintf(links, size, "sock");
}

static void serving(void *context)
{
	const struct up *up = context;
	char listen[1024], links[1024];

	describe(up, listen, links, sizeof(listen));
	printf("ready listen=%s link=%s state=%s\n", listen, links, up->config.state);
	fflush(stdout);
	notify_ready("serving");
	print_hints(&up->config, up->program);
}

static void log_list(const char *message, const json_t *result, const char *name)
{
	char text[512];

	if (*format_texts(text, sizeof(text), json_object_get(result, name), ","))
		log_info(message, kv("keys", text));
}

static void reload(void *context)
{
	struct up *up = context;
	static struct config next;
	static struct config_errors errors;
	struct config_line line;
	struct parse_error error;
	struct client client;
	json_t *result;

	if (config_read(&next, &up_shape, up->argc, up->argv, &line, &errors)) {
		log_error("reload refused, going on as before", kv("error", errors.text));
		return;
	}
	log_set_level((enum log_level)next.log.level);
	if (up->supervisor.children[CHILD_DP].ready)
		kill(up->supervisor.children[CHILD_DP].pid, SIGHUP);
	if (client_open(&client, up->config.state, &error)) {
		log_error("reload failed", kv("error", error.text));
		return;
	}
	result = client_request(&client, json_pack("{s:s}", "request", "reload"), &error);
	client_close(&client);
	if (!result) {
		log_error("reload failed", kv("error", error.text));
		return;
	}
	log_info("reloaded");
	log_list("changed and in effect", result, "applied");
	log_list("changed, needs a restart", result, "restart");
	json_decref(result);
}

// The child reads the same file and command line, and the directory that we settled on.
static char **child_argv(const struct up *up, enum child_kind kind, char *path)
{
	enum { ARGUMENTS_ADDED = 8 };
	char **argv = calloc((size_t)up->argc + ARGUMENTS_ADDED + 1, sizeof(*argv));
	int n = 0;

	if (!argv)
		abort();
	argv[n++] = path;
	for (int i = 1; i < up->argc; i++)
		argv[n++] = up->argv[i];
	argv[n++] = (char *)"--state";
	argv[n++] = (char *)up->config.state;
	argv[n++] = (char *)"--registry-store";
	argv[n++] = (char *)up->config.registry_store;
	if (*up->config.registry_admin_token_file) {
		argv[n++] = (char *)"--registry-admin-token-file";
		argv[n++] = (char *)up->config.registry_admin_token_file;
	}
	if (kind == CHILD_DP) {
		argv[n++] = (char *)"--link-fallback";
		argv[n] = (char *)"sock";
	}
	return argv;
}

static int open_programs(struct up *up, struct parse_error *error)
{
	static const char *const names[CHILD_COUNT] = {"fairway-dp", "fairway-cp"};

	for (int i = 0; i < CHILD_COUNT; i++) {
		int fd = program_open(names[i], up->paths[i], sizeof(up->paths[i]), error);

		if (fd < 0)
			return fd;
		up->supervisor.children[i] = (struct child){.name = names[i],
		    .exec_fd = fd,
		    .argv = child_argv(up, (enum child_kind)i, up->paths[i]),
		    .caps = i == CHILD_DP ? PRIVILEGE_DP : 0,
		    .memory = -1};
	}
	return 0;
}

// `path` NULL: nothing is to be read.
static int read_check(
    const char *key, const char *path, const struct privilege_user *user, struct parse_error *error)
{
	int rc;

	if (!path || !access(path, R_OK))
		return 0;
	rc = -errno;
	if (rc == -EACCES && user)
		parse_error_set(error,
		    "%s %s: user %s, who serves, cannot read it: chmod it, or put it under "
		    "/etc/fairway",
		    key, path, user->name);
	else
		parse_error_set(error, "%s %s: %s", key, path, strerrordesc_np(-rc));
	return rc;
}

// The steps that need root if we are root; afterwards we are not.
static int prepare(struct up *up, struct parse_error *error)
{
	struct config *config = &up->config;
	struct privilege_user user, *other = NULL;
	int rc = open_programs(up, error), lock;

	if (!rc)
		rc = privilege_find_server(config->user, &user, error);
	if (rc < 0)
		return rc;
	if (rc)
		other = &user;
	else if (geteuid() == 0)
		log_warn("serving as root of this container, without capabilities: it cannot "
			 "become another user (CAP_SETUID, CAP_SETGID, CAP_CHOWN, and its id)",
		    kv("user", user.name));
	rc = state_open(config->state, config->registry_store, other, "--state", error);
	if (!rc)
		rc = registry_prepare(config, other, error);
	if (rc)
		return rc;
	lock = state_lock(config->state, "lock", error);
	if (lock < 0)
		return lock;
	if (other && fchown(lock, user.uid, user.gid))
		log_warn("cannot give the lock away", kv("user", user.name), kv_errno(errno));
	rc = links_check(config, error);
	if (!rc)
		rc = addresses_check(config, error);
	if (rc)
		return rc;
	if (geteuid() && *config->user)
		log_warn("not root, so serving as whoever started this", kv("user", config->user));
	// kept for the next start of the data plane, not used by us
	rc = privilege_drop(other, PRIVILEGE_DP, PRIVILEGE_DP, error);
	if (!rc)
		rc = privilege_park(error);
	if (!rc)
		rc = tcp_check(config, error); // who serves there has no privileges
	if (!rc)
		rc = read_check("config", up->line.file, other, error);
	if (!rc && config->registry.mode == CONFIG_REGISTRY_EMBEDDED && *config->registry_fleets)
		rc = read_check("registry-fleets", config->registry_fleets, other, error);
	return rc;
}

int run_up(const struct command *self, int argc, char **argv)
{
	static struct up up;
	static struct config_errors errors;
	struct parse_error error;
	int rc;

	supervisor_block_signals();
	up.argc = argc;
	up.argv = argv;
	up.program = argv[-1];
	rc = config_read(&up.config, &up_shape, argc, argv, &up.line, &errors);
	if (rc < 0)
		complain(self, errors.text);
	if (rc)
		return rc < 0 ? EXIT_USAGE : EXIT_OK;
	log_setup(
	    "fairway", (enum log_level)up.config.log.level, (enum log_format)up.config.log.format);
	notify_open();
	snprintf(up.notify_path, sizeof(up.notify_path), "%s/notify.sock", up.config.state);
	rc = prepare(&up, &error);
	if (rc) {
		complain(self, error.text);
		return exit_status_of(rc);
	}
	up.supervisor.serving = serving;
	up.supervisor.reload = reload;
	up.supervisor.context = &up;
	rc = supervisor_open(&up.supervisor, up.notify_path);
	if (rc) {
		fprintf(stderr, "fairway up: cannot supervise in %s: %s\n", up.config.state,
		    strerrordesc_np(-rc));
		return EXIT_FAILED;
	}
	return supervise(&up.supervisor);
}
