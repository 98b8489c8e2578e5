// SPDX-License-Identifier: BSD-3-Clause
#include "cli/commands.h"
#include "cli/table.h"

enum { PAGE = 200 };

static json_t *ask_page(const struct command *self, const json_t *request, uint64_t room,
    const char *after, int *status)
{
	json_t *page = json_deep_copy(request);

	json_object_set_new(page, "limit", json_integer(room && room < PAGE ? (int)room : PAGE));
	if (after)
		json_object_set_new(page, "after", json_string(after));
	return ask(self, page, status);
}

json_t *ask_pages(const struct command *self, json_t *request, const char *name, uint64_t limit,
    const char *after, int *status)
{
	json_t *whole = ask_page(self, request, limit, after, status);
	json_t *list = json_object_get(whole, name);

	while (whole) {
		const char *next = member_text(whole, "next", NULL);
		json_t *page;

		if (!next || (limit && json_array_size(list) >= limit))
			break;
		page = ask_page(
		    self, request, limit ? limit - json_array_size(list) : 0, next, status);
		if (!page) {
			json_decref(whole);
			whole = NULL;
			break;
		}
		json_array_extend(list, json_object_get(page, name));
		json_object_del(whole, "next");
		if (json_object_get(page, "next"))
			json_object_set(whole, "next", json_object_get(page, "next"));
		json_decref(page);
	}
	json_decref(request);
	return whole;
}
