/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally peak`: what the highest usage was made of, per process, kind and devices. */
#include "composition.h"
#include "even.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct table_column columns[] = {
	{"HELD", TABLE_RIGHT, 0, 0},  {"SHARE", TABLE_RIGHT, 1, 0},
	{"BYTES", TABLE_RIGHT, 0, 0}, {"BUFFERS", TABLE_RIGHT, 2, 0},
	{"CLASS", 0, 0, 0},           {"TAG", TABLE_FLEXIBLE | TABLE_CUT_START, 0, 8},
};

/* A peak of one process: devices of one kind that had the same one. */
struct peak {
	uint32_t kind; /* of the view */
	uint64_t held;
	const struct view_frame *frame; /* NULL: not kept */
	VEC(uint32_t) rows;
	uint32_t device; /* of the view: the first */
};

struct peaks {
	VEC(struct peak) peaks;
};

static void add_peak(struct peaks *peaks, const struct scene *scene,
                     const struct machine_process *process, uint32_t kind, uint32_t device)
{
	const struct segment_view *view = process->view;
	const struct view_figure *figure = &view->figures[kind * view->device_count + device];
	uint32_t chips = machine_chips(&scene->machine), row = process->rows[device];
	const struct view_frame *frame = figure->frame != 0 && figure->frame <= view->frame_count
	                                         ? &view->frames[figure->frame - 1]
	                                         : NULL;
	struct peak *peak;

	if (figure->peak == 0 || !selection_has_device(&scene->selection, row) ||
	    !selection_has_kind(&scene->selection, process->kinds[kind]))
		return;
	vec_for (peak, &peaks->peaks) {
		if (peak->kind == kind && peak->held == figure->peak &&
		    (row < chips) == (peak->rows.items[0] < chips) &&
		    (peak->frame == frame ||
		     (peak->frame != NULL && frame != NULL && peak->frame->op == frame->op))) {
			*vec_add(&peak->rows) = row;
			return;
		}
	}
	peak = vec_add(&peaks->peaks);
	peak->kind = kind;
	peak->held = figure->peak;
	peak->frame = frame;
	peak->device = device;
	*vec_add(&peak->rows) = row;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void find_peaks(struct peaks *peaks, const struct scene *scene,
                       const struct machine_process *process)
{
	struct peak *peak;

	*peaks = (struct peaks){0};
	for (uint32_t kind = 0; kind < process->view->kind_count; kind++)
		for (uint32_t d = 0; d < process->view->device_count; d++)
			add_peak(peaks, scene, process, kind, d);
	vec_for (peak, &peaks->peaks)
		qsort(peak->rows.items, peak->rows.count, sizeof(uint32_t), by_number);
}

static void peaks_finish(struct peaks *peaks)
{
	struct peak *peak;

	vec_for (peak, &peaks->peaks)
		vec_finish(&peak->rows);
	vec_finish(&peaks->peaks);
}

static void find_lines(struct composition *lines, const struct segment_view *view,
                       const struct peak *peak)
{
	composition_make(lines, view, peak->frame != NULL ? peak->frame->lines : NULL,
	                 peak->frame != NULL ? peak->frame->line_count : 0, peak->device);
}

static void print_composition(const struct segment_view *view, const struct peak *peak,
                              size_t limit, size_t width, struct text *out)
{
	struct composition lines;
	struct table table;
	char figure[UNITS_SIZE];

	find_lines(&lines, view, peak);
	table_init(&table, columns, ARRAY_COUNT(columns));
	table.indent = 2;
	for (size_t i = 0; i < lines.lines.count && (limit == 0 || i < limit); i++) {
		const struct composition_line *line = &lines.lines.items[i];

		cell_bytes(&table, line->held, true, true);
		table_cell(&table, "%s", units_percent(&figure, line->held, peak->held));
		cell_bytes(&table, line->bytes, true, true);
		cell_count(&table, line->buffers);
		table_cell(&table, "%s", class_words[line->class_then]);
		table_foreign(&table, line->tag[0] != '\0' ? line->tag : "(no tag)");
	}
	if (peak->frame != NULL && peak->frame->rest_bytes != 0) {
		table_cell(&table, "-");
		table_cell(&table, "-");
		cell_bytes(&table, peak->frame->rest_bytes, true, true);
		cell_count(&table, peak->frame->rest_buffers);
		table_cell(&table, "-");
		table_cell(&table, "(others)");
	}
	if (table_rows(&table) != 0)
		table_print(&table, width, out);
	if (limit != 0 && lines.lines.count > limit)
		text_addf(out, "  ... and %zu more\n", lines.lines.count - limit);
	table_finish(&table);
	composition_finish(&lines);
}

static void print_peak(const struct scene *scene, const struct machine_process *process,
                       const struct peak *peak, size_t limit, size_t width, struct text *out)
{
	const struct segment_view *view = process->view;
	const struct view_figure *figure =
		&view->figures[peak->kind * view->device_count + peak->device];
	char a[UNITS_SIZE], b[UNITS_SIZE];

	safe_terminal(out, view->kind_names[peak->kind]);
	text_add(out, ", ");
	device_names(out, &scene->machine, peak->rows.items, peak->rows.count);
	text_addf(out, ": peak %s%s", units_bytes_short(&a, peak->held),
	          peak->rows.count == 1 ? "" : " each");
	if (figure->capacity != 0)
		text_addf(out, " (%s of %s)", units_percent(&a, peak->held, figure->capacity),
		          units_bytes_short(&b, figure->capacity));
	if (peak->frame != NULL)
		text_addf(out, ", %s:\n", units_time(&a, peak->frame->time_ns));
	else if (peak->held != figure->held)
		text_add(out, "\n  What it was made of was not kept.\n");
	else
		text_addf(out, "\n  That is what %s: `meshtally ls --by tag%s -p %" PRId32 "`.\n",
		          process->dead ? "it held at its end" : "is held now",
		          process->dead ? " --dead" : "", process->pid);
	print_composition(view, peak, limit, width, out);
}

static int highest_first(const void *a, const void *b)
{
	const struct peak *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->held > y->held ? -1 : x->held < y->held;
}

void peak_process_text(const struct scene *scene, const struct machine_process *process,
                       size_t limit, size_t width, struct text *out)
{
	struct peaks peaks;

	find_peaks(&peaks, scene, process);
	if (peaks.peaks.count > 1)
		qsort(peaks.peaks.items, peaks.peaks.count, sizeof(*peaks.peaks.items),
		      highest_first);
	for (size_t i = 0; i < peaks.peaks.count; i++)
		print_peak(scene, process, &peaks.peaks.items[i], limit, width, out);
	peaks_finish(&peaks);
}

void peak_text(const struct scene *scene, const struct options *options, size_t width,
               struct text *out)
{
	const struct machine_process *process;
	struct text part = {0};

	if (scene_is_empty(scene)) {
		scene_empty_text(scene, out);
		return;
	}
	vec_for (process, &scene->machine.processes) {
		if (process->view == NULL || !selection_has_process(&scene->selection, process))
			continue;
		text_clear(&part);
		peak_process_text(scene, process, options->limit, width, &part);
		if (part.length == 0)
			continue;
		text_addf(out, "%sProcess %" PRId32 " (%s", out->length != 0 ? "\n" : "",
		          process->pid, life_word(process));
		text_add(out, "): ");
		text_command(out, process->command, 60);
		text_add(out, "\n");
		text_add(out, text_string(&part));
	}
	if (out->length == 0)
		scene_nothing_text(scene, "The highest usage", "Nothing was ever held.", width,
		                   out);
	text_finish(&part);
}

static json_t *one_peak_json(const struct machine_process *process, const struct peak *peak)
{
	const struct segment_view *view = process->view;
	const struct view_figure *figure =
		&view->figures[peak->kind * view->device_count + peak->device];
	const struct view_frame *frame = peak->frame;
	json_t *json = json_object(), *rows = json_array(), *list = json_array();
	struct composition lines;

	find_lines(&lines, view, peak);
	for (size_t i = 0; i < peak->rows.count; i++)
		json_array_append_new(rows, json_integer(peak->rows.items[i]));
	for (size_t i = 0; i < lines.lines.count; i++) {
		const struct composition_line *line = &lines.lines.items[i];

		json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "class",
		                                      class_words[line->class_then], "tag",
		                                      json_foreign_known(line->tag), "buffers",
		                                      json_amount(line->buffers), "bytes",
		                                      json_amount(line->bytes), "held_bytes",
		                                      json_amount(line->held)));
	}
	json_object_set_new(json, "kind", json_foreign(view->kind_names[peak->kind]));
	json_object_set_new(json, "rows", rows);
	json_object_set_new(json, "peak_held_bytes", json_amount(peak->held));
	json_object_set_new(json, "peak_held_bytes_since_mark",
	                    json_amount(figure->peak_since_mark));
	json_object_set_new(json, "capacity_bytes",
	                    json_known(figure->capacity, figure->capacity != 0));
	json_object_set_new(json, "unix_seconds", json_time(frame != NULL ? frame->time_ns : 0));
	json_object_set_new(json, "operation",
	                    frame != NULL ? json_amount(frame->op) : json_null());
	json_object_set_new(json, "lines", frame != NULL ? list : json_null());
	json_object_set_new(json, "other_bytes",
	                    json_known(frame != NULL ? frame->rest_bytes : 0, frame != NULL));
	if (frame == NULL)
		json_decref(list);
	composition_finish(&lines);
	return json;
}

json_t *peak_process_json(const struct scene *scene, const struct machine_process *process)
{
	json_t *json = json_process(process), *list = json_array();
	struct peaks peaks;

	find_peaks(&peaks, scene, process);
	for (size_t i = 0; i < peaks.peaks.count; i++)
		json_array_append_new(list, one_peak_json(process, &peaks.peaks.items[i]));
	json_object_set_new(json, "peaks", list);
	peaks_finish(&peaks);
	return json;
}

json_t *peak_json(const struct scene *scene, const struct report_query *query)
{
	const struct machine_process *process;
	json_t *list = json_array();

	(void)query;
	vec_for (process, &scene->machine.processes)
		if (process->view != NULL && !process->witness &&
		    selection_has_process(&scene->selection, process))
			json_array_append_new(list, peak_process_json(scene, process));
	return json_pack("{s:o}", "processes", list);
}

int verb_peak(const struct options *options)
{
	return render_verb(options, VIEW_TOTALS, peak_text, peak_json);
}
