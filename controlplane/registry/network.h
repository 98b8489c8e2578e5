// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/index.h"
#include "controlplane/registry/names.h"

#include <stdbool.h>
#include <stdint.h>

// Networks: groups of nodes with a join rule, roles and policies. Network 0, the backbone, holds
// every node and is not in here. No I/O, no clock. One thread.
enum join_rule { JOIN_OPEN, JOIN_TOKEN, JOIN_INVITE };
enum role { ROLE_NONE, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };

enum {
	NETWORK_MAX = 65535,
	NETWORK_PORT_MAX = 100,
	NETWORK_DESCRIPTION_MAX = 256,
	NETWORK_TOKEN_MAX = 256,
	NETWORK_DOCUMENT_MAX = 65536, // bytes of rules or expr_policy
	NETWORK_MEMBER_MAX = 10000,   // most that max_members may say
};

struct member {
	uint32_t node;
	uint8_t role; // enum role
	char *tags;   // "a,b", owned, or NULL
};

// Texts are owned, NULL when empty.
struct network {
	uint16_t id;
	uint8_t rule; // enum join_rule
	bool enterprise;
	uint8_t port_count;
	uint16_t ports[NETWORK_PORT_MAX];
	uint32_t max_members; // 0 = no limit
	int64_t created;      // seconds since 1970
	char name[NAME_LEN_MAX + 1];
	char *token, *admin_token, *description;
	char *rules, *expr_policy; // JSON
	char *pre_roles;	   // pre_roles.h
	int64_t synced;		   // seconds since 1970: its last directory_sync, 0 = never
	struct member *members;	   // by node id, ascending
	uint32_t count, cap;
};

struct networks {
	struct network **at; // by id
	struct index by_name;
	uint32_t count;
	uint32_t next_id;
};

// 0 or -ENOMEM.
int networks_init(struct networks *ns);
void networks_free(struct networks *ns);
struct network *network_find(const struct networks *ns, uint16_t id);
struct network *network_by_name(const struct networks *ns, const char *name);
// The lowest id above `id`, or NULL.
struct network *network_after(const struct networks *ns, uint16_t id);
// NULL with errno ENOSPC (no id left), EEXIST or ENOMEM. id 0: the next one.
struct network *network_add(struct networks *ns, uint16_t id, const char *name);
void network_remove(struct networks *ns, struct network *net);
// 0, -EEXIST or -ENOMEM.
int network_rename(struct networks *ns, struct network *net, const char *name);

struct member *member_find(const struct network *net, uint32_t node);
// NULL without memory; the member that is there already if it is one.
struct member *member_add(struct network *net, uint32_t node, enum role role);
void member_remove(struct network *net, uint32_t node);
// The owner, or NULL.
struct member *network_owner(const struct network *net);

const char *join_rule_name(uint8_t rule);
const char *role_name(uint8_t role);
// False when it is none.
bool join_rule_parse(const char *name, uint8_t *rule);
uint8_t role_parse(const char *name); // ROLE_NONE if it is none
