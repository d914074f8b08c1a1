/* SPDX-License-Identifier: Apache-2.0 */
/* The path of every allocation and free; see writer.h. Slots, the free list, the quarantine. */
#include "writer_internal.h"
#include "writer_slot.h"

#include <errno.h>
#include <string.h>

/* Sizes beyond it cannot be device memory; times the banks that are allowed it does not overflow.
 */
#define SIZE_LIMIT (1ull << 48)

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
	if (unlikely(w->slot_high == w->slot_limit && writer_wants_slots(w))) {
		struct writer_growth growth; /* other threads were faster than the one that grows */

		writer_growth_plan(w, &growth);
		writer_growth_prepare(w, &growth);
		writer_grow(w, &growth);
	}
	if (likely(w->slot_high < w->slot_limit))
		return w->slot_high++;
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

static inline struct index_entry *find(struct writer *w, uint64_t hash, uint32_t space)
{
	struct index_entry *entry = index_find(&w->index, hash);

	/* Two keys of one hash are next to impossible, but must not be taken for one another. */
	while (unlikely(entry && space && w->rows[place_row(entry->place)].space != space &&
	                !(w->spaces[space % SEGMENT_MAX_SPACES].flags & MT_UNIQUE_IDS)))
		entry = index_find_next(entry);
	return entry;
}

struct index_entry *record_find(struct writer *w, uint64_t hash, uint32_t space)
{
	return find(w, hash, space);
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
	                             .address = buffer->address,
	                             .bytes_second = buffer->bytes,
	                             .tag_second = buffer->tag ? buffer->tag : call->tag,
	                             .site_second = site_string(w, buffer->site),
	                             .thread_second = call->thread};

	return writer_fault(w, &fault);
}

static uint32_t class_of_flags(uint32_t flags)
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

/* Sizes, class, and what the memory's range says of them. */
static void record_measure(struct record *record)
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
		if (!kind->bank_bytes || record->class == CLASS_VIRTUAL)
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

static void fault_from_record(struct writer_fault *fault, const struct record *record)
{
	fault->space = record->space->handle;
	fault->kind = record->buffer->kind;
	fault->device = record->space->type == SPACE_DEVICE ? record->space->one.start : UINT32_MAX;
	fault->id = record->buffer->id;
	fault->address = record->buffer->address;
	fault->bytes_second = record->buffer->bytes;
	fault->tag_second = record->tag;
	fault->site_second = record->site;
	fault->thread_second = record->call->thread;
}

static mt_result record_fault(struct writer *w, const struct record *record, mt_result type,
                              uint32_t earlier_slot, uint32_t earlier_row)
{
	struct writer_fault fault = {.type = type};

	fault_from_record(&fault, record);
	if (earlier_slot != WRITER_NO_SLOT)
		fault_from_slot(w, &fault, earlier_slot, earlier_row);
	return writer_fault(w, &fault);
}

/* The same id again while it is live. Returns whether the new one is to be recorded. */
static bool alloc_again(struct writer *w, struct record *record, struct index_entry *entry)
{
	uint32_t slot = place_slot(entry->place), row = place_row(entry->place);
	const struct segment_slot *old = slot_at(w, slot);
	struct index_entry *view;

	if (record->class == CLASS_VIEW || record->class == CLASS_SUB) {
		/* A view that goes by its owner's id: one of the frees to come is the view's. */
		view = index_find(&w->views, record->hash);
		if (view)
			view->place++;
		else
			index_insert(&w->views, record->hash, 1);
		if (index_wants_tending(&w->views))
			index_tend(&w->views);
		return false;
	}
	if (old->bytes == record->buffer->bytes && w->rows[row].kind == record->buffer->kind) {
		record->told = record_fault(w, record, MT_DUPLICATE, slot, row);
		return false;
	}
	record->told = record_fault(w, record, MT_REPLACED, slot, row);
	record_end(w, entry, GONE_CREDIT);
	return true;
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

static mt_result record_unrecorded(struct writer *w, const struct record *record)
{
	record_fault(w, record, MT_LOST_EVENTS, WRITER_NO_SLOT, 0);
	count_unrecorded(w);
	return MT_FULL;
}

/* Records what is alike on all members. `entry` is where the index wants its key. */
static inline mt_result record_commit(struct writer *w, struct record *record,
                                      struct index_entry *entry)
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
	if (kind >= w->header->kind_count || kind == MT_CB)
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

/* --- free -------------------------------------------------------------------------------- */

static inline void counters_release(struct writer *w, const struct writer_space *space,
                                    uint32_t kind, uint64_t held)
{
	struct segment_counters *c = &w->counters[kind];

	if (likely(space->run_count == 1)) {
		counters_sub(c, space->one.start, space->one.length, held, w->avx2);
		return;
	}
	for (uint32_t i = 0; i < space->run_count; i++)
		counters_sub(c, space->runs[i].start, space->runs[i].length, held, w->avx2);
}

/* Ends a record that is alike on all members. Inlined, so that the common case, in which the index
 * knows all, is one straight run. */
static inline __attribute__((always_inline)) void
record_end_plain(struct writer *w, struct index_entry *entry, uint64_t bytes, uint64_t held,
                 uint32_t code, uint32_t held_code, uint32_t flags)
{
	uint64_t place = (entry->place & PLACE_SLOT_AND_ROW) | (uint64_t)code << 40;
	uint32_t slot = place_slot(place), row = place_row(place);
	const struct segment_row *r = &w->rows[row];
	struct writer_space *space = &w->spaces[r->space % SEGMENT_MAX_SPACES];
	bool wide = code == SIZE_CODE_NONE || held_code == SIZE_CODE_NONE;
	uint64_t op, time = writer_now(w), hash = entry->hash;

	if (unlikely(w->risen & 1u << r->kind))
		writer_peak_capture(w, r->kind);
	op = batch_begin(w, 1u + wide);
	if (unlikely(wide))
		event_put(w, op++, EVENT_SIZES, 0, time, bytes, held);
	if (unlikely(is_phantom(w, slot))) {
		place |= EVENT_NO_SLOT;
		w->header->no_detail_buffers--;
	}
	/* The id is in the entry: the hash is a bijection of it. */
	event_put(w, op, EVENT_FREE, held_code, time, index_key(hash, space->salt), place);
	if (likely(!is_phantom(w, slot)))
		bit_clear(w, slot);
	row_sub(w, row, bytes, held);
	if (unlikely(!space_is_open(space)))
		space->last_op = op;
	else if (likely(class_is_counted(r->class_now)))
		counters_release(w, space, r->kind, held);
	batch_end(w);
	index_erase(&w->index, entry);
	slot_give(w, slot);
	gone_remember(w, hash, slot, flags);
}

/* Ends a record of which the index does not know the sizes, or that is not plain. */
static __attribute__((noinline)) void record_end_by_slot(struct writer *w,
                                                         struct index_entry *entry, uint32_t flags)
{
	const struct segment_slot *slot = slot_at(w, place_slot(entry->place));
	const struct segment_row *row = &w->rows[slot->row];
	const struct writer_space *space = &w->spaces[row->space % SEGMENT_MAX_SPACES];
	uint64_t held = slot->span;

	if (slot->aux & SLOT_HAS_SHARES || slot->flags & MT_LOCAL) {
		writer_free_special(w, entry, flags);
		return;
	}
	if (!(slot->aux & SLOT_ONE_BANK))
		held *= space->kinds[row->kind].banks;
	if (row->class_now == CLASS_VIRTUAL)
		held = 0;
	record_end_plain(w, entry, slot->bytes, held, size_code(slot->bytes), size_code(held),
	                 flags);
}

static inline __attribute__((always_inline)) void
record_end_inline(struct writer *w, struct index_entry *entry, uint32_t flags)
{
	uint32_t code = place_code(entry->place);
	uint64_t bytes = size_decode(code);

	if (likely(code != SIZE_CODE_NONE))
		record_end_plain(w, entry, bytes, bytes, code, code, flags);
	else
		record_end_by_slot(w, entry, flags);
}

void record_end(struct writer *w, struct index_entry *entry, uint32_t flags)
{
	record_end_inline(w, entry, flags);
}

/* A free that finds nothing live: what is remembered of the dead decides. */
static mt_result free_of_gone(struct writer *w, uint64_t hash, struct writer_fault *fault)
{
	struct writer_gone *found = NULL;

	for (uint32_t i = 1; i <= SEGMENT_QUARANTINE && i <= w->gone_at; i++) {
		struct writer_gone *gone = &w->gone[(w->gone_at - i) % SEGMENT_QUARANTINE];

		if (gone->hash != hash)
			continue;
		if (gone->flags & (GONE_ABSORB | GONE_CREDIT)) {
			mt_result told = gone->flags & GONE_CREDIT ? MT_LATE : MT_OK;

			gone->flags &= GONE_MIRRORED;
			return told;
		}
		if (!found)
			found = gone;
	}
	if (!found)
		return MT_UNKNOWN_FREE;
	fault_from_slot(w, fault, found->slot, slot_at(w, found->slot)->row);
	return MT_DOUBLE_FREE;
}

static mt_result free_unknown(struct writer *w, uint32_t handle, uint64_t id, uint64_t hash,
                              const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	struct writer_fault fault = {.space = handle,
	                             .kind = UINT32_MAX,
	                             .device = UINT32_MAX,
	                             .id = id,
	                             .tag_second = call->tag,
	                             .thread_second = call->thread};

	if (space && writer_free_of_share(w, space, id, call, &fault.type))
		return fault.type;
	fault.type = free_of_gone(w, hash, &fault);
	if (fault.type < MT_DUPLICATE)
		return fault.type;
	if (fault.type == MT_UNKNOWN_FREE && space &&
	    writer_free_of_gone_share(w, space, id, call, &fault.type))
		return fault.type;
	if (fault.type == MT_UNKNOWN_FREE) {
		if (handle && !space)
			fault.type = w->known(handle) ? MT_LATE : MT_UNKNOWN_SPACE;
		else if (space && !space_is_open(space))
			fault.type = MT_LATE;
		else if (space ? space->flags & SPACE_FLAG_INHERITED : w->forked)
			fault.type = MT_INHERITED;
		else if (space ? space->flags & SPACE_FLAG_EXISTING
		               : w->header->state & SEGMENT_STATE_LATE)
			fault.type = MT_BEFORE;
	}
	if (space && space->type == SPACE_DEVICE)
		fault.device = space->one.start;
	return fault.type < MT_DUPLICATE ? fault.type : writer_fault(w, &fault);
}

/* Whether this free is that of a view which goes by its owner's id. */
static bool view_absorbs(struct writer *w, uint64_t hash)
{
	struct index_entry *view = index_find(&w->views, hash);

	if (!view)
		return false;
	if (--view->place == 0)
		index_erase(&w->views, view);
	return true;
}

static mt_result free_elsewhere(struct writer *w, uint32_t handle, const struct index_entry *entry,
                                const struct writer_call *call)
{
	struct writer_fault fault = {.type = MT_WRONG_SPACE,
	                             .device = UINT32_MAX,
	                             .tag_second = call->tag,
	                             .thread_second = call->thread};

	fault_from_slot(w, &fault, place_slot(entry->place), place_row(entry->place));
	fault.space = handle;
	return writer_fault(w, &fault);
}

mt_result writer_free(struct writer *w, uint32_t handle, uint64_t id,
                      const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	uint64_t hash = key_hash(space ? space->salt : 0, id);
	struct index_entry *entry = handle && !space ? NULL : find(w, hash, handle);
	struct writer_space *of;
	mt_result told;

	if (unlikely(!entry))
		return free_unknown(w, handle, id, hash, call);
	of = &w->spaces[w->rows[place_row(entry->place)].space % SEGMENT_MAX_SPACES];
	if (unlikely(handle && of != space))
		return free_elsewhere(w, handle, entry, call);
	if (unlikely(w->views.count) && view_absorbs(w, hash))
		return MT_OK;
	told = likely(space_is_open(of)) ? MT_OK : MT_LATE;
	record_end_inline(w, entry, 0);
	return unlikely(w->pending_count) ? pending_check(w, of, w->pending_count, told) : told;
}
