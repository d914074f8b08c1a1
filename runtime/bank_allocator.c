/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free ranges as sorted arrays. The holes of a set are found by walking all members' arrays side by
 * side, so meshes whose members also carry allocations of their own need no second bookkeeping.
 */
#include "bank_allocator.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int bank_allocator_init(struct bank_allocator *allocator, uint64_t base, uint64_t bank_bytes)
{
	*allocator = (struct bank_allocator){.base = base, .end = base + bank_bytes};
	if (allocator->end < base)
		return -EINVAL;
	allocator->free = malloc(sizeof *allocator->free);
	if (!allocator->free)
		return -ENOMEM;
	allocator->room = 1;
	if (bank_bytes != 0) {
		allocator->free[0] = (struct bank_range){base, allocator->end};
		allocator->count = 1;
	}
	return 0;
}

void bank_allocator_finish(struct bank_allocator *allocator)
{
	free(allocator->free);
	*allocator = (struct bank_allocator){0};
}

uint64_t bank_allocator_lowest(const struct bank_allocator *allocator)
{
	if (allocator->count > 0 && allocator->free[0].start == allocator->base)
		return allocator->free[0].end;
	return allocator->base;
}

/* Index of the first free range that ends beyond the address. */
static size_t range_after(const struct bank_allocator *allocator, uint64_t address)
{
	size_t low = 0, high = allocator->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (allocator->free[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The first hole common to all members that ends beyond `from`. */
static bool next_hole(struct bank_set set, uint64_t from, struct bank_range *ret_hole)
{
	for (;;) {
		struct bank_range hole = {from, UINT64_MAX};

		for (size_t i = 0; i < set.count; i++) {
			const struct bank_allocator *member = set.members[i];
			size_t at = range_after(member, from);

			if (at == member->count)
				return false;
			if (member->free[at].start > hole.start)
				hole.start = member->free[at].start;
			if (member->free[at].end < hole.end)
				hole.end = member->free[at].end;
		}
		if (hole.start < hole.end) {
			*ret_hole = hole;
			return true;
		}
		from = hole.end;
	}
}

/* Where in the hole a range of this span would lie; false: nowhere. */
static bool place(struct bank_range hole, uint64_t span, uint64_t align, bool top_down,
		  uint64_t *ret_address)
{
	uint64_t address;

	if (span > hole.end - hole.start)
		return false;
	if (top_down) {
		address = (hole.end - span) & ~(align - 1);
		if (address < hole.start)
			return false;
	} else {
		address = (hole.start + align - 1) & ~(align - 1);
		if (address < hole.start || address > hole.end - span)
			return false;
	}
	*ret_address = address;
	return true;
}

static bool best_fit(struct bank_set set, uint64_t span, uint64_t align, bool top_down,
		     uint64_t *ret_address)
{
	struct bank_range hole;
	uint64_t best = UINT64_MAX, address = 0;

	for (uint64_t from = 0; next_hole(set, from, &hole); from = hole.end) {
		uint64_t length = hole.end - hole.start;

		if (length > best || (length == best && !top_down))
			continue;
		if (!place(hole, span, align, top_down, &address))
			continue;
		best = length;
		*ret_address = address;
	}
	return best != UINT64_MAX;
}

/* Live allocations cut a bank into one free range more than their number: with room for that at
 * every allocation, nothing fails once a member is changed, and giving back never does. */
static int reserve(struct bank_set set)
{
	for (size_t i = 0; i < set.count; i++) {
		struct bank_allocator *member = set.members[i];
		struct bank_range *grown;

		if (member->taken + 2 <= member->room)
			continue;
		grown = realloc(member->free, 2 * member->room * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		member->free = grown;
		member->room *= 2;
	}
	return 0;
}

static void range_insert(struct bank_allocator *member, size_t at, struct bank_range range)
{
	assert(member->count < member->room);
	memmove(&member->free[at + 1], &member->free[at],
		(member->count - at) * sizeof member->free[0]);
	member->free[at] = range;
	member->count++;
}

static void range_remove(struct bank_allocator *member, size_t at)
{
	member->count--;
	memmove(&member->free[at], &member->free[at + 1],
		(member->count - at) * sizeof member->free[0]);
}

static void take(struct bank_allocator *member, uint64_t address, uint64_t span)
{
	size_t at = range_after(member, address);
	struct bank_range *range = &member->free[at];
	uint64_t end = range->end;

	assert(range->start <= address && address + span <= end);
	if (range->start == address && end == address + span) {
		range_remove(member, at);
	} else if (range->start == address) {
		range->start = address + span;
	} else {
		range->end = address;
		if (address + span < end)
			range_insert(member, at + 1, (struct bank_range){address + span, end});
	}
}

static void give(struct bank_allocator *member, uint64_t address, uint64_t span)
{
	size_t at = range_after(member, address);
	bool before = at > 0 && member->free[at - 1].end == address;
	bool after = at < member->count && member->free[at].start == address + span;

	if (before && after) {
		member->free[at - 1].end = member->free[at].end;
		range_remove(member, at);
	} else if (before) {
		member->free[at - 1].end = address + span;
	} else if (after) {
		member->free[at].start = address;
	} else {
		range_insert(member, at, (struct bank_range){address, address + span});
	}
}

static bool is_taken(const struct bank_allocator *member, uint64_t address, uint64_t span)
{
	size_t at = range_after(member, address);

	if (address < member->base || address >= member->end || span > member->end - address)
		return false;
	return at == member->count || member->free[at].start >= address + span;
}

int bank_set_alloc(struct bank_set set, uint64_t span, uint64_t align, bool top_down,
		   uint64_t *ret_address)
{
	uint64_t address = 0;

	if (span == 0 || set.count == 0 || align == 0 || (align & (align - 1)) != 0)
		return -EINVAL;
	if (!best_fit(set, span, align, top_down, &address) || reserve(set) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < set.count; i++) {
		take(set.members[i], address, span);
		set.members[i]->taken++;
	}
	*ret_address = address;
	return 0;
}

int bank_set_free(struct bank_set set, uint64_t address, uint64_t span)
{
	if (span == 0)
		return -EINVAL;
	for (size_t i = 0; i < set.count; i++) {
		if (!is_taken(set.members[i], address, span))
			return -EINVAL;
	}
	for (size_t i = 0; i < set.count; i++) {
		give(set.members[i], address, span);
		set.members[i]->taken--;
	}
	return 0;
}

void bank_set_stats(struct bank_set set, struct bank_stats *ret_stats)
{
	struct bank_stats stats = {0};
	struct bank_range hole;

	if (set.count > 0)
		stats.total_bytes = set.members[0]->end - set.members[0]->base;
	for (uint64_t from = 0; set.count > 0 && next_hole(set, from, &hole); from = hole.end) {
		stats.free_bytes += hole.end - hole.start;
		if (hole.end - hole.start > stats.largest_free_bytes)
			stats.largest_free_bytes = hole.end - hole.start;
	}
	stats.allocated_bytes = stats.total_bytes - stats.free_bytes;
	*ret_stats = stats;
}
