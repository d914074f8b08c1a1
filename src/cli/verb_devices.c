/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally devices`: what is held on each device, by kind of memory. */
#include "cores.h"
#include "holes.h"
#include "meshtally.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
	{"DEVICE", TABLE_FLEXIBLE, 0, 6},
	{"UNIQUE ID", TABLE_HIDE_EMPTY, 0, 0},
	{"BUS", TABLE_HIDE_EMPTY, 4, 0},
	{"ARCH", TABLE_HIDE_EMPTY | TABLE_HIDE_SAME, 9, 0},
	{"KIND", 0, 0, 0},
	{"BYTES", TABLE_RIGHT, 0, 0},
	{"USER", TABLE_RIGHT, 0, 0},
	{"SYSTEM", TABLE_RIGHT, 0, 0},
	{"CACHE", TABLE_RIGHT, 0, 0},
	{"HELD", TABLE_RIGHT, 1, 0},
	{"USED", TABLE_RIGHT | TABLE_HIDE_EMPTY, 2, 0},
	{"CAPACITY", TABLE_RIGHT | TABLE_HIDE_EMPTY, 6, 0},
	{"PEAK", TABLE_RIGHT | TABLE_HIDE_EMPTY, 5, 0},
	{"BUFFERS", TABLE_RIGHT, 7, 0},
	{"VIEWS", TABLE_RIGHT | TABLE_HIDE_EMPTY, 8, 0},
};

/* A line of the table: devices that are alike in one kind. */
struct device_line {
	uint32_t kind;
	struct machine_figure figure;
	VEC(uint32_t) rows;
};

struct device_lines {
	VEC(struct device_line) lines;
};

static bool is_alike(const struct scene *scene, const struct device_line *line, uint32_t row,
                     uint32_t kind, const struct machine_figure *figure)
{
	const struct machine_device *devices = scene->machine.devices.items;

	return line->kind == kind && line->figure.exact == figure->exact &&
	       line->figure.peak_known == figure->peak_known &&
	       memcmp(line->figure.bytes, figure->bytes, sizeof(figure->bytes)) == 0 &&
	       memcmp(line->figure.buffers, figure->buffers, sizeof(figure->buffers)) == 0 &&
	       line->figure.unclassified_bytes == figure->unclassified_bytes &&
	       line->figure.held == figure->held && line->figure.peak == figure->peak &&
	       line->figure.capacity == figure->capacity &&
	       strcmp(devices[line->rows.items[0]].arch, devices[row].arch) == 0;
}

static void add_line(struct device_lines *lines, const struct scene *scene, uint32_t row,
                     uint32_t kind, bool long_form)
{
	struct machine_figure figure;
	struct device_line *line;

	if (!scene_figure(scene, row, kind, &figure) ||
	    (!long_form && !figure_is_worth_a_line(&figure, kind)))
		return;
	/* Those of segments have a table of their own. */
	if (kind == MT_CB && !long_form && figure.unclassified_bytes == 0)
		return;
	vec_for (line, &lines->lines) {
		if (!long_form && is_alike(scene, line, row, kind, &figure)) {
			*vec_add(&line->rows) = row;
			return;
		}
	}
	line = vec_add(&lines->lines);
	line->kind = kind;
	line->figure = figure;
	*vec_add(&line->rows) = row;
}

static void print_line(struct table *table, const struct scene *scene,
                       const struct device_line *line, bool long_form)
{
	const struct machine_device *device = &scene->machine.devices.items[line->rows.items[0]];
	const struct machine_figure *figure = &line->figure;
	bool classes = figure->unclassified_bytes == 0 ||
	               figure_bytes(figure) != figure->unclassified_bytes;
	char percent[UNITS_SIZE];

	cell_rows(table, &scene->machine, line->rows.items, line->rows.count);
	if (long_form && device->unique_id != 0)
		table_cell(table, "0x%" PRIx64, device->unique_id);
	else
		table_cell(table, "-");
	table_foreign(table, long_form ? device->bus : "");
	table_foreign(table, device->arch);
	table_foreign(table, scene->machine.kind_names[line->kind]);
	cell_bytes(table, figure_bytes(figure), true, figure->exact);
	for (size_t i = 0; i < CLASS_COUNTED_LIMIT; i++)
		cell_bytes(table, figure->bytes[i], classes, figure->exact);
	cell_bytes(table, figure->held, true, figure->exact);
	table_cell(table, "%s", units_percent(&percent, figure->held, figure->capacity));
	cell_bytes(table, figure->capacity, figure->capacity != 0, true);
	cell_bytes(table, figure->peak, figure->peak_known, figure->exact);
	if (classes)
		cell_count(table, figure_buffers(figure));
	else
		table_cell(table, "-");
	cell_bytes(table, figure->bytes[CLASS_VIEW], figure->bytes[CLASS_VIEW] != 0, true);
}

/* Kinds of the device, then those of the host. */
static void print_kinds(const struct scene *scene, bool on_device, bool long_form, size_t width,
                        struct text *out)
{
	uint32_t rows =
		on_device ? machine_chips(&scene->machine) : machine_shown_rows(&scene->machine);
	struct device_lines lines = {0};
	struct device_line *line;
	struct table table;

	/* Of the host's memory, what is for no device yet is a line like the others. */
	for (uint32_t kind = 0; kind < scene->machine.kind_count; kind++)
		for (uint32_t row = 0; row < rows; row++)
			if (machine_kind_on_device(&scene->machine, kind) == on_device)
				add_line(&lines, scene, row, kind, long_form);
	table_init(&table, columns, ARRAY_COUNT(columns));
	vec_for (line, &lines.lines) {
		print_line(&table, scene, line, long_form);
		vec_finish(&line->rows);
	}
	if (table_rows(&table) != 0 && !on_device)
		text_add(out, "\nOn the host's side (not device memory):\n");
	if (table_rows(&table) != 0)
		table_print(&table, width, out);
	table_finish(&table);
	vec_finish(&lines.lines);
}

/* What a process (NULL: all that are selected) has on no device yet. */
static void sum_unplaced(const struct scene *scene, const struct machine_process *process,
                         struct machine_figure *ret_sum)
{
	const struct machine *machine = &scene->machine;
	struct machine_figure figure;

	*ret_sum = (struct machine_figure){0};
	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		bool has = process == NULL
		                   ? scene_figure(scene, machine_chips(machine), kind, &figure)
		                   : machine_process_figure(machine, process,
		                                            machine_chips(machine), kind, &figure);

		if (has && machine_kind_on_device(machine, kind) &&
		    selection_has_kind(&scene->selection, kind))
			figure_add(ret_sum, &figure);
	}
}

/* Behind the devices, since it is none. */
static void print_unplaced(const struct scene *scene, size_t width, struct text *out)
{
	const struct machine_process *process;
	struct machine_figure sum = {0}, own;
	char bytes[UNITS_SIZE], buffers[UNITS_SIZE];
	struct text line = {0};
	size_t processes = 0;

	if (machine_has_unplaced(&scene->machine))
		sum_unplaced(scene, NULL, &sum);
	if (figure_buffers(&sum) == 0)
		return;
	vec_for (process, &scene->machine.processes) {
		if (!process->counted || !selection_has_process(&scene->selection, process))
			continue;
		sum_unplaced(scene, process, &own);
		processes += figure_buffers(&own) != 0;
	}
	text_addf(&line, "%s  %s%s in %s buffer%s of %zu process%s: ", unplaced_name,
	          sum.exact ? "" : "~", units_bytes_short(&bytes, figure_bytes(&sum)),
	          units_count(&buffers, figure_buffers(&sum)), figure_buffers(&sum) == 1 ? "" : "s",
	          processes, processes == 1 ? "" : "es");
	text_add(&line, "in contexts of several devices, not used on any yet");
	safe_wrap(out, line.bytes, width, 10);
	text_finish(&line);
}

void devices_table(const struct scene *scene, bool long_form, size_t width, struct text *out)
{
	print_kinds(scene, true, long_form, width, out);
	print_unplaced(scene, width, out);
	print_kinds(scene, false, long_form, width, out);
}

static const struct table_column core_columns[] = {
	{"DEVICE", TABLE_FLEXIBLE, 0, 6},   {"PROGRAMS", TABLE_RIGHT, 2, 0},
	{"RESIDENT CB", TABLE_RIGHT, 0, 0}, {"FULLEST CORE", TABLE_RIGHT, 0, 0},
	{"RESERVED CB", TABLE_RIGHT, 1, 0}, {"HEADROOM", TABLE_RIGHT, 0, 0},
};

static void print_cores(const struct scene *scene, const struct core_report *report,
                        const uint32_t *rows, size_t count, struct table *table)
{
	uint64_t distance =
		report->headroom < 0 ? (uint64_t)-report->headroom : (uint64_t)report->headroom;
	char figure[UNITS_SIZE];

	cell_rows(table, &scene->machine, rows, count);
	cell_count(table, report->programs);
	cell_bytes(table, report->resident_bytes, true, true);
	cell_bytes(table, report->fullest_bytes, true, true);
	cell_bytes(table, report->reserved_bytes, true, true);
	if (report->lowest_known)
		table_cell(table, "%s%s", report->headroom < 0 ? "-" : "",
		           units_bytes(&figure, distance, true));
	else
		table_cell(table, "-");
}

static void cores_text(const struct scene *scene, size_t width, struct text *out)
{
	uint32_t *rows = mem_calloc(machine_chips(&scene->machine), sizeof(*rows));
	struct core_report report, before = {0};
	struct table table;
	size_t count = 0;

	table_init(&table, core_columns, ARRAY_COUNT(core_columns));
	for (uint32_t row = 0; row < machine_chips(&scene->machine); row++) {
		if (!selection_has_device(&scene->selection, row))
			continue;
		memset(&report, 0, sizeof(report));
		cores_report(&scene->machine, row, &report);
		if (count != 0 && memcmp(&report, &before, sizeof(report)) != 0) {
			print_cores(scene, &before, rows, count, &table);
			count = 0;
		}
		if (report.known)
			rows[count++] = row;
		before = report;
	}
	if (count != 0)
		print_cores(scene, &before, rows, count, &table);
	if (table_rows(&table) != 0) {
		text_add(out, "\nCircular buffers in L1 (HEADROOM: from their end to the lowest "
		              "L1 buffer):\n");
		table_print(&table, width, out);
	}
	table_finish(&table);
	free(rows);
}

static bool holds_something(const struct scene *scene, const struct machine_process *process)
{
	struct machine_figure figure;

	if (!selection_has_process(&scene->selection, process))
		return false;
	for (uint32_t kind = 0; kind < scene->machine.kind_count; kind++)
		if (scene_process_figure(scene, process, kind, &figure) && figure.held != 0)
			return true;
	return false;
}

static void print_heading(const struct scene *scene, struct text *out)
{
	size_t processes = 0;
	const struct machine_process *process;
	const char *arch = "";
	bool same = true;

	vec_for (process, &scene->machine.processes)
		processes += process->counted && holds_something(scene, process);
	for (size_t i = 0; i < machine_chips(&scene->machine); i++) {
		const char *here = scene->machine.devices.items[i].arch;

		same = same && (arch[0] == '\0' || strcmp(arch, here) == 0);
		arch = here;
	}
	text_addf(out, "%" PRIu32 " device%s", machine_chips(&scene->machine),
	          machine_chips(&scene->machine) == 1 ? "" : "s");
	if (same && arch[0] != '\0') {
		text_add(out, " (");
		safe_terminal(out, arch);
		text_add(out, ")");
	}
	text_addf(out, ", held by %zu process%s; each figure is per device\n", processes,
	          processes == 1 ? "" : "es");
}

void devices_text(const struct scene *scene, const struct options *options, size_t width,
                  struct text *out)
{
	size_t heading;

	if (scene_is_empty(scene) && scene->machine.devices.count == 0) {
		scene_empty_text(scene, out);
		counter_files_text(scene, width, out);
		return;
	}
	print_heading(scene, out);
	heading = out->length;
	devices_table(scene, options->long_form, width, out);
	if (out->length == heading)
		text_add(out, "No process has them open now.\n");
	cores_text(scene, width, out);
	stale_note(scene, width, out);
	counter_files_text(scene, width, out);
}

/* Totals are enough, unless circular buffers are there: then headroom asks for the L1 buffers. */
static bool needs_buffers(const struct scene *scene, const struct options *options)
{
	for (size_t i = 0; i < scene->views.count; i++)
		if (cores_in_use(scene->views.items[i]))
			return true;
	return options->long_form;
}

int verb_devices(const struct options *options)
{
	struct scene scene;
	bool more;

	if (options->from == NULL) {
		int status = scene_open(&scene, options, VIEW_TOTALS);

		if (status != STATUS_OK)
			return status;
		more = needs_buffers(&scene, options);
		scene_close(&scene);
		if (!more)
			return render_verb(options, VIEW_TOTALS, devices_text, devices_json);
	}
	return render_verb(options, VIEW_BUFFERS, devices_text, devices_json);
}
