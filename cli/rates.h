// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>

// What `fairway top` asks for at one moment (docs/admin.md); members that could not be had are
// NULL.
struct sample {
	json_t *status, *stats, *workers, *links, *peers;
};

void sample_free(struct sample *sample);

// Seconds between two samples; 0 when they cannot be compared (first one, data plane restarted).
double sample_seconds(const struct sample *before, const struct sample *now);
// Growth a second of member `name` of two objects of totals.
double member_rate(const json_t *before, const json_t *now, const char *name, double seconds);
// The entry of `list` whose number `key` is `value`, or NULL.
json_t *find_entry(const json_t *list, const char *key, json_int_t value);
// The busiest `max` drops as [{"name","rate","count"}], falling; owned by the caller.
json_t *top_drops(
    const struct sample *before, const struct sample *now, double seconds, size_t max);
// The links' totals change once a second, whatever the interval between samples is: the last two
// that differ.
struct link_totals {
	json_t *before, *now; // lists of links; NULL: none yet
};

void link_totals_add(struct link_totals *totals, const struct sample *sample);
void link_totals_free(struct link_totals *totals);
// Growth a second of a link's total, a member of `row` of totals->now; below 0: not known yet.
double link_rate(const struct link_totals *totals, const json_t *row, const char *name);

// Rates of everything, for --json; owned by the caller.
json_t *rates_json(const struct sample *before, const struct sample *now);
