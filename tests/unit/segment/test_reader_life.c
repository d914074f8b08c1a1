/* SPDX-License-Identifier: Apache-2.0 */
/* Who is alive: every way in which a program can end, or go on without looking like it. */
#include "build_segment.h"
#include "reader.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *path;

/* The child says over the pipe that it is there, and ends when told by the other. */
struct child {
	pid_t pid;
	int ready, go;
};

static uint64_t start_ticks(void)
{
	char text[1024], *at;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);
	unsigned long long ticks = 0;

	close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strrchr(text, ')');
	sscanf(at + 1,
	       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	       &ticks);
	return ticks;
}

/* Makes the segment of the calling process, as the library does: the lock lives in the mapping. */
static struct segment_header *own_segment(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct segment_header *header;
	struct build b;
	struct stat st;
	int fd;

	build_sample(&b);
	stat("/proc/self/ns/pid", &st);
	b.header->subject.pid_ns = st.st_ino;
	b.header->subject.start_ticks = start_ticks();
	b.header->writer = b.header->subject;
	build_write(&b, path);
	build_finish(&b);
	fd = open(path, O_RDWR | O_CLOEXEC);
	header = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	madvise(header, 4096, MADV_DONTFORK);
	if (header == MAP_FAILED || fcntl(fd, F_OFD_SETLK, &lock) != 0)
		abort();
	close(fd);
	return header;
}

static struct child child_start(void (*body)(struct segment_header *header, int ready, int go))
{
	int ready[2], go[2];
	struct child child;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	child.pid = fork();
	if (child.pid == 0) {
		close(ready[0]);
		close(go[1]);
		body(own_segment(), ready[1], go[0]);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	child.ready = ready[0];
	child.go = go[1];
	assert_int_equal(read(child.ready, &byte, 1), 1);
	return child;
}

static void child_end(struct child *child)
{
	close(child->go);
	waitpid(child->pid, NULL, 0);
	close(child->ready);
}

static void wait_for_go(int ready, int go)
{
	char byte = 0;

	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) < 0)
		_exit(1);
}

static enum view_life life_now(void)
{
	struct segment_process subject;
	struct segment_view *view;
	struct segment_reject why;
	enum view_life life, again;

	assert_int_equal(segment_life(path, &life, &subject), 0);
	assert_int_equal(segment_view_load(path, getuid(), VIEW_TOTALS, &view, &why), 0);
	again = view->life;
	segment_view_destroy(view);
	assert_int_equal(life, again);
	return life;
}

static void body_wait(struct segment_header *header, int ready, int go)
{
	(void)header;
	wait_for_go(ready, go);
}

static void alive_until_killed(void **state)
{
	struct child child = child_start(body_wait);
	siginfo_t info;

	(void)state;
	assert_int_equal(life_now(), LIFE_ALIVE);
	assert_int_equal(kill(child.pid, SIGSTOP), 0);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WSTOPPED), 0);
	assert_int_equal(life_now(), LIFE_ALIVE);
	assert_int_equal(kill(child.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(life_now(), LIFE_KILLED); /* a zombie */
	child_end(&child);
	assert_int_equal(life_now(), LIFE_KILLED);
}

static void body_mark_exit(struct segment_header *header, int ready, int go)
{
	header->state |= SEGMENT_STATE_EXITING;
	wait_for_go(ready, go);
}

static void ends_by_itself(void **state)
{
	struct child child = child_start(body_mark_exit);

	(void)state;
	assert_int_equal(life_now(), LIFE_ALIVE); /* destructors may still free */
	child_end(&child);
	assert_int_equal(life_now(), LIFE_ENDED);
}

static void body_stop_tracking(struct segment_header *header, int ready, int go)
{
	header->state |= SEGMENT_STATE_STOPPED;
	munmap(header, 4096);
	wait_for_go(ready, go);
}

static void tracking_turned_off(void **state)
{
	struct child child = child_start(body_stop_tracking);

	(void)state;
	assert_int_equal(life_now(), LIFE_STOPPED);
	child_end(&child);
	assert_int_equal(life_now(), LIFE_STOPPED);
}

/* The new program echoes what comes by `go`: the answer says that it runs. */
static void body_exec(struct segment_header *header, int ready, int go)
{
	char byte = 0;

	(void)header;
	if (write(ready, &byte, 1) != 1 || dup2(go, 0) < 0 || dup2(ready, 1) < 0)
		_exit(1);
	execl("/bin/cat", "cat", (char *)NULL);
	_exit(1);
}

static void replaced_by_exec(void **state)
{
	struct child child = child_start(body_exec);
	char byte;

	(void)state;
	assert_int_equal(write(child.go, "x", 1), 1);
	assert_int_equal(read(child.ready, &byte, 1), 1);
	assert_int_equal(life_now(), LIFE_EXEC);
	child_end(&child);
	assert_int_equal(life_now(), LIFE_KILLED);
}

static void *thread_goes_on(void *arg)
{
	const int *fds = arg;

	wait_for_go(fds[0], fds[1]);
	_exit(0);
}

/* The first thread ends and the process looks like a zombie, but is none. */
static void body_first_thread_ends(struct segment_header *header, int ready, int go)
{
	static int fds[2];
	pthread_t thread;

	(void)header;
	fds[0] = ready;
	fds[1] = go;
	pthread_create(&thread, NULL, thread_goes_on, fds);
	pthread_exit(NULL);
}

static void first_thread_may_end(void **state)
{
	struct child child = child_start(body_first_thread_ends);

	(void)state;
	assert_int_equal(life_now(), LIFE_ALIVE);
	child_end(&child);
	assert_int_equal(life_now(), LIFE_KILLED);
}

static void body_fork(struct segment_header *header, int ready, int go)
{
	(void)header;
	if (fork() == 0) {
		wait_for_go(ready, go);
		_exit(0);
	}
	for (;;)
		pause();
}

/* A child of the dead, with all its descriptors, is not the dead. */
static void a_forked_child_is_another(void **state)
{
	struct child child = child_start(body_fork);

	(void)state;
	assert_int_equal(life_now(), LIFE_ALIVE);
	assert_int_equal(kill(child.pid, SIGKILL), 0);
	waitpid(child.pid, NULL, 0);
	assert_int_equal(life_now(), LIFE_KILLED);
	close(child.go);
	close(child.ready);
}

static void body_close_all(struct segment_header *header, int ready, int go)
{
	struct segment_reject why;
	struct segment_view *view;
	int r = fcntl(ready, F_DUPFD, 400), g = fcntl(go, F_DUPFD, 401);

	(void)header;
	close_range(3, 399, 0);
	/* Reading one's own segment does not drop the lock either. */
	if (segment_view_load(path, getuid(), VIEW_TOTALS, &view, &why) != 0)
		_exit(1);
	segment_view_destroy(view);
	wait_for_go(r, g);
}

static void closed_descriptors_do_not_matter(void **state)
{
	struct child child = child_start(body_close_all);

	(void)state;
	assert_int_equal(life_now(), LIFE_ALIVE);
	child_end(&child);
	assert_int_equal(life_now(), LIFE_KILLED);
}

static int make_path(void **state)
{
	(void)state;
	path = strdup(test_path("1-0123456789abcdef.seg"));
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	test_dir_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alive_until_killed),
		cmocka_unit_test(ends_by_itself),
		cmocka_unit_test(tracking_turned_off),
		cmocka_unit_test(replaced_by_exec),
		cmocka_unit_test(first_thread_may_end),
		cmocka_unit_test(a_forked_child_is_another),
		cmocka_unit_test(closed_descriptors_do_not_matter),
	};

	return cmocka_run_group_tests(tests, make_path, remove_dir);
}
