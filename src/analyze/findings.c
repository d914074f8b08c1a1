/* SPDX-License-Identifier: Apache-2.0 */
#include "findings.h"

#include "lookup.h"

#include <stdlib.h>
#include <string.h>

const char *const finding_words[FINDING_TYPE_LIMIT] = {
	[FINDING_OVERLAP] = "overlap",
	[FINDING_OVER_CAPACITY] = "over capacity",
	[FINDING_DANGLING_VIEW] = "dangling view",
	[FINDING_COUNTERS_DIFFER] = "counters differ",
};

/* Addresses taken by a buffer on the device that is being looked at. */
struct extent {
	uint64_t start, end;
	uint32_t kind, region;
	const struct machine_process *process;
	const struct view_buffer *buffer;
};

struct finding_work {
	struct findings *findings;
	const struct machine *machine;
	const struct selection *selection;
	struct space_members **spaces; /* by process */
	struct lookup lookup;
	VEC(struct extent) extents;
};

static bool same_finding(const void *elements, size_t position, const void *key)
{
	const struct finding *a = (const struct finding *)elements + position, *b = key;

	return a->type == b->type && a->kind == b->kind && a->identity == b->identity &&
	       a->other_identity == b->other_identity && a->op == b->op &&
	       a->other_op == b->other_op &&
	       (a->type != FINDING_OVER_CAPACITY || a->capacity == b->capacity);
}

static uint64_t finding_hash(const struct finding *finding)
{
	uint64_t hash = hash_number(finding->type, finding->kind);

	hash = hash_number(hash_number(hash, finding->identity), finding->other_identity);
	return hash_number(hash_number(hash, finding->op), finding->other_op);
}

/* One finding, however many devices it is on. */
static void note(struct finding_work *work, struct finding *finding, uint32_t row)
{
	struct findings *findings = work->findings;
	size_t at;

	finding->identity = finding->process != NULL ? finding->process->view->identity : 0;
	finding->other_identity =
		finding->other_process != NULL ? finding->other_process->view->identity : 0;
	finding->op = finding->buffer != NULL ? finding->buffer->op : 0;
	finding->other_op = finding->other != NULL ? finding->other->op : 0;
	at = lookup_find(&work->lookup, findings->findings.items, finding, finding_hash(finding));
	if (at == SIZE_MAX && findings->findings.count == FINDINGS_LIMIT) {
		findings->more++;
		return;
	}
	at = lookup_place(&work->lookup, findings->findings.items, finding, finding_hash(finding),
	                  findings->findings.count);
	if (at == findings->findings.count) {
		*vec_add(&findings->findings) = *finding;
		findings->findings.items[at].on = mem_calloc(work->machine->devices.count + 1, 1);
	}
	if (row != UINT32_MAX)
		findings->findings.items[at].on[row] = 1;
}

static void collect_buffer(struct finding_work *work, const struct machine_process *process,
                           const struct view_buffer *buffer, const struct space_members *space,
                           uint32_t row)
{
	for (uint32_t n = 0; n < space->count; n++) {
		struct extent *extent;

		if (space->rows[n] != row || buffer_bytes_on(buffer, space, n) == 0)
			continue;
		extent = vec_add(&work->extents);
		extent->start = buffer->address;
		extent->end = buffer->address + buffer->span;
		extent->kind = process->kinds[buffer->kind];
		extent->region = buffer->region;
		extent->process = process;
		extent->buffer = buffer;
		return;
	}
}

/* Of a client of the socket whose device's banks are not known: where its buffers end on each bank
 * is not known either. */
static bool extent_is_known(const struct machine_process *process, const struct view_buffer *buffer)
{
	return !process->view->is_proxy || !buffer->one_bank;
}

static void collect(struct finding_work *work, const struct machine_process *process, uint32_t row)
{
	const struct space_members *spaces = work->spaces[process - work->machine->processes.items];

	for (uint32_t i = 0; spaces != NULL && i < process->view->buffer_count; i++) {
		const struct view_buffer *buffer = &process->view->buffers[i];

		if (!buffer->closed && !buffer->incomplete && buffer->span != 0 &&
		    buffer->class_now < CLASS_COUNTED_LIMIT && extent_is_known(process, buffer) &&
		    buffer->address != SEGMENT_NO_ADDRESS &&
		    buffer->address + buffer->span > buffer->address &&
		    selection_has_kind(work->selection, process->kinds[buffer->kind]))
			collect_buffer(work, process, buffer, &spaces[buffer->space], row);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->region != y->region)
		return x->region < y->region ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Each buffer against the one before it that reaches furthest. */
static void find_overlaps(struct finding_work *work, uint32_t row)
{
	const struct extent *reach = NULL, *extent;

	work->extents.count = 0;
	for (size_t i = 0; i < work->machine->processes.count; i++)
		collect(work, &work->machine->processes.items[i], row);
	if (work->extents.count > 1)
		qsort(work->extents.items, work->extents.count, sizeof(*work->extents.items),
		      by_address);
	vec_for (extent, &work->extents) {
		bool same = reach != NULL && reach->kind == extent->kind &&
		            reach->region == extent->region;

		if (same && extent->start < reach->end) {
			uint64_t end = extent->end < reach->end ? extent->end : reach->end;
			struct finding finding = {
				.type = FINDING_OVERLAP,
				.kind = extent->kind,
				.process = reach->process,
				.other_process = extent->process,
				.buffer = reach->buffer,
				.other = extent->buffer,
				.bytes = end - extent->start,
			};

			note(work, &finding, row);
		}
		if (!same || extent->end > reach->end)
			reach = extent;
	}
}

static void find_over_capacity(struct finding_work *work, uint32_t row)
{
	for (uint32_t kind = 0; kind < work->machine->kind_count; kind++) {
		const struct machine_figure *figure =
			&work->machine->devices.items[row].figures[kind];
		struct finding finding = {.type = FINDING_OVER_CAPACITY, .kind = kind};

		if (figure->capacity == 0 || figure->held <= figure->capacity ||
		    !selection_has_kind(work->selection, kind))
			continue;
		finding.bytes = figure->held;
		finding.capacity = figure->capacity;
		note(work, &finding, row);
	}
}

static int by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void note_dangling(struct finding_work *work, const struct machine_process *process,
                          const struct view_buffer *buffer)
{
	const struct space_members *space =
		&work->spaces[process - work->machine->processes.items][buffer->space];
	struct finding finding = {.type = FINDING_DANGLING_VIEW, .process = process};

	finding.buffer = buffer;
	finding.kind = process->kinds[buffer->kind];
	finding.bytes = buffer->bytes;
	for (uint32_t n = 0; n < space->count; n++)
		note(work, &finding, space->rows[n]);
}

/* Views and parts of pools that name a parent which is not there. */
static void find_dangling(struct finding_work *work, const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	uint64_t *ids = mem_calloc(view->buffer_count, sizeof(*ids));
	size_t count = 0;

	for (uint32_t i = 0; i < view->buffer_count; i++)
		if (!view->buffers[i].closed)
			ids[count++] = view->buffers[i].id;
	qsort(ids, count, sizeof(*ids), by_u64);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];

		if (buffer->closed || buffer->parent == 0 ||
		    (buffer->class_now != CLASS_VIEW && buffer->class_now != CLASS_SUB) ||
		    bsearch(&buffer->parent, ids, count, sizeof(*ids), by_u64) != NULL)
			continue;
		note_dangling(work, process, buffer);
	}
	free(ids);
}

static void find_in_process(struct finding_work *work, const struct machine_process *process)
{
	struct finding finding = {.type = FINDING_COUNTERS_DIFFER, .process = process};

	find_dangling(work, process);
	if (process->view->counters_differ)
		note(work, &finding, UINT32_MAX);
}

void findings_find(struct findings *findings, const struct machine *machine,
                   const struct selection *selection)
{
	struct finding_work work = {findings, machine, selection, NULL, {.same = same_finding},
	                            {0}};

	*findings = (struct findings){0};
	work.spaces = mem_calloc(machine->processes.count, sizeof(*work.spaces));
	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];

		if (process->view == NULL || !process->counted ||
		    !selection_has_process(selection, process))
			continue;
		work.spaces[i] = selection_spaces(selection, process);
		find_in_process(&work, process);
	}
	for (uint32_t row = 0; row < machine->devices.count; row++) {
		if (!selection_has_device(selection, row))
			continue;
		if (row < machine_chips(machine))
			find_overlaps(&work, row);
		find_over_capacity(&work, row);
	}
	for (size_t i = 0; i < machine->processes.count; i++)
		if (work.spaces[i] != NULL)
			selection_spaces_finish(work.spaces[i], &machine->processes.items[i]);
	free(work.spaces);
	vec_finish(&work.extents);
	lookup_finish(&work.lookup);
}

void findings_confirm(const struct findings *first, struct findings *second)
{
	size_t kept = 0;

	for (size_t i = 0; i < second->findings.count; i++) {
		bool found = false;

		for (size_t j = 0; j < first->findings.count && !found; j++)
			found = same_finding(first->findings.items, j, &second->findings.items[i]);
		if (found)
			second->findings.items[kept++] = second->findings.items[i];
		else
			free(second->findings.items[i].on);
	}
	second->findings.count = kept;
}

void findings_finish(struct findings *findings)
{
	for (size_t i = 0; i < findings->findings.count; i++)
		free(findings->findings.items[i].on);
	vec_finish(&findings->findings);
}
