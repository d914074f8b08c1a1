/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"
#include "words.h"

static json_t *process_of(const struct scene *scene, uint64_t identity)
{
	const struct machine_process *process;

	vec_for (process, &scene->machine.processes)
		if (process->view != NULL && process->view->identity == identity)
			return json_process(process);
	return json_null();
}

static json_t *steps_json(const struct survey_growth *growth)
{
	json_t *steps = json_array();

	for (uint32_t i = 0; i < growth->steps && i < SURVEY_STEPS; i++)
		json_array_append_new(steps, json_amount(growth->step_bytes[i]));
	return steps;
}

static json_t *group_json(const struct scene *scene, const struct survey_growth *growth)
{
	json_t *json = json_object();

	json_object_set_new(json, "process", process_of(scene, growth->identity));
	json_object_set_new(json, "tag", json_foreign_known(growth->tag));
	json_object_set_new(json, "site", json_foreign_known(growth->site));
	json_object_set_new(json, "kind", json_kind(&scene->machine, growth->kind));
	json_object_set_new(json, "class", json_string(class_words[growth->class_now]));
	json_object_set_new(json, "total_bytes", json_amount(growth->stayed_bytes));
	json_object_set_new(json, "records", json_amount(growth->stayed_records));
	json_object_set_new(json, "device_buffers", json_amount(growth->stayed_device_buffers));
	json_object_set_new(json, "oldest_unix_seconds", json_time(growth->oldest_ns));
	json_object_set_new(json, "step_bytes", steps_json(growth));
	json_object_set_new(json, "grows_each_step", json_boolean(growth->grows_each_step));
	return json;
}

json_t *growth_json(const struct scene *scene, const struct survey *survey, double seconds,
                    const char *cut_short, const struct report_query *query)
{
	uint64_t bytes = 0, records = 0, device_buffers = 0;
	json_t *list = json_array(), *root = json_object();
	const struct survey_growth *growth;
	size_t line = 0;

	vec_for (growth, &survey->growth) {
		bytes += growth->stayed_bytes;
		records += growth->stayed_records;
		device_buffers += growth->stayed_device_buffers;
		if (growth->stayed_records == 0 && !growth->grows_each_step)
			continue;
		if (query_has_line(query, line++))
			json_array_append_new(list, group_json(scene, growth));
	}
	json_object_set_new(root, "seconds", json_real(seconds));
	json_object_set_new(root, "cut_short",
	                    cut_short != NULL ? json_string(cut_short) : json_null());
	json_object_set_new(root, "total_bytes", json_amount(bytes));
	json_object_set_new(root, "records", json_amount(records));
	json_object_set_new(root, "device_buffers", json_amount(device_buffers));
	json_object_set_new(root, "exact", json_boolean(survey->exact));
	json_object_set_new(root, "growth", list);
	json_object_set_new(root, "growth_total", json_amount(line));
	json_object_set_new(root, "unknown_processes", json_amount(scene_unknown(scene, false)));
	return root;
}
