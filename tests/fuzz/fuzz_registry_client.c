// SPDX-License-Identifier: BSD-3-Clause
// Answers of a registry to a relay that announces itself there.
#include "controlplane/registry/client.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct registry_client client;

	client.error[0] = 0;
	fuzz_check(client_answer(&client, data, len) == !*client.error);
	fuzz_check(client.beacon_count <= CLIENT_BEACON_MAX);
	return 0;
}
