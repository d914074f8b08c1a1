/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOCAL records that take over shares of backing ones. Of each 24 bytes are kept at most, in memory
 * that can grow where it lies: there may be millions.
 */
#include "reader_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 64 /* backing records of one hash that are looked at */ };

struct local_share {
	uint64_t parent;
	uint32_t device;
};

/* Room for `more` elements; the list, or NULL. */
static void *room_make(void *list, uint32_t count, uint32_t more, uint32_t *room, size_t size)
{
	uint32_t wanted = *room + *room / 2 > count + more ? *room + *room / 2 : count + more + 64;
	void *larger;

	if (more <= *room - count)
		return list;
	larger = wanted > count ? reallocarray(list, wanted, size) : NULL;
	if (larger)
		*room = wanted;
	return larger;
}

static int backing_note(struct takeovers *t, const struct record *record, uint32_t key)
{
	struct backing *backings =
		room_make(t->backings, t->backing_count, 1, &t->backing_room, sizeof *backings);

	if (!backings)
		return -ENOMEM;
	t->backings = backings;
	backings[t->backing_count++] =
		(struct backing){.id = record->slot->id, .key = key, .space = record->info->space};
	return 1;
}

static int local_note(struct takeovers *t, const struct record *record)
{
	struct local_share *locals;

	if (!record->detail->parent || record->space->type != SPACE_DEVICE ||
	    space_is_closed(record->space))
		return 0;
	locals = room_make(t->locals, t->local_count, 1, &t->local_room, sizeof *locals);
	if (!locals)
		return -ENOMEM;
	t->locals = locals;
	locals[t->local_count++] =
		(struct local_share){record->detail->parent, record->space->members[0]};
	return 0;
}

int takeovers_note_any(struct takeovers *t, const struct record *record, uint32_t key)
{
	if (record->slot->flags & MT_BACKING && record->space->type == SPACE_MESH)
		return backing_note(t, record, key);
	if (record->slot->flags & MT_LOCAL && record->detail)
		return local_note(t, record);
	return 0;
}

static uint32_t id_hash(const struct takeovers *t, uint64_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) & t->mask;
}

static int index_make(struct takeovers *t)
{
	uint32_t size = 64, i;

	while (size < t->backing_count)
		size *= 2;
	t->heads = calloc(size, sizeof *t->heads);
	if (!t->heads)
		return -ENOMEM;
	t->mask = size - 1;
	for (i = 0; i < t->backing_count; i++) {
		uint32_t *head = &t->heads[id_hash(t, t->backings[i].id)];

		t->backings[i].next = *head;
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

static uint32_t taken_words(const struct view_space *space)
{
	return (space->member_count + 63) / 64;
}

static int member_take(struct takeovers *t, struct backing *backing, const struct view_space *space,
                       uint32_t member)
{
	uint32_t words = taken_words(space);

	if (!backing->taken) {
		uint64_t *taken =
			room_make(t->taken, t->taken_count, words, &t->taken_room, sizeof *taken);

		if (!taken)
			return -ENOMEM;
		t->taken = taken;
		memset(taken + t->taken_count, 0, words * sizeof *taken);
		backing->taken = t->taken_count + 1;
		t->taken_count += words;
	}
	t->taken[backing->taken - 1 + member / 64] |= 1ull << member % 64;
	return 0;
}

/* Takes the share of a device from the backing record of this id. */
static int local_take(struct takeovers *t, const struct local_share *local)
{
	uint32_t at = t->heads[id_hash(t, local->parent)], tries;

	for (tries = 0; at && tries < CHAIN_MAX; at = t->backings[at - 1].next, tries++) {
		struct backing *backing = &t->backings[at - 1];
		const struct view_space *space = &t->view->spaces[backing->space];
		uint32_t member;

		if (backing->id != local->parent)
			continue;
		member = member_of(space, local->device);
		if (member != NONE)
			return member_take(t, backing, space, member);
	}
	return 0;
}

int takeovers_settle(struct takeovers *t)
{
	uint32_t i;
	int error = t->backing_count && t->local_count ? index_make(t) : 0;

	for (i = 0; t->heads && i < t->local_count && !error; i++)
		error = local_take(t, &t->locals[i]);
	return error;
}

void takeovers_apply(const struct takeovers *t, uint32_t backing, struct record *record)
{
	uint32_t first = t->backings[backing].taken, word;

	if (!first)
		return;
	if (!record->shares && !record->divided)
		memset(record->gone, 0, sizeof record->gone);
	for (word = 0; word < taken_words(record->space); word++)
		record->gone[word] |= t->taken[first - 1 + word];
	record->divided = true;
}

void takeovers_finish(struct takeovers *t)
{
	free(t->backings);
	free(t->locals);
	free(t->heads);
	free(t->taken);
}
