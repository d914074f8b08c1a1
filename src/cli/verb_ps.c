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
	{"VIA", TABLE_HIDE_EMPTY, 0, 0},
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

/* Where the figures come from, once it is not the programs' own segments throughout. */
static void print_via(struct table *table, const struct scene *scene,
                      const struct machine_process *process)
{
	static const char *const words[] = {"segment", "socket", "counters"};
	const struct machine_process *each;
	bool sockets = false;

	vec_for (each, &scene->machine.processes)
		sockets = sockets || (each->source == SOURCE_SOCKET && !each->witness);
	table_cell(table, "%s", sockets ? words[process->source] : "-");
}

static void print_process(struct table *table, const struct scene *scene,
                          const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	uint64_t age_ns = view != NULL ? scene_age(scene, view) : UINT64_MAX;
	struct machine_figure dram = {0}, l1 = {0}, other;
	bool has_dram = scene_process_figure(scene, process, MT_DRAM, &dram);
	bool has_l1 = scene_process_figure(scene, process, MT_L1, &l1);
	struct text command = {0};
	char age[UNITS_SIZE];

	sum_others(scene, process, &other);
	table_cell(table, "%" PRId32, process->pid);
	print_state(table, process);
	print_via(table, scene, process);
	if (view != NULL && view->rank >= 0)
		table_cell(table, "%" PRId32, view->rank);
	else
		table_cell(table, "-");
	cell_rows(table, &scene->machine, process->devices.items, process->devices.count);
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
	table_cell(table, "%s", age_ns != UINT64_MAX ? units_age(&age, age_ns) : "-");
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
		if (!scene_shows(scene, process, dead))
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

void ps_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out)
{
	(void)options;
	if (scene_is_empty(scene)) {
		scene_empty_text(scene, out);
		counter_files_text(scene, width, out);
		return;
	}
	processes_table(scene, true, 0, width, out);
	if (out->length == 0)
		text_add(out, "No process is selected.\n");
	sources_note(scene, true, width, out);
	witnesses_text(scene, width, out);
	counter_files_text(scene, width, out);
}

int verb_ps(const struct options *options)
{
	return render_verb(options, VIEW_TOTALS, ps_text, ps_json);
}
