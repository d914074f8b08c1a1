/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include "meshtally.h"

#include <inttypes.h>

int render_verb(const struct options *options, enum view_depth depth, render_text text,
                render_json json)
{
	struct scene scene;
	struct text out = {0};
	int status = scene_open(&scene, options, depth);

	if (status != STATUS_OK)
		return status;
	if (options->json) {
		status = show_json(json(&scene, options));
	} else {
		text(&scene, options, show_width(), &out);
		status = show_text(&out);
	}
	scene_close(&scene);
	return status;
}

bool scene_figure(const struct scene *scene, uint32_t row, uint32_t kind,
                  struct machine_figure *ret_figure)
{
	const struct machine *machine = &scene->machine;
	const struct machine_process *process;
	struct machine_figure figure;

	if (!selection_has_device(&scene->selection, row) ||
	    !selection_has_kind(&scene->selection, kind))
		return false;
	*ret_figure = machine->devices.items[row].figures[kind];
	if (scene->selection.pid_count == 0)
		return ret_figure->present;
	*ret_figure = (struct machine_figure){0};
	vec_for (process, &machine->processes) {
		if (!process->counted || !selection_has_process(&scene->selection, process) ||
		    !machine_process_figure(machine, process, row, kind, &figure))
			continue;
		figure_add(ret_figure, &figure);
		ret_figure->peak += figure.peak;
		ret_figure->peak_known = scene->selection.pid_count == 1 && figure.peak_known;
		ret_figure->capacity = figure.capacity;
	}
	return ret_figure->present;
}

bool scene_process_figure(const struct scene *scene, const struct machine_process *process,
                          uint32_t kind, struct machine_figure *ret_figure)
{
	struct machine_figure figure;

	if (!selection_has_kind(&scene->selection, kind))
		return false;
	if (scene->selection.devices == NULL) {
		*ret_figure = process->figures[kind];
		return ret_figure->present;
	}
	*ret_figure = (struct machine_figure){0};
	for (uint32_t row = 0; row < scene->machine.devices.count; row++)
		if (selection_has_device(&scene->selection, row) &&
		    machine_process_figure(&scene->machine, process, row, kind, &figure))
			figure_add(ret_figure, &figure);
	return ret_figure->present;
}

bool figure_is_worth_a_line(const struct machine_figure *figure, uint32_t kind)
{
	uint64_t bytes = figure_bytes(figure) + figure->peak;

	for (size_t i = CLASS_COUNTED_LIMIT; i < CLASS_LIMIT; i++)
		bytes += figure->bytes[i];
	return figure->present && (bytes != 0 || kind == MT_DRAM || kind == MT_L1);
}

uint64_t process_faults(const struct machine_process *process)
{
	return process->view != NULL ? process->view->fault_total : UINT64_MAX;
}

void text_records(struct text *out, uint64_t records, uint64_t device_buffers)
{
	char a[UNITS_SIZE], b[UNITS_SIZE];

	text_addf(out, "%s record%s, %s device buffer%s", units_count(&a, records),
	          records == 1 ? "" : "s", units_count(&b, device_buffers),
	          device_buffers == 1 ? "" : "s");
}
