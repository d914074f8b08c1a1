/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that are written for another process, and how the ends of subjects are told. */
#include "writer_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEVICE = 1, CAP = 64 << 20 };

static struct writer w;

/* A process that has ended, and is waited for. */
static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static struct writer_subject subject_of(pid_t pid)
{
	struct writer_subject subject = {.process = {.pid = pid, .uid = 1234, .start_ticks = 99},
	                                 .rank = 5,
	                                 .comm = "python3",
	                                 .command_line = "python3 train.py --fast"};

	return subject;
}

static void begin(const struct writer_subject *subject)
{
	fixture_open(&w, &(struct writer_options){.cap_bytes = CAP,
	                                          .repeats = REPEATS_COLLAPSE,
	                                          .subject = subject});
	fixture_device(&w, DEVICE, 0, 3);
	assert_int_equal(fixture_alloc(&w, DEVICE, 1, 4096), MT_OK);
}

static void a_proxy_tells_of_its_subject(void **state)
{
	struct writer_subject subject = subject_of(4242);
	char name[128];
	struct segment_view *view;

	(void)state;
	begin(&subject);
	writer_device_ordinals(&w, DEVICE, 0xabcdef);
	writer_device_ordinals(&w, 77, 1); /* no such space */
	view = fixture_view(&w, VIEW_BUFFERS);
	snprintf(name, sizeof name, "4242-%016llx.seg", (unsigned long long)view->identity);
	assert_string_equal(view->name, name);
	assert_true(view->is_proxy && !view->writer_gone);
	assert_int_equal(view->subject.pid, 4242);
	assert_int_equal(view->subject.uid, 1234);
	assert_int_equal(view->subject.start_ticks, 99);
	assert_int_equal(view->writer.pid, getpid());
	assert_int_equal(view->rank, 5);
	assert_string_equal(view->comm, "python3");
	assert_string_equal(view->command_line, "python3 train.py --fast");
	assert_int_equal(view->devices[0].ordinals, 0xabcdef);
	assert_int_equal(view->devices[0].ordinal, 3);
	assert_int_equal(view->end.realtime_ns, 0);
	segment_view_destroy(view);
	writer_close(&w, 0);
	test_dir_remove();
}

static void texts_without_an_end_are_cut(void **state)
{
	struct writer_subject subject = subject_of(1);
	struct segment_view *view;

	(void)state;
	memset(subject.comm, 'a', sizeof subject.comm);
	memset(subject.command_line, 'b', sizeof subject.command_line);
	begin(&subject);
	view = fixture_view(&w, VIEW_TOTALS);
	assert_int_equal(strlen(view->comm), sizeof subject.comm - 1);
	assert_int_equal(strlen(view->command_line), sizeof subject.command_line - 1);
	segment_view_destroy(view);
	writer_close(&w, 0);
	test_dir_remove();
}

static void a_program_of_its_own_is_no_proxy(void **state)
{
	struct segment_view *view;

	(void)state;
	begin(NULL);
	view = fixture_view(&w, VIEW_BUFFERS);
	assert_false(view->is_proxy);
	assert_int_equal(view->subject.pid, getpid());
	assert_int_equal(view->devices[0].ordinals, 0);
	segment_view_destroy(view);
	writer_close(&w, 0);
	test_dir_remove();
}

/* What a proxy says of the end of its subject. `before`: what the program had said itself. */
static void life_is(struct segment_end end, uint32_t before, enum view_life life)
{
	struct writer_subject subject = subject_of(dead_pid());
	struct segment_view *view;
	char path[sizeof w.file.path];

	begin(&subject);
	memcpy(path, w.file.path, sizeof path);
	w.header->state |= before;
	writer_end(&w, &end);
	view = fixture_view_of(path, VIEW_BUFFERS);
	assert_int_equal(view->life, life);
	assert_true(view->state & SEGMENT_STATE_DEAD);
	assert_int_equal(view->end.how, end.how);
	assert_int_equal(view->end.code, end.code);
	assert_int_equal(view->end.realtime_ns, end.realtime_ns);
	assert_int_equal(view->buffer_count, 1);
	assert_true(view->exact);
	segment_view_destroy(view);
	test_dir_remove();
}

static void a_proxy_tells_how_its_subject_ended(void **state)
{
	(void)state;
	life_is((struct segment_end){END_EXIT, 3, 1000}, 0, LIFE_ENDED);
	life_is((struct segment_end){END_SIGNAL, 9, 1000}, 0, LIFE_KILLED);
	life_is((struct segment_end){END_UNKNOWN, 0, 1000}, 0, LIFE_KILLED);
	life_is((struct segment_end){END_SIGNAL, 15, 1000}, SEGMENT_STATE_EXITING, LIFE_ENDED);
	life_is((struct segment_end){END_SIGNAL, 15, 1000}, SEGMENT_STATE_STOPPED, LIFE_STOPPED);
}

/* The pid of the subject may be another's by now: what was said of its end holds. */
static void an_end_holds_whatever_the_pid_is_now(void **state)
{
	struct writer_subject subject = subject_of(getpid());
	const struct segment_end end = {END_SIGNAL, 11, 1000};
	char path[sizeof w.file.path];
	enum view_life life;

	(void)state;
	subject.process.start_ticks = 0;
	begin(&subject);
	memcpy(path, w.file.path, sizeof path);
	assert_int_equal(segment_life(path, &life, NULL), 0);
	assert_int_equal(life, LIFE_ALIVE);
	writer_end(&w, &end);
	assert_int_equal(segment_life(path, &life, NULL), 0);
	assert_int_equal(life, LIFE_KILLED);
	test_dir_remove();
}

static int view_of_file(struct segment_view *view, void *arg)
{
	*(struct segment_view **)arg = view;
	return 0;
}

static struct segment_view *image_view(const struct segment_image *image)
{
	const char *path = test_path("one.mshsnap");
	struct segment_view *view = NULL;
	struct segment_reject why;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(segment_image_write(image, fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), segment_image_bytes(image));
	close(fd);
	assert_int_equal(segment_file_read(path, view_of_file, &view, &why), 0);
	return view;
}

/* Of a program that was alive when the image was taken, and of a proxy. */
static void an_image_is_given_an_end(void **state)
{
	struct writer_subject subject = subject_of(getpid());
	const struct segment_end none = {END_EXIT, 0, 0};
	const struct segment_end ends[] = {{END_EXIT, 0, 55}, {END_SIGNAL, 9, 66}};
	const enum view_life lives[] = {LIFE_ENDED, LIFE_KILLED};
	struct segment_image *image;
	struct segment_view *view;
	struct segment_reject why;

	(void)state;
	subject.process.start_ticks = 0;
	for (int i = 0; i < 4; i++) {
		begin(i < 2 ? NULL : &subject);
		assert_int_equal(segment_image_take(w.file.path, &image, &why), 0);
		view = image_view(image);
		assert_int_equal(view->life, LIFE_ALIVE);
		assert_int_equal(view->end.realtime_ns, 0);
		segment_view_destroy(view);
		assert_int_equal(segment_image_end(image, &none), -EINVAL);
		assert_int_equal(segment_image_end(image, &ends[i % 2]), 0);
		view = image_view(image);
		assert_int_equal(view->life, lives[i % 2]);
		assert_memory_equal(&view->end, &ends[i % 2], sizeof view->end);
		assert_int_equal(view->buffer_count, 1);
		assert_true(view->exact);
		segment_view_destroy(view);
		segment_image_destroy(image);
		assert_int_equal(w.header->state & SEGMENT_STATE_DEAD, 0);
		writer_close(&w, 0);
		test_dir_remove();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proxy_tells_of_its_subject),
		cmocka_unit_test(texts_without_an_end_are_cut),
		cmocka_unit_test(a_program_of_its_own_is_no_proxy),
		cmocka_unit_test(a_proxy_tells_how_its_subject_ended),
		cmocka_unit_test(an_end_holds_whatever_the_pid_is_now),
		cmocka_unit_test(an_image_is_given_an_end),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
