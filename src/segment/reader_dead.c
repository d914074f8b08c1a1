/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the dead came in the batch that they never completed: the last operation whose commit
 * point was stored. The records themselves are decided by their bits; this finds the op number that
 * they are the state of.
 */
#include "reader_copy.h"

enum { BATCH_MAX = 65536 };

static bool slot_is_live(const struct reader_copy *copy, uint32_t slot, uint64_t op)
{
	const struct segment_region *regions = copy->header.regions;
	struct segment_slot found;
	uint64_t word;

	if (slot >= regions[REGION_SLOTS].count || slot / 64 >= regions[REGION_BITMAP].count)
		return false;
	source_read(copy->fd, &word, regions[REGION_BITMAP].offset + slot / 64 * sizeof word,
	            sizeof word);
	source_read(copy->fd, &found, regions[REGION_SLOTS].offset + slot * sizeof found,
	            sizeof found);
	return word >> slot % 64 & 1 && (op == 0 || slot_op(&found) == op);
}

static bool share_is_gone(struct reader_copy *copy, uint32_t slot, uint32_t member)
{
	const struct segment_region *region = &copy->header.regions[REGION_DETAILS];
	const struct segment_shares *shares;
	struct segment_detail detail;

	if (slot >= region->count)
		return false;
	source_read(copy->fd, &detail, region->offset + slot * sizeof detail, sizeof detail);
	shares = copy_shares(copy, &detail, false);
	return shares && member < shares->members && shares->words[member / 64] >> member % 64 & 1;
}

static bool space_was_changed(const struct reader_copy *copy, uint64_t handle, uint64_t op)
{
	const struct segment_space *space = copy_element(
		copy, REGION_SPACES, (uint32_t)handle % SEGMENT_MAX_SPACES, sizeof *space);

	return space && space->handle == handle &&
	       (space->open_op == op || space->ready_op == op || space->close_op == op);
}

static void event_read(const struct reader_copy *copy, uint64_t op, struct segment_event *ret)
{
	const struct segment_region *ring = &copy->header.regions[REGION_RING];

	source_read(copy->fd, ret, ring->offset + op % ring->count * sizeof *ret, sizeof *ret);
	if (ret->type_op >> 32 != (op & UINT32_MAX))
		ret->type_op = EVENT_NONE;
}

/* Whether a FREE is that of a move which was done: the ALLOC that follows it is of the same id, and
 * its bit is set. The bit of the FREE is cleared only after that. */
static bool was_moved(const struct reader_copy *copy, const struct segment_event *event,
                      uint64_t op)
{
	uint64_t end = copy->header.reserve;
	struct segment_event next = {.type_op = EVENT_NONE};

	if (op < end)
		event_read(copy, ++op, &next);
	if ((next.type_op & 0xff) == EVENT_SIZES && op < end)
		event_read(copy, ++op, &next);
	return (next.type_op & 0xff) == EVENT_ALLOC && next.id == event->id &&
	       slot_is_live(copy, (uint32_t)next.place & 0xffffffu, op);
}

static bool was_done(struct reader_copy *copy, const struct segment_event *event, uint64_t op)
{
	uint32_t slot = (uint32_t)event->place & 0xffffffu;

	switch (event->type_op & 0xff) {
	case EVENT_NONE:
		return false;
	case EVENT_ALLOC:
		return slot == EVENT_NO_SLOT || slot_is_live(copy, slot, op);
	case EVENT_FREE:
		return slot == EVENT_NO_SLOT || !slot_is_live(copy, slot, 0) ||
		       was_moved(copy, event, op);
	case EVENT_SHARE:
		return share_is_gone(copy, slot, (uint32_t)(event->type_op >> 8) & 0xffffffu);
	case EVENT_OPEN:
	case EVENT_READY:
	case EVENT_CLOSE:
		return space_was_changed(copy, event->id, op);
	}
	return true;
}

/* Whether what was begun after `op` can be a batch. */
static bool is_batch(const struct reader_copy *copy, uint64_t op)
{
	uint64_t end = copy->header.reserve;

	return end >= op && end - op <= BATCH_MAX &&
	       end - op <= copy->header.regions[REGION_RING].count;
}

void dead_op(struct reader_copy *copy)
{
	struct segment_event event;

	while (is_batch(copy, copy->op) && copy->op < copy->header.reserve) {
		event_read(copy, copy->op + 1, &event);
		if (!was_done(copy, &event, copy->op + 1))
			return;
		copy->op++;
	}
}

void dead_moves(const struct reader_copy *copy, uint64_t *bitmap, uint32_t slots)
{
	struct segment_event event;
	uint64_t op = copy->header.commit;

	while (is_batch(copy, op) && op < copy->header.reserve) {
		event_read(copy, ++op, &event);
		if ((event.type_op & 0xff) == EVENT_FREE && was_moved(copy, &event, op)) {
			uint32_t slot = (uint32_t)event.place & 0xffffffu;

			if (slot < slots)
				bitmap[slot / 64] &= ~(1ull << slot % 64);
		}
	}
}
