/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const first_kinds[] = {"DRAM", "L1", "HOST", "L1_SMALL", "TRACE", "CB"};

uint64_t figure_bytes(const struct machine_figure *figure)
{
	uint64_t bytes = figure->unclassified_bytes;

	for (size_t i = 0; i < CLASS_COUNTED_LIMIT; i++)
		bytes += figure->bytes[i];
	return bytes;
}

uint64_t figure_buffers(const struct machine_figure *figure)
{
	uint64_t buffers = 0;

	for (size_t i = 0; i < CLASS_COUNTED_LIMIT; i++)
		buffers += figure->buffers[i];
	return buffers;
}

void figure_add(struct machine_figure *sum, const struct machine_figure *part)
{
	sum->exact = part->exact && (sum->exact || !sum->present);
	sum->present = sum->present || part->present;
	for (size_t i = 0; i < CLASS_LIMIT; i++) {
		sum->bytes[i] += part->bytes[i];
		sum->buffers[i] += part->buffers[i];
	}
	sum->unclassified_bytes += part->unclassified_bytes;
	sum->held += part->held;
	sum->sources += part->sources;
}

uint32_t machine_kind(const struct machine *machine, const char *name)
{
	for (uint32_t i = 0; i < machine->kind_count; i++)
		if (strcasecmp(machine->kind_names[i], name) == 0)
			return i;
	return UINT32_MAX;
}

bool machine_kind_on_device(const struct machine *machine, uint32_t kind)
{
	return strncmp(machine->kind_names[kind], "HOST", 4) != 0;
}

static bool holds_any(const struct machine_figure *figures, uint32_t kinds)
{
	for (uint32_t kind = 0; kind < kinds; kind++)
		if (figure_buffers(&figures[kind]) != 0)
			return true;
	return false;
}

bool machine_has_unplaced(const struct machine *machine)
{
	return machine_chips(machine) < machine->devices.count &&
	       holds_any(machine->devices.items[machine_chips(machine)].figures,
	                 machine->kind_count);
}

uint32_t machine_shown_rows(const struct machine *machine)
{
	return machine_chips(machine) + machine_has_unplaced(machine);
}

bool machine_is_stale(const struct machine_process *process)
{
	return process->view != NULL && process->view->is_proxy && process->view->writer_gone &&
	       process->view->life == LIFE_ALIVE;
}

const char *source_name(enum process_source source)
{
	static const char *const names[] = {
		[SOURCE_SEGMENT] = "segment",
		[SOURCE_SOCKET] = "socket",
		[SOURCE_COUNTERS] = "tt_metal_counters",
	};

	return names[source];
}

const char *life_word(const struct machine_process *process)
{
	static const char *const words[] = {
		[LIFE_ALIVE] = "live", [LIFE_ENDED] = "ended",     [LIFE_KILLED] = "killed",
		[LIFE_EXEC] = "exec",  [LIFE_STOPPED] = "stopped", [LIFE_IMAGE] = "file",
	};

	if (process->view == NULL)
		return process->dead ? "dead" : "live";
	if (machine_is_stale(process))
		return "stale";
	return words[process->view->life];
}

uint8_t machine_add_kind(struct machine *machine, const char *name)
{
	uint32_t kind = machine_kind(machine, name);

	if (kind != UINT32_MAX)
		return (uint8_t)kind;
	if (machine->kind_count == MACHINE_MAX_KINDS)
		return MACHINE_MAX_KINDS - 1;
	machine->kind_names[machine->kind_count] = name;
	return (uint8_t)machine->kind_count++;
}

static bool is_counted(const struct segment_view *view, bool count_dead)
{
	return view->life == LIFE_ALIVE || view->life == LIFE_IMAGE || count_dead;
}

static struct machine_figure figure_of(const struct segment_view *view,
                                       const struct view_figure *from)
{
	struct machine_figure figure = {.present = true, .peak_known = true};

	figure.exact = view->exact && (view->state & SEGMENT_STATE_INEXACT) == 0;
	memcpy(figure.bytes, from->bytes, sizeof(figure.bytes));
	memcpy(figure.buffers, from->buffers, sizeof(figure.buffers));
	figure.held = from->held;
	figure.peak = from->peak;
	figure.peak_since_mark = from->peak_since_mark;
	figure.capacity = from->capacity;
	figure.sources = figure_buffers(&figure) != 0 || from->peak != 0;
	return figure;
}

/* Whether a device of a view has this memory at all. */
static bool has_memory(const struct view_device *device, uint32_t kind,
                       const struct view_figure *figure)
{
	for (uint32_t i = 0; i < device->memory_count; i++)
		if (device->memories[i].kind == kind)
			return true;
	for (size_t i = 0; i < CLASS_LIMIT; i++)
		if (figure->buffers[i] != 0)
			return true;
	return figure->peak != 0;
}

void machine_add_to_row(struct machine_figure *row, const struct machine_figure *figure)
{
	uint32_t sources = row->sources;

	figure_add(row, figure);
	row->capacity = figure->capacity > row->capacity ? figure->capacity : row->capacity;
	if (figure->sources == 0) {
		row->peak_known = sources <= 1;
		return;
	}
	row->peak_known = sources == 0 && figure->peak_known;
	row->peak = row->peak_known ? figure->peak : 0;
	row->peak_since_mark = row->peak_known ? figure->peak_since_mark : 0;
}

static void add_view_figures(struct machine *machine, struct machine_process *process)
{
	const struct segment_view *view = process->view;

	for (uint32_t kind = 0; kind < view->kind_count; kind++)
		for (uint32_t d = 0; d < view->device_count; d++) {
			const struct view_figure *from =
				&view->figures[kind * view->device_count + d];
			uint8_t to = process->kinds[kind];
			struct machine_figure figure;

			if (process->rows[d] == UINT32_MAX ||
			    !has_memory(&view->devices[d], kind, from))
				continue;
			figure = figure_of(view, from);
			figure_add(&process->figures[to], &figure);
			if (process->counted)
				machine_add_to_row(
					&machine->devices.items[process->rows[d]].figures[to],
					&figure);
		}
}

bool machine_process_figure(const struct machine *machine, const struct machine_process *process,
                            uint32_t row, uint32_t kind, struct machine_figure *ret_figure)
{
	const struct segment_view *view = process->view;
	bool found = false;

	if (view == NULL)
		return machine_counter_figure(machine, process, row, kind, ret_figure);
	*ret_figure = (struct machine_figure){0};
	for (uint32_t k = 0; k < view->kind_count; k++)
		for (uint32_t d = 0; d < view->device_count; d++) {
			const struct view_figure *from = &view->figures[k * view->device_count + d];
			struct machine_figure figure;

			if (process->kinds[k] != kind || process->rows[d] != row ||
			    !has_memory(&view->devices[d], k, from))
				continue;
			figure = figure_of(view, from);
			machine_add_to_row(ret_figure, &figure);
			found = true;
		}
	return found;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Whether a process has something that is on no device yet. */
static bool has_unplaced(const struct machine *machine, const struct machine_process *process)
{
	struct machine_figure figure;

	for (uint32_t kind = 0; kind < machine->kind_count; kind++)
		if (machine_process_figure(machine, process, machine_chips(machine), kind,
		                           &figure) &&
		    figure_buffers(&figure) != 0)
			return true;
	return false;
}

/* The devices that a process has open: those of open spaces. Of the dead, all it ever had. */
static void list_open_devices(struct machine *machine, struct machine_process *process)
{
	const struct segment_view *view = process->view;
	bool *open = mem_calloc(machine->devices.count, sizeof(*open));

	for (uint32_t i = 0; i < view->space_count; i++) {
		const struct view_space *space = &view->spaces[i];

		if (!process->dead && space->state != SPACE_OPEN && space->state != SPACE_READY)
			continue;
		for (uint32_t m = 0; m < space->member_count; m++)
			if (space->members[m] < view->device_count &&
			    process->rows[space->members[m]] != UINT32_MAX)
				open[process->rows[space->members[m]]] = true;
	}
	if (machine_chips(machine) < machine->devices.count)
		open[machine_chips(machine)] =
			open[machine_chips(machine)] && has_unplaced(machine, process);
	for (uint32_t row = 0; row < machine->devices.count; row++)
		if (open[row]) {
			*vec_add(&process->devices) = row;
			machine->devices.items[row].process_count += process->counted;
		}
	free(open);
}

static bool has_pid(const void *elements, size_t position, const void *key)
{
	return ((const struct machine_process *)elements)[position].pid == *(const int32_t *)key;
}

size_t machine_first_of_pid(const struct machine *machine, int32_t pid)
{
	return lookup_find(&machine->by_pid, machine->processes.items, &pid,
	                   hash_number(0, (uint64_t)pid));
}

struct machine_process *machine_add_process(struct machine *machine, int32_t pid)
{
	size_t number = machine->processes.count;
	struct machine_process *process = vec_add(&machine->processes);
	size_t at;

	process->pid = pid;
	process->next = SIZE_MAX;
	machine->by_pid.same = has_pid;
	at = lookup_place(&machine->by_pid, machine->processes.items, &pid,
	                  hash_number(0, (uint64_t)pid), number);
	while (at != number) {
		struct machine_process *before = &machine->processes.items[at];

		at = before->next != SIZE_MAX ? before->next : number;
		before->next = before->next != SIZE_MAX ? before->next : number;
	}
	return process;
}

static void add_view(struct machine *machine, const struct machine_places *places,
                     const struct machine_input *input, size_t number)
{
	const struct segment_view *view = input->views[number];
	struct machine_process *process = machine_add_process(machine, view->subject.pid);

	process->source = view->is_proxy ? SOURCE_SOCKET : SOURCE_SEGMENT;
	process->view = view;
	process->subject = places->subjects[number];
	process->dead = view->life != LIFE_ALIVE && view->life != LIFE_IMAGE;
	process->counted = is_counted(view, input->count_dead);
	process->witness = view->device_count != 0;
	process->command = view->command_line[0] != '\0' ? view->command_line : view->comm;
	process->rows = mem_calloc(view->device_count, sizeof(*process->rows));
	process->chips = mem_calloc(view->device_count, sizeof(*process->chips));
	for (uint32_t d = 0; d < view->device_count; d++) {
		uint32_t row = places->rows[number][d];

		process->chips[d] = row;
		process->rows[d] =
			machine_is_witness(places, input, number, row) ? UINT32_MAX : row;
		process->witness = process->witness && process->rows[d] == UINT32_MAX;
	}
	process->counted = process->counted && !process->witness;
	for (uint32_t k = 0; k < view->kind_count; k++)
		process->kinds[k] = machine_add_kind(machine, view->kind_names[k]);
	add_view_figures(machine, process);
	list_open_devices(machine, process);
}

void machine_build(struct machine *machine, const struct machine_input *input)
{
	struct machine_places places;

	*machine = (struct machine){.counters = input->counters};
	for (size_t i = 0; i < ARRAY_COUNT(first_kinds); i++)
		machine_add_kind(machine, first_kinds[i]);
	machine_places_make(&places, machine, input);
	for (size_t i = 0; i < input->view_count; i++)
		add_view(machine, &places, input, i);
	machine->counter_rows = places.counters;
	places.counters = NULL;
	machine_places_finish(&places, input);
	machine_add_socket_witnesses(machine);
	machine_add_counters(machine);
	for (size_t i = 0; i < machine->processes.count; i++)
		if (machine->processes.items[i].devices.count > 1)
			qsort(machine->processes.items[i].devices.items,
			      machine->processes.items[i].devices.count, sizeof(uint32_t),
			      by_number);
}

void machine_finish(struct machine *machine)
{
	struct machine_process *process;

	vec_for (process, &machine->processes) {
		free(process->rows);
		free(process->chips);
		vec_finish(&process->devices);
	}
	vec_finish(&machine->devices);
	vec_finish(&machine->processes);
	vec_finish(&machine->witnesses);
	vec_finish(&machine->file_totals);
	lookup_finish(&machine->by_pid);
	free(machine->counter_rows);
	machine->counter_rows = NULL;
}
