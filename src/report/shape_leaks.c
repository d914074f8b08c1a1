/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"

static json_t *leak_json(const struct scene *scene, const struct leak *leak)
{
	json_t *json = json_object();

	json_object_set_new(json, "verdict", json_string(verdict_words[leak->verdict]));
	json_object_set_new(json, "process", json_process(leak->process));
	json_object_set_new(json, "kind", json_kind(&scene->machine, leak->kind));
	json_object_set_new(json, "bytes", json_amount(leak->bytes));
	json_object_set_new(json, "records", json_amount(leak->records));
	json_object_set_new(json, "device_buffers", json_amount(leak->device_buffers));
	json_object_set_new(json, "total_bytes", json_amount(leak->total_bytes));
	json_object_set_new(json, "rows", json_rows(&scene->machine, leak->on));
	json_object_set_new(json, "first_id", json_hex(leak->first_id));
	json_object_set_new(json, "oldest_unix_seconds", json_time(leak->oldest_ns));
	json_object_set_new(json, "tag", json_foreign_known(leak->tag));
	json_object_set_new(json, "site", json_foreign_known(leak->site));
	return json;
}

json_t *leaks_json(const struct scene *scene, const struct leaks *leaks,
                   const struct report_query *query)
{
	json_t *list = json_array(), *totals = json_object();

	for (size_t i = 0; i < leaks->leaks.count; i++)
		if (query_has_line(query, i))
			json_array_append_new(list, leak_json(scene, &leaks->leaks.items[i]));
	for (size_t i = 0; i < VERDICT_LIMIT; i++) {
		const struct leak_total *total = &leaks->totals[i];

		json_object_set_new(totals, verdict_words[i],
		                    json_pack("{s:o, s:o, s:o}", "total_bytes",
		                              json_amount(total->bytes), "records",
		                              json_amount(total->records), "device_buffers",
		                              json_amount(total->device_buffers)));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "totals", totals, "leaks", list, "leaks_total",
	                 json_amount(leaks->leaks.count), "unknown_processes",
	                 json_amount(scene_unknown(scene, true)));
}
