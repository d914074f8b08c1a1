/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_layout.h"

enum { MAX_TILE_ROWS = 24, MAX_STRIPS = 16, LABEL_COLUMNS = 4, STRIP_GAP = 2 };

int layout_useful_rows(int columns, size_t kind_count)
{
	int kinds = kind_count > 4 ? 4 : kind_count == 0 ? 1 : (int)kind_count;

	if (columns < TILE_BAR_COLUMNS)
		return 1;
	if (columns < TILE_BOX_COLUMNS)
		return 2 + kinds; /* number, bars, figure or gap */
	/* Box, kinds with bar and curve, headroom, processes. */
	return 4 + 5 * kinds;
}

struct area layout_tile(const struct mesh_grid *grid, size_t number)
{
	uint32_t row = (uint32_t)(number / grid->columns);
	int column = (int)(number % grid->columns), strip = (int)(row / grid->strip_rows);

	return (struct area){
		grid->line + grid->title_lines + (int)(row % grid->strip_rows) * grid->tile_rows,
		strip * grid->strip_columns + grid->label + column * grid->tile_columns,
		grid->tile_rows, grid->tile_columns};
}

int layout_end(const struct mesh_grid *grid)
{
	return grid->line + grid->title_lines + (int)grid->strip_rows * grid->tile_rows;
}

/* Widths for this number of strips. False: there is no room for so many. */
static bool set_strips(struct mesh_grid *grid, uint32_t strips, int columns)
{
	int gaps = (int)(strips - 1) * STRIP_GAP, width = (columns - gaps) / (int)strips;
	int tile = width / (int)grid->columns, least = grid->mesh == NULL ? TILE_LIST_COLUMNS : 1;

	grid->label =
		tile < TILE_BAR_COLUMNS && grid->mesh != NULL && !grid->folded ? LABEL_COLUMNS : 0;
	tile = (width - grid->label) / (int)grid->columns;
	if (tile < least && strips > 1)
		return false;
	grid->tile_columns = tile < 1 ? 1 : tile;
	grid->strips = strips;
	grid->strip_rows = (grid->rows + strips - 1) / strips;
	grid->strip_columns = grid->label + grid->tile_columns * (int)grid->columns + STRIP_GAP;
	return true;
}

/* A mesh of one row goes on in the next line rather than have tiles of which nothing can be read.
 */
static void fold(struct mesh_grid *grid, int rows, int columns)
{
	static const int widths[] = {20, 10, 5, 2};

	for (size_t i = 0; i < ARRAY_COUNT(widths); i++) {
		uint32_t per_line = (uint32_t)(columns / widths[i]), lines;

		if (per_line == 0)
			continue;
		if (per_line >= grid->count)
			return;
		lines = (uint32_t)((grid->count + per_line - 1) / per_line);
		if ((int)lines * (widths[i] > 5 ? 3 : 1) > rows)
			continue;
		grid->rows = lines;
		grid->columns = (uint32_t)((grid->count + lines - 1) / lines);
		grid->folded = true;
		return;
	}
}

static void add_grid(struct mesh_layout *layout, const struct mesh *mesh, const uint32_t *devices,
                     uint32_t grid_rows, uint32_t grid_columns)
{
	struct mesh_grid *grid = vec_add(&layout->grids);

	*grid = (struct mesh_grid){.mesh = mesh,
	                           .devices = devices,
	                           .count = (size_t)grid_rows * grid_columns,
	                           .rows = grid_rows,
	                           .columns = grid_columns,
	                           .strips = 1,
	                           .strip_rows = grid_rows};
}

/* Puts the grids below each other; returns whether they fit. */
static bool place(struct mesh_layout *layout, int tile_rows, int title_lines, int rows,
                  size_t kind_count)
{
	struct mesh_grid *grid;
	int line = 0;

	vec_for (grid, &layout->grids) {
		int useful = layout_useful_rows(grid->tile_columns, kind_count);

		if (grid->count == 1) /* curves of one device may be high */
			useful += 4 * (int)(kind_count > 2 ? 2 : kind_count);

		grid->line = line;
		/* Of one device there is nothing to compare. */
		grid->title_lines = grid->count == 1 && title_lines > 1 ? 1 : title_lines;
		grid->has_company = layout->grids.count > 1;
		grid->tile_rows = tile_rows < useful ? tile_rows : useful;
		line = layout_end(grid);
	}
	layout->lines = line;
	return line <= rows;
}

static bool place_largest(struct mesh_layout *layout, int title_lines, int rows, size_t kind_count)
{
	for (int tile_rows = MAX_TILE_ROWS; tile_rows > 0; tile_rows--)
		if (place(layout, tile_rows, title_lines, rows, kind_count))
			return true;
	return false;
}

/* Cuts the one that takes most lines into one strip more, as far as that is possible. */
static bool cut_longest(struct mesh_layout *layout, int columns)
{
	struct mesh_grid *longest = NULL, *grid, before;

	vec_for (grid, &layout->grids)
		if (longest == NULL || grid->strip_rows > longest->strip_rows)
			longest = grid;
	if (longest == NULL || longest->strip_rows < 2 || longest->strips >= MAX_STRIPS)
		return false;
	before = *longest;
	if (set_strips(longest, longest->strips + 1, columns))
		return true;
	*longest = before;
	return false;
}

void layout_make(struct mesh_layout *layout, const struct meshes *meshes, int rows, int columns,
                 size_t kind_count)
{
	int share, title_lines = rows >= 12 ? 2 : rows >= 4 ? 1 : 0;
	struct mesh_grid *grid;
	struct mesh *mesh;

	*layout = (struct mesh_layout){0};
	vec_for (mesh, &meshes->meshes)
		add_grid(layout, mesh, mesh->devices, mesh->rows, mesh->columns);
	if (meshes->unconnected.count != 0)
		add_grid(layout, NULL, meshes->unconnected.items,
		         (uint32_t)meshes->unconnected.count, 1);
	share = layout->grids.count != 0 ? rows / (int)layout->grids.count - title_lines : rows;
	vec_for (grid, &layout->grids) {
		if (grid->rows == 1 && grid->mesh != NULL)
			fold(grid, share, columns);
		set_strips(grid, 1, columns);
	}
	while (!place_largest(layout, title_lines, rows, kind_count)) {
		if (title_lines > 0 && layout->lines - (int)layout->grids.count <= rows)
			title_lines--;
		else if (!cut_longest(layout, columns))
			break;
	}
}

void layout_finish(struct mesh_layout *layout)
{
	vec_finish(&layout->grids);
}
