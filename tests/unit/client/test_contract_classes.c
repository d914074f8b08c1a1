/* SPDX-License-Identifier: Apache-2.0 */
/* Rules 5, 6, 17 and 19: classes, verdicts, hooked allocations, ground truth and late starts. */
#include "client_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t bytes_of_class(unsigned n, uint32_t kind, unsigned class)
{
	struct segment_view *view = outside();
	uint64_t bytes = figure_of(view, n, kind)->bytes[class];

	segment_view_destroy(view);
	return bytes;
}

/* --- rule 5 ------------------------------------------------------------------------------ */

TEST(what_comes_before_ready_is_system)
{
	mt_space devices[2], m;

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(put(devices[0], 1, 1000));
	ok(put_flags(devices[0], 2, 50, MT_CACHE, 0));
	ok(put(m, 1, 10));
	expect(0, MT_DRAM, 1010, 0, 50);
	ok(mt_ready(devices[0]));
	expect(0, MT_DRAM, 10, 1050, 0);
	expect(1, MT_DRAM, 10, 0, 0);
	ok(mt_ready(m));
	expect(0, MT_DRAM, 0, 1060, 0);
	expect(1, MT_DRAM, 0, 10, 0);
	ok(put(devices[0], 3, 7));
	ok(put(m, 4, 5));
	expect(0, MT_DRAM, 12, 1060, 0);
	ok(mt_free(devices[0], 1));
	ok(mt_free(m, 1));
	expect(0, MT_DRAM, 12, 50, 0);
	ok(mt_ready(devices[0]));
	expect(0, MT_DRAM, 12, 50, 0);
	expect_no_faults();
}

TEST(ready_divides_records_whose_shares_are_gone_too)
{
	mt_space devices[2], m;

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(put(m, 1, 10));
	ok(mt_free_on(m, 1, devices[0]));
	ok(mt_ready(m));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 10, 0);
	ok(put(m, 2, 3));
	ok(mt_free(m, 1));
	expect(1, MT_DRAM, 3, 0, 0);
	expect_no_faults();
}

TEST(flags_name_the_class)
{
	mt_space d = chip(0);

	ok(mt_ready(d));
	ok(put(d, 1, 1));
	ok(put_flags(d, 2, 10, MT_SYSTEM, 0));
	ok(put_flags(d, 3, 100, MT_CACHE, 0));
	expect(0, MT_DRAM, 1, 10, 100);
	ok(mt_free(d, 2));
	ok(mt_free(d, 3));
	expect(0, MT_DRAM, 1, 0, 0);
}

TEST(views_subs_and_imports_are_shown_and_not_counted)
{
	mt_space d = chip(0);

	ok(put_flags(d, 1, 1000, MT_POOL, 0));
	ok(put_flags(d, 2, 300, MT_SUB, 1));
	ok(put_flags(d, 3, 200, MT_SUB, 1));
	ok(put_flags(d, 4, 40, MT_VIEW, 1));
	ok(put_flags(d, 5, 7, MT_IMPORT, 0));
	expect(0, MT_DRAM, 1000, 0, 0);
	same(usage(d, MT_DRAM).buffers, 1);
	same(bytes_of_class(0, MT_DRAM, CLASS_SUB), 500);
	same(bytes_of_class(0, MT_DRAM, CLASS_VIEW), 40);
	same(bytes_of_class(0, MT_DRAM, CLASS_IMPORT), 7);
	ok(mt_free(d, 3));
	ok(mt_free(d, 4));
	ok(mt_free(d, 5));
	expect(0, MT_DRAM, 1000, 0, 0);
	same(bytes_of_class(0, MT_DRAM, CLASS_SUB), 300);
	same(bytes_of_class(0, MT_DRAM, CLASS_VIEW), 0);
	expect_no_faults();
}

TEST(parents_are_seen_from_outside)
{
	mt_space d = chip(0);
	struct segment_view *view;

	ok(put_flags(d, 1, 1000, MT_POOL, 0));
	ok(put_flags(d, 2, 300, MT_SUB, 1));
	view = outside();
	same(view->buffer_count, 2);
	same(view->buffers[1].parent, 1);
	same(view->buffers[1].flags, MT_SUB);
	same(view->buffers[1].class_now, CLASS_SUB);
	segment_view_destroy(view);
}

/* A view that goes by its owner's id: the owner's free is the last one. */
TEST(a_view_of_the_same_id)
{
	mt_space d = chip(0);

	ok(put(d, 0x40, 100));
	ok(put_flags(d, 0x40, 60, MT_VIEW, 0x40));
	ok(put_flags(d, 0x40, 20, MT_VIEW, 0x40));
	expect(0, MT_DRAM, 100, 0, 0);
	ok(mt_free(d, 0x40));
	ok(mt_free(d, 0x40));
	expect(0, MT_DRAM, 100, 0, 0);
	ok(mt_free(d, 0x40));
	expect(0, MT_DRAM, 0, 0, 0);
	expect_no_faults();
	told(mt_free(d, 0x40), MT_DOUBLE_FREE);
}

TEST(kinds_are_disjoint)
{
	mt_space d = chip(0);
	uint32_t vram = mt_kind("VRAM");
	static const uint32_t kinds[] = {MT_DRAM, MT_L1, MT_HOST, MT_L1_SMALL, MT_TRACE};
	struct mt_buffer b = buffer(d, 0, 0);
	struct segment_view *view;

	holds(vram > MT_CB && vram < MT_KIND_LIMIT);
	same(mt_kind("VRAM"), vram);
	same(mt_kind("L1"), MT_L1);
	for (unsigned i = 0; i < 5; i++) {
		b.id = i;
		b.kind = kinds[i];
		b.address = kinds[i] == MT_DRAM || kinds[i] == MT_L1 ? 0x10000 : 0;
		b.bytes = 1u << i;
		ok(mt_alloc(&b));
	}
	b.id = 5;
	b.kind = vram;
	b.bytes = 32;
	ok(mt_alloc(&b));
	for (unsigned i = 0; i < 5; i++)
		expect(0, kinds[i], 1u << i, 0, 0);
	expect(0, vram, 32, 0, 0);
	same(usage(d, MT_TRACE).capacity, 12u << 24);
	same(usage(d, MT_L1_SMALL).capacity, 64u << 15);
	same(usage(d, vram).capacity, 0);
	view = outside();
	holds(strcmp(view->kind_names[vram], "VRAM") == 0);
	segment_view_destroy(view);
}

/* --- rule 6: verdicts -------------------------------------------------------------------- */

TEST(what_was_live_at_close_stays_to_be_seen)
{
	mt_space kept = chip(0), reset = chip(1);
	struct segment_view *view;

	ok(put(kept, 9, 4));
	ok(mt_ready(kept));
	ok(mt_ready(reset));
	ok(put(kept, 1, 100));
	ok(put_flags(kept, 2, 10, MT_CACHE, 0));
	ok(put(reset, 3, 1000));
	ok(mt_close(kept, 0));
	ok(mt_close(reset, 1));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	view = outside();
	same(view->buffer_count, 4);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *b = &view->buffers[i];
		const struct view_space *s = &view->spaces[b->space];

		holds(b->closed);
		same(s->state, s->handle == kept ? SPACE_CLOSED : SPACE_LOST);
		same(b->class_now, b->id == 9   ? CLASS_SYSTEM
		                   : b->id == 2 ? CLASS_CACHE
		                                : CLASS_USER);
	}
	segment_view_destroy(view);
}

struct end {
	bool spotless;
	bool by_signal;
	mt_space *space; /* shared */
};

static void end_somehow(void *arg)
{
	const struct end *end = arg;
	mt_space d = chip(0);

	*end->space = d;
	ok(mt_ready(d));
	ok(put(d, 1, 64));
	if (end->spotless)
		ok(mt_free(d, 1));
	if (end->by_signal)
		raise(SIGKILL);
	exit(0);
}

static pid_t end_and_reap(struct end end)
{
	pid_t pid;

	end.space = shared_page(4096);
	pid = child_start(end_somehow, &end);
	waitpid(pid, NULL, 0);
	return pid;
}

TEST(a_clean_exit_and_a_kill_are_told_apart)
{
	struct segment_view *view = outside_of(end_and_reap((struct end){0}), VIEW_BUFFERS);

	same(view->life, LIFE_ENDED);
	same(view->buffer_count, 1);
	holds(!view->buffers[0].closed);
	segment_view_destroy(view);
	view = outside_of(end_and_reap((struct end){.by_signal = true}), VIEW_BUFFERS);
	same(view->life, LIFE_KILLED);
	same(figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER], 64);
	segment_view_destroy(view);
}

TEST(a_spotless_end_leaves_nothing)
{
	end_and_reap((struct end){.spotless = true});
	same(segment_count(), 0);
	setenv("MESHTALLY_RUN", "1f", 1);
	end_and_reap((struct end){.spotless = true});
	same(segment_count(), 1);
}

/* --- rule 17: hooked allocations --------------------------------------------------------- */

TEST(hooked_allocations_are_recorded_and_not_counted)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 1, 4096);

	b.address = 0x20; /* below the base of DRAM */
	told(mt_alloc(&b), MT_VIRTUAL_ONLY);
	b.id = 2;
	b.address = 0x1000 + (1 << 30);
	told(mt_alloc(&b), MT_VIRTUAL_ONLY);
	b.id = 3;
	b.address = 0x2000;
	b.flags = MT_VIRTUAL;
	told(mt_alloc(&b), MT_VIRTUAL_ONLY);
	b = buffer(d, 4, 64);
	b.kind = MT_TRACE;
	b.address = 0;
	ok(mt_alloc(&b)); /* address 0 is legal where the memory begins there */
	expect(0, MT_DRAM, 0, 0, 0);
	expect(0, MT_TRACE, 64, 0, 0);
	same(bytes_of_class(0, MT_DRAM, CLASS_VIRTUAL), 3 * 4096);
	ok(mt_free(d, 1));
	ok(mt_free(d, 2));
	ok(mt_free(d, 3));
	same(bytes_of_class(0, MT_DRAM, CLASS_VIRTUAL), 0);
	expect_no_faults();
}

TEST(begins_inside_and_ends_beyond)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 1, 8192);

	b.address = 0x1000 + (1 << 30) - 4096;
	told(mt_alloc(&b), MT_OUT_OF_RANGE);
	expect(0, MT_DRAM, 0, 0, 0);
	b.bytes = 4096;
	b.id = 2;
	ok(mt_alloc(&b));
	expect(0, MT_DRAM, 4096, 0, 0);
	ok(mt_free(d, 1));
	expect(0, MT_DRAM, 4096, 0, 0);
	same(faults_of(MT_OUT_OF_RANGE), 1);
	expect_faults(1);
}

/* --- rule 19: ground truth --------------------------------------------------------------- */

TEST(check_compares_with_the_allocator)
{
	mt_space devices[2], again, m;
	struct segment_view *view;

	chips(2, devices);
	again = chip(0);
	m = mesh(1, 2, devices);
	ok(put(m, 1, 100));
	ok(put_flags(devices[0], 2, 10, MT_SYSTEM, 0));
	ok(put_flags(devices[0], 3, 5, MT_VIEW, 2));
	ok(mt_check(devices[0], MT_DRAM, 110));
	ok(mt_check(again, MT_DRAM, 110));
	ok(mt_check(devices[1], MT_DRAM, 100));
	ok(mt_check(devices[1], MT_L1, 0));
	expect_no_faults();
	told(mt_check(devices[0], MT_DRAM, 111), MT_DRIFT);
	told(mt_check(m, MT_DRAM, 100), MT_DRIFT);
	view = outside();
	same(view->faults_by_type[MT_DRIFT], 2);
	same(view->faults[0].bytes_first, 110);
	same(view->faults[0].bytes_second, 111);
	same(view->faults[0].device, 0);
	same(view->faults[1].bytes_second, 100);
	segment_view_destroy(view);
	expect(0, MT_DRAM, 100, 10, 0);
}

static mt_space reported;

static void report(void *arg)
{
	same((uintptr_t)arg, 42);
	reported = chip(0);
	ok(mt_ready(reported));
	ok(put_flags(reported, 1, 4096, MT_EXISTING, 0));
}

TEST(a_late_start_reports_what_is_live)
{
	mt_space later;
	struct segment_view *view;

	ok(mt_enable(0, NULL, NULL));
	told(put(1, 1, 1), MT_OFF);
	same(segment_count(), 0);
	ok(mt_enable(1, report, (void *)42));
	expect(0, MT_DRAM, 4096, 0, 0);
	view = outside();
	holds(view->state & SEGMENT_STATE_LATE);
	same(view->buffers[0].flags, MT_EXISTING);
	segment_view_destroy(view);
	told(mt_free(reported, 77), MT_BEFORE);
	told(mt_free(0, 78), MT_BEFORE);
	ok(mt_free(reported, 1));
	told(mt_free(reported, 1), MT_DOUBLE_FREE);
	later = chip(0);
	told(mt_free(later, 77), MT_UNKNOWN_FREE);
	expect_faults(2);
	ok(mt_enable(1, report, (void *)43)); /* on already: nothing happens */
	expect(0, MT_DRAM, 0, 0, 0);
}

TEST(turned_off_and_on_again)
{
	mt_space d = chip(0), again;
	mt_program *program = mt_program_define(1, NULL, 0, 0);
	struct segment_view *view;

	ok(put(d, 1, 64));
	ok(mt_program_dispatch(program, d));
	ok(mt_enable(0, NULL, NULL));
	told(put(d, 2, 64), MT_OFF);
	told(mt_free(d, 1), MT_OFF);
	same(chip_unique_id(0), 0x100);
	same(segment_count(), 1);
	view = outside();
	same(view->life, LIFE_STOPPED);
	same(view->buffer_count, 1);
	segment_view_destroy(view);
	ok(mt_enable(1, NULL, NULL));
	same(segment_count(), 2);
	again = chip(0);
	holds(again != d);
	told(mt_program_dispatch(program, again), MT_BAD_ARGUMENT);
	told(put(d, 3, 64), MT_UNKNOWN_SPACE);
	told(mt_free(d, 1), MT_LATE);
	same(usage(again, MT_DRAM).held, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_before_ready_is_system),
		cmocka_unit_test(ready_divides_records_whose_shares_are_gone_too),
		cmocka_unit_test(flags_name_the_class),
		cmocka_unit_test(views_subs_and_imports_are_shown_and_not_counted),
		cmocka_unit_test(parents_are_seen_from_outside),
		cmocka_unit_test(a_view_of_the_same_id),
		cmocka_unit_test(kinds_are_disjoint),
		cmocka_unit_test(what_was_live_at_close_stays_to_be_seen),
		cmocka_unit_test(a_clean_exit_and_a_kill_are_told_apart),
		cmocka_unit_test(a_spotless_end_leaves_nothing),
		cmocka_unit_test(hooked_allocations_are_recorded_and_not_counted),
		cmocka_unit_test(begins_inside_and_ends_beyond),
		cmocka_unit_test(check_compares_with_the_allocator),
		cmocka_unit_test(a_late_start_reports_what_is_live),
		cmocka_unit_test(turned_off_and_on_again),
	};

	(void)argc;
	return fixture_main("contract_classes", tests, sizeof tests / sizeof *tests, argv);
}
