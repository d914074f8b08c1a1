/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as tt-metal's counter files, several one after another, and all processes of the
 * machine put together from them beside a segment and proxy segments. Whatever
 * the files say, the figures of a device are the sum of those of the processes that count.
 */
#include "machine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 9280, MAX_FILES = 4, DEVICES = 2, VIEWS = 3, MASK = 77 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct process {
	struct segment_view view;
	struct view_device devices[DEVICES];
	struct view_figure figures[DEVICES];
};

/* A process with two chips, and so much on each. One that came over the socket knows them by
 * ordinals alone. */
static void make_process(struct process *process, int32_t pid, bool proxy, uint64_t amount)
{
	struct segment_view *view = &process->view;

	*process = (struct process){.view = {.name = "", .comm = "", .command_line = "fuzzed"}};
	view->subject.pid = pid;
	view->is_proxy = proxy;
	view->exact = true;
	view->device_count = DEVICES;
	view->devices = process->devices;
	view->figures = process->figures;
	view->kind_count = 1;
	strcpy(view->kind_names[0], "DRAM");
	for (uint32_t i = 0; i < DEVICES; i++) {
		view->devices[i].unique_id = proxy ? 0 : i + 1;
		view->devices[i].ordinal = (int32_t)i;
		view->devices[i].ordinals = proxy ? MASK : 0;
		view->devices[i].arch = view->devices[i].bus = "";
		view->figures[i].bytes[CLASS_USER] = amount;
		view->figures[i].buffers[CLASS_USER] = 1;
	}
}

static void check(const struct machine *machine)
{
	for (uint32_t row = 0; row < machine->devices.count; row++)
		for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
			const struct machine_process *process;
			struct machine_figure figure;
			uint64_t bytes = 0;

			vec_for (process, &machine->processes)
				if (process->counted &&
				    machine_process_figure(machine, process, row, kind, &figure))
					bytes += figure_bytes(&figure);
			if (bytes != figure_bytes(&machine->devices.items[row].figures[kind]))
				abort();
		}
}

static void build(const struct tt_counters *counters)
{
	struct process processes[VIEWS];
	struct segment_view *views[VIEWS];
	struct machine_input input = {views, VIEWS, counters, false};
	struct machine machine;

	make_process(&processes[0], 10, false, 1000);
	make_process(&processes[1], 10, true, 3000);
	make_process(&processes[2], 12, true, 5000);
	for (size_t i = 0; i < VIEWS; i++)
		views[i] = &processes[i].view;
	machine_build(&machine, &input);
	check(&machine);
	machine_finish(&machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct tt_counters counters = {0};

	for (size_t at = 0, n = 0; at < size && n < MAX_FILES; at += FILE_BYTES, n++) {
		size_t left = size - at < FILE_BYTES ? size - at : FILE_BYTES;
		struct tt_device device;
		const char *reason;

		if (tt_counters_parse(bytes + at, left, &device, &reason) != 0) {
			if (reason == NULL || reason[0] == '\0')
				abort();
			continue;
		}
		device.unique_id = n; /* as the name of the file says; 0 may be one */
		for (uint32_t i = 0; i < device.process_count; i++) {
			if (strlen(device.processes[i].name) > TT_NAME_BYTES)
				abort();
			device.processes[i].dead = device.processes[i].pid % 4 == 1;
		}
		*vec_add(&counters.devices) = device;
	}
	build(&counters);
	tt_counters_finish(&counters);
	return 0;
}
