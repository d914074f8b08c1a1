/* SPDX-License-Identifier: Apache-2.0 */
#include "paint.h"

#include "text.h"

#include <string.h>

enum {
	ERASE_LEAST = 8,  /* spaces for which ECH is shorter */
	LINE_FEEDS = 3,   /* for which CUP is not shorter */
	SYNC_LEAST = 400, /* bytes from which a picture is put between marks, to be shown at once */
};

/* What is known of the terminal while a picture goes out. */
struct pen {
	struct text *out;
	const struct palette *palette;
	const struct canvas *before; /* NULL: blank */
	const struct canvas *now;
	bool erases;
	int row, column; /* of the cursor; -1 not known */
	uint8_t style, attributes;
};

static const struct cell blank = {.bytes = " ", .columns = 1};

static const struct cell *before(const struct pen *pen, int row, int column)
{
	return pen->before != NULL ? canvas_cell(pen->before, row, column) : &blank;
}

static bool is_space(const struct cell *cell)
{
	return cell->bytes[0] == ' ' && cell->bytes[1] == '\0';
}

/* A space on the terminal's own ground, whatever the colour of its letters would be. */
static bool is_blank(const struct pen *pen, const struct cell *cell)
{
	return is_space(cell) &&
	       !style_shows_space(pen->palette, (enum style)cell->style, cell->attributes);
}

static bool is_equal(const struct pen *pen, const struct cell *a, const struct cell *b)
{
	if (a->columns == b->columns && a->style == b->style && a->attributes == b->attributes &&
	    strcmp(a->bytes, b->bytes) == 0)
		return true;
	return is_blank(pen, a) && is_blank(pen, b);
}

/* Whether all terminals give it one column: ASCII; Latin, Greek and Cyrillic; lines, blocks and
 * "…". Of anything else some think otherwise. */
static bool is_sure(const struct cell *cell)
{
	const unsigned char *s = (const unsigned char *)cell->bytes;

	if (cell->columns != 1)
		return false;
	if (s[0] < 0x80)
		return s[0] == '\0' || s[1] == '\0';
	if (s[0] < 0xd4)
		return s[1] == '\0' || s[2] == '\0';
	return s[0] == 0xe2 && (s[1] == 0x80 || (s[1] >= 0x94 && s[1] <= 0x97)) && s[2] != '\0' &&
	       s[3] == '\0';
}

static bool wants_style(const struct pen *pen, const struct cell *cell)
{
	if (cell->style == pen->style && cell->attributes == pen->attributes)
		return false;
	return !is_blank(pen, cell) ||
	       style_shows_space(pen->palette, (enum style)pen->style, pen->attributes);
}

static bool is_default(unsigned style, unsigned attributes)
{
	return style == STYLE_TEXT && attributes == 0;
}

/* Whether what was set must be taken back first. */
static bool wants_reset(const struct pen *pen, const struct cell *cell)
{
	if (is_default(pen->style, pen->attributes))
		return false;
	return !style_colors_text_alone(pen->palette, (enum style)pen->style, pen->attributes) ||
	       !style_colors_text_alone(pen->palette, (enum style)cell->style, cell->attributes);
}

static void pen_style(struct pen *pen, const struct cell *cell)
{
	static const char reset[] = "\033[0;";
	struct text sgr = {0};

	if (!wants_style(pen, cell))
		return;
	if (is_blank(pen, cell))
		cell = &blank;
	if (is_default(cell->style, cell->attributes)) {
		text_add(pen->out, "\033[m");
	} else {
		style_sgr(&sgr, pen->palette, (enum style)cell->style, cell->attributes);
		if (wants_reset(pen, cell) || strncmp(sgr.bytes, reset, strlen(reset)) != 0) {
			text_add(pen->out, sgr.bytes);
		} else {
			text_add(pen->out, "\033[");
			text_add(pen->out, sgr.bytes + strlen(reset));
		}
		text_finish(&sgr);
	}
	pen->style = cell->style;
	pen->attributes = cell->attributes;
}

/* Writes again what stands between the cursor and a column, where that is no longer than moving. */
static bool skip(struct pen *pen, int column)
{
	int gap = column - pen->column;
	size_t length = 0, most = gap == 1 ? 3 : gap < 10 ? 4 : 5;

	for (int at = pen->column; at < column; at++) {
		const struct cell *cell = canvas_cell(pen->now, pen->row, at);

		length += strlen(cell->bytes);
		if (length > most || !is_sure(cell) || wants_style(pen, cell))
			return false;
	}
	for (int at = pen->column; at < column; at++)
		text_add(pen->out, canvas_cell(pen->now, pen->row, at)->bytes);
	return true;
}

static void pen_move(struct pen *pen, int row, int column)
{
	int down = row - pen->row, right = column - pen->column;

	if (down == 0 && right == 0)
		return;
	if (down == 0 && pen->column >= 0 && right > 0) {
		if (!skip(pen, column))
			text_addf(pen->out, right == 1 ? "\033[C" : "\033[%dC", right);
	} else if (pen->row >= 0 && column == 0 && down >= 0 && down <= LINE_FEEDS) {
		text_add(pen->out, "\r");
		text_fill(pen->out, '\n', (size_t)down);
	} else if (column == 0) {
		text_addf(pen->out, "\033[%dH", row + 1);
	} else {
		text_addf(pen->out, "\033[%d;%dH", row + 1, column + 1);
	}
	pen->row = row;
	pen->column = column;
}

static void pen_unknown(struct pen *pen)
{
	pen->row = pen->column = -1;
}

/* A terminal that gives a wide character one column leaves the other as it was: it must be empty.
 */
static void pen_clear_wide(struct pen *pen, int row, int column)
{
	if (is_blank(pen, before(pen, row, column + 1)))
		return;
	pen_move(pen, row, column);
	text_add(pen->out, "  ");
	pen_unknown(pen);
}

static void pen_cell(struct pen *pen, int row, int column)
{
	const struct cell *cell = canvas_cell(pen->now, row, column);

	pen_move(pen, row, column);
	pen_style(pen, cell);
	if (cell->columns == 2) {
		pen_clear_wide(pen, row, column);
		pen_move(pen, row, column);
	}
	text_add(pen->out, cell->bytes);
	pen->column++;
	if (!is_sure(cell))
		pen_unknown(pen);
}

/* Columns up to the last that shows anything. */
static int line_end(const struct pen *pen, int row)
{
	int end = pen->now->columns;

	while (end > 0 && is_blank(pen, canvas_cell(pen->now, row, end - 1)))
		end--;
	return end;
}

static bool is_changed(const struct pen *pen, int row, int column)
{
	return !is_equal(pen, before(pen, row, column), canvas_cell(pen->now, row, column));
}

/* Erases the blank cells from here on that are new, where that is shorter. Returns how many. */
static int erase(struct pen *pen, int row, int column, int end)
{
	int count = 0;

	for (int at = column; at < end && is_blank(pen, canvas_cell(pen->now, row, at)); at++)
		if (is_changed(pen, row, at))
			count = at - column + 1;
	if (!pen->erases || count < ERASE_LEAST)
		return 0;
	pen_move(pen, row, column);
	pen_style(pen, &blank);
	text_addf(pen->out, "\033[%dX", count);
	return count;
}

/* The blank rest of a line. */
static void paint_tail(struct pen *pen, int row, int end, int forced)
{
	int first = -1, last = -1;

	for (int column = end; column < pen->now->columns; column++) {
		if (column != forced && !is_changed(pen, row, column))
			continue;
		first = first < 0 ? column : first;
		last = column;
	}
	if (first < 0)
		return;
	if (last - first < 3) {
		for (int column = first; column <= last; column++)
			pen_cell(pen, row, column);
		return;
	}
	pen_move(pen, row, first);
	pen_style(pen, &blank);
	text_add(pen->out, "\033[K");
}

static void paint_row(struct pen *pen, int row)
{
	int end = line_end(pen, row), forced = -1, erased;

	for (int column = 0; column < end; column++) {
		const struct cell *cell = canvas_cell(pen->now, row, column);

		if (cell->columns == 0 || (column != forced && !is_changed(pen, row, column)))
			continue;
		erased = erase(pen, row, column, end);
		if (erased != 0) {
			column += erased - 1;
			continue;
		}
		pen_cell(pen, row, column);
		/* It may have gone over its neighbour. */
		if (!is_sure(cell))
			forced = column + cell->columns;
	}
	paint_tail(pen, row, end, forced);
}

static bool has_cursor(const struct canvas *canvas)
{
	return canvas_cell(canvas, canvas->cursor_row, canvas->cursor_column) != NULL;
}

static void paint_cursor(struct pen *pen, bool moved)
{
	bool was = pen->before != NULL && has_cursor(pen->before);
	bool is = has_cursor(pen->now);

	if (is && (moved || !was || pen->before->cursor_row != pen->now->cursor_row ||
	           pen->before->cursor_column != pen->now->cursor_column))
		pen_move(pen, pen->now->cursor_row, pen->now->cursor_column);
	if (is && !was)
		text_add(pen->out, "\033[?25h");
	else if (!is && (was || pen->before == NULL))
		text_add(pen->out, "\033[?25l");
}

void paint(struct text *out, const struct paint *paint, const struct canvas *before,
           const struct canvas *now)
{
	struct text body = {0};
	struct pen pen = {.out = &body,
	                  .palette = &paint->palette,
	                  .before = before,
	                  .now = now,
	                  .erases = paint->erases};

	pen_unknown(&pen);
	if (before != NULL && (before->rows != now->rows || before->columns != now->columns))
		pen.before = NULL;
	if (pen.before == NULL) {
		text_add(&body, "\033[m\033[H\033[2J");
		pen.row = pen.column = 0;
	}
	for (int row = 0; row < now->rows; row++)
		paint_row(&pen, row);
	if (!is_default(pen.style, pen.attributes)) {
		text_add(&body, "\033[m");
		pen.style = STYLE_TEXT;
		pen.attributes = 0;
	}
	paint_cursor(&pen, body.length != 0);
	if (body.length >= SYNC_LEAST)
		text_add(out, "\033[?2026h");
	if (body.length != 0)
		text_bytes(out, body.bytes, body.length);
	if (body.length >= SYNC_LEAST)
		text_add(out, "\033[?2026l");
	text_finish(&body);
}
