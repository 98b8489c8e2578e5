// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "controlplane/admin_api.h"

#include <string.h>

// What a reload did: names of keys.
struct changes {
	json_t *applied, *restart;
};

static void take_key(void *ctx, const struct config_key *key)
{
	struct changes *c = ctx;

	json_array_append_new(key->reload ? c->applied : c->restart, json_string(key->name));
}

// Keys that need a restart keep the values that are in effect.
static void keep_key(void *ctx, const struct config_key *key)
{
	struct cp *cp = ctx;

	if (key->reload)
		memcpy((uint8_t *)&cp->config + key->offset,
		    (const uint8_t *)cp->next_config + key->offset, key->size);
}

json_t *cp_reload(struct cp *cp, struct config_errors *errors)
{
	static struct config next;
	struct changes c;
	struct config_line line;
	struct parse_error why;

	*errors = (struct config_errors){.count = 0};
	if (config_read(&next, cp->command, cp->argc, cp->argv, &line, errors) != 0) {
		log_error("configuration not reloaded, nothing was changed",
		    kv("reason", (const char *)errors->text));
		return NULL;
	}
	if (cp->embedded.on && embedded_fleets(&cp->embedded, next.registry_fleets, &why) != 0) {
		snprintf(errors->text, sizeof(errors->text), "%s", why.text);
		log_error("configuration not reloaded, nothing was changed",
		    kv("reason", (const char *)errors->text));
		return NULL;
	}
	c.applied = json_array();
	c.restart = json_array();
	config_compare(&cp->config, &next, take_key, &c);
	cp->next_config = &next;
	config_compare(&cp->config, &next, keep_key, cp);
	log_set_level((enum log_level)cp->config.log.level);
	session_configure(cp);
	log_info("configuration reloaded", kv("applied", json_array_size(c.applied)),
	    kv("restart", json_array_size(c.restart)));
	return json_pack("{s:o,s:o}", "applied", c.applied, "restart", c.restart);
}

json_t *admin_reload(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	static struct config_errors errors;
	json_t *result = cp_reload(cp, &errors);

	(void)client;
	(void)request;
	if (!result)
		return admin_fail(err, "nothing was changed", "%s", errors.text);
	return result;
}
