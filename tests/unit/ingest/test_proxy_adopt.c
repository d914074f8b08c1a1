/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a proxy, of its subject, and of the server: what is left, and what is taken over. */
#include "proxy_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 4096 };
#define ID 0x3ffff000u

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static char *kept_path(const struct proxy_fixture *fixture)
{
	return strdup(proxy_path(fixture->proxy));
}

static int count_files(const struct proxy_fixture *fixture)
{
	DIR *dir = opendir(fixture->directory);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

/* The server dies: its writers are unmapped and nothing is said. */
static char *leave(struct proxy_fixture *fixture)
{
	char *path = kept_path(fixture);

	proxy_leave(fixture->proxy);
	fixture->proxy = NULL;
	return path;
}

static int adopt(struct proxy_fixture *fixture, const char *path, enum writer_repeats repeats)
{
	const struct proxy_options options = {.repeats = repeats};

	return proxy_adopt(&fixture->proxy, path, &options);
}

static void test_an_exit(void **state)
{
	const struct segment_end end = {.how = END_EXIT, .code = 3, .realtime_ns = 12345};
	struct proxy_fixture *fixture = *state;
	bool kept = false;
	char *path;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	path = kept_path(fixture);
	proxy_end(fixture->proxy, &end, &kept);
	fixture->proxy = NULL;
	assert_true(kept);
	look_at(fixture, path);
	assert_int_equal(fixture->view->life, LIFE_ENDED);
	assert_int_equal(fixture->view->end.how, END_EXIT);
	assert_int_equal(fixture->view->end.code, 3);
	assert_int_equal(fixture->view->end.realtime_ns, 12345);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), BYTES);
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), -ESRCH);
	assert_true(exists(path));
	free(path);
}

static void test_a_signal(void **state)
{
	const struct segment_end end = {.how = END_SIGNAL, .code = SIGKILL, .realtime_ns = 1};
	struct proxy_fixture *fixture = *state;
	char *path;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	path = kept_path(fixture);
	proxy_end(fixture->proxy, &end, NULL);
	fixture->proxy = NULL;
	look_at(fixture, path);
	assert_int_equal(fixture->view->life, LIFE_KILLED);
	assert_int_equal(fixture->view->end.code, SIGKILL);
	free(path);
}

static void test_nobody_needs_a_spotless_one(void **state)
{
	const struct segment_end end = {.how = END_EXIT, .realtime_ns = 1};
	struct proxy_fixture *fixture = *state;
	bool kept = true;
	char *path;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	send_free(fixture, 1, ID);
	path = kept_path(fixture);
	proxy_end(fixture->proxy, &end, &kept);
	fixture->proxy = NULL;
	assert_false(kept);
	assert_false(exists(path));
	free(path);
}

static void test_left_behind_it_is_stale_but_alive(void **state)
{
	struct proxy_fixture *fixture = *state;
	char *path;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	path = leave(fixture);
	look_at(fixture, path);
	assert_int_equal(fixture->view->life, LIFE_ALIVE);
	assert_true(fixture->view->writer_gone);
	free(path);
}

/* Everything is found again, and later messages hit it. */
static void test_taken_over(void **state)
{
	static const enum writer_repeats modes[] = {REPEATS_COLLAPSE, REPEATS_COUNT};
	struct proxy_fixture *fixture = *state;

	for (size_t i = 0; i < 2; i++) {
		char *path;
		uint32_t kernel;

		fixture_open(fixture, modes[i]);
		for (int32_t device = 0; device < 8; device++)
			send_alloc(fixture, device, ID, BYTES, 0);
		send_alloc(fixture, 700, ID, BYTES, 4);
		send_type(fixture, TT_CB_ALLOC, 2, ID, 20, 0);
		send_type(fixture, TT_KERNEL_LOAD, 2, ID, 30, 0);
		send_free(fixture, 2, ID + 1); /* a fault */
		path = leave(fixture);
		assert_int_equal(adopt(fixture, path, modes[i]), 0);
		/* In its place, so that never two of it are there. */
		assert_string_equal(path, proxy_path(fixture->proxy));
		assert_int_equal(count_files(fixture), i + 1);
		free(path);
		look(fixture);
		kernel = kind_named(fixture, "KERNEL");
		assert_false(fixture->view->writer_gone);
		assert_int_equal(fixture->view->subject.pid, getpid());
		assert_int_equal(fixture->view->buffer_count, 11);
		assert_int_equal(bytes_on(fixture, 7, MT_DRAM), BYTES);
		assert_int_equal(bytes_on(fixture, 700, MT_TRACE), BYTES);
		assert_int_equal(bytes_on(fixture, 2, MT_CB), 20);
		assert_int_equal(bytes_on(fixture, 2, kernel), 30);
		assert_int_equal(faults_of(fixture, MT_UNKNOWN_FREE), 1);
		assert_int_equal(proxy_device_limit(fixture->proxy), 701);
		assert_int_equal(proxy_live(fixture->proxy), 11);

		for (int32_t device = 0; device < 8; device++)
			send_free(fixture, device, ID);
		send_free(fixture, 700, ID);
		send_type(fixture, TT_CB_FREE, 2, ID, 0, 0);
		send_type(fixture, TT_KERNEL_UNLOAD, 2, ID, 0, 0);
		send_type(fixture, TT_KERNEL_LOAD, 2, ID, 35, 0);
		send_alloc(fixture, 3, ID, 50, 1);
		look(fixture);
		assert_int_equal(fixture->view->buffer_count, 2);
		assert_int_equal(bytes_on(fixture, 2, kernel), 35);
		assert_int_equal(bytes_on(fixture, 3, MT_L1), 50);
		assert_int_equal(fixture->view->fault_total, 1);
		assert_int_equal(fixture->view->device_count, 9);
		proxy_leave(fixture->proxy);
		fixture->proxy = NULL;
	}
}

/* A mesh buffer is told by its backing one and on every device: the frees come after. */
static void test_reports_of_one_buffer_are_known_afterwards(void **state)
{
	static const enum writer_repeats modes[] = {REPEATS_COLLAPSE, REPEATS_COUNT};
	struct proxy_fixture *fixture = *state;

	for (size_t i = 0; i < 2; i++) {
		char *path;

		fixture_open(fixture, modes[i]);
		send_alloc(fixture, 0, ID, BYTES, 0);
		for (int32_t device = 0; device < 8; device++)
			send_alloc(fixture, device, ID, BYTES, 0);
		path = leave(fixture);
		assert_int_equal(adopt(fixture, path, modes[i]), 0);
		free(path);
		look(fixture);
		assert_int_equal(fixture->view->buffer_count, 8);
		assert_int_equal(proxy_stats(fixture->proxy).repeated, 0);
		send_free(fixture, 0, ID);
		for (int32_t device = 0; device < 8; device++)
			send_free(fixture, device, ID);
		look(fixture);
		assert_int_equal(fixture->view->buffer_count, 0);
		assert_int_equal(fixture->view->fault_total, 0);
		send_free(fixture, 0, ID);
		assert_int_equal(look(fixture)->fault_total, 1);
		proxy_leave(fixture->proxy);
		fixture->proxy = NULL;
	}
}

/* A server died over taking it over: half a successor lies beside it, and counts for nothing. */
static void test_taken_over_at_the_second_attempt(void **state)
{
	struct proxy_fixture *fixture = *state;
	char hidden[400], *path;
	int fd;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	path = leave(fixture);
	snprintf(hidden, sizeof hidden, "%s/.%s", fixture->directory, strrchr(path, '/') + 1);
	fd = open(hidden, O_WRONLY | O_CREAT | O_EXCL, 0640);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), 0);
	assert_int_equal(count_files(fixture), 1);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), BYTES);
	free(path);
}

/* Of a process that is only known by its connection: its end is the end of that. */
static void test_who_cannot_be_seen_is_buried(void **state)
{
	struct proxy_fixture *fixture = *state;
	char *path;

	fixture->subject.connection_only = true;
	fixture->subject.who.process.pid_ns = 0;
	fixture->subject.who.process.start_ticks = 0;
	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	path = leave(fixture);
	look_at(fixture, path);
	assert_int_equal(fixture->view->life, LIFE_ALIVE);
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), -ESRCH);
	assert_int_equal(count_files(fixture), 1);
	look_at(fixture, path);
	assert_int_equal(fixture->view->life, LIFE_KILLED);
	assert_int_equal(fixture->view->end.how, END_UNKNOWN);
	assert_true(fixture->view->end.realtime_ns != 0);
	assert_int_equal(fixture->view->subject.pid, getpid());
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), BYTES);
	free(path);
}

static void test_banks_are_found_again(void **state)
{
	static struct tt_devices devices;
	struct proxy_fixture *fixture = *state;
	char error[256], *path;

	assert_int_equal(tt_devices_parse("[1]\ndram_banks = 12\ndram_bank_bytes = 1 GiB\n", "test",
	                                  &devices, error, sizeof error),
	                 0);
	fixture_open_with(fixture, REPEATS_COLLAPSE, &devices);
	send_alloc(fixture, 1, ID, 3ull << 30, 0);
	path = leave(fixture);
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), 0);
	free(path);
	send_alloc(fixture, 1, ID + 1, 6ull << 30, 0);
	look(fixture);
	assert_int_equal(fixture->view->buffers[0].span, (3ull << 30) / 12);
	assert_int_equal(fixture->view->buffers[1].span, (6ull << 30) / 12);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), 9ull << 30);
	send_free(fixture, 1, ID);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), 6ull << 30);
	assert_int_equal(fixture->view->figures[0].held, 6ull << 30);
}

static void test_a_proxy_that_is_written_is_not_taken_over(void **state)
{
	struct proxy_fixture *fixture = *state;
	const struct proxy_options options = {.repeats = REPEATS_COLLAPSE};
	struct proxy *other = NULL;

	fixture_open(fixture, REPEATS_COLLAPSE);
	assert_int_equal(proxy_adopt(&other, proxy_path(fixture->proxy), &options), -EBUSY);
	assert_null(other);
	assert_true(exists(proxy_path(fixture->proxy)));
}

/* What a program wrote for itself is not a proxy's. */
static void test_only_proxies_are_taken_over(void **state)
{
	struct proxy_fixture *fixture = *state;
	const struct writer_options options = {.cap_bytes = 1 << 20};
	struct writer *w = calloc(1, sizeof *w);
	char path[320];

	assert_int_equal(writer_open(w, &options), 0);
	strcpy(path, w->file.path);
	writer_close(w, 0);
	free(w);
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), -ENOENT);
	assert_true(exists(path));
	assert_true(adopt(fixture, "/dev/null", REPEATS_COLLAPSE) < 0);
	assert_int_equal(adopt(fixture, "/nowhere/at/all.seg", REPEATS_COLLAPSE), -ENOENT);
}

/* Old segments of the dead are removed where there are many; these are not of the dead. */
static void test_many_are_taken_over(void **state)
{
	enum { MANY = 100 };
	struct proxy_fixture *fixture = *state;
	struct proxy *proxies[MANY];
	char *paths[MANY];

	for (int i = 0; i < MANY; i++) {
		fixture_open(fixture, REPEATS_COLLAPSE);
		send_alloc(fixture, i % 8, ID, BYTES, 0);
		proxies[i] = fixture->proxy;
		paths[i] = kept_path(fixture);
	}
	for (int i = 0; i < MANY; i++)
		proxy_leave(proxies[i]);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(adopt(fixture, paths[i], REPEATS_COLLAPSE), 0);
		assert_int_equal(proxy_live(fixture->proxy), 1);
		proxies[i] = fixture->proxy;
		free(paths[i]);
	}
	fixture->proxy = NULL;
	for (int i = 0; i < MANY; i++)
		proxy_leave(proxies[i]);
}

/* A proxy of a child that ends while no server is there. */
static void test_the_dead_are_left_for_the_post_mortem(void **state)
{
	struct proxy_fixture *fixture = *state;
	struct segment_process process;
	struct subject subject;
	int hold[2];
	char *path, byte;
	pid_t child;

	assert_int_equal(pipe(hold), 0);
	child = fork();
	if (child == 0) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(hold[0]);
	/* Start and namespace are found by asking for ourselves and putting in the child's. */
	process = fixture->subject.who.process;
	process.pid = child;
	{
		char name[64], text[1024], *at;
		FILE *file;

		snprintf(name, sizeof name, "/proc/%d/stat", (int)child);
		file = fopen(name, "r");
		assert_non_null(file);
		assert_non_null(fgets(text, sizeof text, file));
		fclose(file);
		at = strrchr(text, ')') + 2;
		for (int field = 3; field < 22; field++)
			at = strchr(at, ' ') + 1;
		process.start_ticks = strtoull(at, NULL, 10);
	}
	assert_int_equal(subject_of_process(&process, &subject), 0);
	assert_int_equal(subject.who.process.pid, child);
	subject_finish(&fixture->subject);
	fixture->subject = subject;
	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, BYTES, 0);
	path = leave(fixture);
	assert_true(subject_is_current(&fixture->subject));
	close(hold[1]);
	/* A zombie is dead already. */
	{
		siginfo_t info;

		assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	}
	assert_false(subject_is_current(&fixture->subject));
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), -ESRCH);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(adopt(fixture, path, REPEATS_COLLAPSE), -ESRCH);
	assert_true(exists(path));
	look_at(fixture, path);
	assert_int_equal(fixture->view->life, LIFE_KILLED);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), BYTES);
	free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_an_exit),
		TEST(test_a_signal),
		TEST(test_nobody_needs_a_spotless_one),
		TEST(test_left_behind_it_is_stale_but_alive),
		TEST(test_taken_over),
		TEST(test_reports_of_one_buffer_are_known_afterwards),
		TEST(test_taken_over_at_the_second_attempt),
		TEST(test_who_cannot_be_seen_is_buried),
		TEST(test_banks_are_found_again),
		TEST(test_a_proxy_that_is_written_is_not_taken_over),
		TEST(test_only_proxies_are_taken_over),
		TEST(test_many_are_taken_over),
		TEST(test_the_dead_are_left_for_the_post_mortem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
