// SPDX-License-Identifier: BSD-3-Clause
// The registry's server alone, for tests that need no relay:
//   registry_host ADDR:PORT STORE|- ADMIN-TOKEN|-
#include "base/log.h"
#include "controlplane/registry/connection.h"
#include "controlplane/registry/server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void on_signal(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

static int prepare(struct registry *r, const char *store, struct parse_error *error)
{
	return strcmp(store, "-") != 0 ? registry_attach(r, store, server_time(), error) : 0;
}

int main(int argc, char **argv)
{
	static struct registry registry;
	static struct server server = {
	    .registry = &registry, .connection_max = 1100000, .source_max = 0};
	struct registry_config config = {.capacity = 2000000};
	struct parse_error error = {.text = ""};
	union socket_address at;
	uv_loop_t loop;
	uv_signal_t on_term;

	if (argc != 4 || parse_address(argv[1], false, &at, &error)) {
		fprintf(stderr, "usage: registry_host ADDR:PORT STORE|- ADMIN-TOKEN|- %s\n",
		    error.text);
		return 2;
	}
	log_setup("registry_host", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	if (strcmp(argv[3], "-") != 0)
		snprintf(config.admin_token, sizeof(config.admin_token), "%s", argv[3]);
	uv_loop_init(&loop);
	if (identity_init() || registry_init(&registry, &config) ||
	    prepare(&registry, argv[2], &error) || server_listen(&server, &at, &error) ||
	    server_start(&server, &loop)) {
		fprintf(stderr, "registry_host: %s\n", error.text);
		return 1;
	}
	uv_signal_init(&loop, &on_term);
	uv_signal_start(&on_term, on_signal, SIGTERM);
	printf("ready\n");
	fflush(stdout);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&on_term, NULL);
	server_stop(&server);
	uv_run(&loop, UV_RUN_DEFAULT);
	registry_free(&registry);
	uv_loop_close(&loop);
	return 0;
}
