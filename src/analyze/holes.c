/* SPDX-License-Identifier: Apache-2.0 */
#include "holes.h"

#include <stdlib.h>

struct hole_extent {
	uint64_t start, end;
};

struct hole_work {
	VEC(struct hole_extent) extents;
	uint64_t base, bank_bytes;
	uint32_t banks;
	bool known;
};

static void find_memory(struct hole_work *work, const struct machine_process *process, uint32_t row,
                        uint32_t kind)
{
	const struct segment_view *view = process->view;

	for (uint32_t d = 0; d < view->device_count; d++)
		for (uint32_t i = 0; i < view->devices[d].memory_count; i++) {
			const struct segment_memory *memory = &view->devices[d].memories[i];

			if (process->rows[d] != row || memory->kind >= view->kind_count ||
			    process->kinds[memory->kind] != kind || memory->bank_bytes == 0)
				continue;
			work->base = memory->base;
			work->bank_bytes = memory->bank_bytes;
			work->banks = memory->banks;
		}
}

static bool is_on(const struct machine_process *process, const struct view_buffer *buffer,
                  uint32_t row)
{
	const struct view_space *space = &process->view->spaces[buffer->space];

	for (uint32_t m = 0; m < space->member_count; m++)
		if (space->members[m] < process->view->device_count &&
		    process->rows[space->members[m]] == row)
			return buffer->member_bytes == NULL || buffer->member_bytes[m] != 0;
	return false;
}

static void add_buffers(struct hole_work *work, const struct machine_process *process, uint32_t row,
                        uint32_t kind)
{
	const struct segment_view *view = process->view;

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];

		if (buffer->closed || buffer->class_now >= CLASS_COUNTED_LIMIT ||
		    process->kinds[buffer->kind] != kind || buffer->span == 0 ||
		    !is_on(process, buffer, row))
			continue;
		work->known = work->known && !buffer->incomplete && buffer->address >= work->base &&
		              buffer->address + buffer->span >= buffer->address;
		*vec_add(&work->extents) =
			(struct hole_extent){buffer->address, buffer->address + buffer->span};
	}
}

static int by_start(const void *a, const void *b)
{
	const struct hole_extent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void add_hole(struct holes *holes, uint64_t start, uint64_t end)
{
	if (end <= start)
		return;
	holes->free += end - start;
	holes->count++;
	holes->largest = end - start > holes->largest ? end - start : holes->largest;
}

static void measure(struct hole_work *work, struct holes *holes)
{
	uint64_t at = work->base;
	const struct hole_extent *extent;

	if (work->extents.count > 1)
		qsort(work->extents.items, work->extents.count, sizeof(*work->extents.items),
		      by_start);
	vec_for (extent, &work->extents) {
		add_hole(holes, at, extent->start);
		at = extent->end > at ? extent->end : at;
	}
	add_hole(holes, at, work->base + work->bank_bytes);
}

void holes_find(const struct machine *machine, uint32_t row, uint32_t kind, struct holes *ret_holes)
{
	struct hole_work work = {.known = true};
	struct holes holes = {0};
	const struct machine_process *process;

	vec_for (process, &machine->processes)
		if (process->view != NULL && process->counted)
			find_memory(&work, process, row, kind);
	vec_for (process, &machine->processes) {
		if (process->view != NULL && process->counted) {
			add_buffers(&work, process, row, kind);
			work.known = work.known && process->view->no_detail_buffers == 0;
		}
	}
	if (machine->devices.items[row].figures[kind].unclassified_bytes != 0)
		work.known = false;
	if (work.bank_bytes != 0)
		measure(&work, &holes);
	holes.known = work.known && work.bank_bytes != 0;
	holes.bank_bytes = work.bank_bytes;
	holes.banks = work.banks;
	vec_finish(&work.extents);
	*ret_holes = holes;
}
