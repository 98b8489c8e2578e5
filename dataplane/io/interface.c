// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/interface.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int interface_flags(const char *name)
{
	struct ifreq request = {.ifr_flags = 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	rc = ioctl(fd, SIOCGIFFLAGS, &request);
	close(fd);
	return rc == 0 ? (unsigned short)request.ifr_flags : 0;
}
