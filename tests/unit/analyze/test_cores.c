/* SPDX-License-Identifier: Apache-2.0 */
/* Circular buffers: the newest on a core hides the older, unions count once, views never. */
#include "cmocka_all.h"
#include "cores.h"
#include "memory.h"
#include "view_build.h"

struct fixture {
	struct built_view *built;
	struct segment_view *views[1];
	struct machine machine;
};

static void start(struct fixture *fixture)
{
	fixture->built = build_view(1, LIFE_ALIVE);
	fixture->views[0] = &fixture->built->view;
	build_device(fixture->built, 1, 0, "");
	build_device_space(fixture->built, 0);
}

static void dispatch(struct fixture *fixture, struct segment_cb *cbs, uint32_t count, uint64_t op)
{
	struct segment_view *view = &fixture->built->view;
	struct view_space *space = &fixture->built->spaces[0];

	fixture->built->residents[space->resident_count++] =
		(struct segment_resident){view->program_count, 0, op};
	fixture->built->programs[view->program_count++] =
		(struct view_program){.live = true, .cb_count = count, .cbs = cbs};
}

static void report(struct fixture *fixture, struct core_report *ret_report)
{
	struct machine_input input = {fixture->views, 1, NULL, false};

	build_figures(fixture->built);
	machine_build(&fixture->machine, &input);
	cores_report(&fixture->machine, 0, ret_report);
	machine_finish(&fixture->machine);
	build_free(fixture->built);
}

static void newest_hides_older_where_they_meet(void **state)
{
	/* 8x8 cores with 100 bytes each; then 2x8 of them with 40. */
	struct segment_cb old[] = {{0, 0, 7, 7, 0, 0, 1000, 100}};
	struct segment_cb newer[] = {{0, 0, 1, 7, 0, 0, 1000, 40}};
	struct view_buffer *buffer;
	struct core_report result;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	dispatch(&fixture, old, 1, 5);
	dispatch(&fixture, newer, 1, 9);
	buffer = build_buffer(fixture.built, 0, 1, 64);
	buffer->kind = MT_L1;
	buffer->address = 5000;
	report(&fixture, &result);
	assert_true(result.known);
	assert_int_equal(result.resident_bytes, 48 * 100 + 16 * 40);
	assert_int_equal(result.reserved_bytes, 64 * 100);
	assert_int_equal(result.fullest_bytes, 100);
	assert_int_equal(result.highest_end, 1100);
	assert_true(result.lowest_known);
	assert_int_equal(result.headroom, 3900);
}

static void unions_and_views(void **state)
{
	struct segment_cb cbs[] = {{0, 0, 0, 0, 0, 0, 1000, 100},
	                           {0, 0, 0, 0, 0, 0, 1050, 100},
	                           {0, 0, 0, 0, MT_VIEW, 0, 9000, 100},
	                           {5, 5, 4, 4, 0, 0, 0, 100}}; /* upside down: none */
	struct core_report result;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	dispatch(&fixture, cbs, 4, 1);
	report(&fixture, &result);
	assert_int_equal(result.resident_bytes, 150);
	assert_int_equal(result.highest_end, 1150);
	assert_false(result.lowest_known);
}

static void clash_is_negative_headroom(void **state)
{
	struct segment_cb cbs[] = {{0, 0, 0, 0, 0, 0, 1000, 500}};
	struct view_buffer *buffer;
	struct core_report result;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	dispatch(&fixture, cbs, 1, 1);
	buffer = build_buffer(fixture.built, 0, 1, 64);
	buffer->kind = MT_L1;
	buffer->address = 1400;
	report(&fixture, &result);
	assert_int_equal(result.headroom, -100);
}

static void none(void **state)
{
	struct core_report result;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	report(&fixture, &result);
	assert_false(result.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_hides_older_where_they_meet),
		cmocka_unit_test(unions_and_views),
		cmocka_unit_test(clash_is_negative_headroom),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
