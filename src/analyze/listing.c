/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include "lookup.h"
#include "tag_match.h"

#include <stdlib.h>
#include <string.h>

typedef int (*listing_compare)(const struct listed_buffer *a, const struct listed_buffer *b);

#define COMPARE(x, y) ((x) < (y) ? -1 : (x) > (y))

static int by_age(const struct listed_buffer *a, const struct listed_buffer *b)
{
	int order = COMPARE(a->buffer->time_ns, b->buffer->time_ns);

	return order != 0 ? order : COMPARE(a->buffer->op, b->buffer->op);
}

static int by_youth(const struct listed_buffer *a, const struct listed_buffer *b)
{
	return by_age(b, a);
}

static int by_size(const struct listed_buffer *a, const struct listed_buffer *b)
{
	int order = COMPARE(b->buffer->bytes, a->buffer->bytes);

	return order != 0 ? order : by_age(a, b);
}

static int by_device(const struct listed_buffer *a, const struct listed_buffer *b)
{
	int order = COMPARE(a->first_row, b->first_row);

	return order != 0 ? order : by_size(a, b);
}

static const char *tag_path(const struct listed_buffer *listed)
{
	return listed->process->view->tags[listed->buffer->tag].path;
}

static int by_tag(const struct listed_buffer *a, const struct listed_buffer *b)
{
	int order = strcmp(tag_path(a), tag_path(b));

	return order != 0 ? order : by_size(a, b);
}

static const listing_compare compares[LIST_ORDER_LIMIT] = {
	[LIST_BY_SIZE] = by_size, [LIST_BY_AGE] = by_age,     [LIST_BY_DEVICE] = by_device,
	[LIST_BY_TAG] = by_tag,   [LIST_BY_YOUTH] = by_youth,
};

/* The heap has the last of the kept ones on top. */
static void heap_sink(struct listed_buffer *heap, size_t count, size_t at, listing_compare compare)
{
	for (;;) {
		size_t last = at, child = 2 * at + 1;
		struct listed_buffer swap = heap[at];

		for (size_t i = child; i < child + 2 && i < count; i++)
			if (compare(&heap[i], &heap[last]) > 0)
				last = i;
		if (last == at)
			return;
		heap[at] = heap[last];
		heap[last] = swap;
		at = last;
	}
}

static void keep(struct listing *listing, const struct listed_buffer *candidate, size_t limit,
                 listing_compare compare)
{
	struct listed_buffer *items = listing->buffers.items;

	if (limit == 0 || listing->buffers.count < limit) {
		*vec_add(&listing->buffers) = *candidate;
		if (listing->buffers.count == limit)
			for (size_t i = limit; i-- > 0;)
				heap_sink(listing->buffers.items, limit, i, compare);
	} else if (compare(candidate, &items[0]) < 0) {
		items[0] = *candidate;
		heap_sink(items, limit, 0, compare);
	}
}

bool listing_wants(const struct selection *selection, const struct machine_process *process,
                   bool dead)
{
	return (process->counted || (dead && !process->witness)) &&
	       selection_has_process(selection, process);
}

static bool passes(const struct listing_filter *filter, const struct segment_view *view,
                   const struct view_buffer *buffer)
{
	return buffer->bytes >= filter->least_bytes &&
	       (filter->classes == 0 || (filter->classes >> buffer->class_now & 1) != 0) &&
	       (filter->tag == NULL || tag_matches(filter->tag, view->tags[buffer->tag].path));
}

static void list_process(struct listing *listing, const struct machine_process *process,
                         const struct selection *selection, const struct listing_options *options)
{
	struct space_members *spaces = selection_spaces(selection, process);
	const struct segment_view *view = process->view;
	bool kinds[SEGMENT_MAX_KINDS] = {false};

	for (uint32_t k = 0; k < view->kind_count; k++)
		kinds[k] = selection_has_kind(selection, process->kinds[k]);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];
		const struct space_members *space = &spaces[buffer->space];
		struct listed_buffer listed = {.process = process, .buffer = buffer};

		if (buffer->closed || space->count == 0 || !kinds[buffer->kind] ||
		    !passes(&options->filter, view, buffer))
			continue;
		listed.total_bytes = buffer_total_bytes(buffer, space, &listed.devices);
		listed.first_row = space->first_row;
		if (listed.devices == 0 && buffer->bytes != 0)
			continue;
		listing->records++;
		listing->device_buffers += listed.devices;
		if (buffer->class_now < CLASS_COUNTED_LIMIT)
			listing->bytes += listed.total_bytes;
		keep(listing, &listed, options->limit, compares[options->order]);
	}
	selection_spaces_finish(spaces, process);
}

static int sort_listed(const void *a, const void *b, void *order)
{
	return compares[*(const enum listing_order *)order](a, b);
}

static bool same_listed(const void *elements, size_t position, const void *key)
{
	const struct listed_buffer *a = (const struct listed_buffer *)elements + position, *b = key;

	if (a->buffer->address == SEGMENT_NO_ADDRESS && a->buffer->id != b->buffer->id)
		return false;
	return a->process == b->process && a->buffer->kind == b->buffer->kind &&
	       a->buffer->bytes == b->buffer->bytes && a->buffer->address == b->buffer->address &&
	       a->buffer->class_now == b->buffer->class_now && a->buffer->tag == b->buffer->tag &&
	       a->buffer->region == b->buffer->region && !a->buffer->incomplete &&
	       !b->buffer->incomplete && strcmp(a->buffer->site, b->buffer->site) == 0;
}

static bool has_row(const struct listed_buffer *listed, uint32_t row)
{
	for (size_t i = 0; i < listed->rows.count; i++)
		if (listed->rows.items[i] == row)
			return true;
	return false;
}

static bool shares_row(const struct listed_buffer *a, const struct listed_buffer *b)
{
	for (size_t i = 0; i < a->rows.count; i++)
		if (has_row(b, a->rows.items[i]))
			return true;
	return false;
}

static void fill_rows(struct listed_buffer *listed, const struct selection *selection)
{
	const struct segment_view *view = listed->process->view;
	const struct view_space *space = &view->spaces[listed->buffer->space];

	for (uint32_t m = 0; m < space->member_count; m++) {
		uint32_t device = space->members[m];

		if (device < view->device_count &&
		    selection_has_device(selection, listed->process->rows[device]) &&
		    (listed->buffer->member_bytes == NULL || listed->buffer->member_bytes[m] != 0))
			*vec_add(&listed->rows) = listed->process->rows[device];
	}
}

static void add_rows(struct listed_buffer *line, const struct listed_buffer *listed)
{
	for (size_t i = 0; i < listed->rows.count; i++)
		*vec_add(&line->rows) = listed->rows.items[i];
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return COMPARE(x, y);
}

static uint64_t listed_hash(const struct view_buffer *buffer)
{
	uint64_t place = buffer->address != SEGMENT_NO_ADDRESS ? buffer->address : buffer->id;

	return hash_number(hash_number(place, buffer->bytes), buffer->tag);
}

/* Lines of buffers that nothing but their devices tells apart, as those of a runtime that knows no
 * addresses: as many of them as one device has. */
struct join_line {
	size_t next, last; /* of the same; SIZE_MAX none. `last` is the first one's */
	size_t own_rows;   /* before others were joined */
};

/* All lines before this one have the row already: what has many equal lines is not looked through
 * from the beginning for each record. */
struct join_place {
	size_t first, line;
	uint32_t row;
};

struct join {
	struct listing *listing;
	const struct selection *selection;
	struct lookup lines;   /* the first of those that are the same */
	struct lookup buffers; /* lines by the record that they were made for */
	struct lookup places;
	VEC(struct join_line) more; /* by line */
	VEC(struct join_place) at;
};

static bool same_place(const void *elements, size_t position, const void *key)
{
	const struct join_place *a = (const struct join_place *)elements + position, *b = key;

	return a->first == b->first && a->row == b->row;
}

static bool same_buffer(const void *elements, size_t position, const void *key)
{
	return ((const struct listed_buffer *)elements)[position].buffer == key;
}

static uint64_t buffer_hash(const struct view_buffer *buffer)
{
	return hash_number(0, (uintptr_t)buffer);
}

/* Of the lines from `first` on one that is on none of the record's devices; SIZE_MAX: there is
 * none. */
static size_t open_line(struct join *join, size_t first, const struct listed_buffer *listed)
{
	const struct listed_buffer *lines = join->listing->buffers.items;
	struct join_place key = {first, first, listed->rows.items[0]};
	size_t count = join->at.count, at;

	at = lookup_place(&join->places, join->at.items, &key, hash_number(first, key.row), count);
	if (at == count)
		*vec_add(&join->at) = key;
	while (has_row(&lines[join->at.items[at].line], key.row)) {
		size_t next = join->more.items[join->at.items[at].line].next;

		if (next == SIZE_MAX)
			return SIZE_MAX;
		join->at.items[at].line = next;
	}
	at = join->at.items[at].line;
	while (at != SIZE_MAX && shares_row(&lines[at], listed))
		at = join->more.items[at].next;
	return at;
}

static void new_line(struct join *join, size_t first, const struct listed_buffer *listed,
                     size_t line)
{
	struct listed_buffer *lines = join->listing->buffers.items;
	struct join_line *more;

	*vec_add(&join->more) = (struct join_line){SIZE_MAX, line, listed->rows.count};
	more = join->more.items;
	if (first != SIZE_MAX && first != line) {
		more[more[first].last].next = line;
		more[first].last = line;
	}
	lines[line] = *listed;
	lines[line].records = 1;
	lookup_place(&join->buffers, lines, listed->buffer, buffer_hash(listed->buffer), line);
}

/* Keeps the first `limit` of those that are not the same buffer as one before: on devices that it
 * is not on. */
static void keep_lines(struct join *join, size_t limit)
{
	struct listed_buffer *items = join->listing->buffers.items;
	size_t lines = 0;

	for (size_t i = 0; i < join->listing->buffers.count; i++) {
		struct listed_buffer listed = items[i];
		size_t first = SIZE_MAX, line = SIZE_MAX;

		if (limit != 0 && lines == limit)
			break;
		fill_rows(&listed, join->selection);
		if (!listed.buffer->incomplete && listed.rows.count != 0)
			first = lookup_place(&join->lines, items, &listed,
			                     listed_hash(listed.buffer), lines);
		if (first < lines)
			line = open_line(join, first, &listed);
		if (line == SIZE_MAX) {
			new_line(join, first, &listed, lines++);
			continue;
		}
		add_rows(&items[line], &listed);
		vec_finish(&listed.rows);
	}
	join->listing->buffers.count = lines;
}

static bool has_line(const struct join *join, const struct view_buffer *buffer)
{
	return lookup_find(&join->buffers, join->listing->buffers.items, buffer,
	                   buffer_hash(buffer)) != SIZE_MAX;
}

static void add_record(struct join *join, size_t first, const struct listed_buffer *listed)
{
	size_t at = open_line(join, first, listed);
	struct listed_buffer *line;

	if (at == SIZE_MAX)
		return;
	line = &join->listing->buffers.items[at];
	line->total_bytes += listed->total_bytes;
	line->devices += listed->devices;
	line->records++;
	add_rows(line, listed);
}

/* Adds every record to the line that it is the same buffer as. */
static void join_process(struct join *join, const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	struct space_members *spaces = selection_spaces(join->selection, process);

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		struct listed_buffer listed = {.process = process, .buffer = &view->buffers[i]};
		size_t first;

		if (listed.buffer->closed || listed.buffer->incomplete)
			continue;
		first = lookup_find(&join->lines, join->listing->buffers.items, &listed,
		                    listed_hash(listed.buffer));
		if (first == SIZE_MAX || has_line(join, listed.buffer))
			continue;
		listed.total_bytes = buffer_total_bytes(
			listed.buffer, &spaces[listed.buffer->space], &listed.devices);
		fill_rows(&listed, join->selection);
		if (listed.rows.count != 0)
			add_record(join, first, &listed);
		vec_finish(&listed.rows);
	}
	selection_spaces_finish(spaces, process);
}

/* Makes one line of records that are the same buffer. */
static void join_lines(struct listing *listing, const struct machine *machine,
                       const struct selection *selection, const struct listing_options *options)
{
	struct join join = {.listing = listing,
	                    .selection = selection,
	                    .lines = {.same = same_listed},
	                    .buffers = {.same = same_buffer},
	                    .places = {.same = same_place}};
	const struct machine_process *process;
	struct listed_buffer *listed;
	struct join_place *place;

	keep_lines(&join, options->limit);
	for (size_t i = 0; i < listing->buffers.count; i++)
		listing->buffers.items[i].rows.count = join.more.items[i].own_rows;
	vec_for (place, &join.at)
		place->line = place->first;
	vec_for (process, &machine->processes)
		if (process->view != NULL && join.lines.count != 0 &&
		    listing_wants(selection, process, options->dead))
			join_process(&join, process);
	vec_for (listed, &listing->buffers) {
		listing->listed_records += listed->records;
		qsort(listed->rows.items, listed->rows.count, sizeof(uint32_t), by_number);
	}
	lookup_finish(&join.lines);
	lookup_finish(&join.buffers);
	lookup_finish(&join.places);
	vec_finish(&join.more);
	vec_finish(&join.at);
}

enum { MAX_JOINED = 64 };

/* How many records may be needed for so many lines. */
static size_t candidates(const struct machine *machine, size_t limit)
{
	size_t devices = machine->devices.count;

	return limit * (devices < 1 ? 1 : devices > MAX_JOINED ? MAX_JOINED : devices);
}

void listing_make(struct listing *listing, const struct machine *machine,
                  const struct selection *selection, const struct listing_options *options)
{
	struct listing_options wide = *options;
	const struct machine_process *process;

	*listing = (struct listing){.exact = true};
	wide.limit = candidates(machine, options->limit);
	vec_for (process, &machine->processes) {
		if (!listing_wants(selection, process, options->dead))
			continue;
		if (process->view == NULL) {
			listing->exact = false;
			continue;
		}
		listing->exact = listing->exact && process->view->exact &&
		                 (process->view->state & SEGMENT_STATE_INEXACT) == 0;
		listing->no_detail += process->view->no_detail_buffers;
		list_process(listing, process, selection, &wide);
	}
	if (listing->buffers.count > 1)
		qsort_r(listing->buffers.items, listing->buffers.count,
		        sizeof(*listing->buffers.items), sort_listed, &wide.order);
	join_lines(listing, machine, selection, options);
}

void listing_finish(struct listing *listing)
{
	for (size_t i = 0; i < listing->buffers.count; i++)
		vec_finish(&listing->buffers.items[i].rows);
	vec_finish(&listing->buffers);
}
