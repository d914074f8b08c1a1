/* SPDX-License-Identifier: Apache-2.0 */
#include "cell.h"

#include "memory.h"
#include "safe.h"
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct cell blank = {.bytes = " ", .columns = 1};

static const char *const glyphs[GLYPH_LIMIT][2] = {
	[GLYPH_HORIZONTAL] = {"─", "-"},  [GLYPH_VERTICAL] = {"│", "|"},
	[GLYPH_TOP_LEFT] = {"┌", "+"},    [GLYPH_TOP_RIGHT] = {"┐", "+"},
	[GLYPH_BOTTOM_LEFT] = {"└", "+"}, [GLYPH_BOTTOM_RIGHT] = {"┘", "+"},
	[GLYPH_BRANCH] = {"├", "|"},      [GLYPH_LAST_BRANCH] = {"└", "`"},
	[GLYPH_OPEN] = {"▾", "-"},        [GLYPH_SHUT] = {"▸", "+"},
	[GLYPH_UP] = {"▲", "^"},          [GLYPH_DOWN] = {"▼", "v"},
	[GLYPH_FULL] = {"█", "#"},        [GLYPH_SHADE] = {"░", "."},
	[GLYPH_DOT] = {"·", "."},         [GLYPH_PEAK] = {"▏", "|"},
	[GLYPH_WARNING] = {"!", "!"},
};

void canvas_clear(struct canvas *canvas)
{
	size_t count = (size_t)canvas->rows * (size_t)canvas->columns;

	for (size_t i = 0; i < count; i++)
		canvas->cells[i] = blank;
	canvas->cursor_row = canvas->cursor_column = -1;
}

void canvas_size(struct canvas *canvas, int rows, int columns)
{
	rows = rows > 0 && columns > 0 ? rows : 0;
	columns = rows > 0 ? columns : 0;
	if (rows != canvas->rows || columns != canvas->columns) {
		free(canvas->cells);
		canvas->cells = NULL;
		if (rows != 0)
			canvas->cells = mem_calloc((size_t)rows * (size_t)columns, sizeof(blank));
		canvas->rows = rows;
		canvas->columns = columns;
	}
	canvas_clear(canvas);
}

void canvas_finish(struct canvas *canvas)
{
	free(canvas->cells);
	*canvas = (struct canvas){.ascii = canvas->ascii, .cursor_row = -1, .cursor_column = -1};
}

struct area canvas_area(const struct canvas *canvas)
{
	return (struct area){0, 0, canvas->rows, canvas->columns};
}

struct cell *canvas_cell(const struct canvas *canvas, int row, int column)
{
	if (row < 0 || row >= canvas->rows || column < 0 || column >= canvas->columns)
		return NULL;
	return &canvas->cells[(size_t)row * (size_t)canvas->columns + (size_t)column];
}

/* Half of a wide character is none: the other half goes when one is drawn over. */
static void split(const struct canvas *canvas, int row, int column)
{
	struct cell *cell = canvas_cell(canvas, row, column), *other = NULL;

	if (cell == NULL || cell->columns == 1)
		return;
	other = canvas_cell(canvas, row, cell->columns == 2 ? column + 1 : column - 1);
	if (other == NULL)
		return;
	memcpy(other->bytes, blank.bytes, sizeof(other->bytes));
	other->columns = 1;
}

static struct cell *put(const struct canvas *canvas, int row, int column, enum style style,
                        const char *bytes, size_t length)
{
	struct cell *cell = canvas_cell(canvas, row, column);

	if (cell == NULL)
		return NULL;
	split(canvas, row, column);
	*cell = (struct cell){.columns = 1, .style = (uint8_t)style};
	memcpy(cell->bytes, bytes, length < CELL_BYTES ? length : 0);
	return cell;
}

/* A wide character of which only a half lies on the canvas is a space there. */
static struct cell *put_wide(const struct canvas *canvas, int row, int column, enum style style,
                             const char *bytes, size_t length)
{
	struct cell *left = put(canvas, row, column, style, " ", 1);
	struct cell *right = put(canvas, row, column + 1, style, " ", 1);

	if (left == NULL || right == NULL)
		return NULL;
	memset(left->bytes, 0, sizeof(left->bytes));
	memset(right->bytes, 0, sizeof(right->bytes));
	memcpy(left->bytes, bytes, length);
	left->columns = 2;
	right->columns = 0;
	return left;
}

static void combine(struct cell *cell, const char *bytes, size_t length)
{
	size_t used;

	if (cell == NULL)
		return;
	used = strlen(cell->bytes);
	if (used + length < CELL_BYTES)
		memcpy(cell->bytes + used, bytes, length);
}

/* What may not be shown takes a column, as a question mark. */
static size_t next(const char *safe, int *ret_width, bool *ret_shown)
{
	size_t length = safe_next(safe, ret_width);

	*ret_shown = *ret_width >= 0;
	*ret_width = *ret_shown ? *ret_width : 1;
	return length;
}

/* Draws while there are columns. Returns the columns it took. */
static int draw(const struct canvas *canvas, int row, int column, int columns, enum style style,
                const char *safe)
{
	struct cell *last = NULL;
	int used = 0, width;
	bool shown;

	while (*safe != '\0') {
		size_t length = next(safe, &width, &shown);

		if (used + width > columns)
			break;
		if (!shown || (canvas->ascii && (unsigned char)safe[0] >= 0x80)) {
			last = NULL;
			for (int i = 0; i < width; i++)
				put(canvas, row, column + used + i, style, "?", 1);
		} else if (width == 0) {
			combine(last, safe, length);
		} else if (width == 1) {
			last = put(canvas, row, column + used, style, safe, length);
		} else {
			last = put_wide(canvas, row, column + used, style, safe, length);
		}
		safe += length;
		used += width;
	}
	return used;
}

/* Whether text takes more columns than that; if not, how many. */
static bool is_wider(const char *safe, int columns, int *ret_width)
{
	int total = 0, width;
	bool shown;

	while (*safe != '\0') {
		safe += next(safe, &width, &shown);
		total += width;
		if (total > columns)
			return true;
	}
	*ret_width = total;
	return false;
}

int canvas_text(struct canvas *canvas, int row, int column, int columns, enum style style,
                const char *safe)
{
	int width = 0;

	if (columns > canvas->columns - column)
		columns = canvas->columns - column;
	if (columns <= 0)
		return 0;
	if (!is_wider(safe, columns, &width))
		return draw(canvas, row, column, columns, style, safe);
	width = draw(canvas, row, column, columns - 1, style, safe);
	if (canvas->ascii)
		put(canvas, row, column + width, style, "~", 1);
	else
		put(canvas, row, column + width, style, "…", strlen("…"));
	return width + 1;
}

int canvas_textf(struct canvas *canvas, int row, int column, int columns, enum style style,
                 const char *format, ...)
{
	struct text text = {0};
	va_list arguments;
	int used;

	va_start(arguments, format);
	text_vaddf(&text, format, arguments);
	va_end(arguments);
	used = canvas_text(canvas, row, column, columns, style, text_string(&text));
	text_finish(&text);
	return used;
}

int canvas_right(struct canvas *canvas, int row, int column, int columns, enum style style,
                 const char *safe)
{
	int width = columns;

	if (columns <= 0)
		return 0;
	if (is_wider(safe, columns, &width))
		return canvas_text(canvas, row, column, columns, style, safe);
	return canvas_text(canvas, row, column + columns - width, width, style, safe);
}

int canvas_foreign(struct canvas *canvas, int row, int column, int columns, enum style style,
                   const char *foreign)
{
	struct text text = {0};
	int used;

	safe_terminal(&text, foreign);
	used = canvas_text(canvas, row, column, columns, style, text_string(&text));
	text_finish(&text);
	return used;
}

const char *glyph_text(const struct canvas *canvas, enum glyph glyph)
{
	return glyphs[glyph][canvas->ascii];
}

void canvas_glyph(struct canvas *canvas, int row, int column, enum style style, enum glyph glyph)
{
	const char *text = glyph_text(canvas, glyph);

	put(canvas, row, column, style, text, strlen(text));
}

void canvas_repeat(struct canvas *canvas, int row, int column, int count, enum style style,
                   enum glyph glyph)
{
	for (int i = 0; i < count && column + i < canvas->columns; i++)
		canvas_glyph(canvas, row, column + i, style, glyph);
}

/* The part of an area that lies on the canvas. */
static struct area clip(const struct canvas *canvas, struct area area)
{
	long bottom = (long)area.row + area.rows, right = (long)area.column + area.columns;

	if (bottom > canvas->rows)
		bottom = canvas->rows;
	if (right > canvas->columns)
		right = canvas->columns;
	area.row = area.row > 0 ? area.row : 0;
	area.column = area.column > 0 ? area.column : 0;
	area.rows = (int)bottom - area.row;
	area.columns = (int)right - area.column;
	return area;
}

void canvas_attribute(struct canvas *canvas, struct area area, uint8_t attributes)
{
	area = clip(canvas, area);
	for (int row = 0; row < area.rows; row++)
		for (int column = 0; column < area.columns; column++) {
			struct cell *cell =
				canvas_cell(canvas, area.row + row, area.column + column);

			cell->attributes = (uint8_t)(cell->attributes | attributes);
		}
}

void canvas_style(struct canvas *canvas, struct area area, enum style style)
{
	area = clip(canvas, area);
	for (int row = 0; row < area.rows; row++)
		for (int column = 0; column < area.columns; column++)
			canvas_cell(canvas, area.row + row, area.column + column)->style =
				(uint8_t)style;
}

void canvas_box(struct canvas *canvas, struct area area, enum style style, const char *safe_title)
{
	int bottom = area.row + area.rows - 1, right = area.column + area.columns - 1, used;

	if (area.rows < 2 || area.columns < 2)
		return;
	canvas_repeat(canvas, area.row, area.column, area.columns, style, GLYPH_HORIZONTAL);
	canvas_repeat(canvas, bottom, area.column, area.columns, style, GLYPH_HORIZONTAL);
	for (int row = area.row + 1; row < bottom; row++) {
		canvas_glyph(canvas, row, area.column, style, GLYPH_VERTICAL);
		canvas_glyph(canvas, row, right, style, GLYPH_VERTICAL);
	}
	canvas_glyph(canvas, area.row, area.column, style, GLYPH_TOP_LEFT);
	canvas_glyph(canvas, area.row, right, style, GLYPH_TOP_RIGHT);
	canvas_glyph(canvas, bottom, area.column, style, GLYPH_BOTTOM_LEFT);
	canvas_glyph(canvas, bottom, right, style, GLYPH_BOTTOM_RIGHT);
	if (safe_title == NULL || *safe_title == '\0' || area.columns < 7)
		return;
	used = canvas_text(canvas, area.row, area.column + 3, area.columns - 6, STYLE_TITLE,
	                   safe_title);
	put(canvas, area.row, area.column + 2, style, " ", 1);
	put(canvas, area.row, area.column + 3 + used, style, " ", 1);
}
