/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the tiles of meshes go in an area: as large as there is room for, down to one column each.
 * Arithmetic alone; nothing is drawn here.
 */
#ifndef MESHTALLY_TUI_MESH_LAYOUT_H
#define MESHTALLY_TUI_MESH_LAYOUT_H

#include "cell.h"
#include "memory.h"
#include "meshes.h"

/* A tile as wide as this has a box. */
enum { TILE_BOX_COLUMNS = 14, TILE_BAR_COLUMNS = 8, TILE_LIST_COLUMNS = 24 };

/* A mesh, or the devices that are in none, as drawn. A mesh of more rows than there are lines is
 * cut into strips that stand side by side; one that is a line is folded like text. */
struct mesh_grid {
	const struct mesh *mesh; /* NULL: devices in none */
	const uint32_t *devices;
	size_t count;
	uint32_t columns, rows; /* of tiles */
	uint32_t strips, strip_rows;
	int tile_rows, tile_columns;
	int label;         /* columns for the number of the mesh's row */
	int line;          /* of its title, from the top of all */
	int title_lines;   /* 0 to 2: name, what the devices have alike */
	int strip_columns; /* with what is between them */
	bool folded;
	bool has_company; /* there are others */
};

struct mesh_layout {
	VEC(struct mesh_grid) grids;
	int lines; /* of all; more than there are: scrolled */
};

/* kind_count: bars of a tile. */
void layout_make(struct mesh_layout *layout, const struct meshes *meshes, int rows, int columns,
                 size_t kind_count);
void layout_finish(struct mesh_layout *layout);

/* The place of a grid's n-th tile, from the top of all. */
struct area layout_tile(const struct mesh_grid *grid, size_t number);
/* The last line that the grid takes, and one. */
int layout_end(const struct mesh_grid *grid);

/* Lines that a tile of this width makes use of. */
int layout_useful_rows(int columns, size_t kind_count);

#endif
