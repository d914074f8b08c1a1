/* SPDX-License-Identifier: Apache-2.0 */
/* Bars and curves: amounts as blocks of eighths of a cell, or as letters. */
#include "cell.h"

#include <string.h>

enum { EIGHTHS = 8 };

/* Eighths of a cell filled from the left, and from below. */
static const char *const across[EIGHTHS + 1] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
static const char *const upward[EIGHTHS + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const upward_ascii[EIGHTHS + 1] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};

/* part / whole of `steps`, rounded. What is there at all is a step at least, and only the whole is
 * all of them. */
static int share(double part, double whole, int steps)
{
	int rounded;

	if (part <= 0 || whole <= 0 || steps <= 0)
		return 0;
	if (part >= whole)
		return steps;
	rounded = (int)(part / whole * steps + 0.5);
	if (rounded >= steps)
		rounded = steps - 1;
	return rounded > 0 ? rounded : 1;
}

static void draw_bytes(struct canvas *canvas, int row, int column, enum style style,
                       const char *bytes)
{
	canvas_text(canvas, row, column, 1, style, bytes);
}

/* Without colours the classes of memory are told apart by letters. */
static const char *ascii_fill(enum style style)
{
	return style == STYLE_SYSTEM ? "=" : style == STYLE_CACHE ? "+" : "#";
}

struct bar {
	struct canvas *canvas;
	int row, column, columns;
	const struct bar_part *parts;
	size_t count;
	double sum; /* of the parts */
	int shown;  /* parts that are not nothing */
};

static void bar_sum(struct bar *bar)
{
	for (size_t i = 0; i < bar->count; i++) {
		bar->sum += (double)bar->parts[i].amount;
		bar->shown += bar->parts[i].amount != 0;
	}
}

/* Each part has whole cells and one at least, the last one also the eighths at the end. Returns the
 * cells that are not empty. */
static int bar_fill(const struct bar *bar, int eighths)
{
	int cells = (eighths + EIGHTHS - 1) / EIGHTHS, at = 0, left = bar->shown;
	bool crowded = cells < bar->shown; /* tiny parts: each its eighths, in a cell of its own */
	double before = 0;

	if (crowded)
		cells = bar->shown < bar->columns ? bar->shown : bar->columns;
	for (size_t i = 0; i < bar->count && at < cells; i++) {
		const struct bar_part *part = &bar->parts[i];
		int end, fill = crowded ? 1 : EIGHTHS;

		if (part->amount == 0)
			continue;
		left--;
		before += (double)part->amount;
		end = left == 0 ? cells : share(before, bar->sum, cells);
		end = end > cells - left ? cells - left : end;
		end = end <= at ? at + 1 : end;
		for (; at < end; at++) {
			if (at == cells - 1 && !crowded)
				fill = eighths - at * EIGHTHS;
			draw_bytes(bar->canvas, bar->row, bar->column + at, part->style,
			           bar->canvas->ascii ? ascii_fill(part->style) : across[fill]);
		}
	}
	return cells;
}

void canvas_bar(struct canvas *canvas, int row, int column, int columns,
                const struct bar_part *parts, size_t count, uint64_t whole, uint64_t peak)
{
	struct bar bar = {canvas, row, column, columns, parts, count, 0, 0};
	int filled, mark;

	if (columns <= 0)
		return;
	if (whole == 0) {
		draw_bytes(canvas, row, column, STYLE_DIM, "-");
		return;
	}
	bar_sum(&bar);
	if (canvas->ascii)
		filled = bar_fill(&bar, share(bar.sum, (double)whole, columns) * EIGHTHS);
	else
		filled = bar_fill(&bar, share(bar.sum, (double)whole, columns * EIGHTHS));
	canvas_repeat(canvas, row, column + filled, columns - filled, STYLE_FREE, GLYPH_SHADE);
	if (peak == UINT64_MAX || peak == 0)
		return;
	mark = peak >= whole ? columns - 1 : (int)((double)peak / (double)whole * columns);
	if (mark >= filled && mark < columns)
		canvas_glyph(canvas, row, column + mark, STYLE_PEAK, GLYPH_PEAK);
}

/* The highest known value of a column; false: none is known. */
static bool spark_value(const uint64_t *values, size_t count, int column, int columns,
                        uint64_t *ret_value)
{
	size_t from = (size_t)column * count / (size_t)columns;
	size_t to = ((size_t)column + 1) * count / (size_t)columns;
	uint64_t highest = 0;
	bool known = false;

	for (size_t i = from; i < (to > from ? to : from + 1); i++) {
		if (values[i] == UINT64_MAX)
			continue;
		highest = values[i] > highest ? values[i] : highest;
		known = true;
	}
	*ret_value = highest;
	return known;
}

static void spark_column(struct canvas *canvas, const struct area *area, int column,
                         enum style style, int level)
{
	for (int up = 0; up < area->rows && level > 0; up++, level -= EIGHTHS) {
		int fill = level < EIGHTHS ? level : EIGHTHS;

		draw_bytes(canvas, area->row + area->rows - 1 - up, area->column + column, style,
		           canvas->ascii ? upward_ascii[fill] : upward[fill]);
	}
}

void canvas_spark(struct canvas *canvas, struct area area, enum style style, const uint64_t *values,
                  size_t count, uint64_t whole)
{
	uint64_t value;

	if (area.rows <= 0 || area.columns <= 0 || count == 0)
		return;
	for (int column = 0; column < area.columns; column++) {
		if (!spark_value(values, count, column, area.columns, &value))
			continue;
		if (value != 0 && whole != 0)
			spark_column(canvas, &area, column, style,
			             share((double)value, (double)whole, area.rows * EIGHTHS));
		else if (value == 0) /* known to be nothing: a line on the ground */
			draw_bytes(canvas, area.row + area.rows - 1, area.column + column,
			           STYLE_FREE, canvas->ascii ? "_" : "▁");
	}
}
