// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/admin_api.h"

json_t *admin_settings(struct cp *cp)
{
	json_t *o = json_object();
	static char text[CONFIG_VALUE_MAX];

	for (const struct config_key *k = config_keys; k->name; k++)
		json_object_set_new(
		    o, k->name, json_string(config_format(text, sizeof(text), &cp->config, k)));
	return json_pack("{s:o}", "settings", o);
}
