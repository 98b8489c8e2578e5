// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/dpdk_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <rte_log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// net_af_xdp leaves the program of xdp_prog= on the interface when it may not take it off any more,
// or is killed. It then swallows what arrives, and keeps the driver from starting again. So the
// program hangs on a descriptor of ours instead, which goes with the process.

// The descriptor that the driver has of a program. Asking the kernel for one takes CAP_SYS_ADMIN.
static int program_find(uint32_t id)
{
	DIR *dir = opendir("/proc/self/fd");
	int found = -ENOENT;

	if (!dir)
		return -errno;
	for (const struct dirent *e = readdir(dir); e && found < 0; e = readdir(dir)) {
		char target[32] = "";
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);
		int fd = (int)strtol(e->d_name, NULL, 10);

		if (readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1) > 0 &&
		    strcmp(target, "anon_inode:bpf-prog") == 0 &&
		    bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.id == id)
			found = fd;
	}
	closedir(dir);
	return found;
}

int dpdk_xdp_hold(struct dpdk_link *d, struct link_error *err)
{
	int ifindex = (int)d->lower, rc;
	uint32_t id = 0;

	if (strcmp(d->driver, "net_af_xdp") != 0 || !strstr(d->device, ",xdp_prog="))
		return 0;
	rc = bpf_xdp_query_id(ifindex, 0, &id);
	if (rc == 0)
		rc = program_find(id);
	if (rc >= 0) {
		int fd = rc;

		rc = bpf_xdp_detach(ifindex, 0, NULL);
		if (rc == 0)
			rc = d->xdp_link = bpf_link_create(fd, ifindex, BPF_XDP, NULL);
	}
	return rc < 0 ? dpdk_fail(err, rc, "the XDP program of %s: %s", d->device, strerror(-rc))
		      : 0;
}

void dpdk_xdp_close_port(struct dpdk_link *d)
{
	int type = rte_log_register("pmd.net.af_xdp"), level = rte_log_get_level((uint32_t)type);

	if (d->xdp_link < 0) {
		rte_eth_dev_close(d->port);
		return;
	}
	close(d->xdp_link);
	d->xdp_link = -1;
	// The driver complains that it may not take off what is not there.
	rte_log_set_level((uint32_t)type, RTE_LOG_CRIT);
	rte_eth_dev_close(d->port);
	rte_log_set_level((uint32_t)type, (uint32_t)level);
}
