/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh screen: every device a tile where it is in its mesh, as large as the area allows. */
#include "device_parts.h"
#include "lookup.h"
#include "mesh_sections.h"
#include "mesh_tile.h"
#include "screens.h"
#include "units.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum mesh_column {
	COLUMN_DEVICE,
	COLUMN_UNIQUE_ID,
	COLUMN_ARCH,
	COLUMN_BUS,
	COLUMN_KIND,
	COLUMN_BAR,
	COLUMN_HELD,
	COLUMN_USED,
	COLUMN_CAPACITY,
	COLUMN_BYTES,
	COLUMN_PEAK,
	COLUMN_HEADROOM,
	COLUMN_PROCESSES,
	COLUMN_FAULTS,
	COLUMN_FAILURES,
	COLUMN_COUNT
};

static const struct sheet_column mesh_columns[COLUMN_COUNT] = {
	[COLUMN_DEVICE] = {"device", "DEV", VALUE_NUMBER, 0, 0, false, true},
	[COLUMN_UNIQUE_ID] = {"unique_id", "UNIQUE ID", VALUE_TEXT, 9, 18, false, true},
	[COLUMN_ARCH] = {"arch", "ARCH", VALUE_TEXT, 11, 11, true, true},
	[COLUMN_BUS] = {"bus", "BUS", VALUE_TEXT, 10, 12, false, true},
	[COLUMN_KIND] = {"kind", "KIND", VALUE_TEXT, 0, 8, false, true},
	[COLUMN_BAR] = {"bar", "", VALUE_BAR, 2, 0, false, false},
	[COLUMN_HELD] = {"held_bytes", "HELD", VALUE_BYTES, 0, 0, false, false},
	[COLUMN_USED] = {"used", "USED", VALUE_SHARE, 1, 0, false, false},
	[COLUMN_CAPACITY] = {"capacity_bytes", "CAPACITY", VALUE_BYTES, 4, 0, false, false},
	[COLUMN_BYTES] = {"bytes", "ASKED FOR", VALUE_BYTES, 8, 0, false, false},
	[COLUMN_PEAK] = {"peak_bytes", "PEAK", VALUE_BYTES, 5, 0, false, false},
	[COLUMN_HEADROOM] = {"l1_headroom_bytes", "L1 ROOM", VALUE_CHANGE, 7, 0, false, false},
	[COLUMN_PROCESSES] = {"processes", "PROCS", VALUE_COUNT, 6, 0, false, false},
	[COLUMN_FAULTS] = {"faults", "FAULTS", VALUE_COUNT, 3, 0, false, false},
	[COLUMN_FAILURES] = {"out_of_memory", "OOM", VALUE_COUNT, 3, 0, false, false},
};

static void say_empty(const struct look *look, struct sheet *sheet)
{
	bool is_known = look->reading != NULL && machine_chips(&look->reading->scene.machine) != 0;

	if (is_known && !filter_is_empty(&look->ui->filter))
		text_add(&sheet->empty, "No device passes the filter: / changes it.\n");
	else if (is_known)
		text_add(&sheet->empty, "Nobody has a device open: the programs that had have "
		                        "ended or closed it.\n3 shows what became of them.\n");
	else
		say_no_devices(look, &sheet->empty);
}

static struct value bytes_value(uint64_t bytes, const struct machine_figure *figure)
{
	struct value value = value_number(bytes);

	value.inexact = !figure->exact;
	return value;
}

static void fill_device(struct sheet *sheet, struct sheet_row *line,
                        const struct mesh_figures *figures, uint32_t row)
{
	const struct machine_device *device = &figures->machine->devices.items[row];
	const struct device_facts *facts = &figures->facts[row];
	char id[24];

	line->values[COLUMN_DEVICE] = value_number(row);
	if (device->unique_id != 0) {
		snprintf(id, sizeof(id), "0x%" PRIx64, device->unique_id);
		line->values[COLUMN_UNIQUE_ID] = value_text(sheet_keep(sheet, id));
	}
	line->values[COLUMN_ARCH] = value_text(device->arch);
	line->values[COLUMN_BUS] = value_text(device->bus);
	line->values[COLUMN_PROCESSES] = value_number(facts->processes);
	line->values[COLUMN_FAULTS] = value_number(facts->faults);
	line->values[COLUMN_FAILURES] = value_number(facts->failures);
	if (facts->faults != 0)
		line->values[COLUMN_FAULTS].style = STYLE_BAD;
	if (facts->failures != 0)
		line->values[COLUMN_FAILURES].style = STYLE_BAD;
	if (facts->headroom_known)
		line->values[COLUMN_HEADROOM] = value_change(facts->headroom_bytes);
}

static void add_line(struct sheet *sheet, const struct mesh_figures *figures, uint32_t row,
                     uint32_t kind)
{
	const struct machine_figure *figure = figures_get(figures, row, kind);
	const struct machine_device *device = &figures->machine->devices.items[row];
	uint64_t identity = device->unique_id != 0 ? device->unique_id : row;
	struct sheet_row *line;

	if (figure == NULL)
		return;
	line = sheet_add(sheet, hash_number(identity, kind) | 1);
	fill_device(sheet, line, figures, row);
	line->values[COLUMN_KIND] = value_text(figures->machine->kind_names[kind]);
	line->values[COLUMN_HELD] = bytes_value(figure->held, figure);
	line->values[COLUMN_HELD].style = figure_style(figure);
	line->values[COLUMN_BYTES] = bytes_value(figure_bytes(figure), figure);
	if (figure->capacity != 0) {
		double share = (double)figure->held / (double)figure->capacity;

		line->values[COLUMN_CAPACITY] = value_number(figure->capacity);
		line->values[COLUMN_USED] = value_real(share);
		line->values[COLUMN_BAR] = value_real(share);
	}
	if (figure->peak_known)
		line->values[COLUMN_PEAK] = bytes_value(figure->peak, figure);
}

void mesh_make(const struct look *look, struct sheet *sheet)
{
	struct mesh_figures figures;

	sheet_init(sheet, mesh_columns, COLUMN_COUNT);
	if (look->reading != NULL) {
		figures_make(&figures, look);
		figures_headroom(&figures, look);
		for (uint32_t row = 0; row < figures.rows; row++) {
			for (size_t k = 0; k < figures.shown_count; k++)
				add_line(sheet, &figures, row, figures.shown[k]);
			for (size_t k = 0; k < figures.host_count; k++)
				add_line(sheet, &figures, row, figures.host[k]);
		}
		figures_finish(&figures);
	}
	if (sheet->rows.count == 0)
		say_empty(look, sheet);
}

/* What a picture of tiles is made of. */
struct mesh_picture {
	const struct look *look;
	struct mesh_figures figures;
	struct meshes meshes;
	struct mesh_layout layout;
	uint32_t selected;
	bool *odd;
	struct device_facts common; /* of the grid that is drawn */
	struct machine_figure unplaced;
	int top; /* lines that are scrolled away */
	int detail_rows, legend_rows;
	int unplaced_rows; /* for what is on no device, and has no tile */
	bool heat;
};

/* Whether tiles are too small to say all of a device. */
static bool needs_detail(struct mesh_picture *picture)
{
	struct mesh_grid *grid;
	bool needs = false;

	picture->heat = false;
	vec_for (grid, &picture->layout.grids) {
		needs = needs || grid->tile_columns < TILE_BOX_COLUMNS || grid->tile_rows < 4;
		picture->heat = picture->heat || grid->tile_columns < TILE_BAR_COLUMNS;
	}
	return needs;
}

/* With so many lines for the selected device. Returns how well tiles can be read: by the columns of
 * the narrowest, then by its lines as far as bars need them; 0 where not all of them fit. */
static int arrange_with(struct mesh_picture *picture, struct area area, int detail_rows)
{
	int rows = area.rows - picture->legend_rows - picture->unplaced_rows - detail_rows;
	int worst = INT_MAX;
	int needed = (int)picture->figures.bar_count + 1;
	struct mesh_grid *grid;

	layout_finish(&picture->layout);
	layout_make(&picture->layout, &picture->meshes, rows, area.columns,
	            picture->figures.bar_count);
	picture->detail_rows = detail_rows;
	vec_for (grid, &picture->layout.grids) {
		int lines = grid->tile_rows < needed ? grid->tile_rows : needed;
		int here = grid->tile_columns * 100 + lines;

		worst = here < worst ? here : worst;
	}
	return picture->layout.lines <= rows ? worst : 0;
}

/* What is below the tiles gives way to them where they would be smaller for it. */
static void picture_arrange(struct mesh_picture *picture, struct area area)
{
	static const int details[] = {4, 3, 1};
	int best, detail = 0;

	picture->legend_rows = area.rows >= 10;
	picture->unplaced_rows =
		area.rows >= 6 && figures_unplaced(&picture->figures, &picture->unplaced);
	best = arrange_with(picture, area, 0);
	if (!needs_detail(picture))
		return;
	for (size_t i = 0; i < ARRAY_COUNT(details) && detail == 0; i++)
		if (details[i] <= area.rows / 5 && arrange_with(picture, area, details[i]) >= best)
			detail = details[i];
	arrange_with(picture, area, detail);
	needs_detail(picture);
}

/* Scrolled as far as the selected tile needs. */
static void picture_scroll(struct mesh_picture *picture, int rows)
{
	struct mesh_grid *grid;

	picture->top = 0;
	vec_for (grid, &picture->layout.grids)
		for (size_t i = 0; i < grid->count; i++) {
			struct area tile = layout_tile(grid, i);

			if (grid->devices[i] != picture->selected)
				continue;
			if (tile.row + tile.rows > rows)
				picture->top = tile.row + tile.rows - rows;
			return;
		}
}

static void draw_tile(const struct mesh_picture *picture, const struct mesh_grid *grid,
                      size_t number, struct canvas *canvas, struct area place, struct hits *hits)
{
	uint32_t row = grid->devices[number];
	struct tile tile = {
		.look = picture->look,
		.figures = &picture->figures,
		.row = row,
		.mesh_row = grid->mesh != NULL ? (int)(number / grid->mesh->columns) : -1,
		.mesh_column = grid->mesh != NULL ? (int)(number % grid->mesh->columns) : -1,
		.common = picture->common,
		.selected = row == picture->selected,
		.odd = row < picture->figures.rows && picture->odd[row],
		.main_kind = figures_main_kind(&picture->figures, picture->look->ui)};

	tile_draw(&tile, canvas, place);
	if (row < picture->figures.rows)
		hits_add(hits, HIT_TILE, place, row);
}

static void draw_grid(struct mesh_picture *picture, const struct mesh_grid *grid,
                      struct canvas *canvas, struct area area, struct hits *hits)
{
	int title = grid->line - picture->top;

	grid_common_faults(grid, &picture->figures, &picture->common);

	if (title >= 0 && title + grid->title_lines <= area.rows)
		grid_title(grid, &picture->figures, canvas,
		           (struct area){area.row + title, area.column, grid->title_lines,
		                         area.columns});
	for (size_t i = 0; i < grid->count; i++) {
		struct area place = layout_tile(grid, i);

		place.row -= picture->top;
		if (place.row < 0 || place.row + place.rows > area.rows ||
		    place.column >= area.columns)
			continue;
		place.row += area.row;
		place.column += area.column;
		if (grid->label != 0 && i % grid->columns == 0)
			canvas_textf(canvas, place.row, place.column - grid->label, grid->label - 1,
			             STYLE_DIM, "%3zu", i / grid->columns);
		draw_tile(picture, grid, i, canvas, place, hits);
	}
}

static void draw_unplaced(const struct machine_figure *unplaced, struct canvas *canvas,
                          struct area area)
{
	uint64_t count = figure_buffers(unplaced);
	char bytes[UNITS_SIZE], buffers[UNITS_SIZE];

	canvas_textf(canvas, area.row, area.column + 1, area.columns - 1, STYLE_TEXT,
	             "%s %s%s in %s buffer%s: on no device yet", unplaced_name,
	             unplaced->exact ? "" : "~", units_bytes_short(&bytes, figure_bytes(unplaced)),
	             units_count(&buffers, count), count == 1 ? "" : "s");
}

static void draw_below(const struct mesh_picture *picture, struct canvas *canvas, struct area area,
                       struct hits *hits)
{
	int used = picture->layout.lines - picture->top, left, bottom = area.row + area.rows;
	struct area part = area;

	if (picture->legend_rows != 0) {
		part.row = --bottom;
		mesh_legend(&picture->figures,
		            figures_main_kind(&picture->figures, picture->look->ui), picture->heat,
		            canvas, part);
	}
	if (picture->unplaced_rows != 0) {
		part.row = --bottom;
		draw_unplaced(&picture->unplaced, canvas, part);
	}
	if (picture->detail_rows != 0) {
		part.rows = picture->detail_rows - (picture->detail_rows > 2);
		part.row = bottom -= part.rows + (picture->detail_rows > 3);
		mesh_detail(&picture->figures, picture->selected, canvas, part);
	}
	left = bottom - area.row - used;
	if (left < 4 || (picture->figures.rows < 2 && left < 6))
		return;
	part.row = area.row + used + 1;
	part.rows = left - 2;
	mesh_totals(picture->look, &picture->figures, canvas, part, hits);
}

static void draw_tiles(const struct look *look, struct canvas *canvas, struct area area,
                       struct hits *hits)
{
	struct mesh_picture picture = {.look = look, .selected = look_device(look)};
	struct area tiles = area;
	struct mesh_grid *grid;

	figures_make(&picture.figures, look);
	meshes_find(&picture.meshes, picture.figures.machine);
	picture_arrange(&picture, area);
	if (!picture.heat)
		figures_headroom(&picture.figures, look);
	picture.odd = mem_calloc((size_t)picture.figures.rows + 1, sizeof(*picture.odd));
	tiles.rows -= picture.legend_rows + picture.unplaced_rows + picture.detail_rows;
	tiles.rows = tiles.rows < 1 ? 1 : tiles.rows;
	picture_scroll(&picture, tiles.rows);
	look->ui->lists[SCREEN_MESH].seen = 0;
	vec_for (grid, &picture.layout.grids) {
		if (grid->folded) /* so that keys know what is below */
			look->ui->lists[SCREEN_MESH].seen = grid->columns;
		grid_odd(grid, &picture.figures, picture.odd);
		draw_grid(&picture, grid, canvas, tiles, hits);
	}
	draw_below(&picture, canvas, area, hits);
	free(picture.odd);
	layout_finish(&picture.layout);
	meshes_finish(&picture.meshes);
	figures_finish(&picture.figures);
}

void mesh_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
               struct area area, struct hits *hits)
{
	if (area.rows <= 0 || area.columns <= 0)
		return;
	if (look->reading == NULL || sheet->rows.count == 0 || look->ui->mesh_as_list)
		sheet_draw(sheet, &look->ui->lists[SCREEN_MESH], canvas, area, true, hits);
	else
		draw_tiles(look, canvas, area, hits);
}
