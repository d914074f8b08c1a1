/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_sections.h"

#include "even.h"
#include "mesh_tile.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>
#include <stdlib.h>

/* What the devices of a grid hold of one kind, by row. */
struct grid_values {
	uint32_t *rows; /* ascending, each once */
	uint64_t *held, *sorted;
	size_t count;
};

static int by_row(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int by_amount(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void values_init(struct grid_values *values, const struct mesh_grid *grid,
                        const struct mesh_figures *figures)
{
	values->rows = mem_calloc(grid->count + 1, sizeof(*values->rows));
	values->held = mem_calloc(grid->count + 1, sizeof(*values->held));
	values->sorted = mem_calloc(grid->count + 1, sizeof(*values->sorted));
	values->count = 0;
	for (size_t i = 0; i < grid->count; i++)
		if (grid->devices[i] < figures->rows &&
		    selection_has_device(figures->selection, grid->devices[i]))
			values->rows[values->count++] = grid->devices[i];
	if (values->count > 1)
		qsort(values->rows, values->count, sizeof(*values->rows), by_row);
}

static void values_finish(struct grid_values *values)
{
	free(values->rows);
	free(values->held);
	free(values->sorted);
}

static void values_of_kind(struct grid_values *values, const struct mesh_figures *figures,
                           uint32_t kind)
{
	for (size_t i = 0; i < values->count; i++) {
		const struct machine_figure *figure = figures_get(figures, values->rows[i], kind);

		values->held[i] = values->sorted[i] = figure != NULL ? figure->held : 0;
	}
	if (values->count > 1)
		qsort(values->sorted, values->count, sizeof(*values->sorted), by_amount);
}

/* The value that more than half of at least three have: the middle one, if any is. */
static bool most_have(const struct grid_values *values, uint64_t *ret_value)
{
	uint64_t middle;
	size_t times = 0;

	if (values->count < 3)
		return false;
	middle = values->sorted[values->count / 2];
	for (size_t i = 0; i < values->count; i++)
		times += values->held[i] == middle;
	*ret_value = middle;
	return times * 2 > values->count;
}

void grid_odd(const struct mesh_grid *grid, const struct mesh_figures *figures, bool *odd)
{
	struct grid_values values;
	uint64_t common;

	values_init(&values, grid, figures);
	for (size_t k = 0; k < figures->shown_count; k++) {
		values_of_kind(&values, figures, figures->shown[k]);
		if (!most_have(&values, &common))
			continue;
		for (size_t i = 0; i < values.count; i++)
			if (values.held[i] != common)
				odd[values.rows[i]] = true;
	}
	values_finish(&values);
}

static bool all_equal(const struct grid_values *values)
{
	return values->count == 0 || values->sorted[0] == values->sorted[values->count - 1];
}

/* "5 GB on 985, others 4.81 GB to 6 GB": where naming each would fill the screen. */
static void many_text(const struct grid_values *values, struct text *out)
{
	uint64_t least = UINT64_MAX, most = 0, common = 0;
	bool has_common = most_have(values, &common);
	char figure[UNITS_SIZE], other[UNITS_SIZE];
	size_t times = 0;

	for (size_t i = 0; i < values->count; i++) {
		uint64_t held = values->held[i];

		if (has_common && held == common) {
			times++;
			continue;
		}
		least = held < least ? held : least;
		most = held > most ? held : most;
	}
	if (has_common)
		text_addf(out, "%s on %zu, ", units_bytes_short(&figure, common), times);
	text_addf(out, "%s%s", has_common ? "others " : "", units_bytes_short(&figure, least));
	if (most != least)
		text_addf(out, " to %s", units_bytes_short(&other, most));
}

/* "5 GB on 26; devices 0-3: +2 GB; device 13: +5 GB". */
static void odd_text(const struct grid_values *values, uint64_t common, struct text *out)
{
	uint32_t *rows = mem_calloc(values->count, sizeof(*rows));
	char figure[UNITS_SIZE];
	size_t times = 0;

	for (size_t i = 0; i < values->count; i++)
		times += values->held[i] == common;
	text_addf(out, "%s on %zu", units_bytes_short(&figure, common), times);
	for (size_t i = 0; i < values->count; i++) {
		size_t count = 0;

		if (values->held[i] == common || (i > 0 && values->held[i - 1] == values->held[i]))
			continue;
		while (i + count < values->count && values->held[i + count] == values->held[i]) {
			rows[count] = values->rows[i + count];
			count++;
		}
		text_add(out, count == 1 ? "; device " : "; devices ");
		units_ranges(out, rows, count);
		text_addf(out, ": %s", units_change(&figure, common, values->held[i]));
	}
	free(rows);
}

/* In as many words as there is room for. */
static void differ_text(const struct mesh_figures *figures, const struct grid_values *values,
                        uint32_t kind, int columns, struct text *out)
{
	size_t start;
	uint64_t common;

	text_add(out, out->length == 0 ? "" : "   ");
	safe_terminal(out, figures->machine->kind_names[kind]);
	text_add(out, " ");
	start = out->length;
	if (values->count <= 64) {
		even_text(out, figures->machine, values->rows, values->held, values->count);
		if ((int)out->length <= columns)
			return;
	}
	for (int attempt = 0; attempt < 2; attempt++) {
		out->length = start;
		out->bytes[start] = '\0';
		if (attempt == 0 && most_have(values, &common))
			odd_text(values, common, out);
		else
			many_text(values, out);
		if ((int)out->length <= columns)
			return;
	}
}

/* In the order of the kinds; those of which nothing is held are left out. Returns how many differ.
 */
static size_t kinds_text(struct grid_values *values, const struct mesh_figures *figures,
                         int columns, const char *between, struct text *out)
{
	char figure[UNITS_SIZE];
	size_t different = 0;

	for (size_t k = 0; k < figures->shown_count; k++) {
		uint32_t kind = figures->shown[k];

		values_of_kind(values, figures, kind);
		if (!all_equal(values)) {
			/* The first kind leaves room for a word on the second. */
			differ_text(figures, values, kind, k == 0 ? columns * 2 / 3 : columns, out);
			different++;
		} else if (values->held[0] != 0) {
			text_add(out, out->length == 0 ? "" : between);
			safe_terminal(out, figures->machine->kind_names[kind]);
			text_addf(out, " %s each", units_bytes_short(&figure, values->held[0]));
		}
	}
	return different;
}

void grid_sentence(const struct mesh_grid *grid, const struct mesh_figures *figures, int columns,
                   struct text *out)
{
	struct grid_values values;
	struct text kinds = {0};

	values_init(&values, grid, figures);
	if (values.count > 1 && kinds_text(&values, figures, columns, "   ", &kinds) != 0) {
		text_add(out, kinds.bytes);
	} else if (values.count > 1 && kinds.length == 0) {
		text_add(out, "nothing is held");
	} else if (values.count > 1) {
		text_clear(&kinds);
		kinds_text(&values, figures, columns, ", ", &kinds);
		if (values.count == 2)
			text_add(out, "both alike: ");
		else
			text_addf(out, "all %zu alike: ", values.count);
		text_add(out, kinds.bytes);
	}
	values_finish(&values);
	text_finish(&kinds);
}

void grid_common_faults(const struct mesh_grid *grid, const struct mesh_figures *figures,
                        struct device_facts *ret_common)
{
	struct device_facts common = {.faults = UINT64_MAX, .failures = UINT64_MAX};
	size_t count = 0;

	for (size_t i = 0; i < grid->count; i++) {
		const struct device_facts *facts;

		if (grid->devices[i] >= figures->rows)
			continue;
		facts = &figures->facts[grid->devices[i]];
		common.faults = facts->faults < common.faults ? facts->faults : common.faults;
		if (facts->failures < common.failures)
			common.failures = facts->failures;
		count++;
	}
	*ret_common = count > 1 ? common : (struct device_facts){0};
}

static void grid_name(const struct mesh_grid *grid, const struct mesh_figures *figures,
                      struct text *out)
{
	size_t remote = 0;

	for (size_t i = 0; i < grid->count; i++)
		remote += grid->devices[i] >= figures->rows;
	if (grid->mesh != NULL) {
		text_addf(out, "%" PRIu32 "x%" PRIu32 " mesh ", grid->mesh->rows,
		          grid->mesh->columns);
		if (grid->mesh->name[0] != '\0') {
			text_add(out, "\"");
			safe_terminal(out, grid->mesh->name);
			text_add(out, "\" ");
		}
	}
	text_addf(out, "%s%zu device%s", grid->mesh != NULL ? " " : "", grid->count,
	          grid->count == 1 ? "" : "s");
	if (remote != 0)
		text_addf(out, " (%zu on other hosts)", remote);
	if (grid->mesh != NULL)
		text_addf(out, ", %" PRIu32 " process%s", grid->mesh->processes,
		          grid->mesh->processes == 1 ? "" : "es");
	else if (grid->has_company)
		text_add(out, " in no mesh");
}

void grid_title(const struct mesh_grid *grid, const struct mesh_figures *figures,
                struct canvas *canvas, struct area area)
{
	int at = area.column + 1, end = area.column + area.columns;
	struct text name = {0}, sentence = {0}, bad = {0};
	struct device_facts common;

	if (grid->title_lines == 0)
		return;
	grid_name(grid, figures, &name);
	at += 2 + canvas_text(canvas, area.row, at, end - at, STYLE_TITLE, name.bytes);
	grid_common_faults(grid, figures, &common);
	facts_text(&bad, &common, false);
	if (bad.length != 0)
		at += 2 + canvas_textf(canvas, area.row, at, end - at, STYLE_BAD, "%s on all of it",
		                       bad.bytes);
	if (grid->title_lines > 1)
		at = area.column + 1;
	grid_sentence(grid, figures, end - at, &sentence);
	if (grid->title_lines > 1 || end - at > 20)
		canvas_text(canvas, area.row + grid->title_lines - 1, at, end - at, STYLE_TEXT,
		            text_string(&sentence));
	text_finish(&name);
	text_finish(&sentence);
	text_finish(&bad);
}

static int heat_scale(const struct mesh_figures *figures, uint32_t main_kind, struct canvas *canvas,
                      struct area area)
{
	int at = area.column + 1, end = area.column + area.columns;

	at += canvas_foreign(canvas, area.row, at, 8, STYLE_DIM,
	                     figures->machine->kind_names[main_kind]);
	at += canvas_text(canvas, area.row, at, end - at, STYLE_DIM, " used ");
	for (int step = 0; step < HEAT_STEPS; step++)
		at += canvas_textf(canvas, area.row, at, end - at,
		                   (enum style)(STYLE_HEAT_0 + step), "%3d ",
		                   step * 100 / HEAT_STEPS);
	at += canvas_text(canvas, area.row, at, end - at, STYLE_DIM, " %");
	return at;
}

static int class_legend(struct canvas *canvas, struct area area)
{
	static const struct {
		enum style style;
		const char *name;
	} classes[] = {{STYLE_USER, "user"},
	               {STYLE_SYSTEM, "system"},
	               {STYLE_CACHE, "cache"},
	               {STYLE_OTHER, "other"}};
	int at = area.column + 1, end = area.column + area.columns;

	for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
		struct bar_part part = {1, classes[i].style};

		if (end - at < 10)
			break;
		canvas_bar(canvas, area.row, at, 1, &part, 1, 1, UINT64_MAX);
		at += 2 +
		      canvas_text(canvas, area.row, at + 2, end - at - 2, STYLE_DIM,
		                  classes[i].name) +
		      2;
	}
	if (end - at >= 8) {
		canvas_glyph(canvas, area.row, at, STYLE_PEAK, GLYPH_PEAK);
		at += 2 + canvas_text(canvas, area.row, at + 2, end - at - 2, STYLE_DIM, "peak");
	}
	return at;
}

void mesh_legend(const struct mesh_figures *figures, uint32_t main_kind, bool heat,
                 struct canvas *canvas, struct area area)
{
	int end = area.column + area.columns, at;

	at = heat ? heat_scale(figures, main_kind, canvas, area) : class_legend(canvas, area);
	if (end - at >= 30)
		canvas_text(canvas, area.row, at + 2, end - at - 2, STYLE_DIM,
		            "* differs from most   ! faults");
}

static void device_words(const struct mesh_figures *figures, uint32_t row, struct text *out)
{
	const struct machine_device *device = &figures->machine->devices.items[row];
	const struct device_facts *facts = &figures->facts[row];
	char room[UNITS_SIZE];

	if (device->unique_id != 0)
		text_addf(out, "  0x%" PRIx64, device->unique_id);
	if (device->bus[0] != '\0') {
		text_add(out, "  ");
		safe_terminal(out, device->bus);
	}
	if (device->arch[0] != '\0') {
		text_add(out, "  ");
		safe_terminal(out, device->arch);
	}
	text_addf(out, "  %" PRIu32 " process%s", facts->processes,
	          facts->processes == 1 ? "" : "es");
	if (facts->headroom_known && facts->headroom_bytes >= 0)
		text_addf(out, "  L1 headroom %s",
		          units_bytes_short(&room, (uint64_t)facts->headroom_bytes));
}

int device_title(const struct mesh_figures *figures, uint32_t row, struct canvas *canvas,
                 struct area area)
{
	int at = area.column + 1, end = area.column + area.columns;
	struct text words = {0}, bad = {0};

	at += canvas_textf(canvas, area.row, at, end - at, STYLE_TITLE, "device %" PRIu32, row);
	facts_text(&bad, &figures->facts[row], false);
	if (bad.length != 0)
		at += 2 + canvas_text(canvas, area.row, at + 2, end - at - 2, STYLE_BAD, bad.bytes);
	device_words(figures, row, &words);
	at += canvas_text(canvas, area.row, at, end - at, STYLE_TEXT, words.bytes);
	text_finish(&words);
	text_finish(&bad);
	return at;
}

void mesh_detail(const struct mesh_figures *figures, uint32_t row, struct canvas *canvas,
                 struct area area)
{
	int at = area.column + 1, end = area.column + area.columns, line = area.rows > 1;

	if (row >= figures->rows || area.rows <= 0)
		return;
	if (line == 1)
		device_title(figures, row, canvas, area);
	else
		at += 1 +
		      canvas_textf(canvas, area.row, at, end - at, STYLE_TITLE, "%" PRIu32, row);
	for (size_t k = 0; k < figures->shown_count && line < area.rows; k++) {
		const struct machine_figure *figure = figures_get(figures, row, figures->shown[k]);
		int each = (end - at) / (int)(figures->shown_count - k);

		each = each < 36 ? end - at : each;
		if (figure == NULL)
			continue;
		figure_line(canvas, area.row + line, at, each - 1,
		            figures->machine->kind_names[figures->shown[k]], figure);
		at += each;
		if (end - at < 36) {
			line++;
			at = area.column + 1;
		}
	}
}
