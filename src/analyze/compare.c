/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

#include "lookup.h"

#include <stdlib.h>
#include <string.h>

/* One buffer of one side. */
struct item {
	const struct machine_process *process;
	const struct view_buffer *buffer;
	uint64_t total_bytes;
	uint32_t devices;
};

struct side {
	const struct compared *from;
	VEC(struct item) items;
};

struct compare_work {
	struct comparison *comparison;
	struct side before, after;
	struct lookup changes, tags;
};

static void collect_process(struct side *side, const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	struct space_members *spaces = selection_spaces(side->from->selection, process);

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		struct item item = {process, &view->buffers[i], 0, 0};
		const struct space_members *space = &spaces[item.buffer->space];

		if (item.buffer->class_now >= CLASS_COUNTED_LIMIT ||
		    !selection_has_kind(side->from->selection, process->kinds[item.buffer->kind]))
			continue;
		item.total_bytes = buffer_total_bytes(item.buffer, space, &item.devices);
		if (item.devices != 0)
			*vec_add(&side->items) = item;
	}
	selection_spaces_finish(spaces, process);
}

static void collect(struct side *side)
{
	const struct machine_process *process;

	vec_for (process, &side->from->machine->processes)
		if (process->view != NULL && selection_has_process(side->from->selection, process))
			collect_process(side, process);
}

static const char *kind_name(const struct item *item)
{
	return item->process->view->kind_names[item->buffer->kind];
}

static const char *tag_path(const struct item *item)
{
	return item->process->view->tags[item->buffer->tag].path;
}

static bool same_tag(const void *elements, size_t position, const void *key)
{
	const struct tag_change *a = (const struct tag_change *)elements + position, *b = key;

	return a->class_now == b->class_now && strcmp(a->kind, b->kind) == 0 &&
	       strcmp(a->tag, b->tag) == 0;
}

static struct tag_change *tag_for(struct compare_work *work, const struct item *item)
{
	struct tag_change key = {
		tag_path(item), kind_name(item), item->buffer->class_now, 0, 0, 0, 0};
	uint64_t hash = hash_string(hash_string(key.class_now, key.kind), key.tag);
	size_t count = work->comparison->tags.count;
	size_t at = lookup_place(&work->tags, work->comparison->tags.items, &key, hash, count);

	if (at == count)
		*vec_add(&work->comparison->tags) = key;
	return &work->comparison->tags.items[at];
}

static bool same_change(const void *elements, size_t position, const void *key)
{
	const struct change *a = (const struct change *)elements + position, *b = key;

	return a->class_now == b->class_now && a->bytes == b->bytes && a->devices == b->devices &&
	       strcmp(a->kind, b->kind) == 0 && strcmp(a->tag, b->tag) == 0 &&
	       strcmp(a->site, b->site) == 0;
}

static struct change *change_for(struct compare_work *work, const struct item *item)
{
	struct change key = {.tag = tag_path(item), .site = item->buffer->site};
	size_t count = work->comparison->changes.count, at;
	uint64_t hash;

	key.kind = kind_name(item);
	key.class_now = item->buffer->class_now;
	key.bytes = item->buffer->bytes;
	key.devices = item->devices;
	hash = hash_string(hash_string(hash_number(key.bytes, key.devices), key.tag), key.site);
	at = lookup_place(&work->changes, work->comparison->changes.items, &key, hash, count);
	if (at == count)
		*vec_add(&work->comparison->changes) = key;
	return &work->comparison->changes.items[at];
}

#define COMPARE(x, y)                                                                              \
	if ((x) != (y))                                                                            \
	return (x) < (y) ? -1 : 1

/* The same buffer on both sides: of one allocation, wherever it was moved since. Of what has no
 * time, of one operation. */
static int by_allocation(const struct item *x, const struct item *y)
{
	COMPARE(x->process->view->identity, y->process->view->identity);
	COMPARE(x->buffer->id, y->buffer->id);
	COMPARE(x->buffer->time, y->buffer->time);
	if (x->buffer->time == 0)
		COMPARE(x->buffer->op, y->buffer->op);
	return 0;
}

static int by_buffer(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = by_allocation(x, y);

	if (order != 0)
		return order;
	COMPARE(x->buffer->op, y->buffer->op);
	return 0;
}

static void sort_side(struct side *side)
{
	if (side->items.count > 1)
		qsort(side->items.items, side->items.count, sizeof(*side->items.items), by_buffer);
}

/* Buffers of one segment that are on both sides are left out; what a share less or more makes of
 * them is not. */
static void add_changes(struct compare_work *work)
{
	const struct item *a = work->before.items.items, *b = work->after.items.items;
	const struct item *a_end = a + work->before.items.count;
	const struct item *b_end = b + work->after.items.count;

	while (a < a_end || b < b_end) {
		int order = a == a_end ? 1 : b == b_end ? -1 : by_allocation(a, b);

		if (order == 0 && a->total_bytes == b->total_bytes) {
			a++;
			b++;
			continue;
		}
		if (order <= 0) {
			struct change *change = change_for(work, a);

			change->went++;
			change->went_bytes += a++->total_bytes;
		}
		if (order >= 0) {
			struct change *change = change_for(work, b);

			change->came++;
			change->came_bytes += b++->total_bytes;
		}
	}
}

static bool has_identity(const struct compared *side, uint64_t identity)
{
	const struct machine_process *process;

	vec_for (process, &side->machine->processes)
		if (process->view != NULL && process->view->identity == identity)
			return true;
	return false;
}

/* Whether the two have no process in common: then two runs are compared, and what looks alike on
 * both sides is no change. */
static bool are_two_runs(const struct compared *before, const struct compared *after)
{
	const struct machine_process *process;

	vec_for (process, &before->machine->processes)
		if (process->view != NULL && has_identity(after, process->view->identity))
			return false;
	return true;
}

static void cancel_alike(struct comparison *comparison)
{
	struct change *change;

	vec_for (change, &comparison->changes) {
		uint64_t both = change->came < change->went ? change->came : change->went;

		if (both == 0)
			continue;
		change->came_bytes -= change->came_bytes / change->came * both;
		change->went_bytes -= change->went_bytes / change->went * both;
		change->came -= both;
		change->went -= both;
	}
}

static uint64_t change_size(const struct change *change)
{
	return change->came_bytes + change->went_bytes;
}

static int largest_change(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (change_size(x) != change_size(y))
		return change_size(x) > change_size(y) ? -1 : 1;
	return strcmp(x->tag, y->tag);
}

static uint64_t tag_size(const struct tag_change *tag)
{
	return tag->after_bytes > tag->before_bytes ? tag->after_bytes - tag->before_bytes
	                                            : tag->before_bytes - tag->after_bytes;
}

static int largest_tag(const void *a, const void *b)
{
	const struct tag_change *x = a, *y = b;

	if (tag_size(x) != tag_size(y))
		return tag_size(x) > tag_size(y) ? -1 : 1;
	return strcmp(x->tag, y->tag);
}

static void sum_tags(struct compare_work *work)
{
	const struct item *item;

	vec_for (item, &work->before.items) {
		struct tag_change *tag = tag_for(work, item);

		tag->before_bytes += item->total_bytes;
		tag->before_records++;
		work->comparison->before_bytes += item->total_bytes;
		work->comparison->before_records++;
	}
	vec_for (item, &work->after.items) {
		struct tag_change *tag = tag_for(work, item);

		tag->after_bytes += item->total_bytes;
		tag->after_records++;
		work->comparison->after_bytes += item->total_bytes;
		work->comparison->after_records++;
	}
}

/* Drops what did not change, and sorts the rest. */
static void keep_differences(struct comparison *comparison)
{
	size_t kept = 0;

	for (size_t i = 0; i < comparison->changes.count; i++)
		if (comparison->changes.items[i].came != 0 ||
		    comparison->changes.items[i].went != 0)
			comparison->changes.items[kept++] = comparison->changes.items[i];
	comparison->changes.count = kept;
	kept = 0;
	for (size_t i = 0; i < comparison->tags.count; i++)
		if (comparison->tags.items[i].before_bytes !=
		            comparison->tags.items[i].after_bytes ||
		    comparison->tags.items[i].before_records !=
		            comparison->tags.items[i].after_records)
			comparison->tags.items[kept++] = comparison->tags.items[i];
	comparison->tags.count = kept;
	if (comparison->changes.count > 1)
		qsort(comparison->changes.items, comparison->changes.count,
		      sizeof(*comparison->changes.items), largest_change);
	if (kept > 1)
		qsort(comparison->tags.items, kept, sizeof(*comparison->tags.items), largest_tag);
}

static bool is_exact(const struct machine *machine)
{
	const struct machine_process *process;

	vec_for (process, &machine->processes)
		if (process->view != NULL &&
		    (!process->view->exact || (process->view->state & SEGMENT_STATE_INEXACT) != 0))
			return false;
	return true;
}

void compare(struct comparison *comparison, const struct compared *before,
             const struct compared *after)
{
	struct compare_work work = {.comparison = comparison};

	*comparison = (struct comparison){0};
	comparison->exact = is_exact(before->machine) && is_exact(after->machine);
	work.changes.same = same_change;
	work.tags.same = same_tag;
	work.before.from = before;
	work.after.from = after;
	collect(&work.before);
	collect(&work.after);
	sort_side(&work.before);
	sort_side(&work.after);
	sum_tags(&work);
	add_changes(&work);
	if (are_two_runs(before, after))
		cancel_alike(comparison);
	keep_differences(comparison);
	vec_finish(&work.before.items);
	vec_finish(&work.after.items);
	lookup_finish(&work.changes);
	lookup_finish(&work.tags);
}

void compare_finish(struct comparison *comparison)
{
	vec_finish(&comparison->changes);
	vec_finish(&comparison->tags);
}
