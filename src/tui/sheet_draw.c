/* SPDX-License-Identifier: Apache-2.0 */
/* A sheet as cells: heading, rows, trees, bars, and what to say where there are no rows. */
#include "hits.h"
#include "safe.h"
#include "sheet_layout.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

enum {
	LEAST_ROWS_WITH_HEADING = 3,
	LEAST_COLUMNS_WITH_BAR = 20,
	LEAST_COLUMNS_WITH_GAP = 40, /* before the bar, and on the left */
	EMPTY_COLUMNS = 76,
	TREE_LEVELS = 64,
	TREE_STEP = 2,
};

struct pen {
	const struct sheet *sheet;
	struct canvas *canvas;
	struct area area; /* of heading and rows, without the scroll bar */
	int margin;       /* left free in it */
	struct sheet_layout layout;
	/* By depth: whether a later sibling of the node that is open there comes. */
	bool goes_on[TREE_LEVELS];
};

static void draw_heading(const struct pen *pen, const struct sheet_state *state,
                         const struct area *area, struct hits *hits)
{
	enum glyph arrow = state->descending ? GLYPH_DOWN : GLYPH_UP;

	for (size_t i = 0; i < pen->sheet->column_count; i++) {
		const struct sheet_column *column = &pen->sheet->columns[i];
		const struct sheet_place *place = &pen->layout.places[i];
		int at = area->column + pen->margin + place->column, used;

		if (!place->shown)
			continue;
		if (sheet_is_right(column->type)) {
			used = canvas_right(pen->canvas, area->row, at, place->columns,
			                    STYLE_HEADING, column->title);
			if (state->sort == i && at + place->columns - used > area->column)
				canvas_glyph(pen->canvas, area->row, at + place->columns - used - 1,
				             STYLE_HEADING, arrow);
		} else {
			used = canvas_text(pen->canvas, area->row, at, place->columns,
			                   STYLE_HEADING, column->title);
			if (state->sort == i && at + used < area->column + area->columns)
				canvas_glyph(pen->canvas, area->row, at + used, STYLE_HEADING,
				             arrow);
		}
		if (hits != NULL && column->type != VALUE_BAR)
			hits_add(hits, HIT_SORT, (struct area){area->row, at, 1, place->columns},
			         i);
	}
}

/* Branches and the mark of a node; returns the columns they took. */
static int draw_branches(const struct pen *pen, const struct sheet_row *row, int line, int at,
                         int columns)
{
	int levels = columns / 2 / TREE_STEP - 1, depth = row->depth, used = 0;

	if (levels < 0)
		return 0;
	if (depth > levels)
		depth = levels; /* deeper ones stand below each other */
	if (depth >= TREE_LEVELS)
		depth = TREE_LEVELS - 1;
	for (int level = 1; level < depth; level++, used += TREE_STEP)
		if (pen->goes_on[level])
			canvas_glyph(pen->canvas, line, at + used, STYLE_BORDER, GLYPH_VERTICAL);
	if (depth > 0) {
		canvas_glyph(pen->canvas, line, at + used, STYLE_BORDER,
		             row->is_last ? GLYPH_LAST_BRANCH : GLYPH_BRANCH);
		canvas_repeat(pen->canvas, line, at + used + 1, row->has_children ? 1 : 2,
		              STYLE_BORDER, GLYPH_HORIZONTAL);
		used += TREE_STEP;
	}
	if (row->has_children)
		canvas_glyph(pen->canvas, line, at + used, STYLE_KEY,
		             row->is_open ? GLYPH_OPEN : GLYPH_SHUT);
	return used + TREE_STEP;
}

/* Of the rows before the first one that is drawn, and of those that are. */
static void follow_tree(struct pen *pen, const struct sheet_row *row)
{
	if (row->depth < TREE_LEVELS)
		pen->goes_on[row->depth] = !row->is_last;
}

static void draw_bar(const struct pen *pen, const struct value *value, enum style style, int line,
                     int at, int columns)
{
	double share = value->real < 0 ? 0 : value->real > 1 ? 1 : value->real;
	struct bar_part part = {(uint64_t)(share * 1e6 + 0.5), style};

	if (value->known)
		canvas_bar(pen->canvas, line, at, columns, &part, 1, 1000000, UINT64_MAX);
}

static void draw_value(const struct pen *pen, const struct sheet_row *row, size_t i, int line)
{
	const struct value *value = &row->values[i];
	const struct sheet_column *column = &pen->sheet->columns[i];
	int at = pen->area.column + pen->margin + pen->layout.places[i].column;
	int columns = pen->layout.places[i].columns, used = 0;
	enum style style = value->style != STYLE_TEXT ? value->style : row->style;
	char figure[SHEET_VALUE_SIZE];

	if (i == pen->sheet->tree_column)
		used = draw_branches(pen, row, line, at, columns);
	if (column->type == VALUE_BAR) {
		draw_bar(pen, value, value->style != STYLE_TEXT ? value->style : STYLE_USER, line,
		         at, columns);
	} else if (!value->known) {
		if (sheet_is_right(column->type))
			canvas_right(pen->canvas, line, at, columns, STYLE_DIM, "-");
		else
			canvas_text(pen->canvas, line, at + used, columns - used, STYLE_DIM, "-");
	} else if (column->type == VALUE_TEXT) {
		canvas_foreign(pen->canvas, line, at + used, columns - used, style, value->text);
	} else {
		sheet_value(&figure, value, column->type, columns);
		canvas_right(pen->canvas, line, at, columns, style, figure);
	}
}

static void draw_row(struct pen *pen, const struct sheet_row *row, int line)
{
	for (size_t i = 0; i < pen->sheet->column_count; i++)
		if (pen->layout.places[i].shown)
			draw_value(pen, row, i, line);
	follow_tree(pen, row);
}

/* Where in a long list the rows are, as a thin bar at the right end. */
static void draw_scroll(const struct pen *pen, const struct area *area, size_t top, size_t count)
{
	size_t seen = (size_t)area->rows, size = seen * seen / count, at;

	size = size != 0 ? size : 1;
	at = top + seen >= count ? seen - size : top * (seen - size) / (count - seen);
	for (int i = 0; i < area->rows; i++) {
		bool here = (size_t)i >= at && (size_t)i < at + size;

		canvas_glyph(pen->canvas, area->row + i, area->column,
		             here ? STYLE_DIM : STYLE_BORDER, here ? GLYPH_FULL : GLYPH_VERTICAL);
	}
}

/* Wrapped, as a block in the middle; a third of what is free is above of it. */
static void draw_empty(const struct sheet *sheet, struct canvas *canvas, const struct area *area)
{
	int margin = area->columns > 8 ? 4 : 0, width = area->columns - margin, lines = 0, wide = 0;
	struct text wrapped = {0}, line = {0};
	int at, row;

	if (width > EMPTY_COLUMNS)
		width = EMPTY_COLUMNS;
	for (const char *s = text_string(&sheet->empty); *s != '\0';) {
		size_t length = strcspn(s, "\n"), spaces = strspn(s, " ");

		text_clear(&line);
		text_bytes(&line, s, length);
		safe_wrap(&wrapped, text_string(&line), (size_t)width,
		          spaces != 0 ? spaces + 2 : 0);
		s += length + (s[length] == '\n');
	}
	for (char *s = wrapped.bytes, *end; s != NULL && (end = strchr(s, '\n')); s = end + 1) {
		*end = '\0';
		lines++;
		if ((int)safe_width(s) > wide)
			wide = (int)safe_width(s);
	}
	at = wide < area->columns ? (area->columns - wide) / 2 : 0;
	row = lines < area->rows ? (area->rows - lines) / 3 : 0;
	for (const char *s = wrapped.bytes; lines > 0 && row < area->rows; lines--, row++) {
		canvas_text(canvas, area->row + row, area->column + at, area->columns - at,
		            STYLE_TEXT, s);
		s += strlen(s) + 1;
	}
	text_finish(&wrapped);
	text_finish(&line);
}

static void draw_more(const struct sheet *sheet, struct canvas *canvas, const struct area *area)
{
	char here[UNITS_SIZE], all[UNITS_SIZE];

	canvas_textf(canvas, area->row, area->column + (area->columns >= LEAST_COLUMNS_WITH_GAP),
	             area->columns - 1, STYLE_DIM,
	             "%s of %s are listed: a filter (/) finds the others",
	             units_count(&here, sheet->rows.count),
	             units_count(&all, sheet->rows.count + sheet->more));
}

/* So that the cursor can be seen, and no room is left empty while there are rows. */
static void correct_top(const struct sheet *sheet, struct sheet_state *state, size_t seen)
{
	size_t count = sheet->rows.count;

	if (state->cursor >= count)
		state->cursor = count - 1;
	if (state->top > state->cursor)
		state->top = state->cursor;
	if (state->cursor >= state->top + seen)
		state->top = state->cursor - seen + 1;
	if (state->top + seen > count)
		state->top = count > seen ? count - seen : 0;
}

static void draw_rows(struct pen *pen, struct sheet_state *state, bool has_cursor,
                      struct hits *hits)
{
	const struct sheet *sheet = pen->sheet;
	size_t seen = (size_t)pen->area.rows;

	state->seen = seen;
	correct_top(sheet, state, seen);
	for (size_t i = 0; i < state->top; i++)
		follow_tree(pen, &sheet->rows.items[i]);
	for (size_t i = state->top; i < sheet->rows.count && i < state->top + seen; i++) {
		struct area line = {pen->area.row + (int)(i - state->top), pen->area.column, 1,
		                    pen->area.columns};

		draw_row(pen, &sheet->rows.items[i], line.row);
		if (has_cursor && i == state->cursor)
			canvas_style(pen->canvas, line, STYLE_SELECTED);
		if (hits != NULL)
			hits_add(hits, HIT_ROW, line, i);
	}
}

void sheet_draw(const struct sheet *sheet, struct sheet_state *state, struct canvas *canvas,
                struct area area, bool has_cursor, struct hits *hits)
{
	struct pen pen = {.sheet = sheet, .canvas = canvas};
	bool has_heading = area.rows >= LEAST_ROWS_WITH_HEADING;
	bool has_bar = area.columns >= LEAST_COLUMNS_WITH_BAR;
	struct area heading;

	if (area.rows <= 0 || area.columns <= 0)
		return;
	if (sheet->rows.count == 0) {
		state->top = 0;
		draw_empty(sheet, canvas, &area);
		return;
	}
	pen.area = area;
	/* Kept free, so that columns do not jump. */
	pen.margin = area.columns >= LEAST_COLUMNS_WITH_GAP;
	pen.area.columns -= has_bar + pen.margin;
	sheet_layout(&pen.layout, sheet, pen.area.columns - pen.margin);
	heading = pen.area;
	if (has_heading) {
		draw_heading(&pen, state, &heading, hits);
		pen.area.row++;
		pen.area.rows--;
	}
	if (sheet->more != 0 && pen.area.rows >= LEAST_ROWS_WITH_HEADING) {
		pen.area.rows--;
		draw_more(
			sheet, canvas,
			&(struct area){pen.area.row + pen.area.rows, area.column, 1, area.columns});
	}
	draw_rows(&pen, state, has_cursor, hits);
	if (has_bar && sheet->rows.count > (size_t)pen.area.rows)
		draw_scroll(&pen,
		            &(struct area){pen.area.row, area.column + area.columns - 1,
		                           pen.area.rows, 1},
		            state->top, sheet->rows.count);
}
