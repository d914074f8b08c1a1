/* SPDX-License-Identifier: Apache-2.0 */
/* What came and what went: of one process by buffer, of two runs by what it looks like. */
#include "cmocka_all.h"
#include "compare.h"
#include "view_build.h"

struct side {
	struct built_view *built;
	struct segment_view *views[1];
	struct machine machine;
	struct selection all;
	struct compared compared;
};

static void start(struct side *side, int32_t pid)
{
	*side = (struct side){.all = {.all_kinds = true}};
	side->built = build_view(pid, LIFE_ALIVE);
	side->views[0] = &side->built->view;
	build_device(side->built, 1, 0, "");
	build_device_space(side->built, 0);
	build_tag(side->built, "a");
}

static void ready(struct side *side)
{
	struct machine_input input = {side->views, 1, NULL, true};

	build_figures(side->built);
	machine_build(&side->machine, &input);
	side->compared = (struct compared){&side->machine, &side->all};
}

static void end(struct side *side)
{
	machine_finish(&side->machine);
	build_free(side->built);
}

static void one_process(void **state)
{
	struct comparison comparison;
	struct side before, after;

	(void)state;
	start(&before, 1);
	start(&after, 1);
	build_buffer(before.built, 0, 1, 100);
	build_buffer(before.built, 0, 2, 200)->tag = 1;
	build_buffer(after.built, 0, 1, 100);
	build_buffer(after.built, 0, 2, 200)->op = 9; /* freed and allocated again */
	build_buffer(after.built, 0, 3, 50)->tag = 1;
	after.built->buffers[1].tag = 1;
	ready(&before);
	ready(&after);
	compare(&comparison, &before.compared, &after.compared);
	assert_int_equal(comparison.changes.count, 2);
	assert_int_equal(comparison.changes.items[0].came, 1);
	assert_int_equal(comparison.changes.items[0].went, 1);
	assert_int_equal(comparison.changes.items[1].came_bytes, 50);
	assert_int_equal(comparison.tags.count, 1);
	assert_int_equal(comparison.tags.items[0].after_bytes, 250);
	compare_finish(&comparison);
	compare(&comparison, &after.compared, &after.compared);
	assert_int_equal(comparison.changes.count, 0);
	assert_int_equal(comparison.tags.count, 0);
	compare_finish(&comparison);
	end(&before);
	end(&after);
}

static void two_runs(void **state)
{
	struct comparison comparison;
	struct side before, after;

	(void)state;
	start(&before, 1);
	start(&after, 2);
	for (uint64_t i = 0; i < 3; i++)
		build_buffer(before.built, 0, i, 100);
	for (uint64_t i = 0; i < 5; i++)
		build_buffer(after.built, 0, 70 + i, 100);
	ready(&before);
	ready(&after);
	compare(&comparison, &before.compared, &after.compared);
	assert_int_equal(comparison.changes.count, 1);
	assert_int_equal(comparison.changes.items[0].came, 2);
	assert_int_equal(comparison.changes.items[0].came_bytes, 200);
	assert_int_equal(comparison.changes.items[0].went, 0);
	compare_finish(&comparison);
	end(&before);
	end(&after);
}

/* The same allocation on another device, and under another operation: nothing came, nothing went.
 * An id that is used again is another one. */
static void moved_is_no_change(void **state)
{
	struct comparison comparison;
	struct side before, after;

	(void)state;
	start(&before, 1);
	start(&after, 1);
	for (uint64_t id = 1; id <= 3; id++) {
		build_buffer(before.built, 0, id, 100)->time = 1000 + id;
		build_buffer(after.built, 0, id, 100)->time = 1000 + id;
	}
	build_device_space(after.built, build_device(after.built, 2, 1, ""));
	after.built->buffers[1].space = 1;
	after.built->buffers[1].op = 99;
	after.built->buffers[2].op = 98;
	after.built->buffers[2].time = 2000;
	ready(&before);
	ready(&after);
	compare(&comparison, &before.compared, &after.compared);
	assert_int_equal(comparison.changes.count, 1);
	assert_int_equal(comparison.changes.items[0].came, 1);
	assert_int_equal(comparison.changes.items[0].went, 1);
	assert_int_equal(comparison.tags.count, 0);
	compare_finish(&comparison);
	end(&before);
	end(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_process),
		cmocka_unit_test(two_runs),
		cmocka_unit_test(moved_is_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
