/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 21: errno, signals, off, before and after main, dlopen, no system calls. */
#include "client_fixture.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- errno ------------------------------------------------------------------------------- */

enum { MARK = 12345 };

#define keeps_errno(call) (errno = MARK, (void)(call), same(errno, MARK))

static void call_rarer_ones(mt_space d, unsigned i)
{
	const struct mt_failure failure = {.struct_size = sizeof failure, .space = d, .bytes = 1};
	const struct mt_device device = {.struct_size = sizeof device, .unique_id = i + 1};
	struct mt_usage u = {.struct_size = sizeof u};
	mt_program *program;

	keeps_errno(program = mt_program_define(i, NULL, 0, 0));
	keeps_errno(mt_program_dispatch(program, d));
	keeps_errno(mt_program_clash(program, d, 2, 1));
	keeps_errno(mt_program_drop(program));
	keeps_errno(mt_alloc_failed(&failure));
	keeps_errno(mt_check(d, MT_DRAM, 0));
	keeps_errno(mt_device_usage(d, MT_DRAM, &u));
	keeps_errno(mt_device_open(&device));
}

static void call_everything(void)
{
	static char name[100];
	mt_space d, m;
	const struct mt_mesh shape = {
		.struct_size = sizeof shape, .rows = 1, .columns = 1, .devices = &d};

	keeps_errno(d = chip(0));
	keeps_errno(m = mt_mesh_open(&shape));
	keeps_errno(mt_ready(d));
	for (unsigned i = 0; i < 30000; i++) {
		struct mt_buffer b = buffer(i % 2 ? d : m, i, i);

		snprintf(name, sizeof name, "a-name-that-is-rather-long-and-takes-room-%u", i);
		b.site = name;
		b.region = i % 5 == 0;
		keeps_errno(mt_tag_push(name));
		keeps_errno(mt_alloc(&b));
		keeps_errno(mt_tag_pop());
		if (i % 16 == 0)
			keeps_errno(mt_free(d, i - 1));
		if (i % 64 == 0)
			keeps_errno(mt_free_on(m, i, d));
		if (i % 256 == 0)
			keeps_errno(mt_mark(name, i));
		if (i % 1024 == 0)
			call_rarer_ones(d, i);
	}
	keeps_errno(mt_kind("VRAM"));
	keeps_errno(mt_tag_swap(0));
	keeps_errno(mt_close(m, 0));
	keeps_errno(mt_close(d, 0));
	keeps_errno(mt_enable(0, NULL, NULL));
	keeps_errno(mt_enable(1, NULL, NULL));
}

TEST(errno_is_never_changed)
{
	call_everything();
}

TEST(errno_is_never_changed_at_the_cap)
{
	setenv("MESHTALLY_MAX_BYTES", "1M", 1);
	call_everything();
}

TEST(errno_is_never_changed_without_a_directory)
{
	char path[300];

	snprintf(path, sizeof path, "%s/no/such/directory", fixture_dir);
	setenv("MESHTALLY_DIR", path, 1);
	errno = MARK;
	same(mt_device_open(NULL), 0);
	same(mt_tag_push("x"), 0);
	same(errno, MARK);
	same(*mt_gate, 0);
	told(put(1, 1, 1), MT_OFF);
	same(errno, MARK);
}

/* --- other programs ---------------------------------------------------------------------- */

struct program {
	const char *path, *argument;
	const char *set[6]; /* name, value, ...; a value of NULL: unset */
};

static void become(void *arg)
{
	const struct program *program = arg;

	for (size_t i = 0; i < 6 && program->set[i]; i += 2) {
		if (program->set[i + 1])
			setenv(program->set[i], program->set[i + 1], 1);
		else
			unsetenv(program->set[i]);
	}
	execl(program->path, program->path, program->argument, (char *)NULL);
	_exit(CHILD_FAILED);
}

TEST(off_is_off_and_makes_no_file)
{
	in_child(become, &(struct program){PROBE, "off", {"MESHTALLY", NULL}});
	in_child(become, &(struct program){PROBE, "off", {"MESHTALLY", "0"}});
	in_child(become, &(struct program){PROBE,
	                                   "off",
	                                   {"MESHTALLY", "0", "TT_ALLOC_TRACKING_ENABLED", "1"}});
	in_child(become, &(struct program){PROBE,
	                                   "off",
	                                   {"MESHTALLY", NULL, "TT_ALLOC_TRACKING_ENABLED", "0"}});
	same(segment_count(), 0);
}

TEST(on_by_the_other_name)
{
	in_child(become, &(struct program){PROBE,
	                                   "once",
	                                   {"MESHTALLY", NULL, "TT_ALLOC_TRACKING_ENABLED", "1",
	                                    "MESHTALLY_RUN", "7"}});
	same(segment_count(), 1);
}

static int look_at_leak(const char *path, void *arg)
{
	struct segment_reject reject;
	struct segment_view *view;

	if (segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject))
		check_failed(__FILE__, __LINE__, "%s: %s", path, reject.reason);
	same(view->life, LIFE_ENDED);
	same(view->buffer_count, 1);
	same(view->buffers[0].id, 4);
	same(figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER], 1000);
	same(figure_of(view, 0, MT_DRAM)->peak, 4000);
	same(view->fault_total, 0);
	segment_view_destroy(view);
	++*(unsigned *)arg;
	return 0;
}

TEST(before_main_and_after_it)
{
	unsigned seen = 0;

	in_child(become, &(struct program){PROBE, "lifetime", {"PROBE_EARLY", "1"}});
	same(segment_count(), 0); /* the last free came after all destructors of the library */
	in_child(become,
	         &(struct program){PROBE, "lifetime", {"PROBE_EARLY", "1", "PROBE_LEAK", "1"}});
	segment_dir_scan(fixture_dir, look_at_leak, NULL, &seen);
	same(seen, 1);
}

TEST(loaded_and_closed_and_loaded_again)
{
	struct program program = {DLOPEN_PROBE, LIBRARY, {NULL}};

	in_child(become, &program);
	same(segment_count(), 1);
}

/* --- signals ----------------------------------------------------------------------------- */

static mt_space signal_space;
static volatile sig_atomic_t busy, served, named;

static void on_signal(int number)
{
	mt_result result = mt_free(signal_space, 1u << 30);

	(void)number;
	busy += result == MT_BUSY;
	served += result == MT_UNKNOWN_FREE;
	named += mt_kind("IN_SIGNAL") != UINT32_MAX;
}

/* A timer's handler frees, while its thread is within calls most of the time. */
TEST(a_signal_handler_that_comes_in_between)
{
	const struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	struct segment_view *view;
	unsigned long rounds = 0;

	SKIP_UNDER_SANITIZER();
	signal_space = chip(0);
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	while (busy < 20 && rounds < 50000000) {
		ok(put(signal_space, rounds % 1000, 8));
		ok(mt_free(signal_space, rounds++ % 1000));
	}
	setitimer(ITIMER_REAL, &never, NULL);
	holds(busy >= 20);
	ok(put(signal_space, 5, 77));
	expect(0, MT_DRAM, 77, 0, 0);
	view = outside();
	same(view->refused, (unsigned)busy);
	same(view->faults_by_type[MT_UNKNOWN_FREE], (unsigned)served);
	holds(view->state & SEGMENT_STATE_INEXACT);
	segment_view_destroy(view);
	same(usage(signal_space, MT_DRAM).exact, 0);
}

TEST(no_handler_and_no_mask_is_touched)
{
	struct sigaction before[65] = {0}, after;
	sigset_t mask_before, mask_after;

	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	for (int i = 1; i < 65; i++)
		sigaction(i, NULL, &before[i]);
	ok(put(chip(0), 1, 1));
	ok(mt_enable(0, NULL, NULL));
	sigprocmask(SIG_SETMASK, NULL, &mask_after);
	same(memcmp(&mask_before, &mask_after, sizeof(unsigned long)), 0);
	for (int i = 1; i < 65; i++) {
		if (sigaction(i, NULL, &after) == 0)
			holds(after.sa_handler == before[i].sa_handler);
	}
}

/* --- system calls ------------------------------------------------------------------------ */

/* From now on any system call but the two that tell how it ended kills the process. */
static void forbid_system_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = 5, .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		skip_test("no seccomp here: %s", strerror(errno));
}

enum { WARM = 20000, OPERATIONS = 1000000 };

static void fill(mt_space d, mt_space m)
{
	for (uint64_t id = 0; id < WARM; id++)
		ok(put(id % 4 ? d : m, id, 64 + id % 100));
}

static void drain(mt_space d, mt_space m)
{
	for (uint64_t id = 0; id < WARM; id++)
		ok(mt_free(id % 4 ? d : m, id));
}

TEST(no_system_call_below_the_high_water_mark)
{
	mt_space devices[2], m;
	uint64_t state = 1;

	SKIP_UNDER_SANITIZER();
	chips(2, devices);
	m = mesh(1, 2, devices);
	for (unsigned i = 0; i < 3; i++) {
		fill(devices[0], m);
		drain(devices[0], m);
	}
	forbid_system_calls();
	fill(devices[0], m);
	for (unsigned i = 0; i < OPERATIONS / 2; i++) {
		uint64_t id = (state = state * 6364136223846793005u + 1) >> 33;

		id %= WARM;
		if (mt_free(id % 4 ? devices[0] : m, id) != MT_OK ||
		    put(id % 4 ? devices[0] : m, id, 64 + id % 100) != MT_OK)
			_exit(CHILD_FAILED);
	}
	_exit(CHILD_PASSED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errno_is_never_changed),
		cmocka_unit_test(errno_is_never_changed_at_the_cap),
		cmocka_unit_test(errno_is_never_changed_without_a_directory),
		cmocka_unit_test(off_is_off_and_makes_no_file),
		cmocka_unit_test(on_by_the_other_name),
		cmocka_unit_test(before_main_and_after_it),
		cmocka_unit_test(loaded_and_closed_and_loaded_again),
		cmocka_unit_test(a_signal_handler_that_comes_in_between),
		cmocka_unit_test(no_handler_and_no_mask_is_touched),
		cmocka_unit_test(no_system_call_below_the_high_water_mark),
	};

	(void)argc;
	return fixture_main("contract_manners", tests, sizeof tests / sizeof *tests, argv);
}
