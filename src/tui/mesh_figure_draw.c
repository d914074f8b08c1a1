/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of devices as bars, shares and curves: what the mesh and the device screen share. */
#include "mesh_tile.h"

#include "units.h"

#include <inttypes.h>
#include <stdio.h>

/* A bar too short to tell its classes apart has the colour of the largest. */
static size_t merge_parts(struct bar_part *parts, size_t count, uint64_t whole, int columns)
{
	size_t largest = 0, shown = 0;
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		largest = parts[i].amount > parts[largest].amount ? i : largest;
		shown += parts[i].amount != 0;
		sum += parts[i].amount;
	}
	if ((double)sum / (double)(whole + 1) * columns >= (double)shown)
		return count;
	parts[0] = (struct bar_part){sum, parts[largest].style};
	return 1;
}

void figure_bar(struct canvas *canvas, int row, int column, int columns,
                const struct machine_figure *figure)
{
	uint64_t known = figure_bytes(figure);
	size_t count;
	struct bar_part parts[] = {
		{figure->bytes[CLASS_USER], STYLE_USER},
		{figure->bytes[CLASS_SYSTEM], STYLE_SYSTEM},
		{figure->bytes[CLASS_CACHE], STYLE_CACHE},
		/* What sizes are rounded up by is taken, too. */
		{figure->unclassified_bytes + (figure->held > known ? figure->held - known : 0),
	         STYLE_OTHER},
	};

	if (columns <= 0)
		return;
	count = merge_parts(parts, ARRAY_COUNT(parts), figure->capacity, columns);
	canvas_bar(canvas, row, column, columns, parts, count, figure->capacity,
	           figure->peak_known ? figure->peak : UINT64_MAX);
}

const char *figure_percent(char (*buffer)[PERCENT_SIZE], const struct machine_figure *figure)
{
	double percent;

	if (figure->capacity == 0) {
		snprintf(*buffer, sizeof(*buffer), "-");
		return *buffer;
	}
	percent = 100.0 * (double)figure->held / (double)figure->capacity;
	if (figure->held != 0 && percent < 1)
		snprintf(*buffer, sizeof(*buffer), "<1%%");
	else if (percent > 999)
		snprintf(*buffer, sizeof(*buffer), ">999%%");
	else /* 99.9 is not yet full */
		snprintf(*buffer, sizeof(*buffer), "%d%%", (int)percent);
	return *buffer;
}

enum style figure_style(const struct machine_figure *figure)
{
	if (figure->capacity == 0 || figure->held < figure->capacity / 10 * 9)
		return STYLE_TEXT;
	return figure->held < figure->capacity / 100 * 97 ? STYLE_WARNING : STYLE_BAD;
}

void figure_line(struct canvas *canvas, int row, int column, int columns, const char *kind,
                 const struct machine_figure *figure)
{
	char held[UNITS_SIZE], whole[UNITS_SIZE], percent[PERCENT_SIZE];
	bool with_whole = columns >= 60;
	int name = columns >= 36 ? 9 : 5, right = 12 + (with_whole ? 14 : 0) + 6;

	canvas_foreign(canvas, row, column, name - 1, STYLE_DIM, kind);
	if (columns - name - right < 4)
		right = 6;
	if (figure->capacity != 0) {
		figure_bar(canvas, row, column + name, columns - name - right, figure);
		canvas_right(canvas, row, column + columns - 5, 5, figure_style(figure),
		             figure_percent(&percent, figure));
	}
	if (right == 6)
		return;
	canvas_right(canvas, row, column + columns - right, 12, figure_style(figure),
	             units_bytes(&held, figure->held, figure->exact));
	if (with_whole && figure->capacity != 0)
		canvas_textf(canvas, row, column + columns - right + 12, 14, STYLE_DIM, " of %10s",
		             units_bytes(&whole, figure->capacity, true));
}

void facts_text(struct text *text, const struct device_facts *facts, bool is_short)
{
	if (facts->faults == 0 && facts->failures == 0)
		return;
	text_add(text, "!");
	if (facts->faults != 0)
		text_addf(text, " %" PRIu64 " fault%s", facts->faults,
		          facts->faults == 1 ? "" : "s");
	if (facts->failures != 0)
		text_addf(text, "%s %" PRIu64 " %s", facts->faults != 0 && !is_short ? "," : "",
		          facts->failures, is_short ? "OOM" : "out of memory");
}

void figure_spark(const struct look *look, struct canvas *canvas, struct area area,
                  enum style style, uint32_t row, uint32_t kind, uint64_t *ret_most)
{
	uint64_t values[HISTORY_VALUES], most = 0;

	if (ret_most != NULL)
		*ret_most = 0;
	if (look->history == NULL ||
	    !history_series(look->history, &look->reading->scene.machine, row, kind, look->ui->span,
	                    look->monotonic_ns, &values))
		return;
	for (size_t i = 0; i < HISTORY_VALUES; i++)
		if (values[i] != UINT64_MAX && values[i] > most)
			most = values[i];
	canvas_spark(canvas, area, style, values, HISTORY_VALUES, most);
	if (ret_most != NULL)
		*ret_most = most;
}
