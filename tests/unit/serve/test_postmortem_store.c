/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of dead segments, and what is removed. */
#include "dead_program.h"
#include "postmortem_store.h"
#include "reader.h"
#include "run_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], state[80];
static struct postmortem_store store;
static const struct segment_end killed = {END_SIGNAL, 9, 1700000000000000000ull};

static int setup(void **unused)
{
	(void)unused;
	program_dir_make(&dir);
	snprintf(state, sizeof(state), "%s/state/of/it", dir);
	return postmortem_store_open(&store, state, 200, 256 << 20);
}

static int teardown(void **unused)
{
	(void)unused;
	program_dir_remove(dir);
	return 0;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static size_t kept_count(void)
{
	struct postmortem_list list = {0};
	size_t count;

	assert_int_equal(postmortem_list(&list, store.dir), 0);
	count = list.count;
	postmortem_list_finish(&list);
	return count;
}

static struct postmortem_result keep(const struct program *program, const struct segment_end *end)
{
	struct postmortem_result result;

	postmortem_keep(&store, program->path, program->identity, end, &result);
	return result;
}

static struct segment_end end_at(uint64_t ms)
{
	return (struct segment_end){END_SIGNAL, 9, ms * 1000000};
}

static int take_view(struct segment_view *view, void *arg)
{
	*(struct segment_view **)arg = view;
	return 0;
}

static struct segment_view *read_back(const char *name)
{
	struct segment_view *view = NULL;
	struct segment_reject reject = {.reason = ""};
	char path[PATH_MAX + POSTMORTEM_NAME];

	snprintf(path, sizeof(path), "%s/%s", store.dir, name);
	assert_int_equal(segment_file_read(path, take_view, &view, &reject), 0);
	return view;
}

static void live_buffers_are_kept(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 3});
	struct postmortem_result result = keep(&program, &killed);
	struct segment_view *view;
	char path[PATH_MAX + POSTMORTEM_NAME];
	struct stat status;

	(void)unused;
	assert_int_equal(result.outcome, POSTMORTEM_KEPT);
	assert_true(result.removed);
	assert_false(exists(program.path));
	assert_int_equal(result.buffers, 3);
	assert_int_equal(result.total_bytes, 3 * 4096);
	assert_int_equal(result.devices, 1);
	assert_int_equal(result.pid, program.pid);
	view = read_back(result.name);
	assert_int_equal(view->identity, program.identity);
	assert_int_equal(view->life, LIFE_KILLED);
	assert_int_equal(view->end.how, END_SIGNAL);
	assert_int_equal(view->end.code, 9);
	assert_int_equal(view->end.realtime_ns, killed.realtime_ns);
	assert_int_equal(view->buffer_count, 3);
	segment_view_destroy(view);
	snprintf(path, sizeof(path), "%s/%s", store.dir, result.name);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
}

static void nothing_live_is_removed_without(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 0});
	struct postmortem_result result = keep(&program, &killed);

	(void)unused;
	assert_int_equal(result.outcome, POSTMORTEM_SPOTLESS);
	assert_true(result.removed);
	assert_false(exists(program.path));
	assert_int_equal(kept_count(), 0);
}

static void a_fault_is_worth_keeping(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.faulty = true});
	struct postmortem_result result = keep(&program, &killed);

	(void)unused;
	assert_int_equal(result.outcome, POSTMORTEM_KEPT);
	assert_int_equal(result.faults, 1);
	assert_int_equal(result.buffers, 0);
}

static void exit_of_unmarked_end_counts_as_end(void **unused)
{
	const struct segment_end exited = {END_EXIT, 3, 1700000000000000000ull};
	struct program program = program_start(&(struct program_plan){.buffers = 1});
	struct postmortem_result result;
	struct segment_view *view;

	(void)unused;
	program_end(&program, 0);
	result = keep(&program, &exited);
	view = read_back(result.name);
	assert_int_equal(view->life, LIFE_ENDED);
	assert_int_equal(view->end.code, 3);
	segment_view_destroy(view);
}

static void the_living_are_left_alone(void **unused)
{
	struct program program = program_start(&(struct program_plan){.buffers = 1});
	struct postmortem_result result = keep(&program, &killed);

	(void)unused;
	assert_int_equal(result.outcome, POSTMORTEM_GONE);
	assert_true(exists(program.path));
	assert_int_equal(kept_count(), 0);
	program_end(&program, SIGKILL);
}

static void another_identity_is_left_alone(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 1});

	(void)unused;
	program.identity++;
	assert_int_equal(keep(&program, &killed).outcome, POSTMORTEM_GONE);
	assert_true(exists(program.path));
}

/* As after a server that was killed between the two, or of a segment that is not ours to remove. */
static void what_is_kept_is_not_taken_twice(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 1});
	struct postmortem_result result;
	char copy[400], command[900];

	(void)unused;
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	snprintf(command, sizeof(command), "cp --sparse=always %s %s", program.path, copy);
	assert_int_equal(system(command), 0);
	assert_int_equal(keep(&program, &killed).outcome, POSTMORTEM_KEPT);
	assert_int_equal(rename(copy, program.path), 0);
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_KNOWN);
	assert_true(result.removed);
	assert_false(exists(program.path));
	assert_int_equal(kept_count(), 1);
}

static void the_oldest_go_first(void **unused)
{
	struct postmortem_list list = {0};

	(void)unused;
	store.files = 3;
	for (uint64_t i = 0; i < 6; i++) {
		/* Not in the order of their ends. */
		struct segment_end end = end_at(1000 + (i ^ 1));
		struct program program = program_dead(&(struct program_plan){.buffers = 1});

		assert_int_equal(keep(&program, &end).outcome, POSTMORTEM_KEPT);
		assert_true(kept_count() <= 3);
	}
	postmortem_list(&list, store.dir);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.items[0].unix_ms, 1005);
	assert_int_equal(list.items[1].unix_ms, 1004);
	assert_int_equal(list.items[2].unix_ms, 1003);
	postmortem_list_finish(&list);
}

static uint64_t kept_bytes(void)
{
	struct postmortem_list list = {0};
	uint64_t bytes = 0;

	postmortem_list(&list, store.dir);
	for (size_t i = 0; i < list.count; i++)
		bytes += list.items[i].bytes;
	postmortem_list_finish(&list);
	return bytes;
}

static void bytes_are_bounded(void **unused)
{
	uint64_t one;

	(void)unused;
	for (uint64_t i = 0; i < 8; i++) {
		struct segment_end end = end_at(1000 + i);
		struct program program = program_dead(&(struct program_plan){.buffers = 1});

		assert_int_equal(keep(&program, &end).outcome, POSTMORTEM_KEPT);
		if (i == 0) {
			one = kept_bytes();
			store.bytes = one * 5;
		}
		assert_true(kept_bytes() <= store.bytes);
	}
	assert_int_equal(kept_count(), 5);
}

static void of_a_giant_the_largest_are_kept(void **unused)
{
	struct program giant = program_dead(&(struct program_plan){.buffers = 50000});
	struct program small = program_dead(&(struct program_plan){.buffers = 1});
	struct postmortem_result result;
	struct segment_view *view;
	uint64_t bytes = 0;

	(void)unused;
	store.bytes = 4 << 20;
	assert_int_equal(keep(&small, &killed).outcome, POSTMORTEM_KEPT);
	result = keep(&giant, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_KEPT);
	assert_true(result.reduced);
	assert_int_equal(kept_count(), 2);
	assert_true(kept_bytes() <= store.bytes / 2);
	view = read_back(result.name);
	assert_in_range(view->buffer_count, 1, 49999);
	assert_int_equal(view->buffer_count + view->no_detail_buffers, 50000);
	for (uint32_t i = 0; i < view->row_count; i++)
		bytes += view->rows[i].bytes;
	assert_int_equal(bytes, 50000ull * 4096);
	segment_view_destroy(view);
}

static void without_a_directory_the_segment_stays(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 1});
	char file[100];
	struct postmortem_result result;

	(void)unused;
	snprintf(file, sizeof(file), "%s/file", dir);
	close(open(file, O_WRONLY | O_CREAT, 0600));
	assert_int_not_equal(postmortem_store_open(&store, file, 200, 256 << 20), 0);
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_FAILED);
	assert_int_not_equal(result.error, 0);
	assert_non_null(strstr(result.reason, file));
	assert_false(result.removed);
	assert_true(exists(program.path));
	/* And when it can be had again, all is well. */
	unlink(file);
	assert_int_equal(keep(&program, &killed).outcome, POSTMORTEM_KEPT);
}

static void corrupt_ones_are_left_alone(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 1});
	struct postmortem_result result;
	struct segment_header header;
	int fd = open(program.path, O_RDWR);

	(void)unused;
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.regions[REGION_SLOTS].element_bytes = 1;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_CORRUPT);
	assert_non_null(strstr(result.reason, "corrupt"));
	assert_true(exists(program.path));
	assert_int_equal(kept_count(), 0);
}

static void half_written_ones_are_cleared_away(void **unused)
{
	char young[PATH_MAX + 32], old[PATH_MAX + 32];
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	(void)unused;
	snprintf(young, sizeof(young), "%s/.part-young", store.dir);
	snprintf(old, sizeof(old), "%s/.part-old", store.dir);
	close(open(young, O_WRONLY | O_CREAT, 0600));
	close(open(old, O_WRONLY | O_CREAT, 0600));
	utimensat(AT_FDCWD, old, times, 0);
	assert_int_equal(postmortem_store_open(&store, state, 200, 256 << 20), 0);
	assert_true(exists(young)); /* perhaps another server is at it */
	assert_false(exists(old));
}

static void a_run_reads_its_segment_first(void **unused)
{
	const struct program_plan plan = {.buffers = 1, .run_id = 0xabc};
	struct program program = program_dead(&plan);
	struct postmortem_result result;
	struct run_mark mark;

	(void)unused;
	run_mark_set(&mark, dir, plan.run_id);
	assert_true(mark.fd >= 0);
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_KEPT);
	assert_true(result.awaited);
	assert_true(exists(program.path));
	run_mark_clear(&mark);
	assert_false(exists(mark.path));
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_KNOWN);
	assert_false(exists(program.path));
}

static void a_run_that_was_killed_holds_nothing(void **unused)
{
	const struct program_plan plan = {.buffers = 1, .run_id = 0xabd};
	struct program program = program_dead(&plan);
	struct run_mark mark;

	(void)unused;
	run_mark_set(&mark, dir, plan.run_id);
	close(mark.fd);
	assert_true(keep(&program, &killed).removed);
	assert_false(exists(mark.path));
}

/* How many descriptors this process may have; the number before. */
static rlim_t allow_descriptors(rlim_t most)
{
	struct rlimit limit;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

/* That says nothing of the segment: it is tried again. */
static void without_a_descriptor_it_is_tried_again(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 1});
	struct postmortem_result result;
	rlim_t before;

	(void)unused;
	before = allow_descriptors(3);
	result = keep(&program, &killed);
	allow_descriptors(before);
	assert_int_equal(result.outcome, POSTMORTEM_FAILED);
	assert_int_equal(result.error, -EMFILE);
	assert_true(exists(program.path));
	assert_int_equal(keep(&program, &killed).outcome, POSTMORTEM_KEPT);
	assert_false(exists(program.path));
}

/* What was kept while the clock was ahead does not push out what comes after it. */
static void the_future_goes_first(void **unused)
{
	uint64_t now_ms = (uint64_t)time(NULL) * 1000, year_ms = 365ull * 86400 * 1000;
	const uint64_t ends[] = {now_ms + year_ms, now_ms + 2 * year_ms, now_ms - 1000, now_ms};
	struct postmortem_list list = {0};

	(void)unused;
	store.files = 2;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct segment_end end = end_at(ends[i]);
		struct program program = program_dead(&(struct program_plan){.buffers = 1});

		assert_int_equal(keep(&program, &end).outcome, POSTMORTEM_KEPT);
	}
	postmortem_list(&list, store.dir);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.items[0].unix_ms, ends[3]);
	assert_int_equal(list.items[1].unix_ms, ends[2]);
	postmortem_list_finish(&list);
}

/* However often it is tried: it is said once, and left. */
static void too_large_is_no_passing_failure(void **unused)
{
	struct program program = program_dead(&(struct program_plan){.buffers = 1});
	struct postmortem_result result;

	(void)unused;
	store.bytes = 4096;
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_CORRUPT);
	assert_non_null(strstr(result.reason, "too large"));
	assert_true(exists(program.path));
	assert_int_equal(kept_count(), 0);
}

/* Only the one that the environment names: below others anybody may make one. */
static void a_directory_that_is_a_link(void **unused)
{
	struct postmortem_result result;
	struct program program;
	char link[80];

	(void)unused;
	snprintf(link, sizeof(link), "%s-link", dir);
	assert_int_equal(symlink(dir, link), 0);
	setenv("MESHTALLY_DIR", link, 1);
	program = program_dead(&(struct program_plan){.buffers = 1});
	result = keep(&program, &killed);
	assert_int_equal(result.outcome, POSTMORTEM_KEPT);
	assert_true(result.removed);
	assert_false(exists(program.path));
	program = program_dead(&(struct program_plan){.buffers = 1});
	setenv("MESHTALLY_DIR", dir, 1);
	assert_false(keep(&program, &killed).removed);
	assert_true(exists(program.path));
	unlink(link);
}

static void foreign_files_are_not_listed(void **unused)
{
	static const char *const names[] = {"1-2-0000000000000003.mshsnap", "x.mshsnap",
	                                    "1-2-3.mshsnap", "01-2-0000000000000003.mshsnap",
	                                    "1-2-0000000000000003.mshsnap.part"};
	char path[PATH_MAX + 64];

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", store.dir, names[i]);
		close(open(path, O_WRONLY | O_CREAT, 0600));
	}
	assert_int_equal(kept_count(), 1);
	store.files = 0;
	postmortem_prune(&store, 0);
	snprintf(path, sizeof(path), "%s/%s", store.dir, names[0]);
	assert_false(exists(path));
	snprintf(path, sizeof(path), "%s/%s", store.dir, names[1]);
	assert_true(exists(path));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(live_buffers_are_kept),
		TEST(nothing_live_is_removed_without),
		TEST(a_fault_is_worth_keeping),
		TEST(exit_of_unmarked_end_counts_as_end),
		TEST(the_living_are_left_alone),
		TEST(another_identity_is_left_alone),
		TEST(what_is_kept_is_not_taken_twice),
		TEST(the_oldest_go_first),
		TEST(bytes_are_bounded),
		TEST(of_a_giant_the_largest_are_kept),
		TEST(without_a_directory_the_segment_stays),
		TEST(corrupt_ones_are_left_alone),
		TEST(half_written_ones_are_cleared_away),
		TEST(a_run_reads_its_segment_first),
		TEST(a_run_that_was_killed_holds_nothing),
		TEST(without_a_descriptor_it_is_tried_again),
		TEST(the_future_goes_first),
		TEST(too_large_is_no_passing_failure),
		TEST(a_directory_that_is_a_link),
		TEST(foreign_files_are_not_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
