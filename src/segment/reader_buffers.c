/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live records of a view, and what they add up to. A record that is alike on all members is
 * added once, to the row that its slot names; of any other, each share that is left is added to the
 * row of its member.
 */
#include "meshtally.h"
#include "reader_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GONE_WORDS = SEGMENT_MAX_MEMBERS / 64 };

/* A backing record, which waits for the LOCAL ones. */
struct backing {
	size_t record;
	uint32_t next;   /* of the same hash; backing + 1 */
	uint64_t *taken; /* members with a live LOCAL record; NULL: none found */
};

struct records {
	struct parse *p;
	bool wanted; /* in view->buffers */
	struct backing *backings;
	uint32_t backing_count, backing_room;
	size_t *locals;
	size_t local_count, local_room;
	uint32_t *heads; /* backing + 1, by id */
	uint32_t mask;
};

/* One record and what belongs to it. */
struct record {
	const struct segment_slot *slot;
	uint32_t number;
	uint32_t row;
	const struct parse_row *info;
	const struct view_space *space;
	const struct segment_detail *detail;
	const struct segment_shares *shares;
	const uint64_t *uneven; /* bytes of each member */
	bool divided;           /* some share is gone, or they are not alike */
	uint64_t gone[GONE_WORDS];
};

static bool gone_test(const uint64_t *gone, uint32_t member)
{
	return gone[member / 64] >> member % 64 & 1;
}

/* Shares that were dropped after the op were there at it. */
static void shares_undo(const struct parse *p, struct record *record)
{
	const struct snapshot_undo *undo = p->copy->undo.items;
	size_t low = 0, high = p->copy->undo.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (undo[middle].slot < record->number)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < p->copy->undo.count && undo[low].slot == record->number; low++)
		if (undo[low].member < record->space->member_count)
			record->gone[undo[low].member / 64] &= ~(1ull << undo[low].member % 64);
}

static void record_shares(struct parse *p, struct record *record)
{
	const struct segment_shares *shares = shares_kept(p->copy, record->detail);
	uint32_t words = (record->space->member_count + 63) / 64, i;

	if (!shares || shares->members != record->space->member_count) {
		p->view->corrupt_records++;
		return;
	}
	memset(record->gone, 0, sizeof record->gone);
	memcpy(record->gone, shares->words, words * sizeof *record->gone);
	if (p->copy->undo.count)
		shares_undo(p, record);
	record->shares = shares;
	record->uneven = shares->uneven ? shares->words + words : NULL;
	record->divided = record->divided || record->uneven;
	for (i = 0; i < record->space->member_count; i++)
		if (record->space->members[i] != SPACE_REMOTE && gone_test(record->gone, i))
			record->divided = true;
}

/* Whether the record can be made sense of. */
static bool record_init(struct parse *p, size_t index, struct record *record)
{
	const struct reader_copy *copy = p->copy;
	const struct segment_slot *slot = &copy->slots[index];

	record->slot = slot;
	record->number = copy->slot_numbers[index];
	record->row = slot->row;
	record->detail = copy->detail_of[index] < copy->detail_count
	                         ? &copy->details[copy->detail_of[index]]
	                         : NULL;
	record->shares = NULL;
	record->uneven = NULL;
	if (slot->row >= p->row_count || p->row_infos[slot->row].space == NONE) {
		p->stale = p->stale || slot->row >= p->row_count || p->row_infos[slot->row].later;
		p->view->corrupt_records++;
		return false;
	}
	record->info = &p->row_infos[slot->row];
	record->space = &p->view->spaces[record->info->space];
	record->divided = !record->info->alike;
	if (record->divided)
		memset(record->gone, 0, sizeof record->gone);
	if (record->detail && record->detail->shares_block)
		record_shares(p, record);
	return true;
}

static uint64_t member_bytes(const struct record *record, uint32_t member)
{
	return record->uneven ? record->uneven[member] : record->slot->bytes;
}

static uint64_t member_held(const struct parse *p, const struct record *record, uint32_t member)
{
	if (record->info->class_now == CLASS_VIRTUAL)
		return 0;
	if (record->slot->aux & SLOT_ONE_BANK)
		return member_bytes(record, member);
	return record->slot->span *
	       device_banks(p->view, record->space->members[member], record->info->kind);
}

static void row_put(struct view_row *row, uint64_t bytes, uint64_t held)
{
	row->bytes += bytes;
	row->held += held;
	row->buffers++;
}

/* Adds the shares that are left. Returns their number, or a negative errno. */
static int divided_add(struct parse *p, const struct record *record)
{
	uint32_t member;
	int left = 0;

	for (member = 0; member < record->space->member_count; member++) {
		struct view_row *row;

		if (record->space->members[member] == SPACE_REMOTE ||
		    gone_test(record->gone, member))
			continue;
		left++;
		if (!p->recount)
			continue;
		row = row_of_member(p, record->row, member);
		if (!row)
			return -ENOMEM;
		row_put(row, member_bytes(record, member), member_held(p, record, member));
	}
	return left;
}

static void alike_add(struct parse *p, const struct record *record)
{
	const struct segment_slot *slot = record->slot;
	uint64_t held = slot->aux & SLOT_ONE_BANK ? slot->span : slot->span * record->info->banks;

	if (record->info->class_now == CLASS_VIRTUAL)
		held = 0;
	if (p->recount)
		row_put(&p->rows[record->row], slot->bytes, held);
}

/* Bytes of each member, where they are not those of the slot on all of them. */
static int buffer_shares(struct parse *p, const struct record *record, struct view_buffer *buffer)
{
	uint32_t member;
	bool differ = record->uneven != NULL;

	for (member = 0; member < record->space->member_count; member++)
		differ = differ || (record->space->members[member] != SPACE_REMOTE &&
		                    gone_test(record->gone, member));
	if (!differ)
		return 0;
	buffer->member_bytes = arena_take(p->arena, record->space->member_count, sizeof(uint64_t));
	if (!buffer->member_bytes)
		return -ENOMEM;
	for (member = 0; member < record->space->member_count; member++)
		if (record->space->members[member] != SPACE_REMOTE &&
		    !gone_test(record->gone, member))
			buffer->member_bytes[member] = member_bytes(record, member);
	return 0;
}

static int buffer_add(struct parse *p, const struct record *record)
{
	const struct segment_slot *slot = record->slot;
	const struct view_row *row = &p->rows[record->row];
	struct view_buffer *buffer = &p->view->buffers[p->view->buffer_count++];

	buffer->id = slot->id;
	buffer->address = slot->address;
	buffer->bytes = slot->bytes;
	buffer->span = slot->span;
	buffer->op = slot_op(slot);
	buffer->time_ns = parse_time(p, slot->time);
	buffer->slot = record->number;
	buffer->space = record->info->space;
	buffer->tag = row->tag;
	buffer->thread = slot->thread;
	buffer->flags = slot->flags;
	buffer->kind = record->info->kind;
	buffer->class_now = record->info->class_now;
	buffer->closed = row->closed;
	buffer->one_bank = slot->aux & SLOT_ONE_BANK;
	buffer->repeats = (uint8_t)(slot->aux >> SLOT_REPEATS_SHIFT);
	buffer->site = parse_string(p, slot->site);
	if (record->detail) {
		buffer->parent = record->detail->parent;
		buffer->region = record->detail->region;
	}
	return record->divided ? buffer_shares(p, record, buffer) : 0;
}

static int record_add(struct records *r, const struct record *record)
{
	int left = 1;

	if (record->divided)
		left = divided_add(r->p, record);
	else
		alike_add(r->p, record);
	if (left <= 0 || !r->wanted)
		return left < 0 ? left : 0;
	return buffer_add(r->p, record);
}

/* --- LOCAL records take over shares of backing ones ----------------------------------------- */

static int backing_note(struct records *r, size_t index)
{
	struct arena *scratch = r->p->scratch;

	if (r->backing_count == r->backing_room) {
		uint32_t room = r->backing_room ? r->backing_room * 2 : 256;
		struct backing *backings = arena_take(scratch, room, sizeof *backings);

		if (!backings)
			return -ENOMEM;
		if (r->backing_count)
			memcpy(backings, r->backings, r->backing_count * sizeof *backings);
		r->backings = backings;
		r->backing_room = room;
	}
	r->backings[r->backing_count++] = (struct backing){.record = index};
	return 0;
}

static int local_note(struct records *r, size_t index)
{
	if (r->local_count == r->local_room) {
		size_t room = r->local_room ? r->local_room * 2 : 256;
		size_t *locals = arena_take(r->p->scratch, room, sizeof *locals);

		if (!locals)
			return -ENOMEM;
		if (r->local_count)
			memcpy(locals, r->locals, r->local_count * sizeof *locals);
		r->locals = locals;
		r->local_room = room;
	}
	r->locals[r->local_count++] = index;
	return 0;
}

static uint32_t id_hash(const struct records *r, uint64_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) & r->mask;
}

static int backings_index(struct records *r)
{
	uint32_t size = 64, i;

	while (size < r->backing_count * 2)
		size *= 2;
	r->heads = arena_take(r->p->scratch, size, sizeof *r->heads);
	if (!r->heads)
		return -ENOMEM;
	r->mask = size - 1;
	for (i = 0; i < r->backing_count; i++) {
		uint32_t *head = &r->heads[id_hash(r, r->p->copy->slots[r->backings[i].record].id)];

		r->backings[i].next = *head;
		*head = i + 1;
	}
	return 0;
}

static uint32_t member_of(const struct view_space *space, uint32_t device)
{
	uint32_t i;

	for (i = 0; i < space->member_count; i++)
		if (space->members[i] == device)
			return i;
	return NONE;
}

/* Takes the share of a device from the backing record of this id. */
static int local_take(struct records *r, uint64_t parent, uint32_t device)
{
	struct parse *p = r->p;
	uint32_t at, tries = 0;

	for (at = r->heads[id_hash(r, parent)]; at && tries < 64; at = r->backings[at - 1].next) {
		struct backing *backing = &r->backings[at - 1];
		const struct segment_slot *slot = &p->copy->slots[backing->record];
		const struct view_space *space;
		uint32_t member;

		tries++;
		if (slot->id != parent)
			continue;
		space = &p->view->spaces[p->row_infos[slot->row].space];
		member = member_of(space, device);
		if (member == NONE)
			continue;
		if (!backing->taken)
			backing->taken = arena_take(p->scratch, GONE_WORDS, sizeof(uint64_t));
		if (!backing->taken)
			return -ENOMEM;
		backing->taken[member / 64] |= 1ull << member % 64;
		return 0;
	}
	return 0;
}

static int locals_take(struct records *r)
{
	struct parse *p = r->p;
	size_t i;
	int error = 0;

	for (i = 0; i < r->local_count && !error; i++) {
		const struct segment_slot *slot = &p->copy->slots[r->locals[i]];
		const struct segment_detail *detail =
			&p->copy->details[p->copy->detail_of[r->locals[i]]];
		const struct view_space *space = &p->view->spaces[p->row_infos[slot->row].space];

		if (detail->parent && space->type == SPACE_DEVICE && !space_is_closed(space))
			error = local_take(r, detail->parent, space->members[0]);
	}
	return error;
}

static int backings_add(struct records *r)
{
	struct record record;
	uint32_t i, word, member;
	int error = r->backing_count && r->local_count ? backings_index(r) : 0;

	if (!error && r->heads)
		error = locals_take(r);
	for (i = 0; i < r->backing_count && !error; i++) {
		const uint64_t *taken = r->backings[i].taken;

		if (!record_init(r->p, r->backings[i].record, &record))
			continue;
		if (taken && !record.shares && !record.divided)
			memset(record.gone, 0, sizeof record.gone);
		for (word = 0; taken && word < GONE_WORDS; word++)
			record.gone[word] |= taken[word];
		for (member = 0; taken && member < record.space->member_count; member++)
			record.divided = record.divided || gone_test(taken, member);
		error = record_add(r, &record);
	}
	return error;
}

/* --- records known from their events alone -------------------------------------------------- */

static int lost_add(struct records *r, const struct snapshot_lost *lost)
{
	struct parse *p = r->p;
	const struct parse_row *info;
	struct view_buffer *buffer;

	if (lost->row >= p->row_count || p->row_infos[lost->row].space == NONE) {
		p->stale = true;
		return 0;
	}
	info = &p->row_infos[lost->row];
	/* A size that is not in the event itself may be that of a record with shares. */
	if (lost->unsure && p->view->spaces[info->space].type == SPACE_MESH)
		p->stale = true;
	if (p->recount)
		row_put(&p->rows[lost->row], lost->bytes, lost->held);
	if (!r->wanted)
		return 0;
	buffer = &p->view->buffers[p->view->buffer_count++];
	buffer->id = lost->id;
	buffer->bytes = lost->bytes;
	buffer->slot = lost->slot;
	buffer->space = info->space;
	buffer->tag = p->rows[lost->row].tag;
	buffer->kind = info->kind;
	buffer->class_now = info->class_now;
	buffer->closed = p->rows[lost->row].closed;
	buffer->incomplete = true;
	buffer->site = "";
	return 0;
}

int parse_buffers(struct parse *p, bool wanted)
{
	struct records r = {.p = p, .wanted = wanted};
	const struct reader_copy *copy = p->copy;
	struct record record;
	int error = 0;
	size_t i;

	if (wanted)
		p->view->buffers = arena_take(p->arena, copy->slot_count + copy->lost.count,
		                              sizeof *p->view->buffers);
	if (wanted && !p->view->buffers)
		return -ENOMEM;
	for (i = 0; i < copy->slot_count && !error; i++) {
		uint16_t flags = copy->slots[i].flags;

		if (!record_init(p, i, &record))
			continue;
		if (flags & MT_BACKING && record.space->type == SPACE_MESH) {
			error = backing_note(&r, i);
			continue;
		}
		if (flags & MT_LOCAL && record.detail)
			error = local_note(&r, i);
		if (!error)
			error = record_add(&r, &record);
	}
	if (!error)
		error = backings_add(&r);
	for (i = 0; i < copy->lost.count && !error; i++)
		error = lost_add(&r, (const struct snapshot_lost *)copy->lost.items + i);
	return error;
}
