/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address map of one memory: thousands of bins in as many cells as there are, so that every
 * hole that is as wide as a cell is seen.
 */
#ifndef MESHTALLY_TUI_DEVICE_MAP_H
#define MESHTALLY_TUI_DEVICE_MAP_H

#include "cell.h"
#include "survey.h"
#include "text.h"

struct map_cell {
	uint16_t used; /* of 65,535; 0 and 65,535 are exact */
	uint8_t class_now;
	bool in_largest; /* free, and part of the largest free block */
	bool marked;     /* something of what is marked lies here */
};

/* Cells from the lowest address on; not where map->no_address. marked: addresses that are to stand
 * out; NULL none. */
void map_cells(const struct survey_map *map, const struct survey_hole *marked,
               struct map_cell *cells, size_t count);

/* Lines of cells, each with its first address on the left. */
void map_draw(const struct survey_map *map, const struct survey_hole *marked, struct canvas *canvas,
              struct area area);
/* "free 812 MB in 17 holes, largest 512 MB", per bank. */
void map_words(const struct survey_map *map, struct text *out);

#endif
