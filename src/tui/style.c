/* SPDX-License-Identifier: Apache-2.0 */
#include "style.h"

#include "cell.h"
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of a terminal's 16 colours; NONE: the terminal's own. */
enum { NONE = -1, BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE, BRIGHT = 8 };
enum { GRAY = BRIGHT + BLACK, BRIGHT_WHITE = BRIGHT + WHITE };

/* A colour on one kind of ground: of 16, of 256, and as 0xrrggbb. */
struct shade {
	int16_t of_16, of_256;
	int32_t rgb;
};

struct look_of_style {
	struct shade text[2], ground[2]; /* on dark, on light */
	uint8_t bare;                    /* attributes where there are no colours */
	uint8_t always;                  /* attributes beside the colours */
};

#define OWN                                                                                        \
	{                                                                                          \
		{NONE, NONE, NONE},                                                                \
		{                                                                                  \
			NONE, NONE, NONE                                                           \
		}                                                                                  \
	}

static const struct look_of_style looks[STYLE_LIMIT] = {
	[STYLE_TEXT] = {OWN, OWN, 0, 0},
	[STYLE_DIM] = {{{GRAY, 245, 0x8b929c}, {GRAY, 242, 0x646b75}}, OWN, 0, 0},
	[STYLE_TITLE] = {{{CYAN, 117, 0x8ccff0}, {BLUE, 25, 0x1a5a94}}, OWN, CELL_BOLD, CELL_BOLD},
	[STYLE_HEADING] = {{{CYAN, 110, 0x86acd0}, {BLUE, 24, 0x2c5d85}}, OWN, CELL_UNDERLINE, 0},
	[STYLE_TAB] = {{{WHITE, 250, 0xb6bcc6}, {GRAY, 240, 0x545b65}}, OWN, 0, 0},
	[STYLE_TAB_HERE] = {{{BLACK, 234, 0x10202c}, {BRIGHT_WHITE, 231, 0xffffff}},
                            {{CYAN, 110, 0x86b8dc}, {BLUE, 25, 0x2468a2}},
                            CELL_REVERSE,
                            CELL_BOLD},
	[STYLE_KEY] = {{{YELLOW, 222, 0xf0cc84}, {MAGENTA, 94, 0x8a5a00}}, OWN, CELL_BOLD, 0},
	[STYLE_SELECTED] = {{{BRIGHT_WHITE, 255, 0xf2f5f9}, {BLACK, 232, 0x0c1218}},
                            {{BLUE, 24, 0x24476a}, {CYAN, 153, 0xbcdcf6}},
                            CELL_REVERSE,
                            0},
	[STYLE_GOOD] = {{{GREEN, 114, 0x86cc8c}, {GREEN, 22, 0x1c7a34}}, OWN, 0, 0},
	[STYLE_WARNING] = {{{YELLOW, 221, 0xf0c860}, {MAGENTA, 130, 0x9a5a00}}, OWN, CELL_BOLD, 0},
	[STYLE_BAD] = {{{BRIGHT + RED, 203, 0xff6f69}, {RED, 160, 0xc01c28}},
                       OWN,
                       CELL_BOLD,
                       CELL_BOLD},
	[STYLE_USER] = {{{BLUE + BRIGHT, 75, 0x5cb0f2}, {BLUE, 25, 0x1f6fc0}}, OWN, 0, 0},
	[STYLE_SYSTEM] = {{{MAGENTA + BRIGHT, 141, 0xb492ea}, {MAGENTA, 97, 0x7d4cb8}}, OWN, 0, 0},
	[STYLE_CACHE] = {{{CYAN, 79, 0x54c8aa}, {CYAN, 30, 0x0b7f73}}, OWN, 0, 0},
	[STYLE_OTHER] = {{{WHITE, 180, 0xd0b48c}, {YELLOW, 137, 0x94703c}}, OWN, 0, 0},
	[STYLE_FREE] = {{{GRAY, 238, 0x434a54}, {WHITE, 250, 0xbcc2ca}}, OWN, 0, 0},
	[STYLE_PEAK] = {{{YELLOW + BRIGHT, 222, 0xf4d06c}, {RED, 166, 0xc25a00}},
                        OWN,
                        CELL_BOLD,
                        0},
	[STYLE_GROWTH] = {{{YELLOW, 215, 0xf5a962}, {RED, 130, 0xb04a00}}, OWN, CELL_BOLD, 0},
	[STYLE_SHRINK] = {{{GREEN, 115, 0x84ceb0}, {GREEN, 23, 0x14785a}}, OWN, 0, 0},
	[STYLE_DEAD] = {{{GRAY, 243, 0x7d7480}, {GRAY, 244, 0x78707c}}, OWN, 0, 0},
	[STYLE_BORDER] = {{{GRAY, 240, 0x535c68}, {GRAY, 248, 0xa2aab4}}, OWN, 0, 0},
	[STYLE_HEAT_0] = {{{WHITE, 248, 0xa2aab4}, {BLACK, 240, 0x505862}},
                          {{BLACK, 235, 0x22262c}, {WHITE, 254, 0xe6e9ed}},
                          0,
                          0},
	[STYLE_HEAT_1] = {{{BRIGHT_WHITE, 254, 0xe2e8ee}, {BLACK, 234, 0x161c22}},
                          {{BLUE, 24, 0x1c3a50}, {WHITE, 195, 0xd2e8f4}},
                          0,
                          0},
	[STYLE_HEAT_2] = {{{BRIGHT_WHITE, 255, 0xecf2f6}, {BLACK, 234, 0x121c20}},
                          {{BLUE, 23, 0x1d5268}, {CYAN, 152, 0xb0dae0}},
                          0,
                          0},
	[STYLE_HEAT_3] = {{{BLACK, 231, 0xf2f8f6}, {BLACK, 233, 0x101c18}},
                          {{CYAN, 29, 0x1d6660}, {CYAN, 115, 0x98d4b4}},
                          0,
                          0},
	[STYLE_HEAT_4] = {{{BLACK, 233, 0xfcfff4}, {BLACK, 233, 0x161c0c}},
                          {{GREEN, 100, 0x4a7434}, {GREEN, 186, 0xd4dc84}},
                          0,
                          0},
	[STYLE_HEAT_5] = {{{BLACK, 233, 0x1c1604}, {BLACK, 233, 0x1c1604}},
                          {{YELLOW, 178, 0xd2aa3c}, {YELLOW, 221, 0xf4cc5c}},
                          0,
                          0},
	[STYLE_HEAT_6] = {{{BLACK, 233, 0x1e0e00}, {BLACK, 233, 0x1e0e00}},
                          {{YELLOW + BRIGHT, 208, 0xe8843a}, {YELLOW + BRIGHT, 215, 0xf69a50}},
                          0,
                          CELL_BOLD},
	[STYLE_HEAT_7] = {{{BRIGHT_WHITE, 231, 0xffffff}, {BRIGHT_WHITE, 231, 0xffffff}},
                          {{RED, 160, 0xc42e36}, {RED, 160, 0xc42230}},
                          CELL_REVERSE,
                          CELL_BOLD},
};

static void add_16(struct text *out, int color, bool ground)
{
	int base = color >= BRIGHT ? 90 - BRIGHT : 30;

	text_addf(out, ";%d", base + color + (ground ? 10 : 0));
}

static void add_color(struct text *out, enum color_depth depth, const struct shade *shade,
                      bool ground)
{
	int which = ground ? 48 : 38;

	if (depth == COLORS_16 && shade->of_16 != NONE)
		add_16(out, shade->of_16, ground);
	else if (depth == COLORS_256 && shade->of_256 != NONE)
		text_addf(out, ";%d;5;%d", which, shade->of_256);
	else if (depth == COLORS_TRUE && shade->rgb != NONE)
		text_addf(out, ";%d;2;%d;%d;%d", which, (int)(shade->rgb >> 16),
		          (int)(shade->rgb >> 8 & 0xff), (int)(shade->rgb & 0xff));
}

void style_sgr(struct text *out, const struct palette *palette, enum style style,
               unsigned attributes)
{
	const struct look_of_style *look = &looks[style < STYLE_LIMIT ? style : STYLE_TEXT];

	attributes |= palette->depth == COLORS_NONE ? look->bare : look->always;
	text_add(out, "\033[0");
	if (attributes & CELL_BOLD)
		text_add(out, ";1");
	if (attributes & CELL_UNDERLINE)
		text_add(out, ";4");
	if (attributes & CELL_REVERSE)
		text_add(out, ";7");
	add_color(out, palette->depth, &look->text[palette->light], false);
	add_color(out, palette->depth, &look->ground[palette->light], true);
	text_add(out, "m");
}

bool style_shows_space(const struct palette *palette, enum style style, unsigned attributes)
{
	const struct look_of_style *look = &looks[style < STYLE_LIMIT ? style : STYLE_TEXT];

	if (palette->depth == COLORS_NONE)
		attributes |= look->bare;
	else if (look->ground[palette->light].rgb != NONE)
		return true;
	return (attributes & (CELL_UNDERLINE | CELL_REVERSE)) != 0;
}

bool style_colors_text_alone(const struct palette *palette, enum style style, unsigned attributes)
{
	const struct look_of_style *look = &looks[style < STYLE_LIMIT ? style : STYLE_TEXT];

	return palette->depth != COLORS_NONE && attributes == 0 && look->always == 0 &&
	       look->ground[palette->light].rgb == NONE && look->text[palette->light].rgb != NONE;
}

static bool is_named(const char *variable, const char *value)
{
	const char *got = getenv(variable);

	return got != NULL && strcmp(got, value) == 0;
}

enum color_depth style_depth(int terminfo_colors)
{
	const char *off = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((off != NULL && off[0] != '\0') || is_named("TERM", "dumb"))
		return COLORS_NONE;
	if (is_named("COLORTERM", "truecolor") || is_named("COLORTERM", "24bit"))
		return COLORS_TRUE;
	if (terminfo_colors >= 1 << 24 || (term != NULL && strstr(term, "-direct") != NULL))
		return COLORS_TRUE;
	if (terminfo_colors >= 256 || (term != NULL && strstr(term, "256color") != NULL))
		return COLORS_256;
	return terminfo_colors >= 8 ? COLORS_16 : COLORS_NONE;
}

bool style_is_light(void)
{
	const char *colors = getenv("COLORFGBG");
	const char *ground = colors != NULL ? strrchr(colors, ';') : NULL;

	/* "0;15": the text's colour, perhaps more, and the ground's. */
	return ground != NULL && (strcmp(ground, ";7") == 0 || strcmp(ground, ";15") == 0);
}

enum style style_heat(unsigned long long part, unsigned long long of)
{
	int step;

	if (part == 0 || of == 0)
		return STYLE_HEAT_0;
	if (part >= of)
		return STYLE_HEAT_7;
	step = 1 + (int)((double)part / (double)of * (HEAT_STEPS - 1));
	return (enum style)(STYLE_HEAT_0 + (step < HEAT_STEPS ? step : HEAT_STEPS - 1));
}
