/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh screen: tiles in the shape of the mesh, what is alike, what is odd, keys. */
#include "mesh_layout.h"
#include "screen_fixture.h"
#include "tui_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GB (1ull << 30)

static const struct hit *tile_of(const struct hits *hits, uint64_t row)
{
	const struct hit *hit;

	vec_for (hit, &hits->hits)
		if (hit->type == HIT_TILE && hit->argument == row)
			return hit;
	return NULL;
}

/* A mesh on which all devices have the same, but for one. */
static void make_mesh(struct screen_fixture *fixture, uint16_t rows, uint16_t columns,
                      uint64_t each, uint32_t odd, uint64_t more)
{
	struct built_view *built = screen_fixture_add(fixture, 10, 0x100, (uint32_t)rows * columns);
	uint32_t mesh = screen_fixture_mesh(built, rows, columns, 0);

	build_buffer(built, mesh, 1, each);
	if (more != 0)
		build_buffer(built, build_device_space(built, odd), 2, more);
}

static void test_tiles_lie_as_in_the_mesh(void **state)
{
	struct screen_fixture fixture;
	const struct hit *hits[8];

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, GB, 0, 0);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	for (uint32_t row = 0; row < 8; row++) {
		hits[row] = tile_of(&fixture.hits, row);
		assert_non_null(hits[row]);
		assert_int_equal(hits[row]->area.columns, 20);
		assert_int_equal(hits[row]->area.column, (int)(row % 4) * 20);
	}
	for (uint32_t row = 0; row < 4; row++) {
		assert_int_equal(hits[row]->area.row, hits[0]->area.row);
		assert_int_equal(hits[row + 4]->area.row,
		                 hits[row]->area.row + hits[row]->area.rows);
	}
	assert_true(screen_has(&fixture, "2x4 mesh"));
	assert_true(screen_has(&fixture, "all 8 alike: DRAM 1 GB each"));
	assert_int_equal(screen_count(&fixture, "8%"), 8); /* a twelfth */
	screen_fixture_finish(&fixture);
}

static void test_odd_one_is_marked(void **state)
{
	struct screen_fixture fixture;
	int row, column;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 4, 8, GB, 13, 36864);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 36, 120);
	assert_true(screen_has(&fixture, "devices 0-12,14-31: 1 GB each; device 13: +36 KB"));
	assert_true(screen_find_text(&fixture, " 13 ", &row, &column));
	assert_int_equal(canvas_cell(&fixture.canvas, row, column + 1)->style, STYLE_WARNING);
	assert_true(screen_find_text(&fixture, " 12 ", &row, &column));
	assert_int_equal(canvas_cell(&fixture.canvas, row, column + 1)->style, STYLE_TEXT);
	/* Small tiles have a star. */
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "13*"));
	assert_int_equal(screen_count(&fixture, "*"), 2); /* and the legend's */
	screen_fixture_finish(&fixture);
}

static void test_heat_is_the_share(void **state)
{
	struct screen_fixture fixture;
	const struct hit *cold, *hot;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 8, 8, GB, 63, 11 * GB);
	screen_fixture_ready(&fixture);
	fixture.reading.scene.machine.devices.items[1].figures[MT_DRAM].peak = 12 * GB;
	screen_fixture_draw(&fixture, SCREEN_MESH, 12, 40);
	cold = tile_of(&fixture.hits, 1);
	hot = tile_of(&fixture.hits, 63);
	assert_non_null(cold);
	assert_non_null(hot);
	assert_true(cold->area.columns < 8);
	assert_int_equal(canvas_cell(&fixture.canvas, cold->area.row, cold->area.column)->style,
	                 style_heat(GB, 12 * GB));
	assert_int_equal(canvas_cell(&fixture.canvas, hot->area.row, hot->area.column)->style,
	                 style_heat(12 * GB, 12 * GB));
	screen_fixture_finish(&fixture);
}

static void add_fault(struct built_view *built, uint32_t device, uint32_t space)
{
	built->faults[built->view.fault_count++] = (struct view_fault){.type = MT_DOUBLE_FREE,
	                                                               .device = device,
	                                                               .space = space,
	                                                               .tag_first = "",
	                                                               .site_first = "",
	                                                               .tag_second = "",
	                                                               .site_second = "",
	                                                               .count = 2};
}

static void test_faults_are_marked(void **state)
{
	struct screen_fixture fixture;
	int row, column;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, GB, 0, 0);
	add_fault(fixture.views[0], 7, UINT32_MAX);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_find_text(&fixture, "! 2 faults", &row, &column));
	assert_int_equal(canvas_cell(&fixture.canvas, row, column)->style, STYLE_BAD);
	assert_int_equal(screen_count(&fixture, "! 2 faults"), 1);
	assert_true(column >= 60); /* the last tile */
	/* What all of the mesh has is told once. */
	add_fault(fixture.views[0], UINT32_MAX, 0);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "! 2 faults on all of it"));
	assert_int_equal(screen_count(&fixture, "! 2 faults"), 2);
	screen_fixture_finish(&fixture);
}

static void test_several_meshes_and_others(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, GB, 0, 0);
	fixture.views[0]->spaces[0].name = "left";
	built = screen_fixture_add(&fixture, 11, 0x200, 4);
	build_buffer(built, screen_fixture_mesh(built, 2, 2, 0), 1, 2 * GB);
	built = screen_fixture_add(&fixture, 12, 0x300, 2);
	build_buffer(built, build_device_space(built, 0), 1, GB);
	build_buffer(built, build_device_space(built, 1), 2, GB);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "2x4 mesh \"left\""));
	assert_true(screen_has(&fixture, "2x2 mesh"));
	assert_true(screen_has(&fixture, "2 devices in no mesh"));
	for (uint32_t row = 0; row < 14; row++)
		assert_non_null(tile_of(&fixture.hits, row));
	screen_fixture_finish(&fixture);
}

static void test_a_thousand_fit(void **state)
{
	struct tui_fixture fixture;
	struct canvas canvas = {0};
	struct hits hits = {0};
	struct sheet sheet;

	(void)state;
	tui_fixture_init(&fixture, "mesh1024");
	canvas_size(&canvas, 20, 80);
	mesh_make(&fixture.look, &sheet);
	sheet_settle(&sheet, &fixture.ui.lists[SCREEN_MESH]);
	mesh_draw(&fixture.look, &sheet, &canvas, canvas_area(&canvas), &hits);
	for (uint32_t row = 0; row < 1024; row++)
		assert_non_null(tile_of(&hits, row));
	sheet_finish(&sheet);
	hits_finish(&hits);
	canvas_finish(&canvas);
	tui_fixture_finish(&fixture);
}

static void test_keys_move_in_the_mesh(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, GB, 0, 0);
	built = screen_fixture_add(&fixture, 12, 0x300, 2);
	build_buffer(built, build_device_space(built, 0), 1, GB);
	build_buffer(built, build_device_space(built, 1), 2, GB);
	for (uint32_t d = 0; d < 2; d++)
		built->devices[d].ordinal = 8 + (int32_t)d;
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	screen_fixture_key(&fixture, KEY_RIGHT);
	assert_int_equal(fixture.ui.device, 1);
	screen_fixture_key(&fixture, KEY_DOWN);
	assert_int_equal(fixture.ui.device, 5);
	screen_fixture_key(&fixture, KEY_LEFT);
	screen_fixture_key(&fixture, KEY_LEFT); /* to the end of the row above */
	assert_int_equal(fixture.ui.device, 3);
	screen_fixture_key(&fixture, KEY_UP);
	assert_int_equal(fixture.ui.device, 3);
	screen_fixture_key(&fixture, KEY_END);
	assert_int_equal(fixture.ui.device, 9);
	screen_fixture_key(&fixture, KEY_DOWN);
	assert_int_equal(fixture.ui.device, 9);
	screen_fixture_key(&fixture, KEY_UP);
	screen_fixture_key(&fixture, KEY_UP); /* out of the list, into the mesh */
	assert_int_equal(fixture.ui.device, 4);
	screen_fixture_key(&fixture, KEY_HOME);
	assert_int_equal(fixture.ui.device, 0);
	assert_true(screen_fixture_key(&fixture, KEY_ENTER));
	assert_int_equal(fixture.ui.screen, SCREEN_DEVICE);
	screen_fixture_finish(&fixture);
}

static void test_folded_line(void **state)
{
	struct screen_fixture fixture;
	const struct hit *first, *below;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 1, 32, GB, 0, 0);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	first = tile_of(&fixture.hits, 0);
	below = tile_of(&fixture.hits, 8);
	assert_int_equal(below->area.column, first->area.column);
	assert_true(below->area.row > first->area.row);
	screen_fixture_key(&fixture, KEY_DOWN);
	assert_int_equal(fixture.ui.device, 8);
	screen_fixture_finish(&fixture);
}

static void test_list_has_a_line_per_kind(void **state)
{
	struct screen_fixture fixture;
	struct text csv = {0};

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, GB, 3, GB);
	screen_fixture_ready(&fixture);
	assert_false(fixture.ui.mesh_as_list);
	fixture.ui.screen = SCREEN_MESH;
	screen_fixture_key(&fixture, 'l');
	assert_true(fixture.ui.mesh_as_list);
	fixture.ui.lists[SCREEN_MESH].sort = 6; /* held */
	fixture.ui.lists[SCREEN_MESH].descending = true;
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 120);
	assert_int_equal(fixture.sheet.rows.count, 16);
	assert_int_equal(fixture.sheet.rows.items[0].values[0].number, 3);
	sheet_csv(&fixture.sheet, &csv);
	assert_non_null(strstr(csv.bytes, "held_bytes"));
	assert_non_null(strstr(csv.bytes, "2147483648"));
	text_finish(&csv);
	screen_fixture_key(&fixture, KEY_ENTER);
	assert_int_equal(fixture.ui.device, 3);
	screen_fixture_finish(&fixture);
}

static void test_filter_by_tag_and_process(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;
	uint32_t tag;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, 3 * GB, 0, 0);
	built = fixture.views[0];
	tag = build_tag(built, "attn/q");
	build_buffer(built, 0, 7, 2 * GB)->tag = tag;
	built = screen_fixture_add(&fixture, 11, 0x100, 8);
	build_buffer(built, screen_fixture_mesh(built, 2, 4, 0), 1, GB);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "all 8 alike: DRAM 6 GB each"));
	screen_fixture_filter(&fixture, "tag:attn*");
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "all 8 alike: DRAM 2 GB each"));
	screen_fixture_filter(&fixture, "pid:11");
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "all 8 alike: DRAM 1 GB each"));
	screen_fixture_filter(&fixture, "dev:2 kind:DRAM");
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_int_equal(fixture.sheet.rows.count, 1);
	assert_int_equal(screen_count(&fixture, "6.00 GB"), 1);
	screen_fixture_finish(&fixture);
}

static void test_headroom(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;
	struct segment_cb cb = {0, 0, 7, 7, 0, 0, 1000, 256};
	struct view_buffer *buffer;

	(void)state;
	screen_fixture_init(&fixture);
	make_mesh(&fixture, 2, 4, GB, 0, 0);
	built = fixture.views[0];
	built->programs[built->view.program_count++] =
		(struct view_program){.id = 1, .live = true, .cb_count = 1, .cbs = &cb};
	built->residents[0] = (struct segment_resident){0, 0, 1000};
	built->spaces[0].resident_count = 1;
	buffer = build_buffer(built, 0, 9, 64 * 1024);
	buffer->kind = MT_L1;
	buffer->address = 1000 + 256 + 319488;
	cb.address = 1000;
	cb.bytes = 256;
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_int_equal(screen_count(&fixture, "headroom 312 KB"), 8);
	screen_fixture_finish(&fixture);
}

/* Every size, also those in which nothing fits. */
static void test_every_size(void **state)
{
	static const char *const names[] = {"mesh32",  "hostile", "empty",
	                                    "waiting", "example", "mesh1024"};
	static const int all[] = {0, 1, 2, 3, 4, 5, 7, 9, 12, 17, 21, 24, 33, 40, 60};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct tui_fixture fixture;
		struct screen_fixture drawn = {0};

		tui_fixture_init(&fixture, names[i]);
		for (size_t r = 0; r < ARRAY_COUNT(all); r++)
			for (int columns = 1; columns <= 201; columns += 1 + columns / 4) {
				struct sheet sheet;

				canvas_size(&drawn.canvas, all[r], columns);
				mesh_make(&fixture.look, &sheet);
				sheet_settle(&sheet, &fixture.ui.lists[SCREEN_MESH]);
				mesh_draw(&fixture.look, &sheet, &drawn.canvas,
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

static void test_empty_says_what_to_type(void **state)
{
	struct screen_fixture fixture;

	(void)state;
	screen_fixture_init(&fixture);
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 20, 80);
	assert_true(screen_has(&fixture, "meshtally run -- PROGRAM"));
	screen_fixture_finish(&fixture);
}

/* A device, and what is on none: no tile, no line of the list, but a line that says how much. */
static void test_unplaced_is_no_tile(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;
	uint32_t place;

	(void)state;
	screen_fixture_init(&fixture);
	built = screen_fixture_add(&fixture, 10, 0x100, 2);
	build_buffer(built, build_device_space(built, 0), 1, GB);
	place = build_device_space(built, build_unplaced(built, 0));
	build_buffer(built, place, 2, 64 << 20)->tag = build_tag(built, "later");
	build_buffer(built, place, 3, 1 << 20)->kind = MT_HOST;
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_MESH, 30, 80);
	assert_non_null(tile_of(&fixture.hits, 1));
	assert_null(tile_of(&fixture.hits, 2));
	assert_true(screen_has(&fixture, "unplaced 64 MB in 1 buffer: on no device yet"));
	assert_true(screen_has(&fixture, " 2 devices"));
	screen_fixture_filter(&fixture, "tag:other");
	screen_fixture_draw(&fixture, SCREEN_MESH, 30, 80);
	assert_false(screen_has(&fixture, "unplaced"));
	screen_fixture_filter(&fixture, "tag:later");
	screen_fixture_draw(&fixture, SCREEN_MESH, 30, 80);
	assert_true(screen_has(&fixture, "unplaced 64 MB"));
	screen_fixture_filter(&fixture, "");
	fixture.ui.mesh_as_list = true;
	screen_fixture_draw(&fixture, SCREEN_MESH, 30, 80);
	assert_int_equal(fixture.sheet.rows.count, 4);
	fixture.ui.mesh_as_list = false;
	for (int i = 0; i < 4; i++) {
		screen_fixture_draw(&fixture, SCREEN_MESH, 30, 80);
		screen_fixture_key(&fixture, KEY_DOWN);
		assert_in_range(fixture.ui.device, 0, 1);
	}
	screen_fixture_finish(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiles_lie_as_in_the_mesh),
		cmocka_unit_test(test_odd_one_is_marked),
		cmocka_unit_test(test_heat_is_the_share),
		cmocka_unit_test(test_faults_are_marked),
		cmocka_unit_test(test_several_meshes_and_others),
		cmocka_unit_test(test_a_thousand_fit),
		cmocka_unit_test(test_keys_move_in_the_mesh),
		cmocka_unit_test(test_folded_line),
		cmocka_unit_test(test_list_has_a_line_per_kind),
		cmocka_unit_test(test_filter_by_tag_and_process),
		cmocka_unit_test(test_headroom),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_empty_says_what_to_type),
		cmocka_unit_test(test_unplaced_is_no_tile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
