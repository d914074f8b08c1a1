/* SPDX-License-Identifier: Apache-2.0 */
/* The map of one device: what lies where in each of its memories, and the largest holes. */
#include "survey_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FULL = UINT16_MAX };

void survey_map_begin(struct survey_pass *pass)
{
	const struct survey_request *request = pass->request;
	const struct machine *machine = pass->machine;
	char reason[SELECTION_REASON];
	uint32_t row = UINT32_MAX;

	pass->focus_row = UINT32_MAX;
	if (!request->has_focus)
		return;
	for (uint32_t i = 0; request->focus_unique_id != 0 && i < machine->devices.count; i++)
		if (machine->devices.items[i].unique_id == request->focus_unique_id)
			row = i;
	if (row == UINT32_MAX && selection_device(machine, request->focus, &row, &reason) != 0)
		return;
	pass->focus_row = row;
	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		struct map_memory found = {.kind = kind, .extents.known = true};

		if (holes_memory(machine, row, kind, &found.memory))
			*vec_add(&pass->memories) = found;
	}
}

/* The bin that is being filled: from one end to the other, since the extents are sorted. */
struct bin_walk {
	struct survey_map *map;
	uint32_t bin;
	uint64_t end; /* of it, from the base */
	uint64_t covered[CLASS_COUNTED_LIMIT];
};

/* Where a bin begins, in bytes from the base: bank_bytes * bin / bins without overflow. */
static uint64_t bin_start(const struct survey_map *map, uint32_t bin)
{
	return map->bank_bytes / SURVEY_MAP_BINS * bin +
	       map->bank_bytes % SURVEY_MAP_BINS * bin / SURVEY_MAP_BINS;
}

static uint16_t share_of(uint64_t covered, uint64_t width)
{
	uint64_t share;

	while (width > UINT32_MAX) {
		width /= 2;
		covered /= 2;
	}
	if (width == 0)
		return 0;
	share = covered * FULL / width;
	/* What is not quite empty or full does not look so. */
	if (share == 0 && covered != 0)
		share = 1;
	return (uint16_t)(share < FULL ? share : FULL);
}

static void close_bin(struct bin_walk *walk)
{
	struct survey_bin *bin = &walk->map->bins[walk->bin];
	uint64_t sum = 0;

	for (uint8_t i = 0; i < CLASS_COUNTED_LIMIT; i++) {
		sum += walk->covered[i];
		if (walk->covered[i] > walk->covered[bin->class_now])
			bin->class_now = i;
	}
	bin->used = share_of(sum, walk->end - bin_start(walk->map, walk->bin));
	memset(walk->covered, 0, sizeof(walk->covered));
}

/* [start, end) from the base; both in the bank, and not before what was covered last. */
static void cover(struct bin_walk *walk, uint64_t start, uint64_t end, unsigned class_now)
{
	while (start < end) {
		uint64_t stop;

		while (start >= walk->end) {
			close_bin(walk);
			walk->end = bin_start(walk->map, ++walk->bin + 1);
		}
		stop = end < walk->end ? end : walk->end;
		walk->covered[class_now] += stop - start;
		start = stop;
	}
}

static void fill_bins(struct survey_map *map, const struct hole_extents *extents)
{
	struct bin_walk walk = {.map = map, .end = bin_start(map, 1)};
	const struct hole_extent *extent;
	uint64_t at = 0;

	vec_for (extent, extents) {
		uint64_t end = hole_extent_end(extent), start = extent->start;

		start = start > map->base ? start - map->base : 0;
		end = end > map->base ? end - map->base : 0;
		start = start > at ? start : at;
		end = end < map->bank_bytes ? end : map->bank_bytes;
		cover(&walk, start, end, extent->class_now);
		at = end > at ? end : at;
	}
	close_bin(&walk);
}

/* Keeps the largest, of equals the lowest. */
static void add_hole(void *arg, uint64_t address, uint64_t bytes)
{
	struct survey_map *map = arg;
	uint32_t at = map->listed_holes;

	map->free += bytes;
	map->hole_count++;
	map->largest = bytes > map->largest ? bytes : map->largest;
	if (at < SURVEY_HOLES)
		map->listed_holes++;
	else if (bytes <= map->holes[--at].bytes)
		return;
	for (; at > 0 && map->holes[at - 1].bytes < bytes; at--)
		map->holes[at] = map->holes[at - 1];
	map->holes[at] = (struct survey_hole){address, bytes};
}

void survey_map_finish(struct survey_pass *pass)
{
	struct map_memory *memory;

	vec_for (memory, &pass->memories) {
		struct survey_map *map = vec_add(&pass->survey->maps);

		map->kind = memory->kind;
		map->base = memory->memory.base;
		map->bank_bytes = memory->memory.bank_bytes;
		map->banks = memory->memory.banks;
		holes_walk(&memory->extents, &memory->memory, add_hole, map);
		fill_bins(map, &memory->extents);
		map->no_address = memory->extents.no_address;
		map->known = memory->extents.known &&
		             holes_accounted(pass->machine, pass->focus_row, memory->kind);
		vec_finish(&memory->extents);
	}
	vec_finish(&pass->memories);
}
