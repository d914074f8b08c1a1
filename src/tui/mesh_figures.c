/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_figures.h"

#include "cores.h"
#include "lookup.h"
#include "meshtally.h"

#include <stdlib.h>

static bool has_pid_or_tag(const struct look *look)
{
	const struct filter *filter = &look->ui->filter;

	return look->selection.pid_count != 0 || filter->tags.count != 0 ||
	       filter->words.count != 0;
}

static struct machine_figure *own_figure(struct mesh_figures *figures, uint32_t row, uint32_t kind)
{
	return &figures->own[(size_t)row * figures->kinds + kind];
}

static void add_figure(struct mesh_figures *figures, uint32_t row, uint32_t kind,
                       const struct machine_figure *figure)
{
	struct machine_figure *sum = own_figure(figures, row, kind);
	bool is_first = !sum->present;

	figure_add(sum, figure);
	if (figure->peak == 0) {
		sum->peak_known = is_first ? figure->peak_known : sum->peak_known;
		return;
	}
	/* Peaks of several processes do not add up. */
	sum->peak_known = sum->peak == 0 && figure->peak_known;
	sum->peak += figure->peak;
}

/* In one pass over the view's figures: a thousand devices are not looked up one by one. */
static void add_view(struct mesh_figures *figures, const struct machine_process *process)
{
	const struct segment_view *view = process->view;

	for (uint32_t k = 0; k < view->kind_count; k++)
		for (uint32_t d = 0; d < view->device_count; d++) {
			const struct view_figure *from = &view->figures[k * view->device_count + d];
			struct machine_figure figure = {.present = true,
			                                .exact = true,
			                                .peak_known = true,
			                                .held = from->held,
			                                .peak = from->peak,
			                                .sources = 1};

			for (size_t c = 0; c < CLASS_LIMIT; c++) {
				figure.bytes[c] = from->bytes[c];
				figure.buffers[c] = from->buffers[c];
			}
			if (process->rows[d] != UINT32_MAX)
				add_figure(figures, process->rows[d], process->kinds[k], &figure);
		}
}

static void add_counters(struct mesh_figures *figures, const struct machine_process *process)
{
	struct machine_figure figure;

	for (size_t i = 0; i < process->devices.count; i++)
		for (uint32_t kind = 0; kind < figures->kinds; kind++)
			if (machine_process_figure(figures->machine, process,
			                           process->devices.items[i], kind, &figure))
				add_figure(figures, process->devices.items[i], kind, &figure);
}

static void add_tag_row(struct mesh_figures *figures, const struct view_row *row, uint32_t kind,
                        const struct space_members *space)
{
	for (uint32_t n = 0; n < space->count; n++) {
		struct machine_figure *sum = own_figure(figures, space->rows[n], kind);

		if (row->member != ROW_ALL_MEMBERS && row->member != space->members[n])
			continue;
		sum->present = true;
		sum->bytes[row->class_now] += row->bytes;
		sum->buffers[row->class_now] += row->buffers;
		if (row->class_now < CLASS_COUNTED_LIMIT)
			sum->held += row->held;
	}
}

/* Rows of accounting have a tag, so that no buffer needs to be read. */
static void add_tags(struct mesh_figures *figures, const struct look *look,
                     const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	struct space_members *spaces = selection_spaces(&look->selection, process);

	for (uint32_t i = 0; i < view->row_count; i++) {
		const struct view_row *row = &view->rows[i];
		const char *tag = view->tags[row->tag].path;

		if (row->closed || row->buffers == 0 || !filter_has_tag(&look->ui->filter, tag) ||
		    !filter_has_words(&look->ui->filter, tag, process->command))
			continue;
		add_tag_row(figures, row, process->kinds[row->kind], &spaces[row->space]);
	}
	selection_spaces_finish(spaces, process);
}

/* A share of the memory stays one of all of it, whoever has it. */
static void add_capacities(struct mesh_figures *figures)
{
	for (uint32_t row = 0; row < figures->machine->devices.count; row++)
		for (uint32_t kind = 0; kind < figures->kinds; kind++) {
			const struct machine_figure *all =
				&figures->machine->devices.items[row].figures[kind];
			struct machine_figure *sum = own_figure(figures, row, kind);

			sum->present = all->present;
			sum->exact = all->exact;
			sum->capacity = all->capacity;
			if (figures->by_tag)
				sum->peak_known = false;
		}
}

static void make_own(struct mesh_figures *figures, const struct look *look)
{
	const struct machine_process *process;

	figures->own = mem_calloc(figures->machine->devices.count * figures->kinds + 1,
	                          sizeof(*figures->own));
	figures->by_tag = look->ui->filter.tags.count != 0 || look->ui->filter.words.count != 0;
	vec_for (process, &figures->machine->processes) {
		if (!process->counted || !selection_has_process(&look->selection, process))
			continue;
		if (process->view == NULL && !figures->by_tag)
			add_counters(figures, process);
		else if (process->view != NULL && figures->by_tag)
			add_tags(figures, look, process);
		else if (process->view != NULL)
			add_view(figures, process);
	}
	add_capacities(figures);
}

static bool is_dismissed(const struct ui *ui, uint64_t identity)
{
	for (size_t i = 0; i < ui->dismissed.count; i++)
		if (ui->dismissed.items[i] == identity)
			return true;
	return false;
}

/* The device that a fault is about; of a mesh where it does not say which: all of it. */
static void add_fault(struct mesh_figures *figures, const struct machine_process *process,
                      const struct view_fault *fault)
{
	const struct segment_view *view = process->view;

	if (fault->type == MT_ALLOC_FAILED)
		return;
	if (fault->device < view->device_count) {
		figures->facts[process->chips[fault->device]].faults += fault->count;
		return;
	}
	if (fault->space >= view->space_count)
		return;
	for (uint32_t m = 0; m < view->spaces[fault->space].member_count; m++) {
		uint32_t device = view->spaces[fault->space].members[m];

		if (device < view->device_count)
			figures->facts[process->chips[device]].faults += fault->count;
	}
}

static void add_process_facts(struct mesh_figures *figures, const struct machine_process *process)
{
	const struct segment_view *view = process->view;

	for (size_t i = 0; i < process->devices.count && process->counted; i++)
		figures->facts[process->devices.items[i]].processes++;
	if (view == NULL || process->witness)
		return;
	for (uint32_t i = 0; i < view->fault_count; i++)
		add_fault(figures, process, &view->faults[i]);
	for (uint32_t i = 0; i < view->failure_count; i++)
		for (uint32_t d = 0; d < view->failures[i].device_count; d++) {
			uint32_t device = view->failures[i].devices[d].device;

			if (device < view->device_count)
				figures->facts[process->chips[device]].failures++;
		}
}

static bool is_worth_a_bar(const struct mesh_figures *figures, uint32_t kind)
{
	for (uint32_t row = 0; row < figures->rows; row++) {
		const struct machine_figure *figure = figures_get(figures, row, kind);

		if (figure == NULL)
			continue;
		/* Circular buffers of segments lie in L1: they are told by the headroom. */
		if (kind == MT_CB && figure->unclassified_bytes == 0)
			continue;
		if (kind == MT_DRAM || kind == MT_L1 || figure_bytes(figure) != 0 ||
		    figure->held != 0 || figure->peak != 0)
			return true;
	}
	return false;
}

static bool has_capacity(const struct mesh_figures *figures, uint32_t kind)
{
	for (uint32_t row = 0; row < figures->rows; row++)
		if (figures->machine->devices.items[row].figures[kind].capacity != 0)
			return true;
	return false;
}

static void choose_kinds(struct mesh_figures *figures)
{
	uint32_t without[MACHINE_MAX_KINDS];
	size_t without_count = 0;

	for (uint32_t kind = 0; kind < figures->kinds; kind++) {
		if (!is_worth_a_bar(figures, kind))
			continue;
		if (!machine_kind_on_device(figures->machine, kind))
			figures->host[figures->host_count++] = kind;
		else if (has_capacity(figures, kind))
			figures->shown[figures->shown_count++] = kind;
		else
			without[without_count++] = kind;
	}
	figures->bar_count = figures->shown_count;
	for (size_t i = 0; i < without_count; i++)
		figures->shown[figures->shown_count++] = without[i];
	if (figures->bar_count == 0)
		figures->bar_count = figures->shown_count;
}

void figures_make(struct mesh_figures *figures, const struct look *look)
{
	const struct machine *machine = &look->reading->scene.machine;
	const struct machine_process *process;

	*figures = (struct mesh_figures){.machine = machine,
	                                 .selection = &look->selection,
	                                 .rows = machine_chips(machine),
	                                 .kinds = machine->kind_count};
	figures->facts = mem_calloc(machine->devices.count + 1, sizeof(*figures->facts));
	if (has_pid_or_tag(look))
		make_own(figures, look);
	vec_for (process, &machine->processes)
		if (selection_has_process(&look->selection, process) &&
		    (process->view == NULL || !is_dismissed(look->ui, process->view->identity)))
			add_process_facts(figures, process);
	choose_kinds(figures);
}

void figures_finish(struct mesh_figures *figures)
{
	free(figures->own);
	free(figures->facts);
	*figures = (struct mesh_figures){0};
}

/* Of a row, be it a device or not. */
static const struct machine_figure *get(const struct mesh_figures *figures, uint32_t row,
                                        uint32_t kind)
{
	const struct machine_figure *figure;

	if (!selection_has_device(figures->selection, row) ||
	    !selection_has_kind(figures->selection, kind))
		return NULL;
	figure = figures->own != NULL ? &figures->own[(size_t)row * figures->kinds + kind]
	                              : &figures->machine->devices.items[row].figures[kind];
	return figure->present ? figure : NULL;
}

const struct machine_figure *figures_get(const struct mesh_figures *figures, uint32_t row,
                                         uint32_t kind)
{
	return row < figures->rows && kind < figures->kinds ? get(figures, row, kind) : NULL;
}

bool figures_unplaced(const struct mesh_figures *figures, struct machine_figure *ret_sum)
{
	struct machine_figure sum = {0};

	for (uint32_t kind = 0; kind < figures->kinds; kind++) {
		const struct machine_figure *figure =
			machine_has_unplaced(figures->machine) &&
					machine_kind_on_device(figures->machine, kind)
				? get(figures, machine_chips(figures->machine), kind)
				: NULL;

		if (figure != NULL)
			figure_add(&sum, figure);
	}
	*ret_sum = sum;
	return figure_buffers(&sum) != 0;
}

/* Devices that are in the same spaces with resident programs have the same circular buffers, so
 * that of many devices few are looked at. */
struct residency {
	uint64_t hash; /* 0: no program at all */
	bool known;
	uint64_t highest_end;
};

static void hash_residents(uint64_t *hashes, const struct machine_process *process, size_t number)
{
	const struct segment_view *view = process->view;

	for (uint32_t i = 0; i < view->space_count; i++) {
		const struct view_space *space = &view->spaces[i];

		if (space->resident_count == 0)
			continue;
		for (uint32_t m = 0; m < space->member_count; m++) {
			uint32_t device = space->members[m], row;

			if (device >= view->device_count)
				continue;
			row = process->rows[device];
			if (row != UINT32_MAX)
				hashes[row] = hash_number(hash_number(hashes[row], number), i) | 1;
		}
	}
}

static struct residency *residency_of(struct residency *seen, size_t *count,
                                      const struct machine *machine, uint32_t row, uint64_t hash)
{
	struct core_report report;

	for (size_t i = 0; i < *count; i++)
		if (seen[i].hash == hash)
			return &seen[i];
	cores_report_over(machine, row, false, 0, &report);
	seen[*count] = (struct residency){hash, report.known, report.highest_end};
	return &seen[(*count)++];
}

static bool lowest_l1(const struct look *look, uint32_t row, uint64_t *ret_lowest)
{
	const struct survey *survey = look->reading->survey;

	if (survey == NULL || row >= survey->lowest_l1.count ||
	    survey->lowest_l1.items[row] == UINT64_MAX)
		return false;
	*ret_lowest = survey->lowest_l1.items[row];
	return true;
}

void figures_headroom(struct mesh_figures *figures, const struct look *look)
{
	uint64_t *hashes = mem_calloc((size_t)figures->rows + 1, sizeof(*hashes)), lowest;
	struct residency *seen = mem_calloc((size_t)figures->rows + 1, sizeof(*seen));
	const struct machine *machine = figures->machine;
	size_t count = 0;

	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];

		if (process->view != NULL && process->counted && !process->dead)
			hash_residents(hashes, process, i);
	}
	for (uint32_t row = 0; row < figures->rows; row++) {
		const struct residency *residency;

		if (hashes[row] == 0 || !lowest_l1(look, row, &lowest))
			continue;
		residency = residency_of(seen, &count, machine, row, hashes[row]);
		figures->facts[row].headroom_known = residency->known;
		figures->has_headroom = figures->has_headroom || residency->known;
		figures->facts[row].headroom_bytes = (int64_t)(lowest - residency->highest_end);
	}
	free(hashes);
	free(seen);
}

uint32_t look_device(const struct look *look)
{
	const struct machine *machine;
	uint32_t row = look->ui->device;

	if (look->reading == NULL || machine_chips(&look->reading->scene.machine) == 0)
		return UINT32_MAX;
	machine = &look->reading->scene.machine;
	if (row < machine_chips(machine) &&
	    (look->ui->device_unique_id == 0 ||
	     machine->devices.items[row].unique_id == look->ui->device_unique_id))
		return row;
	for (uint32_t i = 0; i < machine_chips(machine) && look->ui->device_unique_id != 0; i++)
		if (machine->devices.items[i].unique_id == look->ui->device_unique_id)
			return i;
	return row < machine_chips(machine) ? row : 0;
}

uint32_t figures_main_kind(const struct mesh_figures *figures, const struct ui *ui)
{
	for (size_t i = 0; i < figures->bar_count; i++)
		if (figures->shown[i] == ui->map_kind)
			return ui->map_kind;
	return figures->shown_count != 0 ? figures->shown[0] : 0;
}
