/* SPDX-License-Identifier: Apache-2.0 */
#include "advice.h"

#include "memory.h"

#include <stdlib.h>

static int by_address(const void *a, const void *b, void *buffers)
{
	const struct view_failure_buffer *x =
		(struct view_failure_buffer *)buffers + *(const uint32_t *)a;
	const struct view_failure_buffer *y =
		(struct view_failure_buffer *)buffers + *(const uint32_t *)b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Where the memory begins and ends, of the first device of the space; an end of 0: not known. */
static void memory_bounds(const struct segment_view *view, const struct view_failure *failure,
                          uint64_t *ret_base, uint64_t *ret_end)
{
	const struct view_space *space;

	*ret_base = UINT64_MAX;
	*ret_end = 0;
	if (failure->space >= view->space_count)
		return;
	space = &view->spaces[failure->space];
	for (uint32_t m = 0; m < space->member_count; m++) {
		const struct view_device *device;

		if (space->members[m] >= view->device_count)
			continue;
		device = &view->devices[space->members[m]];
		for (uint32_t i = 0; i < device->memory_count; i++) {
			const struct segment_memory *memory = &device->memories[i];

			if (memory->kind != failure->kind || memory->bank_bytes == 0)
				continue;
			*ret_base = memory->base;
			*ret_end = memory->base + memory->bank_bytes;
		}
		return;
	}
}

struct advice_work {
	const struct view_failure *failure;
	struct advice *advice;
	uint64_t base, end;
};

static const struct view_failure_buffer *buffer_at(const struct advice_work *work, uint32_t place)
{
	return &work->failure->buffers[work->advice->order[place]];
}

/* Where a hole begins that the buffers from `place` on would leave: the end of the one before. */
static uint64_t hole_start(const struct advice_work *work, uint32_t place)
{
	const struct view_failure_buffer *here = buffer_at(work, place), *before;
	uint64_t end;

	if (!work->advice->complete)
		return here->address;
	if (place == 0)
		return work->base <= here->address ? work->base : here->address;
	before = buffer_at(work, place - 1);
	end = before->address + before->span;
	return end <= here->address ? end : here->address;
}

/* Where it ends, after the buffer at `place`: the start of the next. */
static uint64_t hole_end(const struct advice_work *work, uint32_t place)
{
	const struct view_failure_buffer *here = buffer_at(work, place);
	uint64_t end = here->address + here->span;

	if (!work->advice->complete)
		return end;
	if (place + 1 < work->failure->buffer_count)
		return buffer_at(work, place + 1)->address > end
		               ? buffer_at(work, place + 1)->address
		               : end;
	return work->end > end ? work->end : end;
}

/* Whether one run of frees may go on over this place. When not all buffers are known, what lies
 * between two of them is not. */
static bool is_joined(const struct advice_work *work, uint32_t place)
{
	const struct view_failure_buffer *before = buffer_at(work, place - 1);

	return work->advice->complete ||
	       before->address + before->span == buffer_at(work, place)->address;
}

/* From `first` on, the shortest run that leaves a hole that is large enough. */
static void try_from(struct advice_work *work, uint32_t first)
{
	uint64_t asked = work->failure->span, start = hole_start(work, first), span = 0, bytes = 0;
	struct advice *advice = work->advice;

	for (uint32_t place = first; place < work->failure->buffer_count; place++) {
		const struct view_failure_buffer *buffer = buffer_at(work, place);
		uint64_t end = hole_end(work, place);

		if (buffer->class_then == CLASS_SYSTEM ||
		    (place > first && !is_joined(work, place)))
			return;
		span += buffer->span;
		bytes += buffer->bytes;
		if (advice->known && span >= advice->span)
			return;
		if (end - start < asked)
			continue;
		advice->known = true;
		advice->first = first;
		advice->count = place - first + 1;
		advice->span = span;
		advice->bytes = bytes;
		advice->hole = end - start;
		return;
	}
}

static bool all_placed(const struct view_failure *failure)
{
	for (uint32_t i = 0; i < failure->buffer_count; i++)
		if (failure->buffers[i].address == SEGMENT_NO_ADDRESS)
			return false;
	return true;
}

void advice_make(struct advice *advice, const struct segment_view *view,
                 const struct view_failure *failure)
{
	struct advice_work work = {failure, advice, 0, 0};

	*advice = (struct advice){0};
	advice->complete = failure->buffer_count == failure->buffers_total;
	advice->order = mem_calloc(failure->buffer_count, sizeof(*advice->order));
	for (uint32_t i = 0; i < failure->buffer_count; i++)
		advice->order[i] = i;
	qsort_r(advice->order, failure->buffer_count, sizeof(*advice->order), by_address,
	        failure->buffers);
	memory_bounds(view, failure, &work.base, &work.end);
	advice->placed = all_placed(failure);
	for (uint32_t first = 0;
	     advice->placed && failure->span != 0 && first < failure->buffer_count; first++)
		try_from(&work, first);
}

void advice_finish(struct advice *advice)
{
	free(advice->order);
	advice->order = NULL;
}
