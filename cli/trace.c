// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "cli/capture.h"
#include "cli/commands.h"
#include "cli/decode.h"
#include "cli/table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PAYLOAD_MAX = 512, PATIENCE_MAX_MS = 1000 };

static const char *json_flag, *drops_flag, *node_text, *sample_text, *count_text, *seconds_text,
    *write_path;

static const struct config_option trace_options[] = {
    {"node", "ID", "only datagrams from or to this node", &node_text},
    {"drops", NULL, "only datagrams that are dropped", &drops_flag},
    {"sample", "N", "every N-th datagram of those (default 1)", &sample_text},
    {"count", "N", "end after N datagrams", &count_text},
    {"seconds", "N", "end after N seconds", &seconds_text},
    {"write", "FILE", "write a pcapng file too (Wireshark, tcpdump -r)", &write_path},
    {"json", NULL, "one JSON object a line", &json_flag}, {0}};

static const struct config_command trace_shape = {.name = "fairway trace",
    .summary = "Shows received datagrams, decoded, with their verdicts, until Ctrl-C. The workers "
	       "never wait\nfor it: what it cannot keep up with is left out and counted.",
    .options = trace_options};

static volatile sig_atomic_t interrupted;

struct tracer {
	const struct command *self;
	uint64_t node, sample, count, seconds; // 0 = no limit
	FILE *file;			       // or NULL
	uint64_t shown, lost;
};

static void interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static size_t read_hex(const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;

	for (; n < size && text[0] && text[1]; text += 2) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0)
			break;
		out[n++] = (uint8_t)(high << 4 | low);
	}
	return n;
}

// "drop dest_unknown", "send", "punt"
static char *verdict_text(char *out, const json_t *event)
{
	const char *drop = member_text(event, "drop", NULL);

	snprintf(out, 64, "%s%s%s", member_text(event, "verdict", "?"), drop ? " " : "",
	    drop ? drop : "");
	return out;
}

static void print_event(const json_t *event, const uint8_t *payload, size_t captured)
{
	uint64_t time_ns = member_count(event, "time_ns");
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	char clock[16], decoded[DECODE_MAX], verdict[64];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s.%06u w%llu %s > %s  %s  -> %s\n", clock,
	    (unsigned)(time_ns / NS_PER_US % 1000000),
	    (unsigned long long)member_count(event, "worker"), member_text(event, "from", "?"),
	    member_text(event, "to", "?"),
	    decode_datagram(decoded, payload, captured, member_count(event, "len")),
	    verdict_text(verdict, event));
}

static int save_event(
    const struct tracer *t, const json_t *event, const uint8_t *payload, size_t captured)
{
	char verdict[64];
	struct captured d = {.time_ns = member_count(event, "time_ns"),
	    .payload = payload,
	    .captured = captured,
	    .len = member_count(event, "len"),
	    .comment = verdict_text(verdict, event)};

	// an address that is not known is written as unspecified
	if (parse_address(member_text(event, "from", ""), true, &d.from, NULL))
		d.from.any.sa_family = AF_INET;
	if (parse_address(member_text(event, "to", ""), true, &d.to, NULL))
		d.to.any.sa_family = AF_INET;
	return capture_write(t->file, &d);
}

// Returns 0 or a negative errno.
static int take_event(struct tracer *t, const json_t *event)
{
	uint8_t payload[PAYLOAD_MAX];
	size_t captured = read_hex(member_text(event, "payload", ""), payload, sizeof(payload));

	t->shown++;
	t->lost += member_count(event, "lost");
	if (json_flag) {
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_event(event, payload, captured);
	}
	return t->file ? save_event(t, event, payload, captured) : 0;
}

static void fail_write(int rc)
{
	fprintf(stderr, "fairway trace: cannot write %s: %s\n", write_path, strerrordesc_np(-rc));
}

static int follow(struct tracer *t, struct client *client)
{
	uint64_t end = t->seconds ? clock_mono_ns() + t->seconds * NS_PER_S : UINT64_MAX;
	struct parse_error error = {0};
	int rc = 0;

	while (!interrupted && !rc && (!t->count || t->shown < t->count)) {
		uint64_t now = clock_mono_ns();
		int patience = PATIENCE_MAX_MS;
		json_t *message;

		if (now >= end)
			break;
		if (end - now < PATIENCE_MAX_MS * NS_PER_MS)
			patience = (int)((end - now) / NS_PER_MS) + 1;
		message = client_receive(client, patience, &error);
		if (!message && error.text[0]) {
			complain(t->self, error.text);
			return EXIT_FAILED;
		}
		if (json_object_get(message, "event"))
			rc = take_event(t, json_object_get(message, "event"));
		json_decref(message);
		fflush(stdout);
	}
	if (rc)
		fail_write(rc);
	return rc ? EXIT_FAILED : EXIT_OK;
}

static bool read_numbers(struct tracer *t)
{
	return read_number(t->self, "node", node_text, 1, &t->node) &&
	       read_number(t->self, "sample", sample_text, 1, &t->sample) &&
	       read_number(t->self, "count", count_text, 1, &t->count) &&
	       read_number(t->self, "seconds", seconds_text, 1, &t->seconds);
}

static int trace_relay(struct tracer *t)
{
	struct parse_error error;
	struct client client;
	json_t *request, *result;
	int status;

	if (client_open(&client, command_config.state, &error)) {
		complain(t->self, error.text);
		return failure_status(&client);
	}
	request = json_pack("{s:s,s:I,s:I,s:b}", "request", "trace", "node", (json_int_t)t->node,
	    "sample", (json_int_t)t->sample, "drops", drops_flag != NULL);
	result = client_request(&client, request, &error);
	if (result) {
		json_decref(result);
		status = follow(t, &client);
	} else {
		complain(t->self, error.text);
		status = failure_status(&client);
	}
	client_close(&client);
	return status;
}

int run_trace(const struct command *self, int argc, char **argv)
{
	struct tracer t = {.self = self, .sample = 1};
	struct sigaction action = {.sa_handler = interrupt};
	struct config_line line;
	int status, rc;

	if (read_line(self, &trace_shape, argc, argv, &line, &status))
		return status;
	if (!read_numbers(&t))
		return EXIT_USAGE;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (write_path) {
		rc = capture_open(&t.file, write_path);
		if (rc) {
			fprintf(stderr, "fairway trace: cannot create %s: %s\n", write_path,
			    strerrordesc_np(-rc));
			return EXIT_FAILED;
		}
	}
	status = trace_relay(&t);
	if (t.file && fclose(t.file) && status == EXIT_OK) {
		fail_write(-errno);
		status = EXIT_FAILED;
	}
	if (status == EXIT_OK)
		fprintf(stderr, "%llu datagrams, %llu left out because this could not keep up\n",
		    (unsigned long long)t.shown, (unsigned long long)t.lost);
	return status;
}
