/* SPDX-License-Identifier: Apache-2.0 */
/* The example's client against a listener of the test: bytes, threads, children, hang-ups. */
#include "tt_socket_client.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESSAGE_BYTES = 112, THREADS = 4, EVENTS = 500 };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char directory[] = "/tmp/mt-client.XXXXXX";

static int listen_here(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void take(int fd, uint8_t message[MESSAGE_BYTES])
{
	assert_int_equal(recv(fd, message, MESSAGE_BYTES, MSG_WAITALL), MESSAGE_BYTES);
}

static uint64_t number(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = count; i-- > 0;)
		value = value << 8 | bytes[i];
	return value;
}

static int connect_and_take(int listener, uint8_t message[MESSAGE_BYTES])
{
	int fd;

	assert_true(tt_socket_client_alloc(5, 0x123456789000, 4096, TT_SOCKET_L1));
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	take(fd, message);
	return fd;
}

static void test_bytes(void **state)
{
	static const uint8_t zeros[72];
	uint8_t message[MESSAGE_BYTES];
	int listener = listen_here(), fd = connect_and_take(listener, message);

	(void)state;
	assert_int_equal(number(message, 4), 1);
	assert_int_equal(number(message + 4, 4), 5);
	assert_int_equal(number(message + 8, 8), 4096);
	assert_int_equal(number(message + 16, 4), 1);
	assert_int_equal(number(message + 20, 4), getpid());
	assert_int_equal(number(message + 24, 8), 0x123456789000);
	assert_true(number(message + 32, 8) > 0);
	assert_memory_equal(message + 40, zeros, sizeof zeros);

	assert_true(tt_socket_client_free(7, 0x1000));
	take(fd, message);
	assert_int_equal(number(message, 4), 2);
	assert_int_equal(number(message + 4, 4), 7);
	assert_int_equal(number(message + 24, 8), 0x1000);
	assert_int_equal(number(message + 32, 8), 0);
	tt_socket_client_finish();
	close(fd);
	close(listener);
}

static void *send_events(void *arg)
{
	int32_t device = (int32_t)(intptr_t)arg;

	for (uint64_t i = 0; i < EVENTS; i++) {
		if (!tt_socket_client_alloc(device, i, i + 1, TT_SOCKET_DRAM))
			return arg;
	}
	return NULL;
}

/* Whole messages, each thread's in its order, whoever else sends; children as themselves. */
static void test_threads_and_a_child(void **state)
{
	uint64_t next[THREADS + 1] = {0};
	pthread_t threads[THREADS];
	uint8_t message[MESSAGE_BYTES];
	int listener = listen_here(), fd = connect_and_take(listener, message);
	pid_t child;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, send_events, (void *)(intptr_t)i);
	child = fork();
	if (child == 0)
		_exit(send_events((void *)(intptr_t)THREADS) != NULL);
	for (int i = 0; i < (THREADS + 1) * EVENTS; i++) {
		uint64_t device;

		take(fd, message);
		device = number(message + 4, 4);
		assert_in_range(device, 0, THREADS);
		assert_int_equal(number(message + 24, 8), next[device]++);
		assert_int_equal(number(message + 20, 4), device == THREADS ? child : getpid());
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	tt_socket_client_finish();
	close(fd);
	close(listener);
}

/* Nobody listens any more: no signal, no hanging, the events are counted as dropped. */
static void test_the_server_goes(void **state)
{
	uint8_t message[MESSAGE_BYTES];
	int listener = listen_here(), fd = connect_and_take(listener, message);
	uint64_t sent = tt_socket_client_sent(), dropped = tt_socket_client_dropped();

	(void)state;
	close(fd);
	close(listener);
	assert_false(tt_socket_client_alloc(0, 1, 1, TT_SOCKET_DRAM));
	assert_false(tt_socket_client_free(0, 1));
	assert_int_equal(tt_socket_client_sent(), sent);
	assert_int_equal(tt_socket_client_dropped(), dropped + 2);
	tt_socket_client_finish();
}

/* Another server takes its place: it gets the next event. */
static void test_another_server(void **state)
{
	uint8_t message[MESSAGE_BYTES];
	int listener = listen_here(), fd = connect_and_take(listener, message);

	(void)state;
	close(fd);
	close(listener);
	listener = listen_here();
	fd = connect_and_take(listener, message);
	assert_int_equal(number(message + 4, 4), 5);
	tt_socket_client_finish();
	close(fd);
	close(listener);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", directory);
	tt_socket_client_init(address.sun_path);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(address.sun_path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_threads_and_a_child),
		cmocka_unit_test(test_another_server),
		cmocka_unit_test(test_the_server_goes),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
