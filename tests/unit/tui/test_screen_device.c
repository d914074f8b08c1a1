/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of one device: address map, curves, holders, the list of buffers. */
#include "device_map.h"
#include "mesh_tile.h"
#include "screen_fixture.h"
#include "tui_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GB (1ull << 30)
#define MB (1ull << 20)

/* Three devices; on the first the lower half and the last quarter of each bank are taken. */
static struct built_view *make_device(struct screen_fixture *fixture)
{
	struct built_view *built = screen_fixture_add(fixture, 10, 0x100, 3);
	uint32_t device = build_device_space(built, 0), other = build_device_space(built, 1);
	struct view_buffer *buffer;

	buffer = build_buffer(built, device, 1, 6 * GB);
	buffer->address = 0;
	buffer->span = GB / 2;
	buffer->time_ns = SCREEN_NOW_NS - 60000000000ull;
	buffer->tag = build_tag(built, "zeta");
	buffer = build_buffer(built, device, 2, 3 * GB);
	buffer->address = 3 * GB / 4;
	buffer->span = GB / 4;
	buffer->class_now = CLASS_CACHE;
	buffer->time_ns = SCREEN_NOW_NS - 120000000000ull;
	buffer->tag = build_tag(built, "alpha");
	build_buffer(built, other, 3, GB)->tag = build_tag(built, "elsewhere");
	return built;
}

static void start(struct screen_fixture *fixture)
{
	screen_fixture_init(fixture);
	make_device(fixture);
	screen_fixture_ready(fixture);
	fixture->ui.screen = SCREEN_DEVICE;
	screen_fixture_survey(fixture);
}

static void test_bins_become_cells(void **state)
{
	struct survey_map *map = calloc(1, sizeof(*map));
	struct survey_hole marked = {0x100, 0x10};
	struct map_cell cells[16];

	(void)state;
	map->known = true;
	map->bank_bytes = SURVEY_MAP_BINS; /* an address per bin */
	for (size_t i = 0; i < SURVEY_MAP_BINS; i++)
		map->bins[i] = (struct survey_bin){UINT16_MAX, CLASS_SYSTEM};
	for (size_t i = 1024; i < 2048; i++)
		map->bins[i].used = 0;
	for (size_t i = 2304; i < 2560; i++)
		map->bins[i].used = 0;
	map->bins[4095].used = 0;
	map->holes[0] = (struct survey_hole){1024, 1024};
	map->listed_holes = 1;
	map_cells(map, &marked, cells, 16);
	for (size_t i = 0; i < 16; i++) {
		bool hole = i >= 4 && i < 8;

		assert_int_equal(cells[i].in_largest, hole);
		assert_int_equal(cells[i].marked, i == 1);
		if (hole || i == 9)
			assert_int_equal(cells[i].used, 0);
		else
			assert_int_equal(cells[i].class_now, CLASS_SYSTEM);
	}
	assert_int_equal(cells[0].used, UINT16_MAX);
	assert_true(cells[15].used < UINT16_MAX && cells[15].used > UINT16_MAX / 2);
	free(map);
}

static void test_hole_is_seen(void **state)
{
	struct screen_fixture fixture;
	int row, column;

	(void)state;
	start(&fixture);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 36, 120);
	assert_true(screen_has(&fixture, "12 banks of 1 GB; each: free 256 MB in one piece"));
	assert_true(screen_find_text(&fixture, "256 MB free", &row, &column));
	assert_int_equal(canvas_cell(&fixture.canvas, row, column)->style, STYLE_GOOD);
	assert_true(screen_has(&fixture, "0x00000000"));
	/* Cells of the second line: a hole, then the cached buffer to the end. */
	assert_int_equal(canvas_cell(&fixture.canvas, row, 110)->style, STYLE_CACHE);
	assert_true(screen_has(&fixture, "9.00 GB of   12.00 GB   75%"));
	screen_fixture_finish(&fixture);
}

static void test_list_is_of_the_device(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	start(&fixture);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, 80);
	assert_int_equal(fixture.sheet.rows.count, 2);
	assert_true(screen_has(&fixture, "zeta"));
	assert_false(screen_has(&fixture, "elsewhere"));
	assert_true(screen_has(&fixture, "2m00s"));
	assert_true(screen_fixture_key(&fixture, KEY_RIGHT));
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, 80);
	assert_true(screen_has(&fixture, "elsewhere"));
	assert_true(screen_has(&fixture, "device 1"));
	screen_fixture_key(&fixture, KEY_RIGHT);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, 80);
	assert_true(screen_has(&fixture, "Nothing is held on device 2."));
	screen_fixture_key(&fixture, KEY_RIGHT); /* around */
	assert_int_equal(fixture.ui.device, 0);
	screen_fixture_key(&fixture, KEY_LEFT);
	assert_int_equal(fixture.ui.device, 2);
	screen_fixture_finish(&fixture);
}

static uint64_t first_bytes(struct screen_fixture *fixture, const char *column, bool descending)
{
	size_t at = 0;

	screen_fixture_draw(fixture, SCREEN_DEVICE, 20, 80);
	while (strcmp(fixture->sheet.columns[at].name, column) != 0)
		at++;
	fixture->ui.lists[SCREEN_DEVICE].sort = at;
	fixture->ui.lists[SCREEN_DEVICE].descending = descending;
	screen_fixture_draw(fixture, SCREEN_DEVICE, 20, 80);
	return fixture->sheet.rows.items[0].values[0].number;
}

static void test_sorting(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(first_bytes(&fixture, "bytes", true), 6 * GB);
	assert_int_equal(first_bytes(&fixture, "bytes", false), 3 * GB);
	assert_int_equal(first_bytes(&fixture, "age_seconds", true), 3 * GB);
	assert_int_equal(first_bytes(&fixture, "tag", false), 3 * GB);
	screen_fixture_finish(&fixture);
}

static void test_selected_buffer_is_on_the_map(void **state)
{
	struct screen_fixture fixture;
	int row, column, cells = 0;

	(void)state;
	start(&fixture);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 36, 120);
	assert_true(screen_find_text(&fixture, "0x00000000", &row, &column));
	for (int at = 0; at < 120; at++)
		cells += canvas_cell(&fixture.canvas, row, at)->style == STYLE_PEAK;
	assert_true(cells > 100); /* the first line is the lower half: the largest buffer */
	screen_fixture_finish(&fixture);
}

static void test_enter_shows_the_tag_alone(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	start(&fixture);
	assert_true(screen_fixture_key(&fixture, KEY_ENTER));
	assert_true(filter_has_tag(&fixture.ui.filter, "zeta"));
	assert_false(filter_has_tag(&fixture.ui.filter, "alpha"));
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, 80);
	assert_int_equal(fixture.sheet.rows.count, 1);
	screen_fixture_finish(&fixture);
}

static void test_curve_has_what_was_held(void **state)
{
	struct screen_fixture fixture;
	struct canvas canvas = {0};
	struct machine_figure *figure;
	uint64_t most = 0;

	(void)state;
	start(&fixture);
	figure = &fixture.reading.scene.machine.devices.items[0].figures[MT_DRAM];
	figure->held = GB;
	fixture.reading.monotonic_ns += 1000000000;
	fixture.look.monotonic_ns += 1000000000;
	history_add(fixture.history, &fixture.reading);
	figure->held = 9 * GB;
	canvas_size(&canvas, 2, 60);
	figure_spark(&fixture.look, &canvas, (struct area){0, 0, 2, 60}, STYLE_USER, 0, MT_DRAM,
	             &most);
	assert_int_equal(most, 9 * GB);
	/* The last but one of 60 values is as high as it gets, the last one a ninth of it. */
	assert_int_equal(canvas_cell(&canvas, 0, 58)->style, STYLE_USER);
	assert_int_not_equal(canvas_cell(&canvas, 0, 58)->bytes[0], ' ');
	assert_int_equal(canvas_cell(&canvas, 0, 59)->bytes[0], ' ');
	assert_int_not_equal(canvas_cell(&canvas, 1, 59)->bytes[0], ' ');
	assert_int_equal(canvas_cell(&canvas, 1, 30)->bytes[0], ' ');
	canvas_finish(&canvas);
	screen_fixture_finish(&fixture);
}

static void test_spans(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	start(&fixture);
	fixture.ui.span = HISTORY_1_MINUTE;
	assert_true(screen_fixture_key(&fixture, '['));
	assert_int_equal(fixture.ui.span, HISTORY_1_MINUTE);
	screen_fixture_key(&fixture, ']');
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 36, 120);
	assert_true(screen_has(&fixture, "last 10 minutes, most 9 GB"));
	screen_fixture_key(&fixture, ']');
	screen_fixture_key(&fixture, ']');
	assert_int_equal(fixture.ui.span, HISTORY_60_MINUTES);
	screen_fixture_finish(&fixture);
}

static void test_before_the_first_survey(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	start(&fixture);
	survey_release(fixture.reading.survey);
	fixture.reading.survey = NULL;
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 24, 80);
	assert_true(screen_has(&fixture, "Single buffers are being looked at"));
	assert_true(screen_has(&fixture, "9.00 GB"));
	/* While it is paused none will come by itself. */
	fixture.ui.paused = true;
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 24, 80);
	assert_true(screen_has(&fixture, "buffers were not looked at"));
	assert_false(screen_has(&fixture, "Single buffers are being looked at"));
	fixture.ui.paused = false;
	/* Nor is one of another device shown. */
	screen_fixture_survey(&fixture);
	ui_set_device(&fixture.ui, &fixture.reading, 1);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 24, 80);
	assert_true(screen_has(&fixture, "Single buffers are being looked at"));
	assert_false(screen_has(&fixture, "zeta"));
	screen_fixture_finish(&fixture);
}

static void test_totals_only(void **state)
{
	struct screen_fixture fixture;
	struct tt_device *chip;

	(void)state;
	screen_fixture_init(&fixture);
	chip = vec_add(&fixture.reading.scene.counters.devices);
	chip->unique_id = 0x500;
	chip->process_count = 1;
	chip->processes[0] = (struct tt_process){.pid = 99, .bytes = {8192, 1024}, .name = "stock"};
	chip->bytes[TT_DRAM] = 8192;
	screen_fixture_ready(&fixture);
	fixture.ui.screen = SCREEN_DEVICE;
	screen_fixture_survey(&fixture);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, 80);
	assert_true(screen_has(&fixture, "Only totals are known here"));
	screen_fixture_finish(&fixture);
}

static void test_narrow_still_says_it(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	start(&fixture);
	screen_fixture_draw(&fixture, SCREEN_DEVICE, 7, 40);
	assert_true(screen_has(&fixture, "device 0"));
	assert_true(screen_has(&fixture, "9.00 GB"));
	assert_true(screen_has(&fixture, "zeta"));
	screen_fixture_finish(&fixture);
}

static void test_every_size(void **state)
{
	static const char *const names[] = {"mesh32",  "hostile", "empty",
	                                    "waiting", "example", "file"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct tui_fixture fixture;
		struct screen_fixture drawn = {0};

		tui_fixture_init(&fixture, names[i]);
		fixture.ui.screen = SCREEN_DEVICE;
		tui_fixture_survey(&fixture);
		for (int rows = 0; rows <= 60; rows += 1 + rows / 8)
			for (int columns = 1; columns <= 201; columns += 1 + columns / 4) {
				struct sheet sheet;

				canvas_size(&drawn.canvas, rows, columns);
				device_make(&fixture.look, &sheet);
				sheet_settle(&sheet, &fixture.ui.lists[SCREEN_DEVICE]);
				device_draw(&fixture.look, &sheet, &drawn.canvas,
				            canvas_area(&drawn.canvas), &drawn.hits);
				screen_check_cells(&drawn);
				sheet_finish(&sheet);
				hits_clear(&drawn.hits);
			}
		canvas_finish(&drawn.canvas);
		hits_finish(&drawn.hits);
		tui_fixture_finish(&fixture);
	}
}

/* Where buffers lie is not told: no map that would show their place as free. */
static void test_no_map_without_addresses(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;
	uint32_t place;

	(void)state;
	screen_fixture_init(&fixture);
	built = make_device(&fixture);
	place = build_device_space(built, build_unplaced(built, 0));
	build_buffer(built, place, 9, MB)->tag = build_tag(built, "nowhere");
	built->buffers[1].address = SEGMENT_NO_ADDRESS;
	screen_fixture_ready(&fixture);
	fixture.ui.screen = SCREEN_DEVICE;
	screen_fixture_survey(&fixture);
	for (int columns = 60; columns <= 160; columns += 50) {
		screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, columns);
		assert_true(screen_has(&fixture, "does not tell where 1 buffer lies"));
		screen_fixture_draw(&fixture, SCREEN_DEVICE, 44, columns);
		assert_true(screen_has(&fixture, "does not tell where 1 buffer lies"));
		assert_false(screen_has(&fixture, "0x00000000"));
		assert_false(screen_has(&fixture, "GB free"));
	}
	/* The three devices, and not what is on none. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fixture.ui.device, i % 3);
		screen_fixture_key(&fixture, KEY_RIGHT);
		screen_fixture_survey(&fixture);
		screen_fixture_draw(&fixture, SCREEN_DEVICE, 20, 80);
		assert_false(screen_has(&fixture, "nowhere"));
	}
	screen_fixture_finish(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bins_become_cells),
		cmocka_unit_test(test_hole_is_seen),
		cmocka_unit_test(test_list_is_of_the_device),
		cmocka_unit_test(test_sorting),
		cmocka_unit_test(test_selected_buffer_is_on_the_map),
		cmocka_unit_test(test_enter_shows_the_tag_alone),
		cmocka_unit_test(test_curve_has_what_was_held),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_before_the_first_survey),
		cmocka_unit_test(test_totals_only),
		cmocka_unit_test(test_narrow_still_says_it),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_no_map_without_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
