// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/admission.h"
#include "tests/unit/unit.h"

#include <string.h>

// Facts as letters: K known, I same IP, P same port, B key bound, M the key shown is the bound one,
// F full, H the registry says here, E elsewhere, s silent for longer than admission.silence; the
// registry knows S the same key, O another, A no such node, U has not said yet.
struct fact {
	enum admission_policy policy;
	enum admission_proof proof;
	const char *facts;
	enum admission_verdict want;
	bool challenge;
};

#define OPEN   ADMISSION_OPEN
#define SIGNED ADMISSION_SIGNED
#define ANCHOR ADMISSION_ANCHORED

static const struct fact table[] = {
    // open, as unmodified daemons come
    {OPEN, PROOF_NONE, "", ADMIT_LEARN, false},
    {OPEN, PROOF_NONE, "F", REFUSE_FULL, false},
    {OPEN, PROOF_NONE, "KFIP", ADMIT_REFRESH, false},
    {OPEN, PROOF_NONE, "KIP", ADMIT_REFRESH, false},
    {OPEN, PROOF_NONE, "KI", ADMIT_LEARN, false}, // NAT rebind
    {OPEN, PROOF_NONE, "KFI", ADMIT_LEARN, false},
    {OPEN, PROOF_NONE, "K", REFUSE_OCCUPIED, false}, // take-over
    {OPEN, PROOF_NONE, "Ks", ADMIT_LEARN, false},
    {OPEN, PROOF_NONE, "KP", REFUSE_OCCUPIED, false}, // the port alone is nothing
    {OPEN, PROOF_NONE, "KB", REFUSE_OCCUPIED, false},
    {OPEN, PROOF_NONE, "KBs", ADMIT_LEARN, false},
    {OPEN, PROOF_NONE, "KBI", ADMIT_LEARN, false},
    // open, with a key that is never signed with
    {OPEN, PROOF_KEY, "", ADMIT_LEARN, false},
    {OPEN, PROOF_KEY, "K", REFUSE_OCCUPIED, false},
    {OPEN, PROOF_KEY, "KBM", REFUSE_OCCUPIED, false},
    {OPEN, PROOF_KEY, "KIP", ADMIT_REFRESH, false},
    // open, asking for a challenge
    {OPEN, PROOF_STALE, "", ADMIT_LEARN, true},
    {OPEN, PROOF_STALE, "KBM", REFUSE_OCCUPIED, true},
    {OPEN, PROOF_STALE, "KIPBM", ADMIT_REFRESH, false},
    {OPEN, PROOF_STALE, "KIP", ADMIT_REFRESH, true},
    // open, signed
    {OPEN, PROOF_SIGNED, "", ADMIT_LEARN_BIND, false},
    {OPEN, PROOF_SIGNED, "F", REFUSE_FULL, false},
    {OPEN, PROOF_SIGNED, "KI", ADMIT_LEARN_BIND, false},
    {OPEN, PROOF_SIGNED, "KIP", ADMIT_LEARN_BIND, false},
    {OPEN, PROOF_SIGNED, "KBM", ADMIT_LEARN, false},	// from anywhere at once
    {OPEN, PROOF_SIGNED, "K", REFUSE_OCCUPIED, false},	// a fresh key proves nothing
    {OPEN, PROOF_SIGNED, "KB", REFUSE_OCCUPIED, false}, // another's key neither
    {OPEN, PROOF_SIGNED, "KBs", ADMIT_LEARN, false},
    // anchored: the registry knows better than the table
    {ANCHOR, PROOF_NONE, "", ADMIT_LEARN, false},
    {ANCHOR, PROOF_NONE, "K", REFUSE_OCCUPIED, false},
    {ANCHOR, PROOF_NONE, "H", ADMIT_LEARN, false},
    {ANCHOR, PROOF_NONE, "KH", ADMIT_LEARN, false},
    {ANCHOR, PROOF_NONE, "KIPH", ADMIT_REFRESH, false},
    {ANCHOR, PROOF_NONE, "FH", REFUSE_FULL, false},
    {ANCHOR, PROOF_NONE, "E", REFUSE_ANCHOR, false},
    {ANCHOR, PROOF_NONE, "KIPE", REFUSE_ANCHOR, false},
    {ANCHOR, PROOF_NONE, "KsE", REFUSE_ANCHOR, false},
    {ANCHOR, PROOF_SIGNED, "KBME", ADMIT_LEARN, false},
    {ANCHOR, PROOF_SIGNED, "E", REFUSE_ANCHOR, false},
    // signed, without a signature
    {SIGNED, PROOF_NONE, "", REFUSE_UNPROVEN, false},
    {SIGNED, PROOF_NONE, "KIPB", ADMIT_REFRESH, false},
    {SIGNED, PROOF_NONE, "KIP", REFUSE_UNPROVEN, false}, // learnt while the policy was open
    {SIGNED, PROOF_NONE, "KIB", REFUSE_UNPROVEN, false},
    {SIGNED, PROOF_NONE, "KBs", REFUSE_UNPROVEN, false}, // silence helps nobody
    {SIGNED, PROOF_KEY, "", REFUSE_UNPROVEN, true},
    {SIGNED, PROOF_KEY, "KBM", REFUSE_UNPROVEN, true},
    {SIGNED, PROOF_KEY, "KIBM", REFUSE_UNPROVEN, true},
    {SIGNED, PROOF_KEY, "KIPBM", ADMIT_REFRESH, false},
    {SIGNED, PROOF_KEY, "KB", REFUSE_KEY, false},
    {SIGNED, PROOF_STALE, "", REFUSE_UNPROVEN, true},
    // signed, with a signature
    {SIGNED, PROOF_SIGNED, "", ADMIT_LEARN_BIND, false},
    {SIGNED, PROOF_SIGNED, "F", REFUSE_FULL, false},
    {SIGNED, PROOF_SIGNED, "KBM", ADMIT_LEARN, false},
    {SIGNED, PROOF_SIGNED, "KIPBM", ADMIT_LEARN, false},
    {SIGNED, PROOF_SIGNED, "KB", REFUSE_KEY, false},
    {SIGNED, PROOF_SIGNED, "KBs", REFUSE_KEY, false},
    {SIGNED, PROOF_SIGNED, "KBI", REFUSE_KEY, false},
    {SIGNED, PROOF_SIGNED, "K", REFUSE_OCCUPIED, false},
    {SIGNED, PROOF_SIGNED, "Ks", ADMIT_LEARN_BIND, false},
    // signed, and the registry knows the keys
    {SIGNED, PROOF_SIGNED, "S", ADMIT_LEARN_BIND, false},
    {SIGNED, PROOF_SIGNED, "FS", REFUSE_FULL, false},
    {SIGNED, PROOF_SIGNED, "KS", ADMIT_LEARN_BIND, false}, // whoever had the id
    {SIGNED, PROOF_SIGNED, "O", REFUSE_KEY, false},
    {SIGNED, PROOF_SIGNED, "A", REFUSE_KEY, false},
    {SIGNED, PROOF_SIGNED, "U", REFUSE_UNPROVEN, false},
    {SIGNED, PROOF_SIGNED, "KsU", REFUSE_UNPROVEN, false},
    {SIGNED, PROOF_SIGNED, "KBMU", ADMIT_LEARN, false}, // the registry may be away
    {SIGNED, PROOF_SIGNED, "KBMS", ADMIT_LEARN_BIND, false},
    {SIGNED, PROOF_SIGNED, "KBMA", ADMIT_LEARN, false},
    {SIGNED, PROOF_SIGNED, "KBS", ADMIT_LEARN_BIND, false}, // rotated: the new key
    {SIGNED, PROOF_SIGNED, "KBMO", REFUSE_KEY, false},	    // and the one before
    {SIGNED, PROOF_SIGNED, "KBA", REFUSE_KEY, false},
    {SIGNED, PROOF_SIGNED, "KBU", REFUSE_KEY, false},
    {SIGNED, PROOF_KEY, "S", REFUSE_UNPROVEN, true},
    {SIGNED, PROOF_KEY, "KBS", REFUSE_KEY, true},
    {SIGNED, PROOF_KEY, "KIPBS", ADMIT_REFRESH, true},
    {SIGNED, PROOF_KEY, "KBU", REFUSE_KEY, true},
    {SIGNED, PROOF_KEY, "KBO", REFUSE_KEY, false},
    {ANCHOR, PROOF_SIGNED, "U", ADMIT_LEARN, false},
    {ANCHOR, PROOF_SIGNED, "KO", REFUSE_OCCUPIED, false},
    {ANCHOR, PROOF_SIGNED, "KS", ADMIT_LEARN_BIND, false},
    {ANCHOR, PROOF_SIGNED, "ES", ADMIT_LEARN_BIND, false}, // a signature is better still
    {ANCHOR, PROOF_SIGNED, "KBES", ADMIT_LEARN_BIND, false},
    {ANCHOR, PROOF_SIGNED, "FES", REFUSE_FULL, false},
    {ANCHOR, PROOF_SIGNED, "KBMEO", REFUSE_ANCHOR, false}, // signed with the key of before
    {ANCHOR, PROOF_SIGNED, "KBMHO", ADMIT_LEARN, false},
    {ANCHOR, PROOF_SIGNED, "EU", REFUSE_ANCHOR, false},
    {ANCHOR, PROOF_SIGNED, "EA", REFUSE_ANCHOR, false},
};

static struct admission_facts facts_of(const struct fact *f)
{
	return (struct admission_facts){
	    .policy = f->policy,
	    .proof = f->proof,
	    .anchor = strchr(f->facts, 'H')   ? ANCHOR_HERE
		      : strchr(f->facts, 'E') ? ANCHOR_ELSEWHERE
					      : ANCHOR_NONE,
	    .identity = strchr(f->facts, 'S')	? IDENTITY_SAME
			: strchr(f->facts, 'O') ? IDENTITY_OTHER
			: strchr(f->facts, 'A') ? IDENTITY_ABSENT
			: strchr(f->facts, 'U') ? IDENTITY_UNSAID
						: IDENTITY_NOT_ASKED,
	    .known = strchr(f->facts, 'K'),
	    .same_addr = strchr(f->facts, 'I'),
	    .same_port = strchr(f->facts, 'P'),
	    .key_bound = strchr(f->facts, 'B'),
	    .key_matches = strchr(f->facts, 'M'),
	    .full = strchr(f->facts, 'F'),
	    .silence_ns = 90,
	    .silent_ns = strchr(f->facts, 's') ? 90 : 89,
	};
}

static void test_decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct admission_facts f = facts_of(&table[i]);
		enum admission_verdict v = admission_decide(&f);

		if (v != table[i].want || admission_challenges(&f) != table[i].challenge)
			fail_msg("line %zu (%s): %s, challenge %d", i, table[i].facts,
			    admission_verdict_name(v), admission_challenges(&f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_decisions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
