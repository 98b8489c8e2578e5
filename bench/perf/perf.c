// SPDX-License-Identifier: BSD-3-Clause
// What `make perf` counts: fixed datagrams through a worker's turns, a case after the other, under
// callgrind. Only the turns are instrumented, and each case ends in a dump of its own that carries
// its name; bench/perf/gate reads them. Without callgrind it only checks that every case comes out
// as it should. --build prints what it was compiled with.
#include "base/random.h"
#include "bench/perf/lab.h"
#include "wire/beacon.h"

#include <err.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/callgrind.h>

enum { DATAGRAMS = 1024, BURST = 64, PAYLOAD_MAX = 1400 };

struct test {
	const char *name;
	unsigned link, burst;
	unsigned (*make)(const struct test *t, uint32_t random[2], uint8_t *payload,
	    struct endpoint *from); // length
	uint32_t sender_first, sender_count, dest_first, dest_count;
	unsigned size; // bytes of the frame inside
	bool dropped;
};

static uint32_t pick(uint32_t first, uint32_t count, uint32_t random)
{
	return first + (uint32_t)((uint64_t)random * count >> 32);
}

static unsigned relay_make(
    const struct test *t, uint32_t random[2], uint8_t *payload, struct endpoint *from)
{
	uint32_t sender = pick(t->sender_first, t->sender_count, random[0]);

	beacon_relay_build_header(
	    payload, PAYLOAD_MAX, sender, pick(t->dest_first, t->dest_count, random[1]));
	memset(payload + BEACON_RELAY_SIZE, (int)random[0], t->size);
	*from = lab_endpoint(sender);
	return BEACON_RELAY_SIZE + t->size;
}

// The sender's id from an address that is not the sender's.
static unsigned spoofed_make(
    const struct test *t, uint32_t random[2], uint8_t *payload, struct endpoint *from)
{
	unsigned len = relay_make(t, random, payload, from);

	*from = lab_endpoint(NODE_STRANGER_FIRST + random[1] % 1000);
	return len;
}

static unsigned discover_make(
    const struct test *t, uint32_t random[2], uint8_t *payload, struct endpoint *from)
{
	uint32_t sender = pick(t->sender_first, t->sender_count, random[0]);

	payload[0] = BEACON_DISCOVER;
	store_be32(payload + 1, sender);
	*from = lab_endpoint(sender);
	return BEACON_DISCOVER_SIZE;
}

// A quarter each: tunnel frames for nobody, unknown types, messages cut short, node id 0.
static unsigned garbage_make(
    const struct test *t, uint32_t random[2], uint8_t *payload, struct endpoint *from)
{
	static const uint8_t first[4] = {'P', 0x77, BEACON_RELAY, BEACON_RELAY};
	unsigned kind = random[0] >> 30;

	memset(payload, 0, BEACON_RELAY_SIZE + t->size);
	payload[0] = first[kind];
	*from = lab_endpoint(NODE_STRANGER_FIRST + random[1] % 1000);
	return kind == 2 ? BEACON_RELAY_SIZE - 1 : BEACON_RELAY_SIZE + t->size;
}

#define V4     NODE_V4_FIRST, NODE_V6_FIRST - NODE_V4_FIRST
#define V6     NODE_V6_FIRST, NODE_CARRY_FIRST - NODE_V6_FIRST
#define CARRY  NODE_CARRY_FIRST, NODE_REMOTE_FIRST - NODE_CARRY_FIRST
#define REMOTE NODE_REMOTE_FIRST, NODES - NODE_REMOTE_FIRST

static const struct test tests[] = {
    {"relay-v4", RAW, BURST, relay_make, V4, V4, 64, false},
    {"relay-v4-1200", RAW, BURST, relay_make, V4, V4, 1200, false},
    {"relay-v4-single", RAW, 1, relay_make, V4, V4, 64, false},
    {"relay-v6", RAW, BURST, relay_make, V6, V6, 64, false},
    {"relay-carry", RAW, BURST, relay_make, V4, CARRY, 64, false},
    {"relay-remote", RAW, BURST, relay_make, V4, REMOTE, 64, false},
    {"relay-payload", SOCK, BURST, relay_make, V4, V4, 64, false},
    {"discover", RAW, BURST, discover_make, V4, V4, 0, false},
    {"spoofed", RAW, BURST, spoofed_make, V4, V4, 64, true},
    {"garbage", RAW, BURST, garbage_make, V4, V4, 64, true},
};

static void datagrams_put(struct lab *lab, const struct test *t, uint64_t *state, unsigned n)
{
	uint8_t payload[PAYLOAD_MAX];

	for (unsigned i = 0; i < n; i++) {
		struct endpoint from;
		uint32_t random[2];
		unsigned len;

		for (int k = 0; k < 2; k++)
			random[k] = (uint32_t)(random_next(state) >> 32);
		len = t->make(t, random, payload, &from);
		lab_put(lab, t->link, &from, payload, len);
	}
}

// The same datagrams at each call, so that the second meets a relay that knows them.
static void test_run(struct lab *lab, const struct test *t, bool counted)
{
	uint64_t state = 42, drops = lab_drops(lab);
	unsigned sent = 0;

	for (unsigned done = 0; done < DATAGRAMS; done += t->burst) {
		unsigned n;

		datagrams_put(lab, t, &state, t->burst);
		if (counted)
			CALLGRIND_TOGGLE_COLLECT;
		n = lab_turn(lab);
		if (counted)
			CALLGRIND_TOGGLE_COLLECT;
		if (n != t->burst)
			errx(1, "%s: a turn took %u datagrams, not %u", t->name, n, t->burst);
		sent += rig_take(&lab->rig, t->link, 0);
	}
	drops = lab_drops(lab) - drops;
	if (sent != (t->dropped ? 0 : DATAGRAMS) || sent + drops != DATAGRAMS)
		errx(1, "%s: %u sent, %u dropped", t->name, sent, (unsigned)drops);
}

int main(int argc, char **argv)
{
	static struct lab lab;

	if (argc > 1 && strcmp(argv[1], "--build") == 0) {
		puts(PERF_BUILD);
		return 0;
	}
	if (argc > 1)
		errx(2, "usage: perf [--build]");
	lab_open(&lab);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		test_run(&lab, &tests[i], false);
		CALLGRIND_START_INSTRUMENTATION;
		test_run(&lab, &tests[i], true);
		CALLGRIND_DUMP_STATS_AT(tests[i].name);
		CALLGRIND_STOP_INSTRUMENTATION;
	}
	lab_close(&lab);
	return 0;
}
