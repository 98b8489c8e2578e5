// SPDX-License-Identifier: BSD-3-Clause
#include "cli/up_registry.h"

#include "base/first_line.h"
#include "base/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILES_BESIDE = 256 };

// Returns 0 or a negative errno.
static int copy_token(const char *path, const char *token, const struct privilege_user *user)
{
	size_t len = strlen(token);
	int fd, rc = 0;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	errno = ENOSPC; // what a short write means
	if (write(fd, token, len) != (ssize_t)len || fchown(fd, user->uid, user->gid))
		rc = -errno;
	close(fd);
	return rc;
}

// Whether it is one is said before anything starts; a copy is for the user who serves.
static int prepare_token(
    struct config *config, const struct privilege_user *user, struct parse_error *error)
{
	char token[256], path[sizeof(config->registry_admin_token_file)];
	int rc = first_line_read("registry-admin-token-file", config->registry_admin_token_file,
	    token, sizeof(token), error);

	if (rc == -ENOENT)
		parse_error_set(error,
		    "registry-admin-token-file %s: there is none: \"fairway registry token FILE\" "
		    "makes one",
		    config->registry_admin_token_file);
	if (rc || !user)
		return rc;
	snprintf(path, sizeof(path), "%s/registry.token", config->state);
	rc = copy_token(path, token, user);
	if (rc)
		parse_error_set(error,
		    "cannot copy the administrator's token to %s: %s: name another directory with "
		    "--state",
		    path, strerrordesc_np(-rc));
	memcpy(config->registry_admin_token_file, path, sizeof(path));
	return rc;
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
	int rc = 0;

	if (config->registry.mode == CONFIG_REGISTRY_NONE)
		return 0;
	if (config->registry.mode == CONFIG_REGISTRY_EMBEDDED) {
		rc = state_open_store(config->registry_store, "--registry-store", user, error);
		raise_file_limit(config->registry_connections);
	}
	if (!rc && *config->registry_admin_token_file)
		rc = prepare_token(config, user, error);
	return rc;
}
