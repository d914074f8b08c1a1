/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of one memory of one chip, and of sets of them in lockstep. An address is an offset
 * within each bank and is taken on all banks at once, so one list of free ranges describes them
 * all. A set takes one address that is free on every member: that is how a mesh gets a buffer. Best
 * fit, bottom-up or top-down; neighbours are merged when they are freed. Callers hold the machine's
 * lock.
 */
#ifndef RUNTIME_BANK_ALLOCATOR_H
#define RUNTIME_BANK_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bank_range {
	uint64_t start, end;
};

struct bank_allocator {
	uint64_t base, end;
	struct bank_range *free; /* sorted, never touching each other */
	size_t count, room;
	size_t taken; /* live allocations */
};

struct bank_set {
	struct bank_allocator *const *members;
	size_t count;
};

/* Bytes per bank. Of a set: free on all members at once. */
struct bank_stats {
	uint64_t total_bytes, allocated_bytes, free_bytes, largest_free_bytes;
};

int bank_allocator_init(struct bank_allocator *allocator, uint64_t base, uint64_t bank_bytes);
void bank_allocator_finish(struct bank_allocator *allocator);

/* The lowest address in use; the end of the bank where nothing is. */
uint64_t bank_allocator_lowest(const struct bank_allocator *allocator);

/* -ENOMEM: no hole is large enough on all members; nothing was taken. align is a power of two. */
int bank_set_alloc(struct bank_set set, uint64_t span, uint64_t align, bool top_down,
		   uint64_t *ret_address);

/* -EINVAL: the range is not taken on all members; nothing was given back. */
int bank_set_free(struct bank_set set, uint64_t address, uint64_t span);

void bank_set_stats(struct bank_set set, struct bank_stats *ret_stats);

#endif
