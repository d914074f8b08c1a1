/* SPDX-License-Identifier: Apache-2.0 */
/* One word per reason: class, state of the space and end of the process decide. */
#include "cmocka_all.h"
#include "leaks.h"
#include "view_build.h"

struct row {
	enum view_life life;
	uint8_t space_state, class_now;
	enum verdict verdict;
};

static const struct row table[] = {
	{LIFE_ALIVE, SPACE_READY, CLASS_USER, VERDICT_LIMIT},
	{LIFE_ALIVE, SPACE_CLOSED, CLASS_USER, VERDICT_LEAKED},
	{LIFE_ALIVE, SPACE_CLOSED, CLASS_CACHE, VERDICT_CACHE},
	{LIFE_ALIVE, SPACE_CLOSED, CLASS_SYSTEM, VERDICT_SYSTEM},
	{LIFE_ALIVE, SPACE_LOST, CLASS_USER, VERDICT_LOST},
	{LIFE_ENDED, SPACE_READY, CLASS_USER, VERDICT_LEAKED},
	{LIFE_ENDED, SPACE_READY, CLASS_SYSTEM, VERDICT_SYSTEM},
	{LIFE_KILLED, SPACE_READY, CLASS_USER, VERDICT_KILLED},
	{LIFE_KILLED, SPACE_READY, CLASS_CACHE, VERDICT_CACHE},
	{LIFE_KILLED, SPACE_CLOSED, CLASS_USER, VERDICT_LEAKED},
	{LIFE_KILLED, SPACE_LOST, CLASS_USER, VERDICT_LOST},
	{LIFE_EXEC, SPACE_READY, CLASS_USER, VERDICT_OPEN},
	{LIFE_STOPPED, SPACE_READY, CLASS_USER, VERDICT_OPEN},
	{LIFE_STOPPED, SPACE_CLOSED, CLASS_USER, VERDICT_LEAKED},
	{LIFE_IMAGE, SPACE_READY, CLASS_USER, VERDICT_LIMIT},
	{LIFE_KILLED, SPACE_READY, CLASS_VIEW, VERDICT_LIMIT},
	{LIFE_ENDED, SPACE_CLOSED, CLASS_IMPORT, VERDICT_LIMIT},
	{LIFE_ENDED, SPACE_CLOSED, CLASS_VIRTUAL, VERDICT_LIMIT},
};

static void verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct built_view *built = build_view(1, table[i].life);
		uint32_t space = build_device_space(built, build_device(built, 1, 0, ""));
		struct view_buffer *buffer = build_buffer(built, space, 1, 10);

		buffer->class_now = table[i].class_now;
		built->spaces[space].state = table[i].space_state;
		buffer->closed = table[i].space_state >= SPACE_CLOSED;
		assert_int_equal(leak_verdict(&built->view, buffer), table[i].verdict);
		build_free(built);
	}
}

static void alike_in_one_line(void **state)
{
	struct built_view *built = build_view(1, LIFE_ENDED);
	struct segment_view *views[1] = {&built->view};
	struct machine_input input = {views, 1, NULL, false};
	struct selection all = {.all_kinds = true};
	struct leak_options options = {false};
	struct machine machine;
	struct leaks leaks;

	(void)state;
	for (uint32_t d = 0; d < 4; d++) {
		build_device(built, d + 1, (int32_t)d, "");
		build_buffer(built, build_device_space(built, d), d, 4096)->site = "layer.c:7";
	}
	build_buffer(built, 2, 9, 36)->class_now = CLASS_CACHE;
	build_figures(built);
	machine_build(&machine, &input);
	leaks_find(&leaks, &machine, &all, &options);
	assert_int_equal(leaks.leaks.count, 2);
	assert_int_equal(leaks.leaks.items[0].verdict, VERDICT_LEAKED);
	assert_int_equal(leaks.leaks.items[0].records, 4);
	assert_int_equal(leaks.leaks.items[0].total_bytes, 4 * 4096);
	assert_int_equal(leaks.totals[VERDICT_CACHE].bytes, 36);
	assert_int_equal(leaks.device_bytes[VERDICT_LEAKED][3], 4096);
	leaks_finish(&leaks);
	machine_finish(&machine);
	build_free(built);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(alike_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
