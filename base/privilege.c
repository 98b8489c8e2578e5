// SPDX-License-Identifier: BSD-3-Clause
#include "base/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

uint64_t privilege_missing(uint64_t wanted)
{
	uint64_t missing = 0;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return wanted;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if ((wanted & CAP_BIT(cap)) && !capng_have_capability(CAPNG_PERMITTED, cap))
			missing |= CAP_BIT(cap);
	return missing;
}

char *privilege_names(char *out, size_t size, uint64_t set)
{
	size_t len = 0;

	snprintf(out, size, "none");
	for (unsigned cap = 0; cap <= CAP_LAST_CAP && len + 1 < size; cap++) {
		const char *name = capng_capability_to_name(cap);
		int n;

		if (!(set & CAP_BIT(cap)) || !name)
			continue;
		n = snprintf(out + len, size - len, "%scap_%s", len ? ", " : "", name);
		for (size_t i = len; i < len + (size_t)n && i + 1 < size; i++)
			if (out[i] >= 'a' && out[i] <= 'z')
				out[i] = (char)(out[i] - 'a' + 'A');
		len += (size_t)n;
	}
	return out;
}

int privilege_find_user(const char *name, struct privilege_user *user, struct parse_error *error)
{
	const struct passwd *found;

	if (*name) {
		found = getpwnam(name);
		if (!found) {
			parse_error_set(error,
			    "user \"%s\" does not exist: create it (useradd --system %s) or name "
			    "another with --user",
			    name, name);
			return -ENOENT;
		}
	} else {
		found = getpwnam("fairway");
		if (!found)
			found = getpwnam("nobody");
		if (!found) {
			parse_error_set(error,
			    "neither user \"fairway\" nor \"nobody\" exists: name one with --user");
			return -ENOENT;
		}
	}
	if (!found->pw_uid) {
		parse_error_set(error,
		    "user \"%s\" is root, and nothing serves as root: name another with --user",
		    found->pw_name);
		return -EINVAL;
	}
	*user = (struct privilege_user){.uid = found->pw_uid, .gid = found->pw_gid};
	snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
	return 0;
}

// Whether `id` exists in this user namespace; `map` is the kernel's table of those that do.
static bool is_mapped(const char *map, unsigned id)
{
	FILE *file = fopen(map, "re");
	unsigned inside, outside, count;
	bool found = !file; // no /proc: the calls themselves will tell

	// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
	while (!found && fscanf(file, "%u %u %u", &inside, &outside, &count) == 3)
		found = id >= inside && id - inside < count;
	if (file)
		fclose(file);
	return found;
}

int privilege_find_server(const char *name, struct privilege_user *user, struct parse_error *error)
{
	const uint64_t wanted = CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_CHOWN);
	char names[64];
	int rc;

	if (geteuid())
		return 0;
	rc = privilege_find_user(name, user, error);
	if (rc)
		return rc;
	if (!privilege_missing(wanted) && is_mapped("/proc/self/uid_map", user->uid) &&
	    is_mapped("/proc/self/gid_map", user->gid))
		return 1;
	if (!*name)
		return 0;
	parse_error_set(error,
	    "cannot become user \"%s\": that takes %s and a user namespace with that user; without "
	    "--user this root serves, and gives up what capabilities it has",
	    name, privilege_names(names, sizeof(names), wanted));
	return -EPERM;
}

static int become(const struct privilege_user *user, struct parse_error *error)
{
	const char *step = "prctl(PR_SET_KEEPCAPS)";
	int rc = prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L);

	if (!rc) {
		step = "setgroups";
		rc = setgroups(0, NULL);
	}
	if (!rc) {
		step = "setresgid";
		rc = setresgid(user->gid, user->gid, user->gid);
	}
	if (!rc) {
		step = "setresuid";
		rc = setresuid(user->uid, user->uid, user->uid);
	}
	if (!rc)
		return 0;
	rc = -errno;
	parse_error_set(
	    error, "cannot become user %s: %s: %s", user->name, step, strerrordesc_np(-rc));
	return rc;
}

// Needs CAP_SETPCAP; a process without it has nothing to shrink.
static void shrink_bounding(uint64_t keep)
{
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(keep & CAP_BIT(cap)))
			prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0L, 0L, 0L);
}

static int set_caps(uint64_t keep, uint64_t inherit)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (keep & CAP_BIT(cap))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
		if (inherit & CAP_BIT(cap))
			capng_update(CAPNG_ADD, CAPNG_INHERITABLE, cap);
	}
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if ((inherit & CAP_BIT(cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)cap, 0L, 0L))
			return -errno;
	return 0;
}

int privilege_drop(
    const struct privilege_user *user, uint64_t keep, uint64_t inherit, struct parse_error *error)
{
	int rc;

	keep &= ~privilege_missing(keep);
	inherit &= keep;
	shrink_bounding(keep);
	if (user && getuid() == 0) {
		rc = become(user, error);
		if (rc)
			return rc;
	}
	rc = set_caps(keep, inherit);
	if (rc)
		parse_error_set(error, "cannot give up capabilities: %s", strerrordesc_np(-rc));
	return rc;
}

int privilege_park(struct parse_error *error)
{
	capng_clear(CAPNG_SELECT_CAPS);
	if (!prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) && !capng_get_caps_process()) {
		for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE, cap);
		if (!capng_apply(CAPNG_SELECT_CAPS))
			return 0;
	}
	parse_error_set(error, "cannot set capabilities aside");
	return -EPERM;
}
