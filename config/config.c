// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert(LOG_LEVEL_DEBUG == 0 && LOG_LEVEL_ERROR == 3, "order of log.level's choices");
static_assert(LOG_FORMAT_LOGFMT == 0 && LOG_FORMAT_JSON == 1, "order of log.format's choices");

void config_error_add(struct config_errors *errors, const char *format, ...)
{
	size_t len = strlen(errors->text);
	va_list args;

	if (errors->count++ && len + 1 < sizeof(errors->text))
		errors->text[len++] = '\n';
	va_start(args, format);
	vsnprintf(errors->text + len, sizeof(errors->text) - len, format, args);
	va_end(args);
}

static void default_state(char *out, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(out, size, "/run/fairway");
	else if (runtime && *runtime == '/' && strlen(runtime) + sizeof("/fairway") <= size)
		snprintf(out, size, "%s/fairway", runtime);
	else
		snprintf(out, size, "/tmp/fairway-%u", (unsigned)geteuid());
}

static bool has_ip6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return access("/proc/net/if_inet6", R_OK) == 0;
}

// A state directory of our own choice is gone after a reboot.
static void default_store(struct config *config)
{
	const char *home = getenv("HOME");
	const char *systemd = getenv("STATE_DIRECTORY");
	char runtime[CONFIG_PATH_MAX];

	if (systemd && *systemd == '/' && !strchr(systemd, ':')) {
		snprintf(config->registry_store, sizeof(config->registry_store), "%s/registry.db",
		    systemd);
		return;
	}
	default_state(runtime, sizeof(runtime));
	if (strcmp(runtime, config->state) != 0 || (geteuid() != 0 && !home))
		snprintf(config->registry_store, sizeof(config->registry_store), "%s/registry.db",
		    config->state);
	else if (geteuid() == 0)
		snprintf(config->registry_store, sizeof(config->registry_store),
		    "/var/lib/fairway/registry.db");
	else
		snprintf(config->registry_store, sizeof(config->registry_store),
		    "%s/.local/state/fairway/registry.db", home);
}

void config_complain(const char *program, const char *text)
{
	while (*text) {
		int len = (int)strcspn(text, "\n");

		fprintf(stderr, "%s: %.*s\n", program, len, text);
		text += len + (text[len] == '\n');
	}
}

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	for (const struct config_key *k = config_keys; k->name; k++) {
		struct parse_error error;

		if (!k->value || (config_is_list(k) && !*k->value))
			continue;
		if (config_set(config, k, k->value, &error)) {
			fprintf(stderr, "default of %s: %s\n", k->name, error.text);
			abort();
		}
	}
}

enum { WHERE_MAX = 256 };

// "fairway.yaml:3:2: admission.silence", "--admission-silence" or "admission.silence".
static char *describe(char *out, const struct config *config, const char *name, const char *file)
{
	const struct config_key *key = config_key_find(name);
	const struct config_origin *origin = &config->origins[key - config_keys];
	char option[64];

	if (origin->from == CONFIG_FROM_FILE) {
		snprintf(out, WHERE_MAX, "%.128s:%u:%u: %s", file ? file : "?", origin->line,
		    origin->column, name);
		return out;
	}
	if (origin->from == CONFIG_FROM_ARGUMENT) {
		config_option_name(option, sizeof(option), name);
		snprintf(out, WHERE_MAX, "--%s", option);
		return out;
	}
	snprintf(out, WHERE_MAX, "%s", name);
	return out;
}

static bool ports_overlap(const struct config *c, uint16_t *port)
{
	for (uint32_t i = 0; i < c->listen.count; i++) {
		*port = ntohs(c->listen.at[i].v4.sin_port);
		if (*port >= c->gossip.extra_ports.first && *port <= c->gossip.extra_ports.last)
			return true;
	}
	return false;
}

// What the registry is asked for must be something that it can give.
static void check_registry(const struct config *c, const char *file, struct config_errors *errors)
{
	char where[WHERE_MAX];

	if (c->admission.policy == CONFIG_ADMISSION_ANCHORED &&
	    c->registry.mode == CONFIG_REGISTRY_NONE)
		config_error_add(errors,
		    "%s: anchored needs a registry that knows the nodes: set registry, or write "
		    "auto",
		    describe(where, c, "admission.policy", file));
	if (c->gossip.discover && c->registry.mode != CONFIG_REGISTRY_CLIENT)
		config_error_add(errors,
		    "%s: on needs an existing registry to ask: set registry to its ADDR:PORT",
		    describe(where, c, "gossip.discover", file));
	if (c->gossip.discover && !c->gossip.beacon_id)
		config_error_add(errors,
		    "%s: on needs gossip.beacon-id, another one for each relay",
		    describe(where, c, "gossip.discover", file));
}

static bool collide(const union socket_address *a, const union socket_address *b)
{
	char text[2][64];

	return a->v4.sin_port == b->v4.sin_port &&
	       (socket_address_is_any(a) || socket_address_is_any(b) ||
		   !strcmp(format_address(text[0], a), format_address(text[1], b)));
}

static void check_http(const struct config *c, const char *file, struct config_errors *errors)
{
	union socket_address address;
	struct parse_error error;
	char where[WHERE_MAX];

	if (!*c->http_listen)
		return;
	if (parse_address(c->http_listen, false, &address, &error))
		config_error_add(
		    errors, "%s: %s", describe(where, c, "http-listen", file), error.text);
	else if (c->registry.mode == CONFIG_REGISTRY_EMBEDDED &&
		 collide(&address, &c->registry_listen))
		config_error_add(errors, "%s: \"%s\" is what registry-listen serves: take another",
		    describe(where, c, "http-listen", file), c->http_listen);
}

static void check_rules(const struct config *c, const char *file, struct config_errors *errors)
{
	uint16_t port;
	char where[WHERE_MAX], a[64], b[64];
	unsigned extra = c->gossip.extra_ports.first
			     ? 1U + c->gossip.extra_ports.last - c->gossip.extra_ports.first
			     : 0;

	if (c->admission.silence_ns > c->admission.ttl_ns)
		config_error_add(errors,
		    "%s: %s is longer than admission.ttl (%s), after which the node is forgotten "
		    "anyway: make it shorter",
		    describe(where, c, "admission.silence", file),
		    format_duration(a, c->admission.silence_ns),
		    format_duration(b, c->admission.ttl_ns));
	if (c->xdp.frames & (c->xdp.frames - 1))
		config_error_add(errors, "%s: %llu is no power of two: write 4096, 8192 or 16384",
		    describe(where, c, "xdp.frames", file), (unsigned long long)c->xdp.frames);
	if (ports_overlap(c, &port))
		config_error_add(errors,
		    "%s: %u-%u holds port %u, which listen serves: choose others",
		    describe(where, c, "gossip.extra-ports", file), c->gossip.extra_ports.first,
		    c->gossip.extra_ports.last, port);
	if (c->listen.count + extra > CONFIG_LOCAL_MAX)
		config_error_add(errors,
		    "%s: %u ports and %u listen addresses are more than the %u that can be served: "
		    "take fewer ports",
		    describe(where, c, "gossip.extra-ports", file), extra, c->listen.count,
		    CONFIG_LOCAL_MAX);
	check_registry(c, file, errors);
	check_http(c, file, errors);
	if (*c->state != '/')
		config_error_add(errors, "%s: \"%s\" must be an absolute path",
		    describe(where, c, "state", file), c->state);
	else if (*c->registry_store != '/')
		config_error_add(errors, "%s: \"%s\" must be an absolute path",
		    describe(where, c, "registry-store", file), c->registry_store);
}

// A path on the command line is meant from where the command runs.
static void make_absolute(struct config *config, const char *name, struct config_errors *errors)
{
	const struct config_key *key = config_key_find(name);
	char *path = (char *)config + key->offset, *whole = NULL, *cwd;

	if (!*path || *path == '/' ||
	    config->origins[key - config_keys].from != CONFIG_FROM_ARGUMENT)
		return;
	cwd = getcwd(NULL, 0);
	if (cwd && asprintf(&whole, "%s/%s", cwd, path) < 0)
		whole = NULL;
	if (!whole)
		config_error_add(errors, "--%s: \"%s\" must be an absolute path here", name, path);
	else if (strlen(whole) >= key->size)
		config_error_add(errors, "--%s: \"%s\" is too long: at most %zu characters", name,
		    whole, key->size - 1);
	else
		memcpy(path, whole, strlen(whole) + 1);
	free(whole);
	free(cwd);
}

int config_finish(struct config *config, const char *file, struct config_errors *errors)
{
	unsigned before = errors->count;

	if (!*config->state)
		default_state(config->state, sizeof(config->state));
	make_absolute(config, "state", errors);
	make_absolute(config, "registry-store", errors);
	if (!config->listen.count)
		config_set(config, config_key_find("listen"),
		    has_ip6() ? "[::]:9001" : "0.0.0.0:9001", NULL);
	if (!config->registry_listen.any.sa_family)
		config_set(config, config_key_find("registry-listen"),
		    has_ip6() ? "[::]:9000" : "0.0.0.0:9000", NULL);
	if (!*config->registry_store)
		default_store(config);
	if (config->admission.policy == CONFIG_ADMISSION_AUTO)
		config->admission.policy = config->registry.mode == CONFIG_REGISTRY_EMBEDDED
					       ? CONFIG_ADMISSION_ANCHORED
					       : CONFIG_ADMISSION_OPEN;
	check_rules(config, file, errors);
	return errors->count == before ? 0 : -EINVAL;
}

int config_read(struct config *config, const struct config_command *command, int argc, char **argv,
    struct config_line *line, struct config_errors *errors)
{
	int rc;

	*errors = (struct config_errors){0};
	config_defaults(config);
	// once for --config and all errors, then again over what the file says
	rc = config_read_args(config, command, argc, argv, line, errors);
	if (rc)
		return rc;
	if (command->file_operand && line->operand_count >= command->file_operand)
		line->file = line->operands[command->file_operand - 1];
	if (line->file) {
		struct config_line again;

		config_defaults(config);
		config_read_file(config, line->file, command->once, errors);
		config_read_args(config, command, argc, argv, &again, errors);
	}
	if (errors->count)
		return -EINVAL;
	return config_finish(config, line->file, errors);
}

void config_compare(const struct config *before, const struct config *after,
    void (*changed)(void *context, const struct config_key *key), void *context)
{
	for (const struct config_key *k = config_keys; k->name; k++)
		if (memcmp((const char *)before + k->offset, (const char *)after + k->offset,
			k->size) != 0)
			changed(context, k);
}
