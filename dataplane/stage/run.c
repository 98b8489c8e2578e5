// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"

void stages_run(struct burst *b, struct stage_env *env, struct tx_lists *out)
{
	unsigned others;

	police_begin(&env->police, &env->set);
	others = stage_classify(b, env);
	if (others)
		stage_police(b, env);
	stage_relay(b, env);
	if (others) {
		stage_discover(b, env);
		stage_punt(b, env);
		stage_answer(b, env);
	}
	stage_encap(b, env);
	stage_egress(b, env, out);
	if (env->relay.alive_count)
		relay_signs(b, env);
}
