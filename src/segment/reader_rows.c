/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows and figures of a view. Rows come from the writer (totals), or are added up from the records
 * (recount), in which case only their numbers of allocations and frees are the writer's.
 */
#include "reader_parse.h"

#include <errno.h>
#include <string.h>

static const struct parse_banks *space_banks(struct parse *p, uint32_t space_index, uint32_t kind)
{
	const struct view_space *space = &p->view->spaces[space_index];
	struct parse_banks *known = &p->banks[space_index * SEGMENT_MAX_KINDS + kind];
	uint32_t i;

	if (known->banks)
		return known;
	known->alike = true;
	for (i = 0; i < space->member_count; i++) {
		uint32_t banks;

		if (space->members[i] == SPACE_REMOTE)
			continue;
		banks = device_banks(p->view, space->members[i], kind);
		if (known->banks && known->banks != banks)
			known->alike = false;
		known->banks = banks;
	}
	if (!known->banks)
		known->banks = 1;
	return known;
}

/* A row turned into one of the runtime's own by mt_ready. Of the dead, only if that was done. */
static bool row_is_ready(const struct parse *p, const struct segment_row *row,
                         const struct view_space *space)
{
	return row->ready_op && row->ready_op <= p->op_limit && space->ready_op;
}

static void row_info(struct parse *p, const struct segment_row *row, struct parse_row *info)
{
	const struct view_space *space;
	const struct parse_banks *banks;

	info->space = NONE;
	if (row->space == 0)
		return;
	info->space = parse_space(p, row->space);
	if (info->space == NONE) {
		info->later = true;
		return;
	}
	space = &p->view->spaces[info->space];
	info->kind = row->kind;
	info->member = row->member;
	info->class_now = row_is_ready(p, row, space) ? row->class_now : row->class_before;
	if (row->kind >= p->view->kind_count || info->class_now >= CLASS_LIMIT ||
	    (row->member != ROW_ALL_MEMBERS &&
	     (row->member >= space->member_count || space->members[row->member] == SPACE_REMOTE))) {
		info->space = NONE;
		p->view->corrupt_records++;
		return;
	}
	banks = space_banks(p, info->space, row->kind);
	info->banks = banks->banks;
	info->alike = banks->alike;
}

static void row_fill(const struct parse *p, const struct segment_row *row,
                     const struct parse_row *info, struct view_row *out)
{
	out->space = info->space;
	out->member = info->member;
	out->kind = info->kind;
	out->class_now = info->class_now;
	out->tag = parse_tag(p, row->tag);
	out->closed = space_is_closed(&p->view->spaces[info->space]);
	out->allocs = row->allocs;
	out->frees = row->frees;
	if (p->recount)
		return;
	out->bytes = row->bytes;
	out->held = row->held;
	out->buffers = row->buffers;
}

int parse_rows(struct parse *p)
{
	const struct segment_row *rows = p->copy->tables[REGION_ROWS].data;
	uint32_t i;

	p->row_count = p->row_used = p->copy->tables[REGION_ROWS].count;
	p->row_room = p->row_count + 64;
	p->row_infos = arena_take(p->scratch, p->row_count, sizeof *p->row_infos);
	p->rows = arena_take(p->scratch, p->row_room, sizeof *p->rows);
	if (!p->row_infos || !p->rows)
		return -ENOMEM;
	for (i = 0; i < p->row_count; i++) {
		p->rows[i].space = NONE;
		row_info(p, &rows[i], &p->row_infos[i]);
		if (p->row_infos[i].space != NONE)
			row_fill(p, &rows[i], &p->row_infos[i], &p->rows[i]);
	}
	return 0;
}

/* --- rows of single members ----------------------------------------------------------------- */

static uint32_t row_hash(const struct view_row *row, uint32_t member)
{
	uint64_t x =
		segment_mix((uint64_t)row->space << 32 | row->tag,
	                    (uint64_t)member << 16 | (uint64_t)row->kind << 8 | row->class_now);

	return (uint32_t)(x * 0x9e3779b97f4a7c15ull >> 40);
}

static bool row_is(const struct view_row *row, const struct view_row *all, uint32_t member)
{
	return row->space == all->space && row->member == member && row->kind == all->kind &&
	       row->class_now == all->class_now && row->tag == all->tag;
}

static void hash_put(struct parse *p, uint32_t row)
{
	uint32_t at = row_hash(&p->rows[row], p->rows[row].member) & p->row_hash_mask;

	while (p->row_hash[at])
		at = (at + 1) & p->row_hash_mask;
	p->row_hash[at] = row + 1;
}

/* Made, and made again larger, when rows of single members are needed. */
static int hash_make(struct parse *p)
{
	uint32_t size = 64, i;

	while (size < p->row_room * 2)
		size *= 2;
	p->row_hash = arena_take(p->scratch, size, sizeof *p->row_hash);
	if (!p->row_hash)
		return -ENOMEM;
	p->row_hash_mask = size - 1;
	for (i = 0; i < p->row_used; i++)
		if (p->rows[i].space != NONE && p->rows[i].member != ROW_ALL_MEMBERS)
			hash_put(p, i);
	return 0;
}

static int rows_grow(struct parse *p)
{
	struct view_row *rows = arena_take(p->scratch, p->row_room * 2, sizeof *rows);

	if (!rows)
		return -ENOMEM;
	memcpy(rows, p->rows, p->row_used * sizeof *rows);
	p->rows = rows;
	p->row_room *= 2;
	return hash_make(p);
}

struct view_row *row_of_member(struct parse *p, uint32_t row, uint32_t member)
{
	uint32_t at;

	if ((!p->row_hash && hash_make(p)) || (p->row_used == p->row_room && rows_grow(p)))
		return NULL;
	at = row_hash(&p->rows[row], member) & p->row_hash_mask;
	while (p->row_hash[at]) {
		if (row_is(&p->rows[p->row_hash[at] - 1], &p->rows[row], member))
			return &p->rows[p->row_hash[at] - 1];
		at = (at + 1) & p->row_hash_mask;
	}
	p->rows[p->row_used] = p->rows[row];
	p->rows[p->row_used].member = (uint16_t)member;
	p->rows[p->row_used].bytes = p->rows[p->row_used].held = 0;
	p->rows[p->row_used].buffers = 0;
	p->rows[p->row_used].allocs = p->rows[p->row_used].frees = 0;
	p->row_hash[at] = p->row_used + 1;
	return &p->rows[p->row_used++];
}

/* --- results -------------------------------------------------------------------------------- */

static void row_settle(const struct parse *p, const struct view_row *from, struct segment_row *row)
{
	row->bytes = from->bytes;
	row->held = from->held;
	row->buffers = from->buffers;
	if (row->space) /* one of the file's */
		return;
	row->space = p->view->spaces[from->space].handle;
	row->member = from->member;
	row->kind = from->kind;
	row->class_now = row->class_before = from->class_now;
	row->tag = from->tag;
}

/* Rows of single members that the file does not have come behind the others. */
int settle_rows(struct parse *p)
{
	struct copy_table *table = &p->copy->tables[REGION_ROWS];
	uint32_t count = p->row_used < SEGMENT_MAX_ROWS ? p->row_used : SEGMENT_MAX_ROWS + 1;
	struct segment_row *rows = arena_take(p->scratch, count, sizeof *rows);
	uint32_t i;

	if (!rows)
		return -ENOMEM;
	memcpy(rows, table->data, p->row_count * sizeof *rows);
	for (i = 0; i < count; i++)
		if (p->rows[i].space != NONE)
			row_settle(p, &p->rows[i], &rows[i]);
	table->data = rows;
	table->count = p->copy->header.regions[REGION_ROWS].count = count;
	p->copy->totals_exact = true;
	p->copy->totals_off = 0;
	return 0;
}

int finish_rows(struct parse *p)
{
	struct segment_view *view = p->view;
	uint32_t i;

	view->rows = arena_take(p->arena, p->row_used, sizeof *view->rows);
	if (!view->rows)
		return -ENOMEM;
	for (i = 0; i < p->row_used; i++)
		if (p->rows[i].space != NONE)
			view->rows[view->row_count++] = p->rows[i];
	return 0;
}

static void figure_add(struct segment_view *view, const struct view_row *row, uint32_t device)
{
	struct view_figure *figure;

	if (device == SPACE_REMOTE)
		return;
	figure = &view->figures[row->kind * view->device_count + device];
	figure->bytes[row->class_now] += row->bytes;
	figure->buffers[row->class_now] += row->buffers;
	if (row->class_now < CLASS_COUNTED_LIMIT)
		figure->held += row->held;
}

static void figures_add(struct segment_view *view, const struct view_row *row)
{
	const struct view_space *space = &view->spaces[row->space];
	uint32_t i;

	if (row->closed || row->buffers == 0)
		return;
	if (row->member != ROW_ALL_MEMBERS) {
		figure_add(view, row, space->members[row->member]);
		return;
	}
	for (i = 0; i < space->member_count; i++)
		figure_add(view, row, space->members[i]);
}

static uint64_t capacity_of(const struct view_device *device, uint32_t kind)
{
	uint32_t i;
	uint64_t bytes;

	for (i = 0; i < device->memory_count; i++)
		if (device->memories[i].kind == kind)
			return __builtin_mul_overflow(
				       device->memories[i].bank_bytes,
				       device->memories[i].banks ? device->memories[i].banks : 1,
				       &bytes)
			               ? 0
			               : bytes;
	return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Peaks are the writer's; what is held now is no less. */
static void figure_finish(struct parse *p, uint32_t kind, uint32_t device)
{
	const struct segment_counters *counters =
		copy_element(p->copy, REGION_COUNTERS, kind, sizeof *counters);
	struct segment_view *view = p->view;
	struct view_figure *figure = &view->figures[kind * view->device_count + device];

	figure->capacity = capacity_of(&view->devices[device], kind);
	figure->peak = figure->peak_since_mark = figure->held;
	if (!counters)
		return;
	figure->peak_since_mark = larger(counters->peak[device], figure->held);
	figure->peak = larger(counters->peak_base[device], figure->peak_since_mark);
	figure->frame = parse_frame_index(p, counters->frame[device]);
	if (p->recount && !p->stale && p->copy->totals_exact && p->copy->missed == 0 &&
	    !copy_is_dead(p->copy) && counters->held[device] != figure->held)
		view->counters_differ = true;
}

int parse_figures(struct parse *p)
{
	struct segment_view *view = p->view;
	uint32_t i, kind, device;

	view->figures = arena_take(p->arena, (size_t)view->kind_count * view->device_count,
	                           sizeof *view->figures);
	if (!view->figures)
		return -ENOMEM;
	for (i = 0; i < view->row_count; i++)
		figures_add(view, &view->rows[i]);
	for (kind = 0; kind < view->kind_count; kind++)
		for (device = 0; device < view->device_count; device++)
			figure_finish(p, kind, device);
	return 0;
}
