/* SPDX-License-Identifier: Apache-2.0 */
#include "cores.h"
#include "holes.h"
#include "shapes.h"

static json_t *cores_json(const struct scene *scene, uint32_t row)
{
	struct core_report report;

	cores_report(&scene->machine, row, &report);
	if (!report.known)
		return json_null();
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "programs", report.programs,
	                 "resident_bytes", json_amount(report.resident_bytes), "fullest_core_bytes",
	                 json_amount(report.fullest_bytes), "reserved_bytes",
	                 json_amount(report.reserved_bytes), "highest_cb_end",
	                 json_amount(report.highest_end), "lowest_l1_buffer",
	                 json_known(report.lowest_buffer, report.lowest_known), "headroom_bytes",
	                 report.lowest_known ? json_integer(report.headroom) : json_null());
}

/* Holes are known only where buffers were read. */
static void set_holes(json_t *figure, const struct scene *scene, uint32_t row, uint32_t kind)
{
	struct holes holes = {0};
	bool read = true;

	for (size_t i = 0; i < scene->views.count; i++)
		read = read && scene->views.items[i]->depth == VIEW_BUFFERS;
	if (read)
		holes_find(&scene->machine, row, kind, &holes);
	json_object_set_new(figure, "holes", json_known(holes.count, holes.known));
	json_object_set_new(figure, "largest_hole_bytes_per_bank",
	                    json_known(holes.largest, holes.known));
	json_object_set_new(figure, "free_bytes_per_bank", json_known(holes.free, holes.known));
}

static json_t *device_json(const struct scene *scene, uint32_t row)
{
	const struct machine_device *device = &scene->machine.devices.items[row];
	json_t *json = json_object(), *kinds = json_array();
	struct machine_figure figure;
	bool exact = true;

	json_object_set_new(json, "row", json_integer(row));
	json_object_set_new(json, "unique_id", json_hex_known(device->unique_id));
	json_object_set_new(json, "unplaced", json_boolean(device->unplaced));
	json_object_set_new(json, "ordinal",
	                    device->unplaced ? json_null() : json_integer(device->ordinal));
	json_object_set_new(json, "arch", json_foreign_known(device->arch));
	json_object_set_new(json, "bus", json_foreign_known(device->bus));
	json_object_set_new(json, "processes", json_integer(device->process_count));
	for (uint32_t kind = 0; kind < scene->machine.kind_count; kind++) {
		json_t *item;

		if (!scene_figure(scene, row, kind, &figure))
			continue;
		exact = exact && figure.exact;
		item = json_figure(&scene->machine, kind, &figure);
		set_holes(item, scene, row, kind);
		json_array_append_new(kinds, item);
	}
	json_object_set_new(json, "kinds", kinds);
	json_object_set_new(json, "circular_buffers", cores_json(scene, row));
	json_object_set_new(json, "exact", json_boolean(exact));
	return json;
}

static json_t *witness_json(const struct scene *scene, const struct machine_witness *witness)
{
	const struct machine_process *process = &scene->machine.processes.items[witness->process];

	return json_pack("{s:o, s:i, s:o, s:s, s:s, s:o, s:o}", "process", json_process(process),
	                 "row", witness->row, "kind", json_kind(&scene->machine, witness->kind),
	                 "counted", source_name(process->source), "witness",
	                 source_name(witness->source), "counted_bytes",
	                 json_amount(witness->counted_bytes), "witness_bytes",
	                 json_amount(witness->witness_bytes));
}

/* Files of tt-metal's counters whose totals are not what the living have. */
static json_t *file_totals_json(const struct scene *scene)
{
	const struct machine_file_total *total;
	json_t *list = json_array();

	vec_for (total, &scene->machine.file_totals)
		if (selection_has_device(&scene->selection, total->row))
			json_array_append_new(
				list, json_pack("{s:i, s:o, s:o, s:o, s:o}", "row", total->row,
			                        "kind", json_kind(&scene->machine, total->kind),
			                        "file_bytes", json_amount(total->file_bytes),
			                        "live_bytes", json_amount(total->live_bytes),
			                        "dead_bytes", json_amount(total->dead_bytes)));
	return list;
}

static json_t *stale_json(const struct scene *scene)
{
	const struct machine_process *process;
	json_t *list = json_array();

	vec_for (process, &scene->machine.processes)
		if (machine_is_stale(process) && scene_shows(scene, process, false))
			json_array_append_new(
				list, json_pack("{s:o, s:o}", "process", json_process(process),
			                        "since_unix_seconds",
			                        json_time(scene_stale_since(scene, process))));
	return list;
}

json_t *devices_json(const struct scene *scene, const struct report_query *query)
{
	json_t *devices = json_array(), *witnesses = json_array();
	const struct machine_witness *witness;
	size_t line = 0;

	for (uint32_t row = 0; row < machine_shown_rows(&scene->machine); row++)
		if (selection_has_device(&scene->selection, row) && query_has_line(query, line++))
			json_array_append_new(devices, device_json(scene, row));
	vec_for (witness, &scene->machine.witnesses)
		if (selection_has_device(&scene->selection, witness->row))
			json_array_append_new(witnesses, witness_json(scene, witness));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "devices", devices, "witnesses", witnesses,
	                 "stale", stale_json(scene), "counter_totals", file_totals_json(scene),
	                 "unreadable", unreadable_json(scene));
}
