/* SPDX-License-Identifier: Apache-2.0 */
#include "holes.h"

enum { RADIX_BITS = 8, RADIX = 1 << RADIX_BITS, FEW = 24 };
#define MOST_SPAN ((UINT64_C(1) << 62) - 1)

static bool describe_memory(const struct machine_process *process, uint32_t row, uint32_t kind,
                            struct hole_memory *memory)
{
	const struct segment_view *view = process->view;
	bool found = false;

	for (uint32_t d = 0; d < view->device_count; d++)
		for (uint32_t i = 0; i < view->devices[d].memory_count; i++) {
			const struct segment_memory *from = &view->devices[d].memories[i];

			if (process->rows[d] != row || from->kind >= view->kind_count ||
			    process->kinds[from->kind] != kind || from->bank_bytes == 0)
				continue;
			*memory = (struct hole_memory){from->base, from->bank_bytes, from->banks};
			found = true;
		}
	return found;
}

bool holes_memory(const struct machine *machine, uint32_t row, uint32_t kind,
                  struct hole_memory *ret_memory)
{
	const struct machine_process *process;
	bool found = false;

	vec_for (process, &machine->processes)
		if (process->view != NULL && process->counted)
			found = describe_memory(process, row, kind, ret_memory) || found;
	return found;
}

void holes_add(struct hole_extents *extents, const struct hole_memory *memory,
               const struct view_buffer *buffer)
{
	struct hole_extent *extent;

	if (buffer->incomplete || buffer->address == SEGMENT_NO_ADDRESS) {
		extents->known = false;
		extents->no_address += !buffer->incomplete;
		return;
	}
	extents->known = extents->known && buffer->address >= memory->base &&
	                 buffer->address + buffer->span >= buffer->address;
	extent = vec_add(extents);
	extent->start = buffer->address;
	extent->span = (buffer->span <= MOST_SPAN ? buffer->span : MOST_SPAN) & MOST_SPAN;
	extent->class_now = buffer->class_now & 3u;
}

static void sort_few(struct hole_extent *items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct hole_extent item = items[i];
		size_t at = i;

		for (; at > 0 && items[at - 1].start > item.start; at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

static size_t digit(const struct hole_extent *item, unsigned shift)
{
	return item->start >> shift & (RADIX - 1);
}

/* By the digit at `shift` and all below it, in place: a million of them take a quarter of what
 * qsort() takes, and no memory. Those above are equal. */
static void sort_digits(struct hole_extent *items, size_t count, unsigned shift)
{
	size_t ends[RADIX] = {0}, next[RADIX], at = 0;

	if (count <= FEW) {
		sort_few(items, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		ends[digit(&items[i], shift)]++;
	for (size_t d = 0; d < RADIX; d++) {
		next[d] = at;
		at += ends[d];
		ends[d] = at;
	}
	for (size_t d = 0; d < RADIX; d++)
		while (next[d] < ends[d]) {
			struct hole_extent *item = &items[next[d]], swap;
			size_t home = digit(item, shift);

			swap = items[next[home]];
			items[next[home]++] = *item;
			*item = swap;
		}
	for (size_t d = 0; d < RADIX && shift > 0; d++) {
		size_t start = d > 0 ? ends[d - 1] : 0;

		sort_digits(items + start, ends[d] - start,
		            shift > RADIX_BITS ? shift - RADIX_BITS : 0);
	}
}

void holes_sort(struct hole_extents *extents)
{
	uint64_t differ = 0;
	unsigned bits = 0;
	bool sorted = true;

	for (size_t i = 1; i < extents->count; i++) {
		differ |= extents->items[i].start ^ extents->items[0].start;
		sorted = sorted && extents->items[i].start >= extents->items[i - 1].start;
	}
	while (bits < 64 && differ >> bits != 0)
		bits++;
	if (!sorted)
		sort_digits(extents->items, extents->count,
		            bits > RADIX_BITS ? bits - RADIX_BITS : 0);
}

void holes_walk(struct hole_extents *extents, const struct hole_memory *memory,
                void (*found)(void *arg, uint64_t address, uint64_t bytes), void *arg)
{
	uint64_t at = memory->base, end = memory->base + memory->bank_bytes;
	const struct hole_extent *extent;

	holes_sort(extents);
	vec_for (extent, extents) {
		uint64_t extent_end = hole_extent_end(extent);

		if (extent->start > at)
			found(arg, at, extent->start - at);
		at = extent_end > at ? extent_end : at;
	}
	if (end > at)
		found(arg, at, end - at);
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

static void add_buffers(struct hole_extents *extents, const struct hole_memory *memory,
                        const struct machine_process *process, uint32_t row, uint32_t kind)
{
	const struct segment_view *view = process->view;

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];

		if (buffer->closed || buffer->class_now >= CLASS_COUNTED_LIMIT ||
		    process->kinds[buffer->kind] != kind || buffer->span == 0 ||
		    !is_on(process, buffer, row))
			continue;
		holes_add(extents, memory, buffer);
	}
}

static void add_hole(void *arg, uint64_t address, uint64_t bytes)
{
	struct holes *holes = arg;

	(void)address;
	holes->free += bytes;
	holes->count++;
	holes->largest = bytes > holes->largest ? bytes : holes->largest;
}

bool holes_accounted(const struct machine *machine, uint32_t row, uint32_t kind)
{
	const struct machine_process *process;

	vec_for (process, &machine->processes)
		if (process->view != NULL && process->counted &&
		    process->view->no_detail_buffers != 0)
			return false;
	return machine->devices.items[row].figures[kind].unclassified_bytes == 0;
}

void holes_find(const struct machine *machine, uint32_t row, uint32_t kind, struct holes *ret_holes)
{
	struct hole_memory memory = {0};
	struct hole_extents extents = {.known = true};
	struct holes holes = {0};
	const struct machine_process *process;

	if (holes_memory(machine, row, kind, &memory)) {
		vec_for (process, &machine->processes)
			if (process->view != NULL && process->counted)
				add_buffers(&extents, &memory, process, row, kind);
		holes_walk(&extents, &memory, add_hole, &holes);
		holes.known = extents.known && holes_accounted(machine, row, kind);
	}
	holes.bank_bytes = memory.bank_bytes;
	holes.banks = memory.banks;
	vec_finish(&extents);
	*ret_holes = holes;
}
