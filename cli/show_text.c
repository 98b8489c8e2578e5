// SPDX-License-Identifier: BSD-3-Clause
#include "cli/show.h"
#include "controlplane/stats.h"
#include "shm/counters.h"

#include <stdio.h>
#include <string.h>

static void print_line(const char *label, const char *text)
{
	printf("%-14s %s\n", label, text);
}

static void print_joined(const char *label, const json_t *list)
{
	char text[1024];

	print_line(label, *format_texts(text, sizeof(text), list, ", ") ? text : "-");
}

static void print_process(const char *label, const json_t *process)
{
	char age[32];

	printf("%-14s pid %llu, up %s", label, (unsigned long long)member_count(process, "pid"),
	    format_age(age, member_real(process, "uptime_s")));
	if (member_count(process, "boot_count") > 1)
		printf(", started %llu times on this memory",
		    (unsigned long long)member_count(process, "boot_count"));
	printf("\n");
}

void print_status(const json_t *result)
{
	const json_t *dp = json_object_get(result, "dp"), *warning;
	char a[32], b[32], c[32], d[32];
	size_t i;

	print_line("relay", json_is_true(json_object_get(dp, "connected"))
				? "serving"
				: "the data plane is gone; it is being started again");
	print_line("version", member_text(result, "version", "?"));
	print_joined("listen", json_object_get(result, "listen"));
	print_joined("links", json_object_get(result, "links"));
	print_line("state", member_text(result, "state", "?"));
	print_process("data plane", dp);
	print_process("control plane", result);
	printf("%-14s %s of %s, %s more at %s peer relays\n", "nodes",
	    format_count(a, member_count(result, "nodes")),
	    format_count(b, member_count(result, "node_capacity")),
	    format_count(c, member_count(result, "nodes_remote")),
	    format_count(d, member_count(result, "peers")));
	if (json_is_integer(json_object_get(result, "nodes_kernel")))
		printf("%-14s %s of %s places\n", "in the kernel",
		    format_count(a, member_count(result, "nodes_kernel")),
		    format_count(b, member_count(result, "kernel_capacity")));
	printf("%-14s %s; sender check: %s\n", "admission", member_text(result, "admission", "?"),
	    member_text(result, "sender_check", "?"));
	printf("%-14s %s received, %s sent, %s dropped\n", "datagrams",
	    format_count(a, member_count(result, "rx_datagrams")),
	    format_count(b, member_count(result, "tx_datagrams")),
	    format_count(c, member_count(result, "drops")));
	printf("%-14s %s to nodes, %s to peer relays\n", "relayed",
	    format_count(a, member_count(result, "relayed")),
	    format_count(b, member_count(result, "forwarded")));
	json_array_foreach(json_object_get(result, "warnings"), i, warning)
	{
		print_line(
		    "warning", json_string_value(warning) ? json_string_value(warning) : "?");
	}
}

static const char *help_of(const char *name)
{
	for (int i = 0; i < COUNTER_COUNT; i++)
		if (!strcmp(counter_names[i], name))
			return counter_helps[i];
	for (int i = 0; i < CP_COUNTER_COUNT; i++)
		if (!strcmp(cp_counter_names[i], name))
			return cp_counter_helps[i];
	return "";
}

static void print_group(const char *title, const json_t *group)
{
	const char *name;
	json_t *value;
	char count[32];

	printf("%s\n", title);
	json_object_foreach((json_t *)group, name, value)
	{
		uint64_t n = (uint64_t)json_integer_value(value);

		if (n || show_all())
			printf("%16s  %-20s %s\n", format_count(count, n), name, help_of(name));
	}
}

void print_stats(const json_t *result)
{
	print_group("counters", json_object_get(result, "counters"));
	print_group("control plane, since it started", json_object_get(result, "control"));
	print_group("punts by class", json_object_get(result, "punts"));
	print_group("drops (\"fairway drops\" explains them)", json_object_get(result, "drops"));
}

void print_node(const json_t *result)
{
	static const struct column rows[] = {{"node", "node", CELL_TEXT},
	    {"endpoint", "endpoint", CELL_TEXT}, {"our address", "local", CELL_TEXT},
	    {"last seen", "last_seen_s", CELL_AGE}, {"known for", "first_seen_s", CELL_AGE},
	    {"public key", "key", CELL_TEXT}, {"key proven", "verified", CELL_YES},
	    {"wants 0x09", "carry", CELL_YES}, {"at peer relay", "peer", CELL_TEXT},
	    {"next hop known", "resolved", CELL_YES}, {"in the kernel", "kernel", CELL_YES}, {0}};
	char text[CELL_MAX];

	for (const struct column *row = rows; row->title; row++)
		print_line(
		    row->title, format_cell(text, json_object_get(result, row->key), row->cell));
}
