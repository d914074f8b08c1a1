/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots on the path of every event: taking, filling, giving back, and remembering what was freed.
 * Freed slots wait in a queue, of which the last SEGMENT_QUARANTINE are not reused. For the files
 * of the writer only.
 */
#ifndef MESHTALLY_SEGMENT_WRITER_SLOT_H
#define MESHTALLY_SEGMENT_WRITER_SLOT_H

#include "writer_internal.h"

uint32_t slot_take_new(struct writer *w);
void phantom_give(struct writer *w, uint32_t slot);

/* A slot to fill: the one freed longest ago if enough are in quarantine, else a new one. */
static inline uint32_t slot_take(struct writer *w)
{
	uint32_t slot;

	if (unlikely(w->free_count <= SEGMENT_QUARANTINE))
		return slot_take_new(w);
	slot = w->free_queue[w->free_head & w->free_mask];
	w->free_head++;
	w->free_count--;
	/* The one after the next: by then its line is here. */
	__builtin_prefetch(&w->slots[w->free_queue[(w->free_head + 1) & w->free_mask]], 1);
	if (unlikely(w->slots[slot].aux & SLOT_HAS_SHARES))
		shares_release(w, slot);
	return slot;
}

static inline void slot_give(struct writer *w, uint32_t slot)
{
	if (is_phantom(w, slot)) {
		phantom_give(w, slot);
		return;
	}
	w->free_queue[(w->free_head + w->free_count) & w->free_mask] = slot;
	w->free_count++;
}

static inline void slot_fill(struct writer *w, const struct record *record, uint32_t slot_number,
                             uint64_t op)
{
	const struct mt_buffer *buffer = record->buffer;
	struct segment_slot *slot = slot_at(w, slot_number);

	slot->id = buffer->id;
	slot->address = buffer->address;
	slot->bytes = buffer->bytes;
	slot->span = record->span;
	slot->op_low = (uint32_t)op;
	slot->op_high = (uint16_t)(op >> 32);
	slot->aux = record->one_bank ? SLOT_ONE_BANK : 0;
	slot->time = record->time;
	slot->row = (uint16_t)record->row;
	slot->flags = (uint16_t)buffer->flags;
	slot->thread = record->call->thread;
	slot->site = record->site;
	slot->check = slot_check_of(
		buffer->id, buffer->address, buffer->bytes, record->span, op, record->time,
		slot_tail(record->row, buffer->flags, record->call->thread), record->site);
}

static inline void gone_remember(struct writer *w, uint64_t hash, uint32_t slot, uint32_t flags)
{
	struct writer_gone *gone = &w->gone[w->gone_at++ % SEGMENT_QUARANTINE];

	gone->hash = hash;
	gone->slot = slot;
	gone->flags = flags;
}

/* The live record of a key, as record_find() has it. */
static inline struct index_entry *record_find_inline(struct writer *w, uint64_t hash,
                                                     uint32_t space)
{
	struct index_entry *entry = index_find(&w->index, hash);

	/* Two keys of one hash are next to impossible, but must not be taken for one another. */
	while (unlikely(entry && space && w->rows[place_row(entry->place)].space != space &&
	                !(w->spaces[space % SEGMENT_MAX_SPACES].flags & MT_UNIQUE_IDS)))
		entry = index_find_next(entry);
	return entry;
}

#endif
