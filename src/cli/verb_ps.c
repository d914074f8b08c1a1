/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally ps`: processes that hold device memory, or did. */
#include "meshtally.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
	{"PID", TABLE_RIGHT, 0, 0},
	{"STATE", 0, 0, 0},
	{"RANK", TABLE_RIGHT | TABLE_HIDE_EMPTY, 4, 0},
	{"DEVICES", TABLE_FLEXIBLE, 0, 7},
	{"DRAM", TABLE_RIGHT | TABLE_HIDE_EMPTY, 0, 0},
	{"L1", TABLE_RIGHT | TABLE_HIDE_EMPTY, 3, 0},
	{"OTHER", TABLE_RIGHT | TABLE_HIDE_EMPTY, 2, 0},
	{"BUFFERS", TABLE_RIGHT, 6, 0},
	{"FAULTS", TABLE_RIGHT | TABLE_HIDE_EMPTY, 1, 0},
	{"LAST CALL", TABLE_RIGHT | TABLE_HIDE_EMPTY, 5, 0},
	{"COMMAND", TABLE_FLEXIBLE, 0, 12},
};

static bool is_shown(const struct scene *scene, const struct machine_process *process, bool dead)
{
	if (!selection_has_process(&scene->selection, process) || (process->dead && !dead))
		return false;
	if (scene->selection.devices == NULL)
		return true;
	for (size_t i = 0; i < process->devices.count; i++)
		if (selection_has_device(&scene->selection, process->devices.items[i]))
			return true;
	return false;
}

static void sum_others(const struct scene *scene, const struct machine_process *process,
                       struct machine_figure *ret_figure)
{
	struct machine_figure figure;

	*ret_figure = (struct machine_figure){0};
	for (uint32_t kind = 0; kind < scene->machine.kind_count; kind++)
		if (kind != MT_DRAM && kind != MT_L1 &&
		    machine_kind_on_device(&scene->machine, kind) &&
		    scene_process_figure(scene, process, kind, &figure))
			figure_add(ret_figure, &figure);
}

static void cell_figure(struct table *table, bool present, const struct machine_figure *figure)
{
	cell_bytes(table, figure_bytes(figure), present, figure->exact);
}

static void print_state(struct table *table, const struct machine_process *process)
{
	if (process->source == SOURCE_COUNTERS)
		table_cell(table, process->dead ? "dead*" : "live*");
	else
		table_cell(table, "%s", life_word(process));
}

static void print_process(struct table *table, const struct scene *scene,
                          const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	struct machine_figure dram = {0}, l1 = {0}, other;
	bool has_dram = scene_process_figure(scene, process, MT_DRAM, &dram);
	bool has_l1 = scene_process_figure(scene, process, MT_L1, &l1);
	struct text command = {0};
	char age[UNITS_SIZE];

	sum_others(scene, process, &other);
	table_cell(table, "%" PRId32, process->pid);
	print_state(table, process);
	if (view != NULL && view->rank >= 0)
		table_cell(table, "%" PRId32, view->rank);
	else
		table_cell(table, "-");
	cell_rows(table, process->devices.items, process->devices.count);
	cell_figure(table, has_dram, &dram);
	cell_figure(table, has_l1, &l1);
	cell_figure(table, other.present && figure_bytes(&other) != 0, &other);
	if (view != NULL)
		cell_count(table,
		           figure_buffers(&dram) + figure_buffers(&l1) + figure_buffers(&other));
	else
		table_cell(table, "-");
	if (view != NULL)
		cell_count(table, view->fault_total);
	else
		table_cell(table, "-");
	table_cell(table, "%s",
	           view != NULL && view->age_ns != UINT64_MAX ? units_age(&age, view->age_ns)
	                                                      : "-");
	text_command(&command, process->command, 200);
	table_cell(table, "%s", text_string(&command));
	text_finish(&command);
}

void processes_table(const struct scene *scene, bool dead, size_t limit, size_t width,
                     struct text *out)
{
	const struct machine_process *process;
	struct table table;
	size_t more = 0;

	table_init(&table, columns, ARRAY_COUNT(columns));
	vec_for (process, &scene->machine.processes) {
		if (!is_shown(scene, process, dead))
			continue;
		if (limit == 0 || table_rows(&table) < limit)
			print_process(&table, scene, process);
		else
			more++;
	}
	if (table_rows(&table) != 0)
		table_print(&table, width, out);
	if (more != 0)
		text_addf(out, "... and %zu more\n", more);
	table_finish(&table);
}

static void witness_text(const struct scene *scene, size_t width, struct text *out)
{
	struct text line = {0};
	const struct machine_witness *witness;
	char a[UNITS_SIZE], b[UNITS_SIZE];

	vec_for (witness, &scene->machine.witnesses) {
		const struct machine_process *process =
			&scene->machine.processes.items[witness->process];

		if (witness->segment_bytes == witness->counter_bytes ||
		    !is_shown(scene, process, true))
			continue;
		text_clear(&line);
		text_addf(&line, "process %" PRId32 ", device %" PRIu32 ", ", process->pid,
		          witness->row);
		safe_terminal(&line, scene->machine.kind_names[witness->kind]);
		text_addf(&line, ": tt-metal's counters say %s, %s of what its segment says",
		          units_bytes_short(&a, witness->counter_bytes),
		          units_change(&b, witness->segment_bytes, witness->counter_bytes));
		safe_wrap(out, line.bytes, width, 2);
	}
	text_finish(&line);
}

void counters_note(const struct scene *scene, bool dead, size_t width, struct text *out)
{
	const struct machine_process *process;

	vec_for (process, &scene->machine.processes)
		if (process->source == SOURCE_COUNTERS && is_shown(scene, process, dead)) {
			safe_wrap(out,
			          dead ? "* totals only, from tt-metal's counters; of a dead "
			                 "process: what it never took back, not counted"
			               : "* totals only, from tt-metal's counters",
			          width, 2);
			return;
		}
}

void ps_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out)
{
	(void)options;
	if (scene_is_empty(scene)) {
		scene_empty_text(scene, out);
		return;
	}
	processes_table(scene, true, 0, width, out);
	if (out->length == 0)
		text_add(out, "No process is selected.\n");
	counters_note(scene, true, width, out);
	witness_text(scene, width, out);
}

static json_t *process_json(const struct scene *scene, const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	json_t *json = json_process(process), *rows = json_array(), *kinds = json_array();
	struct machine_figure figure;

	json_object_set_new(json, "source",
	                    json_string(view != NULL ? "segment" : "tt_metal_counters"));
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
	                    view != NULL && view->age_ns != UINT64_MAX
	                            ? json_real((double)view->age_ns / 1e9)
	                            : json_null());
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

json_t *ps_json(const struct scene *scene, const struct options *options)
{
	const struct machine_process *process;
	json_t *processes = json_array();

	(void)options;
	vec_for (process, &scene->machine.processes)
		if (is_shown(scene, process, true))
			json_array_append_new(processes, process_json(scene, process));
	return json_pack("{s:o}", "processes", processes);
}

int verb_ps(const struct options *options)
{
	return render_verb(options, VIEW_TOTALS, ps_text, ps_json);
}
