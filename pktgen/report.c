// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const double ns_per_us = 1000;

int report_json(const char *path, json_t *object)
{
	bool failed = false;
	int rc = 0;

	if (path && !strcmp(path, "-"))
		failed = json_dumpf(object, stdout, JSON_INDENT(2)) || putchar('\n') == EOF ||
			 fflush(stdout);
	else if (path)
		failed = json_dump_file(object, path, JSON_INDENT(2));
	if (failed) {
		rc = -errno;
		fprintf(stderr, "fairway-pktgen: --json %s: %s\n", path, strerror(-rc));
	}
	json_decref(object);
	return rc;
}

// The table is left out where standard output is the JSON.
static bool wants_table(const struct options *o)
{
	return !o->json || strcmp(o->json, "-") != 0;
}

static double latency_us(const struct trial *t, double share)
{
	return (double)histogram_quantile(&t->latency, share) / ns_per_us;
}

static void trial_table(const struct trial *t)
{
	const struct check *c = &t->check;

	printf("sent        %14llu  %12.0f /s\n", (unsigned long long)t->sent,
	    (double)t->sent / t->sent_seconds);
	printf("received    %14llu  %12.0f /s\n", (unsigned long long)c->received,
	    (double)c->received / t->sent_seconds);
	printf("loss        %14lld  %12.4f %%\n", (long long)(t->sent - c->received),
	    100 * trial_loss(t));
	printf("refused     %14llu  %12.4f %%  by a full ring or socket, not counted as sent\n",
	    (unsigned long long)t->refused,
	    100 * (double)t->refused / (double)(t->sent + t->refused));
	printf("duplicates  %14llu\nreordered   %14llu\ncorrupt     %14llu\nmisrouted   %14llu\n",
	    (unsigned long long)c->duplicates, (unsigned long long)c->reordered,
	    (unsigned long long)c->corrupt, (unsigned long long)c->misrouted);
	printf("latency us  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
	    latency_us(t, 0.5), latency_us(t, 0.9), latency_us(t, 0.99), latency_us(t, 0.999),
	    (double)t->latency.max / ns_per_us);
}

static json_t *windows_json(const uint64_t *counts, unsigned n)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(array, json_integer((json_int_t)counts[i]));
	return array;
}

static json_t *trial_json(const struct options *o, const struct trial *t)
{
	unsigned windows = windows_count(&t->windows, t->sent_seconds);
	const struct check *c = &t->check;

	return json_pack("{s:s,s:I,s:I,s:I,s:f,s:f,s:I,s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:I,"
			 "s:{s:f,s:f,s:f,s:f,s:f},s:f,s:f,s:{s:f,s:f,s:o,s:o}}",
	    "mode", mode_name(o->mode), "nodes", (json_int_t)o->nodes, "flows",
	    (json_int_t)o->flows, "size", (json_int_t)o->size, "rate_asked", t->rate, "seconds",
	    t->sent_seconds, "sent", (json_int_t)t->sent, "received", (json_int_t)c->received,
	    "loss", trial_loss(t), "refused", (json_int_t)t->refused, "duplicates",
	    (json_int_t)c->duplicates, "reordered", (json_int_t)c->reordered, "corrupt",
	    (json_int_t)c->corrupt, "misrouted", (json_int_t)c->misrouted, "foreign",
	    (json_int_t)c->foreign, "latency_us", "p50", latency_us(t, 0.5), "p90",
	    latency_us(t, 0.9), "p99", latency_us(t, 0.99), "p99_9", latency_us(t, 0.999), "max",
	    (double)t->latency.max / ns_per_us, "cpu_send_seconds", (double)t->cpu_send_ns / 1e9,
	    "cpu_receive_seconds", (double)t->cpu_receive_ns / 1e9, "windows", "seconds",
	    (double)t->windows.length_ns / 1e9, "deadline", DEADLINE_MS / 1e3, "sent",
	    windows_json(t->windows.sent, windows), "on_time",
	    windows_json(t->windows.on_time, windows));
}

int report_trial(const struct options *o, const struct trial *t)
{
	if (wants_table(o))
		trial_table(t);
	return report_json(o->json, trial_json(o, t));
}

int report_ndr(const struct options *o, const struct trial *best, unsigned trials)
{
	json_t *object = trial_json(o, best);

	json_object_set_new(object, "trials", json_integer(trials));
	json_object_set_new(object, "accepted_loss", json_real(o->loss));
	json_object_set_new(
	    object, "ndr", json_real((double)best->check.received / best->sent_seconds));
	if (wants_table(o)) {
		printf(
		    "highest rate with at most %.4f %% loss, %u trials\n", 100 * o->loss, trials);
		trial_table(best);
	}
	return report_json(o->json, object);
}

int report_registration(const struct options *o, const struct registration *r)
{
	if (wants_table(o))
		printf("nodes %u  Discovers sent %llu  answered %llu  seconds %.3f  %.0f /s\n",
		    o->nodes, (unsigned long long)r->sent, (unsigned long long)r->answered,
		    r->seconds, (double)r->answered / r->seconds);
	return report_json(
	    o->json, json_pack("{s:s,s:I,s:I,s:I,s:f}", "mode", "register", "nodes",
			 (json_int_t)o->nodes, "sent", (json_int_t)r->sent, "answered",
			 (json_int_t)r->answered, "seconds", r->seconds));
}

int report_flood(const struct options *o, const struct flood *f)
{
	if (wants_table(o))
		printf("sent %llu  refused by the kernel %llu  seconds %.3f  %.0f /s\n",
		    (unsigned long long)f->sent, (unsigned long long)f->refused, f->seconds,
		    (double)f->sent / f->seconds);
	return report_json(
	    o->json, json_pack("{s:s,s:I,s:I,s:f}", "mode", "garbage", "sent", (json_int_t)f->sent,
			 "refused", (json_int_t)f->refused, "seconds", f->seconds));
}
