/* SPDX-License-Identifier: Apache-2.0 */
/* The thread beside the loop: order, threads, and what becomes of jobs that are not done. */
#include "worker.h"

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS = 100 };

struct bench {
	struct event_base *base;
	struct worker *worker;
	pthread_t loop;
	int gate[2]; /* work() waits for a byte where a job says so */
	int entered[2];
	int worked, finished, dropped;
};

struct job {
	struct bench *bench;
	int number;
	bool waits;
};

static void work(void *arg)
{
	struct job *job = arg;
	char byte;

	assert_false(pthread_equal(pthread_self(), job->bench->loop));
	assert_int_equal(job->number, job->bench->worked++);
	if (!job->waits)
		return;
	assert_int_equal(write(job->bench->entered[1], "", 1), 1);
	assert_int_equal(read(job->bench->gate[0], &byte, 1), 1);
}

static void done(void *arg)
{
	struct job *job = arg;

	assert_true(pthread_equal(pthread_self(), job->bench->loop));
	assert_int_equal(job->number, job->bench->finished++);
	if (job->number == JOBS - 1)
		event_base_loopbreak(job->bench->base);
}

static void drop(void *arg)
{
	((struct job *)arg)->bench->dropped++;
}

static void start(struct bench *bench)
{
	*bench = (struct bench){.base = event_base_new(), .loop = pthread_self()};
	assert_int_equal(worker_create(&bench->worker, bench->base), 0);
	assert_int_equal(pipe2(bench->gate, O_CLOEXEC), 0);
	assert_int_equal(pipe2(bench->entered, O_CLOEXEC), 0);
}

static void finish(struct bench *bench)
{
	event_base_free(bench->base);
	for (int i = 0; i < 2; i++) {
		close(bench->gate[i]);
		close(bench->entered[i]);
	}
}

static void post(struct job *job)
{
	const struct worker_job posted = {.work = work, .done = done, .drop = drop, .arg = job};

	worker_post_job(job->bench->worker, &posted);
}

static void in_order(void **state)
{
	struct job jobs[JOBS];
	struct bench bench;

	(void)state;
	start(&bench);
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct job){&bench, i, false};
		if (i % 2 != 0)
			post(&jobs[i]);
		else
			worker_post(bench.worker, work, done, &jobs[i]);
	}
	event_base_dispatch(bench.base);
	assert_int_equal(bench.worked, JOBS);
	assert_int_equal(bench.finished, JOBS);
	assert_int_equal(worker_waiting(bench.worker), 0);
	assert_int_equal(worker_busy_ns(bench.worker), 0);
	worker_destroy(bench.worker);
	assert_int_equal(bench.dropped, 0);
	finish(&bench);
}

static void *open_gate(void *arg)
{
	const struct bench *bench = arg;

	assert_int_equal(write(bench->gate[1], "", 1), 1);
	return NULL;
}

/* The job at hand comes to its end; no done() is called any more, and nothing is forgotten. */
static void at_the_end(void **state)
{
	struct job jobs[5];
	struct bench bench;
	pthread_t opener;
	char byte;

	(void)state;
	start(&bench);
	for (int i = 0; i < 5; i++) {
		jobs[i] = (struct job){&bench, i, i == 1};
		post(&jobs[i]);
	}
	assert_int_equal(read(bench.entered[0], &byte, 1), 1);
	assert_int_equal(worker_waiting(bench.worker), 3);
	assert_true(worker_busy_ns(bench.worker) > 0);
	assert_int_equal(pthread_create(&opener, NULL, open_gate, &bench), 0);
	worker_destroy(bench.worker);
	pthread_join(opener, NULL);
	assert_int_equal(bench.finished, 0);
	assert_int_equal(bench.dropped, 5);
	assert_in_range(bench.worked, 2, 5);
	finish(&bench);
}

struct turn {
	struct bench *bench;
	char name, *order;
	bool last;
};

static void turn_work(void *arg)
{
	const struct turn *turn = arg;
	char *end = turn->order;

	while (*end != '\0')
		end++;
	*end = turn->name;
}

static void turn_done(void *arg)
{
	const struct turn *turn = arg;

	if (turn->last)
		event_base_loopbreak(turn->bench->base);
}

/* Who asks does not wait for all that is to be done in the background, nor that for him. */
static void in_turn(void **state)
{
	char order[16] = "", byte;
	struct bench bench;
	struct job first = {&bench, 0, true};
	struct turn turns[8];

	(void)state;
	start(&bench);
	post(&first);
	assert_int_equal(read(bench.entered[0], &byte, 1), 1);
	for (int i = 0; i < 8; i++) {
		bool background = i < 5;
		const struct worker_job job = {.work = turn_work,
		                               .done = turn_done,
		                               .arg = &turns[i],
		                               .background = background};

		turns[i] = (struct turn){&bench, background ? 'b' : 'f', order, i == 4};
		worker_post_job(bench.worker, &job);
	}
	assert_int_equal(worker_waiting(bench.worker), 8);
	assert_int_equal(write(bench.gate[1], "", 1), 1);
	event_base_dispatch(bench.base);
	assert_string_equal(order, "bfbfbfbb");
	worker_destroy(bench.worker);
	finish(&bench);
}

/* Nor for all that is long, of which one can be taken back while it waits. */
static void long_ones(void **state)
{
	char order[16] = "", byte;
	struct bench bench;
	struct job first = {&bench, 0, true};
	struct turn turns[7];

	(void)state;
	start(&bench);
	post(&first);
	assert_int_equal(read(bench.entered[0], &byte, 1), 1);
	for (int i = 0; i < 7; i++) {
		const struct worker_job job = {
			.work = turn_work, .done = turn_done, .arg = &turns[i], .is_long = i < 5};

		turns[i] = (struct turn){&bench, (char)(i < 5 ? '0' + i : 's'), order, i == 3};
		worker_post_job(bench.worker, &job);
	}
	assert_false(worker_cancel(bench.worker, &first));
	assert_true(worker_cancel(bench.worker, &turns[1]));
	assert_true(worker_cancel(bench.worker, &turns[4]));
	assert_false(worker_cancel(bench.worker, &turns[4]));
	assert_int_equal(worker_waiting(bench.worker), 5);
	assert_int_equal(write(bench.gate[1], "", 1), 1);
	event_base_dispatch(bench.base);
	assert_string_equal(order, "0s2s3");
	worker_destroy(bench.worker);
	finish(&bench);
}

static void with_nothing_to_do(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	worker_destroy(bench.worker);
	worker_destroy(NULL);
	finish(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),           cmocka_unit_test(in_turn),
		cmocka_unit_test(long_ones),          cmocka_unit_test(at_the_end),
		cmocka_unit_test(with_nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
