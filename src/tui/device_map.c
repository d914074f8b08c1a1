/* SPDX-License-Identifier: Apache-2.0 */
#include "device_map.h"

#include "layout.h"
#include "units.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t address_of(const struct survey_map *map, size_t cell, size_t count)
{
	return map->base + (uint64_t)((double)map->bank_bytes * (double)cell / (double)count);
}

static struct map_cell merge_bins(const struct survey_bin *bins, size_t from, size_t to)
{
	uint64_t by_class[CLASS_LIMIT] = {0}, used = 0;
	struct map_cell cell = {.class_now = CLASS_USER};
	bool full = true;

	for (size_t i = from; i < to; i++) {
		used += bins[i].used;
		full = full && bins[i].used == UINT16_MAX;
		if (bins[i].class_now < CLASS_LIMIT)
			by_class[bins[i].class_now] += bins[i].used;
	}
	for (uint8_t c = 0; c < CLASS_LIMIT; c++)
		if (by_class[c] > by_class[cell.class_now])
			cell.class_now = c;
	cell.used = (uint16_t)(used / (to - from));
	if (used != 0 && cell.used == 0)
		cell.used = 1;
	if (!full && cell.used == UINT16_MAX)
		cell.used = UINT16_MAX - 1;
	return cell;
}

static bool touches(const struct survey_hole *marked, uint64_t from, uint64_t to)
{
	return marked != NULL && marked->bytes != 0 && marked->address < to &&
	       (from < marked->address || from - marked->address < marked->bytes);
}

void map_cells(const struct survey_map *map, const struct survey_hole *marked,
               struct map_cell *cells, size_t count)
{
	const struct survey_hole *hole =
		map->known && map->listed_holes != 0 ? &map->holes[0] : NULL;

	for (size_t i = 0; i < count; i++) {
		size_t from = i * SURVEY_MAP_BINS / count;
		size_t to = (i + 1) * SURVEY_MAP_BINS / count;
		uint64_t middle;

		cells[i] = merge_bins(map->bins, from, to > from ? to : from + 1);
		middle = address_of(map, 2 * i + 1, 2 * count);
		cells[i].in_largest = cells[i].used == 0 && hole != NULL && hole->bytes != 0 &&
		                      middle >= hole->address &&
		                      middle - hole->address < hole->bytes;
		cells[i].marked =
			touches(marked, address_of(map, i, count), address_of(map, i + 1, count));
	}
}

static enum style class_style(uint8_t class_now)
{
	return class_now == CLASS_USER     ? STYLE_USER
	       : class_now == CLASS_SYSTEM ? STYLE_SYSTEM
	       : class_now == CLASS_CACHE  ? STYLE_CACHE
	                                   : STYLE_OTHER;
}

static void draw_cell(struct canvas *canvas, int row, int column, const struct map_cell *cell)
{
	uint64_t used = cell->used;

	if (cell->marked)
		used = used < UINT16_MAX / 8 ? UINT16_MAX / 8 : used;
	if (cell->marked) {
		canvas_spark(canvas, (struct area){row, column, 1, 1}, STYLE_PEAK, &used, 1,
		             UINT16_MAX);
		canvas_attribute(canvas, (struct area){row, column, 1, 1}, CELL_UNDERLINE);
	} else if (cell->in_largest)
		canvas_glyph(canvas, row, column, STYLE_GOOD, GLYPH_HORIZONTAL);
	else if (used == 0)
		canvas_glyph(canvas, row, column, STYLE_FREE, GLYPH_SHADE);
	else
		canvas_spark(canvas, (struct area){row, column, 1, 1}, class_style(cell->class_now),
		             &used, 1, UINT16_MAX);
}

/* "512 MB free" in the longest stretch of the largest hole, if it fits. */
static void label_largest(const struct survey_map *map, const struct map_cell *cells, int rows,
                          int columns, struct canvas *canvas, struct area area)
{
	int longest = 0, at = 0, row = 0;
	struct text label = {0};
	char bytes[UNITS_SIZE];

	for (int line = 0; line < rows; line++)
		for (int run = 0, column = 0; column < columns; column++) {
			run = cells[line * columns + column].in_largest ? run + 1 : 0;
			if (run > longest) {
				longest = run;
				at = column - run + 1;
				row = line;
			}
		}
	text_addf(&label, " %s free ", units_bytes_short(&bytes, map->largest));
	if (longest >= (int)label.length + 2)
		canvas_text(canvas, area.row + row,
		            area.column + at + (longest - (int)label.length) / 2, (int)label.length,
		            STYLE_GOOD, label.bytes);
	text_finish(&label);
}

/* Columns of the longest address of this memory, with a space. */
static int address_columns(const struct survey_map *map)
{
	int digits = 1;

	for (uint64_t last = map->base + map->bank_bytes; last >= 16; last /= 16)
		digits++;
	return digits + 3;
}

void map_draw(const struct survey_map *map, const struct survey_hole *marked, struct canvas *canvas,
              struct area area)
{
	int left = area.columns >= 40 ? address_columns(map) : 0, columns = area.columns - left;
	size_t count = (size_t)(columns > 0 && area.rows > 0 ? columns * area.rows : 0);
	struct map_cell *cells;

	if (count == 0)
		return;
	cells = mem_calloc(count, sizeof(*cells));
	map_cells(map, marked, cells, count);
	for (int row = 0; row < area.rows; row++) {
		size_t first = (size_t)row * (size_t)columns;

		if (left != 0)
			canvas_textf(canvas, area.row + row, area.column, left - 1, STYLE_DIM,
			             "0x%0*" PRIx64, left - 3, address_of(map, first, count));
		for (int column = 0; column < columns; column++)
			draw_cell(canvas, area.row + row, area.column + left + column,
			          &cells[first + (size_t)column]);
	}
	area.column += left;
	label_largest(map, cells, area.rows, columns, canvas, area);
	free(cells);
}

void map_words(const struct survey_map *map, struct text *out)
{
	char free_bytes[UNITS_SIZE], largest[UNITS_SIZE], holes[UNITS_SIZE];

	if (map->no_address != 0) {
		text_addf(out, "the runtime does not tell where %s buffer%s lie%s: no address map",
		          units_count(&holes, map->no_address), map->no_address == 1 ? "" : "s",
		          map->no_address == 1 ? "s" : "");
		return;
	}
	if (!map->known) {
		text_add(out, "not every buffer has an address: what is free is not known");
		return;
	}
	if (map->free == 0) {
		text_add(out, "full");
		return;
	}
	text_addf(out, "free %s", units_bytes_short(&free_bytes, map->free));
	if (map->hole_count == 1)
		text_add(out, " in one piece");
	else
		text_addf(out, " in %s holes, largest %s", units_count(&holes, map->hole_count),
		          units_bytes_short(&largest, map->largest));
}
