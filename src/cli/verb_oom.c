/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally oom`: failed allocations, frozen at the moment that they failed. */
#include "advice.h"
#include "composition.h"
#include "even.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct table_column line_columns[] = {
	{"HELD", TABLE_RIGHT, 0, 0},
	{"BYTES", TABLE_RIGHT, 2, 0},
	{"BUFFERS", TABLE_RIGHT, 1, 0},
	{"CLASS", 0, 0, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START, 0, 8},
};

static const struct table_column buffer_columns[] = {
	{"ADDRESS", TABLE_RIGHT, 0, 0},
	{"SPAN", TABLE_RIGHT, 0, 0},
	{"BYTES", TABLE_RIGHT, 0, 0},
	{"ID", TABLE_RIGHT, 2, 0},
	{"CLASS", TABLE_HIDE_SAME, 1, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
	{"SITE", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 3, 8},
};

/* Of "  largest hole  "; and the width of sentences where there is no terminal. */
enum { LABEL_WIDTH = 16, SENTENCE_WIDTH = 80 };

struct failed_device {
	uint32_t row;
	uint64_t held;
};

static int by_row(const void *a, const void *b)
{
	const struct failed_device *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

/* Rows, ascending, and what was held on each. Returns their number. */
static size_t list_devices(const struct machine_process *process,
                           const struct view_failure *failure, uint32_t *rows, uint64_t *held)
{
	struct failed_device *devices = mem_calloc(failure->device_count, sizeof(*devices));
	size_t count = 0;

	for (uint32_t i = 0; i < failure->device_count; i++)
		if (failure->devices[i].device < process->view->device_count)
			devices[count++] =
				(struct failed_device){process->rows[failure->devices[i].device],
			                               failure->devices[i].held};
	qsort(devices, count, sizeof(*devices), by_row);
	for (size_t i = 0; i < count; i++) {
		rows[i] = devices[i].row;
		held[i] = devices[i].held;
	}
	free(devices);
	return count;
}

/* With `with_held` what was held on them, else their names alone. */
static void text_devices(struct text *out, const struct scene *scene,
                         const struct machine_process *process, const struct view_failure *failure,
                         bool with_held)
{
	uint32_t *rows = mem_calloc(failure->device_count, sizeof(*rows));
	uint64_t *held = mem_calloc(failure->device_count, sizeof(*held));
	size_t count = list_devices(process, failure, rows, held);

	if (with_held)
		even_text(out, &scene->machine, rows, held, count);
	else
		device_names(out, &scene->machine, rows, count);
	free(rows);
	free(held);
}

/* Ends a line, which is wrapped and emptied. */
static void end_line(struct text *out, struct text *line, size_t width)
{
	safe_wrap(out, text_string(line), width, LABEL_WIDTH);
	text_clear(line);
}

static void print_title(struct text *out, const struct scene *scene,
                        const struct machine_process *process, const struct view_failure *failure,
                        size_t width)
{
	struct text line = {0};
	char when[UNITS_SIZE];

	text_addf(&line, "Failure %" PRIu32 " of process %" PRId32 " (", failure->number,
	          process->pid);
	text_command(&line, process->command, 40);
	text_addf(&line, "), %s", units_time(&when, failure->time_ns));
	safe_wrap(out, line.bytes, width, 2);
	text_clear(&line);
	text_add(&line, "  memory        ");
	safe_terminal(&line, failure->kind < process->view->kind_count
	                             ? process->view->kind_names[failure->kind]
	                             : "?");
	text_add(&line, " of ");
	text_devices(&line, scene, process, failure, false);
	end_line(out, &line, width);
	text_finish(&line);
}

/* A runtime that does not know it says UINT64_MAX. */
static void text_room(struct text *out, const char *what, uint64_t span)
{
	char figure[UNITS_SIZE];

	if (span == UINT64_MAX)
		text_addf(out, "  %-13s %10s", what, "-");
	else
		text_addf(out, "  %-13s %10s per bank", what, units_bytes(&figure, span, true));
}

static void print_figures(struct text *out, const struct view_failure *failure, size_t width)
{
	struct text line = {0};
	char a[UNITS_SIZE], b[UNITS_SIZE];

	text_addf(&line, "  asked         %10s per device, %s per bank",
	          units_bytes(&a, failure->bytes, true), units_bytes_short(&b, failure->span));
	if (failure->tag[0] != '\0') {
		text_add(&line, ", for ");
		safe_terminal(&line, failure->tag);
	}
	end_line(out, &line, width);
	text_room(out, "free", failure->free_span);
	text_add(out, "\n");
	text_room(&line, "largest hole", failure->largest_span);
	if (failure->free_span != UINT64_MAX && failure->free_span >= failure->span &&
	    failure->largest_span < failure->span)
		text_add(&line, ": there was enough, but in pieces");
	end_line(out, &line, width);
	text_finish(&line);
}

static void print_head(struct text *out, const struct scene *scene,
                       const struct machine_process *process, const struct view_failure *failure,
                       size_t width)
{
	struct text line = {0};
	char capacity[UNITS_SIZE];

	print_title(out, scene, process, failure, width);
	print_figures(out, failure, width);
	if (failure->reason[0] != '\0') {
		text_add(&line, "  it said       \"");
		safe_terminal(&line, failure->reason);
		text_add(&line, "\"");
		end_line(out, &line, width);
	}
	text_add(&line, "  held          ");
	text_devices(&line, scene, process, failure, true);
	if (failure->device_count != 0 && failure->devices[0].capacity != 0)
		text_addf(&line, ", of %s",
		          units_bytes_short(&capacity, failure->devices[0].capacity));
	end_line(out, &line, width);
	text_finish(&line);
}

static void print_lines(struct text *out, const struct scene *scene,
                        const struct machine_process *process, const struct view_failure *failure,
                        size_t limit, size_t width)
{
	const struct segment_view *view = process->view;
	struct composition lines;
	struct table table;

	if (failure->device_count == 0)
		return;
	composition_make(&lines, view, failure->lines, failure->line_count,
	                 failure->devices[0].device);
	table_init(&table, line_columns, ARRAY_COUNT(line_columns));
	table.indent = 2;
	for (size_t i = 0; i < lines.lines.count && (limit == 0 || i < limit); i++) {
		const struct composition_line *line = &lines.lines.items[i];

		cell_bytes(&table, line->held, true, true);
		cell_bytes(&table, line->bytes, true, true);
		cell_count(&table, line->buffers);
		table_cell(&table, "%s", class_words[line->class_then]);
		table_foreign(&table, line->tag[0] != '\0' ? line->tag : "(no tag)");
	}
	if (lines.lines.count != 0) {
		text_add(out, "\n  Who held what");
		if (failure->device_count != 1 && failure->devices[0].device < view->device_count) {
			text_add(out, " on ");
			device_names(out, &scene->machine,
			             &process->rows[failure->devices[0].device], 1);
		}
		text_add(out, ":\n");
		table_print(&table, width, out);
	}
	if (limit != 0 && lines.lines.count > limit)
		text_addf(out, "  ... and %zu more\n", lines.lines.count - limit);
	table_finish(&table);
	composition_finish(&lines);
}

static void print_frees(struct text *out, const struct view_failure *failure,
                        const struct advice *advice, size_t limit, size_t width)
{
	struct table table;

	table_init(&table, buffer_columns, ARRAY_COUNT(buffer_columns));
	table.indent = 2;
	for (uint32_t i = 0; i < advice->count && (limit == 0 || i < limit); i++) {
		const struct view_failure_buffer *buffer =
			&failure->buffers[advice->order[advice->first + i]];

		cell_address(&table, buffer->address);
		cell_bytes(&table, buffer->span, true, true);
		cell_bytes(&table, buffer->bytes, true, true);
		table_cell(&table, "0x%" PRIx64, buffer->id);
		table_cell(&table, "%s",
		           buffer->class_then < CLASS_LIMIT ? class_words[buffer->class_then]
		                                            : "?");
		table_foreign(&table, buffer->tag);
		table_foreign(&table, buffer->site);
	}
	table_print(&table, width, out);
	if (limit != 0 && advice->count > limit)
		text_addf(out, "  ... and %zu more\n", advice->count - limit);
	table_finish(&table);
}

/* More than the memory of a device has, with nothing in it. */
static bool is_beyond_memory(const struct view_failure *failure)
{
	for (uint32_t i = 0; i < failure->device_count; i++)
		if (failure->devices[i].capacity != 0 &&
		    failure->bytes > failure->devices[i].capacity)
			return true;
	return false;
}

static void advice_line(struct text *out, const struct advice *advice,
                        const struct view_failure *failure)
{
	bool one = advice->count == 1;
	char a[UNITS_SIZE], b[UNITS_SIZE];

	if (is_beyond_memory(failure))
		text_add(out,
		         "  No free would have been enough: more was asked for than the memory "
		         "has.");
	else if (failure->buffers_total == 0)
		text_add(out, "  No free would have been enough: nothing was held there by this "
		              "process.");
	else if (!advice->placed)
		text_add(out, "  Which frees would have been enough is not known: the runtime does "
		              "not tell where buffers lie.");
	else if (!advice->known && advice->complete)
		text_add(out, "  No free would have been enough: what the runtime holds is in the "
		              "way.");
	else if (!advice->known)
		text_add(out, "  Which frees would have been enough is not known: only the "
		              "largest buffers were kept.");
	else
		text_addf(out,
		          "  Freeing %s %" PRIu32 " buffer%s would have been enough; %s %s per "
		          "bank and %s a hole of %s%s:",
		          one ? "this" : "these", advice->count, one ? "" : "s",
		          one ? "it gives back" : "they give back",
		          units_bytes_short(&a, advice->span), one ? "makes" : "make",
		          units_bytes_short(&b, advice->hole),
		          advice->complete ? "" : " (of the buffers that were kept)");
}

static void print_advice(struct text *out, const struct segment_view *view,
                         const struct view_failure *failure, size_t limit, size_t width)
{
	struct advice advice;
	struct text line = {0};

	advice_make(&advice, view, failure);
	text_add(out, "\n");
	advice_line(&line, &advice, failure);
	safe_wrap(out, line.bytes, width != 0 ? width : SENTENCE_WIDTH, 2);
	if (advice.known)
		print_frees(out, failure, &advice, limit, width);
	text_finish(&line);
	advice_finish(&advice);
}

void oom_failure_text(const struct scene *scene, const struct machine_process *process,
                      const struct view_failure *failure, size_t limit, size_t width,
                      struct text *out)
{
	print_head(out, scene, process, failure, width != 0 ? width : SENTENCE_WIDTH);
	print_advice(out, process->view, failure, limit, width);
	print_lines(out, scene, process, failure, limit, width);
}

/* Whether a failure is on one of the devices and of a kind that were asked for. */
static bool is_selected(const struct scene *scene, const struct machine_process *process,
                        const struct view_failure *failure)
{
	const struct segment_view *view = process->view;

	if (failure->kind < view->kind_count &&
	    !selection_has_kind(&scene->selection, process->kinds[failure->kind]))
		return false;
	for (uint32_t i = 0; i < failure->device_count; i++)
		if (failure->devices[i].device < view->device_count &&
		    selection_has_device(&scene->selection,
		                         process->rows[failure->devices[i].device]))
			return true;
	return scene->selection.devices == NULL;
}

void oom_text(const struct scene *scene, const struct options *options, size_t width,
              struct text *out)
{
	const struct machine_process *process;

	if (scene_is_empty(scene)) {
		scene_empty_text(scene, out);
		return;
	}
	vec_for (process, &scene->machine.processes) {
		if (process->view == NULL || !selection_has_process(&scene->selection, process))
			continue;
		for (uint32_t i = 0; i < process->view->failure_count; i++) {
			if (!is_selected(scene, process, &process->view->failures[i]))
				continue;
			if (out->length != 0)
				text_add(out, "\n");
			oom_failure_text(scene, process, &process->view->failures[i],
			                 options->limit, width, out);
		}
	}
	if (out->length == 0)
		scene_nothing_text(scene, "Whether an allocation failed",
		                   "No allocation has failed.", width, out);
}

static json_t *json_room(uint64_t span)
{
	return json_known(span, span != UINT64_MAX);
}

static json_t *failure_buffer_json(const struct view_failure_buffer *buffer)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "id", json_hex(buffer->id), "address",
		json_address(buffer->address), "bytes", json_amount(buffer->bytes),
		"span_bytes_per_bank", json_amount(buffer->span), "class",
		buffer->class_then < CLASS_LIMIT ? class_words[buffer->class_then] : "", "tag",
		json_foreign_known(buffer->tag), "site", json_foreign_known(buffer->site));
}

static json_t *advice_json(const struct segment_view *view, const struct view_failure *failure)
{
	struct advice advice;
	json_t *buffers = json_array(), *json;

	advice_make(&advice, view, failure);
	for (uint32_t i = 0; i < advice.count; i++)
		json_array_append_new(
			buffers,
			failure_buffer_json(&failure->buffers[advice.order[advice.first + i]]));
	json = json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}", "enough",
	                 advice.placed ? json_boolean(advice.known) : json_null(),
	                 "all_buffers_known", advice.complete, "bytes",
	                 json_known(advice.bytes, advice.known), "span_bytes_per_bank",
	                 json_known(advice.span, advice.known), "hole_bytes_per_bank",
	                 json_known(advice.hole, advice.known), "buffers", buffers);
	advice_finish(&advice);
	return json;
}

/* Devices that a line is on; null where its space is not known any more. */
static json_t *line_rows(const struct machine_process *process, const struct view_line *line)
{
	const struct segment_view *view = process->view;
	const struct view_space *space;
	json_t *rows;

	if (line->space >= view->space_count)
		return json_null();
	space = &view->spaces[line->space];
	rows = json_array();
	for (uint32_t m = 0; m < space->member_count; m++)
		if ((line->member == ROW_ALL_MEMBERS || line->member == m) &&
		    space->members[m] < view->device_count)
			json_array_append_new(rows, json_integer(process->rows[space->members[m]]));
	return rows;
}

static json_t *line_json(const struct machine_process *process, const struct view_line *line)
{
	const struct segment_view *view = process->view;

	return json_pack(
		"{s:o, s:o, s:s, s:o, s:i, s:o, s:o}", "rows", line_rows(process, line), "kind",
		line->kind < view->kind_count ? json_foreign(view->kind_names[line->kind])
					      : json_null(),
		"class", line->class_then < CLASS_LIMIT ? class_words[line->class_then] : "", "tag",
		json_foreign_known(line->tag), "buffers", line->buffers, "bytes",
		json_amount(line->bytes), "held_bytes", json_amount(line->held));
}

json_t *oom_failure_json(const struct scene *scene, const struct machine_process *process,
                         const struct view_failure *failure)
{
	const struct segment_view *view = process->view;
	json_t *json = json_object(), *devices = json_array(), *lines = json_array();

	(void)scene;
	json_object_set_new(json, "process", json_process(process));
	json_object_set_new(json, "number", json_integer(failure->number));
	json_object_set_new(json, "unix_seconds", json_time(failure->time_ns));
	json_object_set_new(json, "operation", json_amount(failure->op));
	json_object_set_new(json, "kind",
	                    failure->kind < view->kind_count
	                            ? json_foreign(view->kind_names[failure->kind])
	                            : json_null());
	json_object_set_new(json, "asked_bytes", json_amount(failure->bytes));
	json_object_set_new(json, "asked_bytes_per_bank", json_amount(failure->span));
	json_object_set_new(json, "free_bytes_per_bank", json_room(failure->free_span));
	json_object_set_new(json, "largest_hole_bytes_per_bank", json_room(failure->largest_span));
	json_object_set_new(json, "reason", json_foreign_known(failure->reason));
	json_object_set_new(json, "tag", json_foreign_known(failure->tag));
	for (uint32_t i = 0; i < failure->device_count; i++) {
		const struct segment_failure_device *device = &failure->devices[i];

		if (device->device < view->device_count)
			json_array_append_new(
				devices,
				json_pack("{s:i, s:o, s:o}", "row", process->rows[device->device],
			                  "held_bytes", json_amount(device->held), "capacity_bytes",
			                  json_known(device->capacity, device->capacity != 0)));
	}
	json_object_set_new(json, "devices", devices);
	for (uint32_t i = 0; i < failure->line_count; i++)
		json_array_append_new(lines, line_json(process, &failure->lines[i]));
	json_object_set_new(json, "lines", lines);
	json_object_set_new(json, "advice", advice_json(view, failure));
	return json;
}

json_t *oom_json(const struct scene *scene, const struct report_query *query)
{
	const struct machine_process *process;
	json_t *failures = json_array();

	(void)query;
	vec_for (process, &scene->machine.processes) {
		if (process->view == NULL || !selection_has_process(&scene->selection, process))
			continue;
		for (uint32_t i = 0; i < process->view->failure_count; i++)
			if (is_selected(scene, process, &process->view->failures[i]))
				json_array_append_new(
					failures, oom_failure_json(scene, process,
				                                   &process->view->failures[i]));
	}
	return json_pack("{s:o}", "failures", failures);
}

int verb_oom(const struct options *options)
{
	return render_verb(options, VIEW_TOTALS, oom_text, oom_json);
}
