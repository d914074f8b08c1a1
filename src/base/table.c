/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include "safe.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

void table_init(struct table *table, const struct table_column *columns, size_t count)
{
	*table = (struct table){.columns = columns, .column_count = count};
}

void table_cell(struct table *table, const char *format, ...)
{
	struct text text = {0};
	va_list arguments;

	va_start(arguments, format);
	text_vaddf(&text, format, arguments);
	va_end(arguments);
	*vec_add(&table->cells) = mem_strdup(text_string(&text));
	text_finish(&text);
}

void table_foreign(struct table *table, const char *foreign)
{
	struct text text = {0};

	safe_terminal(&text, foreign);
	*vec_add(&table->cells) = mem_strdup(text.length != 0 ? text.bytes : "-");
	text_finish(&text);
}

size_t table_rows(const struct table *table)
{
	return table->cells.count / table->column_count;
}

static const char *cell(const struct table *table, size_t row, size_t column)
{
	return table->cells.items[row * table->column_count + column];
}

static bool is_hidden(const struct table *table, size_t column)
{
	unsigned flags = table->columns[column].flags;
	bool empty = (flags & TABLE_HIDE_EMPTY) != 0;
	bool same = (flags & TABLE_HIDE_SAME) != 0 && table_rows(table) > 1;

	for (size_t row = 0; row < table_rows(table); row++) {
		const char *text = cell(table, row, column);

		empty = empty && (text[0] == '\0' || strcmp(text, "-") == 0);
		same = same && strcmp(text, cell(table, 0, column)) == 0;
	}
	return empty || same;
}

static size_t natural_width(const struct table *table, size_t column)
{
	size_t widest = safe_width(table->columns[column].title);

	for (size_t row = 0; row < table_rows(table); row++) {
		size_t width = safe_width(cell(table, row, column));

		widest = width > widest ? width : widest;
	}
	return widest;
}

/* What all columns take together; with least, flexible ones cut as far as may be. */
static size_t total_width(const struct table *table, const size_t *widths, const bool *shown,
                          bool least)
{
	size_t total = 0, count = 0;

	for (size_t i = 0; i < table->column_count; i++) {
		const struct table_column *column = &table->columns[i];
		bool cut = least && (column->flags & TABLE_FLEXIBLE) != 0 &&
		           widths[i] > column->min_width;

		if (!shown[i])
			continue;
		total += cut ? column->min_width : widths[i];
		count++;
	}
	return total + table->indent + (count != 0 ? (count - 1) * GAP : 0);
}

/* Leaves out one optional column; false if there is none. */
static bool leave_one_out(const struct table *table, bool *shown)
{
	size_t worst = SIZE_MAX;

	for (size_t i = 0; i < table->column_count; i++) {
		unsigned optional = table->columns[i].optional;

		if (shown[i] && optional != 0 &&
		    (worst == SIZE_MAX || optional > table->columns[worst].optional))
			worst = i;
	}
	if (worst == SIZE_MAX)
		return false;
	shown[worst] = false;
	return true;
}

/* Takes one column of characters at a time from the widest flexible column. */
static void cut_flexible(const struct table *table, size_t *widths, const bool *shown, size_t width)
{
	size_t total = total_width(table, widths, shown, false);

	while (total > width) {
		size_t widest = SIZE_MAX;

		for (size_t i = 0; i < table->column_count; i++)
			if (shown[i] && (table->columns[i].flags & TABLE_FLEXIBLE) != 0 &&
			    widths[i] > table->columns[i].min_width &&
			    (widest == SIZE_MAX || widths[i] > widths[widest]))
				widest = i;
		if (widest == SIZE_MAX)
			return;
		widths[widest]--;
		total--;
	}
}

static void print_row(const struct table *table, const size_t *widths, const bool *shown,
                      size_t row, struct text *out)
{
	size_t pending = table->indent;
	bool first = true;

	for (size_t i = 0; i < table->column_count; i++) {
		const struct table_column *column = &table->columns[i];
		const char *text = row == SIZE_MAX ? column->title : cell(table, row, i);
		size_t width;

		if (!shown[i])
			continue;
		if (!first)
			pending += GAP;
		first = false;
		width = safe_width(text);
		if (width > widths[i])
			width = widths[i];
		if ((column->flags & TABLE_RIGHT) != 0)
			pending += widths[i] - width;
		text_fill(out, ' ', pending);
		width = safe_cut(out, text, width, (column->flags & TABLE_CUT_START) != 0);
		pending = (column->flags & TABLE_RIGHT) != 0 ? 0 : widths[i] - width;
	}
	text_add(out, "\n");
}

void table_print(const struct table *table, size_t width, struct text *out)
{
	size_t widths[TABLE_MAX_COLUMNS];
	bool shown[TABLE_MAX_COLUMNS];

	for (size_t i = 0; i < table->column_count; i++) {
		shown[i] = !is_hidden(table, i);
		widths[i] = natural_width(table, i);
	}
	while (width != 0 && total_width(table, widths, shown, true) > width &&
	       leave_one_out(table, shown))
		continue;
	if (width != 0)
		cut_flexible(table, widths, shown, width);
	print_row(table, widths, shown, SIZE_MAX, out);
	for (size_t row = 0; row < table_rows(table); row++)
		print_row(table, widths, shown, row, out);
}

void table_finish(struct table *table)
{
	for (size_t i = 0; i < table->cells.count; i++)
		free(table->cells.items[i]);
	vec_finish(&table->cells);
}
