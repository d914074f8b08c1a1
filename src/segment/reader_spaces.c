/* SPDX-License-Identifier: Apache-2.0 */
/* The spaces of a view as they were at its op. */
#include "reader_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool space_is_closed(const struct view_space *space)
{
	return space->close_op != 0;
}

uint32_t device_banks(const struct segment_view *view, uint32_t device, uint32_t kind)
{
	const struct view_device *d = &view->devices[device];
	uint32_t i;

	for (i = 0; i < d->memory_count; i++)
		if (d->memories[i].kind == kind)
			return d->memories[i].banks ? d->memories[i].banks : 1;
	return 1;
}

/* What of a table entry can be shown at all, and was there at the op. */
static bool entry_is_space(const struct parse *p, const struct segment_space *entry, uint32_t index)
{
	if (entry->handle == 0 || entry->open_op == 0 || entry->open_op > p->op_limit)
		return false;
	if (entry->handle % SEGMENT_MAX_SPACES == index &&
	    (entry->type == SPACE_DEVICE || entry->type == SPACE_MESH))
		return true;
	p->view->corrupt_records++;
	return false;
}

static bool members_are_valid(const struct parse *p, const struct view_space *space)
{
	uint32_t i;

	for (i = 0; i < space->member_count; i++)
		if (space->members[i] >= p->view->device_count && space->members[i] != SPACE_REMOTE)
			return false;
	return space->member_count > 0;
}

static int space_members(struct parse *p, const struct segment_space *entry,
                         struct view_space *space)
{
	space->member_count = entry->type == SPACE_DEVICE ? 1 : entry->member_count;
	if (entry->type == SPACE_DEVICE) {
		space->members = arena_take(p->arena, 1, sizeof *space->members);
		if (!space->members)
			return -ENOMEM;
		space->members[0] = entry->device;
	} else {
		space->members = parse_list(p, entry->members_block, &space->member_count,
		                            SEGMENT_MAX_MEMBERS, sizeof *space->members);
	}
	if (!members_are_valid(p, space)) {
		/* Of a space that is long closed, the writer may be taking the list apart. */
		p->view->corrupt_records += !space_is_closed(space) || copy_is_dead(p->copy);
		space->member_count = 0;
	}
	return 0;
}

static void space_residents(struct parse *p, const struct segment_space *entry,
                            struct view_space *space)
{
	uint32_t count = entry->resident_count, i, kept = 0;

	space->residents = parse_list(p, entry->resident_block, &count, SEGMENT_MAX_RESIDENTS,
	                              sizeof *space->residents);
	for (i = 0; i < count; i++)
		if (space->residents[i].program < p->copy->tables[REGION_PROGRAMS].count)
			space->residents[kept++] = space->residents[i];
	space->resident_count = kept;
}

/* Closings and readies after the op have not happened. */
static int space_fill(struct parse *p, const struct segment_space *entry, struct view_space *space)
{
	bool ready = entry->ready_op && entry->ready_op <= p->op_limit;
	bool closed = entry->close_op && entry->close_op <= p->op_limit;

	space->handle = entry->handle;
	space->type = entry->type;
	space->flags = entry->flags;
	space->rows = entry->rows;
	space->columns = entry->columns;
	space->parent = entry->parent;
	space->name = parse_string(p, entry->name);
	space->open_op = entry->open_op;
	space->ready_op = ready ? entry->ready_op : 0;
	space->close_op = closed ? entry->close_op : 0;
	space->state = ready ? SPACE_READY : SPACE_OPEN;
	if (closed)
		space->state = entry->state == SPACE_LOST ? SPACE_LOST : SPACE_CLOSED;
	space_residents(p, entry, space);
	return space_members(p, entry, space);
}

static int compare_spaces(const void *a, const void *b)
{
	const struct view_space *left = a, *right = b;

	return (left->open_op > right->open_op) - (left->open_op < right->open_op);
}

int parse_spaces(struct parse *p)
{
	const struct segment_space *entries = p->copy->tables[REGION_SPACES].data;
	uint32_t count = p->copy->tables[REGION_SPACES].count, i;
	struct segment_view *view = p->view;
	int error = 0;

	view->spaces = arena_take(p->arena, count, sizeof *view->spaces);
	p->space_of_entry = arena_take(p->scratch, SEGMENT_MAX_SPACES, sizeof(uint32_t));
	if (!view->spaces || !p->space_of_entry)
		return -ENOMEM;
	for (i = 0; i < count && !error; i++) {
		struct view_space *space = &view->spaces[view->space_count];

		if (!entry_is_space(p, &entries[i], i))
			continue;
		error = space_fill(p, &entries[i], space);
		if (space->member_count)
			view->space_count++;
		else
			memset(space, 0, sizeof *space);
	}
	if (view->space_count)
		qsort(view->spaces, view->space_count, sizeof *view->spaces, compare_spaces);
	for (i = 0; i < view->space_count; i++)
		p->space_of_entry[view->spaces[i].handle % SEGMENT_MAX_SPACES] = i + 1;
	p->banks = arena_take(p->scratch, view->space_count * SEGMENT_MAX_KINDS, sizeof *p->banks);
	return error ? error : p->banks ? 0 : -ENOMEM;
}
