/* SPDX-License-Identifier: Apache-2.0 */
/* What is said around the tiles of a mesh: its name, what is alike, the selected device, totals. */
#ifndef MESHTALLY_TUI_MESH_SECTIONS_H
#define MESHTALLY_TUI_MESH_SECTIONS_H

#include "mesh_figures.h"
#include "mesh_layout.h"

/* By row: whether a device of the grid has other figures than most of it. */
void grid_odd(const struct mesh_grid *grid, const struct mesh_figures *figures, bool *odd);
/* Faults that all its devices have alike, such as a mesh buffer that did not fit. */
void grid_common_faults(const struct mesh_grid *grid, const struct mesh_figures *figures,
                        struct device_facts *ret_common);
/* "all 8 alike: DRAM 22.11 MB, L1 22 KB each", or which differ, and by how much. Safe text. */
void grid_sentence(const struct mesh_grid *grid, const struct mesh_figures *figures, int columns,
                   struct text *out);
/* Name and sentence, in title_lines lines. */
void grid_title(const struct mesh_grid *grid, const struct mesh_figures *figures,
                struct canvas *canvas, struct area area);

/* What colours and marks mean. heat: those of grounds. */
void mesh_legend(const struct mesh_figures *figures, uint32_t main_kind, bool heat,
                 struct canvas *canvas, struct area area);
/* "device 5  0x4d45  2 processes" in a line; the column behind it. */
int device_title(const struct mesh_figures *figures, uint32_t row, struct canvas *canvas,
                 struct area area);
/* The selected device, in one to three lines. */
void mesh_detail(const struct mesh_figures *figures, uint32_t row, struct canvas *canvas,
                 struct area area);
/* Totals by kind, the fullest devices, and who holds most. */
void mesh_totals(const struct look *look, const struct mesh_figures *figures, struct canvas *canvas,
                 struct area area, struct hits *hits);

/* Processes that hold something on a device (UINT32_MAX: on any that is selected), the most first.
 */
struct holder {
	const struct machine_process *process;
	uint64_t bytes; /* held, memory of devices */
	bool exact;
};
struct holders {
	VEC(struct holder) holders;
};
void holders_find(struct holders *holders, const struct look *look, uint32_t row);
void holders_draw(const struct holders *holders, const char *title, struct canvas *canvas,
                  struct area area);

#endif
