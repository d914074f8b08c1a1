/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"

static json_t *process_json(const struct scene *scene, const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	uint64_t age_ns = view != NULL ? scene_age(scene, view) : UINT64_MAX;
	json_t *json = json_process(process), *rows = json_array(), *kinds = json_array();
	struct machine_figure figure;

	json_object_set_new(json, "source", json_string(source_name(process->source)));
	json_object_set_new(json, "identity",
	                    view != NULL ? json_hex(view->identity) : json_null());
	json_object_set_new(json, "run_id",
	                    view != NULL ? json_hex_known(view->run_id) : json_null());
	json_object_set_new(json, "uid",
	                    view != NULL ? json_integer(view->subject.uid) : json_null());
	json_object_set_new(json, "rank",
	                    view != NULL && view->rank >= 0 ? json_integer(view->rank)
	                                                    : json_null());
	json_object_set_new(json, "start_unix_seconds",
	                    json_time(view != NULL ? view->birth_realtime_ns : 0));
	json_object_set_new(json, "last_call_age_seconds",
	                    age_ns != UINT64_MAX ? json_real((double)age_ns / 1e9) : json_null());
	json_object_set_new(
		json, "stale_since_unix_seconds",
		json_time(machine_is_stale(process) ? scene_stale_since(scene, process) : 0));
	json_object_set_new(json, "operations", view != NULL ? json_amount(view->op) : json_null());
	json_object_set_new(json, "faults",
	                    view != NULL ? json_amount(view->fault_total) : json_null());
	json_object_set_new(json, "segment_bytes",
	                    view != NULL ? json_amount(view->populated_bytes) : json_null());
	json_object_set_new(json, "buffers_without_record",
	                    view != NULL ? json_amount(view->no_detail_buffers) : json_null());
	json_object_set_new(json, "counted", json_boolean(process->counted));
	json_object_set_new(json, "exact",
	                    json_boolean(view != NULL && view->exact &&
	                                 (view->state & SEGMENT_STATE_INEXACT) == 0));
	for (size_t i = 0; i < process->devices.count; i++)
		json_array_append_new(rows, json_integer(process->devices.items[i]));
	json_object_set_new(json, "rows", rows);
	for (uint32_t kind = 0; kind < scene->machine.kind_count; kind++)
		if (scene_process_figure(scene, process, kind, &figure))
			json_array_append_new(kinds, json_figure(&scene->machine, kind, &figure));
	json_object_set_new(json, "kinds", kinds);
	return json;
}

json_t *ps_json(const struct scene *scene, const struct report_query *query)
{
	const struct machine_process *process;
	json_t *processes = json_array();
	size_t line = 0;

	vec_for (process, &scene->machine.processes)
		if (scene_shows(scene, process, true) && query_has_line(query, line++))
			json_array_append_new(processes, process_json(scene, process));
	return json_pack("{s:o}", "processes", processes);
}
