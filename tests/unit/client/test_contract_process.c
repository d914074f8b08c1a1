/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 9: forked children, exec, the end of a process, and who owns what. */
#include "client_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct family {
	mt_space device, mesh, devices[2];
};

/* --- fork -------------------------------------------------------------------------------- */

static void child_frees_what_it_inherited(void *arg)
{
	const struct family *family = arg;

	told(mt_free(family->device, 1), MT_INHERITED);
	told(mt_free(family->mesh, 2), MT_INHERITED);
	told(mt_free_on(family->mesh, 3, family->devices[1]), MT_INHERITED);
	told(mt_free(0, 4), MT_INHERITED);
	ok(put(family->device, 1, 7));
	ok(put(family->mesh, 1, 5));
	expect(0, MT_DRAM, 12, 0, 0);
	expect(1, MT_DRAM, 5, 0, 0);
	ok(mt_free(family->device, 1));
	told(mt_free(family->device, 1), MT_DOUBLE_FREE);
	expect(0, MT_DRAM, 5, 0, 0);
	expect_faults(1);
}

TEST(a_forked_child_has_a_segment_of_its_own)
{
	struct family family = {0};

	chips(2, family.devices);
	family.device = family.devices[0];
	family.mesh = mesh(1, 2, family.devices);
	ok(put(family.device, 1, 1000));
	ok(put(family.mesh, 2, 200));
	ok(put(family.mesh, 3, 30));
	in_child(child_frees_what_it_inherited, &family);
	expect(0, MT_DRAM, 1230, 0, 0);
	expect(1, MT_DRAM, 230, 0, 0);
	expect_no_faults();
	ok(mt_free(family.device, 1));
	ok(mt_free(family.mesh, 2));
	ok(mt_free(family.mesh, 3));
	expect(0, MT_DRAM, 0, 0, 0);
	same(segment_count(), 2);
}

static void child_does_nothing(void *arg)
{
	(void)arg;
}

TEST(a_silent_child_makes_no_segment)
{
	ok(put(chip(0), 1, 1));
	for (unsigned i = 0; i < 20; i++)
		in_child(child_does_nothing, NULL);
	same(segment_count(), 1);
	expect(0, MT_DRAM, 1, 0, 0);
}

static void grandchild(void *arg)
{
	mt_space device = *(mt_space *)arg;

	told(mt_free(device, 1), MT_INHERITED);
	told(mt_free(device, 2), MT_INHERITED);
	ok(put(device, 3, 300));
	expect(0, MT_DRAM, 300, 0, 0);
}

static void child_forks(void *arg)
{
	mt_space device = *(mt_space *)arg;

	ok(put(device, 2, 20));
	in_child(grandchild, arg);
	expect(0, MT_DRAM, 20, 0, 0);
}

TEST(children_of_children)
{
	mt_space device = chip(0);

	ok(put(device, 1, 1));
	in_child(child_forks, &device);
	expect(0, MT_DRAM, 1, 0, 0);
	same(segment_count(), 3);
}

static void child_uses_tags_and_kinds(void *arg)
{
	mt_space device = *(mt_space *)arg;
	struct segment_view *view;
	struct mt_buffer b = buffer(device, 1, 8);

	b.kind = mt_kind("VRAM");
	b.address = 0;
	ok(mt_alloc(&b)); /* under the tag that was pushed before the fork */
	mt_tag_push("child");
	b.id = 2;
	ok(mt_alloc(&b));
	view = outside();
	holds(strcmp(view->tags[view->buffers[0].tag].path, "parent") == 0);
	holds(strcmp(view->tags[view->buffers[1].tag].path, "parent/child") == 0);
	holds(strcmp(view->kind_names[b.kind], "VRAM") == 0);
	holds(view->spaces[view->buffers[0].space].flags & SPACE_FLAG_INHERITED);
	segment_view_destroy(view);
}

TEST(names_go_over_to_the_child)
{
	mt_space device = chip(0);

	same(mt_kind("VRAM"), MT_CB + 1);
	mt_tag_push("parent");
	ok(put(device, 1, 1));
	in_child(child_uses_tags_and_kinds, &device);
}

static void child_dispatches(void *arg)
{
	mt_space device = chip(0);

	told(mt_program_dispatch(arg, device), MT_INHERITED);
	mt_program_drop(arg);
}

TEST(a_program_of_the_parent)
{
	mt_space device = chip(0);
	mt_program *program = mt_program_define(1, NULL, 0, 0);

	ok(mt_program_dispatch(program, device));
	in_child(child_dispatches, program);
	ok(mt_program_dispatch(program, device));
}

/* No handler runs in such a child: it must find tracking off, and its parent's segment untouched.
 */
TEST(a_raw_clone_is_not_its_parent)
{
	mt_space device = chip(0);
	int status;
	pid_t pid;

	ok(put(device, 1, 100));
	for (unsigned i = 0; i < 20; i++) {
		pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		if (pid == 0) {
			bool good = mt_free(device, 1) != MT_OK && mt_free(device, 1) != MT_OK;

			_exit(good && put(device, 2, 5) != MT_DUPLICATE ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		same(status, 0);
	}
	expect(0, MT_DRAM, 100, 0, 0);
	expect_no_faults();
	same(usage(device, MT_DRAM).allocs, 1);
}

TEST(a_vforked_child_that_execs_changes_nothing)
{
	static char *const arguments[] = {"/bin/true", NULL};
	mt_space device = chip(0);
	int status;
	pid_t pid;

	ok(put(device, 1, 100));
	pid = vfork();
	if (pid == 0) {
		execv(arguments[0], arguments);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	same(status, 0);
	expect(0, MT_DRAM, 100, 0, 0);
	same(segment_count(), 1);
}

/* --- exec -------------------------------------------------------------------------------- */

struct pipes {
	int ready[2], done[2];
};

static void become_probe(const struct pipes *pipes)
{
	static char *const arguments[] = {"probe", "hold", NULL};

	dup2(pipes->ready[1], 1);
	dup2(pipes->done[0], 0);
	close(pipes->done[1]);
	execv(PROBE, arguments);
	_exit(CHILD_FAILED);
}

static void child_allocates_and_execs(void *arg)
{
	ok(put(chip(0), 1, 700));
	become_probe(arg);
}

static void child_execs(void *arg)
{
	become_probe(arg);
}

struct lives {
	unsigned alive, exec, other;
	uint64_t bytes_alive, bytes_exec;
	pid_t pid;
};

static int count_life(const char *path, void *arg)
{
	struct lives *lives = arg;
	struct segment_view *view;
	struct segment_reject reject;

	if (segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject))
		check_failed(__FILE__, __LINE__, "%s: %s", path, reject.reason);
	if (view->subject.pid == lives->pid) {
		uint64_t bytes = view->figures[MT_DRAM * view->device_count].bytes[CLASS_USER];

		lives->alive += view->life == LIFE_ALIVE;
		lives->exec += view->life == LIFE_EXEC;
		lives->other += view->life != LIFE_ALIVE && view->life != LIFE_EXEC;
		*(view->life == LIFE_ALIVE ? &lives->bytes_alive : &lives->bytes_exec) = bytes;
	}
	segment_view_destroy(view);
	return 0;
}

static struct lives lives_of_probe(void (*start)(void *))
{
	struct pipes pipes;
	struct lives lives = {0};
	char byte;

	same(pipe(pipes.ready) | pipe(pipes.done), 0);
	lives.pid = child_start(start, &pipes);
	close(pipes.ready[1]);
	close(pipes.done[0]);
	same(read(pipes.ready[0], &byte, 1), 1);
	segment_dir_scan(fixture_dir, count_life, NULL, &lives);
	close(pipes.done[1]);
	child_wait(lives.pid);
	return lives;
}

TEST(exec_ends_a_segment_and_begins_another)
{
	struct lives lives = lives_of_probe(child_allocates_and_execs);

	same(lives.exec, 1);
	same(lives.alive, 1);
	same(lives.other, 0);
	same(lives.bytes_exec, 700);
	same(lives.bytes_alive, 4096);
}

TEST(fork_and_exec_of_another_program)
{
	mt_space device = chip(0);
	struct lives lives;

	ok(put(device, 1, 100));
	lives = lives_of_probe(child_execs);
	same(lives.alive, 1);
	same(lives.exec + lives.other, 0);
	same(lives.bytes_alive, 4096);
	expect(0, MT_DRAM, 100, 0, 0);
}

/* --- descriptors ------------------------------------------------------------------------- */

TEST(closing_every_descriptor_changes_nothing)
{
	mt_space device = chip(0);
	struct segment_view *view;

	ok(put(device, 1, 100));
	syscall(SYS_close_range, 3, ~0u, 0);
	view = outside();
	same(view->life, LIFE_ALIVE);
	segment_view_destroy(view);
	for (uint64_t id = 2; id < 5000; id++) /* grows without one */
		ok(put(device, id, 1));
	expect(0, MT_DRAM, 100 + 4998, 0, 0);
	expect_no_faults();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forked_child_has_a_segment_of_its_own),
		cmocka_unit_test(a_silent_child_makes_no_segment),
		cmocka_unit_test(children_of_children),
		cmocka_unit_test(names_go_over_to_the_child),
		cmocka_unit_test(a_program_of_the_parent),
		cmocka_unit_test(a_raw_clone_is_not_its_parent),
		cmocka_unit_test(a_vforked_child_that_execs_changes_nothing),
		cmocka_unit_test(exec_ends_a_segment_and_begins_another),
		cmocka_unit_test(fork_and_exec_of_another_program),
		cmocka_unit_test(closing_every_descriptor_changes_nothing),
	};

	(void)argc;
	return fixture_main("contract_process", tests, sizeof tests / sizeof *tests, argv);
}
