// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What a process may do, step by step: check what it has, leave uid 0, lock down.
// Capability sets are bit masks of CAP_BIT(CAP_NET_RAW) and the like. Functions return 0 or a
// negative errno with a text in `error`. Call the first two groups before the first thread starts
// (capabilities belong to threads); privilege_filter() reaches all threads.

#define CAP_BIT(cap) (1ULL << (cap))

// What fairway-dp needs to open xdp links (AF_XDP socket, steering program, its buffers) and what
// it asks for beside that if it is there (ports below 1024, real-time waking).
#define PRIVILEGE_XDP \
	(CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON))
#define PRIVILEGE_XDP_HINT                                                      \
	"run as root, or setcap cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon," \
	"cap_ipc_lock+ep on the program that you start (fairway, or fairway-dp)"
#define PRIVILEGE_DP                                                             \
	(PRIVILEGE_XDP | CAP_BIT(CAP_NET_BIND_SERVICE) | CAP_BIT(CAP_IPC_LOCK) | \
	    CAP_BIT(CAP_SYS_NICE))

// Those of `wanted` that this process may not use.
uint64_t privilege_missing(uint64_t wanted);
// "CAP_NET_RAW, CAP_BPF"; "none" for an empty set. Returns `out`.
char *privilege_names(char *out, size_t size, uint64_t set);

struct privilege_user {
	uid_t uid;
	gid_t gid;
	char name[32];
};

// Looks up who is to serve. `name` "": `fairway` if it exists, else `nobody`. Refuses uid 0.
int privilege_find_user(const char *name, struct privilege_user *user, struct parse_error *error);

// Whether this process is to become `user` before it serves: 1, or 0 if it is not root, or a root
// that cannot become anybody (a container without CAP_SETUID, CAP_SETGID and CAP_CHOWN, or without
// other users). The latter with a `name` is an error.
int privilege_find_server(const char *name, struct privilege_user *user, struct parse_error *error);

// As root: becomes `user` (NULL: stays who it is), without supplementary groups. Permitted and
// effective become what was there of `keep`; the bounding set shrinks to it as well if possible.
// `inherit` of them also go to programs that are executed (inheritable and ambient).
int privilege_drop(
    const struct privilege_user *user, uint64_t keep, uint64_t inherit, struct parse_error *error);

// Keeps what is permitted and inherited for programs to be executed, but stops using it; programs
// to be executed cannot get more (no_new_privs).
int privilege_park(struct parse_error *error);

// System calls that every one of our processes makes: memory, files that are open, threads, time,
// signals, poll and epoll, sockets that are open, exit. NULL-terminated.
extern const char *const privilege_common_calls[];

// no_new_privs and a seccomp allow-list on all threads: the common calls and those of `calls`
// (NULL-terminated names; names that this machine does not have are skipped). Everything else
// fails with EPERM and is logged by the kernel (audit), because a relay that kills itself over one
// unexpected call loses all its nodes' traffic; a call that a library can do without then goes its
// fall-back way. Calls that only an intruder makes (executing programs, tracing, loading
// kernel code, mounting) kill the process.
// Under AddressSanitizer the filter is left out: its leak check stops and traces its own threads.
int privilege_filter(const char *const *calls, struct parse_error *error);
