/* SPDX-License-Identifier: Apache-2.0 */
/* The path of every free; see writer.h. What is freed twice, late, elsewhere, or by a child. */
#include "writer_internal.h"
#include "writer_slot.h"

enum { REPEATS_LIMIT = 1 << 22 };

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

			gone->flags &= ~(uint32_t)(GONE_ABSORB | GONE_CREDIT);
			return told;
		}
		if (gone->flags >= GONE_REPEAT) {
			gone->flags -= GONE_REPEAT;
			return MT_OK;
		}
		if (!found)
			found = gone;
	}
	if (!found)
		return MT_UNKNOWN_FREE;
	fault_from_slot(w, fault, found->slot, slot_at(w, found->slot)->row);
	return MT_DOUBLE_FREE;
}

mt_result record_absence(const struct writer *w, const struct writer_space *space)
{
	if (space ? space->flags & SPACE_FLAG_INHERITED : w->forked)
		return MT_INHERITED;
	if (space ? space->flags & SPACE_FLAG_EXISTING : w->header->state & SEGMENT_STATE_LATE)
		return MT_BEFORE;
	return MT_UNKNOWN_FREE;
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
		else
			fault.type = record_absence(w, space);
	}
	if (space && space->type == SPACE_DEVICE)
		fault.device = space->one.start;
	return fault.type < MT_DUPLICATE ? fault.type : writer_fault(w, &fault);
}

uint32_t repeats_take(struct writer *w, uint64_t hash)
{
	struct index_entry *known = index_find(&w->views, hash);
	uint64_t count = known ? known->place : 0;

	if (known)
		index_erase(&w->views, known);
	return (uint32_t)(count < REPEATS_LIMIT ? count : REPEATS_LIMIT) * GONE_REPEAT;
}

/* A free where there are views that go by their owners' ids, or repeats. */
static __attribute__((noinline)) mt_result free_among_repeats(struct writer *w, uint64_t hash,
                                                              struct index_entry *entry,
                                                              const struct writer_space *of)
{
	mt_result told = space_is_open(of) ? MT_OK : MT_LATE;
	struct index_entry *known;

	if (w->repeats == REPEATS_COLLAPSE) {
		record_end(w, entry, repeats_take(w, hash));
	} else {
		known = index_find(&w->views, hash);
		if (known) {
			uint64_t left = --known->place;

			if (left == 0)
				index_erase(&w->views, known);
			if (w->repeats == REPEATS_COUNT)
				repeats_show(w, place_slot(entry->place), left);
			return MT_OK;
		}
		record_end(w, entry, 0);
	}
	return w->pending_count ? pending_check(w, of, w->pending_count, told) : told;
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

bool writer_is_live(const struct writer *w, uint32_t handle, uint64_t id)
{
	const struct writer_space *space = &w->spaces[handle % SEGMENT_MAX_SPACES];

	/* Finding changes nothing. */
	return handle && space->handle == handle &&
	       record_find_inline((struct writer *)w, key_hash(space->salt, id), handle);
}

bool writer_would_absorb(const struct writer *w, uint32_t handle, uint64_t id)
{
	uint64_t hash = key_hash(space_salt(handle), id);

	for (uint32_t i = 1; i <= SEGMENT_QUARANTINE && i <= w->gone_at; i++) {
		const struct writer_gone *gone = &w->gone[(w->gone_at - i) % SEGMENT_QUARANTINE];

		if (gone->hash == hash &&
		    (gone->flags & (GONE_ABSORB | GONE_CREDIT) || gone->flags >= GONE_REPEAT))
			return true;
	}
	return false;
}

mt_result writer_free(struct writer *w, uint32_t handle, uint64_t id,
                      const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	uint64_t hash = key_hash(space ? space->salt : 0, id);
	struct index_entry *entry = handle && !space ? NULL : record_find_inline(w, hash, handle);
	struct writer_space *of;
	mt_result told;

	if (unlikely(!entry))
		return free_unknown(w, handle, id, hash, call);
	of = &w->spaces[w->rows[place_row(entry->place)].space % SEGMENT_MAX_SPACES];
	if (unlikely(handle && of != space))
		return free_elsewhere(w, handle, entry, call);
	if (unlikely(w->views.count))
		return free_among_repeats(w, hash, entry, of);
	told = likely(space_is_open(of)) ? MT_OK : MT_LATE;
	record_end_inline(w, entry, 0);
	return unlikely(w->pending_count) ? pending_check(w, of, w->pending_count, told) : told;
}
