// SPDX-License-Identifier: BSD-3-Clause
#include "cli/registry.h"

#include "cli/commands.h"
#include "cli/registry_files.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

// fairway registry SUBCOMMAND, fairway networks, fairway find.

static const char *json_flag, *limit_text, *after_text, *network_text, *node_text, *store_text,
    *lines_flag, *since_text;

// clang-format off
#define LIST_OPTIONS \
	{"json", NULL, "print the relay's answer as JSON", &json_flag}, \
	{"limit", "N", "at most so many; 0: all (default 100)", &limit_text}, \
	{"after", "KEY", "go on behind this one", &after_text}
// clang-format on

static const struct config_option list_options[] = {LIST_OPTIONS, {0}};
static const struct config_option find_options[] = {
    LIST_OPTIONS, {"network", "ID", "only members of this network", &network_text}, {0}};
static const struct config_option options[] = {LIST_OPTIONS,
    {"lines", NULL, "audit: the whole log as JSON lines, newest first", &lines_flag},
    {"since", "ID", "audit --lines: only what came after this entry", &since_text},
    {"node", "ID", "trust: only of this node", &node_text},
    {"store", "FILE", "import, restore: the store, if not the default one", &store_text}, {0}};

static const struct column node_columns[] = {{"node", "node", CELL_TEXT},
    {"hostname", "hostname", CELL_TEXT}, {"endpoint", "endpoint", CELL_TEXT},
    {"live", "live", CELL_YES}, {"public", "public", CELL_YES}, {"proven", "proven", CELL_YES},
    {"last seen", "last_seen_s", CELL_AGE}, {"version", "version", CELL_TEXT},
    {"tags", "tags_text", CELL_TEXT}, {0}};
static const struct column network_columns[] = {{"network", "network", CELL_TEXT},
    {"name", "name", CELL_TEXT}, {"join rule", "join_rule", CELL_TEXT},
    {"members", "members", CELL_NUMBER}, {"at most", "max_members", CELL_NUMBER},
    {"enterprise", "enterprise", CELL_YES}, {"managed", "managed", CELL_YES},
    {"policy", "policy", CELL_YES}, {0}};
static const struct column trust_columns[] = {{"node", "node", CELL_TEXT},
    {"peer", "peer", CELL_TEXT}, {"trusted", "trusted", CELL_YES}, {"by node", "by_node", CELL_YES},
    {"by peer", "by_peer", CELL_YES}, {0}};
static const struct column audit_columns[] = {{"id", "id", CELL_TEXT},
    {"time (UTC)", "time", CELL_TEXT}, {"action", "action", CELL_TEXT}, {"node", "node", CELL_TEXT},
    {"network", "network", CELL_TEXT}, {"actor", "actor", CELL_TEXT},
    {"details", "details", CELL_TEXT}, {0}};

static const struct list {
	const char *name, *request, *member;
	const struct column *columns;
	const char *empty;
} lists[] = {
    {"nodes", "registry-nodes", "nodes", node_columns, "no node has registered yet"},
    {"networks", "registry-networks", "networks", network_columns,
	"no networks beside the backbone: pilotctl network create makes one"},
    {"trust", "registry-trust", "trust", trust_columns, "no node trusts another yet"},
    {"audit", "registry-audit", "audit", audit_columns, "nothing has changed yet"},
    {"find", "find", "nodes", node_columns, "no node has these tags"},
};

static void add_time(json_t *entry)
{
	time_t at = (time_t)json_integer_value(json_object_get(entry, "unix_s"));
	char text[32];
	struct tm tm;

	if (at && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&at, &tm)))
		json_object_set_new(entry, "time", json_string(text));
}

// Tables hold texts.
static void add_texts(json_t *list)
{
	size_t i;
	json_t *entry;

	json_array_foreach(list, i, entry)
	{
		char text[400];

		if (*format_texts(text, sizeof(text), json_object_get(entry, "tags"), ","))
			json_object_set_new(entry, "tags_text", json_string(text));
		add_time(entry);
	}
}

static bool add_number(
    const struct command *self, json_t *request, const char *name, const char *text)
{
	uint64_t value = 0;

	if (!read_number(self, name, text, 1, &value))
		return false;
	if (text)
		json_object_set_new(request, name, json_integer((json_int_t)value));
	return true;
}

static int show_list(const struct command *self, const struct list *list,
    const struct config_line *line, int first, uint64_t limit)
{
	json_t *request = json_pack("{s:s}", "request", list->request);
	json_t *tags = json_array(), *result;
	const char *next;
	int status = EXIT_USAGE;

	for (int i = first; i < line->operand_count; i++)
		json_array_append_new(tags, json_string(line->operands[i]));
	json_object_set_new(request, "tags", tags);
	if (!add_number(self, request, "network", network_text) ||
	    !add_number(self, request, "node", node_text)) {
		json_decref(request);
		return status;
	}
	result = ask_pages(self, request, list->member, limit, after_text, &status);
	if (!result)
		return status;
	if (json_flag) {
		print_json(result);
		return EXIT_OK;
	}
	add_texts(json_object_get(result, list->member));
	if (json_array_size(json_object_get(result, list->member)))
		table_print(stdout, list->columns, json_object_get(result, list->member));
	else
		printf("%s\n", node_text && list->columns == trust_columns
				   ? "this node trusts nobody, and nobody trusts it"
				   : list->empty);
	next = member_text(result, "next", NULL);
	if (next)
		printf("there may be more: --after %s goes on\n", next);
	json_decref(result);
	return EXIT_OK;
}

// False when it comes to the entry `since`.
static bool write_page(const json_t *page, uint64_t since)
{
	json_t *entry;
	size_t i;

	json_array_foreach(page, i, entry)
	{
		if (member_count(entry, "id") <= since)
			return false;
		json_dumpf(entry, stdout, JSON_COMPACT);
		putchar('\n');
	}
	return true;
}

// The audit log, a line an entry.
static int write_lines(const struct command *self)
{
	char after[32];
	uint64_t since = 0;
	int status = EXIT_OK;
	bool more = true;

	if (!read_number(self, "since", since_text, 1, &since))
		return EXIT_USAGE;
	snprintf(after, sizeof(after), "%s", after_text ? after_text : "0");
	while (more) {
		json_t *page = ask(self,
		    json_pack(
			"{s:s,s:i,s:s}", "request", "registry-audit", "limit", 200, "after", after),
		    &status);

		if (!page)
			return status;
		more = write_page(json_object_get(page, "audit"), since) &&
		       json_object_get(page, "next");
		snprintf(after, sizeof(after), "%s", member_text(page, "next", ""));
		json_decref(page);
	}
	return EXIT_OK;
}

// Of a relay that is a client of another registry.
static int show_client(json_t *result)
{
	const char *error = member_text(result, "error", "");
	char age[32];
	size_t i;
	json_t *b;

	printf("%-18s %s\n%-18s %s, beacon id %llu\n", "registry",
	    member_text(result, "registry", ""), "announced as", member_text(result, "addr", ""),
	    (unsigned long long)member_count(result, "beacon_id"));
	if (json_is_real(json_object_get(result, "answered_s")))
		printf("%-18s %s ago\n", "answered",
		    format_age(age, member_real(result, "answered_s")));
	if (*error)
		printf("%-18s %s\n", "failed", error);
	json_array_foreach(json_object_get(result, "beacons"), i, b) printf("%-18s %s, id %llu\n",
	    "beacon", member_text(b, "addr", ""), (unsigned long long)member_count(b, "id"));
	json_decref(result);
	return EXIT_OK;
}

static void show_types(json_t *types)
{
	const char *name;
	json_t *type;
	char requests[32], errors[32];

	printf("requests by type\n");
	json_object_foreach(types, name, type) if (member_count(type, "requests"))
	    printf("  %-26s %s, %s with an error\n", name,
		format_count(requests, member_count(type, "requests")),
		format_count(errors, member_count(type, "errors")));
}

static int show_status(const struct command *self)
{
	static const char *const rows[] = {"nodes", "known", "next_node", "trust",
	    "trust_one_sided", "networks", "connections", "verifying"};
	json_t *result, *commits, *count;
	const char *name;
	char text[32];
	int status;

	result = ask(self, json_pack("{s:s}", "request", "registry-status"), &status);
	if (!result)
		return status;
	if (json_flag) {
		print_json(result);
		return EXIT_OK;
	}
	if (json_object_get(result, "registry"))
		return show_client(result);
	printf("%-18s %s\n%-18s %s\n", "listen", member_text(result, "listen", ""), "store",
	    member_text(result, "store", ""));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%-18s %s\n", rows[i], format_count(text, member_count(result, rows[i])));
	commits = json_object_get(result, "commits");
	printf("%-18s %s, %.1f ms each, at most %.1f ms\n", "commits",
	    format_count(text, member_count(commits, "batches")),
	    member_real(commits, "mean_s") * 1e3, member_real(commits, "max_s") * 1e3);
	json_object_foreach(
	    json_object_get(result, "counters"), name, count) if (json_integer_value(count))
	    printf("%-18s %s\n", name, format_count(text, (uint64_t)json_integer_value(count)));
	show_types(json_object_get(result, "types"));
	json_decref(result);
	return EXIT_OK;
}

static const struct list *find_list(const char *name)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (!strcmp(lists[i].name, name))
			return &lists[i];
	return NULL;
}

int show_tagged(
    const struct command *self, const char *tag, uint64_t limit, const char *after, bool json)
{
	const struct config_line line = {.operand_count = 1, .operands = {(char *)tag}};

	json_flag = json ? "" : NULL;
	after_text = after;
	return show_list(self, find_list("find"), &line, 0, limit);
}

// `fairway networks` and `fairway find TAG...`
int run_registry_list(const struct command *self, int argc, char **argv)
{
	char name[32];
	const struct config_command shape = {.name = name,
	    .summary = self->summary,
	    .operands = strcmp(self->name, "find") ? NULL : "TAG...",
	    .options = strcmp(self->name, "find") ? list_options : find_options};
	uint64_t limit = LIMIT_DEFAULT;
	struct config_line line;
	int status;

	snprintf(name, sizeof(name), "fairway %s", self->name);
	if (read_line(self, &shape, argc, argv, &line, &status))
		return status;
	if (shape.operands && !line.operand_count && !network_text) {
		complain(self, "name what is looked for: fairway find TAG... [--network ID]");
		return EXIT_USAGE;
	}
	if (!read_number(self, "limit", limit_text, 0, &limit))
		return EXIT_USAGE;
	return show_list(self, find_list(self->name), &line, 0, limit);
}

int run_registry(const struct command *self, int argc, char **argv)
{
	const struct config_command shape = {.name = "fairway registry",
	    .summary = "The embedded registry of a running relay: its state (status), what it "
		       "holds (nodes, networks,\ntrust), its log of changes (audit), a copy of "
		       "its store (backup). Without a relay: restore puts\nsuch a copy in the "
		       "store's place, import makes a store of a Go registry's snapshot. token\n"
		       "makes a file for --registry-admin-token-file.",
	    .operands = "status|nodes|networks|trust|audit|backup FILE|restore FILE|import FILE|"
			"token FILE",
	    .options = options};
	struct config_line line;
	struct parse_error error;
	uint64_t limit = LIMIT_DEFAULT;
	const char *what;
	int status;

	if (read_line(self, &shape, argc, argv, &line, &status))
		return status;
	if (!read_number(self, "limit", limit_text, 0, &limit))
		return EXIT_USAGE;
	what = line.operand_count ? line.operands[0] : "status";
	if (line.operand_count == 2 && !strcmp(what, "backup"))
		return registry_backup(self, line.operands[1], json_flag);
	if (line.operand_count == 2 && !strcmp(what, "token"))
		return registry_token(self, line.operands[1], json_flag);
	if (line.operand_count == 2 && !strcmp(what, "import"))
		return registry_fill(self, "--registry-import", line.operands[1], store_text);
	if (line.operand_count == 2 && !strcmp(what, "restore"))
		return registry_fill(self, "--registry-restore", line.operands[1], store_text);
	if (line.operand_count <= 1 && !strcmp(what, "status"))
		return show_status(self);
	if (line.operand_count == 1 && lines_flag && !strcmp(what, "audit"))
		return write_lines(self);
	if (line.operand_count == 1 && find_list(what) && strcmp(what, "find") != 0)
		return show_list(self, find_list(what), &line, 1, limit);
	parse_error_set(&error,
	    "\"%s\" is not known, or not with so many words: write fairway registry status, nodes, "
	    "networks, trust, audit, backup FILE, restore FILE, import FILE or token FILE",
	    what);
	complain(self, error.text);
	return EXIT_USAGE;
}
