/* SPDX-License-Identifier: Apache-2.0 */
/* The lines below the screen: keys, what was said last, prompts. */
#include "picture_parts.h"
#include "safe.h"

#include <stdio.h>
#include <string.h>

/* "? F1" is "?" where there is little room. */
static int short_name(const struct key_row *row)
{
	size_t length = strcspn(row->name, " ");

	return (int)(length != 0 ? length : strlen(row->name));
}

/* What the key is about, where that depends on the state. */
static const char *label_of(const struct key_row *row, const struct ui *ui)
{
	if (row->key == 'p' && ui->paused)
		return "go on";
	return row->label;
}

static void draw_keys(const struct look *look, struct canvas *canvas, struct area line,
                      struct hits *hits)
{
	const struct ui *ui = look->ui;
	int at = line.column + 1, end = line.column + line.columns;

	for (size_t i = 0; i < key_row_count; i++) {
		const struct key_row *row = &key_rows[i];
		const char *label = label_of(row, ui);
		int name = short_name(row), width;

		if (label == NULL || !key_is_for(row, ui->screen))
			continue;
		width = name + 1 + (int)strlen(label);
		if (at + width > end)
			continue;
		canvas_textf(canvas, line.row, at, name, STYLE_KEY, "%.*s", name, row->name);
		canvas_text(canvas, line.row, at + name + 1, width - name - 1, STYLE_DIM, label);
		hits_add(hits, HIT_KEY, (struct area){line.row, at, 1, width}, row->key);
		at += width + 2;
	}
}

static void draw_help_keys(struct canvas *canvas, struct area line)
{
	canvas_text(canvas, line.row, line.column + 1, line.columns - 1, STYLE_DIM,
	            "Esc or ? closes   Up, Down, Page Up and Page Down scroll");
}

void footer_draw(const struct look *look, struct canvas *canvas, struct area line,
                 struct hits *hits)
{
	const struct ui *ui = look->ui;

	if (ui->complaint.length != 0)
		canvas_text(canvas, line.row, line.column + 1, line.columns - 1,
		            ui->complaint_is_bad ? STYLE_BAD : STYLE_GOOD,
		            text_string(&ui->complaint));
	else if (ui->overlay == OVERLAY_HELP)
		draw_help_keys(canvas, line);
	else
		draw_keys(look, canvas, line, hits);
}

static const char *const prompt_names[PROMPT_LIMIT] = {
	[PROMPT_NONE] = "",
	[PROMPT_FILTER] = "Filter: ",
	[PROMPT_EXPORT] = "Write to: ",
};

static const char *const prompt_hints[PROMPT_LIMIT] = {
	[PROMPT_NONE] = "",
	[PROMPT_FILTER] =
		"dev:3 kind:L1 tag:attn* size>1M age>10m pid:123   Enter applies, Esc does not",
	[PROMPT_EXPORT] = "Enter writes JSON, or CSV to a name that ends with .csv; Esc does not",
};

/* The line, so far to the left that its cursor can be seen. */
static void draw_line(const struct ui *ui, struct canvas *canvas, int row, int column, int columns)
{
	char before[sizeof(ui->line)];
	struct text safe = {0}, all = {0};
	int cursor, width;
	size_t skip = 0;

	snprintf(before, sizeof(before), "%.*s", (int)ui->line_cursor, ui->line);
	safe_terminal(&safe, before);
	safe_terminal(&all, ui->line);
	cursor = (int)safe_width(text_string(&safe));
	for (const char *s = text_string(&all); cursor > columns - 1 && s[skip] != '\0';) {
		skip += safe_next(s + skip, &width);
		cursor -= width > 0 ? width : 0;
	}
	canvas_text(canvas, row, column, columns, STYLE_TEXT, text_string(&all) + skip);
	canvas->cursor_row = row;
	canvas->cursor_column = column + cursor;
	text_finish(&safe);
	text_finish(&all);
}

void footer_prompt(const struct look *look, struct canvas *canvas, struct area lines)
{
	const struct ui *ui = look->ui;
	int name = canvas_text(canvas, lines.row, lines.column, lines.columns, STYLE_KEY,
	                       prompt_names[ui->prompt]);

	if (lines.columns - name > 1)
		draw_line(ui, canvas, lines.row, lines.column + name, lines.columns - name);
	if (lines.rows < 2)
		return;
	if (ui->complaint.length != 0)
		canvas_text(canvas, lines.row + 1, lines.column, lines.columns,
		            ui->complaint_is_bad ? STYLE_BAD : STYLE_GOOD,
		            text_string(&ui->complaint));
	else
		canvas_text(canvas, lines.row + 1, lines.column, lines.columns, STYLE_DIM,
		            prompt_hints[ui->prompt]);
}
