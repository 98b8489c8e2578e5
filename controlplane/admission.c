// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/admission.h"

static enum admission_verdict decide_unproven(const struct admission_facts *f)
{
	if (!f->known)
		return f->full ? REFUSE_FULL : ADMIT_LEARN;
	if (f->same_addr)
		return f->same_port ? ADMIT_REFRESH : ADMIT_LEARN;
	return f->silent_ns >= f->silence_ns ? ADMIT_LEARN : REFUSE_OCCUPIED;
}

static enum admission_verdict decide_proven(const struct admission_facts *f)
{
	enum admission_verdict v;

	if (f->identity == IDENTITY_SAME)
		return !f->known && f->full ? REFUSE_FULL : ADMIT_LEARN_BIND;
	if (f->known && f->key_bound)
		return f->key_matches && f->identity != IDENTITY_OTHER ? ADMIT_LEARN : REFUSE_KEY;
	if (f->identity != IDENTITY_NOT_ASKED)
		return f->identity == IDENTITY_UNSAID ? REFUSE_UNPROVEN : REFUSE_KEY;
	v = decide_unproven(f);
	return v == ADMIT_LEARN || v == ADMIT_REFRESH ? ADMIT_LEARN_BIND : v;
}

static enum admission_verdict decide_anchored(const struct admission_facts *f)
{
	if (f->proof == PROOF_SIGNED) {
		enum admission_verdict v = decide_proven(f);

		if (f->identity == IDENTITY_SAME || (f->key_bound && v == ADMIT_LEARN))
			return v;
	}
	if (f->anchor == ANCHOR_ELSEWHERE)
		return REFUSE_ANCHOR;
	if (!f->known && f->full)
		return REFUSE_FULL;
	return f->known && f->same_addr && f->same_port ? ADMIT_REFRESH : ADMIT_LEARN;
}

enum admission_verdict admission_decide(const struct admission_facts *f)
{
	bool stored = f->known && f->same_addr && f->same_port;

	if (f->policy == ADMISSION_ANCHORED && f->anchor != ANCHOR_NONE)
		return decide_anchored(f);
	if (f->proof == PROOF_SIGNED) {
		enum admission_verdict v = decide_proven(f);
		// A stranger's key on an open relay is as good as no key.
		if ((v == REFUSE_KEY || v == REFUSE_UNPROVEN) && f->policy != ADMISSION_SIGNED)
			return decide_unproven(f);
		return v;
	}
	if (f->policy != ADMISSION_SIGNED)
		return decide_unproven(f);
	if (stored && f->key_bound)
		return ADMIT_REFRESH;
	if (f->proof != PROOF_NONE && f->known && f->key_bound && !f->key_matches)
		return REFUSE_KEY;
	return REFUSE_UNPROVEN;
}

bool admission_challenges(const struct admission_facts *f)
{
	bool stored = f->known && f->same_addr && f->same_port;

	if (f->proof == PROOF_STALE)
		return !(stored && f->key_bound && f->key_matches);
	if (f->proof != PROOF_KEY || f->policy != ADMISSION_SIGNED)
		return false;
	if (!f->known || !f->key_bound)
		return true;
	// another key than the bound one: it may be the node's new one
	return f->key_matches ? !stored
			      : f->identity == IDENTITY_SAME || f->identity == IDENTITY_UNSAID;
}

const char *admission_verdict_name(enum admission_verdict v)
{
	static const char *const names[] = {
	    [ADMIT_REFRESH] = "refreshed",
	    [ADMIT_LEARN] = "learnt",
	    [ADMIT_LEARN_BIND] = "learnt_key",
	    [REFUSE_OCCUPIED] = "occupied",
	    [REFUSE_UNPROVEN] = "unproven",
	    [REFUSE_KEY] = "key",
	    [REFUSE_ANCHOR] = "anchor",
	    [REFUSE_FULL] = "full",
	    [REFUSE_NETWORK] = "network",
	};

	return names[v];
}
