// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Drivers that listen on a socket in a folder: a process that was killed leaves it behind, and the
// next one could not bind it.
static const struct {
	const char *driver, *listens, *connects, *path;
} servers[] = {
    {"net_memif", ",role=server", NULL, ",socket="},
    {"net_vhost", "", ",client=1", ",iface="},
};

// A listener of another type answers differently, and does not notice.
static bool is_left_behind(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool dead;

	if (fd < 0)
		return false;
	dead = connect(fd, (const struct sockaddr *)at, sizeof(*at)) && errno == ECONNREFUSED;
	close(fd);
	return dead;
}

void dpdk_socket_clean(const char *device)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		const char *path = strstr(device, servers[i].path);
		size_t len;

		if (strncmp(device, servers[i].driver, strlen(servers[i].driver)) != 0 || !path ||
		    !strstr(device, servers[i].listens) ||
		    (servers[i].connects && strstr(device, servers[i].connects)))
			continue;
		path += strlen(servers[i].path);
		len = strcspn(path, ",");
		if (len >= sizeof(at.sun_path))
			return;
		memcpy(at.sun_path, path, len);
		if (is_left_behind(&at))
			unlink(at.sun_path);
	}
}
