/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_tile.h"

#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIGURE_COLUMNS = 11, PERCENT_COLUMNS = 5, WIDE_TILE = 40 };

static const struct machine_figure *get(const struct tile *tile, uint32_t kind)
{
	return figures_get(tile->figures, tile->row, kind);
}

static const char *kind_name(const struct tile *tile, size_t shown)
{
	return tile->figures->machine->kind_names[tile->figures->shown[shown]];
}

/* What went wrong here, but not on all of the mesh alike. */
static bool has_faults(const struct tile *tile)
{
	const struct device_facts *facts = &tile->figures->facts[tile->row];

	return facts->faults > tile->common.faults || facts->failures > tile->common.failures;
}

static enum style number_style(const struct tile *tile)
{
	if (tile->selected)
		return STYLE_SELECTED;
	if (has_faults(tile))
		return STYLE_BAD;
	return tile->odd ? STYLE_WARNING : STYLE_TEXT;
}

/* "!" for faults, "*" for an odd one. */
static const char *mark_text(const struct tile *tile)
{
	return has_faults(tile) ? "!" : tile->odd ? "*" : "";
}

static int number_width(const struct tile *tile)
{
	return tile->figures->rows > 1000  ? 4
	       : tile->figures->rows > 100 ? 3
	       : tile->figures->rows > 10  ? 2
	                                   : 1;
}

/* The number with its mark, in a fixed width. Returns that. */
static int draw_number(const struct tile *tile, struct canvas *canvas, int row, int column,
                       int columns)
{
	int width = number_width(tile) + 1;

	canvas_textf(canvas, row, column, columns < width ? columns : width, number_style(tile),
	             "%*" PRIu32 "%s", number_width(tile), tile->row, mark_text(tile));
	return width;
}

/* The share in as few columns as there are: "58%", "58", or the tenth of it. */
static void heat_text(const struct machine_figure *figure, const char *mark, int columns,
                      char (*ret_text)[16])
{
	bool known = figure != NULL && figure->capacity != 0;
	char percent[PERCENT_SIZE] = "-", tenth[2] = "-";

	if (known) {
		double share = (double)figure->held / (double)figure->capacity;

		figure_percent(&percent, figure);
		tenth[0] = figure->held == 0 ? '.' : share >= 1 ? '9' : (char)('0' + share * 10);
	}
	if (columns <= 3 || (columns == 4 && mark[0] != '\0'))
		percent[strcspn(percent, "%")] = '\0'; /* 100 is told by 99 where it is too long */
	if (columns <= 3 && strlen(percent) > 2)
		snprintf(percent, sizeof(percent), "99");
	if (columns == 1)
		snprintf(*ret_text, sizeof(*ret_text), "%s", mark[0] != '\0' ? mark : tenth);
	else if (columns == 2 || (columns == 3 && mark[0] != '\0'))
		snprintf(*ret_text, sizeof(*ret_text), "%s%s", mark, tenth);
	else
		snprintf(*ret_text, sizeof(*ret_text), "%s%s", mark, percent);
}

/* A cell that is all ground: for hundreds of devices. Digits say the same without colours. */
static void draw_heat(const struct tile *tile, struct canvas *canvas, struct area area)
{
	const struct machine_figure *figure = get(tile, tile->main_kind);
	int width = area.columns > 2 ? area.columns - 1 : area.columns;
	bool known = figure != NULL && figure->capacity != 0;
	enum style style = known ? style_heat(figure->held, figure->capacity) : STYLE_DIM;
	char text[16];

	heat_text(figure, mark_text(tile), area.columns, &text);
	area.rows -= area.rows > 2;
	area.columns = width;
	for (int row = 0; row < area.rows; row++)
		canvas_textf(canvas, area.row + row, area.column, width, style, "%*s", width, "");
	canvas_right(canvas, area.row + (area.rows - 1) / 2, area.column, width, style, text);
	if (mark_text(tile)[0] != '\0')
		canvas_attribute(canvas, area, CELL_BOLD | CELL_UNDERLINE);
	if (tile->selected)
		canvas_attribute(canvas, area, CELL_REVERSE | CELL_BOLD);
}

/* The first character of a name that is foreign. */
static void draw_initial(struct canvas *canvas, int row, int column, const char *name)
{
	bool printable = name[0] > ' ' && name[0] <= '~';

	canvas_text(canvas, row, column, 1, STYLE_DIM, printable ? (char[]){name[0], '\0'} : "?");
}

/* A line of one kind where there is little room: its name, a bar and its share. */
static void draw_kind_bar(const struct tile *tile, struct canvas *canvas, int row, int column,
                          int columns, size_t shown)
{
	const struct machine_figure *figure = get(tile, tile->figures->shown[shown]);
	int name = columns >= 14 ? 5 : tile->figures->bar_count > 1 ? 2 : 0;
	int percent = columns - name >= 10 ? PERCENT_COLUMNS : 0;
	char text[PERCENT_SIZE];

	if (name == 2)
		draw_initial(canvas, row, column, kind_name(tile, shown));
	else if (name != 0)
		canvas_foreign(canvas, row, column, name - 1, STYLE_DIM, kind_name(tile, shown));
	if (figure == NULL)
		return;
	figure_bar(canvas, row, column + name, columns - name - percent, figure);
	if (percent != 0)
		canvas_right(canvas, row, column + columns - percent, percent, figure_style(figure),
		             figure_percent(&text, figure));
}

static void draw_figure_right(const struct tile *tile, struct canvas *canvas, int row, int column,
                              int columns, uint32_t kind)
{
	const struct machine_figure *figure = get(tile, kind);
	char text[UNITS_SIZE];

	if (figure != NULL)
		canvas_right(canvas, row, column, columns, figure_style(figure),
		             units_bytes(&text, figure->held, figure->exact));
}

/* Without a box: a number and a share, then bars; with less room, bars beside the number. */
static void draw_small(const struct tile *tile, struct canvas *canvas, struct area area)
{
	int width = area.columns - 1, line = 0, left;
	const struct machine_figure *figure = get(tile, tile->main_kind);
	size_t kinds = tile->figures->bar_count;
	char percent[PERCENT_SIZE];

	left = draw_number(tile, canvas, area.row, area.column, width);
	if (area.rows > (int)kinds && area.rows > 1) {
		if (figure != NULL)
			canvas_right(canvas, area.row, area.column + left, width - left,
			             figure_style(figure), figure_percent(&percent, figure));
		left = 0;
		line = 1;
	}
	for (size_t i = 0; i < kinds && line < area.rows; i++) {
		if (area.rows == 1 && tile->figures->shown[i] != tile->main_kind)
			continue;
		draw_kind_bar(tile, canvas, area.row + line, area.column + left, width - left, i);
		line++;
	}
	if (line + 1 < area.rows)
		draw_figure_right(tile, canvas, area.row + line, area.column, width,
		                  tile->main_kind);
}

/* As wide as a line of a list: a line per kind, or all of them in one. */
static void draw_line(const struct tile *tile, struct canvas *canvas, struct area area)
{
	int left = draw_number(tile, canvas, area.row, area.column, area.columns) + 1;
	int width = area.columns - left - 1, kinds = (int)tile->figures->bar_count;
	int side_by_side = area.rows >= kinds ? 1 : width / 34 < 1 ? 1 : width / 34;
	int drawn = 0, each;

	side_by_side = side_by_side > kinds ? kinds : side_by_side;
	if (side_by_side == 0)
		return;
	each = width / side_by_side;
	for (int i = 0; i < kinds && drawn < area.rows * side_by_side; i++) {
		const struct machine_figure *figure = get(tile, tile->figures->shown[i]);
		int column = area.column + left + drawn % side_by_side * each;

		if (area.rows * side_by_side == 1 && tile->figures->shown[i] != tile->main_kind)
			continue;
		if (figure != NULL && each >= 30)
			figure_line(canvas, area.row + drawn / side_by_side, column, each - 1,
			            kind_name(tile, (size_t)i), figure);
		else
			draw_kind_bar(tile, canvas, area.row + drawn / side_by_side, column,
			              each - 1, (size_t)i);
		drawn++;
	}
}

/* How the lines of a box are shared out. */
struct box_plan {
	int per_kind;
	bool headroom, status;
};

static struct box_plan plan_box(const struct tile *tile, int rows)
{
	int kinds = (int)tile->figures->bar_count;
	bool bad = has_faults(tile);
	/* The same for all tiles, so that their bars are in line. */
	struct box_plan plan = {1, tile->figures->has_headroom, true};

	if (kinds == 0)
		return plan;
	if (kinds + plan.headroom + plan.status > rows && !bad)
		plan.status = false;
	if (kinds + plan.headroom + plan.status > rows)
		plan.headroom = false;
	if (kinds + plan.status > rows)
		plan.status = bad;
	plan.per_kind = (rows - plan.headroom - plan.status) / kinds;
	plan.per_kind = plan.per_kind < 1 ? 1 : plan.per_kind > 9 ? 9 : plan.per_kind;
	return plan;
}

/* Name, figure and share in one line, as they fit. */
static void draw_kind_head(const struct tile *tile, struct canvas *canvas, struct area area,
                           size_t shown, bool with_figure)
{
	const struct machine_figure *figure = get(tile, tile->figures->shown[shown]);
	char text[UNITS_SIZE], percent[PERCENT_SIZE];
	int right = area.columns, used;

	if (figure == NULL) {
		canvas_foreign(canvas, area.row, area.column, right, STYLE_DIM,
		               kind_name(tile, shown));
		return;
	}
	if (right >= 18 || !with_figure) {
		canvas_right(canvas, area.row, area.column + right - 4, 4, figure_style(figure),
		             figure_percent(&percent, figure));
		right -= 4;
	}
	if (with_figure) {
		used = canvas_right(canvas, area.row, area.column, right, figure_style(figure),
		                    units_bytes(&text, figure->held, figure->exact));
		right -= used;
	}
	canvas_foreign(canvas, area.row, area.column, right - 1, STYLE_DIM, kind_name(tile, shown));
}

static void draw_kind(const struct tile *tile, struct canvas *canvas, struct area area,
                      size_t shown)
{
	uint32_t kind = tile->figures->shown[shown];
	const struct machine_figure *figure = get(tile, kind);
	int line = 0, spare;

	if (area.columns >= WIDE_TILE && figure != NULL) {
		figure_line(canvas, area.row, area.column, area.columns, kind_name(tile, shown),
		            figure);
		line = 1;
	} else if (area.rows == 1) {
		draw_kind_bar(tile, canvas, area.row, area.column, area.columns, shown);
		line = 1;
	} else {
		bool narrow = area.columns < 16;

		draw_kind_head(tile, canvas, area, shown, !narrow);
		if (figure != NULL)
			figure_bar(canvas, area.row + 1, area.column, area.columns, figure);
		if (narrow && area.rows > 2)
			draw_figure_right(tile, canvas, area.row + 2, area.column, area.columns,
			                  kind);
		line = narrow ? 3 : 2;
	}
	spare = area.rows - line - (area.rows > 4);
	if (spare > 0)
		figure_spark(tile->look, canvas,
		             (struct area){area.row + line, area.column, spare, area.columns},
		             STYLE_DIM, tile->row, kind, NULL);
}

static void draw_status(const struct tile *tile, struct canvas *canvas, struct area area)
{
	const struct device_facts *facts = &tile->figures->facts[tile->row];
	struct device_facts own = *facts;
	struct text bad = {0}, text = {0};
	int used = 0;

	own.faults -= tile->common.faults;
	own.failures -= tile->common.failures;
	facts_text(&bad, &own, area.columns < 30);
	if (bad.length != 0)
		used = canvas_text(canvas, area.row, area.column, area.columns, STYLE_BAD,
		                   bad.bytes) +
		       2;
	if (facts->processes != 0)
		text_addf(&text, "%" PRIu32 " process%s", facts->processes,
		          facts->processes == 1 ? "" : "es");
	else
		text_add(&text, "not open");
	if (area.columns - used >= (int)text.length)
		canvas_text(canvas, area.row, area.column + used, area.columns - used, STYLE_DIM,
		            text.bytes);
	text_finish(&bad);
	text_finish(&text);
}

static void draw_headroom(const struct tile *tile, struct canvas *canvas, struct area area)
{
	int64_t bytes = tile->figures->facts[tile->row].headroom_bytes;
	char text[UNITS_SIZE];

	if (bytes < 0)
		canvas_textf(canvas, area.row, area.column, area.columns, STYLE_BAD,
		             "%sclash by %s", area.columns >= 22 ? "L1 and CBs " : "L1 ",
		             units_bytes_short(&text, (uint64_t)-bytes));
	else
		canvas_textf(canvas, area.row, area.column, area.columns,
		             bytes < 16384 ? STYLE_WARNING : STYLE_TEXT, "%s %s",
		             area.columns >= 22   ? "L1 headroom"
		             : area.columns >= 18 ? "headroom"
		                                  : "room",
		             units_bytes_short(&text, (uint64_t)bytes));
}

static void draw_peak(const struct tile *tile, struct canvas *canvas, struct area area)
{
	const struct machine_figure *figure = get(tile, tile->main_kind);
	char text[UNITS_SIZE];

	if (figure != NULL && figure->peak_known && figure->peak != 0)
		canvas_textf(canvas, area.row, area.column, area.columns, STYLE_DIM, "%s%s",
		             area.columns >= 14 ? "peak " : "^ ",
		             units_bytes_short(&text, figure->peak));
}

static void box_title(const struct tile *tile, struct canvas *canvas, struct area area)
{
	const struct machine_device *device = &tile->figures->machine->devices.items[tile->row];
	struct text title = {0};
	int width;

	text_addf(&title, " %s%" PRIu32 " ", area.columns >= 22 ? "device " : "", tile->row);
	if (area.columns >= 40 && device->unique_id != 0)
		text_addf(&title, "0x%" PRIx64 " ", device->unique_id);
	width = canvas_text(canvas, area.row, area.column + 1, area.columns - 2, number_style(tile),
	                    title.bytes);
	text_clear(&title);
	if (mark_text(tile)[0] == '!')
		text_add(&title, " ! ");
	else if (tile->odd)
		text_add(&title, area.columns - width >= 12 ? " differs " : " * ");
	else if (tile->mesh_row >= 0)
		text_addf(&title, " %d,%d ", tile->mesh_row, tile->mesh_column);
	if ((int)title.length <= area.columns - width - 3)
		canvas_right(canvas, area.row, area.column + 1, area.columns - 2,
		             mark_text(tile)[0] == '!' ? STYLE_BAD
		             : tile->odd               ? STYLE_WARNING
		                                       : STYLE_DIM,
		             text_string(&title));
	text_finish(&title);
}

static struct area take_lines(const struct area *inner, int *line, int count)
{
	struct area lines = {inner->row + *line, inner->column, count, inner->columns};

	*line += count;
	return lines;
}

static void draw_box(const struct tile *tile, struct canvas *canvas, struct area area)
{
	struct area inner = {area.row + 1, area.column + 1, area.rows - 2, area.columns - 2};
	struct box_plan plan = plan_box(tile, inner.rows);
	enum style border = number_style(tile);
	int line = 0;

	canvas_box(canvas, area,
	           tile->selected         ? STYLE_TITLE
	           : border == STYLE_TEXT ? STYLE_BORDER
	                                  : border,
	           "");
	box_title(tile, canvas, area);
	for (size_t i = 0; i < tile->figures->bar_count && line + plan.per_kind <= inner.rows; i++)
		draw_kind(tile, canvas, take_lines(&inner, &line, plan.per_kind), i);
	/* Kinds without a capacity, where lines are left. */
	for (size_t i = tile->figures->bar_count;
	     i < tile->figures->shown_count && line + plan.headroom + plan.status < inner.rows; i++)
		draw_kind_head(tile, canvas, take_lines(&inner, &line, 1), i, true);
	if (line + plan.headroom + plan.status < inner.rows)
		draw_peak(tile, canvas, take_lines(&inner, &line, 1));
	if (plan.headroom && line < inner.rows) {
		struct area headroom = take_lines(&inner, &line, 1);

		if (tile->figures->facts[tile->row].headroom_known)
			draw_headroom(tile, canvas, headroom);
	}
	if (plan.status && line < inner.rows)
		draw_status(tile, canvas, take_lines(&inner, &line, 1));
}

static void draw_remote(struct canvas *canvas, struct area area)
{
	if (area.columns >= 14 && area.rows > 3) {
		canvas_box(canvas, area, STYLE_BORDER, "");
		canvas_text(canvas, area.row + 1, area.column + 2, area.columns - 3, STYLE_DIM,
		            "on another host");
	} else {
		canvas_right(canvas, area.row, area.column, area.columns > 2 ? area.columns - 1 : 1,
		             STYLE_DIM, area.columns >= 8 ? "remote" : "-");
	}
}

void tile_draw(const struct tile *tile, struct canvas *canvas, struct area area)
{
	if (area.rows <= 0 || area.columns <= 0)
		return;
	if (tile->row >= tile->figures->rows)
		draw_remote(canvas, area);
	else if (area.columns < 8)
		draw_heat(tile, canvas, area);
	else if (area.columns >= 14 && area.rows >= 4)
		draw_box(tile, canvas, area);
	else if (area.columns >= 24)
		draw_line(tile, canvas, area);
	else
		draw_small(tile, canvas, area);
}
