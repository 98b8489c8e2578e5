// SPDX-License-Identifier: BSD-3-Clause
#include "base/port.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INODES_MAX = 64 };

static size_t read_inodes(const char *path, unsigned port, unsigned long *inodes, size_t count)
{
	FILE *file = fopen(path, "re");
	char line[512];

	while (file && count < INODES_MAX && fgets(line, sizeof(line), file)) {
		unsigned found;
		unsigned long inode;
		const char *colon = strchr(line, ':'); // behind the slot number

		if (!colon ||
		    // NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
		    sscanf(colon + 1, " %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", &found,
			&inode) != 2)
			continue;
		if (found == port)
			inodes[count++] = inode;
	}
	if (file)
		fclose(file);
	return count;
}

static bool holds_socket(const char *pid, const unsigned long *inodes, size_t count)
{
	char path[300], target[64], want[64];
	bool found = false;
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.32s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%.32s/fd/%.64s", pid, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		for (size_t i = 0; i < count && !found; i++) {
			snprintf(want, sizeof(want), "socket:[%lu]", inodes[i]);
			found = !strcmp(want, target);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static void read_name(const char *pid, char *name, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.32s/comm", pid);
	snprintf(name, size, "?");
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, (int)size, file))
		name[strcspn(name, "\n")] = 0;
	fclose(file);
}

pid_t port_find_owner(enum port_kind kind, unsigned port, char *name, size_t size)
{
	unsigned long inodes[INODES_MAX];
	bool tcp = kind == PORT_TCP;
	size_t count = read_inodes(tcp ? "/proc/net/tcp" : "/proc/net/udp", port, inodes, 0);
	const struct dirent *entry;
	pid_t pid = 0;
	DIR *dir;

	count = read_inodes(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", port, inodes, count);
	dir = count ? opendir("/proc") : NULL;
	while (dir && !pid && (entry = readdir(dir))) {
		uint64_t number;

		if (parse_uint(entry->d_name, 1, INT32_MAX, &number, NULL) ||
		    !holds_socket(entry->d_name, inodes, count))
			continue;
		pid = (pid_t)number;
		read_name(entry->d_name, name, size);
	}
	if (dir)
		closedir(dir);
	return pid;
}

static void fail_busy(const union socket_address *at, enum port_kind kind, const char *option,
    struct parse_error *error)
{
	unsigned port = ntohs(at->v4.sin_port);
	char text[64], name[32];
	pid_t pid = port_find_owner(kind, port, name, sizeof(name));

	format_address(text, at);
	if (pid)
		parse_error_set(error,
		    "%s is in use by process %d (%s): stop that one, or listen elsewhere with %s",
		    text, (int)pid, name, option);
	else
		parse_error_set(error,
		    "%s is in use by a process of another user: \"sudo ss -l%cnp sport = :%u\" "
		    "names it; or listen elsewhere with %s",
		    text, kind == PORT_TCP ? 't' : 'u', port, option);
}

static int try_bind(const union socket_address *at, enum port_kind kind)
{
	int type = kind == PORT_TCP ? SOCK_STREAM : SOCK_DGRAM, one = 1, rc;
	int fd = socket(at->any.sa_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	// as the servers do: connections that end do not keep the port
	if (kind == PORT_TCP)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	rc = bind(fd, &at->any, socket_address_len(at)) ? -errno : 0;
	close(fd);
	return rc;
}

int port_probe(const union socket_address *at, enum port_kind kind, const char *option,
    struct parse_error *error)
{
	int rc = try_bind(at, kind);
	char text[64];

	if (!rc)
		return 0;
	format_address(text, at);
	if (rc == -EADDRINUSE)
		fail_busy(at, kind, option, error);
	else if (rc == -EADDRNOTAVAIL)
		parse_error_set(error,
		    "%s: no interface of this machine has the address: \"ip addr\" lists them",
		    text);
	else if (rc == -EACCES && kind == PORT_TCP)
		parse_error_set(error,
		    "%s: who serves there has no privileges for ports below 1024: take a higher "
		    "port, or lower net.ipv4.ip_unprivileged_port_start",
		    text);
	else if (rc == -EACCES)
		parse_error_set(error,
		    "%s: ports below 1024 need CAP_NET_BIND_SERVICE: run as root or take a higher "
		    "port",
		    text);
	else if (rc == -EINVAL && at->any.sa_family == AF_INET6 &&
		 IN6_IS_ADDR_LINKLOCAL(&at->v6.sin6_addr))
		parse_error_set(error,
		    "%s: a link-local address needs its interface: write [ADDR%%IFACE]:PORT", text);
	else
		parse_error_set(error, "cannot listen on %s: %s", text, strerrordesc_np(-rc));
	return rc;
}
