/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of what is held: over the rows of segments and over tt-metal's counters. */
#include "listing.h"
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

struct sum_work {
	struct sums *sums;
	const struct machine *machine;
	const struct selection *selection;
	enum sum_key key;
	struct lookup by_key;
};

struct sum_place {
	const char *tag;
	uint32_t row, kind;
	const struct machine_process *process;
};

static bool same_place(const void *elements, size_t position, const void *key)
{
	const struct sum *sum = (const struct sum *)elements + position;
	const struct sum_place *place = key;

	return sum->row == place->row && sum->kind == place->kind &&
	       sum->process == place->process && strcmp(sum->tag, place->tag) == 0;
}

/* The sum for something on a device, by whatever is asked for. */
static struct sum *sum_for(struct sum_work *work, struct sum_place place)
{
	uint64_t hash = 0;
	size_t at;

	place.tag = work->key == SUM_BY_TAG ? place.tag : "";
	place.row = work->key == SUM_BY_DEVICE ? place.row : 0;
	place.kind = work->key == SUM_BY_KIND ? place.kind : 0;
	place.process = work->key == SUM_BY_PROCESS ? place.process : NULL;
	hash = hash_string(hash_number(place.row, place.kind), place.tag);
	hash = hash_number(hash, (uintptr_t)place.process);
	at = lookup_place(&work->by_key, work->sums->sums.items, &place, hash,
	                  work->sums->sums.count);
	if (at == work->sums->sums.count) {
		struct sum *sum = vec_add(&work->sums->sums);

		sum->tag = place.tag;
		sum->row = place.row;
		sum->kind = place.kind;
		sum->process = place.process;
	}
	return &work->sums->sums.items[at];
}

static void add_row_on(struct sum_work *work, const struct view_row *row, struct sum_place place)
{
	struct sum *sum = sum_for(work, place);

	sum->bytes[row->class_now] += row->bytes;
	if (row->class_now >= CLASS_COUNTED_LIMIT)
		return;
	sum->device_buffers += row->buffers;
	sum->total_bytes += row->bytes;
	sum->held += row->held;
}

static void sum_rows(struct sum_work *work, const struct machine_process *process)
{
	struct space_members *spaces = selection_spaces(work->selection, process);
	const struct segment_view *view = process->view;

	for (uint32_t i = 0; i < view->row_count; i++) {
		const struct view_row *row = &view->rows[i];
		const struct space_members *space = &spaces[row->space];
		struct sum_place place = {view->tags[row->tag].path, 0, process->kinds[row->kind],
		                          process};

		if (row->closed || row->buffers == 0 ||
		    !selection_has_kind(work->selection, place.kind))
			continue;
		for (uint32_t n = 0; n < space->count; n++) {
			if (row->member != ROW_ALL_MEMBERS && row->member != space->members[n])
				continue;
			place.row = space->rows[n];
			add_row_on(work, row, place);
		}
	}
	selection_spaces_finish(spaces, process);
}

/* What a process has on the selected devices. */
static struct machine_figure figure_on(const struct sum_work *work,
                                       const struct machine_process *process, uint32_t kind)
{
	struct machine_figure sum = {0}, figure;

	for (uint32_t row = 0; row < work->machine->devices.count; row++)
		if (selection_has_device(work->selection, row) &&
		    machine_process_figure(work->machine, process, row, kind, &figure))
			figure_add(&sum, &figure);
	return sum;
}

/* tt-metal's counters have one figure per kind and no tags. */
static void sum_counters(struct sum_work *work, const struct machine_process *process)
{
	for (uint32_t kind = 0; kind < work->machine->kind_count; kind++) {
		const struct machine_figure figure = figure_on(work, process, kind);
		struct sum_place place = {"", 0, kind, process};
		struct sum *sum;

		if (figure.unclassified_bytes == 0 || !selection_has_kind(work->selection, kind))
			continue;
		work->sums->exact = false;
		if (work->key == SUM_BY_DEVICE)
			continue;
		sum = sum_for(work, place);
		sum->total_bytes += figure.unclassified_bytes;
		sum->held += figure.held;
	}
}

/* By device the figures of the machine have it all. */
static void sum_devices(struct sum_work *work)
{
	for (uint32_t row = 0; row < work->machine->devices.count; row++)
		for (uint32_t kind = 0; kind < work->machine->kind_count; kind++) {
			const struct machine_figure *figure =
				&work->machine->devices.items[row].figures[kind];
			struct sum *sum;

			if (figure->unclassified_bytes == 0 || work->selection->pid_count != 0 ||
			    !selection_has_device(work->selection, row) ||
			    !selection_has_kind(work->selection, kind))
				continue;
			sum = sum_for(work, (struct sum_place){"", row, 0, NULL});
			sum->total_bytes += figure->unclassified_bytes;
			sum->held += figure->unclassified_bytes;
		}
}

static int largest_first(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	return strcmp(x->tag, y->tag);
}

static int lowest_row_first(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

void sums_make(struct sums *sums, const struct machine *machine, const struct selection *selection,
               enum sum_key key, bool dead)
{
	struct sum_work work = {sums, machine, selection, key, {.same = same_place}};
	const struct machine_process *process;

	*sums = (struct sums){.exact = true};
	vec_for (process, &machine->processes) {
		if (!listing_wants(selection, process, dead))
			continue;
		if (process->view == NULL) {
			sum_counters(&work, process);
			continue;
		}
		sums->exact = sums->exact && process->view->exact &&
		              (process->view->state & SEGMENT_STATE_INEXACT) == 0;
		sum_rows(&work, process);
	}
	if (key == SUM_BY_DEVICE)
		sum_devices(&work);
	if (sums->sums.count > 1)
		qsort(sums->sums.items, sums->sums.count, sizeof(*sums->sums.items),
		      key == SUM_BY_DEVICE ? lowest_row_first : largest_first);
	lookup_finish(&work.by_key);
}

void sums_finish(struct sums *sums)
{
	vec_finish(&sums->sums);
}
