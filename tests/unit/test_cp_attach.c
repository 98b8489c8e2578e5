// SPDX-License-Identifier: BSD-3-Clause
#include "base/fds.h"
#include "base/log.h"
#include "controlplane/attach.h"
#include "tests/unit/folder.h"
#include "tests/unit/memory_lab.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A data plane that only greets.
struct lab {
	uv_loop_t loop;
	struct attach attach;
	int server, client;
	struct memory memory;
	unsigned attached, detached, refused;
	int attach_result;
	char why[256];
};

static int on_attached(void *ctx)
{
	struct lab *l = ctx;

	l->attached++;
	return l->attach_result;
}

static void on_detached(void *ctx)
{
	((struct lab *)ctx)->detached++;
}

static void on_refused(void *ctx, const char *why)
{
	struct lab *l = ctx;

	l->refused++;
	snprintf(l->why, sizeof(l->why), "%s", why);
}

static void server_open(struct lab *l)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	memcpy(sun.sun_path, l->attach.path, sizeof(sun.sun_path));
	unlink(l->attach.path);
	l->server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(l->server, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(l->server, 4), 0);
}

static struct lab *lab_open(void)
{
	struct lab *l = calloc(1, sizeof(*l));
	char folder[FOLDER_MAX];

	log_set_level(LOG_LEVEL_ERROR);
	folder_make(folder);
	snprintf(l->attach.path, sizeof(l->attach.path), "%s/dp.sock", folder);
	memory_lab_create(&l->memory, 64, 2, 4096);
	uv_loop_init(&l->loop);
	l->client = -1;
	l->attach.loop = &l->loop;
	l->attach.attached = on_attached;
	l->attach.detached = on_detached;
	l->attach.refused = on_refused;
	l->attach.ctx = l;
	return l;
}

static void lab_close(struct lab *l)
{
	attach_stop(&l->attach);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	close(l->server);
	close(l->client);
	memory_unmap(&l->memory);
	free(l);
}

static void turn(struct lab *l)
{
	errno = EAGAIN; // whatever an earlier call left there
	uv_run(&l->loop, UV_RUN_NOWAIT);
	usleep(1000);
}

// Takes the next connection and greets it. `workers` may be a lie.
static void greet(struct lab *l, const char *text, unsigned fd_count)
{
	int fds[4] = {l->memory.fd, eventfd(0, 0), eventfd(0, 0), eventfd(0, 0)};

	close(l->client);
	while ((l->client = accept(l->server, NULL, NULL)) < 0)
		turn(l);
	assert_true(fds_send(l->client, text, strlen(text), fds, fd_count) > 0);
	for (int i = 1; i < 4; i++)
		close(fds[i]);
}

static void turns(struct lab *l, const unsigned *counter, unsigned want)
{
	for (int i = 0; i < 10000 && *counter < want; i++)
		turn(l);
	assert_int_equal(*counter, want);
}

static void test_attaches_and_comes_back(void **state)
{
	struct lab *l = lab_open();

	(void)state;
	attach_start(&l->attach); // nobody is there yet
	assert_true(attach_is_pending(&l->attach));
	uv_run(&l->loop, UV_RUN_ONCE);
	assert_false(attach_is_pending(&l->attach));
	server_open(l);
	greet(l, "{\"version\":1,\"workers\":2}", 4);
	turns(l, &l->attached, 1);
	assert_true(l->attach.up);
	assert_int_equal(l->attach.at.memory.worker_count, 2);
	assert_int_equal(l->attach.at.memory.header->node_capacity, 64);
	close(l->client);
	l->client = -1;
	turns(l, &l->detached, 1);
	assert_false(l->attach.up);
	greet(l, "{\"version\":1,\"workers\":2}", 4);
	turns(l, &l->attached, 2);
	lab_close(l);
}

// What a greeting must not be; the next one is taken all the same.
static void test_wrong_greetings(void **state)
{
	static const struct {
		const char *text;
		unsigned fds;
	} table[] = {
	    {"{\"version\":1,\"workers\":3}", 4}, // one eventfd is missing
	    {"{\"version\":1,\"workers\":1}", 4},
	    {"{\"version\":1,\"workers\":1}", 3}, // the memory has two
	    {"{\"version\":1,\"workers\":-2}", 0},
	    {"{\"version\":1,\"workers\":1000}", 4},
	    {"not a greeting", 4},
	};
	struct lab *l = lab_open();

	(void)state;
	server_open(l);
	attach_start(&l->attach);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		greet(l, table[i].text, table[i].fds);
	assert_int_equal(l->attached, 0);
	greet(l, "{\"version\":1,\"workers\":2}", 4);
	turns(l, &l->attached, 1);
	assert_int_equal(l->detached + l->refused, 0);
	lab_close(l);
}

static void test_session_that_cannot_open_is_tried_again(void **state)
{
	struct lab *l = lab_open();

	(void)state;
	server_open(l);
	l->attach_result = -EBUSY;
	attach_start(&l->attach);
	assert_true(attach_is_pending(&l->attach));
	greet(l, "{\"version\":1,\"workers\":2}", 4);
	turns(l, &l->attached, 1);
	assert_false(attach_is_pending(&l->attach));
	l->attach_result = 0;
	greet(l, "{\"version\":1,\"workers\":2}", 4);
	turns(l, &l->attached, 2);
	assert_true(l->attach.up);
	assert_int_equal(l->detached, 0);
	lab_close(l);
}

static void test_another_layout_is_refused_for_good(void **state)
{
	struct lab *l = lab_open();
	char both[2][8];

	(void)state;
	server_open(l);
	l->memory.header->version = SHM_VERSION + 41;
	attach_start(&l->attach);
	greet(l, "{\"version\":42,\"workers\":2}", 4);
	turns(l, &l->refused, 1);
	snprintf(both[0], sizeof(both[0]), "%d", SHM_VERSION);
	snprintf(both[1], sizeof(both[1]), "%d", SHM_VERSION + 41);
	assert_non_null(strstr(l->why, both[0]));
	assert_non_null(strstr(l->why, both[1]));
	while (l->attach.sock >= 0)
		turn(l);
	assert_false(uv_is_active((uv_handle_t *)&l->attach.retry));
	assert_true(accept(l->server, NULL, NULL) < 0);
	lab_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_attaches_and_comes_back),
	    cmocka_unit_test(test_wrong_greetings),
	    cmocka_unit_test(test_session_that_cannot_open_is_tried_again),
	    cmocka_unit_test(test_another_layout_is_refused_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
