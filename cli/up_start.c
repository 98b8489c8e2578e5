// SPDX-License-Identifier: BSD-3-Clause
#include "cli/up_start.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/port.h"
#include "config/machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROBE_TRIES = 15, PROBE_PAUSE_MS = 100 };

static int open_program(const char *folder, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", folder, name);
	return access(path, X_OK) ? -1 : open(path, O_PATH | O_CLOEXEC);
}

int program_open(const char *name, char *path, size_t size, struct parse_error *error)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;
	int fd;

	own[n < 0 ? 0 : n] = 0;
	slash = strrchr(own, '/');
	if (slash)
		*slash = 0;
	fd = open_program(own, name, path, size);
	if (fd < 0)
		fd = open_program(FAIRWAY_LIBEXEC, name, path, size);
	if (fd < 0) {
		parse_error_set(error,
		    "there is no program %s in %s or %s: build it (make), or install it (make "
		    "install)",
		    name, own, FAIRWAY_LIBEXEC);
		return -ENOENT;
	}
	return fd;
}

// A program of ours whose supervisor was killed needs a moment to end, in which it is not to be
// seen any more before its sockets are gone; anybody else keeps the port.
static bool owner_may_end(const union socket_address *at, enum port_kind kind)
{
	char name[32];

	return !port_find_owner(kind, ntohs(at->v4.sin_port), name, sizeof(name)) ||
	       !strcmp(name, "fairway-dp") || !strcmp(name, "fairway-cp");
}

static int address_check(const union socket_address *at, enum port_kind kind, const char *option,
    struct parse_error *error)
{
	int rc = port_probe(at, kind, option, error);

	for (int i = 0; i < PROBE_TRIES && rc == -EADDRINUSE && owner_may_end(at, kind); i++) {
		usleep(PROBE_PAUSE_MS * 1000);
		rc = port_probe(at, kind, option, error);
	}
	return rc;
}

int tcp_check(const struct config *config, struct parse_error *error)
{
	union socket_address http;
	int rc = 0;

	if (config->registry.mode == CONFIG_REGISTRY_EMBEDDED)
		rc = address_check(&config->registry_listen, PORT_TCP, "--registry-listen", error);
	if (!rc && *config->http_listen)
		rc = parse_address(config->http_listen, false, &http, error);
	if (!rc && *config->http_listen)
		rc = address_check(&http, PORT_TCP, "--http-listen", error);
	return rc;
}

int addresses_check(const struct config *config, struct parse_error *error)
{
	unsigned first = config->gossip.extra_ports.first, last = config->gossip.extra_ports.last;

	for (uint32_t i = 0; i < config->listen.count; i++) {
		union socket_address at = config->listen.at[i];
		int rc = address_check(&at, PORT_UDP, "--listen", error);

		for (unsigned port = first; !rc && first && port <= last; port++) {
			at.v4.sin_port = htons((uint16_t)port);
			rc = address_check(&at, PORT_UDP, "--gossip-extra-ports", error);
		}
		if (rc)
			return rc;
	}
	return tcp_check(config, error);
}

int links_check(const struct config *config, struct parse_error *error)
{
	for (uint32_t i = 0; i < config->links.count; i++) {
		const struct config_link *l = &config->links.at[i];
		char name[IFNAMSIZ];

		if (!machine_find_interface(l, name) || if_nametoindex(name))
			continue;
		parse_error_set(error,
		    "link %s:%s: there is no interface \"%s\": \"ip link\" lists them",
		    *l->device ? "dpdk" : "xdp", *l->device ? l->device : name, name);
		return -ENODEV;
	}
	return 0;
}

// The interface of the default route, or "".
static void default_interface(char *name, size_t size)
{
	FILE *file = fopen("/proc/net/route", "re");
	char line[256], found[IFNAMSIZ];
	unsigned destination;

	*name = 0;
	while (file && !*name && fgets(line, sizeof(line), file))
		// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
		if (sscanf(line, "%15s %x", found, &destination) == 2 && !destination)
			snprintf(name, size, "%s", found);
	if (file)
		fclose(file);
}

static void hint(const char *what, const char *how)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "  %-22s %s\n", what, how);
	else
		log_info(what, kv("how", how));
}

void print_hints(const struct config *config, const char *self)
{
	char address[64], registry[64], text[512], interface[IFNAMSIZ];
	union socket_address at;

	at = socket_address_reachable(&config->listen.at[0]);
	format_address(address, &at);
	at = socket_address_reachable(&config->registry_listen);
	format_address(registry, &at);
	if (config->registry.mode == CONFIG_REGISTRY_EMBEDDED)
		snprintf(text, sizeof(text), "daemon -registry %s -beacon %s", registry, address);
	else
		snprintf(text, sizeof(text), "daemon -beacon %s", address);
	hint("use it from a daemon", text);
	// named, since whoever looks may be another user with another default
	snprintf(text, sizeof(text), "%s status --state %s (also top, nodes, drops, trace)", self,
	    config->state);
	hint("look at it", text);
	default_interface(interface, sizeof(interface));
	if (!config->links.count && *interface && socket_address_is_any(&config->listen.at[0])) {
		snprintf(text, sizeof(text), "sudo %s up --link xdp:%s (AF_XDP instead of sockets)",
		    self, interface);
		hint("make it faster", text);
	}
}
