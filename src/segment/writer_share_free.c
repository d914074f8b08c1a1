/* SPDX-License-Identifier: Apache-2.0 */
/* The end of divided records and of single shares of theirs. See writer_share.h. */
#include "writer_share.h"

#include <string.h>

static bool is_exhausted(const struct writer_space *space, const struct segment_shares *shares)
{
	for (uint32_t member = 0; member < space->member_count; member++) {
		if (space->members[member] != SPACE_REMOTE && !shares_gone(shares, member))
			return false;
	}
	return shares->locals == 0;
}

static void free_events(struct writer *w, uint64_t op, uint32_t slot_number, uint64_t held)
{
	const struct segment_slot *slot = slot_at(w, slot_number);
	uint64_t time = writer_now(w);

	event_put(w, op, EVENT_SIZES, 0, time, slot->bytes, held);
	event_put(w, op + 1, EVENT_FREE, SIZE_CODE_NONE, time, slot->id,
	          place_pack(is_phantom(w, slot_number) ? EVENT_NO_SLOT : slot_number, slot->row,
	                     SIZE_CODE_NONE));
	if (!is_phantom(w, slot_number))
		bit_clear(w, slot_number);
	else
		w->header->no_detail_buffers--;
}

/* Ends a LOCAL record; its backing one is not looked at. */
static void local_end(struct writer *w, struct index_entry *entry, uint32_t flags)
{
	uint32_t slot_number = place_slot(entry->place);
	const struct segment_slot *slot = slot_at(w, slot_number);
	const struct segment_row *row = &w->rows[slot->row];
	struct writer_space *space = &w->spaces[row->space % SEGMENT_MAX_SPACES];
	uint64_t held = share_held(w, space, slot, slot_number, 0, row->kind);
	uint64_t op, hash = entry->hash;

	if (slot->aux & SLOT_HAS_DETAIL) {
		struct index_entry *local = local_find(w, w->details[slot_number].parent,
		                                       space->one.start, slot_number);

		if (local)
			index_erase(&w->locals, local);
	}
	if (w->risen & 1u << row->kind)
		writer_peak_capture(w, row->kind);
	op = batch_begin(w, 2);
	free_events(w, op, slot_number, held);
	row_sub(w, slot->row, slot->bytes, held);
	if (class_is_counted(row->class_now) && space_is_open(space))
		counters_sub(&w->counters[row->kind], space->one.start, 1, held, w->avx2);
	batch_end(w);
	space->last_op = w->op;
	space->specials--;
	index_erase(&w->index, entry);
	slot_give(w, slot_number);
	gone_remember(w, hash, slot_number, flags);
}

/* Ends a divided record: what is left of its shares, and the LOCAL records that took over others.
 */
static void divided_end(struct writer *w, struct index_entry *entry, uint32_t flags)
{
	uint32_t slot_number = place_slot(entry->place);
	const struct segment_slot *slot = slot_at(w, slot_number);
	const struct segment_row *row = &w->rows[slot->row];
	struct writer_space *space = &w->spaces[row->space % SEGMENT_MAX_SPACES];
	struct segment_shares *shares = slot_shares(w, slot, slot_number);
	uint64_t op, hash = entry->hash;

	for (uint32_t member = 0; shares->locals && member < space->member_count; member++) {
		struct index_entry *local;

		if (space->members[member] == SPACE_REMOTE || !shares_gone(shares, member))
			continue;
		local = local_find(w, slot->id, space->members[member], WRITER_NO_SLOT);
		if (local)
			local_end(w, entry_of_slot(w, (uint32_t)local->place), GONE_ABSORB);
	}
	if (w->risen & 1u << row->kind)
		writer_peak_capture(w, row->kind);
	op = batch_begin(w, 2);
	free_events(w, op, slot_number, slot->span);
	for (uint32_t member = 0; member < space->member_count; member++) {
		if (space->members[member] != SPACE_REMOTE && !shares_gone(shares, member))
			share_book(w, slot_number, member, false);
	}
	batch_end(w);
	space->last_op = w->op;
	if (space->specials)
		space->specials--;
	index_erase(&w->index, record_find(w, hash, row->space));
	slot_give(w, slot_number);
	gone_remember(w, hash, slot_number, flags);
}

void writer_free_special(struct writer *w, struct index_entry *entry, uint32_t flags)
{
	uint32_t slot_number = place_slot(entry->place), member;
	const struct segment_slot *slot = slot_at(w, slot_number);
	const struct writer_space *space =
		&w->spaces[w->rows[slot->row].space % SEGMENT_MAX_SPACES];
	uint32_t device = space->one.start;
	uint64_t parent;
	struct segment_shares *shares;

	if (slot->aux & SLOT_HAS_SHARES) {
		divided_end(w, entry, flags);
		return;
	}
	parent = slot->aux & SLOT_HAS_DETAIL ? w->details[slot_number].parent : 0;
	local_end(w, entry, flags);
	entry = parent ? backing_find(w, parent, device, &member) : NULL;
	if (!entry)
		return;
	slot_number = place_slot(entry->place);
	slot = slot_at(w, slot_number);
	shares = slot_shares(w, slot, slot_number);
	if (!shares || !shares->locals)
		return;
	shares->locals--;
	if (is_exhausted(&w->spaces[w->rows[slot->row].space % SEGMENT_MAX_SPACES], shares))
		divided_end(w, entry, GONE_ABSORB);
}

/* --- one share --------------------------------------------------------------------------- */

static mt_result free_on_fault(struct writer *w, mt_result type, uint32_t slot, uint32_t handle,
                               uint64_t id, uint32_t device, const struct writer_call *call)
{
	struct writer_fault fault = {.type = type,
	                             .space = handle,
	                             .kind = UINT32_MAX,
	                             .id = id,
	                             .tag_second = call->tag,
	                             .thread_second = call->thread};

	if (slot != WRITER_NO_SLOT)
		fault_from_slot(w, &fault, slot, slot_at(w, slot)->row);
	fault.device = device;
	return writer_fault(w, &fault);
}

/* A mirrored free after the record itself was freed: absorbed once per member. */
static mt_result free_on_gone(struct writer *w, uint64_t hash, uint32_t handle, uint64_t id,
                              uint32_t device, const struct writer_call *call)
{
	for (uint32_t i = 1; i <= SEGMENT_QUARANTINE && i <= w->gone_at; i++) {
		uint32_t at = (w->gone_at - i) % SEGMENT_QUARANTINE, member;
		struct writer_gone *gone = &w->gone[at];
		const struct segment_slot *slot;
		struct segment_shares *shares;
		uint64_t *absorbed;

		if (gone->hash != hash)
			continue;
		slot = slot_at(w, gone->slot);
		member = space_member_of(&w->spaces[w->rows[slot->row].space % SEGMENT_MAX_SPACES],
		                         device);
		if (member == UINT32_MAX)
			return free_on_fault(w, MT_WRONG_SPACE, gone->slot, handle, id, device,
			                     call);
		if (!(gone->flags & GONE_MIRRORED))
			memset(w->gone_absorbed[at], 0, sizeof w->gone_absorbed[at]);
		gone->flags |= GONE_MIRRORED;
		absorbed = &w->gone_absorbed[at][member / 64];
		shares = slot_shares(w, slot, gone->slot);
		if (*absorbed & 1ull << member % 64 ||
		    (shares && shares_gone(shares, member) && !(slot->flags & MT_BACKING)))
			return free_on_fault(w, MT_DOUBLE_FREE, gone->slot, handle, id, device,
			                     call);
		*absorbed |= 1ull << member % 64;
		return MT_OK;
	}
	return MT_UNKNOWN_FREE;
}

/* The share of one member goes; the record with the last of them. fresh: none has gone before. */
static void share_drop(struct writer *w, struct index_entry *entry, struct segment_shares *shares,
                       bool fresh, uint32_t member)
{
	uint32_t slot_number = place_slot(entry->place);
	const struct segment_row *row = &w->rows[slot_at(w, slot_number)->row];
	struct writer_space *space = &w->spaces[row->space % SEGMENT_MAX_SPACES];
	uint64_t op;

	if (w->risen & 1u << row->kind)
		writer_peak_capture(w, row->kind);
	op = batch_begin(w, 1);
	if (fresh)
		record_divide(w, slot_number);
	share_event(w, op, slot_number, member, writer_now(w));
	space->last_op = op;
	shares_set_gone(shares, member);
	share_book(w, slot_number, member, false);
	batch_end(w);
	if (is_exhausted(space, shares))
		divided_end(w, entry, GONE_ABSORB);
}

void writer_share_drop(struct writer *w, struct index_entry *entry, uint32_t member)
{
	bool fresh;
	struct segment_shares *shares = shares_of(w, entry, &fresh);

	if (shares && !shares_gone(shares, member))
		share_drop(w, entry, shares, fresh, member);
}

/* Drops a share of a live record, or ends the LOCAL record that took it over. */
static mt_result free_on_live(struct writer *w, struct index_entry *entry, uint32_t handle,
                              uint32_t device, const struct writer_call *call)
{
	uint32_t slot_number = place_slot(entry->place);
	const struct segment_slot *slot = slot_at(w, slot_number);
	const struct writer_space *space =
		&w->spaces[w->rows[slot->row].space % SEGMENT_MAX_SPACES];
	uint32_t member = space_member_of(space, device);
	struct segment_shares *shares;
	struct index_entry *local;
	bool fresh;

	if (member == UINT32_MAX)
		return free_on_fault(w, MT_WRONG_SPACE, slot_number, handle, slot->id, device,
		                     call);
	if (space->type == SPACE_DEVICE) { /* its only share: the record itself, LOCAL ones too */
		mt_result told = space_is_open(space) ? MT_OK : MT_LATE;

		record_end(w, entry, 0);
		return told;
	}
	shares = shares_of(w, entry, &fresh);
	if (!shares) {
		writer_unrecorded(w);
		return MT_FULL;
	}
	if (shares_gone(shares, member)) {
		local = local_find(w, slot->id, device, WRITER_NO_SLOT);
		if (!local)
			return free_on_fault(w, MT_DOUBLE_FREE, slot_number, handle, slot->id,
			                     device, call);
		writer_free_special(w, entry_of_slot(w, (uint32_t)local->place), GONE_ABSORB);
		return MT_OK;
	}
	share_drop(w, entry, shares, fresh, member);
	return space_is_open(space) ? MT_OK : MT_LATE;
}

mt_result writer_free_on(struct writer *w, uint32_t handle, uint64_t id, uint32_t device_handle,
                         const struct writer_call *call)
{
	const struct writer_space *space = space_find(w, handle);
	const struct writer_space *device = space_find(w, device_handle);
	uint64_t hash = key_hash(space ? space->salt : 0, id);
	struct index_entry *entry = handle && !space ? NULL : record_find(w, hash, handle);
	mt_result told;

	if (!device || device->type != SPACE_DEVICE)
		return w->known(device_handle) ? MT_LATE
		                               : free_on_fault(w, MT_UNKNOWN_SPACE, WRITER_NO_SLOT,
		                                               device_handle, id, UINT32_MAX, call);
	if (entry) {
		told = free_on_live(w, entry, handle, device->one.start, call);
		return w->pending_count ? pending_check(w, device, w->pending_count, told) : told;
	}
	told = free_on_gone(w, hash, handle, id, device->one.start, call);
	return told == MT_UNKNOWN_FREE ? writer_free(w, handle, id, call) : told;
}

bool writer_free_of_share(struct writer *w, const struct writer_space *space, uint64_t id,
                          const struct writer_call *call, mt_result *ret_told)
{
	uint32_t member;
	struct index_entry *entry;

	if (space->type != SPACE_DEVICE || !space->salt)
		return false;
	entry = backing_find(w, id, space->one.start, &member);
	if (!entry || !(slot_at(w, place_slot(entry->place))->flags & MT_BACKING))
		return false;
	*ret_told = free_on_live(w, entry, space->handle, space->one.start, call);
	return true;
}

bool writer_free_of_gone_share(struct writer *w, const struct writer_space *space, uint64_t id,
                               const struct writer_call *call, mt_result *ret_told)
{
	if (space->type != SPACE_DEVICE || !space->salt)
		return false;
	for (uint32_t i = 1; i <= SEGMENT_QUARANTINE && i <= w->gone_at; i++) {
		const struct writer_gone *gone = &w->gone[(w->gone_at - i) % SEGMENT_QUARANTINE];
		const struct segment_slot *slot = slot_at(w, gone->slot);
		const struct writer_space *mesh = space_find(w, w->rows[slot->row].space);

		if (slot->id != id || !(slot->flags & MT_BACKING) || !mesh ||
		    gone->hash != key_hash(mesh->salt, id) ||
		    space_member_of(mesh, space->one.start) == UINT32_MAX)
			continue;
		*ret_told = free_on_gone(w, gone->hash, space->handle, id, space->one.start, call);
		return true;
	}
	return false;
}
