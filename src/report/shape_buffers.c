/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"
#include "words.h"

static json_t *listed_json(const struct listed_buffer *listed)
{
	const struct view_buffer *buffer = listed->buffer;
	const struct segment_view *view = listed->process->view;
	json_t *json = json_object(), *list = json_array();

	for (size_t i = 0; i < listed->rows.count; i++)
		json_array_append_new(list, json_integer(listed->rows.items[i]));
	json_object_set_new(json, "pid", json_integer(listed->process->pid));
	json_object_set_new(json, "identity", json_hex(view->identity));
	json_object_set_new(json, "id", json_hex(buffer->id));
	json_object_set_new(json, "kind", json_foreign(view->kind_names[buffer->kind]));
	json_object_set_new(json, "class", json_string(class_words[buffer->class_now]));
	json_object_set_new(json, "bytes", json_amount(buffer->bytes));
	json_object_set_new(json, "span_bytes_per_bank", json_amount(buffer->span));
	json_object_set_new(json, "total_bytes", json_amount(listed->total_bytes));
	json_object_set_new(json, "records", json_integer(listed->records));
	json_object_set_new(json, "even", json_boolean(buffer->member_bytes == NULL));
	json_object_set_new(json, "rows", list);
	json_object_set_new(json, "address", json_address(buffer->address));
	json_object_set_new(json, "region", json_integer(buffer->region));
	json_object_set_new(json, "parent", json_hex_known(buffer->parent));
	json_object_set_new(json, "flags", json_integer(buffer->flags));
	json_object_set_new(json, "operation", json_amount(buffer->op));
	json_object_set_new(json, "start_unix_seconds", json_time(buffer->time_ns));
	json_object_set_new(json, "thread", json_integer(buffer->thread));
	json_object_set_new(json, "tag", json_foreign_known(view->tags[buffer->tag].path));
	json_object_set_new(json, "site", json_foreign_known(buffer->site));
	return json;
}

/* How many lines have to be made for the page. */
static size_t query_lines(const struct report_query *query)
{
	return query->limit != 0 ? query->offset + query->limit : 0;
}

static json_t *list_json(const struct scene *scene, const struct report_query *query)
{
	struct listing_options wanted = {query->sort, query_lines(query), query->dead,
	                                 query->filter};
	const struct listed_buffer *listed;
	json_t *buffers = json_array();
	struct listing listing;
	json_t *root;

	listing_make(&listing, &scene->machine, &scene->selection, &wanted);
	vec_for (listed, &listing.buffers)
		if (query_has_line(query, (size_t)(listed - listing.buffers.items)))
			json_array_append_new(buffers, listed_json(listed));
	root = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "buffers", buffers, "records",
	                 json_amount(listing.records), "device_buffers",
	                 json_amount(listing.device_buffers), "buffers_without_record",
	                 json_amount(listing.no_detail), "total_bytes", json_amount(listing.bytes),
	                 "exact", listing.exact);
	listing_finish(&listing);
	return root;
}

static json_t *sum_json(const struct scene *scene, const struct sum *sum, int key)
{
	json_t *json = json_object();

	if (key == SUM_BY_TAG)
		json_object_set_new(json, "tag", json_foreign_known(sum->tag));
	else if (key == SUM_BY_DEVICE)
		json_object_set_new(json, "row", json_integer(sum->row));
	else if (key == SUM_BY_KIND)
		json_object_set_new(json, "kind", json_kind(&scene->machine, sum->kind));
	else
		json_object_set_new(json, "process", json_process(sum->process));
	json_object_set_new(json, "total_bytes", json_amount(sum->total_bytes));
	json_object_set_new(json, "user_bytes", json_amount(sum->bytes[CLASS_USER]));
	json_object_set_new(json, "system_bytes", json_amount(sum->bytes[CLASS_SYSTEM]));
	json_object_set_new(json, "cache_bytes", json_amount(sum->bytes[CLASS_CACHE]));
	json_object_set_new(json, "view_bytes", json_amount(sum->bytes[CLASS_VIEW]));
	json_object_set_new(json, "held_bytes", json_amount(sum->held));
	json_object_set_new(json, "device_buffers", json_amount(sum->device_buffers));
	return json;
}

json_t *ls_json(const struct scene *scene, const struct report_query *query)
{
	json_t *list = json_array(), *root;
	struct sums sums;

	if (query->by < 0) {
		json_decref(list);
		return list_json(scene, query);
	}
	sums_make(&sums, &scene->machine, &scene->selection, (enum sum_key)query->by, query->dead);
	for (size_t i = 0; i < sums.sums.count; i++)
		if (query_has_line(query, i))
			json_array_append_new(list,
			                      sum_json(scene, &sums.sums.items[i], query->by));
	root = json_pack("{s:o, s:I, s:b}", "sums", list, "sums_total", (json_int_t)sums.sums.count,
	                 "exact", sums.exact);
	sums_finish(&sums);
	return root;
}
