/* SPDX-License-Identifier: Apache-2.0 */
/* The path of every allocation; see writer.h. Slots, and what does not fit into them. */
#include "writer_internal.h"
#include "writer_slot.h"

#include <errno.h>
#include <string.h>

void writer_inexact(struct writer *w)
{
	struct segment_header *header = w->header;

	if (!(header->state & SEGMENT_STATE_INEXACT))
		header->inexact_op = w->op;
	header->state |= SEGMENT_STATE_INEXACT;
}

static void count_unrecorded(struct writer *w)
{
	w->header->unrecorded++;
	writer_inexact(w);
}

void writer_unrecorded(struct writer *w)
{
	const struct writer_fault fault = {
		.type = MT_LOST_EVENTS, .kind = UINT32_MAX, .device = UINT32_MAX};

	writer_fault(w, &fault);
	count_unrecorded(w);
}

void writer_age(struct writer *w)
{
	for (uint64_t i = 0; i <= w->ring_mask; i++)
		writer_event(w, EVENT_NONE, 0);
}

void writer_event(struct writer *w, uint32_t type, uint64_t id)
{
	uint64_t op = batch_begin(w, 1);

	event_put(w, op, type, 0, writer_now(w), id, place_pack(EVENT_NO_SLOT, 0, 0));
	batch_end(w);
}

/* --- slots ------------------------------------------------------------------------------- */

enum { PHANTOMS_AT_ONCE = 8192, PHANTOM_RETRY_OPS = 4096 };

static bool phantoms_allowed(struct writer *w)
{
	if (w->op < w->phantom_retry_op)
		return false;
	if (segment_memory_allows(PHANTOMS_AT_ONCE * (sizeof *w->phantoms + sizeof(uint32_t))))
		return true;
	w->phantom_retry_op = w->op + PHANTOM_RETRY_OPS;
	return false;
}

static uint32_t phantom_take(struct writer *w)
{
	uint32_t slot = w->phantom_head;

	if (slot) {
		w->phantom_head = w->phantom_next[slot - 1];
		return w->slot_base + slot - 1;
	}
	if (!w->phantoms) {
		w->phantoms = private_map((size_t)SEGMENT_MAX_SLOTS * sizeof *w->phantoms);
		w->phantom_next = private_map((size_t)SEGMENT_MAX_SLOTS * sizeof(uint32_t));
	}
	if (!w->phantoms || !w->phantom_next || w->slot_base + w->phantom_high >= EVENT_NO_SLOT ||
	    (w->phantom_high % PHANTOMS_AT_ONCE == 0 && !phantoms_allowed(w)))
		return WRITER_NO_SLOT;
	return w->slot_base + w->phantom_high++;
}

/* A slot that was never used, or failing that a phantom. */
uint32_t slot_take_new(struct writer *w)
{
	if (w->fresh_from < w->fresh_to)
		return w->fresh_from++;
	if (unlikely(w->slot_high == w->slot_limit && writer_wants_slots(w))) {
		struct writer_growth growth; /* other threads were faster than the one that grows */

		writer_growth_plan(w, &growth);
		writer_growth_prepare(w, &growth);
		writer_grow(w, &growth);
	}
	if (likely(w->slot_high < w->slot_limit))
		return w->slot_high++;
	if (w->parked_count && slots_unpark(w))
		return w->fresh_from++;
	return phantom_take(w);
}

void phantom_give(struct writer *w, uint32_t slot)
{
	w->phantom_next[slot - w->slot_base] = w->phantom_head;
	w->phantom_head = slot - w->slot_base + 1;
}

enum { DETAILS_AT_ONCE = 1024 };

/* Writes what a slot has no room for. -ENOSPC where that cannot be. */
int detail_put(struct writer *w, uint32_t slot, uint64_t parent, uint32_t region)
{
	struct segment_detail *detail = &w->details[slot];
	uint32_t chunk = slot / DETAILS_AT_ONCE;
	uint64_t bytes = DETAILS_AT_ONCE * sizeof *detail;

	if (is_phantom(w, slot))
		return -ENOSPC;
	if (!(w->details_ready[chunk / 64] & 1ull << chunk % 64)) {
		if (segment_file_populate(&w->file,
		                          w->header->regions[REGION_DETAILS].offset + chunk * bytes,
		                          bytes))
			return -ENOSPC;
		w->details_ready[chunk / 64] |= 1ull << chunk % 64;
	}
	memset(detail, 0, sizeof *detail);
	detail->parent = parent;
	detail->region = region;
	detail->op = slot_op(&w->slots[slot]);
	detail->check = detail_check(detail);
	if (w->header->regions[REGION_DETAILS].count < (chunk + 1) * DETAILS_AT_ONCE)
		region_count(w, REGION_DETAILS, (chunk + 1) * DETAILS_AT_ONCE);
	__atomic_store_n(&w->slots[slot].aux, (uint16_t)(w->slots[slot].aux | SLOT_HAS_DETAIL),
	                 __ATOMIC_RELEASE);
	return 0;
}

struct index_entry *record_find(struct writer *w, uint64_t hash, uint32_t space)
{
	return record_find_inline(w, hash, space);
}

uint32_t site_string(struct writer *w, const char *site)
{
	return site && *site ? writer_string(w, site) : 0;
}

/* --- allocation -------------------------------------------------------------------------- */

static mt_result alloc_nowhere(struct writer *w, const struct mt_buffer *buffer,
                               const struct writer_call *call)
{
	struct writer_fault fault = {.type = MT_UNKNOWN_SPACE,
	                             .space = buffer->space,
	                             .kind = buffer->kind,
	                             .device = UINT32_MAX,
	                             .id = buffer->id,
	                             .address = known_address(buffer->address, buffer->flags),
	                             .bytes_second = buffer->bytes,
	                             .tag_second = buffer->tag ? buffer->tag : call->tag,
	                             .site_second = site_string(w, buffer->site),
	                             .thread_second = call->thread};

	return writer_fault(w, &fault);
}

/* Where members differ, the record says the largest. */
static const struct mt_buffer *uneven_largest(const struct writer_space *space,
                                              const struct mt_buffer *buffer,
                                              struct mt_buffer *copy)
{
	*copy = *buffer;
	copy->bytes = 0;
	for (uint32_t i = 0; i < space->member_count; i++) {
		if (buffer->uneven_bytes[i] > copy->bytes)
			copy->bytes = buffer->uneven_bytes[i];
	}
	return copy;
}

static void fault_from_record(struct writer_fault *fault, const struct record *record)
{
	fault->space = record->space->handle;
	fault->kind = record->buffer->kind;
	fault->device = record->space->type == SPACE_DEVICE ? record->space->one.start : UINT32_MAX;
	fault->id = record->buffer->id;
	fault->address = known_address(record->buffer->address, record->buffer->flags);
	fault->bytes_second = record->buffer->bytes;
	fault->tag_second = record->tag;
	fault->site_second = record->site;
	fault->thread_second = record->call->thread;
}

mt_result record_fault(struct writer *w, const struct record *record, mt_result type,
                       uint32_t earlier_slot, uint32_t earlier_row)
{
	struct writer_fault fault = {.type = type};

	fault_from_record(&fault, record);
	if (earlier_slot != WRITER_NO_SLOT)
		fault_from_slot(w, &fault, earlier_slot, earlier_row);
	return writer_fault(w, &fault);
}

void repeats_show(struct writer *w, uint32_t slot_number, uint64_t count)
{
	struct segment_slot *slot = slot_at(w, slot_number);
	uint32_t shown = count < SLOT_REPEATS_MAX ? (uint32_t)count : SLOT_REPEATS_MAX;
	uint32_t others = slot->aux & ((1u << SLOT_REPEATS_SHIFT) - 1);

	__atomic_store_n(&slot->aux, (uint16_t)(others | shown << SLOT_REPEATS_SHIFT),
	                 __ATOMIC_RELEASE);
}

/* `more` of the frees to come are not that of the record itself. */
static void repeat_note(struct writer *w, uint64_t hash, uint32_t slot, uint64_t more)
{
	struct index_entry *known = index_find(&w->views, hash);
	uint64_t count = (known ? known->place : 0) + more;

	if (known)
		known->place = count;
	else if (index_insert(&w->views, hash, count))
		return;
	if (w->repeats != REPEATS_ARE_FAULTS)
		repeats_show(w, slot, count);
	if (index_wants_tending(&w->views))
		index_tend(&w->views);
}

void writer_repeats_put(struct writer *w, uint64_t hash, uint32_t space, uint32_t count)
{
	struct index_entry *entry = record_find(w, hash, space);

	if (entry && count && w->repeats != REPEATS_ARE_FAULTS)
		repeat_note(w, hash, place_slot(entry->place), count);
}

/* The same id again while it is live. Returns whether the new one is to be recorded. */
static bool alloc_again(struct writer *w, struct record *record, struct index_entry *entry)
{
	uint32_t slot = place_slot(entry->place), row = place_row(entry->place);
	const struct segment_slot *old = slot_at(w, slot);
	uint32_t repeats = 0;

	if (record->class == CLASS_VIEW || record->class == CLASS_SUB) {
		/* A view that goes by its owner's id: one of the frees to come is the view's. */
		repeat_note(w, record->hash, slot, 1);
		return false;
	}
	if (old->bytes == record->buffer->bytes && w->rows[row].kind == record->buffer->kind) {
		if (w->repeats == REPEATS_ARE_FAULTS) {
			record->told = record_fault(w, record, MT_DUPLICATE, slot, row);
			return false;
		}
		w->repeated++;
		repeat_note(w, record->hash, slot, 1);
		return false;
	}
	record->told = record_fault(w, record, MT_REPLACED, slot, row);
	if (w->repeats != REPEATS_ARE_FAULTS)
		repeats = repeats_take(w, record->hash);
	record_end(w, entry, GONE_CREDIT | repeats);
	return true;
}

static mt_result record_unrecorded(struct writer *w, const struct record *record)
{
	record_fault(w, record, MT_LOST_EVENTS, WRITER_NO_SLOT, 0);
	count_unrecorded(w);
	return MT_FULL;
}

/* Records what is alike on all members. `entry` is where the index wants its key. */
static inline __attribute__((always_inline)) mt_result
record_commit(struct writer *w, struct record *record, struct index_entry *entry)
{
	const struct mt_buffer *buffer = record->buffer;
	uint32_t code = size_code(buffer->bytes);
	uint32_t held_code = buffer->bytes == record->held ? code : size_code(record->held);
	uint32_t entry_code = buffer->bytes == record->held ? code : SIZE_CODE_NONE;
	bool wide = code == SIZE_CODE_NONE || held_code == SIZE_CODE_NONE;
	uint32_t slot = slot_take(w);
	uint64_t op, place = (uint64_t)slot | (uint64_t)record->row << 24;

	if (unlikely(slot == WRITER_NO_SLOT))
		return record_unrecorded(w, record);
	if (unlikely(index_insert_at(&w->index, entry, record->hash,
	                             place | (uint64_t)entry_code << 40))) {
		slot_give(w, slot);
		return record_unrecorded(w, record);
	}
	op = batch_begin(w, 1u + wide);
	if (unlikely(wide))
		event_put(w, op++, EVENT_SIZES, 0, record->time, buffer->bytes, record->held);
	slot_fill(w, record, slot, op);
	if (unlikely(buffer->parent || buffer->region))
		detail_put(w, slot, buffer->parent, buffer->region);
	if (unlikely(is_phantom(w, slot)))
		place |= EVENT_NO_SLOT;
	event_put(w, op, EVENT_ALLOC, held_code, record->time, buffer->id,
	          place | (uint64_t)code << 40);
	if (likely(!is_phantom(w, slot))) {
		bit_set(w, slot);
	} else {
		w->header->no_detail_buffers++;
		w->header->state |= SEGMENT_STATE_DEGRADED;
		if (record->told == MT_OK)
			record->told = MT_NO_DETAIL;
	}
	row_add(w, record->row, buffer->bytes, record->held);
	if (likely(class_is_counted(record->class)))
		counters_record(w, record);
	batch_end(w);
	return record->told;
}

static bool is_special(const struct writer *w, const struct record *record)
{
	const struct mt_buffer *buffer = record->buffer;

	if (buffer->flags & MT_LOCAL && buffer->parent && record->space->type == SPACE_DEVICE)
		return true;
	if (record->space->type != SPACE_MESH)
		return false;
	return buffer->uneven_bytes || !record->space->kinds[buffer->kind].alike ||
	       (buffer->flags & MT_BACKING && w->locals.count);
}

static inline bool kind_is_ready(const struct writer *w, uint32_t kind)
{
	return kind < SEGMENT_MAX_KINDS && kind != MT_CB && w->kinds_ready & 1u << kind;
}

/* A kind that no device has declared, or none at all. */
static __attribute__((noinline)) mt_result kind_make_ready(struct writer *w, uint32_t kind)
{
	/* Programs tell their circular buffers by mt_program_*; a proxy has only ranges. */
	if (kind >= w->header->kind_count ||
	    (kind == MT_CB && !(w->header->compat & SEGMENT_COMPAT_PROXY)))
		return MT_BAD_ARGUMENT;
	if (counters_need(w, kind) == 0)
		return MT_OK;
	writer_unrecorded(w);
	return MT_FULL;
}

mt_result writer_alloc(struct writer *w, const struct mt_buffer *buffer,
                       const struct writer_call *call)
{
	struct record record;
	uint32_t pending = w->pending_count;
	struct index_entry *old, *at;
	struct mt_buffer uneven, local;
	mt_result told;

	record.call = call;
	record.space = space_find(w, buffer->space);
	if (unlikely(!record.space || !space_is_open(record.space)))
		return alloc_nowhere(w, buffer, call);
	if (unlikely(buffer->flags & MT_LOCAL) &&
	    (!buffer->parent || record.space->type != SPACE_DEVICE)) {
		local = *buffer; /* the share of nothing: a record like any other */
		local.flags &= ~(uint32_t)MT_LOCAL;
		buffer = &local;
	}
	if (unlikely(buffer->uneven_bytes != NULL) && record.space->type == SPACE_MESH)
		buffer = uneven_largest(record.space, buffer, &uneven);
	record.buffer = buffer;
	if (unlikely(!kind_is_ready(w, buffer->kind))) {
		told = kind_make_ready(w, buffer->kind);
		if (told != MT_OK)
			return told;
	}
	record.tag = call->tag;
	if (buffer->tag)
		record.tag = buffer->tag < w->header->regions[REGION_TAGS].count ? buffer->tag : 0;
	record.site = buffer->site ? site_string(w, buffer->site) : 0;
	record.time = writer_now(w);
	record.hash = key_hash(record.space->salt, buffer->id);
	record_measure(&record);
	index_step(&w->index);
	at = index_locate(&w->index, record.hash);
	if (unlikely(at->hash == record.hash)) {
		old = record_find(w, record.hash, buffer->space);
		if (old && !alloc_again(w, &record, old))
			return record.told;
		at = index_locate(&w->index, record.hash);
	}
	if (unlikely(record.told == MT_OUT_OF_RANGE))
		record_fault(w, &record, MT_OUT_OF_RANGE, WRITER_NO_SLOT, 0);
	record.row = writer_row(w, record.space, buffer->kind, record.class, record.tag);
	if (unlikely(record.row == UINT32_MAX))
		return record_unrecorded(w, &record);
	told = unlikely(is_special(w, &record)) ? writer_alloc_special(w, &record)
	                                        : record_commit(w, &record, at);
	return unlikely(pending) ? pending_check(w, record.space, pending, told) : told;
}

mt_result writer_record_put(struct writer *w, struct record *record)
{
	uint32_t kind = record->buffer->kind;

	writer_tend(w);
	if (!(w->kinds_ready & 1u << kind) && counters_need(w, kind))
		return MT_FULL;
	if (record_find(w, record->hash, record->space->handle))
		return MT_DUPLICATE;
	record->row = writer_row(w, record->space, kind, record->class, record->tag);
	if (record->row == UINT32_MAX)
		return MT_FULL;
	if (is_special(w, record))
		return writer_alloc_special(w, record);
	index_step(&w->index);
	return record_commit(w, record, index_locate(&w->index, record->hash));
}
