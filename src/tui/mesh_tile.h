/* SPDX-License-Identifier: Apache-2.0 */
/* One device of a mesh, in as many cells as there are for it: from a box to one coloured column. */
#ifndef MESHTALLY_TUI_MESH_TILE_H
#define MESHTALLY_TUI_MESH_TILE_H

#include "mesh_figures.h"

struct tile {
	const struct look *look;
	const struct mesh_figures *figures;
	uint32_t row;              /* UINT32_MAX: on another host */
	int mesh_row, mesh_column; /* -1: in no mesh */
	bool selected;
	struct device_facts common; /* faults of all of its mesh: told once, for all */
	bool odd;                   /* has other figures than most */
	uint32_t main_kind;         /* where there is room for one */
};

void tile_draw(const struct tile *tile, struct canvas *canvas, struct area area);

/* The bar of a figure: classes, what it is rounded up by, and the peak. */
void figure_bar(struct canvas *canvas, int row, int column, int columns,
                const struct machine_figure *figure);
/* "73%", "<1%", "-" where the capacity is not known; at most 4 columns but for what cannot be. */
enum { PERCENT_SIZE = 8 };
const char *figure_percent(char (*buffer)[PERCENT_SIZE], const struct machine_figure *figure);
/* STYLE_TEXT, or a warning where little is left. */
enum style figure_style(const struct machine_figure *figure);
/* "DRAM ████░░ 22.11 MB of 12.00 GB  1%": as much of it as fits. */
void figure_line(struct canvas *canvas, int row, int column, int columns, const char *kind,
                 const struct machine_figure *figure);
/* "! 2 faults, 1 failed allocation"; empty where there are none. */
void facts_text(struct text *text, const struct device_facts *facts, bool is_short);
/* What was held lately, against the most of it. */
void figure_spark(const struct look *look, struct canvas *canvas, struct area area,
                  enum style style, uint32_t row, uint32_t kind, uint64_t *ret_most);

#endif
