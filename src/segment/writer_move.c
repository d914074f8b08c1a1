/* SPDX-License-Identifier: Apache-2.0 */
/* A live record that belongs elsewhere from now on; see writer.h. */
#include "writer_internal.h"
#include "writer_slot.h"

#include <errno.h>

/* A live record, and what it is to become. */
struct move {
	struct record record;
	struct mt_buffer buffer;
	struct writer_call call;
	struct writer_space *from;
	struct index_entry *entry;
	uint32_t slot, row;       /* the old ones */
	uint64_t bytes, held;     /* the old record's */
	uint32_t code, held_code; /* of these */
	bool elsewhere;           /* to another space */
};

static void move_read(struct writer *w, struct move *move, uint32_t tag)
{
	const struct segment_slot *slot = slot_at(w, move->slot);
	const struct segment_row *row = &w->rows[move->row];
	bool detail = slot->aux & SLOT_HAS_DETAIL;

	move->bytes = slot->bytes;
	move->held = row->class_now == CLASS_VIRTUAL ? 0 : slot->span;
	if (!(slot->aux & SLOT_ONE_BANK))
		move->held *= move->from->kinds[row->kind].banks;
	move->code = size_code(move->bytes);
	move->held_code = size_code(move->held);
	move->buffer = (struct mt_buffer){
		.space = move->record.space->handle,
		.id = slot->id,
		.address = slot->address,
		.bytes = slot->bytes,
		.span = slot->aux & SLOT_ONE_BANK ? 0 : slot->span,
		.parent = detail ? w->details[move->slot].parent : 0,
		.region = detail ? w->details[move->slot].region : 0,
		.kind = row->kind,
		.flags = slot->flags,
	};
	move->call = (struct writer_call){.thread = slot->thread};
	move->record.buffer = &move->buffer;
	move->record.call = &move->call;
	move->record.tag = tag && tag < w->header->regions[REGION_TAGS].count ? tag : row->tag;
	move->record.site = slot->site;
	move->record.time = slot->time;
	record_measure(&move->record);
	if (move->elsewhere)
		return;
	move->record.class = row->class_now;
	if (move->record.told == MT_OUT_OF_RANGE) /* that was told when it was allocated */
		move->record.told = MT_VIRTUAL_ONLY;
}

/* Whether this record can be moved there. */
static mt_result move_find(struct writer *w, struct move *move, uint32_t handle, uint64_t id,
                           uint32_t to)
{
	struct writer_space *space = space_find(w, handle);
	uint64_t hash = key_hash(space ? space->salt : 0, id);
	const struct segment_slot *slot;
	mt_result absence;

	if (handle && !space)
		return MT_BAD_ARGUMENT;
	move->entry = record_find(w, hash, handle);
	if (!move->entry) {
		absence = record_absence(w, space);
		return absence == MT_UNKNOWN_FREE ? MT_BAD_ARGUMENT : absence;
	}
	move->slot = place_slot(move->entry->place);
	move->row = place_row(move->entry->place);
	move->from = &w->spaces[w->rows[move->row].space % SEGMENT_MAX_SPACES];
	move->record.space = to ? space_find(w, to) : move->from;
	slot = slot_at(w, move->slot);
	if ((handle && move->from != space) || !move->record.space ||
	    !space_is_open(move->record.space) || !space_is_open(move->from) ||
	    slot->aux & SLOT_HAS_SHARES || slot->flags & MT_LOCAL)
		return MT_BAD_ARGUMENT;
	move->elsewhere = move->record.space != move->from;
	move->record.hash = key_hash(move->record.space->salt, id);
	if (!move->elsewhere)
		return MT_OK;
	if (move->record.space->type != SPACE_DEVICE || move->from->type != SPACE_DEVICE)
		return MT_BAD_ARGUMENT;
	return move->record.hash != hash && record_find(w, move->record.hash, to) ? MT_DUPLICATE
	                                                                          : MT_OK;
}

/* The index says where it is from now on. */
static int move_index(struct writer *w, struct move *move, uint32_t slot)
{
	uint64_t bytes = move->buffer.bytes, old = move->entry->hash, place;
	struct index_entry *known;

	place = place_pack(slot, move->record.row,
	                   bytes == move->record.held ? size_code(bytes) : SIZE_CODE_NONE);
	if (move->record.hash == old) {
		move->entry->place = place;
		return 0;
	}
	if (index_insert(&w->index, move->record.hash, place))
		return -ENOMEM;
	index_erase(&w->index, record_find(w, old, move->from->handle));
	known = index_find(&w->views, old);
	if (known && index_insert(&w->views, move->record.hash, known->place) == 0)
		index_erase(&w->views, index_find(&w->views, old));
	return 0;
}

/* Both ends in one batch: a reader sees it here or there. */
static void move_commit(struct writer *w, struct move *move, uint32_t slot)
{
	const struct record *record = &move->record;
	uint32_t code = size_code(move->buffer.bytes), held_code = size_code(record->held);
	bool wide_old = move->code == SIZE_CODE_NONE || move->held_code == SIZE_CODE_NONE;
	bool wide = code == SIZE_CODE_NONE || held_code == SIZE_CODE_NONE;
	uint32_t shown_old = is_phantom(w, move->slot) ? EVENT_NO_SLOT : move->slot;
	uint32_t shown = is_phantom(w, slot) ? EVENT_NO_SLOT : slot;
	uint64_t op, now = writer_now(w);

	op = batch_begin(w, 2u + wide_old + wide);
	if (wide_old)
		event_put(w, op++, EVENT_SIZES, 0, now, move->bytes, move->held);
	event_put(w, op++, EVENT_FREE, move->held_code, now, move->buffer.id,
	          place_pack(shown_old, move->row, move->code));
	if (wide)
		event_put(w, op++, EVENT_SIZES, 0, now, move->buffer.bytes, record->held);
	slot_fill(w, record, slot, op);
	if (move->buffer.parent || move->buffer.region)
		detail_put(w, slot, move->buffer.parent, move->buffer.region);
	event_put(w, op, EVENT_ALLOC, held_code, now, move->buffer.id,
	          place_pack(shown, record->row, code));
	/* The new one first: who is killed in between is seen twice, rather than not at all. */
	if (!is_phantom(w, slot))
		bit_set(w, slot);
	if (!is_phantom(w, move->slot))
		bit_clear(w, move->slot);
	else if (!is_phantom(w, slot))
		w->header->no_detail_buffers--;
	row_sub(w, move->row, move->bytes, move->held);
	if (class_is_counted(w->rows[move->row].class_now))
		counters_release(w, move->from, move->buffer.kind, move->held);
	row_add(w, record->row, move->buffer.bytes, record->held);
	if (class_is_counted(record->class))
		counters_record(w, record);
	batch_end(w);
}

/* It is the next event of both devices. `before`: what was pending when it began. */
static mt_result move_pending(struct writer *w, const struct move *move, uint32_t before)
{
	uint32_t count = w->pending_count;
	mt_result told = move->record.told;

	if (move->elsewhere) {
		told = pending_check(w, move->from, before, told);
		before -= count - w->pending_count;
	}
	return pending_check(w, move->record.space, before, told);
}

mt_result writer_move(struct writer *w, uint32_t handle, uint64_t id, uint32_t to, uint32_t tag)
{
	uint32_t slot, pending = w->pending_count;
	struct move move = {0};
	mt_result told = move_find(w, &move, handle, id, to);

	if (told != MT_OK)
		return told;
	move_read(w, &move, tag);
	if (!move.elsewhere && move.record.tag == w->rows[move.row].tag)
		return MT_OK;
	move.record.row = writer_row(w, move.record.space, move.buffer.kind, move.record.class,
	                             move.record.tag);
	slot = move.record.row == UINT32_MAX ? WRITER_NO_SLOT : slot_take(w);
	if (slot == WRITER_NO_SLOT)
		return MT_FULL;
	if ((is_phantom(w, slot) && !is_phantom(w, move.slot)) || move_index(w, &move, slot)) {
		slot_give(w, slot);
		return MT_FULL;
	}
	if (w->risen & 1u << move.buffer.kind)
		writer_peak_capture(w, move.buffer.kind);
	if (move.record.told == MT_OUT_OF_RANGE)
		record_fault(w, &move.record, MT_OUT_OF_RANGE, WRITER_NO_SLOT, 0);
	move_commit(w, &move, slot);
	slot_give(w, move.slot);
	return pending ? move_pending(w, &move, pending) : move.record.told;
}
