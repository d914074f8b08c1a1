/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally leaks`: what was not given back, with a word for why. */
#include "end_words.h"
#include "ended.h"
#include "even.h"
#include "postmortem_dir.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
	"no verdict: the program was replaced, tracking turned off, or closing cannot be told",
};

static void print_leak(struct table *table, const struct scene *scene, const struct leak *leak)
{
	uint64_t age = scene->now_ns > leak->oldest_ns ? scene->now_ns - leak->oldest_ns : 0;
	struct text rows = {0};
	char figure[UNITS_SIZE];

	even_rows(&rows, &scene->machine, leak->on);
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

		even_text(&line, &scene->machine, rows,
		          leaks->device_bytes[verdict] + kind * devices, devices);
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
		if (process->view != NULL && process->dead && !process->witness &&
		    selection_has_process(&scene->selection, process))
			count += process->view->no_detail_buffers;
	return count;
}

/* Nothing was found: whether that says that there is nothing. */
static void no_leak_text(const struct scene *scene, size_t width, struct text *out)
{
	bool part = left_without_record(scene) != 0 || scene_unknown(scene, true) != 0 ||
	            scene->rejects.count != 0;

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

/* "killed by signal 9 (SIGKILL)" */
static void cell_end(struct table *table, const struct segment_view *view)
{
	static const char was[] = "was ";
	struct text words = {0};
	const char *from;

	end_words(&words, view->life, &view->end);
	from = text_string(&words);
	if (strncmp(from, was, sizeof(was) - 1) == 0)
		from += sizeof(was) - 1;
	table_cell(table, "%s", from);
	text_finish(&words);
}

static void print_ended(struct table *table, const struct ended *ended)
{
	char when[UNITS_SIZE];
	struct text command = {0};

	/* Nobody noticed: then the last call is what is known. */
	table_cell(table, "%s%s", ended->known || ended->when_ns == 0 ? "" : "~",
	           units_time(&when, ended->when_ns));
	table_cell(table, "%" PRId32, ended->process->pid);
	cell_end(table, ended->process->view);
	cell_bytes(table, ended->total_bytes, true, true);
	cell_count(table, ended->records + ended->process->view->no_detail_buffers);
	if (ended->faults != 0)
		cell_count(table, ended->faults);
	else
		table_cell(table, "-");
	text_command(&command, ended->process->command, 200);
	table_cell(table, "%s", text_string(&command));
	text_finish(&command);
}

void ended_text(const struct ended_list *list, size_t limit, size_t width, struct text *out)
{
	static const struct table_column ended_columns[] = {
		{"ENDED", 0, 0, 0},
		{"PID", TABLE_RIGHT, 0, 0},
		{"HOW", 0, 0, 0},
		{"LEFT", TABLE_RIGHT, 0, 0},
		{"RECORDS", TABLE_RIGHT, 1, 0},
		{"FAULTS", TABLE_RIGHT | TABLE_HIDE_EMPTY, 2, 0},
		{"COMMAND", TABLE_FLEXIBLE, 0, 12},
	};
	size_t count = limit != 0 && limit < list->count ? limit : list->count;
	struct table table;

	if (list->count == 0)
		return;
	table_init(&table, ended_columns, ARRAY_COUNT(ended_columns));
	for (size_t i = 0; i < count; i++)
		print_ended(&table, &list->items[i]);
	table_print(&table, width, out);
	table_finish(&table);
	if (count < list->count)
		text_addf(out, "the last %zu of %zu\n", count, list->count);
	text_add(out, "\n");
}

/* Where the dead were looked for. */
static void no_ended_text(const struct scene *scene, size_t width, struct text *out)
{
	char(*dirs)[PATH_MAX] = mem_calloc(POSTMORTEM_DIRS, sizeof(*dirs));
	size_t count = postmortem_dirs(dirs, POSTMORTEM_DIRS);
	struct text line = {0};

	text_add(out, "No process is known that has ended and left something.\n");
	text_add(&line, "Post-mortems, which `meshtally serve` keeps, are looked for in ");
	for (size_t i = 0; i < count; i++) {
		text_add(&line, i == 0 ? "" : ", ");
		safe_terminal(&line, dirs[i]);
	}
	text_add(&line, "; segments of the dead in ");
	for (size_t i = 0; i < scene->dir_count; i++) {
		text_add(&line, i == 0 ? "" : ", ");
		safe_terminal(&line, scene->dirs[i]);
	}
	if (scene->dir_count == 0)
		text_add(&line, "/run/meshtally and /dev/shm, where no program has made any");
	safe_wrap(out, line.bytes, width, 2);
	scene_unknown_text(scene, true, width, out);
	text_finish(&line);
	free(dirs);
}

static void unread_text(const struct scene *scene, size_t width, struct text *out)
{
	const struct segment_reject *reject;
	struct text line = {0};

	vec_for (reject, &scene->rejects) {
		text_clear(&line);
		text_add(&line, "not read: ");
		safe_terminal(&line, reject->path);
		text_add(&line, " (");
		safe_terminal(&line, reject->reason);
		text_add(&line, ")");
		safe_wrap(out, line.bytes, width, 2);
	}
	text_finish(&line);
}

/* A file that is a post-mortem, and not a snapshot that somebody took. */
static bool tells_of_ends(const struct scene *scene)
{
	for (size_t i = 0; scene->from != NULL && i < scene->views.count; i++)
		if (scene->views.items[i]->end.realtime_ns != 0)
			return true;
	return false;
}

int verb_leaks(const struct options *options)
{
	struct leak_options wanted = {.dead_only = options->dead};
	struct report_query query = options_query(options);
	struct ended_list ended = {0};
	struct text out = {0};
	struct scene scene;
	struct leaks leaks;
	json_t *json;
	int status = scene_open(&scene, options, VIEW_BUFFERS);

	if (status != STATUS_OK)
		return status;
	leaks_find(&leaks, &scene.machine, &scene.selection, &wanted);
	if (options->dead || tells_of_ends(&scene)) {
		ended_find(&ended, &scene);
		ended_sort_leaks(&ended, &leaks);
	}
	if (options->json) {
		json = leaks_json(&scene, &leaks, &query);
		if (options->dead)
			json_object_update_new(json, ended_list_json(&scene, &ended, &query));
		status = show_json(json);
	} else {
		ended_text(&ended, options->limit, show_width(), &out);
		if (options->dead && options->from == NULL && ended.count == 0)
			no_ended_text(&scene, show_width(), &out);
		else if (scene_is_empty(&scene) && !options->dead)
			scene_empty_text(&scene, &out);
		else
			leaks_text(&scene, &leaks, options->limit, show_width(), &out);
		if (options->dead)
			unread_text(&scene, show_width(), &out);
		status = show_text(&out);
	}
	if (status == STATUS_OK && options->check &&
	    leaks.totals[VERDICT_LEAKED].records + leaks.totals[VERDICT_LOST].records != 0)
		status = STATUS_FOUND;
	ended_finish(&ended);
	leaks_finish(&leaks);
	scene_close(&scene);
	return status;
}
