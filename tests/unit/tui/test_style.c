/* SPDX-License-Identifier: Apache-2.0 */
/* Colours: which depth is taken, that all styles have all colours, and that all can be read. */
#include "cell.h"
#include "cmocka_all.h"
#include "memory.h"
#include "style.h"
#include "terminal_emulator.h"
#include "text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void depths(void **state)
{
	static const struct {
		const char *no_color, *term, *colorterm;
		int colors;
		enum color_depth depth;
	} table[] = {
		{NULL, "xterm-256color", NULL, 256, COLORS_256},
		{NULL, "xterm-256color", "truecolor", 256, COLORS_TRUE},
		{NULL, "xterm-256color", "24bit", 256, COLORS_TRUE},
		{NULL, "xterm-256color", "yes", 256, COLORS_256},
		{NULL, "xterm-direct", NULL, 1 << 24, COLORS_TRUE},
		{NULL, "linux", NULL, 8, COLORS_16},
		{NULL, "xterm", NULL, 16, COLORS_16},
		{NULL, "vt100", NULL, -1, COLORS_NONE},
		{NULL, NULL, NULL, -1, COLORS_NONE},
		{NULL, "dumb", "truecolor", 8, COLORS_NONE},
		{"1", "xterm-256color", "truecolor", 256, COLORS_NONE},
		{"", "xterm-256color", NULL, 256, COLORS_256},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		set("NO_COLOR", table[i].no_color);
		set("TERM", table[i].term);
		set("COLORTERM", table[i].colorterm);
		assert_int_equal(style_depth(table[i].colors), table[i].depth);
	}
	set("NO_COLOR", NULL);
	set("COLORTERM", NULL);
}

static void grounds(void **state)
{
	(void)state;
	set("COLORFGBG", NULL);
	assert_false(style_is_light());
	set("COLORFGBG", "0;15");
	assert_true(style_is_light());
	set("COLORFGBG", "0;default;15");
	assert_true(style_is_light());
	set("COLORFGBG", "15;0");
	assert_false(style_is_light());
	set("COLORFGBG", "15");
	assert_false(style_is_light());
	set("COLORFGBG", NULL);
}

static void heat(void **state)
{
	(void)state;
	assert_int_equal(style_heat(0, 100), STYLE_HEAT_0);
	assert_int_equal(style_heat(5, 0), STYLE_HEAT_0);
	assert_int_equal(style_heat(1, 1000000), STYLE_HEAT_1);
	assert_int_equal(style_heat(50, 100), STYLE_HEAT_4);
	assert_int_equal(style_heat(99, 100), STYLE_HEAT_7);
	assert_int_equal(style_heat(100, 100), STYLE_HEAT_7);
	assert_int_equal(style_heat(~0ull, 1), STYLE_HEAT_7);
	assert_int_equal(style_heat(~0ull - 1, ~0ull), STYLE_HEAT_7);
}

static void sgr(void **state)
{
	struct palette none = {COLORS_NONE, false}, few = {COLORS_16, false};
	struct text out = {0};

	(void)state;
	style_sgr(&out, &none, STYLE_TEXT, 0);
	assert_string_equal(text_string(&out), "\033[0m");
	text_clear(&out);
	style_sgr(&out, &none, STYLE_SELECTED, CELL_BOLD | CELL_UNDERLINE);
	assert_string_equal(text_string(&out), "\033[0;1;4;7m");
	text_clear(&out);
	style_sgr(&out, &few, STYLE_BAD, 0);
	assert_string_equal(text_string(&out), "\033[0;1;91m");
	text_finish(&out);
	assert_true(style_shows_space(&none, STYLE_SELECTED, 0));
	assert_true(style_shows_space(&few, STYLE_HEAT_3, 0));
	assert_true(style_shows_space(&few, STYLE_TEXT, CELL_UNDERLINE));
	assert_false(style_shows_space(&few, STYLE_BAD, 0));
	assert_true(style_colors_text_alone(&few, STYLE_DIM, 0));
	assert_false(style_colors_text_alone(&few, STYLE_DIM, CELL_BOLD));
	assert_false(style_colors_text_alone(&few, STYLE_TEXT, 0));
	assert_false(style_colors_text_alone(&few, STYLE_SELECTED, 0));
	assert_false(style_colors_text_alone(&none, STYLE_DIM, 0));
}

/* The colours of a style, as SGR says them; -1 where it says none. */
static void colors(enum color_depth depth, bool light, enum style style, long *text, long *ground)
{
	struct palette palette = {depth, light};
	struct text out = {0};
	const char *at;
	unsigned red, green, blue;

	*text = *ground = -1;
	style_sgr(&out, &palette, style, 0);
	at = strstr(text_string(&out), ";38;");
	if (at != NULL && sscanf(at, ";38;2;%u;%u;%u", &red, &green, &blue) == 3)
		*text = (long)(red << 16 | green << 8 | blue);
	else if (at != NULL && sscanf(at, ";38;5;%u", &red) == 1)
		*text = (long)red;
	at = strstr(text_string(&out), ";48;");
	if (at != NULL && sscanf(at, ";48;2;%u;%u;%u", &red, &green, &blue) == 3)
		*ground = (long)(red << 16 | green << 8 | blue);
	else if (at != NULL && sscanf(at, ";48;5;%u", &red) == 1)
		*ground = (long)red;
	text_finish(&out);
}

/* One of 256 as xterm shows it. */
static long rgb_of_256(long color)
{
	static const long steps[] = {0, 95, 135, 175, 215, 255};

	if (color >= 232)
		return (8 + 10 * (color - 232)) * 0x10101;
	color -= 16;
	return steps[color / 36] << 16 | steps[color / 6 % 6] << 8 | steps[color % 6];
}

/* What sRGB means as light; a polynomial near enough to it. */
static double linear(long component)
{
	double x = (double)component / 255;

	return x * (x * (x * 0.305306011 + 0.682171111) + 0.012522878);
}

static double luminance(long rgb)
{
	return 0.2126 * linear(rgb >> 16) + 0.7152 * linear(rgb >> 8 & 255) +
	       0.0722 * linear(rgb & 255);
}

/* By WCAG: 1 to 21. */
static double contrast(long a, long b)
{
	double first = luminance(a), second = luminance(b);

	return first > second ? (first + 0.05) / (second + 0.05) : (second + 0.05) / (first + 0.05);
}

/* Text needs 4.5, or what is less important 3; lines and empty parts may be faint. */
static double least_contrast(enum style style)
{
	switch (style) {
	case STYLE_FREE:
	case STYLE_BORDER:
		return 1.4;
	case STYLE_DEAD:
	case STYLE_USER:
	case STYLE_SYSTEM:
	case STYLE_CACHE:
	case STYLE_OTHER:
	case STYLE_PEAK:
		return 3;
	default:
		return 4.5;
	}
}

static void can_be_read(void **state)
{
	int bad = 0;

	(void)state;
	for (int depth = COLORS_256; depth <= COLORS_TRUE; depth++)
		for (int light = 0; light < 2; light++)
			for (int style = STYLE_TEXT + 1; style < STYLE_LIMIT; style++) {
				long text, ground;
				double is;

				colors((enum color_depth)depth, light, (enum style)style, &text,
				       &ground);
				assert_true(text >= 0);
				if (depth == COLORS_256) {
					assert_in_range(text, 16, 255);
					text = rgb_of_256(text);
					ground = ground >= 0 ? rgb_of_256(ground) : -1;
				}
				if (ground < 0)
					ground = light ? 0xfafafa : 0x1c1e22;
				is = contrast(text, ground);
				if (is < least_contrast((enum style)style) && ++bad)
					print_message("depth %d, light %d, style %d: %.1f\n", depth,
					              light, style, is);
			}
	assert_int_equal(bad, 0);
}

/* Without colours what matters is told apart by attributes; with 16 nothing is lost on its ground.
 */
static void few_colors(void **state)
{
	static const enum style apart[] = {STYLE_SELECTED, STYLE_TAB_HERE, STYLE_BAD,
	                                   STYLE_HEADING};
	struct palette none = {COLORS_NONE, false};
	struct text plain = {0}, out = {0};

	(void)state;
	style_sgr(&plain, &none, STYLE_TEXT, 0);
	for (size_t i = 0; i < ARRAY_COUNT(apart); i++) {
		text_clear(&out);
		style_sgr(&out, &none, apart[i], 0);
		assert_string_not_equal(text_string(&out), text_string(&plain));
		assert_null(strstr(text_string(&out), ";3"));
	}
	for (int style = 0; style < STYLE_LIMIT; style++)
		for (int light = 0; light < 2; light++) {
			struct palette few = {COLORS_16, light};
			int text = -1, ground = -1, number;

			text_clear(&out);
			style_sgr(&out, &few, (enum style)style, 0);
			for (const char *at = text_string(&out); (at = strpbrk(at, ";")) != NULL;
			     at++) {
				number = atoi(at + 1);
				if ((number >= 40 && number < 48) || number >= 100)
					ground = number - 10;
				else if (number >= 30)
					text = number;
			}
			assert_true(ground < 0 || (text >= 0 && text != ground));
		}
	text_finish(&plain);
	text_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depths),      cmocka_unit_test(grounds),
		cmocka_unit_test(heat),        cmocka_unit_test(sgr),
		cmocka_unit_test(can_be_read), cmocka_unit_test(few_colors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
