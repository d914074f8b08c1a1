/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and the mouse: each row of the table does what it says, on every screen that it is for. */
#include "cmocka_all.h"
#include "keys.h"
#include "tui_fixtures.h"

#include <stdlib.h>
#include <string.h>

static struct tui_fixture fixture;
static struct canvas canvas;
static struct hits hits;

static int start_with(const char *name)
{
	tui_fixture_init(&fixture, name);
	canvas_size(&canvas, 24, 80);
	tui_fixture_draw(&fixture, &canvas, &hits);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with("mesh32");
}

static int start_waiting(void **state)
{
	(void)state;
	return start_with("waiting");
}

static int start_empty(void **state)
{
	(void)state;
	return start_with("empty");
}

static int start_file(void **state)
{
	(void)state;
	return start_with("file");
}

static int finish(void **state)
{
	(void)state;
	canvas_finish(&canvas);
	hits_finish(&hits);
	tui_fixture_finish(&fixture);
	return 0;
}

static struct ui_wish event(struct input_event event)
{
	struct ui_wish wish;

	ui_event(&fixture.ui, &fixture.look, &hits, &event, &wish);
	tui_fixture_survey(&fixture);
	tui_fixture_draw(&fixture, &canvas, &hits);
	return wish;
}

static struct ui_wish press(uint32_t key)
{
	return event((struct input_event){.type = INPUT_KEY, .key = key});
}

static void type(const char *text)
{
	for (; *text != '\0'; text++)
		press((unsigned char)*text);
}

static void show(enum screen_id screen)
{
	fixture.ui.screen = screen;
	tui_fixture_survey(&fixture);
	tui_fixture_draw(&fixture, &canvas, &hits);
}

static const char *said(void)
{
	return text_string(&fixture.ui.complaint);
}

static struct sheet_state *list(void)
{
	return &fixture.ui.lists[fixture.ui.screen];
}

/* What the screen is about to be told of the list. */
static void make(struct sheet *sheet)
{
	screens[fixture.ui.screen].make(&fixture.look, sheet);
	sheet_sort(sheet, list());
	sheet_settle(sheet, list());
}

static size_t row_count(void)
{
	struct sheet sheet;
	size_t count;

	make(&sheet);
	count = sheet.rows.count;
	sheet_finish(&sheet);
	return count;
}

static bool same_key(const struct key_row *a, const struct key_row *b)
{
	return a->key == b->key || (a->other_key != 0 && a->other_key == b->key) ||
	       (b->other_key != 0 && b->other_key == a->key) ||
	       (a->other_key != 0 && a->other_key == b->other_key);
}

static void test_table(void **state)
{
	(void)state;
	assert_non_null(key_rows[0].help);
	for (size_t i = 0; i < key_row_count; i++) {
		const struct key_row *row = &key_rows[i];

		assert_true(row->name[0] != '\0');
		assert_true(row->help == NULL || strlen(row->help) < 60);
		assert_true(row->act != NULL || row->screens != 0);
		for (size_t k = 0; k < i; k++)
			for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++)
				assert_false(same_key(row, &key_rows[k]) &&
				             key_is_for(row, screen) &&
				             key_is_for(&key_rows[k], screen));
	}
}

/* A key of a screen's own is taken by it. */
static void test_own_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_row_count; i++)
		for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++) {
			struct ui_wish wish = {false};
			struct sheet sheet;

			if (key_rows[i].act != NULL || !key_is_for(&key_rows[i], screen))
				continue;
			show(screen);
			make(&sheet);
			if (!screens[screen].key(&fixture.ui, &fixture.look, &sheet,
			                         key_rows[i].key, &wish)) {
				print_message("%s: %s\n", screens[screen].name, key_rows[i].name);
				fail();
			}
			sheet_finish(&sheet);
			ui_filter(&fixture.ui, "");
		}
}

static void test_screens(void **state)
{
	(void)state;
	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++) {
		press('1' + (uint32_t)id);
		assert_int_equal(fixture.ui.screen, id);
	}
	press(KEY_TAB);
	assert_int_equal(fixture.ui.screen, SCREEN_MESH);
	press(KEY_BACK_TAB);
	assert_int_equal(fixture.ui.screen, SCREEN_FAULTS);
	press(KEY_BACK_TAB);
	assert_int_equal(fixture.ui.screen, SCREEN_GROWTH);
}

/* From a tile into the device, and back; a filter goes after that. */
static void test_back(void **state)
{
	(void)state;
	ui_filter(&fixture.ui, "kind:L1");
	tui_fixture_survey(&fixture);
	press(KEY_RIGHT);
	assert_int_equal(fixture.ui.device, 1);
	press(KEY_ENTER);
	assert_int_equal(fixture.ui.screen, SCREEN_DEVICE);
	assert_int_equal(fixture.ui.device, 1);
	press(KEY_ESCAPE);
	assert_int_equal(fixture.ui.screen, SCREEN_MESH);
	assert_false(filter_is_empty(&fixture.ui.filter));
	press(KEY_ESCAPE);
	assert_int_equal(fixture.ui.screen, SCREEN_MESH);
	assert_true(filter_is_empty(&fixture.ui.filter));
	press(KEY_ESCAPE);
	assert_int_equal(fixture.ui.screen, SCREEN_MESH);
}

static void test_moves(void **state)
{
	size_t count;

	(void)state;
	show(SCREEN_DEVICE);
	count = row_count();
	assert_true(count > 3);
	press(KEY_DOWN);
	press('j');
	assert_int_equal(list()->cursor, 2);
	press('k');
	press(KEY_UP);
	assert_int_equal(list()->cursor, 0);
	press('G');
	assert_int_equal(list()->cursor, count - 1);
	press('g');
	assert_int_equal(list()->cursor, 0);
	press(KEY_END);
	assert_int_equal(list()->cursor, count - 1);
	press(KEY_HOME);
	list()->seen = 4;
	press(KEY_PAGE_DOWN);
	assert_int_equal(list()->cursor, 3);
	list()->seen = 3;
	press(KEY_PAGE_UP);
	assert_int_equal(list()->cursor, 1);
	assert_true(list()->key != 0);
}

static void test_sort(void **state)
{
	struct sheet sheet;
	size_t steps = 0;

	(void)state;
	press('s');
	assert_int_equal(list()->sort, SIZE_MAX);
	assert_non_null(strstr(said(), "l makes a list"));
	press('l');
	press('s');
	assert_int_equal(list()->sort, 0);
	show(SCREEN_DEVICE);
	press('S');
	assert_string_equal(said(), "press s first: it sorts by a column");
	do {
		press('s');
		steps++;
		make(&sheet);
		if (list()->sort != SIZE_MAX) {
			assert_true(sheet.columns[list()->sort].type != VALUE_BAR);
			assert_int_equal(list()->descending,
			                 !sheet.columns[list()->sort].ascending);
			assert_int_equal(
				fixture.ui.buffers_order,
				sheet.columns[list()->sort].type == VALUE_AGE && list()->descending
					? LIST_BY_AGE
				: sheet.columns[list()->sort].type == VALUE_AGE ? LIST_BY_YOUTH
				: strcmp(sheet.columns[list()->sort].name, "tag") == 0
					? LIST_BY_TAG
					: LIST_BY_SIZE);
		}
		sheet_finish(&sheet);
	} while (list()->sort != SIZE_MAX && steps < 50);
	assert_in_range(steps, 3, SHEET_MAX_COLUMNS + 1);
	press('s');
	press('S');
	assert_int_equal(list()->sort, 0);
	make(&sheet);
	assert_int_equal(list()->descending, sheet.columns[0].ascending);
	sheet_finish(&sheet);
}

static void test_refresh(void **state)
{
	struct ui_wish wish;

	(void)state;
	fixture.ui.refresh_ms = 700;
	wish = press('+');
	assert_int_equal(fixture.ui.refresh_ms, 1000);
	assert_true(wish.survey);
	assert_string_equal(said(), "a reading every 1 s");
	press('-');
	press('_');
	assert_int_equal(fixture.ui.refresh_ms, 200);
	for (int i = 0; i < 9; i++)
		press('-');
	assert_int_equal(fixture.ui.refresh_ms, 100);
	for (int i = 0; i < 9; i++)
		press('=');
	assert_int_equal(fixture.ui.refresh_ms, 10000);
	assert_true(press('r').hurry);
}

static void test_pause(void **state)
{
	struct ui_wish wish;

	(void)state;
	wish = press('p');
	assert_true(fixture.ui.paused);
	assert_true(wish.survey);
	assert_false(wish.hurry);
	wish = press('p');
	assert_false(fixture.ui.paused);
	assert_true(wish.hurry);
}

static void test_mark(void **state)
{
	(void)state;
	press('M');
	assert_string_equal(said(), "there is no mark: m sets it");
	assert_true(press('m').survey);
	assert_true(fixture.ui.mark.set);
	assert_int_equal(fixture.ui.mark.realtime_ns, FIXTURE_NOW_NS);
	assert_int_equal(fixture.ui.mark.since.count, fixture.reading.scene.views.count);
	assert_true(fixture.ui.mark.tags.sums.count > 0);
	for (size_t i = 0; i < fixture.ui.mark.tags.sums.count; i++) {
		const struct sum *sum = &fixture.ui.mark.tags.sums.items[i];

		assert_int_equal(mark_tag_bytes(&fixture.ui.mark, sum->tag), sum->total_bytes);
	}
	assert_int_equal(mark_tag_bytes(&fixture.ui.mark, "no such tag"), 0);
	press('m'); /* again */
	assert_true(press('M').survey);
	assert_false(fixture.ui.mark.set);
}

static void test_filter(void **state)
{
	struct ui_wish wish;

	(void)state;
	press('/');
	assert_int_equal(fixture.ui.prompt, PROMPT_FILTER);
	type("size>");
	assert_true(fixture.ui.complaint_is_bad && said()[0] != '\0');
	press(KEY_ENTER); /* not like that */
	assert_int_equal(fixture.ui.prompt, PROMPT_FILTER);
	assert_true(said()[0] != '\0');
	type("1M");
	assert_string_equal(said(), "");
	assert_int_equal(canvas.cursor_row, 22);
	assert_int_equal(canvas.cursor_column, strlen("Filter: size>1M"));
	wish = press(KEY_ENTER);
	assert_int_equal(fixture.ui.prompt, PROMPT_NONE);
	assert_true(wish.survey);
	assert_string_equal(fixture.ui.filter.source, "size>1M");
	press('/');
	assert_string_equal(fixture.ui.line, "size>1M");
	type(" q ? dev:0"); /* are no keys here */
	press(KEY_ESCAPE);
	assert_string_equal(fixture.ui.filter.source, "size>1M");
	press('/');
	press(KEY_CTRL('u'));
	press(KEY_ENTER);
	assert_true(filter_is_empty(&fixture.ui.filter));
}

static void check_line(const char *line, size_t cursor)
{
	assert_string_equal(fixture.ui.line, line);
	assert_int_equal(fixture.ui.line_length, strlen(line));
	assert_int_equal(fixture.ui.line_cursor, cursor);
}

static void test_line(void **state)
{
	(void)state;
	press('/');
	type("ab");
	press(0xe4);    /* ä */
	press(0x6f22);  /* wide */
	press(0x1f600); /* four bytes */
	check_line("ab\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80", 11);
	press(KEY_BACKSPACE);
	press(KEY_LEFT);
	press(KEY_LEFT);
	check_line("ab\xc3\xa4\xe6\xbc\xa2", 2);
	press('c');
	press(KEY_RIGHT);
	check_line("abc\xc3\xa4\xe6\xbc\xa2", 5);
	press(KEY_DELETE);
	check_line("abc\xc3\xa4", 5);
	press(KEY_HOME);
	press(KEY_LEFT);
	press(KEY_BACKSPACE);
	check_line("abc\xc3\xa4", 0);
	press(KEY_END);
	type(" tag:x  ");
	press(KEY_CTRL('w'));
	check_line("abc\xc3\xa4 ", 6);
	press(KEY_CTRL('w'));
	check_line("", 0);
	press(0x1b5b41); /* no character */
	press(7);
	press(0x9b);
	press(0xd800);
	press(KEY_F1);
	check_line("", 0);
	for (int i = 0; i < 300; i++)
		press(0x6f22);
	check_line(fixture.ui.line, 255);
	press(KEY_CTRL('a'));
	press(KEY_CTRL('k'));
	check_line("", 0);
}

static void test_narrow(void **state)
{
	char tag[400];

	(void)state;
	ui_narrow(&fixture.ui, "pid", "12");
	assert_string_equal(fixture.ui.filter.source, "pid:12");
	ui_filter(&fixture.ui, "dev:0 pid:1 \"a b\" pid:2 tag:\"x y\" size>1M");
	ui_narrow(&fixture.ui, "pid", "7");
	assert_string_equal(fixture.ui.filter.source, "dev:0 \"a b\" tag:\"x y\" size>1M pid:7");
	assert_int_equal(fixture.ui.filter.pids.count, 1);
	ui_filter(&fixture.ui, "process:1 device:0 pid:2");
	ui_narrow(&fixture.ui, "pid", "7");
	assert_string_equal(fixture.ui.filter.source, "device:0 pid:7");
	ui_narrow(&fixture.ui, "dev", "3");
	assert_string_equal(fixture.ui.filter.source, "pid:7 dev:3");
	ui_filter(&fixture.ui, "dev:0 \"a b\" tag:\"x y\" size>1M pid:7");
	ui_narrow(&fixture.ui, "tag", "say \"hi\"");
	assert_int_equal(fixture.ui.filter.tags.count, 1);
	assert_true(filter_has_tag(&fixture.ui.filter, "say \"hi\""));
	memset(tag, 'x', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	ui_narrow(&fixture.ui, "tag", tag);
	assert_true(filter_has_tag(&fixture.ui.filter, tag));
	assert_true(strlen(fixture.ui.filter.source) < sizeof(fixture.ui.line));
}

static void test_help(void **state)
{
	static const uint32_t opens[] = {'?', 'h', KEY_F1}, closes[] = {'?', KEY_ESCAPE, 'q'};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(opens); i++) {
		press(opens[i]);
		assert_int_equal(fixture.ui.overlay, OVERLAY_HELP);
		press(KEY_DOWN);
		assert_int_equal(fixture.ui.overlay_top, 1);
		press('G');
		assert_in_range(fixture.ui.overlay_top, 10, 200); /* as drawing has corrected it */
		press('g');
		press('k');
		assert_int_equal(fixture.ui.overlay_top, 0);
		assert_false(press(closes[i]).quit);
		assert_int_equal(fixture.ui.overlay, OVERLAY_NONE);
	}
	press('?');
	assert_true(press(KEY_CTRL('c')).quit);
}

static void test_export(void **state)
{
	struct ui_wish wish;

	(void)state;
	show(SCREEN_TAGS);
	press('e');
	assert_int_equal(fixture.ui.prompt, PROMPT_EXPORT);
	assert_string_equal(fixture.ui.line, "meshtally-tags-20261122-093320.json");
	wish = press(KEY_ENTER);
	assert_string_equal(wish.export_path, "meshtally-tags-20261122-093320.json");
	assert_int_equal(fixture.ui.prompt, PROMPT_NONE);
	press('e');
	wish = press(KEY_ESCAPE);
	assert_null(wish.export_path);
	press('e');
	press(KEY_CTRL('u'));
	wish = press(KEY_ENTER);
	assert_null(wish.export_path);
	assert_int_equal(fixture.ui.prompt, PROMPT_NONE);
}

static void test_wishes(void **state)
{
	(void)state;
	assert_true(press('q').quit);
	assert_true(press(KEY_CTRL('c')).quit);
	assert_true(press(KEY_CTRL('z')).suspend);
	assert_true(press(KEY_CTRL('l')).redraw_all);
	assert_true(press('w').save_settings);
	assert_false(press('q').save_settings);
}

static const struct hit *find_hit(enum hit_type kind, uint64_t argument)
{
	for (size_t i = 0; i < hits.hits.count; i++)
		if (hits.hits.items[i].type == kind && hits.hits.items[i].argument == argument)
			return &hits.hits.items[i];
	return NULL;
}

static struct ui_wish click(enum hit_type kind, uint64_t argument)
{
	const struct hit *hit = find_hit(kind, argument);

	assert_non_null(hit);
	return event((struct input_event){.type = INPUT_MOUSE,
	                                  .mouse = MOUSE_PRESS,
	                                  .row = hit->area.row,
	                                  .column = hit->area.column});
}

static void test_mouse(void **state)
{
	(void)state;
	click(HIT_TILE, 5);
	assert_int_equal(fixture.ui.screen, SCREEN_MESH);
	assert_int_equal(fixture.ui.device, 5);
	click(HIT_TILE, 5);
	assert_int_equal(fixture.ui.screen, SCREEN_DEVICE);
	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++) {
		click(HIT_SCREEN, id);
		assert_int_equal(fixture.ui.screen, id);
	}
	show(SCREEN_PROCESSES);
	click(HIT_ROW, 1);
	assert_int_equal(list()->cursor, 1);
	click(HIT_SORT, 1);
	assert_int_equal(list()->sort, 1);
	assert_false(list()->descending);
	click(HIT_SORT, 1);
	assert_true(list()->descending);
	press(KEY_HOME); /* what was said goes, keys come back */
	click(HIT_KEY, '?');
	assert_int_equal(fixture.ui.overlay, OVERLAY_HELP);
	event((struct input_event){.type = INPUT_MOUSE, .mouse = MOUSE_PRESS});
	assert_int_equal(fixture.ui.overlay, OVERLAY_NONE);
	show(SCREEN_DEVICE);
	list()->key = 0;
	event((struct input_event){.type = INPUT_MOUSE, .mouse = MOUSE_WHEEL_DOWN});
	assert_int_equal(list()->cursor, 3);
	event((struct input_event){.type = INPUT_MOUSE, .mouse = MOUSE_WHEEL_UP});
	assert_int_equal(list()->cursor, 0);
	event((struct input_event){
		.type = INPUT_MOUSE, .mouse = MOUSE_PRESS, .row = 9999, .column = -3});
	event((struct input_event){.type = INPUT_GROUND});
}

static void test_want(void **state)
{
	struct ui_want want;

	(void)state;
	ui_want(&fixture.ui, &fixture.reading, &want);
	assert_false(want.request.lists || want.request.has_focus || want.request.has_mark);
	ui_want_finish(&want);
	press('m');
	ui_filter(&fixture.ui, "dev:1-3 kind:L1 tag:a* word pid:7 age>10s size<1M");
	show(SCREEN_DEVICE);
	ui_set_device(&fixture.ui, &fixture.reading, 2);
	ui_want(&fixture.ui, &fixture.reading, &want);
	assert_true(want.request.lists && want.request.has_focus && !want.request.has_mark);
	assert_int_equal(want.request.focus_unique_id,
	                 fixture.reading.scene.machine.devices.items[2].unique_id);
	assert_int_equal(want.request.device_count, 3);
	assert_int_equal(want.request.kind_count, 1);
	assert_int_equal(want.request.pid_count, 1);
	assert_int_equal(want.request.filter.tag_count, 1);
	assert_int_equal(want.request.filter.word_count, 1);
	assert_int_equal(want.request.filter.least_age_ns / 1000000000u, 10);
	ui_want_finish(&want);
	show(SCREEN_GROWTH);
	ui_filter(&fixture.ui, "dev:nothing");
	ui_want(&fixture.ui, &fixture.reading, &want);
	assert_true(want.request.has_mark && !want.request.has_focus);
	assert_int_equal(want.request.since_count, fixture.ui.mark.since.count);
	assert_int_equal(want.request.device_count, 1);
	assert_string_equal(want.request.devices[0], "nothing");
	ui_want_finish(&want);
}

static void test_folds(void **state)
{
	(void)state;
	assert_false(ui_is_folded(&fixture.ui, 7));
	ui_fold(&fixture.ui, 7, true);
	ui_fold(&fixture.ui, 7, true);
	ui_fold(&fixture.ui, 8, true);
	ui_fold(&fixture.ui, 7, false);
	assert_false(ui_is_folded(&fixture.ui, 7));
	assert_true(ui_is_folded(&fixture.ui, 8));
}

static void test_file(void **state)
{
	(void)state;
	assert_false(press('r').hurry);
	assert_string_equal(said(), "this is a file: there is nothing newer to read");
	press('p');
	assert_false(fixture.ui.paused);
}

/* Every key on every screen, whatever there is: nothing but what it says may happen. */
static void test_any_key(void **state)
{
	(void)state;
	for (enum screen_id screen = 0; screen < SCREEN_LIMIT; screen++)
		for (uint32_t key = 0; key < 128; key++) {
			fixture.ui.overlay = OVERLAY_NONE;
			fixture.ui.prompt = PROMPT_NONE;
			show(screen);
			press(key);
			press(KEY_UP + key % 16);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test_setup_teardown(test_own_keys, start, finish),
		cmocka_unit_test_setup_teardown(test_screens, start, finish),
		cmocka_unit_test_setup_teardown(test_back, start, finish),
		cmocka_unit_test_setup_teardown(test_moves, start, finish),
		cmocka_unit_test_setup_teardown(test_sort, start, finish),
		cmocka_unit_test_setup_teardown(test_refresh, start, finish),
		cmocka_unit_test_setup_teardown(test_pause, start, finish),
		cmocka_unit_test_setup_teardown(test_mark, start, finish),
		cmocka_unit_test_setup_teardown(test_filter, start, finish),
		cmocka_unit_test_setup_teardown(test_line, start, finish),
		cmocka_unit_test_setup_teardown(test_narrow, start, finish),
		cmocka_unit_test_setup_teardown(test_help, start, finish),
		cmocka_unit_test_setup_teardown(test_export, start, finish),
		cmocka_unit_test_setup_teardown(test_wishes, start, finish),
		cmocka_unit_test_setup_teardown(test_mouse, start, finish),
		cmocka_unit_test_setup_teardown(test_want, start, finish),
		cmocka_unit_test_setup_teardown(test_folds, start, finish),
		cmocka_unit_test_setup_teardown(test_file, start_file, finish),
		cmocka_unit_test_setup_teardown(test_any_key, start, finish),
		cmocka_unit_test_setup_teardown(test_any_key, start_file, finish),
		cmocka_unit_test_setup_teardown(test_any_key, start_empty, finish),
		cmocka_unit_test_setup_teardown(test_any_key, start_waiting, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
