/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that is visible in several ways: of those that do not count, what they say beside the
 * one that does. And processes that are known from tt-metal's counters alone.
 */
#include "machine_internal.h"

#include <stdlib.h>

/* What a view holds of a kind on a row, whether or not it counts there. */
static uint64_t said_bytes(const struct machine_process *process, const uint32_t *rows,
                           uint32_t row, uint32_t kind)
{
	const struct segment_view *view = process->view;
	uint64_t bytes = 0;

	for (uint32_t k = 0; k < view->kind_count; k++)
		for (uint32_t d = 0; process->kinds[k] == kind && d < view->device_count; d++)
			for (size_t c = 0; rows[d] == row && c < CLASS_COUNTED_LIMIT; c++)
				bytes += view->figures[k * view->device_count + d].bytes[c];
	return bytes;
}

/* Whether what this process says of the row counts. */
static bool counts_on(const struct machine_process *process, uint32_t row)
{
	if (process->view == NULL || !process->counted)
		return false;
	for (uint32_t d = 0; d < process->view->device_count; d++)
		if (process->rows[d] == row)
			return true;
	return false;
}

/* The first that may be of this subject; then the next. Those of one pid are chained; where a
 * subject goes by two, all are looked at. */
static size_t first_of(const struct machine *machine, size_t subject, bool two_pids)
{
	return two_pids && machine->processes.count != 0 ? 0 : subject;
}

static size_t next_of(const struct machine *machine, size_t process, bool two_pids)
{
	if (!two_pids)
		return machine->processes.items[process].next;
	return process + 1 < machine->processes.count ? process + 1 : SIZE_MAX;
}

/* What all views of a process that count on the row hold there. */
static uint64_t counted_bytes(const struct machine *machine, size_t subject, uint32_t row,
                              uint32_t kind, bool two_pids)
{
	uint64_t bytes = 0;

	for (size_t i = first_of(machine, subject, two_pids); i != SIZE_MAX;
	     i = next_of(machine, i, two_pids)) {
		const struct machine_process *process = &machine->processes.items[i];

		if (process->view != NULL && process->counted && process->subject == subject)
			bytes += said_bytes(process, process->rows, row, kind);
	}
	return bytes;
}

/* One kind of one row, if either has something there. */
static void add_witness(struct machine *machine, struct machine_witness witness, bool two_pids)
{
	size_t subject = machine->processes.items[witness.process].subject;

	witness.counted_bytes =
		counted_bytes(machine, subject, witness.row, witness.kind, two_pids);
	if (witness.counted_bytes != 0 || witness.witness_bytes != 0)
		*vec_add(&machine->witnesses) = witness;
}

static bool is_repeated(const uint32_t *rows, uint32_t device)
{
	for (uint32_t d = 0; d < device; d++)
		if (rows[d] == rows[device])
			return true;
	return false;
}

static void add_socket_witness(struct machine *machine, const struct machine_process *proxy,
                               uint32_t row)
{
	struct machine_witness witness = {.source = SOURCE_SOCKET, .row = row};
	const struct machine_process *processes = machine->processes.items;
	bool two_pids = proxy->view->inner_pid_ns != 0;
	size_t i = first_of(machine, proxy->subject, two_pids);

	while (i != SIZE_MAX &&
	       (processes[i].subject != proxy->subject || !counts_on(&processes[i], row)))
		i = next_of(machine, i, two_pids);
	if (i == SIZE_MAX)
		return;
	witness.process = i;
	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		witness.kind = (uint8_t)kind;
		witness.witness_bytes = said_bytes(proxy, proxy->chips, row, kind);
		add_witness(machine, witness, two_pids);
	}
}

void machine_add_socket_witnesses(struct machine *machine)
{
	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *proxy = &machine->processes.items[i];

		if (proxy->source != SOURCE_SOCKET || proxy->dead)
			continue;
		for (uint32_t d = 0; d < proxy->view->device_count; d++)
			if (proxy->rows[d] == UINT32_MAX && !is_repeated(proxy->chips, d))
				add_socket_witness(machine, proxy, proxy->chips[d]);
	}
}

/* The view of a live process that accounts for this chip; SIZE_MAX: none. */
static size_t find_counted(const struct machine *machine, int32_t pid, uint32_t row)
{
	size_t i = machine_first_of_pid(machine, pid);

	while (i != SIZE_MAX &&
	       (machine->processes.items[i].dead || !counts_on(&machine->processes.items[i], row)))
		i = machine->processes.items[i].next;
	return i;
}

static void add_counter_witness(struct machine *machine, const struct tt_process *from,
                                size_t process, uint32_t row)
{
	struct machine_witness witness = {
		.source = SOURCE_COUNTERS, .process = process, .row = row};

	for (size_t i = 0; i < TT_COUNTER_LIMIT; i++) {
		witness.kind = machine_add_kind(machine, tt_counter_names[i]);
		witness.witness_bytes = from->bytes[i];
		add_witness(machine, witness, false);
	}
}

/* The process of the counters by pid: one however many chips it is on. */
static struct machine_process *counter_process(struct machine *machine,
                                               const struct tt_process *from)
{
	struct machine_process *process;

	for (size_t i = machine_first_of_pid(machine, from->pid); i != SIZE_MAX;
	     i = machine->processes.items[i].next) {
		process = &machine->processes.items[i];
		if (process->source == SOURCE_COUNTERS && process->dead == from->dead)
			return process;
	}
	process = machine_add_process(machine, from->pid);
	process->source = SOURCE_COUNTERS;
	process->subject = SIZE_MAX;
	process->dead = from->dead;
	process->counted = !from->dead;
	process->command = from->name;
	return process;
}

static bool has_row(const struct machine_process *process, uint32_t row)
{
	for (size_t i = 0; i < process->devices.count; i++)
		if (process->devices.items[i] == row)
			return true;
	return false;
}

static void add_counters(struct machine *machine, const struct tt_process *from, uint32_t row)
{
	struct machine_process *process = counter_process(machine, from);

	if (!has_row(process, row)) {
		*vec_add(&process->devices) = row;
		machine->devices.items[row].process_count += process->counted;
	}
	for (size_t i = 0; i < TT_COUNTER_LIMIT; i++) {
		struct machine_figure figure = {.present = true, .sources = 1};
		uint8_t kind = machine_add_kind(machine, tt_counter_names[i]);

		if (from->bytes[i] == 0)
			continue;
		/* Padding is not in them: what is held is at least this. */
		figure.unclassified_bytes = figure.held = from->bytes[i];
		figure_add(&process->figures[kind], &figure);
		if (process->counted)
			machine_add_to_row(&machine->devices.items[row].figures[kind], &figure);
	}
}

/* Where the totals of a file are not what its living processes have. */
static void add_file_totals(struct machine *machine, const struct tt_device *chip, uint32_t row)
{
	for (size_t i = 0; i < TT_COUNTER_LIMIT; i++) {
		struct machine_file_total total = {.row = row, .file_bytes = chip->bytes[i]};

		for (uint32_t p = 0; p < chip->process_count; p++)
			if (chip->processes[p].dead)
				total.dead_bytes += chip->processes[p].bytes[i];
			else
				total.live_bytes += chip->processes[p].bytes[i];
		if (total.file_bytes == total.live_bytes && total.dead_bytes == 0)
			continue;
		total.kind = machine_add_kind(machine, tt_counter_names[i]);
		*vec_add(&machine->file_totals) = total;
	}
}

void machine_add_counters(struct machine *machine)
{
	for (size_t n = 0; machine->counters != NULL && n < machine->counters->devices.count; n++) {
		const struct tt_device *chip = &machine->counters->devices.items[n];
		uint32_t row = machine->counter_rows[n];

		for (uint32_t i = 0; i < chip->process_count; i++) {
			const struct tt_process *from = &chip->processes[i];
			size_t counted =
				from->dead ? SIZE_MAX : find_counted(machine, from->pid, row);

			if (counted != SIZE_MAX)
				add_counter_witness(machine, from, counted, row);
			else
				add_counters(machine, from, row);
		}
		add_file_totals(machine, chip, row);
	}
}

bool machine_counter_figure(const struct machine *machine, const struct machine_process *process,
                            uint32_t row, uint32_t kind, struct machine_figure *ret_figure)
{
	*ret_figure = (struct machine_figure){.present = true, .sources = 1};
	for (size_t n = 0; has_row(process, row) && n < machine->counters->devices.count; n++) {
		const struct tt_device *chip = &machine->counters->devices.items[n];

		for (uint32_t i = 0; machine->counter_rows[n] == row && i < chip->process_count;
		     i++)
			for (size_t c = 0; c < TT_COUNTER_LIMIT; c++)
				if (chip->processes[i].pid == process->pid &&
				    chip->processes[i].dead == process->dead &&
				    machine_kind(machine, tt_counter_names[c]) == kind)
					ret_figure->unclassified_bytes +=
						chip->processes[i].bytes[c];
	}
	ret_figure->held = ret_figure->unclassified_bytes;
	return ret_figure->held != 0;
}
