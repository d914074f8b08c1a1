/* SPDX-License-Identifier: Apache-2.0 */
/* Rules 15 and 20: circular buffers of programs; tags of threads and sites. */
#include "client_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static mt_program *program(uint64_t id, uint16_t x0, uint16_t y0, uint16_t x1, uint16_t y1)
{
	const struct mt_cb cb = {
		.x0 = x0, .y0 = y0, .x1 = x1, .y1 = y1, .address = 0x10000 + id, .bytes = 4096};
	mt_program *p = mt_program_define(id, &cb, 1, 0);

	holds(p != NULL);
	return p;
}

static const struct view_space *space_in(const struct segment_view *view, mt_space handle)
{
	for (uint32_t i = 0; i < view->space_count; i++) {
		if (view->spaces[i].handle == handle)
			return &view->spaces[i];
	}
	check_failed(__FILE__, __LINE__, "space %#x is not to be seen", handle);
}

/* Whether the program of this id is resident in a space; *ret_op: since which operation. */
static bool is_resident(mt_space handle, uint64_t id, uint64_t *ret_op)
{
	struct segment_view *view = outside();
	const struct view_space *space = space_in(view, handle);
	bool found = false;

	for (uint64_t i = 0; i < space->resident_count; i++) {
		if (view->programs[space->residents[i].program].id != id)
			continue;
		found = true;
		if (ret_op)
			*ret_op = space->residents[i].op;
	}
	segment_view_destroy(view);
	return found;
}

/* --- rule 15 ----------------------------------------------------------------------------- */

TEST(a_dispatch_makes_resident_and_drives_out_what_overlaps)
{
	mt_space d = chip(0);
	mt_program *left = program(1, 0, 0, 3, 7), *right = program(2, 4, 0, 7, 7);
	mt_program *middle = program(3, 3, 0, 4, 0);

	ok(mt_program_dispatch(left, d));
	ok(mt_program_dispatch(right, d));
	holds(is_resident(d, 1, NULL) && is_resident(d, 2, NULL));
	ok(mt_program_dispatch(middle, d));
	holds(!is_resident(d, 1, NULL) && !is_resident(d, 2, NULL) && is_resident(d, 3, NULL));
	ok(mt_program_dispatch(right, d));
	holds(!is_resident(d, 3, NULL) && is_resident(d, 2, NULL));
	ok(mt_program_dispatch(left, d));
	holds(is_resident(d, 1, NULL) && is_resident(d, 2, NULL));
}

TEST(a_resident_program_costs_no_operation)
{
	mt_space d = chip(0);
	mt_program *p = program(1, 0, 0, 7, 7);
	uint64_t op, again;

	ok(mt_program_dispatch(p, d));
	holds(is_resident(d, 1, &op));
	for (unsigned i = 0; i < 1000; i++)
		ok(mt_program_dispatch(p, d));
	holds(is_resident(d, 1, &again));
	same(again, op);
}

/* The later of two on one core is the one that is there, whichever space it came through. */
TEST(spaces_on_the_same_chip_restamp_one_another)
{
	mt_space devices[2], m;
	mt_program *a = program(1, 0, 0, 7, 7), *b = program(2, 0, 0, 7, 7);
	uint64_t a_op, b_op;

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(mt_program_dispatch(a, devices[0]));
	ok(mt_program_dispatch(b, m));
	holds(is_resident(devices[0], 1, &a_op) && is_resident(m, 2, &b_op));
	holds(b_op > a_op);
	ok(mt_program_dispatch(a, devices[0]));
	holds(is_resident(devices[0], 1, &a_op) && a_op > b_op);
	ok(mt_program_dispatch(b, m));
	holds(is_resident(m, 2, &b_op) && b_op > a_op);
	ok(mt_program_dispatch(a, devices[1]));
	holds(is_resident(devices[1], 1, &a_op) && a_op > b_op);
}

TEST(many_spaces_one_program)
{
	enum { SPACES = 70 }; /* more than a program has stamps */
	mt_space spaces[SPACES];
	mt_program *p = program(1, 0, 0, 7, 7);

	for (unsigned i = 0; i < SPACES; i++)
		spaces[i] = chip(i);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SPACES; i++)
			ok(mt_program_dispatch(p, spaces[i]));
	}
	for (unsigned i = 0; i < SPACES; i++)
		holds(is_resident(spaces[i], 1, NULL));
}

TEST(a_dropped_program_is_nowhere)
{
	mt_space devices[2];
	mt_program *p = program(1, 0, 0, 7, 7), *other;
	struct segment_view *view;

	chips(2, devices);
	ok(mt_program_dispatch(p, devices[0]));
	ok(mt_program_dispatch(p, devices[1]));
	mt_program_drop(p);
	view = outside();
	same(space_in(view, devices[0])->resident_count, 0);
	same(space_in(view, devices[1])->resident_count, 0);
	segment_view_destroy(view);
	told(mt_program_dispatch(p, devices[0]), MT_BAD_ARGUMENT);
	mt_program_drop(p);
	other = program(2, 0, 0, 1, 1);
	ok(mt_program_dispatch(other, devices[0]));
	holds(is_resident(devices[0], 2, NULL) && !is_resident(devices[0], 1, NULL));
}

TEST(a_closed_space_has_no_residents_and_takes_none)
{
	mt_space d = chip(0), again;
	mt_program *p = program(1, 0, 0, 7, 7);
	struct segment_view *view;

	ok(mt_program_dispatch(p, d));
	ok(mt_close(d, 0));
	view = outside();
	same(space_in(view, d)->resident_count, 0);
	segment_view_destroy(view);
	told(mt_program_dispatch(p, d), MT_LATE);
	again = chip(0);
	ok(mt_program_dispatch(p, again));
	holds(is_resident(again, 1, NULL));
	told(mt_program_dispatch(p, 0), MT_UNKNOWN_SPACE);
	told(mt_program_dispatch(p, 0x7fffffff), MT_UNKNOWN_SPACE);
	expect_faults(2); /* what was told as a fault is in the log */
}

TEST(the_buffers_of_a_program_are_seen)
{
	mt_space d = chip(0);
	struct mt_cb cbs[] = {
		{.x1 = 7, .y1 = 7, .address = 0x10000, .bytes = 2048},
		{.x0 = 1,
	         .y0 = 2,
	         .x1 = 3,
	         .y1 = 4,
	         .flags = MT_VIEW,
	         .address = 0x20000,
	         .bytes = 64},
	};
	mt_program *p;
	struct segment_view *view;

	mt_tag_push("matmul");
	p = mt_program_define(99, cbs, 2, 0);
	mt_tag_pop();
	memset(cbs, 0xff, sizeof cbs); /* they were copied */
	ok(mt_program_dispatch(p, d));
	view = outside();
	same(view->program_count, 1);
	same(view->programs[0].id, 99);
	holds(view->programs[0].live);
	holds(strcmp(view->tags[view->programs[0].tag].path, "matmul") == 0);
	same(view->programs[0].cb_count, 2);
	same(view->programs[0].cbs[0].bytes, 2048);
	same(view->programs[0].cbs[1].flags, MT_VIEW);
	same(view->programs[0].cbs[1].y1, 4);
	segment_view_destroy(view);
	expect(0, MT_CB, 0, 0, 0); /* never added */
	expect(0, MT_L1, 0, 0, 0);
}

TEST(bad_programs)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 1, 64);

	holds(mt_program_define(1, NULL, 1, 0) == NULL);
	told(mt_program_dispatch(NULL, d), MT_OFF);
	told(mt_program_clash(NULL, d, 1, 2), MT_OFF);
	mt_program_drop(NULL);
	b.kind = MT_CB;
	told(mt_alloc(&b), MT_BAD_ARGUMENT);
}

TEST(programs_come_and_go_by_thousands)
{
	enum { PROGRAMS = 4096 };
	static mt_program *programs[PROGRAMS];
	mt_space d = chip(0);
	struct segment_view *view;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < PROGRAMS; i++) {
			programs[i] = program(i, 0, 0, 7, 7);
			ok(mt_program_dispatch(programs[i], d));
		}
		view = outside();
		same(space_in(view, d)->resident_count, 1);
		same(view->program_count, PROGRAMS);
		segment_view_destroy(view);
		for (unsigned i = 0; i < PROGRAMS; i++)
			mt_program_drop(programs[i]);
	}
}

/* --- rule 20 ----------------------------------------------------------------------------- */

static void expect_path(uint64_t id, const char *path)
{
	struct segment_view *view = outside();

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		if (view->buffers[i].id != id)
			continue;
		if (strcmp(view->tags[view->buffers[i].tag].path, path) != 0)
			check_failed(__FILE__, __LINE__, "buffer %u is tagged %s, not %s",
			             (unsigned)id, view->tags[view->buffers[i].tag].path, path);
		segment_view_destroy(view);
		return;
	}
	check_failed(__FILE__, __LINE__, "buffer %u is not to be seen", (unsigned)id);
}

struct carried {
	mt_space device;
	mt_tag tag;
};

static void *other_thread(void *arg)
{
	struct carried *carried = arg;
	mt_tag old;

	ok(put(carried->device, 10, 1));
	old = mt_tag_swap(carried->tag);
	same(old, 0);
	ok(put(carried->device, 11, 1));
	mt_tag_push("there");
	ok(put(carried->device, 12, 1));
	mt_tag_pop();
	same(mt_tag_swap(old), carried->tag);
	ok(put(carried->device, 13, 1));
	return NULL;
}

TEST(the_tag_stack_is_per_thread_and_can_be_carried)
{
	struct carried carried = {.device = chip(0)};
	pthread_t thread;
	mt_tag model = mt_tag_push("model"), again;

	carried.tag = mt_tag_push("layer3");
	ok(put(carried.device, 1, 1));
	same(pthread_create(&thread, NULL, other_thread, &carried), 0);
	pthread_join(thread, NULL);
	mt_tag_pop();
	ok(put(carried.device, 2, 1));
	again = mt_tag_push("layer3");
	same(again, carried.tag);
	mt_tag_pop();
	mt_tag_pop();
	mt_tag_pop(); /* one too many */
	ok(put(carried.device, 3, 1));
	same(mt_tag_push("model"), model);
	expect_path(1, "model/layer3");
	expect_path(2, "model");
	expect_path(3, "");
	expect_path(10, "");
	expect_path(11, "model/layer3");
	expect_path(12, "model/layer3/there");
	expect_path(13, "");
}

TEST(a_buffer_may_name_its_tag)
{
	mt_space d = chip(0);
	mt_tag a = mt_tag_push("a");
	struct mt_buffer b = buffer(d, 1, 1);

	mt_tag_pop();
	mt_tag_push("b");
	b.tag = a;
	ok(mt_alloc(&b));
	b.id = 2;
	b.tag = 0;
	ok(mt_alloc(&b));
	b.id = 3;
	b.tag = 1000000; /* never made */
	ok(mt_alloc(&b));
	expect_path(1, "a");
	expect_path(2, "b");
	expect_path(3, "");
}

TEST(a_tag_that_was_never_made_is_none)
{
	mt_space d = chip(0);

	mt_tag_swap(4000000000u);
	ok(put(d, 1, 1));
	mt_tag_push("x");
	ok(put(d, 2, 1));
	mt_tag_pop();
	mt_tag_pop();
	expect_path(1, "");
	expect_path(2, "x");
}

TEST(sites_are_compared_by_content)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 1, 8);
	struct segment_view *view;
	char site[40], other[40];

	snprintf(site, sizeof site, "ttnn::matmul");
	snprintf(other, sizeof other, "ttnn::matmul");
	b.site = site;
	ok(mt_alloc(&b));
	memset(site, 'x', 5); /* it was copied */
	b.id = 2;
	b.site = other;
	ok(mt_alloc(&b));
	view = outside();
	holds(strcmp(view->buffers[0].site, "ttnn::matmul") == 0);
	holds(strcmp(view->buffers[1].site, "ttnn::matmul") == 0);
	segment_view_destroy(view);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dispatch_makes_resident_and_drives_out_what_overlaps),
		cmocka_unit_test(a_resident_program_costs_no_operation),
		cmocka_unit_test(spaces_on_the_same_chip_restamp_one_another),
		cmocka_unit_test(many_spaces_one_program),
		cmocka_unit_test(a_dropped_program_is_nowhere),
		cmocka_unit_test(a_closed_space_has_no_residents_and_takes_none),
		cmocka_unit_test(the_buffers_of_a_program_are_seen),
		cmocka_unit_test(bad_programs),
		cmocka_unit_test(programs_come_and_go_by_thousands),
		cmocka_unit_test(the_tag_stack_is_per_thread_and_can_be_carried),
		cmocka_unit_test(a_buffer_may_name_its_tag),
		cmocka_unit_test(a_tag_that_was_never_made_is_none),
		cmocka_unit_test(sites_are_compared_by_content),
	};

	(void)argc;
	return fixture_main("contract_programs", tests, sizeof tests / sizeof *tests, argv);
}
