/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen threads at once: totals are exact; forks while they are inside the library. */
#include "client_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 16 };

struct work {
	unsigned number;
	mt_space space;
	unsigned rounds;
	uint64_t left; /* bytes that it leaves live */
	atomic_bool *stop;
};

static void *work_run(void *arg)
{
	struct work *work = arg;
	uint64_t base = (uint64_t)work->number << 32;
	char name[] = "thread x";

	name[7] = (char)('a' + work->number);
	mt_tag_push(name);
	for (uint64_t i = 0; i < work->rounds; i++) {
		ok(put(work->space, base + i, i % 1000 + 1));
		if (i % 3)
			ok(mt_free(work->space, base + i));
		else
			work->left += i % 1000 + 1;
	}
	mt_tag_pop();
	return NULL;
}

static uint64_t run_all(struct work *work)
{
	pthread_t threads[THREADS];
	uint64_t sum = 0;

	for (unsigned i = 0; i < THREADS; i++)
		same(pthread_create(&threads[i], NULL, work_run, &work[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += work[i].left;
	}
	return sum;
}

TEST(on_the_same_device)
{
	struct work work[THREADS] = {0};
	mt_space d = chip(0);
	uint64_t sum;

	for (unsigned i = 0; i < THREADS; i++)
		work[i] = (struct work){.number = i, .space = d, .rounds = 3000};
	sum = run_all(work);
	expect(0, MT_DRAM, sum, 0, 0);
	same(usage(d, MT_DRAM).allocs, THREADS * 3000);
	same(usage(d, MT_DRAM).buffers, THREADS * 1000);
	expect_no_faults();
}

TEST(on_different_devices)
{
	struct work work[THREADS] = {0};

	for (unsigned i = 0; i < THREADS; i++)
		work[i] = (struct work){.number = i, .space = chip(i), .rounds = 3000};
	run_all(work);
	for (unsigned i = 0; i < THREADS; i++)
		expect(i, MT_DRAM, work[i].left, 0, 0);
	expect_no_faults();
}

TEST(on_a_mesh)
{
	mt_space devices[8], m;
	struct work work[THREADS] = {0};
	uint64_t sum;

	chips(8, devices);
	m = mesh(2, 4, devices);
	for (unsigned i = 0; i < THREADS; i++)
		work[i] = (struct work){.number = i, .space = m, .rounds = 2000};
	sum = run_all(work);
	for (unsigned i = 0; i < 8; i++)
		expect(i, MT_DRAM, sum, 0, 0);
	expect_no_faults();
}

/* Threads that do everything else at the same time. */
static void *everything(void *arg)
{
	const struct work *work = arg;
	const struct mt_cb cb = {.x1 = 3, .y1 = 3, .bytes = 64};

	for (unsigned i = 0; i < 100; i++) {
		mt_space d = chip(work->number), m = mesh(1, 1, &d);
		mt_program *program = mt_program_define(i, &cb, 1, 0);

		ok(put_flags(m, i, 10, MT_BACKING, 0));
		ok(put_flags(d, i, 10, MT_LOCAL, i));
		ok(mt_program_dispatch(program, d));
		ok(mt_program_dispatch(program, d));
		mt_mark("round", i);
		usage(d, MT_DRAM);
		ok(mt_free_on(m, i, d));
		mt_program_drop(program);
		ok(mt_close(m, 0));
		ok(mt_close(d, 0));
		mt_kind("SHARED_KIND");
	}
	return NULL;
}

TEST(opening_closing_programs_and_marks)
{
	struct work work[THREADS] = {0};
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		work[i].number = i;
		same(pthread_create(&threads[i], NULL, everything, &work[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++)
		expect(i, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

/* The first report of all comes from sixteen threads. */
static void *first_of_all(void *arg)
{
	*(mt_space *)arg = chip(0);
	return NULL;
}

TEST(a_beginning_by_all_at_once)
{
	mt_space spaces[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, first_of_all, &spaces[i]);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		for (unsigned j = 0; j < i; j++)
			holds(spaces[j] != spaces[i]);
	}
	same(segment_count(), 1);
}

static void *churn(void *arg)
{
	const struct work *work = arg;

	for (uint64_t i = 0; !atomic_load(work->stop); i++) {
		put(work->space, work->number * 1000 + i % 1000, 8);
		mt_free(work->space, work->number * 1000 + i % 1000);
	}
	return NULL;
}

static void child_of_a_busy_parent(void *arg)
{
	mt_space d = *(mt_space *)arg;

	mt_tag_push("child");
	ok(put(d, 1 << 20, 100));
	told(mt_free(d, 77777777), MT_INHERITED);
	same(usage(d, MT_DRAM).bytes, 100);
	ok(mt_free(d, 1 << 20));
}

TEST(forks_while_other_threads_are_inside)
{
	enum { CHURNERS = 3, FORKS = 100 };
	atomic_bool stop = false;
	struct work work[CHURNERS];
	pthread_t threads[CHURNERS];
	mt_space d = chip(0);

	for (unsigned i = 0; i < CHURNERS; i++) {
		work[i] = (struct work){.number = i, .space = d, .stop = &stop};
		same(pthread_create(&threads[i], NULL, churn, &work[i]), 0);
	}
	for (unsigned i = 0; i < FORKS; i++)
		in_child(child_of_a_busy_parent, &d);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < CHURNERS; i++)
		pthread_join(threads[i], NULL);
	expect(0, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

/* Readers take exact snapshots while the threads are at it. */
TEST(snapshots_of_a_running_writer_are_whole)
{
	atomic_bool stop = false;
	mt_space devices[2], m;
	struct work work = {.stop = &stop};
	unsigned exact = 0;
	pthread_t thread;

	chips(2, devices);
	m = mesh(1, 2, devices);
	work.space = m;
	same(pthread_create(&thread, NULL, churn, &work), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct segment_view *view = outside_while_busy(getpid(), VIEW_BUFFERS);
		uint64_t bytes = figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER];

		exact += view->exact;
		holds(!view->exact || bytes == 0 || bytes == 8);
		holds(!view->exact || figure_of(view, 1, MT_DRAM)->bytes[CLASS_USER] == bytes);
		segment_view_destroy(view);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	holds(exact >= 20);
	expect(0, MT_DRAM, 0, 0, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_the_same_device),
		cmocka_unit_test(on_different_devices),
		cmocka_unit_test(on_a_mesh),
		cmocka_unit_test(opening_closing_programs_and_marks),
		cmocka_unit_test(a_beginning_by_all_at_once),
		cmocka_unit_test(forks_while_other_threads_are_inside),
		cmocka_unit_test(snapshots_of_a_running_writer_are_whole),
	};

	(void)argc;
	return fixture_main("threads", tests, sizeof tests / sizeof *tests, argv);
}
