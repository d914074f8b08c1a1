/* SPDX-License-Identifier: Apache-2.0 */
#include "row_walk.h"

#include <stdlib.h>

struct walk {
	const struct look *look;
	row_found *found;
	void *arg;
	bool left; /* what was not given back, else what is live */
};

/* By tag of the view, so that each is matched once however many rows have it; NULL: all pass. */
static bool *match_tags(const struct look *look, const struct machine_process *process)
{
	const struct filter *filter = &look->ui->filter;
	const struct segment_view *view = process->view;
	bool *passes;

	if (filter->tags.count == 0 && filter->words.count == 0)
		return NULL;
	passes = mem_calloc(view->tag_count + 1u, sizeof(*passes));
	for (uint32_t i = 0; i < view->tag_count; i++)
		passes[i] = filter_has_tag(filter, view->tags[i].path) &&
		            filter_has_words(filter, view->tags[i].path, process->command);
	return passes;
}

static const uint32_t *find_member(const struct space_members *space, uint32_t member)
{
	for (uint32_t n = 0; n < space->count; n++)
		if (space->members[n] == member)
			return &space->rows[n];
	return NULL;
}

static bool is_wanted(const struct walk *walk, const struct machine_process *process,
                      const struct view_row *row)
{
	if (row->buffers == 0)
		return false;
	return walk->left ? row->class_now == CLASS_USER && (row->closed || process->dead)
	                  : row->class_now < CLASS_COUNTED_LIMIT && !row->closed;
}

static void walk_view(const struct walk *walk, struct row_part *part)
{
	const struct machine_process *process = part->process;
	const struct segment_view *view = process->view;
	struct space_members *spaces = selection_spaces(&walk->look->selection, process);
	bool *passes = match_tags(walk->look, process);

	part->exact = view->exact && (view->state & SEGMENT_STATE_INEXACT) == 0;
	for (uint32_t i = 0; i < view->row_count; i++) {
		const struct view_row *row = &view->rows[i];
		const struct space_members *space = &spaces[row->space];

		part->kind = process->kinds[row->kind];
		part->tag = row->tag;
		if (!is_wanted(walk, process, row) ||
		    !selection_has_kind(&walk->look->selection, part->kind) ||
		    (passes != NULL && !passes[row->tag]))
			continue;
		part->bytes = row->bytes;
		part->held = row->held;
		part->buffers = row->buffers;
		part->rows = row->member == ROW_ALL_MEMBERS ? space->rows
		                                            : find_member(space, row->member);
		part->row_count =
			row->member == ROW_ALL_MEMBERS ? space->count : part->rows != NULL;
		if (part->row_count != 0)
			walk->found(walk->arg, part);
	}
	free(passes);
	selection_spaces_finish(spaces, process);
}

/* Counters have one figure per device and kind, and no tags. */
static void walk_counters(const struct walk *walk, struct row_part *part)
{
	const struct machine *machine = &walk->look->reading->scene.machine;
	const struct filter *filter = &walk->look->ui->filter;
	const struct machine_process *process = part->process;
	struct machine_figure figure;

	if (!filter_has_tag(filter, "") || !filter_has_words(filter, "", process->command))
		return;
	part->exact = false;
	for (size_t i = 0; i < process->devices.count; i++)
		for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
			if (process->figures[kind].unclassified_bytes == 0 ||
			    !selection_has_device(&walk->look->selection,
			                          process->devices.items[i]) ||
			    !selection_has_kind(&walk->look->selection, kind) ||
			    !machine_process_figure(machine, process, process->devices.items[i],
			                            kind, &figure) ||
			    figure.unclassified_bytes == 0)
				continue;
			part->kind = kind;
			part->bytes = part->held = figure.unclassified_bytes;
			part->rows = &process->devices.items[i];
			part->row_count = 1;
			walk->found(walk->arg, part);
		}
}

void row_walk(const struct look *look, row_found *found, void *arg)
{
	const struct machine *machine = &look->reading->scene.machine;
	const struct walk walk = {look, found, arg, false};

	for (size_t i = 0; i < machine->processes.count; i++) {
		struct row_part part = {.process = &machine->processes.items[i], .number = i};

		if (!listing_wants(&look->selection, part.process, look->reading->from != NULL))
			continue;
		if (part.process->view != NULL)
			walk_view(&walk, &part);
		else
			walk_counters(&walk, &part);
	}
}

void row_walk_left(const struct look *look, row_found *found, void *arg)
{
	const struct machine *machine = &look->reading->scene.machine;
	const struct walk walk = {look, found, arg, true};

	for (size_t i = 0; i < machine->processes.count; i++) {
		struct row_part part = {.process = &machine->processes.items[i], .number = i};

		if (part.process->view != NULL &&
		    listing_wants(&look->selection, part.process, true))
			walk_view(&walk, &part);
	}
}
