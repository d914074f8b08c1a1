/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, the unit of accounting, and blocks, the lists in the file. See writer_internal.h. */
#include "writer_internal.h"

#include <errno.h>
#include <string.h>

enum { ROW_HASH = 1 << 17, BLOCK_UNIT = 64, ROWS_UNTAGGED = 4096 /* the last, for tag 0 alone */ };

int region_need(struct writer *w, enum segment_region_id id, uint64_t bytes)
{
	const struct segment_region *region = &w->header->regions[id];
	uint64_t chunk = w->populated[id] < 65536 ? 4096 : 65536, end;

	if (likely(bytes <= w->populated[id]))
		return 0;
	if (bytes > region->capacity_bytes)
		return -ENOSPC;
	end = (bytes + chunk - 1) / chunk * chunk;
	if (end > region->capacity_bytes)
		end = region->capacity_bytes;
	if (segment_file_populate(&w->file, region->offset + w->populated[id],
	                          end - w->populated[id]))
		return -ENOSPC;
	w->populated[id] = end;
	return 0;
}

static uint32_t row_slot(uint32_t space, uint32_t member, uint32_t kind, uint32_t class,
                         uint32_t tag)
{
	uint64_t x = ((uint64_t)space << 32 | tag) * HASH_MULTIPLIER;

	x ^= (uint64_t)(member << 8 | kind << 3 | class) * 0xc2b2ae3d27d4eb4full;
	return (uint32_t)(x * HASH_MULTIPLIER >> 47) % ROW_HASH;
}

static bool row_is(const struct segment_row *row, uint32_t space, uint32_t member, uint32_t kind,
                   uint32_t class, uint32_t tag)
{
	return row->space == space && row->member == member && row->kind == kind &&
	       row->class_now == class && row->tag == tag;
}

/* Rows change their class, or are reused: then the table of their hashes is made anew. */
void writer_rows_rekey(struct writer *w)
{
	memset(w->row_hash, 0, ROW_HASH * sizeof *w->row_hash);
	writer_row_cache_flush(w);
	for (uint32_t i = 0; i < w->row_high; i++) {
		const struct segment_row *row = &w->rows[i];
		uint32_t at =
			row_slot(row->space, row->member, row->kind, row->class_now, row->tag);

		if (!row->space)
			continue;
		while (w->row_hash[at])
			at = (at + 1) % ROW_HASH;
		w->row_hash[at] = i + 1;
	}
}

void writer_row_cache_flush(struct writer *w)
{
	for (uint32_t at = 0; at < w->header->regions[REGION_SPACES].count; at++)
		w->spaces[at].row_key = 0;
}

/* Frees the rows of closed spaces that have nothing left, if no event can refer to them. */
static bool rows_recycle(struct writer *w)
{
	bool any = false;

	for (uint32_t s = 0; s < SEGMENT_MAX_SPACES; s++) {
		struct writer_space *space = &w->spaces[s];
		uint32_t *link = &space->first_row;

		if (!space->handle || space_is_open(space) || space->specials ||
		    !space_is_past(w, space))
			continue;
		while (*link) {
			uint32_t row = *link - 1;

			if (w->rows[row].buffers) {
				link = &w->row_next[row];
				continue;
			}
			*link = w->row_next[row];
			memset(&w->rows[row], 0, sizeof w->rows[row]);
			w->row_next[row] = w->row_reusable;
			w->row_reusable = row + 1;
			any = true;
		}
	}
	if (any)
		writer_rows_rekey(w);
	return any;
}

/* Frees all rows of a space whose table entry is about to be reused. */
void writer_rows_free(struct writer *w, struct writer_space *space)
{
	uint32_t row = space->first_row;

	if (!row)
		return;
	while (row) {
		uint32_t next = w->row_next[row - 1];

		memset(&w->rows[row - 1], 0, sizeof *w->rows);
		w->row_next[row - 1] = w->row_reusable;
		w->row_reusable = row;
		row = next;
	}
	space->first_row = 0;
	writer_rows_rekey(w);
}

static uint32_t row_take(struct writer *w)
{
	uint32_t row;

	if (!w->row_reusable && w->row_high < SEGMENT_MAX_ROWS &&
	    region_need(w, REGION_ROWS, (w->row_high + 1) * sizeof *w->rows) == 0)
		return w->row_high++;
	if (!w->row_reusable && !rows_recycle(w))
		return UINT32_MAX;
	row = w->row_reusable - 1;
	w->row_reusable = w->row_next[row];
	return row;
}

uint32_t writer_row_slow(struct writer *w, const struct writer_space *space, uint32_t member,
                         uint32_t kind, uint32_t class, uint32_t tag)
{
	struct writer_space *owner = &w->spaces[space->handle % SEGMENT_MAX_SPACES];
	uint32_t at = row_slot(space->handle, member, kind, class, tag), row;

	for (; w->row_hash[at]; at = (at + 1) % ROW_HASH) {
		row = w->row_hash[at] - 1;
		if (row_is(&w->rows[row], space->handle, member, kind, class, tag))
			return row;
	}
	row = tag && w->row_high >= SEGMENT_MAX_ROWS - ROWS_UNTAGGED && !w->row_reusable &&
	                      !rows_recycle(w)
	              ? UINT32_MAX
	              : row_take(w);
	if (row == UINT32_MAX) /* without a tag of its own rather than not at all */
		return tag ? writer_row_slow(w, space, member, kind, class, 0) : UINT32_MAX;
	w->rows[row] = (struct segment_row){.space = space->handle,
	                                    .member = (uint16_t)member,
	                                    .kind = (uint8_t)kind,
	                                    .class_now = (uint8_t) class,
	                                    .class_before = (uint8_t) class,
	                                    .tag = tag};
	if (w->header->regions[REGION_ROWS].count < w->row_high)
		region_count(w, REGION_ROWS, w->row_high);
	w->row_next[row] = owner->first_row;
	owner->first_row = row + 1;
	at = row_slot(space->handle, member, kind, class, tag);
	while (w->row_hash[at])
		at = (at + 1) % ROW_HASH;
	w->row_hash[at] = row + 1;
	return row;
}

/* --- blocks ------------------------------------------------------------------------------ */

static uint32_t block_order(uint64_t bytes)
{
	uint32_t order = 0;

	while ((uint64_t)BLOCK_UNIT << order < bytes)
		order++;
	return order;
}

uint32_t block_alloc(struct writer *w, uint64_t bytes)
{
	struct segment_region *region = &w->header->regions[REGION_BLOCKS];
	uint32_t order = block_order(bytes), block;

	if (order >= sizeof w->block_free / sizeof *w->block_free)
		return 0;
	block = w->block_free[order];
	if (block) {
		memcpy(&w->block_free[order], block_at(w, block), sizeof(uint32_t));
	} else {
		block = region->count ? region->count : 1;
		if (region_need(w, REGION_BLOCKS, ((uint64_t)block + (1u << order)) * BLOCK_UNIT))
			return 0;
		region_count(w, REGION_BLOCKS, block + (1u << order));
	}
	memset(block_at(w, block), 0, (size_t)BLOCK_UNIT << order);
	return block;
}

void block_free(struct writer *w, uint32_t block, uint64_t bytes)
{
	uint32_t order = block_order(bytes);

	if (!block)
		return;
	memcpy(block_at(w, block), &w->block_free[order], sizeof(uint32_t));
	w->block_free[order] = block;
}
