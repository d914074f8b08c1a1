/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: layout that does not jump, sorting, where the cursor stays, drawing at any size. */
#include "cmocka_all.h"
#include "hits.h"
#include "paint.h"
#include "sheet.h"
#include "sheet_layout.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME, HELD, COUNT, AGE, SITE, COLUMNS };

static const struct sheet_column columns[COLUMNS] = {
	{"name", "NAME", VALUE_TEXT, 0, 12, true, true},
	{"held_bytes", "HELD", VALUE_BYTES, 0, 0, false, false},
	{"buffers", "BUFFERS", VALUE_COUNT, 1, 0, false, false},
	{"age_seconds", "AGE", VALUE_AGE, 2, 0, false, false},
	{"site", "SITE", VALUE_TEXT, 3, 10, true, true},
};

static void add(struct sheet *sheet, uint64_t key, const char *name, uint64_t held, unsigned depth)
{
	struct sheet_row *row = sheet_add(sheet, key);

	row->values[NAME] = value_text(name);
	row->values[HELD] = held != UINT64_MAX ? value_number(held) : value_unknown();
	row->values[COUNT] = value_number(key * 1000);
	row->depth = (uint16_t)depth;
}

static void check_order(const struct sheet *sheet, const char *names)
{
	char seen[256] = "";

	for (size_t i = 0; i < sheet->rows.count; i++) {
		const struct value *name = &sheet->rows.items[i].values[NAME];

		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s%s",
		         i != 0 ? " " : "", name->known ? name->text : "-");
	}
	assert_string_equal(seen, names);
}

static void test_sort(void **state)
{
	struct sheet_state by = {.sort = HELD, .descending = true};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	add(&sheet, 1, "a2", 5, 0);
	add(&sheet, 2, "a10", UINT64_MAX, 0);
	add(&sheet, 3, "a1", 7, 0);
	add(&sheet, 4, "b", 5, 0);
	sheet_sort(&sheet, &by);
	check_order(&sheet, "a1 a2 b a10");
	assert_true(sheet.rows.items[3].is_last);
	by.descending = false; /* what is not known stays at the end, equal ones as made */
	sheet_sort(&sheet, &by);
	check_order(&sheet, "a2 b a1 a10");
	by.sort = NAME;
	sheet_sort(&sheet, &by);
	check_order(&sheet, "a1 a2 a10 b");
	by.sort = SIZE_MAX;
	sheet_sort(&sheet, &by);
	check_order(&sheet, "a1 a2 a10 b");
	by.sort = 999; /* of a settings file of another day */
	sheet_sort(&sheet, &by);
	check_order(&sheet, "a1 a2 a10 b");
	sheet_finish(&sheet);
}

static void test_sort_tree(void **state)
{
	struct sheet_state by = {.sort = HELD, .descending = true};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	sheet.tree_column = NAME;
	add(&sheet, 1, "small", 5, 0);
	add(&sheet, 2, "s1", 1, 1);
	add(&sheet, 3, "s11", 1, 2);
	add(&sheet, 4, "s2", 4, 1);
	add(&sheet, 5, "large", 9, 0);
	add(&sheet, 6, "l1", 9, 1);
	sheet_sort(&sheet, &by);
	check_order(&sheet, "large l1 small s2 s1 s11");
	assert_false(sheet.rows.items[0].is_last);
	assert_true(sheet.rows.items[1].is_last);
	assert_true(sheet.rows.items[2].is_last);
	assert_false(sheet.rows.items[3].is_last);
	assert_true(sheet.rows.items[4].is_last);
	sheet_finish(&sheet);
}

/* A tag of 30,000 names must not take the stack. */
static void test_deep_tree(void **state)
{
	struct sheet_state by = {.sort = HELD};
	struct canvas canvas = {.ascii = false};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	sheet.tree_column = NAME;
	for (unsigned i = 0; i < 30000; i++)
		add(&sheet, i + 1, "x", i, i);
	sheet_sort(&sheet, &by);
	assert_int_equal(sheet.rows.count, 30000);
	assert_int_equal(sheet.rows.items[29999].values[HELD].number, 29999);
	canvas_size(&canvas, 10, 80);
	by.cursor = 29999;
	sheet_draw(&sheet, &by, &canvas, canvas_area(&canvas), true, NULL);
	canvas_finish(&canvas);
	sheet_finish(&sheet);
}

static void test_settle(void **state)
{
	struct sheet_state list = {.sort = SIZE_MAX};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	sheet_settle(&sheet, &list);
	assert_null(sheet_selected(&sheet, &list));
	sheet_move(&sheet, &list, 3);
	for (unsigned i = 1; i <= 5; i++)
		add(&sheet, i, "x", i, 0);
	sheet_settle(&sheet, &list);
	assert_int_equal(sheet_selected(&sheet, &list)->key, 1);
	/* On the first one it stays with the first place. */
	sheet.rows.items[0].key = 77;
	sheet_settle(&sheet, &list);
	assert_int_equal(sheet_selected(&sheet, &list)->key, 77);
	sheet.rows.items[0].key = 1;
	/* Elsewhere it goes with the row. */
	sheet_move(&sheet, &list, 3);
	assert_int_equal(list.key, 4);
	sheet.rows.items[1].key = 4;
	sheet.rows.items[3].key = 2;
	sheet_settle(&sheet, &list);
	assert_int_equal(list.cursor, 1);
	/* Where the row is gone it keeps its place. */
	sheet.rows.items[1].key = 9;
	sheet_settle(&sheet, &list);
	assert_int_equal(list.cursor, 1);
	assert_int_equal(list.key, 9);
	sheet_move(&sheet, &list, 100);
	assert_int_equal(list.cursor, 4);
	sheet.rows.count = 2;
	sheet_settle(&sheet, &list);
	assert_int_equal(list.cursor, 1);
	sheet_move(&sheet, &list, -100);
	assert_int_equal(list.cursor, 0);
	sheet_finish(&sheet);
}

static const char *written(struct value value, enum value_type type)
{
	static char buffer[SHEET_VALUE_SIZE];
	struct sheet_column column = {"x", "", type, 0, 0, false, false};
	struct sheet sheet;
	struct sheet_layout layout;

	sheet_init(&sheet, &column, 1);
	sheet_layout(&layout, &sheet, 80);
	sheet_value(&buffer, &value, type, layout.places[0].columns);
	assert_true((int)strlen(buffer) <= layout.places[0].columns);
	return buffer;
}

static void test_values(void **state)
{
	struct value inexact = value_number(UINT64_C(1023) << 20);

	(void)state;
	inexact.inexact = true;
	assert_string_equal(written(value_unknown(), VALUE_COUNT), "-");
	assert_string_equal(written(inexact, VALUE_BYTES), "~1023.00 MB");
	assert_string_equal(written(value_change(36 << 10), VALUE_CHANGE), "+36.00 KB");
	assert_string_equal(written(value_change(-(36 << 10)), VALUE_CHANGE), "-36.00 KB");
	assert_string_equal(written(value_change(0), VALUE_CHANGE), "0  B");
	assert_string_equal(written(value_change(INT64_MIN), VALUE_CHANGE), "-8.00 EB");
	assert_string_equal(written(value_number(1234), VALUE_COUNT), "1,234");
	assert_string_equal(written(value_number(999999), VALUE_COUNT), "999,999");
	assert_string_equal(written(value_number(1234567), VALUE_COUNT), "1.23 M");
	assert_string_equal(written(value_number(99960000), VALUE_COUNT), "100 M");
	assert_string_equal(written(value_number(UINT64_MAX), VALUE_COUNT), "18.4 E");
	inexact.number = 999999;
	assert_string_equal(written(inexact, VALUE_COUNT), "~1.00 M");
	assert_string_equal(written(value_real(0), VALUE_RATE), "0");
	assert_string_equal(written(value_real(0.25), VALUE_RATE), "0.2");
	assert_string_equal(written(value_real(9.97), VALUE_RATE), "10");
	assert_string_equal(written(value_real(12345.6), VALUE_RATE), "12,346");
	assert_string_equal(written(value_real(1.5e9), VALUE_RATE), "1.50 G");
	assert_string_equal(written(value_real(0.73), VALUE_SHARE), "73 %");
	assert_string_equal(written(value_real(0.004), VALUE_SHARE), "0.4 %");
	assert_string_equal(written(value_real(0.0001), VALUE_SHARE), "<0.1 %");
	assert_string_equal(written(value_real(1), VALUE_SHARE), "100 %");
	assert_string_equal(written(value_real(0), VALUE_SHARE), "0 %");
	assert_string_equal(written(value_number(192000000000u), VALUE_AGE), "3m12s");
	assert_string_equal(written(value_number(UINT64_C(86400000000000) * 400), VALUE_AGE),
	                    "400d");
	assert_string_equal(written(value_number(0x3ffff800), VALUE_ADDRESS), "0x3ffff800");
	assert_string_equal(written(value_number(UINT64_C(0x12345678901)), VALUE_ADDRESS),
	                    "12345678901");
}

/* Figures say nothing about where the columns are. */
static void test_layout(void **state)
{
	struct sheet_layout few, many, narrow;
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	sheet_layout(&few, &sheet, 100);
	add(&sheet, 1, "a long name that goes on and on", 1u << 30, 0);
	sheet_layout(&many, &sheet, 100);
	assert_memory_equal(&few, &many, sizeof(few));
	/* What is optional goes, the highest first; texts share what is left. */
	assert_true(few.places[SITE].shown);
	assert_int_equal(few.places[SITE].column + few.places[SITE].columns, 100);
	sheet_layout(&narrow, &sheet, 45);
	assert_false(narrow.places[SITE].shown);
	assert_true(narrow.places[AGE].shown);
	sheet_layout(&narrow, &sheet, 33);
	assert_false(narrow.places[AGE].shown);
	assert_true(narrow.places[COUNT].shown);
	/* The first one is what remains. */
	for (int width = 1; width <= 12; width++) {
		sheet_layout(&narrow, &sheet, width);
		assert_true(narrow.places[NAME].shown);
		assert_true(narrow.places[NAME].columns <= width);
		assert_true(narrow.places[NAME].columns > 0);
	}
	sheet_finish(&sheet);
}

/* Not the last one goes, but the one that is marked so. */
static void test_optional(void **state)
{
	static const struct sheet_column three[] = {
		{"a", "A", VALUE_BYTES, 0, 0, false, false},
		{"b", "B", VALUE_BYTES, 2, 0, false, false},
		{"c", "C", VALUE_BYTES, 1, 0, false, false},
	};
	struct sheet_layout layout;
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, three, 3);
	sheet_layout(&layout, &sheet, 30);
	assert_false(layout.places[1].shown);
	assert_true(layout.places[0].shown && layout.places[2].shown);
	sheet_finish(&sheet);
}

static void draw(const struct sheet *sheet, struct sheet_state *state, int rows, int width,
                 struct text *out, struct hits *hits)
{
	struct canvas canvas = {.ascii = false};

	canvas_size(&canvas, rows, width);
	hits_clear(hits);
	sheet_draw(sheet, state, &canvas, canvas_area(&canvas), true, hits);
	text_clear(out);
	paint_plain(out, &canvas);
	canvas_finish(&canvas);
}

static void test_draw(void **state)
{
	struct sheet_state list = {.sort = HELD, .descending = true};
	struct hits hits = {0};
	struct text out = {0};
	struct sheet sheet;
	const struct hit *hit;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	sheet.tree_column = NAME;
	add(&sheet, 1, "root", 4u << 20, 0);
	sheet.rows.items[0].has_children = sheet.rows.items[0].is_open = true;
	add(&sheet, 2, "first\033[31m", 3u << 20, 1);
	add(&sheet, 3, "second", UINT64_MAX, 1);
	sheet_sort(&sheet, &list);
	draw(&sheet, &list, 5, 36, &out, &hits);
	assert_string_equal(text_string(&out), "NAME                  ▼HELD BUFFERS\n"
	                                       "▾ root              4.00 MB   1,000\n"
	                                       "├── first\\x1b[…     3.00 MB   2,000\n"
	                                       "└── second                -   3,000\n\n");
	hit = hits_find(&hits, 2, 3);
	assert_non_null(hit);
	assert_int_equal(hit->type, HIT_ROW);
	assert_int_equal(hit->argument, 1);
	hit = hits_find(&hits, 0, 25);
	assert_non_null(hit);
	assert_int_equal(hit->type, HIT_SORT);
	assert_int_equal(hit->argument, HELD);
	hits_finish(&hits);
	text_finish(&out);
	sheet_finish(&sheet);
}

static void test_scroll(void **state)
{
	struct sheet_state list = {.sort = SIZE_MAX};
	struct hits hits = {0};
	struct text out = {0};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	for (unsigned i = 0; i < 100; i++)
		add(&sheet, i + 1, "x", i, 0);
	sheet_move(&sheet, &list, 50);
	draw(&sheet, &list, 11, 60, &out, &hits);
	assert_int_equal(list.seen, 10);
	assert_int_equal(list.top, 41);
	sheet_move(&sheet, &list, -9);
	draw(&sheet, &list, 11, 60, &out, &hits);
	assert_int_equal(list.top, 41);
	sheet_move(&sheet, &list, 100);
	draw(&sheet, &list, 11, 60, &out, &hits);
	assert_int_equal(list.top, 90);
	draw(&sheet, &list, 200, 60, &out, &hits); /* the terminal grew */
	assert_int_equal(list.top, 0);
	sheet.more = 900;
	draw(&sheet, &list, 11, 60, &out, &hits);
	assert_non_null(strstr(text_string(&out), "100 of 1,000 are listed"));
	assert_int_equal(list.seen, 9);
	hits_finish(&hits);
	text_finish(&out);
	sheet_finish(&sheet);
}

static void test_any_size(void **state)
{
	struct sheet_state list = {.sort = NAME, .cursor = 7};
	struct hits hits = {0};
	struct text out = {0};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	for (int round = 0; round < 3; round++) {
		for (int rows = 0; rows <= 8; rows++)
			for (int width = 0; width <= 40; width++)
				draw(&sheet, &list, rows, width, &out, &hits);
		text_add(&sheet.empty, "Nothing here.\n  meshtally run -- PROGRAM   starts one\n");
		sheet.tree_column = NAME;
		for (unsigned i = 0; i < 20 && round == 1; i++)
			add(&sheet, i + 1, "\xe6\xbc\xa2\xe5\xad\x97", i, i % 7);
	}
	hits_finish(&hits);
	text_finish(&out);
	sheet_finish(&sheet);
}

static void test_empty(void **state)
{
	struct sheet_state list = {.sort = SIZE_MAX};
	struct hits hits = {0};
	struct text out = {0};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, columns, COLUMNS);
	text_add(&sheet.empty, "Nothing is tracked.\n  meshtally run   runs a program with it\n");
	draw(&sheet, &list, 8, 60, &out, &hits);
	assert_string_equal(text_string(&out),
	                    "\n\n"
	                    "          Nothing is tracked.\n"
	                    "            meshtally run   runs a program with it\n"
	                    "\n\n\n\n");
	hits_finish(&hits);
	text_finish(&out);
	sheet_finish(&sheet);
}

/* A list stays sorted by what it was sorted by when columns come and go. */
static void test_sorted_by_name(void **state)
{
	static const struct sheet_column before[] = {{.name = "tag", .type = VALUE_TEXT},
	                                             {.name = "held_bytes", .type = VALUE_BYTES}},
					 after[] = {{.name = "tag", .type = VALUE_TEXT},
	                                            {.name = "dram_bytes", .type = VALUE_BYTES},
	                                            {.name = "held_bytes", .type = VALUE_BYTES}};
	struct sheet_state by = {.sort = SIZE_MAX};
	struct sheet sheet;

	(void)state;
	sheet_init(&sheet, before, 2);
	sheet_add(&sheet, 1);
	sheet_sort_by(&sheet, &by, 1);
	assert_string_equal(by.sort_by, "held_bytes");
	sheet_sort(&sheet, &by);
	assert_int_equal(by.sort, 1);
	sheet.columns = after;
	sheet.column_count = 3;
	sheet_sort(&sheet, &by);
	assert_int_equal(by.sort, 2);
	sheet.column_count = 2; /* the column it was sorted by is gone */
	sheet_sort(&sheet, &by);
	assert_int_equal(by.sort, SIZE_MAX);
	sheet.column_count = 3;
	sheet_sort(&sheet, &by);
	assert_int_equal(by.sort, 2);
	sheet_sort_by(&sheet, &by, SIZE_MAX);
	sheet_sort(&sheet, &by);
	assert_int_equal(by.sort, SIZE_MAX);
	sheet_finish(&sheet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),           cmocka_unit_test(test_sort_tree),
		cmocka_unit_test(test_deep_tree),      cmocka_unit_test(test_settle),
		cmocka_unit_test(test_values),         cmocka_unit_test(test_layout),
		cmocka_unit_test(test_optional),       cmocka_unit_test(test_draw),
		cmocka_unit_test(test_scroll),         cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_sorted_by_name), cmocka_unit_test(test_empty),
	};

	setlocale(LC_ALL, "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
