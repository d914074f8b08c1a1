/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a survey: twice as many lines as it will have, so that the records of one buffer on
 * several devices, which follow each other closely in most orders, meet in their line before it is
 * pushed out. The heap has the last line on top.
 */
#include "survey_internal.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_EQUAL = 64 };

#define COMPARE(x, y) ((x) < (y) ? -1 : (x) > (y))

static int by_age(const struct survey_buffer *a, const struct survey_buffer *b)
{
	int order = COMPARE(a->time_ns, b->time_ns);

	order = order != 0 ? order : COMPARE(a->op, b->op);
	order = order != 0 ? order : COMPARE(a->pid, b->pid);
	order = order != 0 ? order : COMPARE(a->identity, b->identity);
	order = order != 0 ? order : COMPARE(a->id, b->id);
	return order != 0 ? order : COMPARE(a->first_row, b->first_row);
}

static int by_size(const struct survey_buffer *a, const struct survey_buffer *b)
{
	int order = COMPARE(b->bytes, a->bytes);

	return order != 0 ? order : by_age(a, b);
}

static int compare(enum listing_order order, const struct survey_buffer *a,
                   const struct survey_buffer *b)
{
	int first = 0;

	if (order == LIST_BY_AGE)
		return by_age(a, b);
	if (order == LIST_BY_YOUTH)
		return by_age(b, a);
	if (order == LIST_BY_DEVICE)
		first = COMPARE(a->first_row, b->first_row);
	else if (order == LIST_BY_TAG)
		first = strcmp(a->tag, b->tag);
	return first != 0 ? first : by_size(a, b);
}

static int compare_lines(const struct survey_list *list, uint32_t a, uint32_t b)
{
	return compare(list->order, &list->lines.items[a].out, &list->lines.items[b].out);
}

static void put(struct survey_list *list, uint32_t at, uint32_t line)
{
	list->heap[at] = line;
	list->lines.items[line].heap_at = at;
}

static void sink(struct survey_list *list, uint32_t at)
{
	uint32_t count = (uint32_t)list->lines.count, line = list->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < count &&
		    compare_lines(list, list->heap[child + 1], list->heap[child]) > 0)
			child++;
		if (child >= count || compare_lines(list, list->heap[child], line) <= 0)
			break;
		put(list, at, list->heap[child]);
		at = child;
	}
	put(list, at, line);
}

static void rise(struct survey_list *list, uint32_t at)
{
	uint32_t line = list->heap[at];

	while (at > 0 && compare_lines(list, line, list->heap[(at - 1) / 2]) > 0) {
		put(list, at, list->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(list, at, line);
}

/* The buckets: lines by what makes two records the same buffer. */

static uint64_t hash_of(const struct survey_pass *pass, const struct view_buffer *buffer)
{
	uint64_t place = buffer->address != SEGMENT_NO_ADDRESS ? buffer->address : buffer->id;
	uint64_t hash = hash_number(hash_number(place, buffer->bytes), buffer->tag);

	return hash_number(hash, (uint64_t)pass->now.number << 16 | buffer->kind);
}

static bool is_same(const struct survey_pass *pass, const struct survey_line *line, uint64_t hash,
                    const struct view_buffer *buffer)
{
	return line->hash == hash && line->process == pass->now.number &&
	       line->out.kind == pass->now.kinds[buffer->kind] && line->tag == buffer->tag &&
	       line->out.address == buffer->address &&
	       (buffer->address != SEGMENT_NO_ADDRESS || line->out.id == buffer->id) &&
	       line->bytes == buffer->bytes && line->out.class_now == buffer->class_now &&
	       line->region == buffer->region && !line->incomplete &&
	       strcmp(line->out.site, buffer->site) == 0;
}

static void enter(struct survey_list *list, uint32_t line)
{
	uint32_t *bucket = &list->buckets[list->lines.items[line].hash % LINE_BUCKETS];

	list->lines.items[line].next = *bucket;
	*bucket = line + 1;
}

static void leave(struct survey_list *list, uint32_t line)
{
	uint32_t *at = &list->buckets[list->lines.items[line].hash % LINE_BUCKETS];

	while (*at != line + 1)
		at = &list->lines.items[*at - 1].next;
	*at = list->lines.items[line].next;
}

/* The rows of a record in a set of bits; false: one of them was in it. */
static bool add_rows(uint64_t *set, const struct survey_candidate *candidate, bool look)
{
	const struct space_members *space = &candidate->space->selected;

	for (uint32_t n = 0; n < space->count; n++) {
		uint64_t bit = UINT64_C(1) << space->rows[n] % 64;

		if (candidate->buffer->member_bytes != NULL &&
		    candidate->buffer->member_bytes[space->members[n]] == 0)
			continue;
		if (look && (set[space->rows[n] / 64] & bit) != 0)
			return false;
		if (!look)
			set[space->rows[n] / 64] |= bit;
	}
	return true;
}

static uint64_t *new_rows(const struct survey_pass *pass, const struct survey_candidate *candidate)
{
	uint64_t *set = mem_calloc(pass->machine->devices.count / 64 + 1, sizeof(*set));

	add_rows(set, candidate, false);
	return set;
}

/* The rows of a line are put down once a second record comes to it. */
static bool is_elsewhere(struct survey_pass *pass, struct survey_line *line,
                         const struct survey_candidate *candidate)
{
	if (line->rows == NULL)
		line->rows = new_rows(
			pass, &(struct survey_candidate){.buffer = &(struct view_buffer){0},
		                                         .space = &pass->now.spaces[line->space]});
	return add_rows(line->rows, candidate, true);
}

/* A line that is the same buffer as a record, on devices that the record is not on: of many equal
 * ones, as of a runtime that knows no addresses, one of the newest. */
static struct survey_line *find_line(struct survey_pass *pass,
                                     const struct survey_candidate *candidate, uint64_t hash)
{
	struct survey_list *list = &pass->list;
	const struct view_buffer *buffer = candidate->buffer;
	int equal = 0;

	for (uint32_t at = list->buckets[hash % LINE_BUCKETS];
	     at != 0 && !buffer->incomplete && equal < MOST_EQUAL;
	     at = list->lines.items[at - 1].next) {
		struct survey_line *line = &list->lines.items[at - 1];

		if (!is_same(pass, line, hash, buffer))
			continue;
		equal++;
		if (is_elsewhere(pass, line, candidate))
			return line;
	}
	return NULL;
}

static uint64_t held_of(const struct survey_now *now, const struct survey_candidate *candidate)
{
	const struct view_buffer *buffer = candidate->buffer;
	const struct view_space *space = &now->view->spaces[buffer->space];
	const struct view_device *device;

	if (buffer->one_bank || candidate->space->selected.count == 0)
		return buffer->span;
	device = &now->view->devices[space->members[candidate->space->selected.members[0]]];
	for (uint32_t i = 0; i < device->memory_count; i++)
		if (device->memories[i].kind == buffer->kind)
			return buffer->span * device->memories[i].banks;
	return buffer->span;
}

/* On the focus, where there is one, since shares may differ; else the largest of them. */
static uint64_t bytes_of(const struct survey_candidate *candidate)
{
	const struct view_buffer *buffer = candidate->buffer;
	uint32_t focus = candidate->space->focus_member;

	return buffer->member_bytes != NULL && focus != UINT32_MAX ? buffer->member_bytes[focus]
	                                                           : buffer->bytes;
}

/* What a line says of the first of its records, without its strings and sums. */
static void describe(const struct survey_now *now, const struct survey_candidate *candidate,
                     struct survey_buffer *out)
{
	const struct view_buffer *buffer = candidate->buffer;

	out->identity = now->view->identity;
	out->pid = now->process->pid;
	out->command = now->process->command;
	out->id = buffer->id;
	out->address = buffer->address;
	out->bytes = bytes_of(candidate);
	out->span = buffer->span;
	out->held = held_of(now, candidate);
	out->time_ns = buffer->time_ns;
	out->op = buffer->op;
	out->first_row = candidate->space->selected.first_row;
	out->kind = now->kinds[buffer->kind];
	out->class_now = buffer->class_now;
	out->flags = buffer->flags;
	out->thread = buffer->thread;
}

/* Adds a record to the line that it is the same buffer as. */
static void join(struct survey_pass *pass, struct survey_line *line,
                 const struct survey_candidate *candidate)
{
	struct survey_buffer joined = line->out;

	add_rows(line->rows, candidate, false);
	describe(&pass->now, candidate, &joined);
	if (compare(pass->list.order, &joined, &line->out) < 0) {
		joined.first_row = line->out.first_row < joined.first_row ? line->out.first_row
		                                                          : joined.first_row;
		line->out = joined;
	}
	if (candidate->space->selected.first_row < line->out.first_row)
		line->out.first_row = candidate->space->selected.first_row;
	line->out.total_bytes += candidate->total_bytes;
	line->out.devices += candidate->devices;
	sink(&pass->list, line->heap_at);
}

static void fill_line(struct survey_pass *pass, uint32_t number,
                      const struct survey_candidate *candidate, uint64_t hash)
{
	struct survey_line *line = &pass->list.lines.items[number];
	const struct view_buffer *buffer = candidate->buffer;

	free(line->rows);
	describe(&pass->now, candidate, &line->out);
	line->out.total_bytes = candidate->total_bytes;
	line->out.devices = candidate->devices;
	line->out.tag = survey_tag(pass, buffer->tag);
	line->out.site = survey_site(pass, buffer->site);
	line->rows = buffer->member_bytes != NULL ? new_rows(pass, candidate) : NULL;
	line->hash = hash;
	line->bytes = buffer->bytes;
	line->process = pass->now.number;
	line->tag = buffer->tag;
	line->region = buffer->region;
	line->space = buffer->space;
	line->incomplete = buffer->incomplete;
	enter(&pass->list, number);
}

/* Whether it comes after the last line of a full list: most do. */
static bool is_late(const struct survey_pass *pass, const struct survey_candidate *candidate)
{
	const struct survey_list *list = &pass->list;
	const struct view_buffer *buffer = candidate->buffer;
	const struct survey_buffer *top;
	struct survey_buffer out;

	if (list->lines.count < SURVEY_LINES)
		return false;
	top = &list->lines.items[list->heap[0]].out;
	if (list->order == LIST_BY_SIZE && bytes_of(candidate) != top->bytes)
		return bytes_of(candidate) < top->bytes;
	if (list->order <= LIST_BY_AGE && buffer->time_ns != top->time_ns)
		return buffer->time_ns > top->time_ns;
	if (list->order == LIST_BY_YOUTH && buffer->time_ns != top->time_ns)
		return buffer->time_ns < top->time_ns;
	describe(&pass->now, candidate, &out);
	out.tag = pass->now.view->tags[buffer->tag].path;
	return compare(list->order, &out, top) >= 0;
}

void survey_list_offer(struct survey_pass *pass, const struct survey_candidate *candidate)
{
	struct survey_list *list = &pass->list;
	/* By device, the records of one buffer are far from each other. */
	bool late = list->order != LIST_BY_DEVICE && is_late(pass, candidate);
	struct survey_line *line;
	uint32_t number;
	uint64_t hash;

	if (late)
		return;
	hash = hash_of(pass, candidate->buffer);
	line = find_line(pass, candidate, hash);
	if (line != NULL) {
		join(pass, line, candidate);
		return;
	}
	if (list->lines.count < SURVEY_LINES) {
		number = (uint32_t)list->lines.count;
		vec_add(&list->lines);
		fill_line(pass, number, candidate, hash);
		list->heap[number] = number;
		rise(list, number);
	} else if (list->order != LIST_BY_DEVICE || !is_late(pass, candidate)) {
		number = list->heap[0];
		leave(list, number);
		fill_line(pass, number, candidate, hash);
		sink(list, 0);
	}
}

static int sort_lines(const void *a, const void *b, void *order)
{
	return compare(*(const enum listing_order *)order, &((const struct survey_line *)a)->out,
	               &((const struct survey_line *)b)->out);
}

void survey_list_finish(struct survey_pass *pass, struct string_pool *kept)
{
	struct survey_list *list = &pass->list;
	size_t count = list->lines.count;

	if (count > 1)
		qsort_r(list->lines.items, count, sizeof(*list->lines.items), sort_lines,
		        &list->order);
	for (size_t i = 0; i < count; i++) {
		struct survey_buffer *out;

		free(list->lines.items[i].rows);
		if (i >= SURVEY_LIST_LIMIT)
			continue;
		out = vec_add(&pass->survey->list);
		*out = list->lines.items[i].out;
		out->tag = string_pool_keep(kept, out->tag);
		out->site = string_pool_keep(kept, out->site);
		out->command = string_pool_keep(kept, out->command);
	}
	vec_finish(&list->lines);
}
