/* SPDX-License-Identifier: Apache-2.0 */
#include "picture_parts.h"

#include "safe.h"

#include <string.h>

/* From how many rows on there is what. */
enum { ROWS_WITH_HEADER = 4, ROWS_WITH_FOOTER = 6, ROWS_WITH_SUMMARY = 12, EMPTY_COLUMNS = 76 };

static void draw_words(struct canvas *canvas, struct area area, const char *words)
{
	struct sheet sheet;
	struct sheet_state state = {.sort = SIZE_MAX};

	sheet_init(&sheet, NULL, 0);
	text_add(&sheet.empty, words);
	sheet_draw(&sheet, &state, canvas, area, false, NULL);
	sheet_finish(&sheet);
}

static void draw_screen(const struct look *look, struct canvas *canvas, struct area area,
                        struct hits *hits)
{
	struct sheet_state *state = &look->ui->lists[look->ui->screen];
	const struct screen *screen = &screens[look->ui->screen];
	struct text words = {0};
	struct sheet sheet;

	if (look->reading == NULL) {
		draw_words(canvas, area, "Reading ...\n");
	} else if (picture_is_empty(look)) {
		empty_words(look, &words);
		draw_words(canvas, area, text_string(&words));
	} else {
		screen->make(look, &sheet);
		sheet_sort(&sheet, state);
		sheet_settle(&sheet, state);
		screen->draw(look, &sheet, canvas, area, hits);
		sheet_finish(&sheet);
	}
	text_finish(&words);
}

/* The first rows of an area, taken away from it. */
static struct area take_top(struct area *area, int rows)
{
	struct area taken = {area->row, area->column, rows, area->columns};

	area->row += rows;
	area->rows -= rows;
	return taken;
}

static struct area take_bottom(struct area *area, int rows)
{
	area->rows -= rows;
	return (struct area){area->row + area->rows, area->column, rows, area->columns};
}

void picture_draw(const struct look *look, struct canvas *canvas, struct hits *hits)
{
	struct area area = canvas_area(canvas);
	int rows = area.rows;

	canvas_clear(canvas);
	hits_clear(hits);
	if (rows <= 0 || area.columns <= 0)
		return;
	if (rows >= ROWS_WITH_HEADER)
		header_tabs(look, canvas, take_top(&area, 1), hits);
	if (rows >= ROWS_WITH_SUMMARY ||
	    (rows >= ROWS_WITH_FOOTER && !filter_is_empty(&look->ui->filter)))
		header_summary(look, canvas, take_top(&area, 1), hits);
	if (look->ui->prompt != PROMPT_NONE)
		footer_prompt(look, canvas, take_bottom(&area, area.rows > 2 ? 2 : 1));
	else if (rows >= ROWS_WITH_FOOTER || look->ui->complaint.length != 0)
		footer_draw(look, canvas, take_bottom(&area, 1), hits);
	if (area.rows <= 0)
		return;
	if (look->ui->overlay == OVERLAY_HELP)
		help_draw(look, canvas, area);
	else
		draw_screen(look, canvas, area, hits);
}
