/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A canvas of character cells: all drawing goes here, never to the terminal. A cell has the bytes
 * of one character with what combines with it, and the name of a style (style.h), so that a canvas
 * is the same whatever the terminal's colours. What lies outside of a canvas is not drawn. One
 * thread.
 */
#ifndef MESHTALLY_TUI_CELL_H
#define MESHTALLY_TUI_CELL_H

#include "style.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CELL_BYTES = 20 };

struct cell {
	char bytes[CELL_BYTES]; /* NUL-terminated; "" is the right half of a wide character */
	uint8_t columns;        /* 1 or 2; 0: right half */
	uint8_t style;          /* enum style */
	uint8_t attributes;     /* CELL_* */
};

enum cell_attribute { CELL_BOLD = 1, CELL_REVERSE = 2, CELL_UNDERLINE = 4 };

struct canvas {
	struct cell *cells; /* row after row */
	int rows, columns;
	bool ascii;                    /* canvas_text and canvas_glyph draw ASCII alone */
	int cursor_row, cursor_column; /* of a prompt; -1: not shown */
};

/* A part of a canvas. Negative sizes are empty. */
struct area {
	int row, column, rows, columns;
};

/* Changes the size and clears. 0 by 0 is fine. */
void canvas_size(struct canvas *canvas, int rows, int columns);
void canvas_clear(struct canvas *canvas);
void canvas_finish(struct canvas *canvas);
struct area canvas_area(const struct canvas *canvas);

/* The cell at a place; NULL outside. */
struct cell *canvas_cell(const struct canvas *canvas, int row, int column);

/* Draws safe text (base/safe.h: foreign bytes have gone through safe_terminal) and returns the
 * columns it took, at most `columns`; "…" (ASCII: "~") stands for what was cut off at the end. */
int canvas_text(struct canvas *canvas, int row, int column, int columns, enum style style,
                const char *safe);
int canvas_textf(struct canvas *canvas, int row, int column, int columns, enum style style,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The same to the right end of the columns. Returns the columns it took. */
int canvas_right(struct canvas *canvas, int row, int column, int columns, enum style style,
                 const char *safe);
/* Text of foreign origin: made safe first. */
int canvas_foreign(struct canvas *canvas, int row, int column, int columns, enum style style,
                   const char *foreign);

/* One of a few drawing characters, with its ASCII stand-in. */
enum glyph {
	GLYPH_HORIZONTAL, /* ─ */
	GLYPH_VERTICAL,   /* │ */
	GLYPH_TOP_LEFT,   /* ┌ */
	GLYPH_TOP_RIGHT,
	GLYPH_BOTTOM_LEFT,
	GLYPH_BOTTOM_RIGHT,
	GLYPH_BRANCH,      /* ├ */
	GLYPH_LAST_BRANCH, /* └ */
	GLYPH_OPEN,        /* ▾ a tree's open node */
	GLYPH_SHUT,        /* ▸ */
	GLYPH_UP,          /* ▲ */
	GLYPH_DOWN,        /* ▼ */
	GLYPH_FULL,        /* █ */
	GLYPH_SHADE,       /* ░ */
	GLYPH_DOT,         /* · */
	GLYPH_PEAK,        /* ▏ the peak mark in a bar */
	GLYPH_WARNING,     /* ! in both */
	GLYPH_LIMIT
};
const char *glyph_text(const struct canvas *canvas, enum glyph glyph);
void canvas_glyph(struct canvas *canvas, int row, int column, enum style style, enum glyph glyph);
/* From a column on, `count` times. */
void canvas_repeat(struct canvas *canvas, int row, int column, int count, enum style style,
                   enum glyph glyph);

/* A bar of eighths of a cell: parts one after the other, as shares of `whole`; the rest is shown as
 * empty. peak UINT64_MAX: none; whole 0: "-" alone, the capacity is not known. */
struct bar_part {
	uint64_t amount;
	enum style style;
};
void canvas_bar(struct canvas *canvas, int row, int column, int columns,
                const struct bar_part *parts, size_t count, uint64_t whole, uint64_t peak);
/* A line of `columns` bars up to one row high, values as shares of `whole`; UINT64_MAX: unknown. */
void canvas_spark(struct canvas *canvas, struct area area, enum style style, const uint64_t *values,
                  size_t count, uint64_t whole);

/* Attributes or a style for what is drawn already. */
void canvas_attribute(struct canvas *canvas, struct area area, uint8_t attributes);
void canvas_style(struct canvas *canvas, struct area area, enum style style);
void canvas_box(struct canvas *canvas, struct area area, enum style style, const char *safe_title);

#endif
