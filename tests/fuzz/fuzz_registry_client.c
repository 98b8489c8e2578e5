// SPDX-License-Identifier: BSD-3-Clause
// Answers of a registry to a relay that announces itself there and asks about nodes.
#include "controlplane/registry/client.h"
#include "controlplane/registry/lookups.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct registry_client client;
	static struct lookups lookups;
	struct lookup found;
	bool good;

	client.error[0] = 0;
	fuzz_check(client_answer(&client, data, len) == !*client.error);
	fuzz_check(client.beacon_count <= CLIENT_BEACON_MAX);
	fuzz_check(lookups.entries || lookups_open(&lookups) == 0);
	good = lookups_answer(&lookups, 7, data, len, 1000);
	fuzz_check(!good || lookups_find(&lookups, 7, 1000, &found) != LOOKUP_ASKED);
	return 0;
}
