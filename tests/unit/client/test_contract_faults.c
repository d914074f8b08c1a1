/* SPDX-License-Identifier: Apache-2.0 */
/* Rules 7 and 11: the same id again, over capacity; faults typed, bounded, counted, never fatal. */
#include "client_fixture.h"

#include <stdio.h>
#include <string.h>

static const struct view_fault *fault_in(const struct segment_view *view, mt_result type)
{
	for (uint32_t i = 0; i < view->fault_count; i++) {
		if (view->faults[i].type == (uint32_t)type)
			return &view->faults[i];
	}
	check_failed(__FILE__, __LINE__, "no %s in the log", mt_result_name(type));
}

static mt_result put_at(mt_space space, uint64_t id, uint64_t bytes, const char *site)
{
	struct mt_buffer b = buffer(space, id, bytes);

	b.site = site;
	return mt_alloc(&b);
}

/* --- rule 7 ------------------------------------------------------------------------------ */

TEST(the_same_id_and_size_keeps_the_first)
{
	mt_space d = chip(0);
	struct segment_view *view;

	ok(put_at(d, 0x40, 100, "first.c:1"));
	told(put_at(d, 0x40, 100, "second.c:2"), MT_DUPLICATE);
	expect(0, MT_DRAM, 100, 0, 0);
	view = outside();
	same(view->buffer_count, 1);
	holds(strcmp(view->buffers[0].site, "first.c:1") == 0);
	holds(strcmp(fault_in(view, MT_DUPLICATE)->site_first, "first.c:1") == 0);
	holds(strcmp(fault_in(view, MT_DUPLICATE)->site_second, "second.c:2") == 0);
	segment_view_destroy(view);
	ok(mt_free(d, 0x40));
	told(mt_free(d, 0x40), MT_DOUBLE_FREE);
	expect_faults(2);
}

TEST(another_size_replaces_and_keeps_a_credit)
{
	mt_space d = chip(0);
	struct segment_view *view;

	ok(put_at(d, 0x40, 100, "old.c:1"));
	told(put_at(d, 0x40, 300, "new.c:2"), MT_REPLACED);
	expect(0, MT_DRAM, 300, 0, 0);
	expect_peak(0, MT_DRAM, 300);
	view = outside();
	same(view->buffer_count, 1);
	same(fault_in(view, MT_REPLACED)->bytes_first, 100);
	same(fault_in(view, MT_REPLACED)->bytes_second, 300);
	holds(strcmp(fault_in(view, MT_REPLACED)->site_first, "old.c:1") == 0);
	holds(strcmp(fault_in(view, MT_REPLACED)->site_second, "new.c:2") == 0);
	segment_view_destroy(view);
	ok(mt_free(d, 0x40));
	told(mt_free(d, 0x40), MT_LATE);
	told(mt_free(d, 0x40), MT_DOUBLE_FREE);
	expect(0, MT_DRAM, 0, 0, 0);
	expect_faults(2);
}

TEST(another_kind_replaces)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 0x10000, 64);

	b.address = 0x10000;
	ok(mt_alloc(&b));
	b.kind = MT_L1;
	told(mt_alloc(&b), MT_REPLACED);
	expect(0, MT_DRAM, 0, 0, 0);
	expect(0, MT_L1, 64, 0, 0);
	expect_faults(1);
}

TEST(a_replaced_mesh_record_and_its_shares)
{
	mt_space devices[2], m;

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(put(m, 1, 100));
	ok(mt_free_on(m, 1, devices[0]));
	told(put(m, 1, 7), MT_REPLACED);
	expect(0, MT_DRAM, 7, 0, 0);
	expect(1, MT_DRAM, 7, 0, 0);
	ok(mt_free(m, 1));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
}

/* The second buffer of nearly all of DRAM is one too many, unless the first one's free follows. */
TEST(over_capacity_counts_only_if_still_true_at_the_next_event)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 1, 0);

	b.span = (1 << 30) - 0x100000;
	ok(mt_alloc(&b));
	b.id = 2;
	ok(mt_alloc(&b)); /* over, but perhaps the free of 1 is on its way */
	ok(mt_free(d, 1));
	expect_no_faults();
	b.id = 3;
	ok(mt_alloc(&b));
	told(put(d, 4, 0), MT_OVER_CAPACITY); /* nothing was freed: so it was one */
	same(faults_of(MT_OVER_CAPACITY), 1);
	expect_faults(1);
}

TEST(over_capacity_is_the_devices_own_next_event)
{
	mt_space devices[2], m;
	struct segment_view *view;
	struct mt_buffer b;

	chips(2, devices);
	m = mesh(1, 2, devices);
	b = buffer(devices[0], 1, 5);
	b.span = (1 << 30) - 0x100000;
	ok(mt_alloc(&b));
	b.id = 2;
	ok(mt_alloc(&b));
	ok(put(devices[1], 1, 10)); /* another device: nothing is decided */
	expect_no_faults();
	told(put(m, 1, 10), MT_OVER_CAPACITY);
	view = outside();
	same(fault_in(view, MT_OVER_CAPACITY)->device, device_of(view, 0));
	same(fault_in(view, MT_OVER_CAPACITY)->id, 2);
	segment_view_destroy(view);
}

/* --- rule 11 ----------------------------------------------------------------------------- */

TEST(each_fault_is_told_and_logged_with_both_sides)
{
	mt_space d = chip(0);
	struct segment_view *view;
	const struct view_fault *fault;

	mt_tag_push("load");
	ok(put_at(d, 0x40, 100, "weights.c:7"));
	mt_tag_pop();
	mt_tag_push("unload");
	ok(mt_free(d, 0x40));
	told(mt_free(d, 0x40), MT_DOUBLE_FREE);
	told(mt_free(d, 0x99), MT_UNKNOWN_FREE);
	view = outside();
	fault = fault_in(view, MT_DOUBLE_FREE);
	holds(strcmp(fault->site_first, "weights.c:7") == 0);
	holds(strcmp(fault->tag_first, "load") == 0);
	holds(strcmp(fault->tag_second, "unload") == 0);
	same(fault->id, 0x40);
	same(fault->address, 0x100000);
	same(fault->bytes_first, 100);
	same(fault->count, 1);
	same(fault_in(view, MT_UNKNOWN_FREE)->id, 0x99);
	segment_view_destroy(view);
	expect_faults(2);
}

TEST(equal_faults_are_one_entry_with_a_count)
{
	mt_space d = chip(0);
	struct segment_view *view;
	const struct view_fault *fault;

	for (uint64_t id = 1; id <= 1000; id++)
		told(mt_free(d, id), MT_UNKNOWN_FREE);
	view = outside();
	same(view->fault_count, 1);
	fault = fault_in(view, MT_UNKNOWN_FREE);
	same(fault->count, 1000);
	same(fault->id, 1);
	holds(fault->last_op > fault->first_op);
	same(view->fault_total, 1000);
	segment_view_destroy(view);
}

TEST(the_log_is_bounded_and_the_count_is_not)
{
	enum { SITES = SEGMENT_MAX_FAULTS + 500 };
	mt_space d = chip(0);
	struct segment_view *view;
	char site[32];

	ok(put(d, 1, 64));
	for (unsigned i = 0; i < SITES; i++) {
		snprintf(site, sizeof site, "site.c:%u", i);
		told(put_at(d, 1, 64, site), MT_DUPLICATE);
	}
	view = outside();
	same(view->fault_count, SEGMENT_MAX_FAULTS);
	same(view->fault_total, SITES);
	same(view->faults_by_type[MT_DUPLICATE], SITES);
	segment_view_destroy(view);
	same(usage(d, MT_DRAM).faults, SITES);
	expect(0, MT_DRAM, 64, 0, 0);
}

/* Tags tell faults of one site apart, but a changing one must not crowd out what comes later. */
TEST(a_changing_tag_does_not_fill_the_log)
{
	enum { TAGS = SEGMENT_MAX_FAULTS * 2 };
	mt_space d = chip(0);
	struct segment_view *view;
	char tag[32];

	ok(put(d, 1, 64));
	for (unsigned i = 0; i < TAGS; i++) {
		snprintf(tag, sizeof tag, "step%u", i);
		mt_tag_push(tag);
		told(put_at(d, 1, 64, "one.c:1"), MT_DUPLICATE);
		mt_tag_pop();
	}
	told(mt_free(d, 77), MT_UNKNOWN_FREE);
	view = outside();
	same(view->fault_count, SEGMENT_MAX_FAULTS / 2 + 1);
	same(fault_in(view, MT_UNKNOWN_FREE)->count, 1);
	same(view->faults_by_type[MT_DUPLICATE], TAGS);
	segment_view_destroy(view);
}

TEST(a_freed_buffer_is_known_for_a_thousand_frees)
{
	mt_space d = chip(0);

	ok(put_at(d, 1, 64, "early.c:1"));
	ok(mt_free(d, 1));
	for (uint64_t id = 2; id <= 1000; id++) {
		ok(put(d, id, 8));
		ok(mt_free(d, id));
	}
	told(mt_free(d, 1), MT_DOUBLE_FREE);
	for (uint64_t id = 1001; id <= 3000; id++) {
		ok(put(d, id, 8));
		ok(mt_free(d, id));
	}
	told(mt_free(d, 1), MT_UNKNOWN_FREE);
}

TEST(clashes_and_failures_are_in_the_log)
{
	mt_space d = chip(0);
	const struct mt_cb cb = {.x1 = 7, .y1 = 7, .address = 0x10000, .bytes = 65536};
	mt_program *program = mt_program_define(77, &cb, 1, 0);
	const struct mt_failure failure = {
		.struct_size = sizeof failure, .space = d, .kind = MT_L1, .bytes = 1 << 20};
	struct segment_view *view;

	told(mt_program_clash(program, d, 0x20000, 0x18000), MT_CLASH);
	ok(mt_alloc_failed(&failure));
	view = outside();
	same(fault_in(view, MT_CLASH)->id, 77);
	same(fault_in(view, MT_CLASH)->bytes_first, 0x18000);
	same(fault_in(view, MT_CLASH)->bytes_second, 0x20000);
	same(view->faults_by_type[MT_ALLOC_FAILED], 1);
	segment_view_destroy(view);
	expect_faults(2);
}

TEST(every_fault_in_the_header_has_a_name)
{
	for (int result = MT_OK; result <= MT_BUSY; result++) {
		const char *name = mt_result_name((mt_result)result);
		bool known = result <= MT_NO_DETAIL ||
		             (result >= MT_DUPLICATE && result <= MT_MALFORMED) ||
		             result >= MT_BAD_ARGUMENT;

		same(strncmp(name, "MT_", 3), 0);
		same(strcmp(name, "MT_?") != 0, known);
	}
	holds(strcmp(mt_result_name((mt_result)-1), "MT_?") == 0);
	holds(strcmp(mt_result_name((mt_result)100000), "MT_?") == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_id_and_size_keeps_the_first),
		cmocka_unit_test(another_size_replaces_and_keeps_a_credit),
		cmocka_unit_test(another_kind_replaces),
		cmocka_unit_test(a_replaced_mesh_record_and_its_shares),
		cmocka_unit_test(over_capacity_counts_only_if_still_true_at_the_next_event),
		cmocka_unit_test(over_capacity_is_the_devices_own_next_event),
		cmocka_unit_test(each_fault_is_told_and_logged_with_both_sides),
		cmocka_unit_test(equal_faults_are_one_entry_with_a_count),
		cmocka_unit_test(the_log_is_bounded_and_the_count_is_not),
		cmocka_unit_test(a_changing_tag_does_not_fill_the_log),
		cmocka_unit_test(a_freed_buffer_is_known_for_a_thousand_frees),
		cmocka_unit_test(clashes_and_failures_are_in_the_log),
		cmocka_unit_test(every_fault_in_the_header_has_a_name),
	};

	(void)argc;
	return fixture_main("contract_faults", tests, sizeof tests / sizeof *tests, argv);
}
