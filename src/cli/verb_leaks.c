/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally leaks`: what was not given back, with a word for why. */
#include "even.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct table_column columns[] = {
	{"VERDICT", 0, 0, 0},
	{"BYTES", TABLE_RIGHT, 0, 0},
	{"RECORDS", TABLE_RIGHT, 0, 0},
	{"TOTAL", TABLE_RIGHT | TABLE_HIDE_EMPTY, 3, 0},
	{"DEVICE", TABLE_FLEXIBLE, 0, 6},
	{"KIND", 0, 2, 0},
	{"PID", TABLE_RIGHT, 0, 0},
	{"STATE", TABLE_HIDE_SAME, 4, 0},
	{"AGE", TABLE_RIGHT, 1, 0},
	{"FIRST ID", TABLE_RIGHT, 5, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
	{"SITE", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
};

static const char *const verdict_meanings[VERDICT_LIMIT] = {
	"not freed when its device was closed, or at the end",
	"the device was reset",
	"held when its process was killed",
	"kept by a cache on purpose, no leak",
	"the runtime's own, no leak",
	"the process replaced its program or turned tracking off: no verdict",
};

static void print_leak(struct table *table, const struct scene *scene, const struct leak *leak)
{
	uint64_t age = scene->now_ns > leak->oldest_ns ? scene->now_ns - leak->oldest_ns : 0;
	struct text rows = {0};
	char figure[UNITS_SIZE];

	even_rows(&rows, leak->on, scene->machine.devices.count);
	table_cell(table, "%s", verdict_words[leak->verdict]);
	cell_bytes(table, leak->bytes, true, true);
	cell_count(table, leak->records);
	cell_bytes(table, leak->total_bytes, leak->total_bytes != leak->bytes, true);
	table_cell(table, "%s", text_string(&rows));
	table_foreign(table, scene->machine.kind_names[leak->kind]);
	table_cell(table, "%" PRId32, leak->process->pid);
	table_cell(table, "%s", life_word(leak->process));
	table_cell(table, "%s", leak->oldest_ns != 0 ? units_age(&figure, age) : "-");
	table_cell(table, "0x%" PRIx64, leak->first_id);
	table_foreign(table, leak->tag);
	table_foreign(table, leak->site);
	text_finish(&rows);
}

/* "leaked: 28 MB in 14 records ...: DRAM: devices 1-7: 4 MB each" */
static void print_total(const struct scene *scene, const struct leaks *leaks, enum verdict verdict,
                        size_t width, struct text *out)
{
	const struct leak_total *total = &leaks->totals[verdict];
	size_t devices = leaks->device_count;
	uint32_t *rows;
	struct text head = {0};
	char figure[UNITS_SIZE];

	if (total->records == 0)
		return;
	text_addf(&head, "%-7s %s: ", verdict_words[verdict],
	          units_bytes_short(&figure, total->bytes));
	text_records(&head, total->records, total->device_buffers);
	text_addf(&head, " (%s)", verdict_meanings[verdict]);
	safe_wrap(out, head.bytes, width, 8);
	text_finish(&head);
	rows = mem_calloc(devices, sizeof(*rows));
	for (uint32_t i = 0; i < devices; i++)
		rows[i] = i;
	for (uint32_t kind = 0; kind < scene->machine.kind_count; kind++) {
		struct text line = {0};

		even_text(&line, rows, leaks->device_bytes[verdict] + kind * devices, devices);
		if (line.length != 0) {
			text_fill(out, ' ', 8);
			safe_terminal(out, scene->machine.kind_names[kind]);
			text_addf(out, ": %s\n", line.bytes);
		}
		text_finish(&line);
	}
	free(rows);
}

/* Of dead processes: buffers that were there at the end, and have no record. */
static uint64_t left_without_record(const struct scene *scene)
{
	const struct machine_process *process;
	uint64_t count = 0;

	vec_for (process, &scene->machine.processes)
		if (process->view != NULL && process->dead &&
		    selection_has_process(&scene->selection, process))
			count += process->view->no_detail_buffers;
	return count;
}

/* Nothing was found: whether that says that there is nothing. */
static void no_leak_text(const struct scene *scene, size_t width, struct text *out)
{
	bool part = left_without_record(scene) != 0 || scene_unknown(scene, true) != 0;

	scene_nothing_text(scene, "Whether anything was leaked, lost or left",
	                   part ? "Nothing is known to be leaked, lost or left."
	                        : "Nothing was leaked, lost or left.",
	                   width, out);
}

void leaks_text(const struct scene *scene, const struct leaks *leaks, size_t limit, size_t width,
                struct text *out)
{
	struct table table;
	size_t count = limit != 0 && limit < leaks->leaks.count ? limit : leaks->leaks.count;
	uint64_t without = left_without_record(scene);
	char figure[UNITS_SIZE];

	if (leaks->leaks.count == 0)
		no_leak_text(scene, width, out);
	if (without != 0)
		text_addf(out, "%s more were left that have no record of their own: see `ps`\n",
		          units_count(&figure, without));
	if (leaks->leaks.count == 0)
		return;
	for (size_t i = 0; i < VERDICT_LIMIT; i++)
		print_total(scene, leaks, (enum verdict)i, width, out);
	text_add(out, "\n");
	table_init(&table, columns, ARRAY_COUNT(columns));
	for (size_t i = 0; i < count; i++)
		print_leak(&table, scene, &leaks->leaks.items[i]);
	table_print(&table, width, out);
	if (count < leaks->leaks.count)
		text_addf(out, "the first %zu of %zu; `meshtally leaks -n 0` lists all\n", count,
		          leaks->leaks.count);
	table_finish(&table);
}

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
	json_object_set_new(json, "rows", json_rows(leak->on, scene->machine.devices.count));
	json_object_set_new(json, "first_id", json_hex(leak->first_id));
	json_object_set_new(json, "oldest_unix_seconds", json_time(leak->oldest_ns));
	json_object_set_new(json, "tag", json_foreign_known(leak->tag));
	json_object_set_new(json, "site", json_foreign_known(leak->site));
	return json;
}

json_t *leaks_json(const struct scene *scene, const struct leaks *leaks, size_t limit)
{
	json_t *list = json_array(), *totals = json_object();

	for (size_t i = 0; i < leaks->leaks.count && (limit == 0 || i < limit); i++)
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

int verb_leaks(const struct options *options)
{
	struct leak_options wanted = {.dead_only = options->dead};
	struct text out = {0};
	struct scene scene;
	struct leaks leaks;
	int status = scene_open(&scene, options, VIEW_BUFFERS);

	if (status != STATUS_OK)
		return status;
	leaks_find(&leaks, &scene.machine, &scene.selection, &wanted);
	if (options->json) {
		status = show_json(leaks_json(&scene, &leaks, options->limit));
	} else {
		if (scene_is_empty(&scene))
			scene_empty_text(&scene, &out);
		else
			leaks_text(&scene, &leaks, options->limit, show_width(), &out);
		status = show_text(&out);
	}
	if (status == STATUS_OK && options->check &&
	    leaks.totals[VERDICT_LEAKED].records + leaks.totals[VERDICT_LOST].records != 0)
		status = STATUS_FOUND;
	leaks_finish(&leaks);
	scene_close(&scene);
	return status;
}
