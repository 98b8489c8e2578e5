// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/privilege.h"
#include "base/state.h"
#include "base/thread_limit.h"
#include "config/machine.h"
#include "dataplane/dp.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAINTAIN_MS = 1000,
	STATUS_MAX = 512,
	// systemd gives up a unit that starts more than five times in ten seconds
	AGAIN_AFTER_S = 3,
};

// Beyond the common ones: links follow addresses (sockets for getifaddrs and rtnetlink, map updates
// of the steering program) and forget what they opened. DPDK's interrupt thread makes an epoll
// descriptor whenever a device's connections change.
static const char *const extra_calls[] = {"socket", "bind", "connect", "unlink", "bpf", "openat",
    "readlink", "uname", "epoll_create", NULL};

static int options_read(struct config *config, bool *falls_back, int argc, char **argv)
{
	const char *fall_back = NULL;
	const struct config_option options[] = {
	    {"link-fallback", "KIND",
		"with \"sock\": go on with the sock link when another cannot be opened",
		&fall_back},
	    {0},
	};
	const struct config_command command = {
	    .name = "fairway-dp",
	    .summary = "The data plane of Fairway: owns the packets. `fairway up` starts it.",
	    .options = options,
	    .keys = true,
	};
	struct config_errors errors = {.count = 0};
	struct config_line line;
	int rc = config_read(config, &command, argc, argv, &line, &errors);

	if (rc == 0 && fall_back && strcmp(fall_back, "sock") != 0) {
		config_error_add(&errors,
		    "--link-fallback: \"%s\" is no link to fall back to; "
		    "give sock or leave it out",
		    fall_back);
		rc = -EINVAL;
	}
	if (rc == 0 && line.operand_count) {
		config_error_add(
		    &errors, "\"%s\": fairway-dp takes options only, see --help", line.operands[0]);
		rc = -EINVAL;
	}
	if (rc < 0)
		config_complain(command.name, errors.text);
	*falls_back = fall_back != NULL;
	return rc;
}

static int fail(const char *what, int rc)
{
	log_error(what, kv_errno(rc));
	return DP_EXIT_FAILURE;
}

// One instance a state directory. The lock ends with the process, however it ends.
static int directory_open(struct dp *dp, const struct privilege_user *user)
{
	struct parse_error error;
	int rc = state_open(dp->config.state, dp->config.registry_store, user, "--state", &error);

	if (rc == 0) {
		dp->lock = state_lock(dp->config.state, "dp.lock", &error);
		rc = dp->lock < 0 ? dp->lock : 0;
	}
	if (rc)
		log_error("cannot start", kv("reason", error.text));
	return rc ? (int)exit_status_of(rc) : 0;
}

static int events_open(struct dp *dp)
{
	dp->cp_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dp->cp_event < 0)
		return -errno;
	for (unsigned i = 0; i < dp->worker_count; i++) {
		dp->worker_events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (dp->worker_events[i] < 0)
			return -errno;
	}
	return 0;
}

// Workers inherit the blocked signals, so that these reach signalfd only.
static int signals_open(struct dp *dp)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	dp->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return dp->signals < 0 ? -errno : 0;
}

// Only tells that something changed; each link then looks for itself.
static int netlink_open(struct dp *dp)
{
	struct sockaddr_nl at = {
	    .nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};

	dp->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (dp->netlink < 0 || bind(dp->netlink, (struct sockaddr *)&at, sizeof(at)))
		return -errno;
	return 0;
}

static int workers_start(struct dp *dp)
{
	const struct config_cpus *cpus = &dp->config.cpus;
	const struct handoff_config handoff = {
	    .links = dp->links,
	    .link_count = dp->link_count,
	    .worker_count = dp->worker_count,
	    .blocks = dp->memory.workers,
	    .event_fds = dp->worker_events,
	};
	int rc = handoff_open(&dp->handoff, &handoff);
	char why[128];

	if (rc) {
		log_error("no memory for rings between workers", kv_errno(rc));
		return rc;
	}
	for (unsigned i = 0; i < dp->worker_count; i++) {
		struct worker_config cfg = {
		    .index = i,
		    .memory = &dp->memory,
		    .links = dp->links,
		    .link_count = dp->link_count,
		    .companion = COMPANION,
		    .handoff = dp->handoff.rings ? &dp->handoff.of[i] : NULL,
		    .event_fd = dp->worker_events[i],
		    .cp_event_fd = dp->cp_event,
		    .cpu = i < cpus->count ? (int)cpus->at[i] : -1,
		};

		rc = worker_open(&dp->workers[i], &cfg);
		if (rc == 0)
			rc = worker_start(dp->workers[i]);
		if (rc) {
			snprintf(
			    why, sizeof(why), "%s%s", strerrordesc_np(-rc), thread_limit_hint(rc));
			log_error("worker not started", kv("worker", i), kv("cpu", cfg.cpu),
			    kv("reason", (const char *)why));
			return rc;
		}
	}
	return 0;
}

static void workers_end(struct dp *dp)
{
	for (unsigned i = 0; i < dp->worker_count; i++)
		if (dp->workers[i])
			worker_stop(dp->workers[i]);
	for (unsigned i = 0; i < dp->worker_count; i++)
		if (dp->workers[i])
			worker_close(dp->workers[i]);
	handoff_close(&dp->handoff);
}

static int privileges_end(struct dp *dp, const struct privilege_user *user)
{
	struct parse_error error;

	if (privilege_drop(user, 0, 0, &error)) {
		log_error("cannot give up privileges", kv("reason", error.text));
		return DP_EXIT_FAILURE;
	}
	dp_memory_follow(dp);
	// Threads take over the capabilities of the one that starts them.
	if (workers_start(dp))
		return DP_EXIT_FAILURE;
	if (privilege_filter(extra_calls, &error)) {
		log_error("cannot filter system calls", kv("reason", error.text));
		return DP_EXIT_FAILURE;
	}
	return 0;
}

static void client_serve(struct dp *dp)
{
	int fds[2 + WORKER_MAX + KERNEL_MAP_COUNT] = {dp->memory.fd, dp->cp_event};
	unsigned count = 2 + dp->worker_count;

	memcpy(fds + 2, dp->worker_events, dp->worker_count * sizeof(fds[0]));
	if (dp->kernel.places) {
		memcpy(fds + count, dp->kernel.fds, sizeof(dp->kernel.fds));
		count += KERNEL_MAP_COUNT;
	}
	server_accept(&dp->server, dp->worker_count, fds, count);
}

static void netlink_drain(struct dp *dp)
{
	char buffer[8192];

	for (int i = 0; i < 64 && recv(dp->netlink, buffer, sizeof(buffer), 0) > 0; i++)
		;
}

// Of what a reload changes, the control plane puts all but the log level into the memory.
static void log_level_reload(const struct dp *dp)
{
	static struct config next;
	bool falls_back;

	if (options_read(&next, &falls_back, dp->argc, dp->argv) == 0)
		log_set_level((enum log_level)next.log.level);
}

// The signal that ends us, 0 if there was none.
static int signal_read(struct dp *dp)
{
	struct signalfd_siginfo info;

	if (read(dp->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGHUP)
		return (int)info.ssi_signo;
	log_level_reload(dp);
	return 0;
}

static void status_tell(const struct dp *dp, char last[STATUS_MAX])
{
	char text[STATUS_MAX] = "";

	dp_describe(dp, text, sizeof(text));
	if (strcmp(text, last) == 0)
		return;
	memcpy(last, text, sizeof(text));
	log_info("serving", kv("at", text));
	notify_status(text);
}

// Whether to start again for a link that could be opened now.
static bool start_again(const char *link, uint64_t since_ns)
{
	if (!link || clock_mono_ns() - since_ns < AGAIN_AFTER_S * NS_PER_S)
		return false;
	log_info("the link's interface is there; starting again to take it", kv("link", link));
	return true;
}

static int serve(struct dp *dp)
{
	enum { SIGNALS, NETLINK, SERVER, CLIENTS };
	struct pollfd fds[CLIENTS + SERVE_CLIENTS];
	char status[STATUS_MAX] = "";
	uint64_t since_ns = clock_mono_ns();

	dp_links_maintain(dp); // whoever attaches finds the links described
	dp_describe(dp, status, sizeof(status));
	log_info("serving", kv("at", status), kv("adopted", dp->adopted));
	notify_ready(status);
	for (;;) {
		unsigned clients = dp->server.client_count;

		fds[SIGNALS] = (struct pollfd){.fd = dp->signals, .events = POLLIN};
		fds[NETLINK] = (struct pollfd){.fd = dp->netlink, .events = POLLIN};
		fds[SERVER] = (struct pollfd){.fd = dp->server.fd, .events = POLLIN};
		for (unsigned i = 0; i < clients; i++)
			fds[CLIENTS + i] =
			    (struct pollfd){.fd = dp->server.clients[i], .events = POLLIN};
		poll(fds, CLIENTS + clients, MAINTAIN_MS);
		if (fds[SIGNALS].revents && signal_read(dp))
			return DP_EXIT_OK;
		if (fds[NETLINK].revents)
			netlink_drain(dp);
		while (clients-- > 0)
			if (fds[CLIENTS + clients].revents)
				server_check(&dp->server, clients);
		if (fds[SERVER].revents)
			client_serve(dp);
		dp_memory_follow(dp);
		if (start_again(dp_links_maintain(dp), since_ns))
			return DP_EXIT_AGAIN;
		status_tell(dp, status);
	}
}

// Everything up to serving. 0 or enum dp_exit.
static int start(struct dp *dp)
{
	struct privilege_user user;
	struct parse_error error;
	int rc, other = privilege_find_server(dp->config.user, &user, &error);

	if (other < 0) {
		log_error("nobody to serve as; give --user", kv("reason", error.text));
		return DP_EXIT_USAGE;
	}
	if (other == 0)
		user = (struct privilege_user){.uid = geteuid(), .gid = getegid()};
	rc = notify_open();
	if (rc)
		log_warn("cannot talk to the supervisor", kv_errno(rc));
	rc = directory_open(dp, other ? &user : NULL);
	if (rc)
		return rc;
	rc = machine_find_absent(&dp->config.cpus);
	if (rc >= 0) {
		log_error("no worker can run on a core of cpus: lscpu lists those there are",
		    kv("core", rc));
		return DP_EXIT_USAGE;
	}
	dp_links_reduce(dp);
	dp->worker_count = machine_workers(&dp->config);
	if (dp->worker_count > machine_cores())
		log_warn("more workers than cores: they take turns and wait for each other",
		    kv("workers", dp->worker_count), kv("cores", machine_cores()),
		    kv("how", "workers 0 follows queues and cores"));
	if (dp->config.cpus.count && dp->worker_count > dp->config.cpus.count)
		log_warn("cpus names fewer cores than there are workers: the others are not pinned",
		    kv("workers", dp->worker_count), kv("cpus", dp->config.cpus.count));
	rc = dp_memory_open(dp);
	if (rc)
		return (int)exit_status_of(rc);
	rc = signals_open(dp);
	if (rc == 0)
		rc = netlink_open(dp);
	if (rc == 0)
		rc = events_open(dp);
	if (rc)
		return fail("cannot open signals, netlink or events", rc);
	rc = dp_links_open(dp);
	if (rc)
		return rc;
	rc = server_open(&dp->server, dp->config.state, user.uid, user.gid);
	if (rc) {
		log_error("cannot listen for the control plane; choose another --state",
		    kv("path", dp->server.path), kv_errno(rc));
		return DP_EXIT_FAILURE;
	}
	return privileges_end(dp, other ? &user : NULL);
}

int main(int argc, char **argv)
{
	static struct dp dp;
	int rc;

	signal(SIGPIPE, SIG_IGN); // of who reads our log
	signal(SIGXFSZ, SIG_IGN); // a file size limit: writing fails with EFBIG
	dp.lock = dp.signals = dp.netlink = dp.cp_event = dp.server.fd = dp.memory.fd = -1;
	dp.argc = argc;
	dp.argv = argv;
	rc = options_read(&dp.config, &dp.fall_back, argc, argv);
	if (rc)
		return rc > 0 ? DP_EXIT_OK : DP_EXIT_USAGE;
	log_setup("fairway-dp", (enum log_level)dp.config.log.level,
	    (enum log_format)dp.config.log.format);
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx")) {
		log_error("this CPU has no AVX: the node table needs its 16-byte atomic loads");
		return DP_EXIT_FAILURE;
	}
	rc = start(&dp);
	if (rc == 0)
		rc = serve(&dp);
	notify_stopping("stopping");
	workers_end(&dp);
	server_close(&dp.server);
	dp_links_close(&dp);
	if (rc == DP_EXIT_OK)
		log_info("stopped");
	return rc;
}
