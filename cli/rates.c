// SPDX-License-Identifier: BSD-3-Clause
#include "cli/rates.h"

#include "cli/table.h"
#include "shm/counters.h"

#include <stdlib.h>

void sample_free(struct sample *sample)
{
	json_decref(sample->status);
	json_decref(sample->stats);
	json_decref(sample->workers);
	json_decref(sample->links);
	json_decref(sample->peers);
	*sample = (struct sample){0};
}

static json_int_t boot_of(const struct sample *sample)
{
	return (json_int_t)member_count(json_object_get(sample->status, "dp"), "boot_count");
}

double sample_seconds(const struct sample *before, const struct sample *now)
{
	json_int_t from = (json_int_t)member_count(before->stats, "time_ns");
	json_int_t to = (json_int_t)member_count(now->stats, "time_ns");

	if (!from || to <= from || boot_of(before) != boot_of(now))
		return 0;
	return (double)(to - from) / 1e9;
}

double member_rate(const json_t *before, const json_t *now, const char *name, double seconds)
{
	uint64_t from = member_count(before, name), to = member_count(now, name);

	return seconds > 0 && before && to > from ? (double)(to - from) / seconds : 0;
}

json_t *find_entry(const json_t *list, const char *key, json_int_t value)
{
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (json_integer_value(json_object_get(entry, key)) == value)
			return entry;
	}
	return NULL;
}

static uint64_t counted_ns(const json_t *links)
{
	return member_count(json_array_get(links, 0), "counted_ns");
}

void link_totals_add(struct link_totals *totals, const struct sample *sample)
{
	json_t *links = json_object_get(sample->links, "links");

	if (!links || counted_ns(links) == counted_ns(totals->now))
		return;
	json_decref(totals->before);
	totals->before = totals->now;
	totals->now = json_incref(links);
}

void link_totals_free(struct link_totals *totals)
{
	json_decref(totals->before);
	json_decref(totals->now);
	*totals = (struct link_totals){.now = NULL};
}

double link_rate(const struct link_totals *totals, const json_t *row, const char *name)
{
	const json_t *was =
	    find_entry(totals->before, "link", json_integer_value(json_object_get(row, "link")));
	uint64_t from = member_count(was, "counted_ns"), to = member_count(row, "counted_ns");

	return was && to > from ? member_rate(was, row, name, (double)(to - from) / 1e9) : -1;
}

struct drop_rate {
	const char *name;
	double rate;
	uint64_t count;
};

static int compare_drops(const void *a, const void *b)
{
	const struct drop_rate *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

json_t *top_drops(const struct sample *before, const struct sample *now, double seconds, size_t max)
{
	struct drop_rate drops[DROP_COUNT];
	json_t *was = json_object_get(before->stats, "drops"), *list = json_array(), *value;
	const char *name;
	size_t n = 0;

	json_object_foreach(json_object_get(now->stats, "drops"), name, value)
	{
		if (n == DROP_COUNT || !json_integer_value(value))
			continue;
		drops[n].name = name;
		drops[n].count = (uint64_t)json_integer_value(value);
		drops[n++].rate =
		    member_rate(was, json_object_get(now->stats, "drops"), name, seconds);
	}
	qsort(drops, n, sizeof(drops[0]), compare_drops);
	for (size_t i = 0; i < n && i < max; i++)
		json_array_append_new(
		    list, json_pack("{s:s,s:f,s:I}", "name", drops[i].name, "rate", drops[i].rate,
			      "count", (json_int_t)drops[i].count));
	return list;
}

static json_t *worker_rates(const struct sample *before, const struct sample *now)
{
	static const char *const names[] = {
	    "rx_datagrams", "tx_datagrams", "relayed", "drops", NULL};
	json_t *list = json_array(), *worker;
	size_t i;

	json_array_foreach(json_object_get(now->workers, "workers"), i, worker)
	{
		json_t *was = find_entry(json_object_get(before->workers, "workers"), "worker",
		    json_integer_value(json_object_get(worker, "worker")));
		double ns = (double)member_count(now->workers, "time_ns") -
			    (double)member_count(before->workers, "time_ns");
		json_t *row = json_object();

		for (int k = 0; names[k]; k++)
			json_object_set_new(
			    row, names[k], json_real(member_rate(was, worker, names[k], ns / 1e9)));
		json_object_set_new(
		    row, "load", json_real(member_rate(was, worker, "busy_ns", ns > 0 ? ns : 0)));
		json_object_set(row, "worker", json_object_get(worker, "worker"));
		json_object_set(row, "mode", json_object_get(worker, "mode"));
		json_object_set(row, "cpu", json_object_get(worker, "cpu"));
		json_array_append_new(list, row);
	}
	return list;
}

json_t *rates_json(const struct sample *before, const struct sample *now)
{
	double seconds = sample_seconds(before, now);
	json_t *was = json_object_get(before->stats, "counters");
	json_t *counters = json_object_get(now->stats, "counters"), *rates = json_object(), *value;
	const char *name;

	json_object_foreach(counters, name, value)
	{
		json_object_set_new(
		    rates, name, json_real(member_rate(was, counters, name, seconds)));
	}
	return json_pack("{s:f,s:o,s:o,s:o,s:I,s:I}", "seconds", seconds, "rates", rates, "workers",
	    worker_rates(before, now), "drops", top_drops(before, now, seconds, DROP_COUNT),
	    "nodes", (json_int_t)member_count(now->status, "nodes"), "nodes_remote",
	    (json_int_t)member_count(now->status, "nodes_remote"));
}
