// SPDX-License-Identifier: BSD-3-Clause
#include "cli/registry_files.h"

#include "cli/table.h"
#include "cli/up_start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_BYTES = 24, BACKUP_POLL_MS = 100, COPY_PART = 1 << 24 };

static int fail_file(const struct command *self, const char *path)
{
	char text[PATH_MAX + 128];

	snprintf(text, sizeof(text), "%s: %s%s", path, strerrordesc_np(errno),
	    errno == EEXIST ? ": nothing is overwritten, name another" : "");
	complain(self, text);
	return EXIT_FAILED;
}

// A new file that only its owner reads, or -1.
static int create_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

// Returns 0 or a negative errno.
static int write_file(int fd, const char *text, size_t len)
{
	errno = ENOSPC; // what a short write means
	return write(fd, text, len) == (ssize_t)len && !fsync(fd) ? 0 : -errno;
}

// /etc/fairway is nobody's before.
static int create_token(const char *path)
{
	char folder[PATH_MAX], *slash;
	int fd = create_file(path);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		return fd;
	*slash = 0;
	return mkdir(folder, 0755) ? -1 : create_file(path);
}

// Under systemd the control plane is never root. Of the group `nobody` others are, too.
static void show_to_server(int fd)
{
	struct privilege_user user;
	struct parse_error error;

	if (privilege_find_server("", &user, &error) == 1 && strcmp(user.name, "nobody") != 0 &&
	    fchown(fd, 0, user.gid) == 0)
		fchmod(fd, 0640);
}

int registry_token(const struct command *self, const char *path, bool json)
{
	uint8_t bytes[TOKEN_BYTES];
	char text[2 * TOKEN_BYTES + 2];
	int fd, rc;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return fail_file(self, "getrandom");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 4, "%02x\n", bytes[i]);
	fd = create_token(path);
	if (fd < 0)
		return fail_file(self, path);
	show_to_server(fd);
	rc = write_file(fd, text, sizeof(text) - 1);
	close(fd);
	if (rc) {
		unlink(path);
		errno = -rc;
		return fail_file(self, path);
	}
	if (json) {
		print_json(json_pack("{s:s}", "token_file", path));
		return EXIT_OK;
	}
	printf("%s holds a new token: start with --registry embedded --registry-admin-token-file "
	       "%s,\nand give it to administrators (pilotctl reads PILOT_ADMIN_TOKEN)\n",
	    path, path);
	return EXIT_OK;
}

// The file `from` into the new file `to`, which may be on another file system. Returns the exit
// status.
static int copy_file(const struct command *self, const char *from, int out, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int status = EXIT_OK;
	ssize_t n = 1;

	if (in < 0)
		return fail_file(self, from);
	while (n > 0)
		n = sendfile(out, in, NULL, COPY_PART);
	if (n < 0 || fsync(out))
		status = fail_file(self, to);
	close(in);
	return status;
}

// Waits for the copy that the relay makes beside its store, where it may write; its path into
// `from`. Returns the exit status.
static int await_copy(const struct command *self, char *from, size_t size)
{
	json_t *result, *copy;
	int status;

	result = ask(self, json_pack("{s:s}", "request", "registry-backup"), &status);
	while (result && !strcmp(member_text(json_object_get(result, "backup"), "state",
				     member_text(result, "state", "")),
			     "running")) {
		json_decref(result);
		usleep(BACKUP_POLL_MS * 1000);
		result = ask(self, json_pack("{s:s}", "request", "registry-status"), &status);
	}
	if (!result)
		return status;
	copy = json_object_get(result, "backup");
	snprintf(from, size, "%s", member_text(copy, "path", ""));
	if (strcmp(member_text(copy, "state", ""), "done") != 0) {
		complain(self, member_text(copy, "error", "failed"));
		json_decref(result);
		return EXIT_FAILED;
	}
	json_decref(result);
	return EXIT_OK;
}

int registry_backup(const struct command *self, const char *to, bool json)
{
	char from[400];
	int out = create_file(to), status;

	if (out < 0)
		return fail_file(self, to);
	status = await_copy(self, from, sizeof(from));
	if (status == EXIT_OK) {
		status = copy_file(self, from, out, to);
		unlink(from);
	}
	close(out);
	if (status != EXIT_OK)
		unlink(to);
	else if (json)
		print_json(json_pack("{s:s}", "backup", to));
	else
		printf("%s is a copy of the registry: to restore it, stop the relay and run "
		       "fairway registry restore %s\n",
		    to, to);
	return status;
}

int registry_fill(const struct command *self, const char *option, const char *file, const char *to)
{
	struct parse_error error;
	const char *store = to ? to : command_config.registry_store;
	char path[PATH_MAX];
	int fd = program_open("fairway-cp", path, sizeof(path), &error);
	char *const argv[] = {path, (char *)option, (char *)file, (char *)"--state",
	    command_config.state, (char *)"--registry-store", (char *)store, NULL};

	if (fd < 0) {
		complain(self, error.text);
		return EXIT_FAILED;
	}
	execv(path, argv);
	return fail_file(self, path);
}
