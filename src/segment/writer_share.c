/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records whose members are not all alike: shares that went one by one, uneven sizes, members that
 * differ in banks, and LOCAL records that take over the shares of a backing one. They are counted
 * in rows of their members. See writer_internal.h and docs/segment-format.md, 1.4.
 */
#include "writer_share.h"

#include <errno.h>
#include <string.h>

static uint64_t shares_bytes(uint32_t members, bool uneven)
{
	return sizeof(struct segment_shares) +
	       8ull * ((members + 63) / 64 + (uneven ? members : 0));
}

struct segment_shares *slot_shares(struct writer *w, const struct segment_slot *slot,
                                   uint32_t slot_number)
{
	return slot->aux & SLOT_HAS_SHARES ? block_at(w, w->details[slot_number].shares_block)
	                                   : NULL;
}

bool shares_gone(const struct segment_shares *shares, uint32_t member)
{
	return shares->words[member / 64] & 1ull << member % 64;
}

void shares_set_gone(struct segment_shares *shares, uint32_t member)
{
	uint64_t *word = &shares->words[member / 64];

	__atomic_store_n(word, *word | 1ull << member % 64, __ATOMIC_RELEASE);
}

void shares_release(struct writer *w, uint32_t slot_number)
{
	struct segment_slot *slot = slot_at(w, slot_number);
	struct segment_shares *shares = slot_shares(w, slot, slot_number);

	__atomic_store_n(&slot->aux, (uint16_t)(slot->aux & ~SLOT_HAS_SHARES), __ATOMIC_RELEASE);
	block_free(w, w->details[slot_number].shares_block,
	           shares_bytes(shares->members, shares->uneven));
}

/* Gives a slot a block of shares, none of them gone. NULL where there is no room. */
static struct segment_shares *shares_attach(struct writer *w, uint32_t slot_number,
                                            uint32_t members, const uint64_t *uneven)
{
	struct segment_slot *slot = slot_at(w, slot_number);
	struct segment_shares *shares;
	uint32_t block;

	if (is_phantom(w, slot_number))
		return NULL;
	if (!(slot->aux & SLOT_HAS_DETAIL) && detail_put(w, slot_number, 0, 0))
		return NULL;
	block = block_alloc(w, shares_bytes(members, uneven));
	if (!block)
		return NULL;
	shares = block_at(w, block);
	shares->op = slot_op(slot);
	shares->members = members;
	shares->uneven = uneven != NULL;
	if (uneven)
		memcpy(shares->words + (members + 63) / 64, uneven, 8ull * members);
	__atomic_store_n(&w->details[slot_number].shares_block, block, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->aux, (uint16_t)(slot->aux | SLOT_HAS_SHARES), __ATOMIC_RELEASE);
	return shares;
}

uint64_t share_bytes(struct writer *w, const struct segment_slot *slot, uint32_t slot_number,
                     uint32_t member)
{
	const struct segment_shares *shares = slot_shares(w, slot, slot_number);

	return shares && shares->uneven ? shares->words[(shares->members + 63) / 64 + member]
	                                : slot->bytes;
}

static uint64_t member_banks(const struct writer *w, uint32_t device, uint32_t kind)
{
	const struct segment_device *d = &w->devices[device];

	for (uint32_t i = 0; i < d->memory_count; i++) {
		if (d->memories[i].kind == kind)
			return d->memories[i].banks;
	}
	return 1;
}

uint64_t share_held(struct writer *w, const struct writer_space *space,
                    const struct segment_slot *slot, uint32_t slot_number, uint32_t member,
                    uint32_t kind)
{
	if (w->rows[slot->row].class_now == CLASS_VIRTUAL)
		return 0;
	if (slot->aux & SLOT_ONE_BANK)
		return share_bytes(w, slot, slot_number, member);
	return slot->span * member_banks(w, space->members[member], kind);
}

/* Books one share in or out of the row of its member and the counters of its device. */
void share_book(struct writer *w, uint32_t slot_number, uint32_t member, bool in)
{
	const struct segment_slot *slot = slot_at(w, slot_number);
	const struct segment_row *all = &w->rows[slot->row];
	const struct writer_space *space = &w->spaces[all->space % SEGMENT_MAX_SPACES];
	uint32_t kind = all->kind, class = all->class_now, device = space->members[member];
	uint64_t bytes = share_bytes(w, slot, slot_number, member);
	uint64_t held = share_held(w, space, slot, slot_number, member, kind);
	uint32_t row = writer_row_slow(w, space, member, kind, class, all->tag);
	bool counted = class_is_counted(class) && space_is_open(space);

	if (row == UINT32_MAX) {
		writer_inexact(w);
		return;
	}
	if (in) {
		row_add(w, row, bytes, held);
		if (counted && counters_add(&w->counters[kind], device, 1, held, w->avx2))
			w->risen |= 1u << kind;
	} else {
		row_sub(w, row, bytes, held);
		if (counted)
			counters_sub(&w->counters[kind], device, 1, held, w->avx2);
	}
}

/* Turns a record that was alike on all members into one of single shares. Within a batch. */
void record_divide(struct writer *w, uint32_t slot_number)
{
	const struct segment_slot *slot = slot_at(w, slot_number);
	struct segment_row *all = &w->rows[slot->row];
	const struct writer_space *space = &w->spaces[all->space % SEGMENT_MAX_SPACES];
	uint64_t held = slot->span;

	w->spaces[all->space % SEGMENT_MAX_SPACES].specials++;
	if (!(slot->aux & SLOT_ONE_BANK))
		held *= space->kinds[all->kind].banks;
	if (all->class_now == CLASS_VIRTUAL)
		held = 0;
	all->bytes -= slot->bytes;
	all->held -= held;
	all->buffers--;
	for (uint32_t member = 0; member < space->member_count; member++) {
		uint32_t row;

		if (space->members[member] == SPACE_REMOTE)
			continue;
		row = writer_row_slow(w, space, member, all->kind, all->class_now, all->tag);
		if (row == UINT32_MAX) {
			writer_inexact(w);
			continue;
		}
		w->rows[row].bytes += slot->bytes;
		w->rows[row].held += held;
		w->rows[row].buffers++;
	}
}

/* The shares of a live record; makes them if need be, and says so. */
struct segment_shares *shares_of(struct writer *w, struct index_entry *entry, bool *ret_fresh)
{
	uint32_t slot_number = place_slot(entry->place);
	struct segment_slot *slot = slot_at(w, slot_number);
	struct segment_shares *shares = slot_shares(w, slot, slot_number);
	const struct writer_space *space;

	*ret_fresh = !shares;
	if (shares)
		return shares;
	space = &w->spaces[w->rows[slot->row].space % SEGMENT_MAX_SPACES];
	shares = shares_attach(w, slot_number, space->member_count, NULL);
	if (shares)
		entry->place = place_pack(slot_number, slot->row, SIZE_CODE_NONE);
	return shares;
}

/* --- LOCAL and BACKING ------------------------------------------------------------------- */

static uint64_t local_hash(uint64_t parent, uint32_t device)
{
	return key_hash((device + 1) * 0xa0761d6478bd642full, parent);
}

/* The live backing record of this id on a mesh with this device. */
struct index_entry *backing_find(struct writer *w, uint64_t id, uint32_t device,
                                 uint32_t *ret_member)
{
	uint32_t spaces = w->header->regions[REGION_SPACES].count;
	struct index_entry *entry = record_find(w, key_hash(0, id), 0);

	if (entry) {
		uint32_t handle = w->rows[place_row(entry->place)].space;
		const struct writer_space *space = &w->spaces[handle % SEGMENT_MAX_SPACES];

		*ret_member = space_member_of(space, device);
		if (*ret_member != UINT32_MAX && space->type == SPACE_MESH)
			return entry;
	}
	for (uint32_t at = 0; at < spaces; at++) {
		const struct writer_space *space = &w->spaces[at];

		if (!space->handle || space->type != SPACE_MESH || !space->salt)
			continue;
		*ret_member = space_member_of(space, device);
		if (*ret_member == UINT32_MAX)
			continue;
		entry = record_find(w, key_hash(space->salt, id), space->handle);
		if (entry && slot_at(w, place_slot(entry->place))->flags & MT_BACKING)
			return entry;
	}
	return NULL;
}

struct index_entry *local_find(struct writer *w, uint64_t parent, uint32_t device, uint32_t slot)
{
	struct index_entry *entry = index_find(&w->locals, local_hash(parent, device));

	while (entry && slot != WRITER_NO_SLOT && entry->place != slot)
		entry = index_find_next(entry);
	return entry;
}

/* The index entry of the record in a slot. */
struct index_entry *entry_of_slot(struct writer *w, uint32_t slot_number)
{
	const struct segment_slot *slot = slot_at(w, slot_number);
	uint32_t handle = w->rows[slot->row].space;

	return record_find(w, key_hash(w->spaces[handle % SEGMENT_MAX_SPACES].salt, slot->id),
	                   handle);
}

void share_event(struct writer *w, uint64_t op, uint32_t slot, uint32_t member, uint64_t time)
{
	const struct segment_slot *s = slot_at(w, slot);

	event_put(w, op, EVENT_SHARE, member, time, s->id, place_pack(slot, s->row, 0));
}

/* Puts a filled record into the file: event, detail, bit. `op` is that of its event. */
static void special_put(struct writer *w, struct record *record, uint32_t slot, uint64_t op)
{
	const struct mt_buffer *buffer = record->buffer;

	event_put(w, op - 1, EVENT_SIZES, 0, record->time, buffer->bytes, record->held);
	event_put(w, op, EVENT_ALLOC, SIZE_CODE_NONE, record->time, buffer->id,
	          place_pack(is_phantom(w, slot) ? EVENT_NO_SLOT : slot, record->row,
	                     SIZE_CODE_NONE));
	if (!is_phantom(w, slot)) {
		bit_set(w, slot);
		return;
	}
	w->header->no_detail_buffers++;
	w->header->state |= SEGMENT_STATE_DEGRADED;
}

static mt_result alloc_local(struct writer *w, struct record *record, uint32_t slot)
{
	const struct mt_buffer *buffer = record->buffer;
	uint32_t device = record->space->one.start, member = 0, backing = WRITER_NO_SLOT;
	struct index_entry *entry = backing_find(w, buffer->parent, device, &member);
	struct segment_shares *shares = NULL;
	struct segment_counters *c = &w->counters[buffer->kind];
	bool fresh = false, takes = false;
	uint64_t op;

	if (entry) {
		backing = place_slot(entry->place);
		shares = shares_of(w, entry, &fresh);
		takes = shares && !shares_gone(shares, member);
	}
	op = batch_begin(w, 2u + takes) + 1;
	slot_fill(w, record, slot, op);
	if (detail_put(w, slot, buffer->parent, buffer->region) == 0)
		index_insert(&w->locals, local_hash(buffer->parent, device), slot);
	special_put(w, record, slot, op);
	if (shares)
		shares->locals++;
	if (fresh && shares)
		record_divide(w, backing);
	if (takes) { /* out before in: no peak is doubled */
		share_event(w, op + 1, backing, member, record->time);
		shares_set_gone(shares, member);
		share_book(w, backing, member, false);
	}
	row_add(w, record->row, buffer->bytes, record->held);
	if (class_is_counted(record->class)) {
		if (counters_add(c, device, 1, record->held, w->avx2))
			w->risen |= 1u << buffer->kind;
		pending_note(w, record->space, buffer, record->tag, record->site,
		             record->call->thread);
	}
	batch_end(w);
	return record->told;
}

/* A record on a mesh that is divided from the start: uneven, unlike, or partly taken over. */
static mt_result alloc_divided(struct writer *w, struct record *record, uint32_t slot)
{
	const struct mt_buffer *buffer = record->buffer;
	const struct writer_space *space = record->space;
	struct segment_shares *shares;
	uint64_t op = batch_begin(w, 2) + 1;

	slot_fill(w, record, slot, op);
	if (buffer->parent || buffer->region)
		detail_put(w, slot, buffer->parent, buffer->region);
	shares = shares_attach(w, slot, space->member_count, buffer->uneven_bytes);
	if (!shares) {
		event_put(w, op - 1, EVENT_NONE, 0, record->time, 0, 0);
		event_put(w, op, EVENT_NONE, 0, record->time, 0, 0);
		batch_end(w);
		return MT_FULL;
	}
	for (uint32_t member = 0; buffer->flags & MT_BACKING && member < space->member_count;
	     member++) {
		if (space->members[member] == SPACE_REMOTE ||
		    !local_find(w, buffer->id, space->members[member], WRITER_NO_SLOT))
			continue;
		shares_set_gone(shares, member);
		shares->locals++;
	}
	special_put(w, record, slot, op);
	for (uint32_t member = 0; member < space->member_count; member++) {
		if (space->members[member] != SPACE_REMOTE && !shares_gone(shares, member))
			share_book(w, slot, member, true);
	}
	if (class_is_counted(record->class))
		pending_note(w, space, buffer, record->tag, record->site, record->call->thread);
	batch_end(w);
	return record->told;
}

mt_result writer_alloc_special(struct writer *w, struct record *record)
{
	uint32_t slot = slot_take(w);
	mt_result told;

	if (slot == WRITER_NO_SLOT) {
		writer_unrecorded(w);
		return MT_FULL;
	}
	if (index_wants_tending(&w->locals))
		index_tend(&w->locals);
	if (index_insert(&w->index, record->hash, place_pack(slot, record->row, SIZE_CODE_NONE))) {
		slot_give(w, slot);
		writer_unrecorded(w);
		return MT_FULL;
	}
	record->space->specials++;
	told = record->space->type == SPACE_DEVICE ? alloc_local(w, record, slot)
	                                           : alloc_divided(w, record, slot);
	if (told == MT_FULL) {
		index_erase(&w->index, record_find(w, record->hash, record->space->handle));
		slot_give(w, slot);
		writer_unrecorded(w);
		record->space->specials--;
	}
	return told;
}
