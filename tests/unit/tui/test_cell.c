/* SPDX-License-Identifier: Apache-2.0 */
/* What drawing on a canvas leaves there: texts of any width and any bytes, bars, curves, boxes. */
#include "cell.h"
#include "cmocka_all.h"
#include "memory.h"
#include "paint.h"
#include "text.h"

#include <locale.h>
#include <string.h>

/* The lines of a canvas are these, with "\n" after each; spaces at the end do not count. */
#define assert_shows(canvas, lines) shows(canvas, lines, __LINE__)

static void shows(const struct canvas *canvas, const char *lines, int line)
{
	struct text out = {0};

	paint_plain(&out, canvas);
	if (strcmp(text_string(&out), lines) != 0)
		print_message("line %d:\n", line);
	assert_string_equal(text_string(&out), lines);
	text_finish(&out);
}

/* Wide characters have their other half, halves have their whole, and nothing is dangerous. */
static void check(const struct canvas *canvas)
{
	for (int row = 0; row < canvas->rows; row++)
		for (int column = 0; column < canvas->columns; column++) {
			const struct cell *cell = canvas_cell(canvas, row, column);
			const struct cell *right = canvas_cell(canvas, row, column + 1);
			const struct cell *left = canvas_cell(canvas, row, column - 1);

			assert_in_range(strlen(cell->bytes), cell->columns == 0 ? 0 : 1,
			                cell->columns == 0 ? 0 : CELL_BYTES - 1);
			if (cell->columns == 2)
				assert_true(right != NULL && right->columns == 0);
			if (cell->columns == 0)
				assert_true(left != NULL && left->columns == 2);
			for (const char *s = cell->bytes; *s != '\0'; s++)
				assert_true((unsigned char)*s >= 0x20 && *s != 0x7f &&
				            (!canvas->ascii || (unsigned char)*s < 0x80));
		}
}

static void texts(void **state)
{
	static const struct {
		const char *text;
		int columns, used;
		const char *utf8, *ascii;
	} table[] = {
		{"abc", 10, 3, "abc", "abc"},
		{"abc", 3, 3, "abc", "abc"},
		{"abcd", 3, 3, "ab…", "ab~"},
		{"abc", 1, 1, "…", "~"},
		{"abc", 0, 0, "", ""},
		{"abc", -3, 0, "", ""},
		{"", 3, 0, "", ""},
		{"漢字", 4, 4, "漢字", "????"},
		{"漢字x", 4, 3, "漢…", NULL},
		{"a漢", 2, 2, "a…", "a~"},
		{"e\u0301\u0302x", 5, 2, "e\u0301\u0302x", "ex"},
		{"\u0301x", 5, 1, "x", "x"},
		{"a\033[31mb\nc\x7f", 12, 10, "a?[31mb?c?", "a?[31mb?c?"},
		{"\xff\xc3", 5, 2, "??", "??"},
		{"\xc2\x9bx\u202ey", 5, 4, "?x?y", "?x?y"},
		{"längste", 5, 5, "läng…", "l?ng~"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		for (int ascii = 0; ascii < 2; ascii++) {
			struct canvas canvas = {.ascii = ascii};
			const char *wanted = ascii ? table[i].ascii : table[i].utf8;
			struct text line = {0};
			int used;

			canvas_size(&canvas, 1, 20);
			used = canvas_text(&canvas, 0, 2, table[i].columns, STYLE_TEXT,
			                   table[i].text);
			check(&canvas);
			if (wanted != NULL) {
				text_addf(&line, "%s%s\n", *wanted != '\0' ? "  " : "", wanted);
				assert_int_equal(used, table[i].used);
				assert_shows(&canvas, text_string(&line));
			}
			text_finish(&line);
			canvas_finish(&canvas);
		}
}

/* As many marks on a letter as there is room for. */
static void marks(void **state)
{
	struct canvas canvas = {0};
	struct text many = {0};

	(void)state;
	text_add(&many, "e");
	for (int i = 0; i < 50; i++)
		text_add(&many, "\u0301");
	text_add(&many, "x");
	canvas_size(&canvas, 1, 3);
	assert_int_equal(canvas_text(&canvas, 0, 0, 3, STYLE_TEXT, many.bytes), 2);
	check(&canvas);
	assert_int_equal(strlen(canvas_cell(&canvas, 0, 0)->bytes), CELL_BYTES - 1);
	assert_string_equal(canvas_cell(&canvas, 0, 1)->bytes, "x");
	text_finish(&many);
	canvas_finish(&canvas);
}

static void halves(void **state)
{
	struct canvas canvas = {0};

	(void)state;
	canvas_size(&canvas, 1, 8);
	canvas_text(&canvas, 0, 0, 8, STYLE_TEXT, "漢字漢字");
	canvas_text(&canvas, 0, 1, 1, STYLE_TEXT, "x");
	assert_shows(&canvas, " x字漢字\n");
	canvas_text(&canvas, 0, 2, 1, STYLE_TEXT, "y");
	assert_shows(&canvas, " xy 漢字\n");
	canvas_text(&canvas, 0, 5, 2, STYLE_TEXT, "一");
	assert_shows(&canvas, " xy  一\n");
	check(&canvas);
	canvas_clear(&canvas);
	canvas_text(&canvas, 0, -1, 8, STYLE_TEXT, "漢字");
	assert_shows(&canvas, " 字\n");
	canvas_text(&canvas, 0, 7, 8, STYLE_TEXT, "漢");
	assert_shows(&canvas, " 字    …\n");
	check(&canvas);
	canvas_finish(&canvas);
}

static void outside(void **state)
{
	struct canvas canvas = {0};
	struct bar_part part = {1, STYLE_USER};
	uint64_t value = 1;

	(void)state;
	canvas_size(&canvas, 0, 5);
	assert_null(canvas.cells);
	canvas_text(&canvas, 0, 0, 5, STYLE_TEXT, "x");
	canvas_size(&canvas, 2, 2);
	canvas_text(&canvas, -1, 0, 5, STYLE_TEXT, "x");
	canvas_text(&canvas, 2, 0, 5, STYLE_TEXT, "x");
	canvas_right(&canvas, 0, 5, 9, STYLE_TEXT, "x");
	canvas_glyph(&canvas, 0, 9, STYLE_TEXT, GLYPH_FULL);
	canvas_repeat(&canvas, 5, -3, 100, STYLE_TEXT, GLYPH_FULL);
	canvas_bar(&canvas, 7, 0, 5, &part, 1, 2, 2);
	canvas_spark(&canvas, (struct area){3, 3, 2, 2}, STYLE_USER, &value, 1, 1);
	canvas_attribute(&canvas, (struct area){-5, -5, 3, 3}, CELL_BOLD);
	canvas_style(&canvas, (struct area){1, 1, -3, -3}, STYLE_BAD);
	canvas_style(&canvas, (struct area){2147483000, 1, 2147483000, 3}, STYLE_BAD);
	canvas_box(&canvas, (struct area){3, 3, 3, 3}, STYLE_BAD, "title");
	assert_shows(&canvas, "\n\n");
	assert_int_equal(canvas_cell(&canvas, 1, 1)->style, STYLE_TEXT);
	canvas_style(&canvas, (struct area){-1, -1, 9, 9}, STYLE_BAD);
	canvas_attribute(&canvas, (struct area){0, 0, 1, 1}, CELL_BOLD);
	canvas_attribute(&canvas, (struct area){0, 0, 1, 1}, CELL_UNDERLINE);
	assert_int_equal(canvas_cell(&canvas, 1, 1)->style, STYLE_BAD);
	assert_int_equal(canvas_cell(&canvas, 0, 0)->attributes, CELL_BOLD | CELL_UNDERLINE);
	canvas_finish(&canvas);
}

static void right_and_foreign(void **state)
{
	struct canvas canvas = {0};

	(void)state;
	canvas_size(&canvas, 3, 16);
	assert_int_equal(canvas_right(&canvas, 0, 2, 8, STYLE_TEXT, "漢1"), 3);
	assert_int_equal(canvas_right(&canvas, 1, 2, 4, STYLE_TEXT, "123456"), 4);
	assert_int_equal(canvas_foreign(&canvas, 2, 0, 16, STYLE_TEXT, "a\033]0;x\007b"), 14);
	assert_shows(&canvas, "       漢1\n  123…\na\\x1b]0;x\\x07b\n");
	canvas_finish(&canvas);
}

static void boxes(void **state)
{
	struct canvas canvas = {0};

	(void)state;
	canvas_size(&canvas, 3, 14);
	canvas_box(&canvas, canvas_area(&canvas), STYLE_BORDER, "title");
	assert_shows(&canvas, "┌─ title ────┐\n│            │\n└────────────┘\n");
	canvas.ascii = true;
	canvas_box(&canvas, canvas_area(&canvas), STYLE_BORDER, "a long title");
	assert_shows(&canvas, "+- a long ~ -+\n|            |\n+------------+\n");
	canvas_clear(&canvas);
	canvas_box(&canvas, (struct area){0, 0, 2, 2}, STYLE_BORDER, "title");
	assert_shows(&canvas, "++\n++\n\n");
	canvas_finish(&canvas);
}

static void bars(void **state)
{
	static const struct {
		uint64_t amounts[3], whole, peak;
		const char *utf8, *ascii;
	} table[] = {
		{{0, 0, 0}, 100, UINT64_MAX, "░░░░░░░░░░", ".........."},
		{{50, 0, 0}, 100, UINT64_MAX, "█████░░░░░", "#####....."},
		{{1, 0, 0}, 1000000, UINT64_MAX, "▏░░░░░░░░░", "#........."},
		{{999, 0, 0}, 1000, UINT64_MAX, "█████████▉", "#########."},
		{{1000, 0, 0}, 1000, 1000, "██████████", "##########"},
		{{5000, 0, 0}, 1000, UINT64_MAX, "██████████", "##########"},
		{{33, 0, 0}, 100, 70, "███▎░░░▏░░", "###....|.."},
		{{33, 0, 0}, 100, 100, "███▎░░░░░▏", "###......|"},
		{{33, 0, 0}, 100, 34, "███▎░░░░░░", "###|......"},
		{{30, 20, 10}, 100, UINT64_MAX, "██████░░░░", "###==+...."},
		{{30, 1, 1}, 100, UINT64_MAX, "███▎░░░░░░", "#=+......."},
		{{1, 1, 1}, 1000000, UINT64_MAX, "▏▏▏░░░░░░░", "#=+......."},
		{{0, 0, 1}, 1000000, UINT64_MAX, "▏░░░░░░░░░", "+........."},
		{{UINT64_MAX, UINT64_MAX, 0}, UINT64_MAX, 5, "██████████", "#####====="},
		{{5, 0, 0}, 0, 5, "-", "-"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		for (int ascii = 0; ascii < 2; ascii++) {
			struct bar_part parts[3] = {{table[i].amounts[0], STYLE_USER},
			                            {table[i].amounts[1], STYLE_SYSTEM},
			                            {table[i].amounts[2], STYLE_CACHE}};
			struct canvas canvas = {.ascii = ascii};
			struct text line = {0};

			canvas_size(&canvas, 1, 12);
			canvas_bar(&canvas, 0, 1, 10, parts, 3, table[i].whole, table[i].peak);
			text_addf(&line, " %s\n", ascii ? table[i].ascii : table[i].utf8);
			assert_shows(&canvas, text_string(&line));
			check(&canvas);
			text_finish(&line);
			canvas_finish(&canvas);
		}
}

static void bar_styles(void **state)
{
	static const enum style wanted[] = {STYLE_USER, STYLE_USER, STYLE_SYSTEM, STYLE_CACHE,
	                                    STYLE_FREE, STYLE_FREE, STYLE_PEAK,   STYLE_FREE};
	struct bar_part parts[3] = {{20, STYLE_USER}, {10, STYLE_SYSTEM}, {5, STYLE_CACHE}};
	struct canvas canvas = {0};

	(void)state;
	canvas_size(&canvas, 1, 8);
	canvas_bar(&canvas, 0, 0, 8, parts, 3, 80, 65);
	for (int i = 0; i < 8; i++)
		assert_int_equal(canvas_cell(&canvas, 0, i)->style, wanted[i]);
	canvas_finish(&canvas);
}

static void sparks(void **state)
{
	static const uint64_t values[] = {0, 1, 20, 50, UINT64_MAX, 100, 200, 99};
	struct canvas canvas = {0};

	(void)state;
	canvas_size(&canvas, 2, 8);
	canvas_spark(&canvas, (struct area){1, 0, 1, 8}, STYLE_USER, values, 8, 100);
	assert_shows(&canvas, "\n▁▁▂▄ ██▇\n");
	assert_int_equal(canvas_cell(&canvas, 1, 0)->style, STYLE_FREE); /* nothing, but known */
	assert_int_equal(canvas_cell(&canvas, 1, 1)->style, STYLE_USER);
	canvas_clear(&canvas);
	canvas_spark(&canvas, canvas_area(&canvas), STYLE_USER, values, 8, 100);
	assert_shows(&canvas, "     ██▇\n▁▁▃█ ███\n");
	canvas_clear(&canvas);
	canvas_spark(&canvas, (struct area){1, 0, 1, 4}, STYLE_USER, values, 8, 100);
	assert_shows(&canvas, "\n▁▄██\n"); /* the highest of each two */
	canvas_clear(&canvas);
	canvas_spark(&canvas, (struct area){1, 0, 1, 8}, STYLE_USER, values + 2, 2, 100);
	assert_shows(&canvas, "\n▂▂▂▂▄▄▄▄\n");
	canvas_clear(&canvas);
	canvas.ascii = true;
	canvas_spark(&canvas, (struct area){1, 0, 1, 8}, STYLE_USER, values, 8, 100);
	assert_shows(&canvas, "\n_.:= ##%\n");
	canvas_finish(&canvas);
}

/* Many drawings one over the other, of any bytes. */
static void anything(void **state)
{
	struct canvas canvas = {0};
	uint32_t random = 7;

	(void)state;
	canvas_size(&canvas, 4, 30);
	for (int i = 0; i < 20000; i++) {
		char bytes[12] = "";

		for (int j = 0; j < 11; j++) {
			random = random * 1664525u + 1013904223u;
			bytes[j] = (char)(random >> 16);
		}
		if (i % 3 == 0)
			memcpy(bytes, "漢e\u0301", 6);
		canvas.ascii = random >> 31;
		if (canvas.ascii)
			canvas_clear(&canvas);
		canvas_text(&canvas, (int)(random >> 8) % 4, (int)(random >> 10) % 34 - 2,
		            (int)(random >> 16) % 15, STYLE_TEXT, bytes);
		check(&canvas);
	}
	canvas_finish(&canvas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),

		cmocka_unit_test(marks),      cmocka_unit_test(halves),
		cmocka_unit_test(outside),    cmocka_unit_test(right_and_foreign),
		cmocka_unit_test(boxes),      cmocka_unit_test(bars),
		cmocka_unit_test(bar_styles), cmocka_unit_test(sparks),
		cmocka_unit_test(anything),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
