/* SPDX-License-Identifier: Apache-2.0 */
#include "ended.h"

#include "end_words.h"
#include "json_value.h"

#include <stdlib.h>
#include <string.h>

/* On how many of the selected devices of its space a row holds; notes which. */
static uint32_t row_devices(struct ended *ended, const struct view_row *row,
                            const struct space_members *space)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < space->count; n++) {
		if (row->member != ROW_ALL_MEMBERS && row->member != space->members[n])
			continue;
		ended->on[space->rows[n]] = 1;
		count++;
	}
	return count;
}

/* Bytes come from the rows: they have those of buffers without a record, too. */
static void add_rows(struct ended *ended, const struct scene *scene,
                     const struct space_members *spaces)
{
	const struct machine_process *process = ended->process;

	for (uint32_t i = 0; i < process->view->row_count; i++) {
		const struct view_row *row = &process->view->rows[i];

		if (row->class_now < CLASS_COUNTED_LIMIT && row->bytes != 0 &&
		    selection_has_kind(&scene->selection, process->kinds[row->kind]))
			ended->total_bytes +=
				row->bytes * row_devices(ended, row, &spaces[row->space]);
	}
}

static void add_buffers(struct ended *ended, const struct scene *scene,
                        const struct space_members *spaces)
{
	const struct machine_process *process = ended->process;

	for (uint32_t i = 0; i < process->view->buffer_count; i++) {
		const struct view_buffer *buffer = &process->view->buffers[i];
		uint32_t devices;

		if (buffer->class_now >= CLASS_COUNTED_LIMIT ||
		    !selection_has_kind(&scene->selection, process->kinds[buffer->kind]))
			continue;
		buffer_total_bytes(buffer, &spaces[buffer->space], &devices);
		ended->records += devices != 0;
		ended->device_buffers += devices;
	}
}

static void add_up(struct ended *ended, const struct scene *scene)
{
	struct space_members *spaces = selection_spaces(&scene->selection, ended->process);

	add_rows(ended, scene, spaces);
	add_buffers(ended, scene, spaces);
	selection_spaces_finish(spaces, ended->process);
}

static const char *file_of(const struct scene *scene, const struct segment_view *view)
{
	for (size_t i = 0; i < scene->views.count && i < scene->paths.count; i++)
		if (scene->views.items[i] == view)
			return scene->paths.items[i];
	return scene->from;
}

static int newest_first(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;

	if (x->when_ns != y->when_ns)
		return x->when_ns > y->when_ns ? -1 : 1;
	return x->process->pid < y->process->pid ? -1 : x->process->pid > y->process->pid;
}

void ended_find(struct ended_list *list, const struct scene *scene)
{
	const struct machine_process *process;

	*list = (struct ended_list){0};
	vec_for (process, &scene->machine.processes) {
		const struct segment_view *view = process->view;
		struct ended *ended;

		if (view == NULL || !process->dead || process->witness ||
		    !selection_has_process(&scene->selection, process))
			continue;
		ended = vec_add(list);
		ended->process = process;
		ended->known = view->end.realtime_ns != 0;
		ended->when_ns = ended->known ? view->end.realtime_ns : view->last_ns;
		ended->faults = view->fault_total;
		ended->on = mem_calloc(scene->machine.devices.count + 1, 1);
		ended->file = file_of(scene, view);
		add_up(ended, scene);
	}
	if (list->count != 0)
		qsort(list->items, list->count, sizeof(*list->items), newest_first);
}

void ended_finish(struct ended_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].on);
	vec_finish(list);
}

/* Leaks come by verdict and size: a stable sort by process leaves that order within each. */
void ended_sort_leaks(const struct ended_list *list, struct leaks *leaks)
{
	struct leak *sorted = mem_calloc(leaks->leaks.count + 1, sizeof(*sorted));
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		for (size_t n = 0; n < leaks->leaks.count; n++)
			if (leaks->leaks.items[n].process == list->items[i].process)
				sorted[count++] = leaks->leaks.items[n];
	if (count == leaks->leaks.count && count != 0)
		memcpy(leaks->leaks.items, sorted, count * sizeof(*sorted));
	free(sorted);
}

static const char *how_word(const struct segment_view *view)
{
	if (view->life == LIFE_EXEC)
		return "exec";
	if (view->end.realtime_ns != 0 && view->end.how == END_SIGNAL)
		return "signal";
	if (view->end.realtime_ns != 0 && view->end.how == END_EXIT)
		return "exit";
	if (view->life == LIFE_STOPPED)
		return "stopped";
	return view->life == LIFE_ENDED ? "exit" : "unknown";
}

static json_t *signal_json(int number)
{
	struct text name = {0};
	json_t *json;

	end_signal_name(&name, number);
	json = name.length != 0 ? json_string(name.bytes) : json_null();
	text_finish(&name);
	return json;
}

json_t *ended_json(const struct scene *scene, const struct ended *ended)
{
	const struct segment_view *view = ended->process->view;
	bool by_signal = strcmp(how_word(view), "signal") == 0;
	bool by_exit = strcmp(how_word(view), "exit") == 0 && view->end.realtime_ns != 0;
	json_t *json = json_object();

	json_object_set_new(json, "process", json_process(ended->process));
	json_object_set_new(json, "identity", json_hex(view->identity));
	json_object_set_new(json, "how", json_string(how_word(view)));
	json_object_set_new(json, "status",
	                    json_known((uint64_t)view->end.code, by_exit && view->end.code >= 0));
	json_object_set_new(json, "signal", json_known((uint64_t)view->end.code, by_signal));
	json_object_set_new(json, "signal_name",
	                    by_signal ? signal_json(view->end.code) : json_null());
	json_object_set_new(json, "unix_seconds", json_time(ended->known ? ended->when_ns : 0));
	json_object_set_new(json, "last_call_unix_seconds", json_time(view->last_ns));
	json_object_set_new(json, "records", json_amount(ended->records));
	json_object_set_new(json, "buffers_without_record", json_amount(view->no_detail_buffers));
	json_object_set_new(json, "device_buffers", json_amount(ended->device_buffers));
	json_object_set_new(json, "total_bytes", json_amount(ended->total_bytes));
	json_object_set_new(json, "faults", json_amount(ended->faults));
	json_object_set_new(json, "rows", json_rows(&scene->machine, ended->on));
	json_object_set_new(json, "file",
	                    ended->file != NULL ? json_foreign(ended->file) : json_null());
	return json;
}

json_t *ended_list_json(const struct scene *scene, const struct ended_list *list,
                        const struct report_query *query)
{
	json_t *ended = json_array();

	for (size_t i = 0; i < list->count; i++)
		if (query_has_line(query, i))
			json_array_append_new(ended, ended_json(scene, &list->items[i]));
	return json_pack("{s:o, s:o}", "ended", ended, "ended_total", json_amount(list->count));
}
