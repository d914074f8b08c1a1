/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On the path of every event. Slots: taking, filling, giving back, and remembering what was freed.
 * Records: what class and sizes they have, and what they add to the counters.
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

/* Sizes beyond it cannot be device memory; times the banks that are allowed it does not overflow.
 */
#define SIZE_LIMIT (1ull << 48)

static inline uint32_t class_of_flags(uint32_t flags)
{
	if (likely(!(flags & (MT_VIRTUAL | MT_VIEW | MT_SUB | MT_IMPORT | MT_SYSTEM | MT_CACHE))))
		return CLASS_USER;
	if (flags & MT_VIRTUAL)
		return CLASS_VIRTUAL;
	if (flags & MT_VIEW)
		return CLASS_VIEW;
	if (flags & MT_SUB)
		return CLASS_SUB;
	if (flags & MT_IMPORT)
		return CLASS_IMPORT;
	return flags & MT_SYSTEM ? CLASS_SYSTEM : CLASS_CACHE;
}

/* Sizes, class, and what the memory's range says of them. */
static inline void record_measure(struct record *record)
{
	const struct mt_buffer *buffer = record->buffer;
	const struct writer_kind *kind = &record->space->kinds[buffer->kind];
	uint64_t end = kind->base + kind->bank_bytes;

	record->one_bank = buffer->span == 0;
	record->span = buffer->span ? buffer->span : buffer->bytes;
	record->class = class_of_flags(buffer->flags);
	record->told = record->class == CLASS_VIRTUAL ? MT_VIRTUAL_ONLY : MT_OK;
	if (likely(record->span < SIZE_LIMIT && buffer->bytes < SIZE_LIMIT)) {
		record->held = record->one_bank ? record->span : record->span * kind->banks;
		if (!kind->bank_bytes || record->class == CLASS_VIRTUAL ||
		    buffer->flags & MT_NO_ADDRESS)
			return;
		if (likely(buffer->address >= kind->base && buffer->address < end)) {
			if (likely(record->span <= end - buffer->address))
				return;
			record->told = MT_OUT_OF_RANGE;
		} else {
			record->told = MT_VIRTUAL_ONLY;
		}
	} else if (record->class != CLASS_VIRTUAL) {
		record->told = MT_OUT_OF_RANGE;
	}
	record->held = 0;
	record->class = CLASS_VIRTUAL;
}

static inline void counters_record(struct writer *w, const struct record *record)
{
	struct segment_counters *c = &w->counters[record->buffer->kind];
	const struct writer_space *space = record->space;
	bool rose = false;

	if (likely(space->run_count == 1)) {
		rose = counters_add(c, space->one.start, space->one.length, record->held, w->avx2);
	} else {
		for (uint32_t i = 0; i < space->run_count; i++)
			rose |= counters_add(c, space->runs[i].start, space->runs[i].length,
			                     record->held, w->avx2);
	}
	if (unlikely(rose))
		w->risen |= 1u << record->buffer->kind;
	if (unlikely(rose || w->overflown & 1u << record->buffer->kind))
		pending_note(w, space, record->buffer, record->tag, record->site,
		             record->call->thread);
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
