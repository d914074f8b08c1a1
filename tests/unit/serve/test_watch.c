/* SPDX-License-Identifier: Apache-2.0 */
/* Who has ended: noticed by the watch, told right, and nobody else. */
#include "dead_program.h"
#include "postmortem.h"
#include "reader.h"
#include "watch.h"
#include "worker.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], state[80];
static struct serve_options options;
static struct server server;

static void server_start(void)
{
	server = (struct server){.options = &options};
	server.base = event_base_new();
	assert_int_equal(worker_create(&server.worker, server.base), 0);
	assert_int_equal(postmortems_create(&server.postmortems, &server), 0);
	assert_int_equal(watch_create(&server.watch, &server), 0);
}

static void server_stop(void)
{
	watch_destroy(server.watch);
	worker_destroy(server.worker);
	postmortems_destroy(server.postmortems);
	event_base_free(server.base);
}

static int setup_dir(void **unused)
{
	(void)unused;
	log_start(LOG_LEVEL_ERROR);
	program_dir_make(&dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	options = (struct serve_options){
		.state_dir = state, .dead_files = 200, .dead_bytes = 256 << 20};
	return 0;
}

static int setup(void **unused)
{
	setup_dir(unused);
	server_start();
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	server_stop();
	program_dir_remove(dir);
	return 0;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Runs the loop until it is so. */
static void until(bool (*so)(const void *arg), const void *arg)
{
	const struct timeval most = {.tv_sec = 30};
	bool late = false;
	struct event *timer = evtimer_new(server.base, on_late, &late);

	evtimer_add(timer, &most);
	while (!so(arg) && !late)
		event_base_loop(server.base, EVLOOP_ONCE);
	event_free(timer);
	assert_false(late);
}

static bool is_gone(const void *arg)
{
	return access(((const struct program *)arg)->path, F_OK) != 0;
}

static bool is_known(const void *arg)
{
	return watch_stats(server.watch).segments == *(const uint64_t *)arg;
}

/* Until the programs that run have been seen. */
static void seen(uint64_t number)
{
	until(is_known, &number);
}

static int take_view(struct segment_view *view, void *arg)
{
	*(struct segment_view **)arg = view;
	return 0;
}

/* The post-mortem of a program; NULL: there is none. */
static struct segment_view *postmortem_of(const struct program *program)
{
	const char *dead = postmortems_dir(server.postmortems);
	struct postmortem_list list = {0};
	struct segment_view *view = NULL;
	char path[PATH_MAX + POSTMORTEM_NAME];

	assert_int_equal(postmortem_list(&list, dead), 0);
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].identity != program->identity)
			continue;
		assert_null(view); /* not twice */
		snprintf(path, sizeof(path), "%s/%s", dead, list.items[i].name);
		assert_int_equal(segment_file_read(path, take_view, &view, NULL), 0);
	}
	postmortem_list_finish(&list);
	return view;
}

static void ended_as(const struct program *program, uint32_t how, int32_t code)
{
	struct segment_view *view = postmortem_of(program);

	assert_non_null(view);
	assert_int_equal(view->end.how, how);
	assert_int_equal(view->end.code, code);
	segment_view_destroy(view);
}

static const struct program_plan one = {.buffers = 1};

static void a_killed_one_whose_parent_waits(void **unused)
{
	struct program program = program_start(&one);

	(void)unused;
	seen(1);
	program_end(&program, SIGSEGV);
	until(is_gone, &program);
	ended_as(&program, END_SIGNAL, SIGSEGV);
	seen(0);
	assert_int_equal(server.stats.processes_ended, 1);
}

static void a_zombie_is_dead(void **unused)
{
	struct program program = program_start(&one);

	(void)unused;
	seen(1);
	kill(program.pid, SIGKILL);
	until(is_gone, &program);
	ended_as(&program, END_SIGNAL, SIGKILL);
	assert_int_equal(waitpid(program.pid, NULL, 0), program.pid);
}

static void an_exit_status(void **unused)
{
	struct program program = program_start(&one);

	(void)unused;
	seen(1);
	program_end(&program, 0);
	until(is_gone, &program);
	ended_as(&program, END_EXIT, 3);
}

static void one_that_died_before_the_server(void **unused)
{
	struct program program = program_dead(&one);

	(void)unused;
	server_start();
	until(is_gone, &program);
	ended_as(&program, END_UNKNOWN, 0);
}

static void one_without_buffers_leaves_nothing(void **unused)
{
	struct program program = program_start(&(struct program_plan){.buffers = 0});

	(void)unused;
	seen(1);
	program_end(&program, SIGKILL);
	until(is_gone, &program);
	assert_null(postmortem_of(&program));
}

static void a_stopped_one_is_alive(void **unused)
{
	struct program stopped = program_start(&one), other = program_start(&one);

	(void)unused;
	seen(2);
	kill(stopped.pid, SIGSTOP);
	assert_int_equal(waitpid(stopped.pid, NULL, WUNTRACED), stopped.pid);
	program_end(&other, SIGKILL);
	until(is_gone, &other);
	assert_false(is_gone(&stopped));
	assert_null(postmortem_of(&stopped));
	program_end(&stopped, SIGKILL);
	until(is_gone, &stopped);
	ended_as(&stopped, END_SIGNAL, SIGKILL);
}

static void a_directory_that_comes_later(void **unused)
{
	char below[96];
	struct program program;

	(void)unused;
	snprintf(below, sizeof(below), "%s/later", dir);
	setenv("MESHTALLY_DIR", below, 1);
	server_start();
	program = program_start(&one); /* makes it */
	seen(1);
	program_end(&program, SIGKILL);
	until(is_gone, &program);
	ended_as(&program, END_SIGNAL, SIGKILL);
}

static void a_directory_that_goes_and_comes(void **unused)
{
	char below[96];
	struct program program;

	(void)unused;
	snprintf(below, sizeof(below), "%s/again", dir);
	setenv("MESHTALLY_DIR", below, 1);
	mkdir(below, 0700);
	server_start();
	for (int i = 0; i < 3; i++) {
		program = program_start(&one);
		seen(1);
		program_end(&program, SIGKILL);
		until(is_gone, &program);
		seen(0);
		assert_int_equal(rmdir(below), 0);
	}
}

static int lowest_free_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void without_inotify(void **unused)
{
	struct rlimit limit, none;
	struct program known, program;

	(void)unused;
	known = program_start(&one);
	server = (struct server){.options = &options};
	server.base = event_base_new();
	assert_int_equal(worker_create(&server.worker, server.base), 0);
	assert_int_equal(postmortems_create(&server.postmortems, &server), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)lowest_free_descriptor();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(watch_create(&server.watch, &server), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_false(watch_stats(server.watch).inotify);
	program = program_start(&one);
	seen(2);
	program_end(&program, SIGKILL);
	program_end(&known, SIGKILL);
	until(is_gone, &program);
	until(is_gone, &known);
	ended_as(&program, END_SIGNAL, SIGKILL);
}

static bool has_scanned(const void *arg)
{
	return watch_stats(server.watch).scans > *(const uint64_t *)arg;
}

/* A directory beside that of the segments is a reason to look at everything. */
static void have_it_scan(void)
{
	uint64_t scans = watch_stats(server.watch).scans;
	char beside[80];

	snprintf(beside, sizeof(beside), "%s-beside", dir);
	assert_int_equal(mkdir(beside, 0700), 0);
	until(has_scanned, &scans);
	assert_int_equal(rmdir(beside), 0);
}

static void a_scan_without_a_descriptor_forgets_nobody(void **unused)
{
	struct program program = program_start(&one);
	struct rlimit limit, none;

	(void)unused;
	seen(1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)lowest_free_descriptor();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	have_it_scan();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(watch_stats(server.watch).segments, 1);
	assert_int_equal(watch_stats(server.watch).ended, 0);
	program_end(&program, SIGKILL);
	until(is_gone, &program);
	ended_as(&program, END_SIGNAL, SIGKILL);
}

/* The name is the same, the directory another: that one is watched from then on. */
static void a_name_that_comes_to_mean_another_directory(void **unused)
{
	char first[96], second[96], link[96], new_link[96], path[128];

	(void)unused;
	snprintf(first, sizeof(first), "%s/first", dir);
	snprintf(second, sizeof(second), "%s/second", dir);
	snprintf(link, sizeof(link), "%s-link", dir);
	snprintf(new_link, sizeof(new_link), "%s-new", dir);
	mkdir(first, 0700);
	mkdir(second, 0700);
	assert_int_equal(symlink(first, link), 0);
	assert_int_equal(symlink(second, new_link), 0);
	setenv("MESHTALLY_DIR", link, 1);
	server_start();
	assert_int_equal(rename(new_link, link), 0);
	have_it_scan();
	snprintf(path, sizeof(path), "%s/1-0000000000000001.seg", second);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	seen(1);
	unlink(path);
	seen(0);
	unlink(link);
	assert_true(watch_stats(server.watch).scans <= 3); /* it was told of both */
}

/* Its own parent, as "." is by its name. */
static void a_directory_that_is_watched_as_a_parent_too(void **unused)
{
	char path[128];

	(void)unused;
	assert_int_equal(chdir(dir), 0);
	setenv("MESHTALLY_DIR", ".", 1);
	server_start();
	snprintf(path, sizeof(path), "%s/1-0000000000000001.seg", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	seen(1);
	unlink(path);
	seen(0);
	assert_int_equal(chdir("/"), 0);
	assert_true(watch_stats(server.watch).scans <= 2);
}

/* More than fits into the queue: what was lost is found by looking at everything. */
static void an_overflow(void **unused)
{
	struct program program = program_start(&one);
	FILE *most = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	char path[100];
	long events = 0;

	(void)unused;
	assert_int_equal(fscanf(most, "%ld", &events), 1);
	fclose(most);
	if (events > 100000)
		skip();
	snprintf(path, sizeof(path), "%s/x", dir);
	for (long i = 0; i < events / 2 + 10; i++) { /* alike ones in a row are one event */
		close(open(path, O_WRONLY | O_CREAT, 0600));
		unlink(path);
	}
	program_end(&program, SIGKILL);
	until(is_gone, &program);
}

static void a_corrupt_one_among_good_ones(void **unused)
{
	struct program program = program_start(&one);
	char path[100];
	int fd;

	(void)unused;
	snprintf(path, sizeof(path), "%s/1-0000000000000001.seg", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "no segment", 10), 10);
	close(fd);
	seen(2);
	program_end(&program, SIGKILL);
	until(is_gone, &program);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	seen(0);
}

static bool is_failed(const void *arg)
{
	(void)arg;
	return postmortems_stats(server.postmortems).failed != 0;
}

static void a_state_directory_that_is_none(void **unused)
{
	struct program program;

	(void)unused;
	close(open(state, O_WRONLY | O_CREAT, 0600));
	server_start();
	program = program_start(&one);
	seen(1);
	program_end(&program, SIGKILL);
	until(is_failed, NULL);
	assert_false(is_gone(&program));
}

enum { MANY = 50 };

static void many_at_once(void **unused)
{
	struct program programs[MANY];

	(void)unused;
	for (int i = 0; i < MANY; i++)
		programs[i] = program_start(&one);
	seen(MANY);
	for (int i = 0; i < MANY; i++)
		kill(programs[i].pid, SIGKILL);
	for (int i = 0; i < MANY; i++)
		until(is_gone, &programs[i]);
	for (int i = 0; i < MANY; i++) {
		ended_as(&programs[i], END_SIGNAL, SIGKILL);
		waitpid(programs[i].pid, NULL, 0);
	}
}

/* --- processes ------------------------------------------------------------------------------ */

static struct segment_end told;

static void on_ended(void *arg, const struct segment_end *end)
{
	assert_ptr_equal(arg, &told);
	told = *end;
}

static bool is_told(const void *arg)
{
	(void)arg;
	return told.realtime_ns != 0;
}

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void a_process_by_its_pidfd(void **unused)
{
	pid_t pid = fork();
	int fd;

	(void)unused;
	if (pid == 0)
		for (;;)
			pause();
	fd = pidfd_of(pid);
	told = (struct segment_end){0};
	assert_non_null(watch_process(server.watch, fd, on_ended, &told));
	kill(pid, SIGTERM);
	until(is_told, NULL);
	assert_int_equal(told.how, END_SIGNAL);
	assert_int_equal(told.code, SIGTERM);
	waitpid(pid, NULL, 0);
	close(fd);
}

static void a_process_that_is_gone_already(void **unused)
{
	pid_t pid = fork();
	int fd;

	(void)unused;
	if (pid == 0)
		_exit(5);
	fd = pidfd_of(pid);
	waitpid(pid, NULL, 0);
	told = (struct segment_end){0};
	assert_non_null(watch_process(server.watch, fd, on_ended, &told));
	until(is_told, NULL);
	/* Older kernels forget it. */
	assert_true(told.how == END_UNKNOWN || (told.how == END_EXIT && told.code == 5));
	close(fd);
}

static void a_process_that_is_forgotten(void **unused)
{
	struct watched_process *process;
	struct program program = program_start(&one);
	pid_t pid = fork();
	int fd;

	(void)unused;
	if (pid == 0)
		for (;;)
			pause();
	seen(1);
	fd = pidfd_of(pid);
	told = (struct segment_end){0};
	process = watch_process(server.watch, fd, on_ended, &told);
	watch_forget(process);
	watch_forget(NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	program_end(&program, SIGKILL);
	until(is_gone, &program);
	assert_int_equal(told.realtime_ns, 0);
	close(fd);
}

int main(void)
{
#define TEST(name)        cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_STARTS(name) cmocka_unit_test_setup_teardown(name, setup_dir, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_killed_one_whose_parent_waits),
		TEST(a_zombie_is_dead),
		TEST(an_exit_status),
		TEST_STARTS(one_that_died_before_the_server),
		TEST(one_without_buffers_leaves_nothing),
		TEST(a_stopped_one_is_alive),
		TEST_STARTS(a_directory_that_comes_later),
		TEST_STARTS(a_directory_that_goes_and_comes),
		TEST_STARTS(without_inotify),
		TEST(a_scan_without_a_descriptor_forgets_nobody),
		TEST_STARTS(a_name_that_comes_to_mean_another_directory),
		TEST_STARTS(a_directory_that_is_watched_as_a_parent_too),
		TEST(an_overflow),
		TEST(a_corrupt_one_among_good_ones),
		TEST_STARTS(a_state_directory_that_is_none),
		TEST(many_at_once),
		TEST(a_process_by_its_pidfd),
		TEST(a_process_that_is_gone_already),
		TEST(a_process_that_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
