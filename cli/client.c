// SPDX-License-Identifier: BSD-3-Clause
#include "cli/client.h"

#include "base/clock.h"
#include "base/state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail_connect(struct client *client, int rc, struct parse_error *error)
{
	const char *state = client->state;

	client->away = rc == -ENOENT || rc == -ECONNREFUSED || rc == -EAGAIN;
	if (rc == -EACCES)
		parse_error_set(error,
		    "the relay with state directory %s belongs to another user: run this as root "
		    "or as that user",
		    state);
	else if (state_is_locked(state, "dp.lock"))
		parse_error_set(error,
		    "the relay with state directory %s forwards, but its control plane does not "
		    "answer: it may be starting, its log (fairway-cp) says more",
		    state);
	else if (rc == -ENOENT && geteuid() && !access("/run/fairway", F_OK))
		parse_error_set(error,
		    "no relay is running with state directory %s: one may run as a service in "
		    "/run/fairway: use sudo, or --state /run/fairway",
		    state);
	else if (rc == -ENOENT || rc == -ECONNREFUSED)
		parse_error_set(error,
		    "no relay is running with state directory %s: start it with \"fairway up\", or "
		    "name another with --state",
		    state);
	else
		parse_error_set(error, "cannot reach the relay with state directory %s: %s", state,
		    strerrordesc_np(-rc));
}

int client_open(struct client *client, const char *state, struct parse_error *error)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int rc = 0;

	*client = (struct client){.fd = -1, .state = state};
	if (snprintf(at.sun_path, sizeof(at.sun_path), "%s/admin.sock", state) >=
	    (int)sizeof(at.sun_path)) {
		parse_error_set(error, "state directory %s: the name is too long", state);
		return -ENAMETOOLONG;
	}
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&at, sizeof(at))) {
		rc = -errno;
		fail_connect(client, rc, error);
		client_close(client);
	}
	return rc;
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

json_t *client_receive(struct client *client, int patience_ms, struct parse_error *error)
{
	struct pollfd fd = {client->fd, POLLIN, 0};
	json_error_t why;
	json_t *message;
	char *text;
	ssize_t n;

	error->text[0] = 0;
	if (poll(&fd, 1, patience_ms) <= 0)
		return NULL;
	text = malloc(ADMIN_MESSAGE_MAX + 1);
	if (!text)
		abort();
	n = recv(client->fd, text, ADMIN_MESSAGE_MAX, 0);
	if (n <= 0) {
		parse_error_set(error, "the relay ended the connection: its log says why");
		free(text);
		return NULL;
	}
	message = json_loadb(text, (size_t)n, 0, &why);
	free(text);
	if (!json_is_object(message)) {
		parse_error_set(
		    error, "the relay's answer is no JSON object: is it another version?");
		json_decref(message);
		return NULL;
	}
	return message;
}

static void fail_silent(const struct client *client, struct parse_error *error)
{
	parse_error_set(error,
	    "the relay with state directory %s does not answer within %d s: fairway-cp is stopped "
	    "or overloaded",
	    client->state, ADMIN_PATIENCE_MS / 1000);
}

static int send_request(const struct client *client, json_t *request, struct parse_error *error)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int rc = 0;

	if (!text)
		abort();
	if (send(client->fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
		rc = -errno;
		parse_error_set(error, "cannot ask the relay: %s", strerrordesc_np(-rc));
	}
	free(text);
	return rc;
}

// The answer to what was sent, also when signals arrive in between.
static json_t *await_answer(struct client *client, struct parse_error *error)
{
	uint64_t now = clock_mono_ns(), end = now + ADMIN_PATIENCE_MS * NS_PER_MS;
	json_t *answer;

	do {
		answer = client_receive(client, (int)((end - now) / NS_PER_MS), error);
		now = clock_mono_ns();
	} while (!answer && !error->text[0] && now < end);
	if (!answer && !error->text[0]) {
		fail_silent(client, error);
		client_close(client); // it may answer yet, to what is not asked any more
	}
	return answer;
}

json_t *client_request(struct client *client, json_t *request, struct parse_error *error)
{
	json_t *answer = NULL, *result = NULL;

	client->away = true;
	if (client->fd < 0)
		fail_silent(client, error);
	else if (send_request(client, request, error) == 0)
		answer = await_answer(client, error);
	json_decref(request);
	if (!answer)
		return NULL;
	client->away = json_is_true(json_object_get(answer, "again"));
	if (json_is_true(json_object_get(answer, "ok"))) {
		result = json_incref(json_object_get(answer, "result"));
		if (!result)
			result = json_object();
	} else {
		const char *what = json_string_value(json_object_get(answer, "error"));
		const char *hint = json_string_value(json_object_get(answer, "hint"));

		parse_error_set(error, "%s%s%s", what ? what : "the relay refused without a reason",
		    hint ? ": " : "", hint ? hint : "");
	}
	json_decref(answer);
	return result;
}
