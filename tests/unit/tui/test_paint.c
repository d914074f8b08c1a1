/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever was shown, what is painted makes a terminal show the canvas, with no byte that it need
 * not, and none that is dangerous. */
#include "cmocka_all.h"
#include "memory.h"
#include "paint.h"
#include "terminal_emulator.h"
#include "text.h"

#include <locale.h>
#include <string.h>

static uint32_t random_state = 1;

static unsigned roll(unsigned sides)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % sides;
}

static void draw_something(struct canvas *canvas)
{
	static const char *const words[] = {
		"a",        " ",      "         ",  "layers.0.attn",     "漢字",
		"e\u0301e", "\u0301", "x漢",        "12.5 MB",           "─│█",
		"ε…",       "กำ",     "一二三四五", "a               b", "🙂ok",
	};
	enum style style = (enum style)roll(STYLE_LIMIT);
	int row = (int)roll((unsigned)canvas->rows),
	    column = (int)roll((unsigned)canvas->columns + 2) - 1;
	struct area area = {row, column, (int)roll(4), (int)roll(20)};

	switch (roll(9)) {
	case 0:
		canvas_style(canvas, area, style);
		break;
	case 1:
		canvas_attribute(canvas, area, (uint8_t)roll(8));
		break;
	case 2:
		canvas_repeat(canvas, row, column, (int)roll(30), style,
		              (enum glyph)roll(GLYPH_LIMIT));
		break;
	case 3:
		canvas_box(canvas, area, style, words[roll(ARRAY_COUNT(words))]);
		break;
	case 4:
		for (int i = 0; i < (int)roll(40); i++)
			canvas_text(canvas, row, column + i, 1, style, " ");
		break;
	case 5:
		canvas->cursor_row = roll(2) ? row : -1;
		canvas->cursor_column = column;
		break;
	default:
		canvas_text(canvas, row, column, (int)roll(30), style,
		            words[roll(ARRAY_COUNT(words))]);
	}
}

static void copy(struct canvas *to, const struct canvas *from)
{
	canvas_size(to, from->rows, from->columns);
	memcpy(to->cells, from->cells,
	       (size_t)from->rows * (size_t)from->columns * sizeof(*from->cells));
	to->cursor_row = from->cursor_row;
	to->cursor_column = from->cursor_column;
}

static void check_bytes(const struct text *out)
{
	for (size_t i = 0; i < out->length; i++) {
		unsigned char byte = (unsigned char)out->bytes[i];

		assert_true(byte >= 0x20 || byte == 033 || byte == '\r' || byte == '\n');
		assert_int_not_equal(byte, 0x7f);
	}
}

enum opinion { AGREES, THINKS_NARROW, THINKS_WIDE };

static void check_sequence(int rows, int columns, enum opinion opinion)
{
	struct paint how = {{(enum color_depth)roll(COLORS_TRUE + 1), roll(2)}, roll(2)};
	struct canvas shown = {0}, canvas = {0};
	struct emulator emulator;
	struct text out = {0};

	emulator_init(&emulator, rows, columns);
	emulator.thinks_narrow = opinion == THINKS_NARROW;
	emulator.thinks_wide = opinion == THINKS_WIDE;
	canvas_size(&canvas, rows, columns);
	for (int picture = 0; picture < 25; picture++) {
		if (roll(8) == 0)
			canvas_clear(&canvas);
		for (unsigned i = roll(12); i > 0; i--)
			draw_something(&canvas);
		text_clear(&out);
		paint(&out, &how, picture == 0 || roll(20) == 0 ? NULL : &shown, &canvas);
		check_bytes(&out);
		emulator_feed(&emulator, text_string(&out), out.length);
		assert_string_equal(emulator_differs(&emulator, &canvas, &how.palette), "");
		copy(&shown, &canvas);
		text_clear(&out);
		paint(&out, &how, &shown, &canvas);
		assert_int_equal(out.length, 0);
	}
	text_finish(&out);
	canvas_finish(&shown);
	canvas_finish(&canvas);
	emulator_finish(&emulator);
}

static void any_pictures(void **state)
{
	(void)state;
	for (int round = 0; round < 400; round++)
		check_sequence(1 + (int)roll(9), 1 + (int)roll(45), AGREES);
	for (int round = 0; round < 20; round++)
		check_sequence(1, 1, AGREES);
}

static void widths_in_dispute(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		check_sequence(1 + (int)roll(9), 3 + (int)roll(45), THINKS_NARROW);
		check_sequence(1 + (int)roll(9), 3 + (int)roll(45), THINKS_WIDE);
	}
}

static void other_sizes(void **state)
{
	struct paint how = {{COLORS_256, false}, true};
	struct canvas before = {0}, now = {0};
	struct text out = {0};

	(void)state;
	paint(&out, &how, NULL, &now); /* nothing at all has a size too */
	check_bytes(&out);
	canvas_size(&before, 3, 10);
	canvas_size(&now, 2, 5);
	canvas_text(&now, 1, 0, 5, STYLE_TEXT, "hello");
	for (int i = 0; i < 2; i++) {
		struct emulator emulator;

		emulator_init(&emulator, 2, 5);
		text_clear(&out);
		paint(&out, &how, i == 0 ? &before : NULL, &now);
		emulator_feed(&emulator, text_string(&out), out.length);
		assert_string_equal(emulator_differs(&emulator, &now, &how.palette), "");
		emulator_finish(&emulator);
	}
	text_finish(&out);
	canvas_finish(&before);
	canvas_finish(&now);
}

static size_t cost(const struct canvas *before, const struct canvas *now)
{
	struct paint how = {{COLORS_256, false}, true};
	struct text out = {0};
	size_t length;

	paint(&out, &how, before, now);
	length = out.length;
	text_finish(&out);
	return length;
}

/* A slow line: what a small change may take. */
static void few_bytes(void **state)
{
	struct canvas before = {0}, now = {0};

	(void)state;
	canvas_size(&before, 60, 200);
	for (int row = 0; row < 60; row++)
		for (int column = 0; column < 200; column += 10)
			canvas_text(&before, row, column, 10, STYLE_DIM, "0123456 8");
	copy(&now, &before);
	canvas_text(&now, 30, 100, 1, STYLE_DIM, "x");
	assert_in_range(cost(&before, &now), 1, 24); /* a move, a style, a byte, the style back */
	copy(&now, &before);
	canvas_text(&now, 30, 100, 10, STYLE_TEXT, "          ");
	assert_in_range(cost(&before, &now), 1, 14); /* a move and ECH */
	copy(&now, &before);
	for (int column = 0; column < 200; column++)
		canvas_text(&now, 59, column, 1, STYLE_DIM, " ");
	assert_in_range(cost(&before, &now), 1, 9); /* a move and EL */
	copy(&now, &before);
	canvas_style(&now, canvas_area(&now), STYLE_TEXT);
	canvas_clear(&before);
	assert_in_range(cost(&before, &now), 1, 60 * 200 + 60 * 8);
	canvas_finish(&before);
	canvas_finish(&now);
}

static void lines(void **state)
{
	struct palette none = {COLORS_NONE, false}, some = {COLORS_256, false};
	struct canvas canvas = {0};
	struct text out = {0};

	(void)state;
	canvas_size(&canvas, 3, 8);
	canvas_text(&canvas, 0, 0, 8, STYLE_TEXT, "ab漢c");
	canvas_text(&canvas, 2, 2, 8, STYLE_SELECTED, "x ");
	paint_plain(&out, &canvas);
	assert_string_equal(text_string(&out), "ab漢c\n\n  x\n");
	text_clear(&out);
	paint_lines(&out, &some, &canvas);
	assert_string_equal(text_string(&out), "ab漢c\n\n  \033[0;38;5;255;48;5;24mx \033[m\n");
	text_clear(&out);
	paint_lines(&out, &none, &canvas);
	assert_string_equal(text_string(&out), "ab漢c\n\n  \033[0;7mx \033[m\n");
	text_finish(&out);
	canvas_finish(&canvas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_pictures), cmocka_unit_test(widths_in_dispute),
		cmocka_unit_test(other_sizes),  cmocka_unit_test(few_bytes),
		cmocka_unit_test(lines),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
