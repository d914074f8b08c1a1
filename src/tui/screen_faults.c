/* SPDX-License-Identifier: Apache-2.0 */
/* The faults screen: what programs did wrong, the newest first, and what comparing has found. */
#include "even.h"
#include "fault_lines.h"
#include "finding_line.h"
#include "list_screen.h"
#include "meshtally.h"
#include "safe.h"
#include "units.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum faults_column {
	COLUMN_AGE,
	COLUMN_PID,
	COLUMN_TYPE,
	COLUMN_COUNT_OF,
	COLUMN_DEVICE,
	COLUMN_KIND,
	COLUMN_FIRST,
	COLUMN_SECOND,
	COLUMN_BYTES,
	COLUMN_ID,
	COLUMN_COMMAND,
	COLUMN_COUNT
};

static const struct sheet_column faults_columns[COLUMN_COUNT] = {
	[COLUMN_AGE] = {"age_seconds", "AGO", VALUE_AGE, 0, 0, false, true},
	[COLUMN_PID] = {"pid", "PID", VALUE_NUMBER, 2, 0, false, true},
	[COLUMN_TYPE] = {"type", "FAULT", VALUE_TEXT, 0, 20, false, true},
	[COLUMN_COUNT_OF] = {"count", "TIMES", VALUE_COUNT, 1, 0, false, false},
	[COLUMN_DEVICE] = {"device", "DEV", VALUE_TEXT, 4, 4, false, true},
	[COLUMN_KIND] = {"kind", "KIND", VALUE_TEXT, 5, 6, false, true},
	[COLUMN_FIRST] = {"first", "FIRST", VALUE_TEXT, 0, 12, true, true},
	[COLUMN_SECOND] = {"then", "THEN", VALUE_TEXT, 3, 12, true, true},
	[COLUMN_BYTES] = {"bytes", "BYTES", VALUE_BYTES, 6, 0, false, false},
	[COLUMN_ID] = {"id", "ID", VALUE_ADDRESS, 8, 0, false, true},
	[COLUMN_COMMAND] = {"command", "COMMAND", VALUE_TEXT, 7, 16, true, true},
};

/* "tag @ site", of what there is. */
static struct value place(struct sheet *sheet, const char *tag, const char *site)
{
	struct text words = {0};
	struct value value;

	text_add(&words, tag);
	if (tag[0] != '\0' && site[0] != '\0')
		text_add(&words, " @ ");
	text_add(&words, site);
	value = value_text(sheet_keep(sheet, text_string(&words)));
	text_finish(&words);
	return value;
}

static bool is_on_mesh(const struct segment_view *view, const struct view_fault *fault)
{
	return fault->space < view->space_count && view->spaces[fault->space].type == SPACE_MESH;
}

static void fill_fault(const struct look *look, struct sheet *sheet, struct sheet_row *row,
                       const struct fault_line *line)
{
	const struct view_fault *fault = line->fault;
	const struct segment_view *view = line->process->view;
	struct text device = {0};

	row->style = line->process->dead ? STYLE_DEAD : STYLE_TEXT;
	if (fault->last_ns != 0)
		row->values[COLUMN_AGE] = value_number(
			look->now_ns > fault->last_ns ? look->now_ns - fault->last_ns : 0);
	row->values[COLUMN_PID] = value_number((uint64_t)line->process->pid);
	row->values[COLUMN_TYPE] = value_text(fault_words(fault->type));
	row->values[COLUMN_TYPE].style = STYLE_BAD;
	row->values[COLUMN_COUNT_OF] = value_number(fault->count);
	if (fault->device < view->device_count) {
		row_names(&device, &look->reading->scene.machine,
		          &line->process->chips[fault->device], 1);
		row->values[COLUMN_DEVICE] = value_text(sheet_keep(sheet, text_string(&device)));
		text_finish(&device);
	} else if (is_on_mesh(view, fault)) {
		row->values[COLUMN_DEVICE] = value_text("mesh");
	}
	if (fault->kind < view->kind_count)
		row->values[COLUMN_KIND] = value_text(view->kind_names[fault->kind]);
	row->values[COLUMN_FIRST] = place(sheet, fault->tag_first, fault->site_first);
	row->values[COLUMN_SECOND] = place(sheet, fault->tag_second, fault->site_second);
	if (fault->bytes_first != 0 || fault->bytes_second != 0)
		row->values[COLUMN_BYTES] = value_number(
			fault->bytes_first != 0 ? fault->bytes_first : fault->bytes_second);
	if (fault->type != MT_ALLOC_FAILED)
		row->values[COLUMN_ID] = value_number(fault->id);
	row->values[COLUMN_COMMAND] = value_text(process_name(line->process));
}

static void fill_failure(const struct look *look, struct sheet *sheet, struct sheet_row *row,
                         const struct fault_line *line)
{
	const struct view_failure *failure = line->failure;
	const struct segment_view *view = line->process->view;

	row->style = line->process->dead ? STYLE_DEAD : STYLE_TEXT;
	if (failure->time_ns != 0)
		row->values[COLUMN_AGE] = value_number(
			look->now_ns > failure->time_ns ? look->now_ns - failure->time_ns : 0);
	row->values[COLUMN_PID] = value_number((uint64_t)line->process->pid);
	row->values[COLUMN_TYPE] = value_text(fault_words(MT_ALLOC_FAILED));
	row->values[COLUMN_TYPE].style = STYLE_BAD;
	row->values[COLUMN_COUNT_OF] = value_number(1);
	if (failure->space < view->space_count)
		row->values[COLUMN_DEVICE] =
			value_text(view->spaces[failure->space].type == SPACE_MESH ? "mesh" : "");
	if (failure->kind < view->kind_count)
		row->values[COLUMN_KIND] = value_text(view->kind_names[failure->kind]);
	row->values[COLUMN_FIRST] = place(sheet, failure->tag, "");
	row->values[COLUMN_BYTES] = value_number(failure->bytes);
	row->values[COLUMN_COMMAND] = value_text(process_name(line->process));
}

static void fill_finding(const struct look *look, struct sheet *sheet, struct sheet_row *row,
                         const struct finding *finding)
{
	const struct machine *machine = &look->reading->scene.machine;

	row->values[COLUMN_TYPE] = value_text(finding_words[finding->type]);
	row->values[COLUMN_TYPE].style = STYLE_WARNING;
	if (finding->process != NULL) {
		row->values[COLUMN_PID] = value_number((uint64_t)finding->process->pid);
		row->values[COLUMN_COMMAND] = value_text(process_name(finding->process));
	}
	if (finding->kind < machine->kind_count)
		row->values[COLUMN_KIND] = value_text(machine->kind_names[finding->kind]);
	if (finding->buffer != NULL)
		row->values[COLUMN_FIRST] =
			place(sheet, finding->process->view->tags[finding->buffer->tag].path,
		              finding->buffer->site);
	if (finding->other != NULL)
		row->values[COLUMN_SECOND] =
			place(sheet, finding->other_process->view->tags[finding->other->tag].path,
		              finding->other->site);
	if (finding->bytes != 0)
		row->values[COLUMN_BYTES] = value_number(finding->bytes);
}

static void say_no_fault(const struct look *look, struct text *empty)
{
	const struct machine_process *process;
	size_t known = 0, unknown = 0;

	vec_for (process, &look->reading->scene.machine.processes) {
		known += process->view != NULL && !process->witness;
		unknown += process->view == NULL;
	}
	if (known == 1)
		text_add(empty, "No faults: every call of the one process was right.\n");
	else if (known != 0)
		text_addf(empty, "No faults: every call of %zu processes was right.\n", known);
	else if (unknown == 0)
		text_add(empty, "No faults, since no program is tracked yet.\n"
		                "  meshtally run -- PROGRAM   runs a program with tracking on.\n");
	if (unknown != 0)
		text_addf(
			empty,
			"Of %zu process%s only tt-metal's counters are known, which say nothing of "
			"faults.\n",
			unknown, unknown == 1 ? "" : "es");
}

static void say_empty(const struct look *look, struct sheet *sheet)
{
	if (look->reading == NULL)
		text_add(&sheet->empty, "Looking for programs that are tracked ...\n");
	else if (look->ui->fault_type != 0)
		text_addf(&sheet->empty, "No %s: f shows other types of faults.\n",
		          fault_words(look->ui->fault_type));
	else if (!filter_is_empty(&look->ui->filter))
		text_add(&sheet->empty, "No fault passes the filter: / changes it, Esc takes it "
		                        "away.\n");
	else
		say_no_fault(look, &sheet->empty);
}

void faults_make(const struct look *look, struct sheet *sheet)
{
	const struct fault_line *line;
	struct fault_lines lines;

	sheet_init(sheet, faults_columns, COLUMN_COUNT);
	if (look->reading != NULL) {
		fault_lines_make(&lines, look);
		vec_for (line, &lines.lines) {
			struct sheet_row *row = sheet_add(sheet, fault_line_key(line));

			if (line->fault != NULL)
				fill_fault(look, sheet, row, line);
			else if (line->failure != NULL)
				fill_failure(look, sheet, row, line);
			else
				fill_finding(look, sheet, row, line->finding);
		}
		fault_lines_finish(&lines);
	}
	if (sheet->rows.count == 0)
		say_empty(look, sheet);
}

/* "19 faults: 12 x out of range, 7 x double free" */
static void say_types(const struct look *look, const struct fault_lines *lines, struct said *head)
{
	uint32_t chosen = look->ui->fault_type;
	char figure[UNITS_SIZE];
	struct text *words;
	bool first = true;

	if (lines->total == 0)
		return;
	words = said_line(head, NULL, STYLE_BAD);
	text_addf(words, "%s fault%s: ", units_count(&figure, lines->total),
	          lines->total == 1 ? "" : "s");
	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++) {
		if (lines->counts[type] == 0)
			continue;
		text_addf(words, "%s%s x %s", first ? "" : ", ",
		          units_count(&figure, lines->counts[type]), fault_words(type));
		first = false;
	}
	if (chosen != 0)
		text_addf(words, "; shown: %s (f)", fault_words(chosen));
}

static void say_place(struct said *said, const char *label, const char *tag, const char *site,
                      uint32_t thread, const char *or_else)
{
	struct text *words;

	if (tag[0] == '\0' && site[0] == '\0' && thread == 0 && or_else == NULL)
		return;
	words = said_line(said, label, STYLE_TEXT);
	if (tag[0] == '\0' && site[0] == '\0')
		text_add(words, or_else != NULL ? or_else : "no tag and no site");
	safe_terminal(words, tag);
	if (tag[0] != '\0' && site[0] != '\0')
		text_add(words, " at ");
	safe_terminal(words, site);
	if (thread != 0)
		text_addf(words, ", thread %" PRIu32, thread);
}

static void say_what(const struct fault_line *line, struct said *said)
{
	const struct view_fault *fault = line->fault;
	struct text *words = said_line(said, "what", STYLE_TEXT);
	char a[UNITS_SIZE], b[UNITS_SIZE];

	if (fault->type == MT_ALLOC_FAILED)
		text_addf(words, "%s %s asked for",
		          units_bytes_short(&a, fault->bytes_first != 0 ? fault->bytes_first
		                                                        : fault->bytes_second),
		          fault->count == 1 ? "was" : "was at last");
	else
		text_addf(words, "buffer 0x%" PRIx64, fault->id);
	if (fault->address != 0 && fault->address != SEGMENT_NO_ADDRESS)
		text_addf(words, " at address 0x%" PRIx64, fault->address);
	if (fault->type != MT_ALLOC_FAILED && fault->bytes_first != 0)
		text_addf(words, ", %s", units_bytes_short(&a, fault->bytes_first));
	if (fault->type != MT_ALLOC_FAILED && fault->bytes_second != 0 &&
	    fault->bytes_second != fault->bytes_first)
		text_addf(words, ", then %s", units_bytes_short(&b, fault->bytes_second));
	if (fault->count > 1)
		text_addf(words, "; %s times", units_count(&a, fault->count));
	text_addf(words, "; operation %" PRIu64, fault->last_op);
	if (fault->last_ns != 0)
		text_addf(words, ", %s", units_time(&a, fault->last_ns));
}

/* The failure that a fault in the log is about. */
static const struct view_failure *find_failure(const struct fault_line *line)
{
	const struct segment_view *view = line->process->view;
	const struct view_failure *found = NULL;

	for (uint32_t i = 0; i < view->failure_count; i++)
		if (fault_has_failure(line->fault, &view->failures[i]) &&
		    (found == NULL || view->failures[i].op > found->op))
			found = &view->failures[i];
	return found;
}

static void say_failure(const struct view_failure *failure, struct said *said)
{
	struct text *words = said_line(said, "room", STYLE_TEXT);
	char a[UNITS_SIZE], b[UNITS_SIZE];

	if (failure->free_span == UINT64_MAX || failure->largest_span == UINT64_MAX)
		text_add(words, "how much was free is not known");
	else
		text_addf(words, "%s free in each bank, the largest block %s",
		          units_bytes_short(&a, failure->free_span),
		          units_bytes_short(&b, failure->largest_span));
	if (failure->reason != NULL && failure->reason[0] != '\0') {
		text_add(words, "; ");
		safe_terminal(words, failure->reason);
	}
}

static void say_fault(const struct fault_line *line, struct said *said)
{
	const struct view_fault *fault = line->fault;
	const struct view_failure *failure = find_failure(line);
	bool failed = fault->type == MT_ALLOC_FAILED;
	struct text *words;

	text_addf(&said->title, "%s in process %" PRId32, fault_words(fault->type),
	          line->process->pid);
	say_what(line, said);
	say_place(said, failed ? "wanted by" : "first at", fault->tag_first, fault->site_first,
	          fault->thread_first, failed ? NULL : "not known");
	say_place(said, "then at", fault->tag_second, fault->site_second, fault->thread_second,
	          NULL);
	if (failure != NULL)
		say_failure(failure, said);
	words = said_line(said, "what to do", STYLE_WARNING);
	text_add(words, fault_advice(fault->type));
	if (failed)
		text_addf(words, " Type: meshtally oom -p %" PRId32, line->process->pid);
	safe_terminal(said_line(said, "process", STYLE_DIM), line->process->command);
}

/* One that the log of faults has no line for. */
static void say_lone_failure(const struct fault_line *line, struct said *said)
{
	const struct view_failure *failure = line->failure;
	char size[UNITS_SIZE], when[UNITS_SIZE];

	text_addf(&said->title, "%s in process %" PRId32, fault_words(MT_ALLOC_FAILED),
	          line->process->pid);
	text_addf(said_line(said, "what", STYLE_TEXT),
	          "%s was asked for; operation %" PRIu64 ", %s",
	          units_bytes_short(&size, failure->bytes), failure->op,
	          units_time(&when, failure->time_ns));
	say_place(said, "wanted by", failure->tag, "", failure->thread, NULL);
	say_failure(failure, said);
	text_addf(said_line(said, "what to do", STYLE_WARNING),
	          "%s Type: meshtally oom -p %" PRId32, fault_advice(MT_ALLOC_FAILED),
	          line->process->pid);
	safe_terminal(said_line(said, "process", STYLE_DIM), line->process->command);
}

static void say_found(const struct look *look, const struct finding *finding, struct said *said)
{
	text_add(&said->title, "found by comparing");
	finding_line(said_line(said, "what", STYLE_TEXT), &look->reading->scene.machine, finding);
	text_add(said_line(said, "what to do", STYLE_WARNING),
	         "`meshtally faults` compares what is running twice, and tells what is there both "
	         "times.");
}

static bool say_selected(const struct look *look, const struct sheet *sheet,
                         const struct fault_lines *lines, struct said *said)
{
	const struct sheet_row *row = sheet_selected(sheet, &look->ui->lists[SCREEN_FAULTS]);
	const struct fault_line *line;

	vec_for (line, &lines->lines) {
		if (row == NULL || fault_line_key(line) != row->key)
			continue;
		if (line->fault != NULL)
			say_fault(line, said);
		else if (line->failure != NULL)
			say_lone_failure(line, said);
		else
			say_found(look, line->finding, said);
		return true;
	}
	return false;
}

void faults_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                 struct area area, struct hits *hits)
{
	struct said head = {0}, details = {0};
	struct fault_lines lines;
	bool selected = false;

	if (look->reading != NULL && sheet->rows.count != 0) {
		fault_lines_make(&lines, look);
		say_types(look, &lines, &head);
		selected = say_selected(look, sheet, &lines, &details);
		fault_lines_finish(&lines);
	}
	list_screen_draw(look, sheet, canvas, area, hits, &head, selected ? &details : NULL);
	said_finish(&head);
	said_finish(&details);
}

/* The next one that there is; after the last all again. */
static void next_type(struct ui *ui, const struct look *look)
{
	struct fault_lines lines;
	uint32_t type = ui->fault_type;

	fault_lines_make(&lines, look);
	do
		type = (type + 1) % SEGMENT_FAULT_TYPES;
	while (type != 0 && lines.counts[type] == 0);
	fault_lines_finish(&lines);
	ui->fault_type = type;
	ui->lists[SCREEN_FAULTS].key = 0;
	if (type != 0)
		ui_say(ui, false, "%s alone; f shows the next type", fault_words(type));
	else
		ui_say(ui, false, "all types of faults");
}

bool faults_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                struct ui_wish *wish)
{
	const struct sheet_row *row = sheet_selected(sheet, &ui->lists[SCREEN_FAULTS]);
	char pid[24];

	(void)wish;
	switch (key) {
	case 'f':
		next_type(ui, look);
		return true;
	case KEY_ENTER:
		if (row == NULL || !row->values[COLUMN_PID].known)
			return true;
		snprintf(pid, sizeof(pid), "%" PRIu64, row->values[COLUMN_PID].number);
		ui_narrow(ui, "pid", pid);
		return true;
	default:
		return false;
	}
}
