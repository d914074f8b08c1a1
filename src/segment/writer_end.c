/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a writer: at once, or its memory a slice at a time. See writer.h. */
#include "writer_internal.h"

#include <sys/mman.h>

enum { SLICE_BYTES = 2 << 20, AREAS = 9 };

struct area {
	void *start;
	uint64_t bytes;
};

static struct area area_of_table(const struct index_table *table)
{
	/* What was released before is nothing to release. */
	return (struct area){table->entries, table->capacity * sizeof *table->entries};
}

static struct area area_of_region(const struct writer *w, enum segment_region_id id)
{
	const struct segment_region *region = &w->header->regions[id];

	return (struct area){w->file.base + region->offset,
	                     (uint64_t)region->count * region->element_bytes};
}

/* All that may be large. */
static struct area area_at(const struct writer *w, uint32_t number)
{
	uint32_t phantoms =
		w->phantom_high > w->trimming.phantoms ? w->phantom_high : w->trimming.phantoms;

	switch (number) {
	case 0:
		return area_of_region(w, REGION_SLOTS);
	case 1:
		return area_of_region(w, REGION_DETAILS);
	case 2:
		return area_of_region(w, REGION_BLOCKS);
	case 3:
		return area_of_table(&w->index.now);
	case 4:
		return area_of_table(&w->index.next);
	case 5:
		return (struct area){w->free_queue, (w->free_mask + 1ull) * sizeof *w->free_queue};
	case 6:
		return (struct area){w->trimming.queue,
		                     (uint64_t)SEGMENT_MAX_SLOTS * sizeof *w->trimming.queue};
	case 7:
		return (struct area){w->phantoms, (uint64_t)phantoms * sizeof *w->phantoms};
	default:
		return (struct area){w->phantom_next, (uint64_t)phantoms * sizeof *w->phantom_next};
	}
}

void writer_mark_end(struct writer *w, const struct segment_end *end)
{
	w->header->end = *end;
	w->header->exit_op = w->op;
	__atomic_store_n(&w->header->state, w->header->state | SEGMENT_STATE_DEAD,
	                 __ATOMIC_RELEASE);
}

/* Of the file only the mapping goes. */
bool writer_release(struct writer *w, struct writer_releasing *how_far)
{
	uint64_t left = SLICE_BYTES;

	while (left && how_far->area < AREAS) {
		struct area area = area_at(w, how_far->area);
		uint64_t bytes = 0;

		if (area.start && how_far->at < area.bytes) {
			bytes = area.bytes - how_far->at < left ? area.bytes - how_far->at : left;
			madvise((uint8_t *)area.start + how_far->at, bytes, MADV_DONTNEED);
		}
		how_far->at += bytes;
		left -= bytes;
		if (left)
			*how_far = (struct writer_releasing){.area = how_far->area + 1};
	}
	if (how_far->area < AREAS)
		return true;
	writer_close(w, 0);
	return false;
}

void writer_end(struct writer *w, const struct segment_end *end)
{
	writer_mark_end(w, end);
	writer_close(w, 0);
}
