/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the free memory of a device is cut up: the holes between the buffers, per bank.
 */
#ifndef MESHTALLY_ANALYZE_HOLES_H
#define MESHTALLY_ANALYZE_HOLES_H

#include "machine.h"

struct holes {
	bool known; /* every byte is accounted for by a buffer with an address */
	uint64_t free, largest, count;
	uint64_t bank_bytes;
	uint32_t banks;
};

/* Needs views with buffers. */
void holes_find(const struct machine *machine, uint32_t row, uint32_t kind,
                struct holes *ret_holes);

/* What that is made of, for whoever sees the buffers one by one. */
struct hole_memory {
	uint64_t base, bank_bytes;
	uint32_t banks;
};
/* As the processes that count describe it. False: nobody does. */
bool holes_memory(const struct machine *machine, uint32_t row, uint32_t kind,
                  struct hole_memory *ret_memory);
/* Whether no process has buffers that nobody can place. */
bool holes_accounted(const struct machine *machine, uint32_t row, uint32_t kind);

/* Where a buffer lies. Small, because there are many. */
struct hole_extent {
	uint64_t start;
	uint64_t span : 62, class_now : 2; /* a counted class */
};
struct hole_extents {
	VEC_FIELDS(struct hole_extent)
	bool known;          /* each lies in the memory, at a known address; true to begin with */
	uint64_t no_address; /* buffers of which the address is not known: they are not in it */
};
void holes_add(struct hole_extents *extents, const struct hole_memory *memory,
               const struct view_buffer *buffer);
/* By where they start. */
void holes_sort(struct hole_extents *extents);
/* Sorts the extents and calls found() with each hole, ascending. */
void holes_walk(struct hole_extents *extents, const struct hole_memory *memory,
                void (*found)(void *arg, uint64_t address, uint64_t bytes), void *arg);
static inline uint64_t hole_extent_end(const struct hole_extent *extent)
{
	return extent->start + extent->span >= extent->start ? extent->start + extent->span
	                                                     : UINT64_MAX;
}

#endif
