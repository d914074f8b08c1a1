/* SPDX-License-Identifier: Apache-2.0 */
/* Who is believed to be meant by a message's pid, and what is known of it. */
#include "cmocka_all.h"
#include "subject.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, NOT_PERMITTED = 77 };

/* A process that connects to us, with a line by which it tells of itself and is told to go. */
struct client {
	pid_t pid;  /* as we see it */
	int socket; /* our end of its connection */
	int line;
	struct subject_peer peer;
};

static int listener;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static int group_setup(void **state)
{
	(void)state;
	unsetenv("TT_VISIBLE_DEVICES");
	unsetenv("TT_METAL_VISIBLE_DEVICES");
	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "meshtally-subject-%d",
	         (int)getpid());
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	return listener < 0 || bind(listener, (void *)&address, sizeof address) ||
	       listen(listener, 8);
}

static int connect_to_us(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (void *)&address, sizeof address) != 0)
		_exit(99);
	return fd;
}

static void tell(int line, int32_t number)
{
	if (write(line, &number, sizeof number) != sizeof number)
		_exit(98);
}

static int32_t told(int line)
{
	int32_t number = -1;

	assert_int_equal(read(line, &number, sizeof number), sizeof number);
	return number;
}

/* Until the other side hangs up. */
static void wait_for_end(int line)
{
	char byte;

	while (read(line, &byte, 1) > 0)
		;
}

static void client_accept(struct client *client)
{
	client->socket = accept(listener, NULL, NULL);
	assert_true(client->socket >= 0);
	assert_int_equal(subject_peer_of(client->socket, &client->peer), 0);
}

/* Starts run() in a child; it gets its end of the line. */
static void client_start(struct client *client, void (*run)(int line))
{
	int ends[2];

	memset(client, 0, sizeof *client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	client->pid = fork();
	if (client->pid == 0) {
		close(ends[0]);
		run(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	client->line = ends[0];
}

static int client_stop(struct client *client)
{
	int status = -1;

	close(client->line);
	if (client->socket > 0)
		close(client->socket);
	subject_peer_finish(&client->peer);
	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	return status;
}

static void assert_found(struct subject_peer *peer, int32_t number, int32_t pid)
{
	struct subject subject;

	assert_int_equal(subject_find(peer, number, &subject), 0);
	assert_int_equal(subject.who.process.pid, pid);
	assert_false(subject.connection_only);
	assert_true(subject_is_current(&subject));
	subject_finish(&subject);
}

static void assert_refused(struct subject_peer *peer, int32_t number)
{
	struct subject subject;

	assert_int_equal(subject_find(peer, number, &subject), -EPERM);
}

/* Nobody, as far as can be told. */
static void assert_gone(struct subject_peer *peer, int32_t number)
{
	struct subject subject;

	assert_int_equal(subject_find(peer, number, &subject), -ESRCH);
}

/* --- peers ------------------------------------------------------------------------------- */

static void run_plain(int line)
{
	int fd = connect_to_us();

	wait_for_end(line);
	close(fd);
}

static void test_a_peer(void **state)
{
	struct stat namespace;
	struct subject subject;
	struct client client;

	(void)state;
	client_start(&client, run_plain);
	client_accept(&client);
	assert_int_equal(client.peer.pid, client.pid);
	assert_int_equal(client.peer.own_pid, client.pid);
	assert_int_equal(client.peer.uid, geteuid());
	assert_int_equal(subject_find(&client.peer, client.pid, &subject), 0);
	assert_int_equal(subject.who.process.pid, client.pid);
	assert_int_equal(subject.who.process.uid, getuid());
	assert_int_equal(stat("/proc/self/ns/pid", &namespace), 0);
	assert_int_equal(subject.who.process.pid_ns, namespace.st_ino);
	assert_true(subject.who.process.start_ticks > 0);
	assert_non_null(strstr(subject.who.command_line, "unit-ingest-subject"));
	assert_string_equal(subject.who.comm, "unit-ingest-sub");
	assert_int_equal(subject.who.inner_pid, 0);
	assert_int_equal(subject.who.inner_pid_ns, 0);
	assert_true(subject_same(&subject, &client.peer.self));
	subject_finish(&subject);
	client_stop(&client);
}

static void test_strangers(void **state)
{
	struct client client, sibling;

	(void)state;
	client_start(&client, run_plain);
	client_accept(&client);
	client_start(&sibling, run_plain);
	client_accept(&sibling);
	assert_refused(&client.peer, sibling.pid);
	assert_refused(&sibling.peer, client.pid);
	assert_refused(&client.peer, getpid()); /* a parent is not a descendant */
	assert_refused(&client.peer, 1);
	assert_refused(&client.peer, 0);
	assert_refused(&client.peer, -1);
	assert_refused(&client.peer, INT32_MIN);
	assert_gone(&client.peer, INT32_MAX);
	client_stop(&sibling);
	assert_gone(&client.peer, sibling.pid);
	client_stop(&client);
}

/* A child and a grandchild speak over the socket that they inherited. */
static void run_family(int line)
{
	int fd = connect_to_us();
	pid_t child = fork();

	if (child == 0) {
		pid_t grandchild = fork();

		if (grandchild != 0)
			tell(line, grandchild);
		wait_for_end(line);
		_exit(0);
	}
	tell(line, child);
	wait_for_end(line);
	while (wait(NULL) > 0)
		;
	close(fd);
}

static void test_descendants(void **state)
{
	struct client client;
	int32_t a, b;

	(void)state;
	client_start(&client, run_family);
	client_accept(&client);
	a = told(client.line);
	b = told(client.line);
	assert_found(&client.peer, client.pid, client.pid);
	assert_found(&client.peer, a, a);
	assert_found(&client.peer, b, b);
	/* Were the peer another process of the same number, they would not be its descendants. */
	client.peer.self.who.process.start_ticks++;
	assert_refused(&client.peer, a);
	assert_refused(&client.peer, b);
	client_stop(&client);
}

/* A child that has ended before anybody looked is no stranger. */
static void run_childs_end(int line)
{
	int fd = connect_to_us();
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	tell(line, child);
	wait_for_end(line);
	close(fd);
}

static void test_a_child_that_has_ended(void **state)
{
	struct client client;

	(void)state;
	client_start(&client, run_childs_end);
	client_accept(&client);
	assert_gone(&client.peer, told(client.line));
	client_stop(&client);
}

/* What it costs to look is limited by who asks. */
static void test_looks_are_counted(void **state)
{
	struct subject subject;
	struct client client;
	int32_t child, before;

	(void)state;
	client_start(&client, run_family);
	client_accept(&client);
	child = told(client.line);
	(void)told(client.line);
	before = (int32_t)client.peer.looks;
	assert_found(&client.peer, child, child);
	assert_true((int32_t)client.peer.looks < before);
	client.peer.looks = 3;
	assert_int_equal(subject_find(&client.peer, INT32_MAX, &subject), -EBUSY);
	client.peer.looks = 0;
	assert_int_equal(subject_find(&client.peer, child, &subject), -EBUSY);
	assert_int_equal(subject_find(&client.peer, 1, &subject), -EBUSY);
	assert_found(&client.peer, client.pid, client.pid);
	client_stop(&client);
}

/* --- ends -------------------------------------------------------------------------------- */

static void test_the_end_of_a_peer(void **state)
{
	struct subject subject, copy;
	struct pollfd wait_fd;
	struct client client;
	siginfo_t info;

	(void)state;
	client_start(&client, run_plain);
	client_accept(&client);
	assert_int_equal(subject_find(&client.peer, client.pid, &subject), 0);
	assert_int_equal(subject_copy(&subject, &copy), 0);
	assert_true(subject_is_current(&subject));
	kill(client.pid, SIGKILL);
	wait_fd = (struct pollfd){.fd = subject.pidfd, .events = POLLIN};
	assert_int_equal(poll(&wait_fd, 1, 10000), 1);
	assert_int_equal(waitid(P_PID, (id_t)client.pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(subject_is_current(&subject)); /* a zombie */
	assert_int_equal(waitpid(client.pid, NULL, 0), client.pid);
	assert_false(subject_is_current(&subject));
	subject_finish(&subject);
	assert_false(subject_is_current(&copy));
	subject_finish(&copy);
	/* Its messages may still be read: who it was is known. */
	assert_int_equal(subject_find(&client.peer, client.pid, &subject), 0);
	assert_int_equal(subject.who.process.pid, client.pid);
	assert_false(subject_is_current(&subject));
	subject_finish(&subject);
	assert_int_equal(subject_find(&client.peer, getpid(), &subject), -ESRCH);
	close(client.line);
	close(client.socket);
	subject_peer_finish(&client.peer);
}

/* Connects, and is gone before anybody accepts. */
static void run_brief(int line)
{
	(void)line;
	connect_to_us();
}

static void test_a_peer_that_ended_before(void **state)
{
	struct client client;
	struct subject subject;

	(void)state;
	client_start(&client, run_brief);
	assert_int_equal(waitpid(client.pid, NULL, 0), client.pid);
	client_accept(&client);
	assert_int_equal(client.peer.pid, client.pid);
	assert_int_equal(subject_find(&client.peer, client.pid, &subject), 0);
	assert_true(subject.connection_only);
	assert_int_equal(subject.who.process.pid, client.pid);
	assert_true(subject_is_current(&subject));
	assert_false(subject_same(&subject, &client.peer.self));
	subject_finish(&subject);
	close(client.line);
	close(client.socket);
	subject_peer_finish(&client.peer);
}

static void test_the_same_pid_is_not_the_same_process(void **state)
{
	struct segment_process process;
	struct subject subject;
	struct client client;

	(void)state;
	client_start(&client, run_plain);
	client_accept(&client);
	process = client.peer.self.who.process;
	assert_int_equal(subject_of_process(&process, &subject), 0);
	subject_finish(&subject);
	process.start_ticks--;
	assert_int_equal(subject_of_process(&process, &subject), -ESRCH);
	process.start_ticks++;
	process.pid_ns++;
	assert_int_equal(subject_of_process(&process, &subject), -ESRCH);
	process.pid_ns--;
	client_stop(&client);
	assert_int_equal(subject_of_process(&process, &subject), -ESRCH);
}

/* --- names ------------------------------------------------------------------------------- */

static void run_renamed(int line)
{
	int fd;

	prctl(PR_SET_NAME, "x");
	fd = connect_to_us();
	wait_for_end(line);
	close(fd);
}

/* Nothing of this process's memory follows it: it goes into a file that others read. */
static void test_short_names(void **state)
{
	static const char expected[16] = "x";
	struct client client;

	(void)state;
	client_start(&client, run_renamed);
	client_accept(&client);
	assert_memory_equal(client.peer.self.who.comm, expected, sizeof expected);
	client_stop(&client);
}

/* --- environment ------------------------------------------------------------------------- */

/* Becomes another program, with the connection, and an environment of its own. */
static void run_exec(int line)
{
	static char *const environment[] = {"RANK=12", "TT_VISIBLE_DEVICES=2, 3", NULL};
	char text[16];
	char *const arguments[] = {"subject-program", "child", text, NULL};

	connect_to_us();
	snprintf(text, sizeof text, "%d", line);
	execve("/proc/self/exe", arguments, environment);
}

static void test_the_environment(void **state)
{
	struct subject subject;
	struct client client;

	(void)state;
	client_start(&client, run_exec);
	assert_int_equal(told(client.line), client.pid);
	client_accept(&client);
	assert_int_equal(subject_find(&client.peer, client.pid, &subject), 0);
	assert_int_equal(subject.who.rank, 12);
	assert_int_equal(subject.ordinals, subject_ordinals("2,3", NULL));
	assert_memory_equal(subject.who.command_line, "subject-program child ", 22);
	subject_finish(&subject);
	client_stop(&client);
}

static void test_masks(void **state)
{
	(void)state;
	assert_int_equal(subject_ordinals(NULL, NULL), SUBJECT_ORDINALS_ALL);
	assert_int_equal(subject_ordinals("", NULL), SUBJECT_ORDINALS_ALL);
	assert_int_equal(subject_ordinals("0,1", NULL), subject_ordinals(" 0, 1", ""));
	assert_int_not_equal(subject_ordinals("0,1", NULL), subject_ordinals("1,0", NULL));
	assert_int_not_equal(subject_ordinals("0", NULL), subject_ordinals(NULL, "0"));
	assert_int_not_equal(subject_ordinals("0", NULL), SUBJECT_ORDINALS_ALL);
	assert_int_not_equal(subject_ordinals("0", NULL), 0);
}

/* Runs check() in a child that connects nothing; its exit status is the verdict. */
static int status_of(void (*check)(int line))
{
	struct client client;
	int status;

	client_start(&client, check);
	status = client_stop(&client);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Another user's environment cannot be read: its mask is not known, not "all". */
static void check_as_nobody(int line)
{
	struct subject_peer peer;
	int ends[2];

	(void)line;
	/* The peer of a pair is who made it. */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || setgid(NOBODY) || setuid(NOBODY))
		_exit(NOT_PERMITTED);
	if (subject_peer_of(ends[0], &peer) != 0 || peer.uid != 0)
		_exit(1);
	/* Now it is ourselves, but of root's time: not dumpable, so not to be looked into. */
	if (peer.self.ordinals != 0 || peer.self.who.rank != -1 || peer.pid != getpid())
		_exit(2);
	_exit(0);
}

static void test_an_environment_that_is_not_ours(void **state)
{
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	status = status_of(check_as_nobody);
	if (status == NOT_PERMITTED)
		skip();
	assert_int_equal(status, 0);
}

/* --- namespaces -------------------------------------------------------------------------- */

/* In a pid namespace of its own: number 1, with a child that is number 2. */
static void run_in_namespace(int line)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
		tell(line, NOT_PERMITTED);
		return;
	}
	if (fork() != 0) {
		wait(NULL);
		return;
	}
	connect_to_us();
	tell(line, getpid());
	if (fork() == 0) {
		tell(line, getpid());
		wait_for_end(line);
		_exit(0);
	}
	wait_for_end(line);
	wait(NULL);
}

static void test_a_peer_in_another_namespace(void **state)
{
	struct subject first, second;
	struct client client;
	int32_t number;

	(void)state;
	client_start(&client, run_in_namespace);
	number = told(client.line);
	if (number == NOT_PERMITTED) {
		client_stop(&client);
		skip();
	}
	assert_int_equal(number, 1);
	client_accept(&client);
	assert_int_equal(told(client.line), 2);
	assert_int_equal(client.peer.own_pid, 1);
	assert_int_not_equal(client.peer.pid, 1);
	assert_int_equal(subject_find(&client.peer, 1, &first), 0);
	assert_int_equal(first.who.process.pid, client.peer.pid);
	assert_int_equal(subject_find(&client.peer, 2, &second), 0);
	assert_int_not_equal(second.who.process.pid, 2);
	assert_false(subject_same(&first, &second));
	assert_true(subject_is_current(&second));
	assert_int_equal(first.who.inner_pid, 1);
	assert_int_equal(second.who.inner_pid, 2);
	assert_int_not_equal(first.who.inner_pid_ns, first.who.process.pid_ns);
	assert_int_equal(second.who.inner_pid_ns, first.who.inner_pid_ns);
	assert_gone(&client.peer, 3);
	assert_gone(&client.peer, client.peer.pid); /* not what it calls itself */
	assert_gone(&client.peer, client.pid);      /* our number of its parent */
	subject_finish(&first);
	subject_finish(&second);
	client_stop(&client);
}

/* A server in a namespace does not see who connects from outside. */
static void check_from_inside(int line)
{
	struct subject_peer peer;
	struct subject subject;
	int status = -1;

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
		_exit(NOT_PERMITTED);
	if (fork() != 0) {
		wait(&status);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	if (subject_peer_of(line, &peer) != 0 || peer.pid != 0)
		_exit(2); /* the pair was made outside */
	if (subject_find(&peer, 4711, &subject) != 0 || !subject.connection_only ||
	    subject.who.process.pid != 4711 || subject.who.process.pid_ns != 0)
		_exit(3);
	if (!subject_is_current(&subject) || subject_find(&peer, 0, &subject) != -EPERM)
		_exit(4);
	_exit(0);
}

static void test_a_peer_from_outside(void **state)
{
	int status;

	(void)state;
	status = status_of(check_from_inside);
	if (status == NOT_PERMITTED)
		skip();
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_peer),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_descendants),
		cmocka_unit_test(test_a_child_that_has_ended),
		cmocka_unit_test(test_looks_are_counted),
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_the_end_of_a_peer),
		cmocka_unit_test(test_a_peer_that_ended_before),
		cmocka_unit_test(test_the_same_pid_is_not_the_same_process),
		cmocka_unit_test(test_the_environment),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_an_environment_that_is_not_ours),
		cmocka_unit_test(test_a_peer_in_another_namespace),
		cmocka_unit_test(test_a_peer_from_outside),
	};

	if (argc == 3 && strcmp(argv[1], "child") == 0) {
		tell(atoi(argv[2]), getpid());
		wait_for_end(atoi(argv[2]));
		return 0;
	}
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
