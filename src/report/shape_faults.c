/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"
#include "words.h"

bool scene_shows_fault(const struct scene *scene, const struct machine_process *process,
                       const struct view_fault *fault)
{
	const struct segment_view *view = process->view;

	if (fault->device < view->device_count &&
	    !selection_has_device(&scene->selection, process->chips[fault->device]))
		return false;
	return fault->kind >= view->kind_count ||
	       selection_has_kind(&scene->selection, process->kinds[fault->kind]);
}

static json_t *fault_json(const struct machine_process *process, const struct view_fault *fault)
{
	const struct segment_view *view = process->view;
	json_t *json = json_object();
	bool on_device = fault->device < view->device_count;

	json_object_set_new(json, "type", json_string(fault_name(fault->type)));
	json_object_set_new(json, "process", json_process(process));
	json_object_set_new(json, "count", json_amount(fault->count));
	json_object_set_new(json, "row",
	                    on_device ? json_integer(process->chips[fault->device]) : json_null());
	json_object_set_new(json, "kind",
	                    fault->kind < view->kind_count
	                            ? json_foreign(view->kind_names[fault->kind])
	                            : json_null());
	json_object_set_new(json, "id", json_hex(fault->id));
	json_object_set_new(json, "address", json_address(fault->address));
	json_object_set_new(json, "first_bytes", json_amount(fault->bytes_first));
	json_object_set_new(json, "second_bytes", json_amount(fault->bytes_second));
	json_object_set_new(json, "first_tag", json_foreign_known(fault->tag_first));
	json_object_set_new(json, "first_site", json_foreign_known(fault->site_first));
	json_object_set_new(json, "second_tag", json_foreign_known(fault->tag_second));
	json_object_set_new(json, "second_site", json_foreign_known(fault->site_second));
	json_object_set_new(json, "first_operation", json_amount(fault->first_op));
	json_object_set_new(json, "last_operation", json_amount(fault->last_op));
	json_object_set_new(json, "first_unix_seconds", json_time(fault->first_ns));
	json_object_set_new(json, "last_unix_seconds", json_time(fault->last_ns));
	return json;
}

static json_t *found_buffer_json(const struct machine_process *process,
                                 const struct view_buffer *buffer)
{
	if (buffer == NULL)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "process", json_process(process),
	                 "id", json_hex(buffer->id), "address", json_address(buffer->address),
	                 "bytes", json_amount(buffer->bytes), "span_bytes_per_bank",
	                 json_amount(buffer->span), "tag",
	                 json_foreign_known(process->view->tags[buffer->tag].path), "site",
	                 json_foreign_known(buffer->site));
}

static json_t *finding_json(const struct scene *scene, const struct finding *finding)
{
	static const char *const types[FINDING_TYPE_LIMIT] = {"overlap", "over_capacity",
	                                                      "dangling_view", "counters_differ"};
	json_t *json = json_object();
	bool process_only = finding->buffer == NULL && finding->process != NULL;

	json_object_set_new(json, "type", json_string(types[finding->type]));
	json_object_set_new(json, "rows", json_rows(&scene->machine, finding->on));
	json_object_set_new(json, "kind",
	                    process_only ? json_null() : json_kind(&scene->machine, finding->kind));
	json_object_set_new(json, "process",
	                    finding->process != NULL ? json_process(finding->process)
	                                             : json_null());
	json_object_set_new(json, "bytes", json_known(finding->bytes, !process_only));
	json_object_set_new(json, "capacity_bytes",
	                    json_known(finding->capacity, finding->capacity != 0));
	json_object_set_new(json, "first", found_buffer_json(finding->process, finding->buffer));
	json_object_set_new(json, "second",
	                    found_buffer_json(finding->other_process, finding->other));
	return json;
}

static void append_reject(json_t *list, const char *path, const char *reason)
{
	json_array_append_new(list, json_pack("{s:o, s:o}", "path", json_foreign(path), "reason",
	                                      json_foreign(reason)));
}

json_t *unreadable_json(const struct scene *scene)
{
	json_t *list = json_array();

	for (size_t i = 0; i < scene->rejects.count; i++)
		append_reject(list, scene->rejects.items[i].path, scene->rejects.items[i].reason);
	for (size_t i = 0; i < scene->counters.rejects.count; i++)
		append_reject(list, scene->counters.rejects.items[i].path,
		              scene->counters.rejects.items[i].reason);
	return list;
}

json_t *faults_json(const struct scene *scene, const struct findings *findings,
                    const struct report_query *query)
{
	json_t *faults = json_array(), *found = json_array();
	const struct machine_process *process;
	size_t line = 0;

	vec_for (process, &scene->machine.processes) {
		if (process->view == NULL || !selection_has_process(&scene->selection, process))
			continue;
		for (uint32_t i = 0; i < process->view->fault_count; i++)
			if (scene_shows_fault(scene, process, &process->view->faults[i]) &&
			    query_has_line(query, line++))
				json_array_append_new(
					faults, fault_json(process, &process->view->faults[i]));
	}
	for (size_t i = 0; i < findings->findings.count; i++)
		if (query_has_line(query, i))
			json_array_append_new(found,
			                      finding_json(scene, &findings->findings.items[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "faults", faults, "faults_total",
	                 json_amount(line), "findings", found, "findings_total",
	                 json_amount(findings->findings.count + findings->more), "unreadable",
	                 unreadable_json(scene));
}
