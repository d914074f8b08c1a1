/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally run` with programs that know nothing of it: exit status, signals, environment. */
#include "cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starts `meshtally run -- sh -c script`; its standard output comes through ret_fd. */
static pid_t start(const char *script, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(fds[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl(MESHTALLY_COMMAND, "meshtally", "run", "--", "sh", "-c", script, NULL);
		_exit(99);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static int finish(pid_t pid, int fd)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void statuses(void **state)
{
	static const struct {
		const char *script;
		int status;
	} table[] = {
		{"exit 0", 0},
		{"exit 7", 7},
		{"kill -SEGV $$", 128 + SIGSEGV},
		{"kill -KILL $$", 128 + SIGKILL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int fd;
		pid_t pid = start(table[i].script, &fd);

		assert_int_equal(finish(pid, fd), table[i].status);
	}
}

static void environment(void **state)
{
	char line[128] = "";
	int fd;
	pid_t pid = start("echo $MESHTALLY $MESHTALLY_RUN", &fd);
	FILE *stream = fdopen(fd, "r");

	(void)state;
	assert_non_null(fgets(line, sizeof(line), stream));
	assert_int_equal(strspn(line + 2, "0123456789abcdef"), 16);
	assert_int_equal(line[0], '1');
	assert_int_equal(line[18], '\n');
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fclose(stream);
}

/* The program says that it is ready, is signalled through `run`, and ends by its own will. */
static void signals(void **state)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
	char byte;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char script[160];
		pid_t pid;
		int fd;

		snprintf(script, sizeof(script),
		         "trap 'kill $!; exit 42' %d; tail -f /dev/null & echo r; wait",
		         numbers[i]);
		pid = start(script, &fd);
		assert_int_equal(read(fd, &byte, 1), 1);
		assert_int_equal(kill(pid, numbers[i]), 0);
		assert_int_equal(finish(pid, fd), 42);
	}
}

static void not_a_program(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(system(MESHTALLY_COMMAND " run -- /nonexistent 2>/dev/null")),
	                 127);
	assert_int_equal(WEXITSTATUS(system(MESHTALLY_COMMAND " run -- /tmp 2>/dev/null")), 126);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(environment),
		cmocka_unit_test(signals),
		cmocka_unit_test(not_a_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
