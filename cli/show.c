// SPDX-License-Identifier: BSD-3-Clause
#include "cli/show.h"

#include "cli/commands.h"
#include "cli/registry.h"

#include <stdio.h>
#include <string.h>

static const char *json_flag, *all_flag, *remote_flag, *limit_text, *after_text, *tag_text;

#define JSON_OPTION                                                          \
	{                                                                    \
		"json", NULL, "print the relay's answer as JSON", &json_flag \
	}

static const struct config_option plain_options[] = {JSON_OPTION, {0}};
static const struct config_option all_options[] = {
    JSON_OPTION, {"all", NULL, "zeros too", &all_flag}, {0}};
static const struct config_option page_options[] = {JSON_OPTION,
    {"limit", "N", "at most so many; 0: all (default 100)", &limit_text},
    {"after", "KEY", "go on behind this one", &after_text}, {0}};
static const struct config_option node_list_options[] = {JSON_OPTION,
    {"limit", "N", "at most so many; 0: all (default 100)", &limit_text},
    {"after", "ID", "go on behind this node", &after_text},
    {"tag", "TAG", "nodes of the embedded registry with this tag instead", &tag_text},
    {"remote", NULL, "also nodes that peer relays know", &remote_flag}, {0}};

static const struct column link_columns[] = {{"link", "link", CELL_TEXT},
    {"name", "name", CELL_TEXT}, {"kind", "kind", CELL_TEXT}, {"queues", "queues", CELL_NUMBER},
    {"mode", "mode", CELL_TEXT}, {"zero-copy", "zero_copy", CELL_YES}, {"up", "up", CELL_YES},
    {"mtu", "mtu", CELL_NUMBER}, {"received", "rx_datagrams", CELL_NUMBER},
    {"sent", "tx_datagrams", CELL_NUMBER}, {"drops", "drops", CELL_NUMBER}, {0}};
static const struct column node_columns[] = {{"node", "node", CELL_TEXT},
    {"endpoint", "endpoint", CELL_TEXT}, {"last seen", "last_seen_s", CELL_AGE},
    {"known for", "first_seen_s", CELL_AGE}, {"key", "verified", CELL_YES},
    {"peer relay", "peer", CELL_TEXT}, {0}};
static const struct column peer_columns[] = {{"address", "address", CELL_TEXT},
    {"beacon id", "beacon_id", CELL_TEXT}, {"nodes", "nodes", CELL_NUMBER},
    {"heard", "heard_s", CELL_AGE}, {"sent", "sent_s", CELL_AGE},
    {"configured", "configured", CELL_YES}, {0}};
static const struct column drop_columns[] = {{"count", "count", CELL_NUMBER},
    {"drop", "name", CELL_TEXT}, {"means", "help", CELL_TEXT}, {0}};

struct view {
	const char *name; // of command and request
	const struct config_option *options;
	const char *list;	       // member that is paged, or NULL
	const struct column *columns;  // of the list
	const char *empty;	       // said instead of an empty table
	void (*print)(const json_t *); // instead of a table
};

static const struct view views[] = {
    {"status", plain_options, .print = print_status},
    {"stats", all_options, .print = print_stats},
    {"links", plain_options, "links", link_columns, "no links"},
    {"nodes", node_list_options, "nodes", node_columns, "no node has registered yet"},
    {"peers", page_options, "peers", peer_columns,
	"no peer relays: gossip.peers (--gossip-peers) names them"},
    {"drops", all_options, "drops", drop_columns, "nothing was dropped"},
};

bool show_all(void)
{
	return all_flag != NULL;
}

static const struct view *find_view(const char *name)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (!strcmp(views[i].name, name))
			return &views[i];
	return NULL;
}

static json_t *make_request(const struct view *view)
{
	json_t *request = json_pack("{s:s}", "request", view->name);

	if (remote_flag)
		json_object_set_new(request, "remote", json_true());
	return request;
}

static bool is_paged(const struct view *view)
{
	return view->options == page_options || view->options == node_list_options;
}

// Drops that did not happen say nothing.
static void remove_zeros(json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (!member_count(json_array_get(list, i), "count"))
			json_array_remove(list, i);
}

static void print_list(const struct command *self, const struct view *view, const json_t *result)
{
	json_t *list = json_object_get(result, view->list);
	const char *next = member_text(result, "next", NULL);
	char count[32];

	if (!strcmp(view->name, "drops") && !all_flag)
		remove_zeros(list);
	if (!json_array_size(list)) {
		printf("%s\n", view->empty);
		return;
	}
	table_print(stdout, view->columns, list);
	if (next && json_object_get(result, "total"))
		printf("%s in all; \"fairway %s --after %s\" goes on\n",
		    format_count(count, member_count(result, "total")), self->name, next);
	else if (next)
		printf("there are more; \"fairway %s --after %s\" goes on\n", self->name, next);
}

int run_show(const struct command *self, int argc, char **argv)
{
	const struct view *view = find_view(self->name);
	char name[32];
	const struct config_command shape = {
	    .name = name, .summary = self->summary, .options = view->options};
	struct config_line line;
	uint64_t limit = LIMIT_DEFAULT;
	json_t *result;
	int status;

	snprintf(name, sizeof(name), "fairway %s", self->name);
	if (read_line(self, &shape, argc, argv, &line, &status))
		return status;
	if (!read_number(self, "limit", limit_text, 0, &limit))
		return EXIT_USAGE;
	if (tag_text)
		return show_tagged(self, tag_text, limit, after_text, json_flag != NULL);
	result = is_paged(view)
		     ? ask_pages(self, make_request(view), view->list, limit, after_text, &status)
		     : ask(self, make_request(view), &status);
	if (!result)
		return status;
	if (json_flag) {
		print_json(result);
		return EXIT_OK;
	}
	if (view->print)
		view->print(result);
	else
		print_list(self, view, result);
	json_decref(result);
	return EXIT_OK;
}

int run_node(const struct command *self, int argc, char **argv)
{
	const struct config_command shape = {.name = "fairway node",
	    .summary = self->summary,
	    .operands = "ID",
	    .options = plain_options};
	struct config_line line;
	struct parse_error error;
	json_t *result;
	uint64_t id;
	int status;

	if (read_line(self, &shape, argc, argv, &line, &status))
		return status;
	if (line.operand_count != 1) {
		complain(self, "name one node: fairway node ID (\"fairway nodes\" lists them)");
		return EXIT_USAGE;
	}
	if (parse_uint(line.operands[0], 1, UINT32_MAX, &id, &error)) {
		complain(self, error.text);
		return EXIT_USAGE;
	}
	result =
	    ask(self, json_pack("{s:s,s:I}", "request", "node", "node", (json_int_t)id), &status);
	if (!result)
		return status;
	if (json_flag) {
		print_json(result);
		return EXIT_OK;
	}
	print_node(result);
	json_decref(result);
	return EXIT_OK;
}
