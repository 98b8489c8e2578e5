// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "controlplane/admin.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// The admin socket with an answer to everything: what was asked, `size` times.
struct lab {
	uv_loop_t loop;
	struct admin admin;
	char path[64];
	unsigned gone;
};

static json_t *on_answer(
    void *ctx, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	json_int_t size = json_integer_value(json_object_get(request, "size"));
	char *text;
	json_t *result;

	(void)ctx;
	(void)client;
	if (json_object_get(request, "fail")) {
		snprintf(err->error, sizeof(err->error), "as you wish");
		err->again = json_is_true(json_object_get(request, "fail"));
		return NULL;
	}
	text = malloc((size_t)size + 1);
	memset(text, 'x', (size_t)size);
	result = json_pack("{s:o}", "text", json_stringn(text, (size_t)size));
	free(text);
	return result;
}

static void on_gone(void *ctx, struct admin_client *client)
{
	(void)client;
	((struct lab *)ctx)->gone++;
}

static struct lab *lab_open(void)
{
	struct lab *l = calloc(1, sizeof(*l));
	char folder[FOLDER_MAX];

	log_set_level(LOG_LEVEL_ERROR);
	folder_make(folder);
	snprintf(l->path, sizeof(l->path), "%s/admin.sock", folder);
	uv_loop_init(&l->loop);
	l->admin.answer = on_answer;
	l->admin.gone = on_gone;
	l->admin.ctx = l;
	assert_int_equal(admin_bind(&l->admin, l->path, geteuid(), getegid()), 0);
	admin_start(&l->admin, &l->loop);
	return l;
}

static void lab_close(struct lab *l)
{
	admin_stop(&l->admin);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	close(l->admin.fd);
	assert_int_equal(access(l->path, F_OK), -1);
	free(l);
}

static void turns(struct lab *l)
{
	for (int i = 0; i < 20; i++)
		uv_run(&l->loop, UV_RUN_NOWAIT);
}

static int client(struct lab *l)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	memcpy(sun.sun_path, l->path, sizeof(l->path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	turns(l);
	return fd;
}

// Part of the answer's text must be `want`; "" for none, "closed" for the end.
static void exchange(struct lab *l, int fd, const char *request, const char *want)
{
	static char text[2 * ADMIN_MESSAGE_MAX];
	ssize_t n;

	if (request)
		assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
	turns(l);
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (!strcmp(want, "closed")) {
		assert_int_equal(n, 0);
		return;
	}
	assert_true(n > 0 && n <= ADMIN_MESSAGE_MAX);
	text[n] = '\0';
	if (!strstr(text, want))
		fail_msg("%.200s", text);
}

static void test_answers(void **state)
{
	static const struct {
		const char *request, *answer;
	} table[] = {
	    {"{\"size\":3}", "{\"ok\":true,\"result\":{\"text\":\"xxx\"}}"},
	    {"{\"fail\":1}", "{\"ok\":false,\"error\":\"as you wish\",\"hint\":\"\"}"},
	    {"{\"fail\":true}", "\"again\":true"},
	    {"{\"size\":3", "no JSON object"},
	    {"[1]", "no JSON object"},
	    {"\xff\xfe", "no JSON object"},
	    {"{\"size\":70000}", "larger than a message"},
	    {"{\"size\":65000}", "xxx"},
	    {"{\"size\":1}", "\"x\""},
	};
	struct lab *l = lab_open();
	int fd = client(l);
	struct stat st;

	(void)state;
	assert_int_equal(stat(l->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		exchange(l, fd, table[i].request, table[i].answer);
	close(fd);
	turns(l);
	assert_int_equal(l->gone, 1);
	lab_close(l);
}

static void test_clients_are_bounded(void **state)
{
	struct lab *l = lab_open();
	int fds[ADMIN_CLIENT_MAX], more;

	(void)state;
	for (int i = 0; i < ADMIN_CLIENT_MAX; i++)
		fds[i] = client(l);
	more = client(l);
	exchange(l, more, NULL, "too many");
	exchange(l, more, NULL, "closed");
	close(more);
	exchange(l, fds[7], "{\"size\":1}", "\"x\"");
	close(fds[3]);
	turns(l);
	more = client(l);
	exchange(l, more, "{\"size\":1}", "\"x\"");
	close(more);
	for (int i = 0; i < ADMIN_CLIENT_MAX; i++)
		if (i != 3)
			close(fds[i]);
	turns(l);
	assert_int_equal(l->admin.count, 0);
	lab_close(l);
}

static void test_who_does_not_read_is_dropped(void **state)
{
	static const char request[] = "{\"size\":60000}";
	struct lab *l = lab_open();
	int slow = client(l), other = client(l);

	(void)state;
	for (int i = 0; i < 100 && !l->gone; i++) {
		send(slow, request, sizeof(request) - 1, MSG_NOSIGNAL);
		turns(l);
	}
	assert_int_equal(l->gone, 1);
	exchange(l, other, "{\"size\":1}", "\"x\"");
	close(slow);
	close(other);
	lab_close(l);
}

// Events: a client that is behind loses some; one that stays behind loses its connection.
static void test_events_to_a_slow_client(void **state)
{
	struct lab *l = lab_open();
	int fd = client(l);
	struct admin_client *c = l->admin.clients;
	uint64_t now_ns = 1000000000, sent = 0;
	char text[ADMIN_MESSAGE_MAX];

	(void)state;
	while (admin_send(c, json_pack("{s:i}", "event", 1), now_ns))
		sent++;
	assert_true(sent > 10);
	assert_int_equal(c->lost, 1);
	assert_false(admin_send(c, json_object(), now_ns + 5000000000));
	while (recv(fd, text, sizeof(text), 0) > 0)
		;
	assert_true(admin_send(c, json_object(), now_ns + 6000000000));
	assert_int_equal(c->lost, 2);
	while (admin_send(c, json_object(), now_ns + 7000000000))
		;
	assert_int_equal(l->gone, 0);
	admin_send(c, json_object(), now_ns + 7000000000 + (ADMIN_STUCK_S + 1) * 1000000000ULL);
	assert_int_equal(l->gone, 1);
	close(fd);
	lab_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_clients_are_bounded),
	    cmocka_unit_test(test_who_does_not_read_is_dropped),
	    cmocka_unit_test(test_events_to_a_slow_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
