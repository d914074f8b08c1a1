/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally faults`: what the libraries recorded, and what comparing finds. */
#include "finding_line.h"
#include "meshtally.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <time.h>

static const struct table_column columns[] = {
	{"FAULT", 0, 0, 0},
	{"COUNT", TABLE_RIGHT, 0, 0},
	{"PID", TABLE_RIGHT, 0, 0},
	{"DEVICE", TABLE_FLEXIBLE, 1, 6},
	{"KIND", TABLE_HIDE_EMPTY, 4, 0},
	{"ID", TABLE_RIGHT, 0, 0},
	{"BYTES", TABLE_RIGHT | TABLE_HIDE_EMPTY, 3, 0},
	{"NOW BYTES", TABLE_RIGHT | TABLE_HIDE_EMPTY, 3, 0},
	{"LAST", TABLE_RIGHT, 5, 0},
	{"FIRST AT", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 18},
	{"THEN AT", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 18},
};

enum { SECOND_SCAN_NS = 50 * 1000 * 1000 };

/* "tag at site", of what there is. */
static void cell_place(struct table *table, const char *tag, const char *site)
{
	struct text place = {0};

	safe_terminal(&place, tag);
	if (tag[0] != '\0' && site[0] != '\0')
		text_add(&place, " at ");
	safe_terminal(&place, site);
	table_cell(table, "%s", place.length != 0 ? place.bytes : "-");
	text_finish(&place);
}

static void print_fault(struct table *table, const struct scene *scene,
                        const struct machine_process *process, const struct view_fault *fault)
{
	const struct segment_view *view = process->view;
	char figure[UNITS_SIZE];

	table_cell(table, "%s", fault_words(fault->type));
	cell_count(table, fault->count);
	table_cell(table, "%" PRId32, process->pid);
	if (fault->device < view->device_count)
		cell_rows(table, &scene->machine, &process->chips[fault->device], 1);
	else if (fault->space < view->space_count && view->spaces[fault->space].type == SPACE_MESH)
		table_cell(table, "mesh");
	else
		table_cell(table, "-");
	table_foreign(table, fault->kind < view->kind_count ? view->kind_names[fault->kind] : "");
	if (fault->type == MT_ALLOC_FAILED)
		table_cell(table, "-");
	else
		table_cell(table, "0x%" PRIx64, fault->id);
	cell_bytes(table, fault->bytes_first, fault->bytes_first != 0, true);
	cell_bytes(table, fault->bytes_second, fault->bytes_second != 0, true);
	table_cell(table, "%s ago",
	           units_age(&figure,
	                     scene->now_ns > fault->last_ns ? scene->now_ns - fault->last_ns : 0));
	cell_place(table, fault->tag_first, fault->site_first);
	cell_place(table, fault->tag_second, fault->site_second);
}

/* How often each type was seen. The list has no room for all that are different: where nothing is
 * filtered out, the counters of the segment are right. */
static void count_types(const struct scene *scene, const struct machine_process *process,
                        uint64_t *counts)
{
	const struct segment_view *view = process->view;
	uint64_t listed[SEGMENT_FAULT_TYPES] = {0};
	bool all = scene->selection.devices == NULL && scene->selection.all_kinds;

	for (uint32_t i = 0; i < view->fault_count; i++)
		if (scene_shows_fault(scene, process, &view->faults[i]))
			listed[view->faults[i].type % SEGMENT_FAULT_TYPES] += view->faults[i].count;
	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++)
		counts[type] += all && view->faults_by_type[type] > listed[type]
		                        ? view->faults_by_type[type]
		                        : listed[type];
}

/* "  8 x duplicate allocation, 8 x double free" */
static void types_text(const uint64_t *counts, size_t width, struct text *out)
{
	struct text line = {0};
	char figure[UNITS_SIZE];

	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++)
		if (counts[type] != 0)
			text_addf(&line, "%s%s x %s", line.length != 0 ? ", " : "  ",
			          units_count(&figure, counts[type]), fault_words(type));
	safe_wrap(out, text_string(&line), width, 2);
	text_finish(&line);
}

/* Returns how many kinds of fault there are. */
static size_t log_text(const struct scene *scene, size_t limit, size_t width, struct text *out)
{
	const struct machine_process *process;
	uint64_t counts[SEGMENT_FAULT_TYPES] = {0};
	struct table table;
	size_t count = 0;

	table_init(&table, columns, ARRAY_COUNT(columns));
	vec_for (process, &scene->machine.processes) {
		if (process->view == NULL || !selection_has_process(&scene->selection, process))
			continue;
		count_types(scene, process, counts);
		for (uint32_t i = 0; i < process->view->fault_count; i++) {
			if (!scene_shows_fault(scene, process, &process->view->faults[i]))
				continue;
			if (limit == 0 || count < limit)
				print_fault(&table, scene, process, &process->view->faults[i]);
			count++;
		}
	}
	if (count != 0) {
		text_add(out, "Faults, recorded by the programs' own libraries:\n");
		types_text(counts, width, out);
		table_print(&table, width, out);
	}
	if (count > table_rows(&table))
		text_addf(out, "the first %zu of %zu; `meshtally faults -n 0` lists all\n",
		          table_rows(&table), count);
	table_finish(&table);
	return count;
}

static void finding_text(const struct scene *scene, const struct finding *finding, size_t width,
                         struct text *out)
{
	struct text line = {0};

	text_add(&line, "  ");
	finding_line(&line, &scene->machine, finding);
	safe_wrap(out, text_string(&line), width, 4);
	text_finish(&line);
}

static void rejects_text(const struct scene *scene, struct text *out)
{
	for (size_t i = 0; i < scene->rejects.count; i++) {
		text_add(out, "  unreadable: ");
		safe_terminal(out, scene->rejects.items[i].path);
		text_add(out, ": ");
		safe_terminal(out, scene->rejects.items[i].reason);
		text_add(out, "\n");
	}
	for (size_t i = 0; i < scene->counters.rejects.count; i++) {
		text_add(out, "  unreadable: ");
		safe_terminal(out, scene->counters.rejects.items[i].path);
		text_addf(out, ": %s\n", scene->counters.rejects.items[i].reason);
	}
}

static size_t finding_count(const struct scene *scene, const struct findings *findings)
{
	return findings->findings.count + scene->rejects.count + scene->counters.rejects.count;
}

void faults_text(const struct scene *scene, const struct findings *findings, size_t limit,
                 size_t width, struct text *out)
{
	size_t faults = log_text(scene, limit, width, out);
	size_t shown = 0;

	if (findings == NULL)
		return;
	if (finding_count(scene, findings) == 0) {
		if (faults == 0)
			scene_nothing_text(scene, "Whether there were faults",
			                   "No faults, and nothing found.", width, out);
		else
			text_add(out, "\nNothing else found by comparing.\n");
		return;
	}
	text_addf(out, "%sFindings, made by comparing:\n", faults != 0 ? "\n" : "");
	for (; shown < findings->findings.count && (limit == 0 || shown < limit); shown++)
		finding_text(scene, &findings->findings.items[shown], width, out);
	if (shown < findings->findings.count + findings->more)
		text_addf(out, "  ... and %" PRIu64 " more\n",
		          findings->findings.count + findings->more - shown);
	rejects_text(scene, out);
}

static bool has_faults(const struct scene *scene)
{
	for (size_t i = 0; i < scene->views.count; i++)
		if (scene->views.items[i]->fault_total != 0)
			return true;
	return false;
}

/* Looks twice at what is running; once at a file. */
static int find_twice(const struct options *options, struct scene *first, struct scene *second,
                      struct findings *findings)
{
	const struct timespec pause = {0, SECOND_SCAN_NS};
	struct findings before;
	int status;

	findings_find(&before, &first->machine, &first->selection);
	if (first->from != NULL || before.findings.count == 0) {
		*findings = before;
		return STATUS_OK;
	}
	nanosleep(&pause, NULL);
	status = scene_open(second, options, VIEW_BUFFERS);
	if (status == STATUS_OK) {
		findings_find(findings, &second->machine, &second->selection);
		findings_confirm(&before, findings);
	}
	findings_finish(&before);
	return status;
}

int verb_faults(const struct options *options)
{
	struct report_query query = options_query(options);
	struct scene first, second = {0}, *scene;
	struct findings findings = {0};
	struct text out = {0};
	int status = scene_open(&first, options, VIEW_BUFFERS);

	if (status != STATUS_OK)
		return status;
	status = find_twice(options, &first, &second, &findings);
	scene = second.now_ns != 0 ? &second : &first;
	if (status == STATUS_OK && options->json) {
		status = show_json(faults_json(scene, &findings, &query));
	} else if (status == STATUS_OK) {
		if (scene_is_empty(scene) && finding_count(scene, &findings) == 0)
			scene_empty_text(scene, &out);
		else
			faults_text(scene, &findings, options->limit, show_width(), &out);
		status = show_text(&out);
	}
	if (status == STATUS_OK && options->check &&
	    (has_faults(scene) || finding_count(scene, &findings) != 0))
		status = STATUS_FOUND;
	findings_finish(&findings);
	if (scene == &second)
		scene_close(&second);
	scene_close(&first);
	return status;
}
