/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going over the slots of a segment, whose writer may be at work, in runs that
 * are read at once: for snapshots (reader_slots.c) and the streamed pass
 * (reader_stream.c). What is handed out is whole, belongs to the op of the copy
 * or an earlier one, and nothing else about it is believed.
 */
#ifndef MESHTALLY_SEGMENT_READER_WALK_H
#define MESHTALLY_SEGMENT_READER_WALK_H

#include "reader_copy.h"

struct slot_walk;

/* One record; `detail` as it was read with the run, NULL: it was not. Nonzero
 * ends the walk. */
typedef int (*walk_found)(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                          const struct segment_detail *detail);

struct slot_walk {
	struct reader_copy *copy;
	walk_found found;
	uint32_t slot_count; /* that have a bit */
	uint64_t *bitmap;    /* of the slots to look at, as it was at the beginning */
	uint64_t *taken;     /* slots that are not looked at any more; NULL none */
	bool only_live;      /* what has been freed since the beginning is left out */
	uint32_t rereads;
	struct segment_slot *run;
	struct segment_detail *run_details;
};

/* Memory for the walk, which ends with the copy; copies the bitmap. */
int walk_init(struct slot_walk *walk, struct reader_copy *copy, walk_found found);
static inline uint32_t walk_words(const struct slot_walk *walk)
{
	return (walk->slot_count + 63) / 64;
}
/* The words of the next run from `word` on: up to a gap of words without a bit.
 * 0: no more. */
uint32_t walk_next(const struct slot_walk *walk, uint32_t *word);
/* The slots of these words. */
int walk_run(struct slot_walk *walk, uint32_t word, uint32_t words);

/* The detail of a slot, with its shares in the copy; `given` is one that was
 * read already. 1: it has one, 0: it has none, -ESTALE: they are another
 * record's by now. */
int walk_detail_read(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                     const struct segment_detail *given, struct segment_detail *ret_detail);
static inline int walk_detail(struct slot_walk *walk, const struct segment_slot *slot,
                              uint32_t number, const struct segment_detail *given,
                              struct segment_detail *ret_detail)
{
	if ((slot->aux & (SLOT_HAS_DETAIL | SLOT_HAS_SHARES)) == 0)
		return 0;
	return walk_detail_read(walk, slot, number, given, ret_detail);
}

uint64_t slot_offset(const struct reader_copy *copy, uint32_t slot);
static inline bool slot_is_whole(const struct segment_slot *slot)
{
	return slot_op(slot) != 0 && slot_check(slot) == slot->check;
}

static inline bool bit_test(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

static inline void bit_put(uint64_t *words, uint32_t bit, bool value)
{
	if (value)
		words[bit / 64] |= 1ull << bit % 64;
	else
		words[bit / 64] &= ~(1ull << bit % 64);
}

#endif
