/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 9: who is alive. Zombies, reused pids, pid namespaces, other users, stopped processes. */
#include "client_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct holder {
	int ready[2], done[2];
	pid_t pid;
};

static void hold_until_told(const struct holder *holder)
{
	char byte = 1;

	close(holder->done[1]);
	same(write(holder->ready[1], &byte, 1), 1);
	while (read(holder->done[0], &byte, 1) > 0)
		;
}

static void holder_run(void *arg)
{
	ok(put(chip(0), 1, 4096));
	hold_until_told(arg);
}

static struct holder holder_start(void (*run)(void *arg))
{
	struct holder holder;
	char byte;

	same(pipe(holder.ready) | pipe(holder.done), 0);
	holder.pid = child_start(run, &holder);
	close(holder.ready[1]);
	close(holder.done[0]);
	if (read(holder.ready[0], &byte, 1) != 1)
		child_wait(holder.pid);
	return holder;
}

static void holder_end(struct holder *holder)
{
	close(holder->done[1]);
	child_wait(holder->pid);
}

/* The only segment there is. */
static int first_path(const char *path, void *arg)
{
	snprintf(arg, 600, "%s", path);
	return 1;
}

static enum view_life life_of_the_one(void)
{
	enum view_life life = LIFE_IMAGE;
	char path[600] = "";

	segment_dir_scan(fixture_dir, first_path, NULL, path);
	same(segment_life(path, &life, NULL), 0);
	return life;
}

/* --- the dead ---------------------------------------------------------------------------- */

TEST(a_zombie_is_dead)
{
	struct holder holder = holder_start(holder_run);
	siginfo_t info;
	struct segment_view *view;

	same(life_of_the_one(), LIFE_ALIVE);
	kill(holder.pid, SIGKILL);
	same(waitid(P_PID, (id_t)holder.pid, &info, WEXITED | WNOWAIT), 0);
	same(kill(holder.pid, 0), 0); /* it is there, and not reaped */
	same(life_of_the_one(), LIFE_KILLED);
	view = outside_of(holder.pid, VIEW_BUFFERS);
	same(figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER], 4096);
	segment_view_destroy(view);
	waitpid(holder.pid, NULL, 0);
	same(life_of_the_one(), LIFE_KILLED);
}

/* A file whose process is gone, and whose pid is that of a living one: of this process. */
TEST(a_reused_pid_is_no_sign_of_life)
{
	struct holder holder = holder_start(holder_run);
	char old[600], name[700];
	const char *rest;
	int fd;
	const struct segment_process self = {.pid = getpid(), .start_ticks = 1};
	const size_t pid_at = offsetof(struct segment_header, subject.pid);
	const size_t start_at = offsetof(struct segment_header, subject.start_ticks);

	kill(holder.pid, SIGKILL);
	waitpid(holder.pid, NULL, 0);
	holds(segment_path(holder.pid, old, sizeof old));
	rest = strchr(strrchr(old, '/'), '-');
	snprintf(name, sizeof name, "%s/%d%s", fixture_dir, (int)getpid(), rest);
	same(rename(old, name), 0);
	fd = open(name, O_RDWR);
	same(pwrite(fd, &self.pid, 4, (off_t)pid_at), 4);
	same(pwrite(fd, &self.start_ticks, 8, (off_t)start_at), 8);
	close(fd);
	same(life_of_the_one(), LIFE_KILLED);
}

/* --- the living -------------------------------------------------------------------------- */

TEST(a_stopped_process_is_alive)
{
	struct holder holder = holder_start(holder_run);

	kill(holder.pid, SIGSTOP);
	waitpid(holder.pid, NULL, WUNTRACED);
	same(life_of_the_one(), LIFE_ALIVE);
	kill(holder.pid, SIGCONT);
	holder_end(&holder);
}

/* It reads its own segment and closes every descriptor: its lock must not go with them. */
static void holder_reads_and_closes(void *arg)
{
	const struct holder *holder = arg;

	ok(put(chip(0), 1, 4096));
	expect(0, MT_DRAM, 4096, 0, 0);
	for (int fd = 3; fd < 256; fd++) {
		if (fd != holder->ready[1] && fd != holder->done[0] && fd != holder->done[1])
			close(fd);
	}
	hold_until_told(arg);
}

TEST(a_stray_close_of_descriptors_is_not_death)
{
	struct holder holder = holder_start(holder_reads_and_closes);

	same(life_of_the_one(), LIFE_ALIVE);
	holder_end(&holder);
	same(life_of_the_one(), LIFE_KILLED); /* by _exit */
}

/* A child that lives on does not keep its parent alive. */
static void holder_with_a_child(void *arg)
{
	const struct holder *holder = arg;
	char byte = 1;

	ok(put(chip(0), 1, 4096));
	if (fork() == 0) {
		close(holder->done[1]);
		same(write(holder->ready[1], &byte, 1), 1);
		while (read(holder->done[0], &byte, 1) > 0)
			;
		_exit(0);
	}
	for (;;)
		pause();
}

TEST(a_child_that_lives_on_is_not_its_parent)
{
	struct holder holder = holder_start(holder_with_a_child);

	same(life_of_the_one(), LIFE_ALIVE);
	kill(holder.pid, SIGKILL);
	waitpid(holder.pid, NULL, 0);
	same(life_of_the_one(), LIFE_KILLED);
	close(holder.done[1]);
}

/* --- in a pid namespace of its own ------------------------------------------------------- */

static void holder_in_namespace(void *arg)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID) < 0)
		skip_test("no pid namespace here: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		same(getpid(), 1);
		ok(put(chip(0), 1, 4096));
		hold_until_told(arg);
		_exit(0);
	}
	close(((struct holder *)arg)->done[1]);
	waitpid(pid, &status, 0);
	_exit(status != 0);
}

TEST(a_process_that_says_it_is_pid_1)
{
	struct holder holder = holder_start(holder_in_namespace);
	struct segment_view *view = outside_of(1, VIEW_BUFFERS);

	same(view->life, LIFE_ALIVE);
	same(view->subject.pid, 1);
	same(figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER], 4096);
	segment_view_destroy(view);
	holder_end(&holder);
	same(life_of_the_one(), LIFE_KILLED); /* although there is a process of pid 1 */
}

/* The pid of the dead says nothing out here: what is left is the lock, which its child must not
 * have. */
static void parent_in_namespace(const struct holder *holder)
{
	char byte = 1;

	ok(put(chip(0), 1, 4096));
	if (fork() == 0)
		same(write(holder->ready[1], &byte, 1), 1);
	for (;;)
		pause();
}

static void init_of_namespace(const struct holder *holder)
{
	char byte;
	pid_t pid = fork();

	if (pid == 0)
		parent_in_namespace(holder);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	same(read(holder->done[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	same(write(holder->ready[1], &byte, 1), 1);
	while (read(holder->done[0], &byte, 1) > 0)
		;
	_exit(0); /* with which all others of the namespace end */
}

static void family_in_namespace(void *arg)
{
	const struct holder *holder = arg;
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID) < 0)
		skip_test("no pid namespace here: %s", strerror(errno));
	close(holder->done[1]);
	pid = fork();
	if (pid == 0)
		init_of_namespace(holder);
	waitpid(pid, &status, 0);
	_exit(status != 0);
}

TEST(a_child_does_not_keep_the_lock_of_its_parent)
{
	struct holder holder = holder_start(family_in_namespace);
	char byte = 1;

	same(life_of_the_one(), LIFE_ALIVE);
	same(write(holder.done[1], &byte, 1), 1);
	same(read(holder.ready[0], &byte, 1), 1);
	same(life_of_the_one(), LIFE_KILLED);
	holder_end(&holder);
}

/* --- another user's ---------------------------------------------------------------------- */

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		skip_test("cannot become another user: %s", strerror(errno));
}

static void look_as_nobody(void *arg)
{
	pid_t pid = *(pid_t *)arg;

	become_nobody();
	same(kill(pid, 0), (uint64_t)-1);
	same(errno, EPERM);
	same(life_of_the_one(), LIFE_ALIVE);
}

TEST(a_process_of_another_user_is_alive)
{
	struct holder holder;
	char path[600];

	if (geteuid() != 0)
		skip_test("not root");
	chmod(fixture_dir, 0755);
	holder = holder_start(holder_run);
	holds(segment_path(holder.pid, path, sizeof path));
	chmod(path, 0644);
	in_child(look_as_nobody, &holder.pid);
	holder_end(&holder);
}

/* --- readers and writers ----------------------------------------------------------------- */

static void reader_for_ever(void *arg)
{
	const struct holder *holder = arg;
	struct segment_reject reject;
	struct segment_view *view;
	char path[600] = "", byte = 1;

	segment_dir_scan(fixture_dir, first_path, NULL, path);
	same(write(holder->ready[1], &byte, 1), 1);
	for (;;) {
		if (segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject) == 0)
			segment_view_destroy(view);
	}
}

TEST(a_reader_that_stalls_does_nothing_to_the_writer)
{
	mt_space d = chip(0);
	struct holder holder;

	ok(put(d, 1, 1));
	holder = holder_start(reader_for_ever);
	for (unsigned round = 0; round < 20; round++) {
		kill(holder.pid, SIGSTOP);
		waitpid(holder.pid, NULL, WUNTRACED);
		for (uint64_t id = 2; id < 3000; id++)
			ok(put(d, id, 1));
		for (uint64_t id = 2; id < 3000; id++)
			ok(mt_free(d, id));
		kill(holder.pid, SIGCONT);
		waitpid(holder.pid, NULL, WCONTINUED);
	}
	kill(holder.pid, SIGKILL);
	waitpid(holder.pid, NULL, 0);
	expect(0, MT_DRAM, 1, 0, 0);
	expect_no_faults();
}

/* --- two processes ----------------------------------------------------------------------- */

struct sum {
	uint64_t bytes;
	unsigned count;
};

static int add_process(const char *path, void *arg)
{
	struct sum *sum = arg;
	struct segment_reject reject;
	struct segment_view *view;

	same(segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject), 0);
	same(view->buffers[0].address, 0x100000);
	same(view->fault_total, 0);
	sum->bytes += figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER];
	sum->count++;
	segment_view_destroy(view);
	return 0;
}

TEST(two_processes_with_the_same_address_on_the_same_device)
{
	struct holder first = holder_start(holder_run), second = holder_start(holder_run);
	struct sum sum = {0};

	segment_dir_scan(fixture_dir, add_process, NULL, &sum);
	same(sum.count, 2);
	same(sum.bytes, 8192);
	close(first.done[1]);
	holder_end(&second);
	child_wait(first.pid);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zombie_is_dead),
		cmocka_unit_test(a_reused_pid_is_no_sign_of_life),
		cmocka_unit_test(a_stopped_process_is_alive),
		cmocka_unit_test(a_stray_close_of_descriptors_is_not_death),
		cmocka_unit_test(a_child_that_lives_on_is_not_its_parent),
		cmocka_unit_test(a_process_that_says_it_is_pid_1),
		cmocka_unit_test(a_child_does_not_keep_the_lock_of_its_parent),
		cmocka_unit_test(a_process_of_another_user_is_alive),
		cmocka_unit_test(a_reader_that_stalls_does_nothing_to_the_writer),
		cmocka_unit_test(two_processes_with_the_same_address_on_the_same_device),
	};

	(void)argc;
	return fixture_main("liveness", tests, sizeof tests / sizeof *tests, argv);
}
