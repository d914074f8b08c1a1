/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that is alike on all members is added once, to the row that its slot names; of any
 * other, each share that is left is added to the row of its member.
 */
#include "reader_record.h"
#include "meshtally.h"

#include <errno.h>
#include <string.h>

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

bool record_init(struct parse *p, const struct segment_slot *slot, uint32_t number,
                 const struct segment_detail *detail, struct record *record)
{
	record->slot = slot;
	record->number = number;
	record->row = slot->row;
	record->detail = detail;
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

int record_count(struct parse *p, const struct record *record)
{
	if (record->divided)
		return divided_add(p, record);
	alike_add(p, record);
	return 1;
}

/* Zeros, in memory of the view; in a streamed pass it is the same for each buffer. */
static uint64_t *member_room(struct parse *p, uint32_t members)
{
	if (!p->member_room)
		return arena_take(p->arena, members, sizeof(uint64_t));
	return memset(p->member_room, 0, members * sizeof(uint64_t));
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
	buffer->member_bytes = member_room(p, record->space->member_count);
	if (!buffer->member_bytes)
		return -ENOMEM;
	for (member = 0; member < record->space->member_count; member++)
		if (record->space->members[member] != SPACE_REMOTE &&
		    !gone_test(record->gone, member))
			buffer->member_bytes[member] = member_bytes(record, member);
	return 0;
}

int record_fill(struct parse *p, const struct record *record, struct view_buffer *buffer)
{
	const struct segment_slot *slot = record->slot;
	const struct view_row *row = &p->rows[record->row];

	buffer->id = slot->id;
	buffer->address = slot->flags & MT_NO_ADDRESS ? SEGMENT_NO_ADDRESS : slot->address;
	buffer->bytes = slot->bytes;
	buffer->span = slot->span;
	buffer->op = slot_op(slot);
	buffer->time = slot->time;
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
