/* SPDX-License-Identifier: Apache-2.0 */
/* A canvas as lines, for files and for terminals that are not taken over. */
#include "paint.h"
#include "text.h"

static bool is_blank(const struct cell *cell, bool styled)
{
	return cell->bytes[0] == ' ' && cell->bytes[1] == '\0' &&
	       (!styled || (cell->style == STYLE_TEXT && cell->attributes == 0));
}

/* Columns up to the last that shows anything. */
static int line_end(const struct canvas *canvas, int row, bool styled)
{
	int end = canvas->columns;

	while (end > 0 && is_blank(canvas_cell(canvas, row, end - 1), styled))
		end--;
	return end;
}

void paint_lines(struct text *out, const struct palette *palette, const struct canvas *canvas)
{
	for (int row = 0; row < canvas->rows; row++) {
		int end = line_end(canvas, row, true);
		unsigned style = STYLE_TEXT, attributes = 0;

		for (int column = 0; column < end; column++) {
			const struct cell *cell = canvas_cell(canvas, row, column);

			if (cell->columns == 0)
				continue;
			if (cell->style != style || cell->attributes != attributes) {
				style = cell->style;
				attributes = cell->attributes;
				style_sgr(out, palette, (enum style)style, attributes);
			}
			text_add(out, cell->bytes);
		}
		if (style != STYLE_TEXT || attributes != 0)
			text_add(out, "\033[m");
		text_add(out, "\n");
	}
}

void paint_plain(struct text *out, const struct canvas *canvas)
{
	for (int row = 0; row < canvas->rows; row++) {
		int end = line_end(canvas, row, false);

		for (int column = 0; column < end; column++)
			text_add(out, canvas_cell(canvas, row, column)->bytes);
		text_add(out, "\n");
	}
}
