/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

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

const char *life_word(const struct machine_process *process)
{
	static const char *const words[] = {
		[LIFE_ALIVE] = "live", [LIFE_ENDED] = "ended",     [LIFE_KILLED] = "killed",
		[LIFE_EXEC] = "exec",  [LIFE_STOPPED] = "stopped", [LIFE_IMAGE] = "file",
	};

	if (process->view == NULL)
		return process->dead ? "dead" : "live";
	return words[process->view->life];
}

static uint8_t add_kind(struct machine *machine, const char *name)
{
	uint32_t kind = machine_kind(machine, name);

	if (kind != UINT32_MAX)
		return (uint8_t)kind;
	if (machine->kind_count == MACHINE_MAX_KINDS)
		return MACHINE_MAX_KINDS - 1;
	machine->kind_names[machine->kind_count] = name;
	return (uint8_t)machine->kind_count++;
}

/* Whether a device of a process is the one of this row. */
static bool is_same_device(const struct machine_device *row, const struct view_device *device,
                           size_t process)
{
	if (device->unique_id != 0 || row->unique_id != 0)
		return device->unique_id == row->unique_id;
	if (device->bus[0] != '\0' || row->bus[0] != '\0')
		return strcmp(device->bus, row->bus) == 0 && device->ordinal == row->ordinal;
	return row->only_process == process && device->ordinal == row->ordinal;
}

static void add_device(struct machine *machine, const struct view_device *device, size_t process)
{
	bool known = device->unique_id != 0 || device->bus[0] != '\0';
	struct machine_device *row;

	vec_for (row, &machine->devices)
		if (is_same_device(row, device, process)) {
			row->arch = row->arch[0] == '\0' ? device->arch : row->arch;
			row->bus = row->bus[0] == '\0' ? device->bus : row->bus;
			return;
		}
	row = vec_add(&machine->devices);
	row->unique_id = device->unique_id;
	row->ordinal = device->ordinal;
	row->arch = device->arch;
	row->bus = device->bus;
	row->only_process = known ? SIZE_MAX : process;
}

static int by_ordinal(const void *a, const void *b)
{
	const struct machine_device *x = a, *y = b;

	if (x->ordinal != y->ordinal)
		return x->ordinal < y->ordinal ? -1 : 1;
	if (x->unique_id != y->unique_id)
		return x->unique_id < y->unique_id ? -1 : 1;
	if (strcmp(x->bus, y->bus) != 0)
		return strcmp(x->bus, y->bus);
	return x->only_process < y->only_process ? -1 : x->only_process > y->only_process;
}

/* The rows: every device that a process has, or that tt-metal's counters know. */
static void build_devices(struct machine *machine, const struct machine_input *input)
{
	for (size_t i = 0; i < input->view_count; i++)
		for (uint32_t d = 0; d < input->views[i]->device_count; d++)
			add_device(machine, &input->views[i]->devices[d], i);
	for (size_t i = 0; input->counters != NULL && i < input->counters->devices.count; i++) {
		const struct tt_device *chip = &input->counters->devices.items[i];
		struct view_device device = {.unique_id = chip->unique_id, .arch = "", .bus = ""};

		device.ordinal = chip->device_id;
		add_device(machine, &device, SIZE_MAX);
	}
	if (machine->devices.count > 1)
		qsort(machine->devices.items, machine->devices.count,
		      sizeof(*machine->devices.items), by_ordinal);
}

static uint32_t find_row(const struct machine *machine, const struct view_device *device,
                         size_t process)
{
	for (uint32_t i = 0; i < machine->devices.count; i++)
		if (is_same_device(&machine->devices.items[i], device, process))
			return i;
	return UINT32_MAX;
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

static void add_to_row(struct machine_figure *row, const struct machine_figure *figure)
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
				add_to_row(&machine->devices.items[process->rows[d]].figures[to],
				           &figure);
		}
}

/* Of a process that is known from counters alone. */
static bool counter_figure(const struct machine *machine, const struct machine_process *process,
                           uint32_t row, uint32_t kind, struct machine_figure *figure)
{
	uint64_t id = machine->devices.items[row].unique_id;
	const struct tt_device *chip;

	*figure = (struct machine_figure){.present = true, .sources = 1};
	vec_for (chip, &machine->counters->devices)
		for (uint32_t i = 0; i < chip->process_count && chip->unique_id == id; i++)
			for (size_t c = 0; c < TT_COUNTER_LIMIT; c++)
				if (chip->processes[i].pid == process->pid &&
				    chip->processes[i].dead == process->dead &&
				    machine_kind(machine, tt_counter_names[c]) == kind)
					figure->unclassified_bytes += chip->processes[i].bytes[c];
	figure->held = figure->unclassified_bytes;
	return figure->held != 0;
}

bool machine_process_figure(const struct machine *machine, const struct machine_process *process,
                            uint32_t row, uint32_t kind, struct machine_figure *ret_figure)
{
	const struct segment_view *view = process->view;
	bool found = false;

	if (view == NULL)
		return counter_figure(machine, process, row, kind, ret_figure);
	*ret_figure = (struct machine_figure){0};
	for (uint32_t k = 0; k < view->kind_count; k++)
		for (uint32_t d = 0; d < view->device_count; d++) {
			const struct view_figure *from = &view->figures[k * view->device_count + d];
			struct machine_figure figure;

			if (process->kinds[k] != kind || process->rows[d] != row ||
			    !has_memory(&view->devices[d], k, from))
				continue;
			figure = figure_of(view, from);
			add_to_row(ret_figure, &figure);
			found = true;
		}
	return found;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
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
	for (uint32_t row = 0; row < machine->devices.count; row++)
		if (open[row]) {
			*vec_add(&process->devices) = row;
			machine->devices.items[row].process_count += process->counted;
		}
	free(open);
}

static void add_view(struct machine *machine, const struct segment_view *view, size_t number,
                     bool count_dead)
{
	struct machine_process *process = vec_add(&machine->processes);

	process->source = SOURCE_SEGMENT;
	process->view = view;
	process->pid = view->subject.pid;
	process->dead = view->life != LIFE_ALIVE && view->life != LIFE_IMAGE;
	process->counted = is_counted(view, count_dead);
	process->command = view->command_line[0] != '\0' ? view->command_line : view->comm;
	process->rows = mem_calloc(view->device_count, sizeof(*process->rows));
	for (uint32_t d = 0; d < view->device_count; d++)
		process->rows[d] = find_row(machine, &view->devices[d], number);
	for (uint32_t k = 0; k < view->kind_count; k++)
		process->kinds[k] = add_kind(machine, view->kind_names[k]);
	add_view_figures(machine, process);
	list_open_devices(machine, process);
}

/* The segment of a process that accounts for this chip; SIZE_MAX: none. */
static size_t find_segment(const struct machine *machine, int32_t pid, uint32_t row)
{
	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];

		if (process->view == NULL || process->dead || process->pid != pid)
			continue;
		for (uint32_t d = 0; d < process->view->device_count; d++)
			if (process->rows[d] == row)
				return i;
	}
	return SIZE_MAX;
}

static uint64_t segment_bytes_on(const struct machine_process *process, uint32_t row, uint8_t kind)
{
	const struct segment_view *view = process->view;
	uint64_t bytes = 0;

	for (uint32_t k = 0; k < view->kind_count; k++)
		for (uint32_t d = 0; d < view->device_count; d++)
			if (process->kinds[k] == kind && process->rows[d] == row)
				for (size_t c = 0; c < CLASS_COUNTED_LIMIT; c++)
					bytes += view->figures[k * view->device_count + d].bytes[c];
	return bytes;
}

static void add_witness(struct machine *machine, const struct tt_process *from, size_t process,
                        uint32_t row)
{
	for (size_t i = 0; i < TT_COUNTER_LIMIT; i++) {
		uint8_t kind = add_kind(machine, tt_counter_names[i]);
		uint64_t bytes = segment_bytes_on(&machine->processes.items[process], row, kind);
		struct machine_witness *witness;

		if (bytes == 0 && from->bytes[i] == 0)
			continue;
		witness = vec_add(&machine->witnesses);
		*witness = (struct machine_witness){process, row, kind, bytes, from->bytes[i]};
	}
}

/* The process of the counters by pid: one however many chips it is on. */
static struct machine_process *counter_process(struct machine *machine,
                                               const struct tt_process *from)
{
	struct machine_process *process;

	vec_for (process, &machine->processes)
		if (process->source == SOURCE_COUNTERS && process->pid == from->pid &&
		    process->dead == from->dead)
			return process;
	process = vec_add(&machine->processes);
	process->source = SOURCE_COUNTERS;
	process->pid = from->pid;
	process->dead = from->dead;
	process->counted = !from->dead;
	process->command = from->name;
	return process;
}

static void add_counters(struct machine *machine, const struct tt_process *from, uint32_t row)
{
	struct machine_process *process = counter_process(machine, from);

	*vec_add(&process->devices) = row;
	machine->devices.items[row].process_count += process->counted;
	for (size_t i = 0; i < TT_COUNTER_LIMIT; i++) {
		struct machine_figure figure = {.present = true, .sources = 1};
		uint8_t kind = add_kind(machine, tt_counter_names[i]);

		if (from->bytes[i] == 0)
			continue;
		/* Padding is not in them: what is held is at least this. */
		figure.unclassified_bytes = figure.held = from->bytes[i];
		figure_add(&process->figures[kind], &figure);
		if (process->counted)
			add_to_row(&machine->devices.items[row].figures[kind], &figure);
	}
}

static void add_counter_file(struct machine *machine, const struct tt_device *chip)
{
	struct view_device device = {.unique_id = chip->unique_id, .bus = "", .arch = ""};
	uint32_t row;

	device.ordinal = chip->device_id;
	row = find_row(machine, &device, SIZE_MAX);
	for (uint32_t i = 0; i < chip->process_count; i++) {
		const struct tt_process *from = &chip->processes[i];
		size_t segment = from->dead ? SIZE_MAX : find_segment(machine, from->pid, row);

		if (segment != SIZE_MAX)
			add_witness(machine, from, segment, row);
		else
			add_counters(machine, from, row);
	}
}

void machine_build(struct machine *machine, const struct machine_input *input)
{
	*machine = (struct machine){.counters = input->counters};
	for (size_t i = 0; i < ARRAY_COUNT(first_kinds); i++)
		add_kind(machine, first_kinds[i]);
	build_devices(machine, input);
	for (size_t i = 0; i < input->view_count; i++)
		add_view(machine, input->views[i], i, input->count_dead);
	for (size_t i = 0; input->counters != NULL && i < input->counters->devices.count; i++)
		add_counter_file(machine, &input->counters->devices.items[i]);
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
		vec_finish(&process->devices);
	}
	vec_finish(&machine->devices);
	vec_finish(&machine->processes);
	vec_finish(&machine->witnesses);
}
