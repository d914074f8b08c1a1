/* SPDX-License-Identifier: Apache-2.0 */
/* Answers between the loop and the worker: of clients that go, of too many, at the end. */
#include "api.h"
#include "api_internal.h"
#include "http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 20 };

static char directory[] = "/tmp/meshtally-jobs-XXXXXX";

/* A server of HTTP and a worker, and nothing else. */
struct bench {
	struct serve_options options;
	struct server server;
	struct sockaddr_in address;
	int gate[2]; /* the worker waits for a byte where it is told to */
	int entered[2];
};

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	setenv("MESHTALLY_DIR", directory, 1);
	setenv("MESHTALLY_TT_SHM", directory, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

static void start(struct bench *bench)
{
	socklen_t length = sizeof(bench->address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*bench = (struct bench){.address = {.sin_family = AF_INET}};
	bench->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&bench->address, length), 0);
	assert_int_equal(listen(fd, CLIENTS), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bench->address, &length), 0);
	bench->server.base = event_base_new();
	bench->server.options = &bench->options;
	assert_int_equal(worker_create(&bench->server.worker, bench->server.base), 0);
	assert_int_equal(http_create(&bench->server.http, &bench->server), 0);
	assert_int_equal(http_listen_fd(bench->server.http, fd), 0);
	assert_int_equal(pipe2(bench->gate, O_CLOEXEC), 0);
	assert_int_equal(pipe2(bench->entered, O_CLOEXEC), 0);
}

static void finish(struct bench *bench)
{
	http_destroy(bench->server.http);
	worker_destroy(bench->server.worker);
	event_base_free(bench->server.base);
	for (int i = 0; i < 2; i++) {
		close(bench->gate[i]);
		close(bench->entered[i]);
	}
}

static void wait_at_gate(void *arg)
{
	const struct bench *bench = arg;
	char byte;

	assert_int_equal(write(bench->entered[1], "", 1), 1);
	assert_int_equal(read(bench->gate[0], &byte, 1), 1);
}

/* From here on the worker has something to do that does not end. */
static void shut_gate(struct bench *bench)
{
	char byte;

	worker_post(bench->server.worker, wait_at_gate, NULL, bench);
	assert_int_equal(read(bench->entered[0], &byte, 1), 1);
}

static void open_gate(struct bench *bench)
{
	assert_int_equal(write(bench->gate[1], "", 1), 1);
}

static int ask(struct bench *bench, const char *target)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[256];
	int length =
		snprintf(request, sizeof(request),
	                 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);

	assert_int_equal(connect(fd, (struct sockaddr *)&bench->address, sizeof(bench->address)),
	                 0);
	assert_int_equal(write(fd, request, (size_t)length), length);
	return fd;
}

/* Goes at once, and the other side hears of it. */
static void vanish(int fd)
{
	const struct linger at_once = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
}

static void turn(struct bench *bench)
{
	assert_true(event_base_loop(bench->server.base, EVLOOP_ONCE) >= 0);
}

/* Until the answer is there, and its beginning is as told. */
static void expect_answer(struct bench *bench, int fd, const char *start_of_it)
{
	char answer[256] = "";
	ssize_t length;

	while ((length = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		turn(bench);
	assert_true(length > 0);
	answer[length] = '\0';
	assert_memory_equal(answer, start_of_it, strlen(start_of_it));
	close(fd);
}

/* They would otherwise keep the worker busy for those who stay. */
static void clients_that_have_gone(void **state)
{
	int fds[CLIENTS];
	struct bench bench;

	(void)state;
	start(&bench);
	shut_gate(&bench);
	for (int i = 0; i < CLIENTS; i++) {
		char target[64];

		snprintf(target, sizeof(target), "/api/v1/%s?offset=%d",
		         i % 2 != 0 ? "buffers" : "devices", i);
		fds[i] = ask(&bench, target);
	}
	while (worker_waiting(bench.server.worker) < CLIENTS)
		turn(&bench);
	for (int i = 1; i < CLIENTS; i++)
		vanish(fds[i]);
	while (http_stats(bench.server.http)->connections > 1)
		turn(&bench);
	assert_int_equal(worker_waiting(bench.server.worker), 1);
	open_gate(&bench);
	expect_answer(&bench, fds[0], "HTTP/1.1 200 OK\r\n");
	finish(&bench);
}

/* Those who ask for the same thing share it, and one of them may go. */
static void clients_that_stay(void **state)
{
	struct bench bench;
	int gone, fds[2];

	(void)state;
	start(&bench);
	shut_gate(&bench);
	gone = ask(&bench, "/api/v1/processes");
	for (int i = 0; i < 2; i++)
		fds[i] = ask(&bench, "/api/v1/processes");
	while (http_stats(bench.server.http)->connections < 3)
		turn(&bench);
	while (worker_waiting(bench.server.worker) < 1)
		turn(&bench);
	vanish(gone);
	while (http_stats(bench.server.http)->connections > 2)
		turn(&bench);
	assert_int_equal(worker_waiting(bench.server.worker), 1);
	open_gate(&bench);
	for (int i = 0; i < 2; i++)
		expect_answer(&bench, fds[i], "HTTP/1.1 200 OK\r\n");
	finish(&bench);
}

/* What answers may take together is bounded; one may always be out. */
static void answers_that_nobody_takes(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	bench.server.http->untaken = HTTP_UNTAKEN_BYTES;
	expect_answer(&bench, ask(&bench, "/metrics"), "HTTP/1.1 503 Service Unavailable\r\n");
	expect_answer(&bench, ask(&bench, "/healthz"), "HTTP/1.1 200 OK\r\n");
	bench.server.http->untaken = 0;
	expect_answer(&bench, ask(&bench, "/metrics"), "HTTP/1.1 200 OK\r\n");
	while (http_stats(bench.server.http)->connections > 0)
		turn(&bench);
	assert_int_equal(bench.server.http->untaken, 0);
	finish(&bench);
}

/* Where the first look had found something on a device that is gone at the second. */
static void second_look_without_the_device(void **state)
{
	static const char target[] = "/api/v1/faults?device=0";
	struct api_maker *maker = api_maker_create();
	struct api_work work = {.target = strdup(target), .again = true};
	struct text error = {0};

	(void)state;
	assert_int_equal(api_request_parse(&work.request, target, strlen(target), &error), 0);
	api_make(maker, &work);
	assert_false(work.again);
	assert_int_equal(work.status, 404);
	assert_true(work.error.length != 0);
	text_finish(&error);
	api_work_finish(&work);
	api_maker_destroy(maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_that_have_gone),
		cmocka_unit_test(clients_that_stay),
		cmocka_unit_test(answers_that_nobody_takes),
		cmocka_unit_test(second_look_without_the_device),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
