/* SPDX-License-Identifier: Apache-2.0 */
#include "sheet_layout.h"

#include "safe.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_TEXT = 4, DEFAULT_TEXT = 8, DEFAULT_BAR = 10 };

/* The widest that each type can be. */
static const int type_columns[] = {
	[VALUE_TEXT] = DEFAULT_TEXT,
	[VALUE_BYTES] = sizeof("~1023.99 MB") - 1,
	[VALUE_CHANGE] = sizeof("~+999.99 MB") - 1,
	[VALUE_COUNT] = sizeof("999,999") - 1,
	[VALUE_NUMBER] = sizeof("4194304") - 1,
	[VALUE_RATE] = sizeof("999,999") - 1,
	[VALUE_SHARE] = sizeof("<0.1 %") - 1,
	[VALUE_AGE] = sizeof("59m59s") - 1,
	[VALUE_ADDRESS] = sizeof("0x3ffff8000") - 1,
	[VALUE_BAR] = DEFAULT_BAR,
};

bool sheet_is_right(enum value_type type)
{
	return type != VALUE_TEXT && type != VALUE_BAR;
}

static int wanted_columns(const struct sheet_column *column)
{
	int title = (int)safe_width(column->title), columns = type_columns[column->type];

	if (column->width != 0 && (!sheet_is_right(column->type) || (int)column->width > columns))
		columns = (int)column->width;
	return title > columns ? title : columns;
}

/* Two columns before text, one before figures, which seldom fill theirs. */
static int gap_before(const struct sheet_column *column)
{
	return sheet_is_right(column->type) ? 1 : 2;
}

static int total_columns(const struct sheet_layout *layout, const struct sheet *sheet)
{
	int total = 0;

	for (size_t i = 0; i < sheet->column_count; i++)
		if (layout->places[i].shown)
			total += layout->places[i].columns +
			         (total != 0 ? gap_before(&sheet->columns[i]) : 0);
	return total;
}

/* The one to leave out: the highest `optional`, the last of these; else, with `any`, the last one
 * that is not the first. -1: none. */
static int next_to_go(const struct sheet_layout *layout, const struct sheet *sheet, bool any)
{
	unsigned highest = 0;
	int found = -1, shown = 0;

	for (size_t i = 0; i < sheet->column_count; i++) {
		if (!layout->places[i].shown)
			continue;
		if (any ? shown++ > 0
		        : sheet->columns[i].optional != 0 &&
		                    sheet->columns[i].optional >= highest) {
			highest = sheet->columns[i].optional;
			found = (int)i;
		}
	}
	return found;
}

static void drop(struct sheet_layout *layout, const struct sheet *sheet, int columns, bool any)
{
	int found;

	while (total_columns(layout, sheet) > columns &&
	       (found = next_to_go(layout, sheet, any)) >= 0)
		layout->places[found].shown = false;
}

/* Takes from the widest text until it fits. */
static void shrink(struct sheet_layout *layout, const struct sheet *sheet, int columns)
{
	int over;

	while ((over = total_columns(layout, sheet) - columns) > 0) {
		struct sheet_place *widest = NULL;

		for (size_t i = 0; i < sheet->column_count; i++) {
			struct sheet_place *place = &layout->places[i];

			if (place->shown && !sheet_is_right(sheet->columns[i].type) &&
			    place->columns > LEAST_TEXT &&
			    (widest == NULL || place->columns > widest->columns))
				widest = place;
		}
		if (widest == NULL)
			return;
		widest->columns--;
	}
}

static void share_rest(struct sheet_layout *layout, const struct sheet *sheet, int columns)
{
	int rest = columns - total_columns(layout, sheet), takers = 0;

	for (size_t i = 0; i < sheet->column_count; i++)
		takers += layout->places[i].shown && sheet->columns[i].flexible;
	for (size_t i = 0; i < sheet->column_count && rest > 0 && takers > 0; i++)
		if (layout->places[i].shown && sheet->columns[i].flexible) {
			int part = rest / takers--;

			layout->places[i].columns += part;
			rest -= part;
		}
}

void sheet_layout(struct sheet_layout *layout, const struct sheet *sheet, int columns)
{
	int at = 0;

	memset(layout, 0, sizeof(*layout));
	for (size_t i = 0; i < sheet->column_count; i++)
		layout->places[i] =
			(struct sheet_place){true, 0, wanted_columns(&sheet->columns[i])};
	drop(layout, sheet, columns, false);
	shrink(layout, sheet, columns);
	drop(layout, sheet, columns, true);
	share_rest(layout, sheet, columns);
	for (size_t i = 0; i < sheet->column_count; i++) {
		struct sheet_place *place = &layout->places[i];

		if (!place->shown)
			continue;
		at += at != 0 ? gap_before(&sheet->columns[i]) : 0;
		place->column = at;
		if (place->columns > columns - at)
			place->columns = columns - at;
		at += place->columns;
	}
}

/* "1.23 M" of a number that has no room for all its digits. */
static void write_short(char (*buffer)[SHEET_VALUE_SIZE], double number, const char *mark)
{
	static const char letters[] = "KMGTPE";
	size_t at = 0;

	for (number /= 1000; number >= 999.5 && at + 2 < sizeof(letters); at++)
		number /= 1000;
	snprintf(*buffer, SHEET_VALUE_SIZE, "%s%.*f %c", mark,
	         number < 9.995   ? 2
	         : number < 99.95 ? 1
	                          : 0,
	         number, letters[at]);
}

static void write_count(char (*buffer)[SHEET_VALUE_SIZE], uint64_t number, bool exact, int columns)
{
	char digits[UNITS_SIZE];

	snprintf(*buffer, SHEET_VALUE_SIZE, "%s%s", exact ? "" : "~", units_count(&digits, number));
	if (number >= 1000 && (number > 999999 || (int)strlen(*buffer) > columns))
		write_short(buffer, (double)number, exact ? "" : "~");
}

static void write_rate(char (*buffer)[SHEET_VALUE_SIZE], double rate)
{
	if (rate > 999999)
		write_short(buffer, rate, "");
	else if (rate == 0 || rate >= 9.95)
		write_count(buffer, (uint64_t)(rate > 0 ? rate + 0.5 : 0), true, SHEET_VALUE_SIZE);
	else
		snprintf(*buffer, SHEET_VALUE_SIZE, "%.1f", rate);
}

static void write_share(char (*buffer)[SHEET_VALUE_SIZE], double share)
{
	double percent = share * 100;

	if (percent > 0 && percent < 0.1)
		snprintf(*buffer, SHEET_VALUE_SIZE, "<0.1 %%");
	else if (percent > 0 && percent < 9.95)
		snprintf(*buffer, SHEET_VALUE_SIZE, "%.1f %%", percent);
	else
		snprintf(*buffer, SHEET_VALUE_SIZE, "%.0f %%", percent);
}

static void write_change(char (*buffer)[SHEET_VALUE_SIZE], int64_t change, bool exact)
{
	uint64_t size = change < 0 ? 0 - (uint64_t)change : (uint64_t)change;
	char figure[UNITS_SIZE];

	snprintf(*buffer, SHEET_VALUE_SIZE, "%s%s%s", exact ? "" : "~",
	         change > 0   ? "+"
	         : change < 0 ? "-"
	                      : "",
	         units_bytes(&figure, size, true));
}

/* Ages past a hundred days: days alone. */
static void write_age(char (*buffer)[SHEET_VALUE_SIZE], uint64_t ns)
{
	const uint64_t day_ns = 86400000000000u;
	char age[UNITS_SIZE];

	if (ns >= 100 * day_ns)
		snprintf(*buffer, SHEET_VALUE_SIZE, "%" PRIu64 "d", ns / day_ns);
	else
		snprintf(*buffer, SHEET_VALUE_SIZE, "%s", units_age(&age, ns));
}

void sheet_value(char (*buffer)[SHEET_VALUE_SIZE], const struct value *value, enum value_type type,
                 int columns)
{
	char figure[UNITS_SIZE];

	snprintf(*buffer, SHEET_VALUE_SIZE, "-");
	if (!value->known)
		return;
	switch (type) {
	case VALUE_BYTES:
		units_bytes(&figure, value->number, !value->inexact);
		snprintf(*buffer, SHEET_VALUE_SIZE, "%s", figure);
		break;
	case VALUE_CHANGE:
		write_change(buffer, value->change, !value->inexact);
		break;
	case VALUE_COUNT:
		write_count(buffer, value->number, !value->inexact, columns);
		break;
	case VALUE_NUMBER:
		snprintf(*buffer, SHEET_VALUE_SIZE, "%" PRIu64, value->number);
		break;
	case VALUE_RATE:
		write_rate(buffer, value->real);
		break;
	case VALUE_SHARE:
		write_share(buffer, value->real);
		break;
	case VALUE_AGE:
		write_age(buffer, value->number);
		break;
	case VALUE_ADDRESS:
		snprintf(*buffer, SHEET_VALUE_SIZE, "0x%" PRIx64, value->number);
		if ((int)strlen(*buffer) > columns) /* one too wide: its digits are what counts */
			snprintf(*buffer, SHEET_VALUE_SIZE, "%" PRIx64, value->number);
		break;
	case VALUE_TEXT:
	case VALUE_BAR:
		break;
	}
}
