// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Every list in struct config starts with its count.
struct list_shape {
	size_t item_size, items_offset;
	uint32_t max;
};

static struct list_shape shape_of(const struct config_key *key)
{
#define SHAPE(type)                                                                    \
	(struct list_shape)                                                            \
	{                                                                              \
		sizeof(((struct type *)0)->at[0]), offsetof(struct type, at),          \
		    sizeof(((struct type *)0)->at) / sizeof(((struct type *)0)->at[0]) \
	}
	switch (key->type) {
	case CONFIG_LISTEN:
		return SHAPE(config_listen);
	case CONFIG_LINKS:
		return SHAPE(config_links);
	case CONFIG_CPUS:
		return SHAPE(config_cpus);
	case CONFIG_PEERS:
		return SHAPE(config_peers);
	default:
		return (struct list_shape){0};
	}
#undef SHAPE
}

bool config_is_list(const struct config_key *key)
{
	return shape_of(key).max > 0;
}

static void *field_of(struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

void config_clear_list(struct config *config, const struct config_key *key)
{
	memset(field_of(config, key), 0, key->size);
}

static int append(
    const struct config_key *key, void *field, const void *item, struct parse_error *error)
{
	struct list_shape shape = shape_of(key);
	uint32_t *count = field;
	char *items = (char *)field + shape.items_offset;

	for (uint32_t i = 0; i < *count; i++) {
		if (!memcmp(items + i * shape.item_size, item, shape.item_size)) {
			parse_error_set(error, "is in the list twice: remove one");
			return -EEXIST;
		}
	}
	if (*count == shape.max) {
		parse_error_set(error, "is one too many: at most %u are possible", shape.max);
		return -E2BIG;
	}
	memcpy(items + (*count)++ * shape.item_size, item, shape.item_size);
	return 0;
}

// Errors of append() do not name the value yet.
static int append_named(const struct config_key *key, void *field, const void *item,
    const char *text, struct parse_error *error)
{
	struct parse_error why = {0};
	int rc = append(key, field, item, &why);

	if (rc)
		parse_error_set(error, "\"%s\" %s", text, why.text);
	return rc;
}

static int add_dpdk(
    const struct config_key *key, void *field, const char *text, struct parse_error *error)
{
	const struct config_links *links = field;
	struct config_link link = {0};
	const char *device = text + 5;

	if (!FAIRWAY_DPDK) {
		parse_error_set(error,
		    "\"%s\": this build has no dpdk links: install libdpdk-dev and libnftables-dev "
		    "and build again, or write xdp:IFACE[:QUEUES]",
		    text);
		return -EINVAL;
	}
	if (!*device || *device == ',' || strlen(device) >= sizeof(link.device)) {
		parse_error_set(error,
		    "\"%s\" names no device: write dpdk:0000:03:00.0 or dpdk:net_tap0,iface=NAME, "
		    "at most %zu characters",
		    text, sizeof(link.device) - 1);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < links->count; i++) {
		size_t len = strcspn(device, ",");

		if (len != strcspn(links->at[i].device, ",") ||
		    strncmp(device, links->at[i].device, len) != 0)
			continue;
		parse_error_set(error,
		    "\"%s\": the device %.*s is in the list twice: remove one, or name another as "
		    "net_tap1",
		    text, (int)len, device);
		return -EEXIST;
	}
	memcpy(link.device, device, strlen(device));
	return append_named(key, field, &link, text, error);
}

// Other characters are in no device's name, and would not survive being written as YAML again.
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

static int parse_queues(const char *text, size_t len, uint32_t *queues)
{
	char copy[8];
	uint64_t count;

	if (len >= sizeof(copy))
		return -ERANGE;
	memcpy(copy, text, len);
	copy[len] = 0;
	if (parse_uint(copy, 1, 64, &count, NULL))
		return -ERANGE;
	*queues = (uint32_t)count;
	return 0;
}

// IFACE[:QUEUES][,mode=kernel|engine]
static int add_xdp(
    const struct config_key *key, void *field, const char *text, struct parse_error *error)
{
	struct config_link link = {0};
	const char *name = text + 4, *mode = strchrnul(name, ',');
	const char *end = name + strcspn(name, ":,");

	if (*mode && strcmp(mode, ",mode=kernel") != 0 && strcmp(mode, ",mode=engine") != 0) {
		parse_error_set(
		    error, "\"%s\": write mode=kernel or mode=engine behind the comma", text);
		return -EINVAL;
	}
	link.kernel = !strcmp(mode, ",mode=kernel");
	if ((size_t)(end - name) >= sizeof(link.ifname)) {
		parse_error_set(error, "\"%s\": interface names have at most %d characters", text,
		    IFNAMSIZ - 1);
		return -EINVAL;
	}
	memcpy(link.ifname, name, (size_t)(end - name));
	if (*end == ':' && parse_queues(end + 1, (size_t)(mode - end - 1), &link.queues)) {
		parse_error_set(error,
		    "\"%s\": the number of queues must be 1 to 64, or left out for all", text);
		return -ERANGE;
	}
	return append_named(key, field, &link, text, error);
}

static int add_link(
    const struct config_key *key, void *field, const char *text, struct parse_error *error)
{
	if (!strcmp(text, "sock"))
		return 0;
	if (!is_plain(text)) {
		parse_error_set(
		    error, "\"%s\" is no link: names have no spaces, quotes or backslashes", text);
		return -EINVAL;
	}
	if (!strncmp(text, "dpdk:", 5))
		return add_dpdk(key, field, text, error);
	if (!strncmp(text, "xdp:", 4) && text[4] && text[4] != ':' && text[4] != ',')
		return add_xdp(key, field, text, error);
	parse_error_set(error,
	    "\"%s\" is no link: write xdp:IFACE[:QUEUES][,mode=kernel], dpdk:DEVICE or sock", text);
	return -EINVAL;
}

// FIRST or FIRST-LAST. Returns 0 or a negative errno.
static int parse_range(
    const char *text, uint64_t min, uint64_t max, uint64_t *first, uint64_t *last)
{
	const char *dash = strchrnul(text, '-');
	char low[16];
	int rc;

	if (snprintf(low, sizeof(low), "%.*s", (int)(dash - text), text) >= (int)sizeof(low))
		return -ERANGE;
	rc = parse_uint(low, min, max, first, NULL);
	if (rc)
		return rc;
	*last = *first;
	return *dash ? parse_uint(dash + 1, *first, max, last, NULL) : 0;
}

static int add_cpus(
    const struct config_key *key, void *field, const char *text, struct parse_error *error)
{
	uint64_t first, last;

	if (parse_range(text, 0, 1023, &first, &last)) {
		parse_error_set(error,
		    "\"%s\" is no core: write a number from 0 to 1023 or a range as 2-5", text);
		return -EINVAL;
	}
	for (uint32_t cpu = (uint32_t)first; cpu <= last; cpu++) {
		int rc = append_named(key, field, &cpu, text, error);

		if (rc)
			return rc;
	}
	return 0;
}

// Why no datagram could be served there, or NULL.
static const char *fault_of(const union socket_address *at)
{
	const struct in6_addr *six = &at->v6.sin6_addr;

	if (at->any.sa_family == AF_INET ? IN_MULTICAST(ntohl(at->v4.sin_addr.s_addr)) ||
					       at->v4.sin_addr.s_addr == INADDR_BROADCAST
					 : IN6_IS_ADDR_MULTICAST(six))
		return "is a multicast or broadcast address: write one of one host";
	if (at->any.sa_family == AF_INET)
		return NULL;
	if (IN6_IS_ADDR_V4MAPPED(six))
		return "is an IPv4 address in IPv6: write it as IPv4";
	if (IN6_IS_ADDR_LINKLOCAL(six))
		return "is link-local: nodes' and peer relays' addresses have no interface, so "
		       "answers would not find them; write a global or private (fd00::/8) one";
	return NULL;
}

static int add_address(
    const struct config_key *key, void *field, const char *text, struct parse_error *error)
{
	union socket_address at;
	int rc = parse_address(text, key->type == CONFIG_PEERS, &at, error);

	if (!rc && fault_of(&at)) {
		parse_error_set(error, "\"%s\" %s", text, fault_of(&at));
		rc = -EINVAL;
	}
	return rc ? rc : append_named(key, field, &at, text, error);
}

static int set_choice(
    const struct config_key *key, int *field, const char *text, struct parse_error *error)
{
	char list[160] = "";
	size_t len = 0;

	for (int i = 0; key->choices[i]; i++) {
		if (!strcmp(key->choices[i], text)) {
			*field = i;
			return 0;
		}
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
		    !i			  ? ""
		    : key->choices[i + 1] ? ", "
					  : " or ",
		    key->choices[i]);
	}
	parse_error_set(error, "\"%s\" is not known: write %s", text, list);
	return -EINVAL;
}

static int set_text(
    const struct config_key *key, char *field, const char *text, struct parse_error *error)
{
	size_t len = strlen(text);

	if (len >= key->size) {
		parse_error_set(
		    error, "\"%s\" is too long: at most %zu characters", text, key->size - 1);
		return -EINVAL;
	}
	memset(field, 0, key->size);
	memcpy(field, text, len);
	return 0;
}

static int set_ports(struct config_ports *field, const char *text, struct parse_error *error)
{
	uint64_t first, last;

	*field = (struct config_ports){0};
	if (!strcmp(text, "none"))
		return 0;
	if (parse_range(text, 1, 65535, &first, &last)) {
		parse_error_set(error,
		    "\"%s\" is no range of ports: write FIRST-LAST within 1 to 65535, or none",
		    text);
		return -EINVAL;
	}
	*field = (struct config_ports){(uint16_t)first, (uint16_t)last};
	return 0;
}

static int set_registry(struct config_registry *field, const char *text, struct parse_error *error)
{
	memset(field, 0, sizeof(*field)); // to the last byte: config_compare()
	if (!strcmp(text, "none"))
		return 0;
	if (!strcmp(text, "embedded")) {
		field->mode = CONFIG_REGISTRY_EMBEDDED;
		return 0;
	}
	if (parse_address(text, false, &field->at, NULL)) {
		parse_error_set(
		    error, "\"%s\" is no registry: write none, embedded or ADDR:PORT", text);
		return -EINVAL;
	}
	field->mode = CONFIG_REGISTRY_CLIENT;
	return 0;
}

static void format_registry(char *out, size_t size, const struct config_registry *field)
{
	static const char *const modes[] = {"none", "embedded"};
	char text[64];

	if (field->mode == CONFIG_REGISTRY_CLIENT)
		snprintf(out, size, "\"%s\"", format_address(text, &field->at));
	else
		snprintf(out, size, "%s", modes[field->mode]);
}

int config_set(struct config *config, const struct config_key *key, const char *text,
    struct parse_error *error)
{
	void *field = field_of(config, key);

	switch (key->type) {
	case CONFIG_UINT:
		return parse_uint(text, key->min, key->max, field, error);
	case CONFIG_SIZE:
		return parse_size(text, key->min, key->max, field, error);
	case CONFIG_DURATION:
		return parse_duration(text, key->min, key->max, field, error);
	case CONFIG_CHOICE:
		return set_choice(key, field, text, error);
	case CONFIG_TEXT:
		return set_text(key, field, text, error);
	case CONFIG_ADDRESS:
		return parse_address(text, false, field, error);
	case CONFIG_REGISTRY:
		return set_registry(field, text, error);
	case CONFIG_PORTS:
		return set_ports(field, text, error);
	case CONFIG_LISTEN:
	case CONFIG_PEERS:
		return add_address(key, field, text, error);
	case CONFIG_LINKS:
		return add_link(key, field, text, error);
	case CONFIG_CPUS:
		return add_cpus(key, field, text, error);
	}
	abort(); // a key without a type
}

enum { ITEM_MAX = 144 };

static char *format_item(char *out, const struct config_key *key, const void *item)
{
	const struct config_link *link = item;
	const char *mode = key->type == CONFIG_LINKS && link->kernel ? ",mode=kernel" : "";

	if (key->type == CONFIG_CPUS)
		snprintf(out, 64, "%u", *(const uint32_t *)item);
	else if (key->type != CONFIG_LINKS)
		format_address(out, item);
	else if (*link->device)
		snprintf(out, ITEM_MAX, "dpdk:%s", link->device);
	else if (link->queues)
		snprintf(out, 64, "xdp:%s:%u%s", link->ifname, link->queues, mode);
	else
		snprintf(out, 64, "xdp:%s%s", link->ifname, mode);
	return out;
}

static void format_list(char *out, size_t size, const struct config_key *key, const void *field)
{
	struct list_shape shape = shape_of(key);
	uint32_t count = *(const uint32_t *)field;
	size_t len = 0;
	char text[ITEM_MAX];

	for (uint32_t i = 0; i < count && len < size; i++) {
		const char *item = (const char *)field + shape.items_offset + i * shape.item_size;

		format_item(text, key, item);
		// an opening bracket would start a list in YAML
		len += (size_t)snprintf(out + len, size - len,
		    strchr(text, ':') ? "%s\"%s\"" : "%s%s", i ? ", " : "[", text);
	}
	if (len < size)
		snprintf(out + len, size - len, count ? "]" : "[]");
}

char *config_format(
    char *out, size_t size, const struct config *config, const struct config_key *key)
{
	const void *field = (const char *)config + key->offset;
	const struct config_ports *ports = field;
	char text[64];

	switch (key->type) {
	case CONFIG_UINT:
		snprintf(out, size, "%llu", (unsigned long long)*(const uint64_t *)field);
		break;
	case CONFIG_SIZE:
		snprintf(out, size, "%s", format_size(text, *(const uint64_t *)field));
		break;
	case CONFIG_DURATION:
		snprintf(out, size, "%s", format_duration(text, *(const uint64_t *)field));
		break;
	case CONFIG_CHOICE:
		snprintf(out, size, "%s", key->choices[*(const int *)field]);
		break;
	case CONFIG_TEXT:
		snprintf(out, size, "%s", *(const char *)field ? (const char *)field : "\"\"");
		break;
	case CONFIG_ADDRESS:
		snprintf(out, size, "\"%s\"", format_address(text, field));
		break;
	case CONFIG_REGISTRY:
		format_registry(out, size, field);
		break;
	case CONFIG_PORTS:
		if (ports->first)
			snprintf(out, size, "%u-%u", ports->first, ports->last);
		else
			snprintf(out, size, "none");
		break;
	default:
		format_list(out, size, key, field);
	}
	return out;
}
