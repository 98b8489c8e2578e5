// SPDX-License-Identifier: BSD-3-Clause
#include "cli/up_registry.h"

#include "base/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILES_BESIDE = 256 };

static int fail(const char *path, struct parse_error *error)
{
	int rc = errno ? -errno : -EINVAL;

	parse_error_set(error, "registry-admin-token-file %s: %s%s", path,
	    errno ? strerrordesc_np(errno) : "its first line is empty, write the token there",
	    errno == ENOENT ? ": \"fairway registry token FILE\" makes one" : "");
	return rc;
}

static int copy_token(
    struct config *config, const struct privilege_user *user, struct parse_error *error)
{
	char token[512] = "", path[sizeof(config->registry_admin_token_file)];
	FILE *file;
	int fd;

	errno = 0;
	file = fopen(config->registry_admin_token_file, "re");
	if (!file)
		return fail(config->registry_admin_token_file, error);
	if (!fgets(token, sizeof(token), file) || *token == '\n') {
		fclose(file);
		return fail(config->registry_admin_token_file, error);
	}
	fclose(file);
	snprintf(path, sizeof(path), "%s/registry.token", config->state);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, token, strlen(token)) < 0 || fchown(fd, user->uid, user->gid))
		return fail(path, error);
	close(fd);
	memcpy(config->registry_admin_token_file, path, sizeof(path));
	return 0;
}

static void raise_file_limit(uint64_t connections)
{
	struct rlimit limit = {connections + FILES_BESIDE, connections + FILES_BESIDE}, now;

	// Fails above fs.nr_open; the registry then takes what there is.
	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < limit.rlim_max)
		setrlimit(RLIMIT_NOFILE, &limit);
}

int registry_prepare(
    struct config *config, const struct privilege_user *user, struct parse_error *error)
{
	char path[sizeof(config->registry_store)];
	char *slash;
	int rc = 0;

	if (config->registry.mode != CONFIG_REGISTRY_EMBEDDED)
		return 0;
	memcpy(path, config->registry_store, sizeof(path));
	slash = strrchr(path, '/');
	if (slash && slash != path) {
		*slash = 0;
		rc = state_open(path, user, "--registry-store", error);
	}
	raise_file_limit(config->registry_connections);
	if (!rc && user && *config->registry_admin_token_file)
		rc = copy_token(config, user, error);
	return rc;
}
