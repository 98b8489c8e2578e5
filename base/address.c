// SPDX-License-Identifier: BSD-3-Clause
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int bad_address(const char *text, bool port_optional, struct parse_error *error)
{
	parse_error_set(error, "\"%s\" is no address: write %s", text,
	    port_optional ? "IP or IP:PORT, IPv6 with a port as [IP]:PORT"
			  : "IP:PORT, IPv6 as [IP]:PORT");
	return -EINVAL;
}

static int parse_ip6(char *ip, union socket_address *value)
{
	char *scope = strchr(ip, '%');

	if (scope)
		*scope++ = 0;
	if (inet_pton(AF_INET6, ip, &value->v6.sin6_addr) != 1)
		return -EINVAL;
	value->v6.sin6_family = AF_INET6;
	if (!scope)
		return 0;
	value->v6.sin6_scope_id = if_nametoindex(scope);
	return value->v6.sin6_scope_id ? 0 : -ENODEV;
}

// Splits "ip", "ip:port", "[ip6]", "[ip6]:port" in place; *port is NULL without one.
static int split(char *text, char **ip, char **port)
{
	char *end;

	*port = NULL;
	*ip = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*ip = text + 1;
		*end = 0;
		if (end[1])
			*port = end + 2;
		return 0;
	}
	end = strchr(text, ':');
	if (!end || strchr(end + 1, ':'))
		return 0;
	*end = 0;
	*port = end + 1;
	return 0;
}

int parse_address(
    const char *text, bool port_optional, union socket_address *value, struct parse_error *error)
{
	union socket_address v;
	char copy[96], *ip, *port;
	uint64_t number = 0;
	int rc;

	memset(&v, 0, sizeof(v)); // an initializer need not reach beyond the first member
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy) ||
	    split(copy, &ip, &port))
		return bad_address(text, port_optional, error);
	if (!port && !port_optional) {
		parse_error_set(
		    error, "\"%s\" names no port: write IP:PORT, IPv6 as [IP]:PORT", text);
		return -EINVAL;
	}
	if (inet_pton(AF_INET, ip, &v.v4.sin_addr) == 1) {
		v.v4.sin_family = AF_INET;
	} else {
		rc = parse_ip6(ip, &v);
		if (rc == -ENODEV) {
			parse_error_set(
			    error, "\"%s\" names an interface that does not exist", text);
			return -EINVAL;
		}
		if (rc)
			return bad_address(text, port_optional, error);
	}
	if (port && parse_uint(port, 1, 65535, &number, NULL)) {
		parse_error_set(error, "\"%s\" has a bad port: 1 to 65535", text);
		return -ERANGE;
	}
	v.v4.sin_port = htons((uint16_t)number); // the same place in both families
	*value = v;
	return 0;
}

char *format_address(char *out, const union socket_address *address)
{
	char ip[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE + 1] = "";
	unsigned port = ntohs(address->v4.sin_port);
	bool six = address->any.sa_family == AF_INET6;

	if (six) {
		inet_ntop(AF_INET6, &address->v6.sin6_addr, ip, sizeof(ip));
		if (address->v6.sin6_scope_id &&
		    if_indextoname(address->v6.sin6_scope_id, scope + 1))
			scope[0] = '%';
	} else {
		inet_ntop(AF_INET, &address->v4.sin_addr, ip, sizeof(ip));
	}
	if (!port)
		snprintf(out, 64, "%s%s", ip, scope);
	else
		snprintf(out, 64, six ? "[%s%s]:%u" : "%s%s:%u", ip, scope, port);
	return out;
}

socklen_t socket_address_len(const union socket_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

bool socket_address_is_any(const union socket_address *address)
{
	if (address->any.sa_family == AF_INET)
		return address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

static union socket_address own_address(in_port_t port)
{
	// connecting a UDP socket only looks up the route; 192.0.2.1 is no host (RFC 5737)
	const struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201)};
	union socket_address own = {.v4.sin_family = AF_INET};
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	own.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0) {
		if (!connect(fd, (const struct sockaddr *)&to, sizeof(to)))
			getsockname(fd, &own.any, &len);
		close(fd);
	}
	own.v4.sin_port = port;
	return own;
}

union socket_address socket_address_reachable(const union socket_address *address)
{
	return socket_address_is_any(address) ? own_address(address->v4.sin_port) : *address;
}
