/* SPDX-License-Identifier: Apache-2.0 */
/* The picture around the screens: at any size, in every state, and still where nothing happens. */
#include "cmocka_all.h"
#include "paint.h"
#include "picture_parts.h"
#include "tui_fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000ull

static struct tui_fixture fixture;
static struct text drawn;

static const char *draw(int rows, int columns)
{
	struct canvas canvas = {.ascii = false};
	struct hits hits = {0};

	canvas_size(&canvas, rows, columns);
	tui_fixture_draw(&fixture, &canvas, &hits);
	text_clear(&drawn);
	paint_plain(&drawn, &canvas);
	for (size_t i = 0; i < hits.hits.count; i++) {
		const struct area *area = &hits.hits.items[i].area;

		assert_true(area->row >= 0 && area->column >= 0);
		assert_true(area->row + area->rows <= rows);
	}
	canvas_finish(&canvas);
	hits_finish(&hits);
	return text_string(&drawn);
}

/* The n-th line of what was drawn last. */
static const char *line(int number)
{
	static char copy[1024];
	const char *at = text_string(&drawn);
	size_t length;

	for (; number > 0; number--)
		at = strchr(at, '\n') + 1;
	length = strcspn(at, "\n");
	length = length < sizeof(copy) ? length : sizeof(copy) - 1;
	memcpy(copy, at, length);
	copy[length] = '\0';
	return copy;
}

static void test_any_size(void **state)
{
	static const char *const names[] = {"mesh32", "hostile", "empty", "waiting", "file"};
	static const int sizes[][2] = {{6, 20},  {7, 33},   {10, 40}, {12, 50},  {13, 200},
	                               {24, 80}, {40, 120}, {60, 20}, {5, 1000}, {100, 3}};

	(void)state;
	for (size_t n = 0; n < ARRAY_COUNT(names); n++) {
		tui_fixture_init(&fixture, names[n]);
		for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++) {
			fixture.ui.screen = screen;
			tui_fixture_survey(&fixture);
			for (int rows = 0; rows <= 5; rows++)
				for (int columns = 0; columns <= 20; columns++)
					draw(rows, columns);
			for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
				draw(sizes[i][0], sizes[i][1]);
		}
		tui_fixture_finish(&fixture);
	}
}

/* Prompts, help and complaints at any size. */
static void test_overlays(void **state)
{
	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	for (int rows = 0; rows <= 8; rows++)
		for (int columns = 0; columns <= 130; columns += columns < 12 ? 1 : 13) {
			fixture.ui.overlay = OVERLAY_HELP;
			fixture.ui.overlay_top = 10000;
			draw(rows, columns);
			fixture.ui.overlay = OVERLAY_NONE;
			tui_fixture_key(&fixture, '/');
			for (const char *s = "dev:1 a long filter that goes on"; *s != '\0'; s++)
				tui_fixture_key(&fixture, (unsigned char)*s);
			draw(rows, columns);
			tui_fixture_key(&fixture, KEY_ESCAPE);
			ui_say(&fixture.ui, true, "something that is longer than the line is");
			draw(rows, columns);
		}
	tui_fixture_finish(&fixture);
}

static void check_status(uint64_t quiet_s, bool few, const char *expected)
{
	struct text words = {0};
	enum style style;

	fixture.reading.events = 0;
	fixture.reading.last_event_ns = fixture.look.now_ns - quiet_s * SECOND_NS;
	status_words(&fixture.look, few, &words, &style);
	assert_string_equal(text_string(&words), expected);
	text_finish(&words);
}

static void check_words(const char *expected)
{
	struct text words = {0};
	enum style style;

	status_words(&fixture.look, false, &words, &style);
	assert_string_equal(text_string(&words), expected);
	text_finish(&words);
}

static void test_status(void **state)
{
	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	check_words("updated 0.2 s ago");
	check_status(3, false, "no new events");
	check_status(3, true, "quiet");
	check_status(10, false, "no events for 10 s");
	check_status(49, false, "no events for 40 s");
	check_status(49, true, "quiet 40s");
	check_status(60, false, "no events for 1 min");
	check_status(3599, false, "no events for 59 min");
	check_status(3600, false, "no events for 1 h");
	check_status(26 * 3600, false, "no events for 26 h");
	check_status(49 * 3600, false, "no events for 2 days");
	check_status(49 * 3600, true, "quiet 2d");
	fixture.reading.last_event_ns = 0;
	check_words("no events");
	fixture.look.read_ago_ns += 5 * SECOND_NS;
	check_words("updated 5.0 s ago"); /* too late, whatever was in it */
	fixture.ui.paused = true;
	check_words("paused");
	tui_fixture_finish(&fixture);
	tui_fixture_init(&fixture, "file");
	check_words("before-crash.mts");
	tui_fixture_finish(&fixture);
	tui_fixture_init(&fixture, "waiting");
	check_words("reading ...");
	assert_non_null(strstr(draw(24, 80), "Reading ..."));
	tui_fixture_finish(&fixture);
}

/* While nothing happens a screen without ages in it is written once in ten seconds. */
static void test_quiet(void **state)
{
	struct canvas before = {.ascii = false}, now = {.ascii = false};
	struct paint paint_options = {.palette = {COLORS_TRUE, false}};
	struct hits hits = {0};
	struct text out = {0};
	size_t written = 0;

	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	fixture.reading.events = 0;
	fixture.reading.last_event_ns = fixture.look.now_ns - 20 * SECOND_NS;
	canvas_size(&before, 24, 80);
	canvas_size(&now, 24, 80);
	tui_fixture_draw(&fixture, &before, &hits);
	for (int i = 0; i < 20; i++) { /* 10 s at two readings a second */
		fixture.look.now_ns += SECOND_NS / 2;
		fixture.look.monotonic_ns += SECOND_NS / 2;
		fixture.reading.monotonic_ns = fixture.look.monotonic_ns - 1000000u * (unsigned)i;
		tui_fixture_draw(&fixture, &now, &hits);
		text_clear(&out);
		paint(&out, &paint_options, &before, &now);
		written += out.length != 0;
		tui_fixture_draw(&fixture, &before, &hits);
	}
	assert_int_equal(written, 1);
	assert_non_null(strstr(draw(24, 80), "no events for 30 s"));
	canvas_finish(&before);
	canvas_finish(&now);
	hits_finish(&hits);
	text_finish(&out);
	tui_fixture_finish(&fixture);
}

static void test_header(void **state)
{
	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	draw(24, 120);
	assert_non_null(strstr(line(0), " meshtally  1 Mesh  2 Device  3 Processes  4 Tags"));
	assert_non_null(strstr(line(1), " 32 devices  3 processes  DRAM"));
	assert_non_null(strstr(line(1), "16 faults: 6"));
	draw(24, 80);
	assert_non_null(strstr(line(0), " 1 Mesh  2 Device  3 Processes  4 Tags"));
	assert_null(strstr(line(0), "meshtally"));
	draw(10, 40);
	assert_non_null(strstr(line(0), " 1 Mesh  2  3  4  5  6 "));
	assert_non_null(strstr(line(0), "0.2 s ago"));
	tui_fixture_filter(&fixture, "kind:L1 dev:77");
	draw(24, 80);
	assert_non_null(strstr(line(1), " filter kind:L1 dev:77  no device '77' here"));
	draw(10, 40); /* a filter is told in little room too */
	assert_non_null(strstr(line(1), "filter kind:L1"));
	tui_fixture_finish(&fixture);
}

static void test_footer(void **state)
{
	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	draw(24, 80);
	assert_non_null(strstr(line(23), " ? help  q quit  / filter  Enter open"));
	ui_say(&fixture.ui, true, "it did not work");
	draw(24, 80);
	assert_string_equal(line(23), " it did not work");
	draw(2, 80);
	assert_string_equal(line(1), " it did not work");
	tui_fixture_key(&fixture, 'p');
	draw(24, 120);
	assert_non_null(strstr(line(23), "p go on"));
	tui_fixture_finish(&fixture);
}

/* Help has every key of the table, and the words of filters. */
static void test_help(void **state)
{
	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	fixture.ui.overlay = OVERLAY_HELP;
	for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++)
		for (int columns = 80; columns <= 200; columns += 60) {
			fixture.ui.screen = screen;
			draw(120, columns);
			for (size_t i = 0; i < key_row_count; i++)
				if (key_rows[i].help != NULL && key_is_for(&key_rows[i], screen)) {
					assert_non_null(
						strstr(text_string(&drawn), key_rows[i].name));
					if (columns != 140)
						assert_non_null(strstr(text_string(&drawn),
						                       key_rows[i].help));
				}
			assert_non_null(strstr(text_string(&drawn), "size>1M"));
		}
	tui_fixture_finish(&fixture);
}

static void test_empty(void **state)
{
	struct untracked_program *program;

	(void)state;
	tui_fixture_init(&fixture, "empty");
	snprintf(fixture.reading.scene.dirs[0], sizeof(fixture.reading.scene.dirs[0]),
	         "/dev/shm/meshtally-0");
	fixture.reading.scene.dir_count = 1;
	program = vec_add(&fixture.reading.untracked.programs);
	program->pid = 4711;
	program->reason = UNTRACKED_NOT_ON;
	snprintf(program->command, sizeof(program->command), "tr\033ain");
	for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++) {
		fixture.ui.screen = screen;
		draw(24, 100);
		assert_non_null(strstr(text_string(&drawn), "meshtally run -- PROGRAM"));
		assert_non_null(strstr(text_string(&drawn), "process 4711 (tr\\x1bain) has "
		                                            "libmeshtally, but tracking is not "
		                                            "turned on"));
		assert_non_null(strstr(text_string(&drawn), "start it with MESHTALLY=1"));
		assert_non_null(strstr(text_string(&drawn), "Looking in /dev/shm/meshtally-0"));
	}
	untracked_finish(&fixture.reading.untracked);
	tui_fixture_finish(&fixture);
}

static void test_unplaced_in_the_header(void **state)
{
	(void)state;
	tui_fixture_init(&fixture, "places");
	draw(24, 160);
	assert_non_null(strstr(line(1), " 2 devices  2 processes  DRAM 96 MB of 24 GB"));
	assert_non_null(strstr(line(1), "unplaced 64 MB"));
	tui_fixture_filter(&fixture, "dev:unplaced");
	fixture.ui.screen = SCREEN_TAGS;
	fixture.ui.tags_by = TAGS_BY_DEVICE;
	tui_fixture_survey(&fixture);
	draw(24, 160);
	assert_non_null(strstr(text_string(&drawn), "unplaced  "));
	assert_non_null(strstr(text_string(&drawn), "65.00 MB"));
	assert_null(strstr(text_string(&drawn), "gpu"));
	assert_null(strstr(text_string(&drawn), "no device"));
	fixture.ui.tags_by = TAGS_BY_AGE; /* of single buffers */
	tui_fixture_survey(&fixture);
	draw(24, 160);
	assert_non_null(strstr(text_string(&drawn), "by age (b): 65 MB in 4 buffers"));
	tui_fixture_finish(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_overlays),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_footer),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_unplaced_in_the_header),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	text_finish(&drawn);
	return failed;
}
