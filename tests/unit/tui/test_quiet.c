/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is painted where nothing happens, by a test clock: readings go on twice a second, pictures
 * are drawn at each, and bytes come of them only when the line "no events for 40 s" goes on: every
 * 10 s, and after a minute every minute.
 */
#include "paint.h"
#include "tui_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TICK_NS 500000000ull

enum { ROWS = 40, COLUMNS = 120, TICKS = 2 * 400, TICKS_A_SECOND = 2, YOUNG = 10 };

struct quiet {
	struct tui_fixture fixture;
	struct canvas shown, next;
	struct hits hits;
};

/* The last event was just now. */
static void begin(struct quiet *quiet, const char *name, enum screen_id screen,
                  enum history_span span)
{
	struct reading *reading = &quiet->fixture.reading;

	memset(quiet, 0, sizeof(*quiet));
	tui_fixture_init(&quiet->fixture, name);
	quiet->fixture.ui.screen = screen;
	quiet->fixture.ui.span = span;
	tui_fixture_mark(&quiet->fixture, 50);
	tui_fixture_survey(&quiet->fixture);
	reading->events = 0;
	reading->last_event_ns = reading->changed_ns = FIXTURE_NOW_NS;
	memset(reading->rates, 0, reading->scene.machine.processes.count * sizeof(*reading->rates));
	canvas_size(&quiet->shown, ROWS, COLUMNS);
	canvas_size(&quiet->next, ROWS, COLUMNS);
}

static void end(struct quiet *quiet)
{
	canvas_finish(&quiet->shown);
	canvas_finish(&quiet->next);
	hits_finish(&quiet->hits);
	tui_fixture_finish(&quiet->fixture);
}

/* The picture at a time; how many bytes it is beside the one before. */
static size_t paint_at(struct quiet *quiet, unsigned tick)
{
	const struct paint with = {.palette = {.depth = COLORS_256}, .erases = true};
	struct tui_fixture *fixture = &quiet->fixture;
	struct canvas before = quiet->shown;
	uint64_t passed_ns = tick * TICK_NS;
	struct text out = {0};
	size_t bytes;

	if (fixture->reading.from == NULL && !fixture->ui.paused) {
		fixture->reading.monotonic_ns = FIXTURE_MONOTONIC_NS + passed_ns;
		fixture->reading.scene.now_ns = FIXTURE_NOW_NS + passed_ns;
		history_add(fixture->history, &fixture->reading);
	}
	look_finish(&fixture->look);
	look_init(&fixture->look, &fixture->reading, fixture->history, &fixture->ui,
	          FIXTURE_NOW_NS + passed_ns, FIXTURE_MONOTONIC_NS + passed_ns);
	canvas_size(&quiet->next, ROWS, COLUMNS);
	hits_clear(&quiet->hits);
	tui_fixture_draw(fixture, &quiet->next, &quiet->hits);
	paint(&out, &with, &before, &quiet->next);
	quiet->shown = quiet->next;
	quiet->next = before;
	bytes = out.length;
	text_finish(&out);
	return bytes;
}

static bool is_step(unsigned tick)
{
	unsigned seconds = tick / TICKS_A_SECOND;

	if (tick % TICKS_A_SECOND != 0)
		return false;
	return seconds < 60 ? seconds % 10 == 0 : seconds % 60 == 0;
}

/* Nothing but at steps; and at those something, for the line must go on. */
static void check_quiet(const char *name, enum screen_id screen, enum history_span span)
{
	struct quiet quiet;

	begin(&quiet, name, screen, span);
	for (unsigned tick = 0; tick < TICKS; tick++) {
		size_t bytes = paint_at(&quiet, tick);

		if (tick < YOUNG * TICKS_A_SECOND)
			continue;
		if ((bytes != 0) != is_step(tick))
			print_error("%s of %s, %u.%u s after the last event: %zu bytes\n",
			            screens[screen].name, name, tick / TICKS_A_SECOND,
			            tick % TICKS_A_SECOND * 5, bytes);
		assert_true((bytes != 0) == is_step(tick));
	}
	end(&quiet);
}

static void quiet_between_steps(void **state)
{
	(void)state;
	for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++) {
		check_quiet("example", screen, HISTORY_1_MINUTE);
		check_quiet("mesh32", screen, HISTORY_1_MINUTE);
	}
	check_quiet("mesh32", SCREEN_DEVICE, HISTORY_10_MINUTES);
	check_quiet("mesh32", SCREEN_DEVICE, HISTORY_60_MINUTES);
}

/* The curve of the last minute is whole, however long it is drawn by the clock of a step. */
static void curves_are_kept(void **state)
{
	uint64_t before[HISTORY_VALUES], after[HISTORY_VALUES];
	struct quiet quiet;

	(void)state;
	begin(&quiet, "mesh32", SCREEN_DEVICE, HISTORY_1_MINUTE);
	for (unsigned tick = 0; tick <= 60 * TICKS_A_SECOND; tick++)
		paint_at(&quiet, tick);
	assert_true(history_series(quiet.fixture.history, &quiet.fixture.reading.scene.machine, 0,
	                           0, HISTORY_1_MINUTE, quiet.fixture.look.monotonic_ns, &before));
	for (unsigned tick = 1; tick < 60 * TICKS_A_SECOND; tick++)
		paint_at(&quiet, 60 * TICKS_A_SECOND + tick);
	assert_true(history_series(quiet.fixture.history, &quiet.fixture.reading.scene.machine, 0,
	                           0, HISTORY_1_MINUTE, quiet.fixture.look.monotonic_ns, &after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_not_equal(before[0], UINT64_MAX);
	end(&quiet);
}

/* Clocks stand still: a file is as it was, and what is paused as it was then. */
static void nothing_at_all(void **state)
{
	struct quiet quiet;

	(void)state;
	for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++) {
		begin(&quiet, "file", screen, HISTORY_1_MINUTE);
		paint_at(&quiet, 0);
		for (unsigned tick = 1; tick < TICKS; tick++)
			assert_int_equal(paint_at(&quiet, tick), 0);
		end(&quiet);
		begin(&quiet, "mesh32", screen, HISTORY_1_MINUTE);
		paint_at(&quiet, 0);
		quiet.fixture.ui.paused = true;
		paint_at(&quiet, 1);
		for (unsigned tick = 2; tick < TICKS; tick++)
			assert_int_equal(paint_at(&quiet, tick), 0);
		end(&quiet);
	}
}

/* What comes after a long time without anything is drawn by the clock as it is. */
static void wakes_up(void **state)
{
	struct quiet quiet;
	const uint64_t passed_ns = 119 * TICK_NS;

	(void)state;
	begin(&quiet, "mesh32", SCREEN_DEVICE, HISTORY_1_MINUTE);
	paint_at(&quiet, 119);
	assert_int_equal(quiet.fixture.look.now_ns, FIXTURE_NOW_NS + 50000000000u);
	quiet.fixture.reading.changed_ns = FIXTURE_NOW_NS + passed_ns;
	paint_at(&quiet, 119);
	assert_int_equal(quiet.fixture.look.now_ns, FIXTURE_NOW_NS + passed_ns);
	assert_int_equal(quiet.fixture.look.monotonic_ns, FIXTURE_MONOTONIC_NS + passed_ns);
	end(&quiet);
}

/* A reading that does not come is told, however quiet it was. */
static void lateness_is_exact(void **state)
{
	struct quiet quiet;

	(void)state;
	begin(&quiet, "mesh32", SCREEN_MESH, HISTORY_1_MINUTE);
	paint_at(&quiet, 100);
	look_finish(&quiet.fixture.look);
	look_init(&quiet.fixture.look, &quiet.fixture.reading, quiet.fixture.history,
	          &quiet.fixture.ui, FIXTURE_NOW_NS + 200 * TICK_NS,
	          FIXTURE_MONOTONIC_NS + 200 * TICK_NS);
	assert_int_equal(quiet.fixture.look.read_ago_ns, 100 * TICK_NS);
	end(&quiet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_between_steps), cmocka_unit_test(curves_are_kept),
		cmocka_unit_test(nothing_at_all),      cmocka_unit_test(wakes_up),
		cmocka_unit_test(lateness_is_exact),
	};

	return cmocka_run_group_tests_name("quiet", tests, NULL, NULL);
}
