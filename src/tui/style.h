/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What things look like, by what they are. One table has the colours of each style for 16, 256 and
 * true colours on dark and on light ground; without colours attributes alone tell apart.
 */
#ifndef MESHTALLY_TUI_STYLE_H
#define MESHTALLY_TUI_STYLE_H

#include <stdbool.h>

enum style {
	STYLE_TEXT,
	STYLE_DIM,      /* labels, units, what is equal to others */
	STYLE_TITLE,    /* the name of the program, titles of boxes */
	STYLE_HEADING,  /* of columns */
	STYLE_TAB,      /* a screen's name */
	STYLE_TAB_HERE, /* of the screen that is shown */
	STYLE_KEY,      /* a key in the footer and in help */
	STYLE_SELECTED, /* the row under the cursor: a ground, whole row */
	STYLE_GOOD,
	STYLE_WARNING,
	STYLE_BAD,  /* faults, leaks, failures */
	STYLE_USER, /* classes of memory, in bars and maps */
	STYLE_SYSTEM,
	STYLE_CACHE,
	STYLE_OTHER, /* counted, class not known */
	STYLE_FREE,  /* the empty part of a bar */
	STYLE_PEAK,
	STYLE_GROWTH, /* more than at the mark */
	STYLE_SHRINK,
	STYLE_DEAD, /* processes that have ended */
	STYLE_BORDER,
	STYLE_HEAT_0, /* grounds from empty to full, with a text that can be read on each */
	STYLE_HEAT_1,
	STYLE_HEAT_2,
	STYLE_HEAT_3,
	STYLE_HEAT_4,
	STYLE_HEAT_5,
	STYLE_HEAT_6,
	STYLE_HEAT_7,
	STYLE_LIMIT
};

enum { HEAT_STEPS = STYLE_HEAT_7 - STYLE_HEAT_0 + 1 };

enum color_depth { COLORS_NONE, COLORS_16, COLORS_256, COLORS_TRUE };

struct palette {
	enum color_depth depth;
	bool light;
};

struct text;
/* Adds the SGR sequence that sets a style and attributes, from whatever was before. */
void style_sgr(struct text *out, const struct palette *palette, enum style style,
               unsigned attributes);

/* Whether a space in it is seen: it has a ground, or a line. */
bool style_shows_space(const struct palette *palette, enum style style, unsigned attributes);

/* Whether it sets the colour of letters and nothing else. */
bool style_colors_text_alone(const struct palette *palette, enum style style, unsigned attributes);

/* By NO_COLOR, TERM, COLORTERM and what terminfo says (colors; -1 unknown). */
enum color_depth style_depth(int terminfo_colors);
/* By COLORFGBG; false where it says nothing. */
bool style_is_light(void);

/* STYLE_HEAT_* for a share; of 0: empty. */
enum style style_heat(unsigned long long part, unsigned long long of);

#endif
