/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong once: shares, ids, threads, forks and signal handlers. */
#include "client_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Whoever hangs is ended by SIGALRM. */
enum { HANG_SECONDS = 60 };

/* --- shares and ids ---------------------------------------------------------------------- */

struct pair {
	mt_space devices[2], mesh;
};

static struct pair pair_open(uint32_t flags)
{
	struct pair p;

	for (unsigned n = 0; n < 2; n++)
		p.devices[n] = chip_with(n, flags);
	p.mesh = mesh_with(1, 2, p.devices, flags);
	return p;
}

TEST(a_local_share_freed_by_its_own_device)
{
	struct pair p = pair_open(0);

	ok(put_flags(p.mesh, 1, 4096, MT_BACKING, 0));
	ok(put_flags(p.devices[0], 100, 4096, MT_LOCAL, 1));
	ok(put_flags(p.devices[1], 101, 4096, MT_LOCAL, 1));
	ok(mt_free_on(p.devices[0], 100, p.devices[0]));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 4096, 0, 0);
	ok(mt_free(p.mesh, 1));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

/* Its slot is another buffer's by the time its backing buffer is freed. */
TEST(a_local_share_freed_by_its_own_device_and_its_slot_used_again)
{
	enum { OTHERS = 3000, TURNS = 1024 };
	struct pair p = pair_open(0);

	ok(put_flags(p.mesh, 1, 4096, MT_BACKING, 0));
	ok(put_flags(p.devices[0], 100, 4096, MT_LOCAL, 1));
	ok(mt_free_on(p.devices[0], 100, p.devices[0]));
	for (unsigned i = 0; i < TURNS; i++) {
		ok(put(p.devices[1], 5000, 64));
		ok(mt_free(p.devices[1], 5000));
	}
	for (uint64_t i = 0; i < OTHERS; i++)
		ok(put(p.devices[0], 10000 + i, 64));
	ok(mt_free(p.mesh, 1));
	expect(0, MT_DRAM, OTHERS * 64, 0, 0);
	for (uint64_t i = 0; i < OTHERS; i++)
		ok(mt_free(p.devices[0], 10000 + i));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(a_plain_buffer_of_a_device_freed_by_its_device)
{
	mt_space d = chip(0), closed = chip(0);

	ok(put(d, 1, 64));
	ok(put(closed, 2, 32));
	ok(mt_free_on(d, 1, d));
	expect(0, MT_DRAM, 32, 0, 0);
	ok(mt_close(closed, 0));
	told(mt_free_on(closed, 2, closed), MT_LATE);
	expect(0, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

/* The share of nothing: counted and freed on every member, as any buffer of a mesh, whether its
 * size is kept with its id (in one bank) or not (in all banks). */
TEST(a_local_report_on_a_mesh_is_one_like_any_other)
{
	struct pair p = pair_open(0);

	for (uint64_t span = 0; span <= 4096; span += 4096) {
		uint64_t held = span ? 12 * span : 4096;
		struct mt_buffer b = buffer(p.mesh, 7, 4096);

		b.flags = MT_LOCAL;
		b.parent = 99;
		b.span = span;
		ok(mt_alloc(&b));
		expect_held(0, MT_DRAM, 4096, 0, 0, held);
		expect_held(1, MT_DRAM, 4096, 0, 0, held);
		ok(mt_free(p.mesh, 7));
		expect(0, MT_DRAM, 0, 0, 0);
		expect(1, MT_DRAM, 0, 0, 0);
		ok(mt_check(p.devices[1], MT_DRAM, 0));
	}
	expect_no_faults();
}

/* The device's ids are addresses: one that equals an id of the mesh is not meant by it. */
TEST(a_free_on_a_device_leaves_unrelated_ids_of_its_mesh_alone)
{
	mt_space devices[2], m;

	chips(2, devices);
	m = mesh_with(1, 2, devices, MT_UNIQUE_IDS);
	ok(put(m, 4096, 8192));
	told(mt_free(devices[0], 4096), MT_UNKNOWN_FREE);
	expect(0, MT_DRAM, 8192, 0, 0);
	expect(1, MT_DRAM, 8192, 0, 0);
	ok(mt_free(m, 4096));
	expect(0, MT_DRAM, 0, 0, 0);
	same(faults_of(MT_UNKNOWN_FREE), 1);
	expect_faults(1);
}

/* --- threads and forks ------------------------------------------------------------------- */

static pthread_barrier_t gate;
static unsigned reported;

static void on_report_live(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&reported, 1, __ATOMIC_RELAXED);
}

static void *turn_on(void *arg)
{
	pthread_barrier_wait(&gate);
	ok(mt_enable(1, on_report_live, NULL));
	return arg;
}

TEST(two_threads_that_turn_tracking_on_have_one_report)
{
	enum { ROUNDS = 150 };
	pthread_t threads[2];

	alarm(HANG_SECONDS);
	same(pthread_barrier_init(&gate, NULL, 2), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		ok(mt_enable(0, NULL, NULL));
		reported = 0;
		for (unsigned i = 0; i < 2; i++)
			same(pthread_create(&threads[i], NULL, turn_on, NULL), 0);
		for (unsigned i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		same(reported, 1);
	}
}

static void *ended_in_a_call(void *arg)
{
	pthread_cancel(pthread_self());
	*(mt_space *)arg = chip(0);
	pthread_testcancel();
	check_failed(__FILE__, __LINE__, "the thread was not cancelled");
}

/* The first report makes the segment, by calls in which a thread may be cancelled. */
TEST(a_cancelled_thread_ends_after_its_call_and_not_within)
{
	pthread_t thread;
	mt_space first = 0;
	void *result;

	alarm(HANG_SECONDS);
	same(pthread_create(&thread, NULL, ended_in_a_call, &first), 0);
	same(pthread_join(thread, &result), 0);
	holds(result == PTHREAD_CANCELED);
	holds(first != 0);
	ok(put(first, 1, 64));
	ok(put(chip(1), 1, 32));
	expect(0, MT_DRAM, 64, 0, 0);
	expect(1, MT_DRAM, 32, 0, 0);
}

static bool ended;

static void *name_kinds(void *arg)
{
	while (!__atomic_load_n(&ended, __ATOMIC_RELAXED))
		mt_kind("VRAM");
	return arg;
}

static void name_one_kind(void *arg)
{
	alarm(HANG_SECONDS / 6);
	same(mt_kind("VRAM"), *(const uint32_t *)arg);
}

/* Tracking is off, and never was on. */
TEST(a_fork_while_another_thread_names_a_kind)
{
	pthread_t thread;
	uint32_t kind;

	ok(mt_enable(0, NULL, NULL));
	kind = mt_kind("VRAM");
	holds(kind < MT_KIND_LIMIT);
	same(pthread_create(&thread, NULL, name_kinds, NULL), 0);
	for (unsigned i = 0; i < 1000; i++)
		in_child(name_one_kind, &kind);
	__atomic_store_n(&ended, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* --- signal handlers --------------------------------------------------------------------- */

static timer_t poke_timer;

/* The handler is called again and again from now on; what hangs in it is ended. */
static void poke_begin(void (*handler)(int number))
{
	const struct itimerspec often = {{0, 50000}, {0, 50000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	alarm(HANG_SECONDS);
	same(sigaction(SIGUSR1, &action, NULL), 0);
	same(timer_create(CLOCK_MONOTONIC, &event, &poke_timer), 0);
	same(timer_settime(poke_timer, 0, &often, NULL), 0);
}

static void poke_end(void)
{
	same(timer_delete(poke_timer), 0);
	signal(SIGUSR1, SIG_IGN);
}

static mt_space poked;
static volatile sig_atomic_t calls, refused;

static void alloc_and_free(int number)
{
	struct mt_buffer b = buffer(poked, 1ull << 40, 64);

	(void)number;
	calls++;
	mt_alloc(&b);
	mt_free(poked, b.id);
}

/* Buffers without end: the segment grows again and again, which nothing may interrupt. */
TEST(a_signal_handler_while_the_segment_grows)
{
	enum { ROUNDS = 12, BUFFERS = 100000 };

	SKIP_UNDER_SANITIZER();
	for (unsigned round = 0; round < ROUNDS; round++) {
		ok(mt_enable(0, NULL, NULL));
		ok(mt_enable(1, NULL, NULL));
		poked = chip(0);
		poke_begin(alloc_and_free);
		for (uint64_t i = 0; i < BUFFERS; i++)
			ok(put(poked, i, 64));
		poke_end();
		same(usage(poked, MT_DRAM).bytes, BUFFERS * 64);
	}
	holds(calls > 0);
}

static void free_what_is_not(int number)
{
	(void)number;
	refused += refused < 3 && mt_free(poked, 99) == MT_BUSY;
}

TEST(refused_calls_are_lost_events_in_the_log)
{
	struct segment_view *view;
	unsigned long rounds = 0;

	SKIP_UNDER_SANITIZER();
	poked = chip(0);
	poke_begin(free_what_is_not);
	while (refused < 3 && rounds++ < 50000000) {
		ok(put(poked, 1, 64));
		ok(mt_free(poked, 1));
	}
	poke_end();
	same(refused, 3);
	ok(put(poked, 1, 64)); /* the next event tells of them */
	same(faults_of(MT_LOST_EVENTS), 3);
	view = outside();
	same(view->refused, 3);
	segment_view_destroy(view);
}

static volatile sig_atomic_t came;
static mt_tag tag_before, tag_after;
static mt_result told_off;

static void name_and_stop(int number)
{
	(void)number;
	if (came || mt_free(poked, 99) != MT_BUSY)
		return;
	tag_before = mt_tag_swap(0);
	mt_tag_swap(tag_before);
	mt_tag_push("in the handler");
	mt_tag_pop();
	tag_after = mt_tag_swap(0);
	mt_tag_swap(tag_after);
	told_off = mt_enable(0, NULL, NULL);
	came = 1;
}

/* Within a call neither a name is taken nor tracking turned off, so a pop takes none off. */
TEST(tags_and_turning_off_in_a_signal_handler)
{
	unsigned long rounds = 0;
	mt_tag outer;

	SKIP_UNDER_SANITIZER();
	poked = chip(0);
	outer = mt_tag_push("outer");
	holds(outer != 0);
	poke_begin(name_and_stop);
	while (!came && rounds++ < 50000000) {
		ok(put(poked, 1, 64));
		ok(mt_free(poked, 1));
	}
	poke_end();
	holds(came);
	same(tag_before, outer);
	same(tag_after, outer);
	told(told_off, MT_BUSY);
	holds(MT_IS_ON());
	ok(put(poked, 1, 64));
	expect(0, MT_DRAM, 64, 0, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_local_share_freed_by_its_own_device),
		cmocka_unit_test(a_local_share_freed_by_its_own_device_and_its_slot_used_again),
		cmocka_unit_test(a_plain_buffer_of_a_device_freed_by_its_device),
		cmocka_unit_test(a_local_report_on_a_mesh_is_one_like_any_other),
		cmocka_unit_test(a_free_on_a_device_leaves_unrelated_ids_of_its_mesh_alone),
		cmocka_unit_test(two_threads_that_turn_tracking_on_have_one_report),
		cmocka_unit_test(a_cancelled_thread_ends_after_its_call_and_not_within),
		cmocka_unit_test(a_fork_while_another_thread_names_a_kind),
		cmocka_unit_test(a_signal_handler_while_the_segment_grows),
		cmocka_unit_test(refused_calls_are_lost_events_in_the_log),
		cmocka_unit_test(tags_and_turning_off_in_a_signal_handler),
	};

	(void)argc;
	return fixture_main("regressions", tests, sizeof tests / sizeof *tests, argv);
}
