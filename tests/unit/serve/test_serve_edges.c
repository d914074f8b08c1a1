/* SPDX-License-Identifier: Apache-2.0 */
/* The server's edges: its log, what it tells a service manager, the names of its sockets. */
#include "claim.h"
#include "listener.h"
#include "log.h"
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/meshtally-edges-XXXXXX";
static int stderr_before;

static int setup(void **state)
{
	(void)state;
	stderr_before = dup(STDERR_FILENO);
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

static void path_of(char (*ret)[128], const char *name)
{
	snprintf(*ret, sizeof(*ret), "%s/%s", directory, name);
}

/* Standard error becomes a pipe; the end to read from. */
static int catch_stderr(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	return ends[0];
}

static void release_stderr(int fd)
{
	dup2(stderr_before, STDERR_FILENO);
	close(fd);
}

static size_t take(int fd, char *ret, size_t size)
{
	ssize_t length = read(fd, ret, size - 1);

	ret[length > 0 ? length : 0] = '\0';
	return length > 0 ? (size_t)length : 0;
}

static void log_levels_and_foreign_text(void **state)
{
	char text[8192];
	int fd = catch_stderr();

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_start(LOG_LEVEL_WARNING);
	log_info("not this");
	log_warning("a name: %s", "x\n\033[31mnew");
	take(fd, text, sizeof(text));
	release_stderr(fd);
	assert_non_null(strstr(text, " warning: a name: x"));
	assert_null(strstr(text, "not this"));
	assert_null(strchr(text, '\033'));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void log_to_the_journal(void **state)
{
	char stream[64], text[1024];
	int fd = catch_stderr();
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
	         (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_start(LOG_LEVEL_INFO);
	log_error("bad");
	log_info("good");
	take(fd, text, sizeof(text));
	unsetenv("JOURNAL_STREAM");
	release_stderr(fd);
	assert_string_equal(text, "<3>bad\n<6>good\n");
}

/* Nobody reads: no call blocks, and what was lost is told once somebody does. */
static void log_that_nobody_reads(void **state)
{
	static char text[1 << 20];
	int fd = catch_stderr();

	(void)state;
	log_start(LOG_LEVEL_INFO);
	/* A blocking pipe, as others may have made it. */
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, 0), 0);
	for (int i = 0; i < 20000; i++)
		log_info("line %d of many", i);
	while (take(fd, text, sizeof(text)) == sizeof(text) - 1)
		continue;
	log_info("after all");
	take(fd, text, sizeof(text));
	release_stderr(fd);
	assert_non_null(strstr(text, "after all ("));
	assert_non_null(strstr(text, "lines before this one could not be written"));
}

static void log_of_what_happens_often(void **state)
{
	struct log_gate gate = {.burst = 2};
	char text[8192];
	int fd = catch_stderr();

	(void)state;
	log_start(LOG_LEVEL_INFO);
	for (int i = 0; i < 10; i++)
		log_gated(&gate, LOG_LEVEL_INFO, "event %d", i);
	gate.end_ns = 0; /* a second later */
	log_gated(&gate, LOG_LEVEL_INFO, "later");
	take(fd, text, sizeof(text));
	release_stderr(fd);
	assert_non_null(strstr(text, "event 1"));
	assert_null(strstr(text, "event 2"));
	assert_non_null(strstr(text, "later (and 8 more like it)"));
}

static void notify_a_manager(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char path[128], text[256];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify("READY=1"); /* nobody there */
	path_of(&path, "notify");
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	notify("READY=1");
	take(fd, text, sizeof(text));
	assert_string_equal(text, "READY=1");
	notify_reloading();
	take(fd, text, sizeof(text));
	assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
	for (int i = 0; i < 10000; i++)
		notify("WATCHDOG=1"); /* does not block */
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink(path);
}

static void watchdog(void **state)
{
	char pid[16];

	(void)state;
	assert_int_equal(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	assert_int_equal(notify_watchdog_us(), 1500000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_us(), 1500000);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void passed_sockets_of_somebody_else(void **state)
{
	struct passed_socket passed[4];

	(void)state;
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(notify_passed_sockets(passed, 4), 0);
	assert_null(getenv("LISTEN_FDS"));
}

static void names_of_sockets(void **state)
{
	struct listener one, other;
	struct text error = {0};
	struct stat st;
	char path[128];

	(void)state;
	path_of(&path, "socket");
	assert_int_equal(listener_open(&one, path, 0640, &error), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(listener_open(&other, path, 0600, &error), -EADDRINUSE);
	text_clear(&error);
	/* Somebody else's by now. */
	unlink(path);
	assert_int_equal(listener_open(&other, path, 0600, &error), 0);
	listener_close(&one);
	assert_int_equal(stat(path, &st), 0);
	/* A server dies: its name stays, and is replaced. */
	close(other.fd);
	assert_int_equal(listener_open(&other, path, 0600, &error), 0);
	listener_close(&other);
	assert_int_equal(stat(path, &st), -1);
	text_finish(&error);
}

static void names_that_are_no_sockets(void **state)
{
	struct listener listener;
	struct text error = {0};
	char path[128], longest[200];
	int fd;

	(void)state;
	path_of(&path, "file");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(listener_open(&listener, path, 0600, &error), -EEXIST);
	assert_non_null(strstr(text_string(&error), "not a socket"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	text_clear(&error);
	assert_int_equal(listener_open(&listener, longest, 0600, &error), -ENAMETOOLONG);
	assert_non_null(strstr(text_string(&error), "107"));
	text_finish(&error);
}

static void one_server_per_directory(void **state)
{
	struct text error = {0};
	char path[128], words[32];
	int first = claim_directory(directory, &error), second;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(claim_directory(directory, &error), -EAGAIN);
	snprintf(words, sizeof(words), "(pid %d)", (int)getpid());
	assert_non_null(strstr(text_string(&error), words));
	close(first);
	text_clear(&error);
	second = claim_directory(directory, &error);
	assert_true(second >= 0);
	close(second);
	path_of(&path, ".server.lock");
	unlink(path);
	text_finish(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_levels_and_foreign_text),
		cmocka_unit_test(log_to_the_journal),
		cmocka_unit_test(log_that_nobody_reads),
		cmocka_unit_test(log_of_what_happens_often),
		cmocka_unit_test(notify_a_manager),
		cmocka_unit_test(watchdog),
		cmocka_unit_test(passed_sockets_of_somebody_else),
		cmocka_unit_test(names_of_sockets),
		cmocka_unit_test(names_that_are_no_sockets),
		cmocka_unit_test(one_server_per_directory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
