// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/rates.h"
#include "cli/screen.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

enum { INTERVAL_MS = 1000, TOP_DROPS = 6, TOP_PEERS = 6 };

static const char *json_flag, *interval_text, *count_text;

static const struct config_option top_options[] = {
    {"interval", "TIME", "between two pictures (default 1s)", &interval_text},
    {"count", "N", "end after N pictures", &count_text},
    {"json", NULL, "print the rates as one JSON object a line instead", &json_flag}, {0}};

static const struct config_command top_shape = {.name = "fairway top",
    .summary = "Live screen of rates, load of each worker, links, drops, nodes and peer relays. "
	       "q quits.\nWithout a terminal it prints one picture after the other.",
    .options = top_options};

static json_t *fetch(struct client *client, const char *name, struct parse_error *error)
{
	return client_request(client, json_pack("{s:s}", "request", name), error);
}

// Returns 0; fails only if the relay is gone.
static int take_sample(struct client *client, struct sample *sample, struct parse_error *error)
{
	struct parse_error ignored;

	sample->status = fetch(client, "status", error);
	sample->stats = sample->status ? fetch(client, "stats", error) : NULL;
	if (!sample->stats)
		return -1;
	sample->workers = fetch(client, "workers", &ignored);
	sample->links = fetch(client, "links", &ignored);
	sample->peers = fetch(client, "peers", &ignored);
	return 0;
}

static void draw_summary(struct screen *s, const struct sample *before, const struct sample *now)
{
	const json_t *was = json_object_get(before->stats, "counters");
	const json_t *is = json_object_get(now->stats, "counters");
	double seconds = sample_seconds(before, now);
	char a[32], b[32], c[32], d[32], e[32];

	screen_line(s, true, "fairway %s  %s  up %s  nodes %s of %s  remote %s  peers %s",
	    member_text(now->status, "version", "?"), member_text(now->status, "state", "?"),
	    format_age(a, member_real(now->status, "uptime_s")),
	    format_count(b, member_count(now->status, "nodes")),
	    format_short(c, (double)member_count(now->status, "node_capacity")),
	    format_short(d, (double)member_count(now->status, "nodes_remote")),
	    format_count(e, member_count(now->status, "peers")));
	screen_line(s, false, "received %s/s  sent %s/s  relayed %s/s  forwarded %s/s",
	    format_short(a, member_rate(was, is, "rx_datagrams", seconds)),
	    format_short(b, member_rate(was, is, "tx_datagrams", seconds)),
	    format_short(c, member_rate(was, is, "relayed", seconds)),
	    format_short(d, member_rate(was, is, "forwarded", seconds)));
	screen_line(s, false, "received %sbit/s  sent %sbit/s  refreshed %s/s  punted %s/s",
	    format_short(a, 8 * member_rate(was, is, "rx_bytes", seconds)),
	    format_short(b, 8 * member_rate(was, is, "tx_bytes", seconds)),
	    format_short(c, member_rate(was, is, "refreshed", seconds)),
	    format_short(d, member_rate(was, is, "punted", seconds)));
}

static void draw_workers(struct screen *s, const struct sample *before, const struct sample *now)
{
	json_t *rates = rates_json(before, now), *row;
	char a[32], b[32], c[32], d[32];
	size_t i;

	screen_line(s, true, "worker  cpu  mode      load  received/s  sent/s  relayed/s  drops/s");
	json_array_foreach(json_object_get(rates, "workers"), i, row)
	{
		json_int_t cpu = json_integer_value(json_object_get(row, "cpu"));

		snprintf(a, sizeof(a), "%lld", (long long)cpu);
		screen_line(s, false, "%6llu  %3s  %-8s %4.0f%%  %10s  %6s  %9s  %7s",
		    (unsigned long long)member_count(row, "worker"), cpu < 0 ? "-" : a,
		    member_text(row, "mode", "?"), 100 * member_real(row, "load"),
		    format_short(b, member_real(row, "rx_datagrams")),
		    format_short(c, member_real(row, "tx_datagrams")),
		    format_short(d, member_real(row, "relayed")),
		    format_short(a, member_real(row, "drops")));
	}
	json_decref(rates);
}

static const char *link_cell(
    char text[32], const struct link_totals *links, const json_t *row, const char *name)
{
	double rate = link_rate(links, row, name);

	return rate < 0 ? "-" : format_short(text, rate);
}

static void draw_links(struct screen *s, const struct link_totals *links)
{
	json_t *list = links->now, *row;
	char a[32], b[32];
	size_t i;

	if (!json_array_size(list))
		return;
	screen_line(s, true, "link            kind  mode     zero-copy  up   received/s  sent/s");
	json_array_foreach(list, i, row)
	{
		screen_line(s, false, "%-15s %-5s %-8s %-10s %-4s %10s  %6s",
		    member_text(row, "name", "?"), member_text(row, "kind", "?"),
		    member_text(row, "mode", "-"),
		    json_is_true(json_object_get(row, "zero_copy")) ? "yes" : "no",
		    json_is_false(json_object_get(row, "up")) ? "no" : "yes",
		    link_cell(a, links, row, "rx_datagrams"),
		    link_cell(b, links, row, "tx_datagrams"));
	}
}

static void draw_drops(struct screen *s, const struct sample *before, const struct sample *now)
{
	json_t *list = top_drops(before, now, sample_seconds(before, now), TOP_DROPS), *row;
	char a[32], b[32];
	size_t i;

	screen_line(s, true, "drops              per s          total");
	if (!json_array_size(list))
		screen_line(s, false, "none");
	json_array_foreach(list, i, row)
	{
		screen_line(s, false, "%-16s %7s %14s", member_text(row, "name", "?"),
		    format_short(a, member_real(row, "rate")),
		    format_count(b, member_count(row, "count")));
	}
	json_decref(list);
}

static void draw_peers(struct screen *s, const struct sample *now)
{
	json_t *list = json_object_get(now->peers, "peers"), *row;
	char nodes[CELL_MAX], heard[CELL_MAX];
	size_t i;

	if (!json_array_size(list))
		return;
	screen_line(s, true, "peer relay                    nodes   heard");
	json_array_foreach(list, i, row)
	{
		if (i == TOP_PEERS)
			break;
		screen_line(s, false, "%-24s %10s   %s", member_text(row, "address", "?"),
		    format_cell(nodes, json_object_get(row, "nodes"), CELL_NUMBER),
		    format_cell(heard, json_object_get(row, "heard_s"), CELL_AGE));
	}
}

static void draw(struct screen *s, const struct sample *before, const struct sample *now,
    const struct link_totals *links)
{
	json_t *warning;
	size_t i;

	screen_begin(s);
	draw_summary(s, before, now);
	json_array_foreach(json_object_get(now->status, "warnings"), i, warning)
	{
		if (json_is_string(warning))
			screen_line(s, true, "warning: %s", json_string_value(warning));
	}
	screen_line(s, false, "%s", "");
	draw_workers(s, before, now);
	screen_line(s, false, "%s", "");
	draw_drops(s, before, now);
	screen_line(s, false, "%s", "");
	draw_links(s, links);
	draw_peers(s, now);
	screen_show(s);
}

// What is watched: the last two samples, between which the rates are.
struct watch {
	struct screen screen;
	struct sample before, now;
	struct link_totals links;
	bool shown; // a picture of these
};

// Waits out the interval; true if the user wants to end.
static bool pause_or_quit(struct watch *w, uint64_t interval_ns)
{
	uint64_t end = clock_mono_ns() + interval_ns;

	for (;;) {
		uint64_t at = clock_mono_ns();
		int key = screen_wait(&w->screen, at < end ? (int)((end - at) / NS_PER_MS) + 1 : 0);

		if (key == SCREEN_END || key == 'q' || key == 'Q')
			return true;
		if (key == SCREEN_RESIZED && w->shown && !json_flag)
			draw(&w->screen, &w->before, &w->now, &w->links);
		if (clock_mono_ns() >= end)
			return false;
	}
}

// The next sample takes the place of the last one.
static int advance(struct watch *w, struct client *client, struct parse_error *error)
{
	sample_free(&w->before);
	w->before = w->now;
	w->now = (struct sample){0};
	if (take_sample(client, &w->now, error))
		return -1;
	link_totals_add(&w->links, &w->now);
	return 0;
}

static void show(struct watch *w)
{
	json_t *rates;

	if (json_flag) {
		rates = rates_json(&w->before, &w->now);
		json_dumpf(rates, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(rates);
	} else {
		draw(&w->screen, &w->before, &w->now, &w->links);
	}
	w->shown = true;
}

static int watch(
    const struct command *self, struct client *client, uint64_t interval_ns, uint64_t count)
{
	static struct watch w;
	struct parse_error error;
	int rc = advance(&w, client, &error);

	if (!rc)
		screen_open(&w.screen, !json_flag);
	for (uint64_t shown = 0; !rc && (!count || shown < count); shown++) {
		// the first picture comes soon, its rates from a short time
		if (pause_or_quit(&w, shown ? interval_ns : interval_ns / 4))
			break;
		rc = advance(&w, client, &error);
		if (!rc)
			show(&w);
	}
	if (!json_flag && w.screen.terminal && count && !rc)
		screen_wait(&w.screen, INTERVAL_MS);
	screen_close();
	if (rc)
		complain(self, error.text);
	sample_free(&w.before);
	sample_free(&w.now);
	link_totals_free(&w.links);
	return rc ? failure_status(client) : EXIT_OK;
}

int run_top(const struct command *self, int argc, char **argv)
{
	uint64_t interval_ns = INTERVAL_MS * NS_PER_MS, count = 0;
	struct config_line line;
	struct parse_error error, named;
	struct client client;
	int status;

	if (read_line(self, &top_shape, argc, argv, &line, &status))
		return status;
	if (interval_text &&
	    parse_duration(interval_text, 100 * NS_PER_MS, 3600 * NS_PER_S, &interval_ns, &error)) {
		parse_error_set(&named, "--interval: %s", error.text);
		complain(self, named.text);
		return EXIT_USAGE;
	}
	if (!read_number(self, "count", count_text, 1, &count))
		return EXIT_USAGE;
	if (client_open(&client, command_config.state, &error)) {
		complain(self, error.text);
		return failure_status(&client);
	}
	status = watch(self, &client, interval_ns, count);
	client_close(&client);
	return status;
}
