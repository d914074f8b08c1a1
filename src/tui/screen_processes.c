/* SPDX-License-Identifier: Apache-2.0 */
/* The processes screen: who holds device memory, how fast, and what became of those that ended. */
#include "list_screen.h"
#include "meshtally.h"
#include "process_details.h"
#include "row_walk.h"
#include "safe.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum process_column {
	COLUMN_PID,
	COLUMN_COMMAND,
	COLUMN_USER,
	COLUMN_STATE,
	COLUMN_RANK,
	COLUMN_AGE,
	COLUMN_ALLOCS,
	COLUMN_FREES,
	COLUMN_FAULTS,
	COLUMN_LEFT,
	COLUMN_BUFFERS,
	COLUMN_HELD,
	COLUMN_PEAK,
	COLUMN_KINDS /* from here on a column per kind */
};

enum { MOST_KINDS = SHEET_MAX_COLUMNS - COLUMN_KINDS, TREE_DEPTH = 64 };

static const struct sheet_column fixed_columns[COLUMN_KINDS] = {
	[COLUMN_PID] = {"pid", "PID", VALUE_NUMBER, 0, 0, false, true},
	[COLUMN_COMMAND] = {"command", "COMMAND", VALUE_TEXT, 0, 16, true, true},
	[COLUMN_USER] = {"user", "USER", VALUE_TEXT, 6, 8, false, true},
	[COLUMN_STATE] = {"state", "STATE", VALUE_TEXT, 0, 7, false, true},
	[COLUMN_RANK] = {"rank", "RANK", VALUE_NUMBER, 11, 0, false, true},
	[COLUMN_AGE] = {"age_seconds", "SINCE", VALUE_AGE, 7, 0, false, false},
	[COLUMN_ALLOCS] = {"allocs_per_second", "ALLOC/S", VALUE_RATE, 3, 0, false, false},
	[COLUMN_FREES] = {"frees_per_second", "FREE/S", VALUE_RATE, 5, 0, false, false},
	[COLUMN_FAULTS] = {"faults", "FAULTS", VALUE_COUNT, 2, 0, false, false},
	[COLUMN_LEFT] = {"left_bytes", "LEFT", VALUE_BYTES, 4, 0, false, false},
	[COLUMN_BUFFERS] = {"device_buffers", "BUFFERS", VALUE_COUNT, 4, 0, false, false},
	[COLUMN_HELD] = {"held_bytes", "HELD", VALUE_BYTES, 9, 0, false, false},
	[COLUMN_PEAK] = {"dram_peak_bytes", "DRAM PEAK", VALUE_BYTES, 8, 0, false, false},
};

/* What a picture of the list is made from. */
struct process_list {
	const struct look *look;
	const struct machine *machine;
	struct sheet *sheet;
	uint32_t kinds[MOST_KINDS]; /* that have a column */
	size_t kind_count;
	/* By process and kind, where a filter asks for tags or words; NULL: figures tell. */
	struct machine_figure *by_rows;
	size_t *order;   /* processes that are shown, in their order */
	size_t count;    /* of them */
	uint64_t *held;  /* by number of the process */
	uint64_t *left;  /* likewise: what was not given back */
	bool *shown;     /* likewise */
	size_t *parents; /* of those that are shown; SIZE_MAX none */
};

static void note_row(void *arg, const struct row_part *part)
{
	struct process_list *list = arg;
	struct machine_figure *figure =
		&list->by_rows[part->number * list->machine->kind_count + part->kind];

	if (!figure->present)
		*figure = (struct machine_figure){.present = true, .exact = true};
	figure->exact = figure->exact && part->exact;
	figure->bytes[CLASS_USER] += part->bytes * part->row_count;
	figure->buffers[CLASS_USER] += part->buffers * part->row_count;
	figure->held += part->held * part->row_count;
}

static void note_left(void *arg, const struct row_part *part)
{
	struct process_list *list = arg;

	list->left[part->number] += part->bytes * part->row_count;
}

static bool figure_of(const struct process_list *list, size_t number, uint32_t kind,
                      struct machine_figure *ret_figure)
{
	if (list->by_rows == NULL)
		return look_process_figure(list->look, &list->machine->processes.items[number],
		                           kind, ret_figure);
	*ret_figure = list->by_rows[number * list->machine->kind_count + kind];
	return ret_figure->present;
}

/* By tags and words, what has something that fits; by words the command as well. */
static bool passes_filter(const struct process_list *list, size_t number)
{
	const struct filter *filter = &list->look->ui->filter;
	const struct machine_process *process = &list->machine->processes.items[number];

	if (list->by_rows == NULL ||
	    (filter->tags.count == 0 && filter_has_words(filter, process->command, NULL)))
		return true;
	if (list->left[number] != 0)
		return true;
	for (uint32_t kind = 0; kind < list->machine->kind_count; kind++)
		if (list->by_rows[number * list->machine->kind_count + kind].present)
			return true;
	return false;
}

static bool kind_is_used(const struct machine *machine, uint32_t kind)
{
	for (size_t i = 0; i < machine->processes.count; i++)
		if (machine->processes.items[i].figures[kind].held != 0 ||
		    machine->processes.items[i].figures[kind].peak != 0)
			return true;
	return false;
}

/* Whether all that is used is of other kinds, as on a machine with OpenCL devices alone. */
static bool only_others_used(const struct machine *machine)
{
	bool others = false;

	for (uint32_t kind = 0; kind < machine->kind_count; kind++)
		others = others ||
		         (machine_kind_on_device(machine, kind) && kind_is_used(machine, kind));
	return others && !kind_is_used(machine, MT_DRAM) && !kind_is_used(machine, MT_L1);
}

static void find_kinds(struct process_list *list)
{
	const struct machine *machine = list->machine;
	bool usual = !only_others_used(machine);

	for (uint32_t kind = 0; kind < machine->kind_count && list->kind_count < MOST_KINDS;
	     kind++) {
		bool used = usual && (kind == MT_DRAM || kind == MT_L1);

		if (!machine_kind_on_device(machine, kind) && kind != MT_HOST)
			continue;
		if ((used || kind_is_used(machine, kind)) &&
		    selection_has_kind(&list->look->selection, kind))
			list->kinds[list->kind_count++] = kind;
	}
}

/* "dram_bytes", "l1_small_bytes"; and what stands above the column. */
static void make_columns(struct process_list *list)
{
	struct sheet_column *columns =
		sheet_own_columns(list->sheet, COLUMN_KINDS + list->kind_count);

	memcpy(columns, fixed_columns, sizeof(fixed_columns));
	for (size_t i = 0; i < list->kind_count; i++) {
		const char *kind = list->machine->kind_names[list->kinds[i]];
		struct text title = {0}, name = {0};

		safe_terminal(&title, kind);
		safe_utf8(&name, kind);
		for (char *s = name.bytes; s != NULL && *s != '\0'; s++)
			*s = *s >= 'A' && *s <= 'Z' ? (char)tolower(*s) : *s;
		text_add(&name, "_bytes");
		columns[COLUMN_KINDS + i] =
			(struct sheet_column){.name = sheet_keep(list->sheet, text_string(&name)),
		                              .title = sheet_keep(list->sheet, text_string(&title)),
		                              .type = VALUE_BYTES,
		                              .optional = i < 2 ? (unsigned)i : 10};
		text_finish(&title);
		text_finish(&name);
	}
}

static int compare_shown(const void *a, const void *b, void *context)
{
	const struct process_list *list = context;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	const struct machine_process *first = &list->machine->processes.items[x];
	const struct machine_process *second = &list->machine->processes.items[y];

	if (first->dead != second->dead)
		return first->dead ? 1 : -1;
	if (list->held[x] != list->held[y])
		return list->held[x] > list->held[y] ? -1 : 1;
	if (first->pid != second->pid)
		return first->pid < second->pid ? -1 : 1;
	return x < y ? -1 : 1;
}

/* The nearest one above that is shown, and not itself: whatever /proc has said, no circle. */
static size_t shown_parent(const struct process_list *list, size_t number)
{
	const struct process_facts *facts = list->look->reading->facts;
	size_t at = number;

	for (int steps = 0; facts != NULL && steps < TREE_DEPTH; steps++) {
		at = facts[at].parent;
		if (at >= list->machine->processes.count || at == number)
			return SIZE_MAX;
		if (list->shown[at])
			break;
	}
	return at == number || facts == NULL || !list->shown[at] ? SIZE_MAX : at;
}

static bool is_below(const struct process_list *list, size_t at, size_t number)
{
	for (size_t steps = 0; at != SIZE_MAX && steps < TREE_DEPTH; steps++) {
		if (at == number)
			return true;
		at = list->parents[at];
	}
	return at != SIZE_MAX;
}

static bool find_parents(struct process_list *list)
{
	bool any = false;

	for (size_t i = 0; i < list->machine->processes.count; i++)
		list->parents[i] = SIZE_MAX;
	for (size_t i = 0; i < list->count && list->look->ui->tree; i++) {
		size_t number = list->order[i], parent = shown_parent(list, number);

		if (parent == SIZE_MAX || is_below(list, parent, number))
			continue;
		list->parents[number] = parent;
		any = true;
	}
	return any;
}

static void find_shown(struct process_list *list)
{
	const struct machine *machine = list->machine;
	struct machine_figure figure;

	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];

		if (!look_shows_process(list->look, process) ||
		    process_is_dismissed(list->look->ui, process) || !passes_filter(list, i))
			continue;
		list->shown[i] = true;
		list->order[list->count++] = i;
		for (uint32_t kind = 0; kind < machine->kind_count; kind++)
			if (machine_kind_on_device(machine, kind) &&
			    figure_of(list, i, kind, &figure))
				list->held[i] += figure.held;
	}
	if (list->count > 1)
		qsort_r(list->order, list->count, sizeof(*list->order), compare_shown, list);
}

static struct value inexact_if(struct value value, bool inexact)
{
	value.inexact = inexact;
	return value;
}

static void fill_figures(const struct process_list *list, struct sheet_row *row, size_t number)
{
	const struct machine_process *process = &list->machine->processes.items[number];
	struct machine_figure figure;
	uint64_t buffers = 0;
	bool exact = true;

	for (uint32_t kind = 0; kind < list->machine->kind_count; kind++)
		if (machine_kind_on_device(list->machine, kind) &&
		    figure_of(list, number, kind, &figure)) {
			buffers += figure_buffers(&figure);
			exact = exact && figure.exact;
		}
	for (size_t i = 0; i < list->kind_count; i++)
		if (figure_of(list, number, list->kinds[i], &figure))
			row->values[COLUMN_KINDS + i] =
				inexact_if(value_number(figure_bytes(&figure)), !figure.exact);
	row->values[COLUMN_HELD] = inexact_if(value_number(list->held[number]), !exact);
	if (process->view != NULL) {
		row->values[COLUMN_LEFT] = inexact_if(value_number(list->left[number]), !exact);
		row->values[COLUMN_LEFT].style =
			list->left[number] == 0 ? STYLE_DIM : STYLE_WARNING;
		row->values[COLUMN_BUFFERS] = inexact_if(value_number(buffers), !exact);
	}
	if (list->by_rows == NULL && figure_of(list, number, MT_DRAM, &figure) && figure.peak_known)
		row->values[COLUMN_PEAK] = inexact_if(value_number(figure.peak), !exact);
}

static void fill_process(const struct process_list *list, struct sheet_row *row, size_t number)
{
	const struct reading *reading = list->look->reading;
	const struct machine_process *process = &list->machine->processes.items[number];
	const struct segment_view *view = process->view;
	char digits[16];

	row->style = process->dead ? STYLE_DEAD : STYLE_TEXT;
	row->values[COLUMN_PID] = value_number((uint64_t)process->pid);
	row->values[COLUMN_COMMAND] = value_text(process_name(process));
	row->values[COLUMN_STATE] = value_text(process->source == SOURCE_COUNTERS && !process->dead
	                                               ? "totals"
	                                               : life_word(process));
	row->values[COLUMN_STATE].style = process_style(process);
	if (reading->facts != NULL) {
		row->values[COLUMN_USER] = value_text(reading->facts[number].user);
	} else if (view != NULL) {
		snprintf(digits, sizeof(digits), "%" PRIu32, view->subject.uid);
		row->values[COLUMN_USER] = value_text(sheet_keep(list->sheet, digits));
	}
	fill_figures(list, row, number);
	if (view == NULL)
		return;
	if (view->rank >= 0)
		row->values[COLUMN_RANK] = value_number((uint64_t)view->rank);
	if (view->birth_realtime_ns != 0 && view->birth_realtime_ns < list->look->now_ns)
		row->values[COLUMN_AGE] =
			value_number(list->look->now_ns - view->birth_realtime_ns);
	row->values[COLUMN_FAULTS] = value_number(view->fault_total);
	row->values[COLUMN_FAULTS].style = view->fault_total != 0 ? STYLE_BAD : STYLE_TEXT;
	if (!process->dead && reading->rates != NULL && reading->rates[number].known) {
		row->values[COLUMN_ALLOCS] = value_real(reading->rates[number].allocs);
		row->values[COLUMN_FREES] = value_real(reading->rates[number].frees);
	}
}

static uint64_t process_key(const struct machine_process *process)
{
	uint64_t identity = process_identity(process);

	return identity != 0 ? identity : 1;
}

/* With its children, in the order of the list. */
static void add_process(const struct process_list *list, size_t number, uint16_t depth)
{
	const struct machine_process *process = &list->machine->processes.items[number];
	uint64_t key = process_key(process);
	struct sheet_row *row = sheet_add(list->sheet, key);

	fill_process(list, row, number);
	row->depth = depth;
	for (size_t i = 0; i < list->count && !row->has_children; i++)
		row->has_children = list->parents[list->order[i]] == number;
	if (!row->has_children)
		return;
	row->is_open = !ui_is_folded(list->look->ui, key);
	for (size_t i = 0; i < list->count && !ui_is_folded(list->look->ui, key); i++)
		if (list->parents[list->order[i]] == number)
			add_process(list, list->order[i], (uint16_t)(depth + 1));
}

static void say_empty(const struct look *look, struct sheet *sheet)
{
	if (look->reading->scene.machine.processes.count == 0)
		text_add(&sheet->empty,
		         "No process is tracked on this machine yet.\n"
		         "  meshtally run -- PROGRAM   runs a program with tracking on;\n"
		         "  MESHTALLY=1                in a program's environment turns it on;\n"
		         "  meshtally doctor           says why a program does not show up.\n");
	else if (filter_is_empty(&look->ui->filter))
		text_add(&sheet->empty, "All processes have ended and were dismissed.\n");
	else
		text_add(&sheet->empty, "No process passes the filter: / changes it, Esc takes it "
		                        "away.\n");
}

static void list_make(struct process_list *list)
{
	size_t count = list->machine->processes.count + 1;
	const struct filter *filter = &list->look->ui->filter;

	list->order = mem_calloc(count, sizeof(*list->order));
	list->held = mem_calloc(count, sizeof(*list->held));
	list->left = mem_calloc(count, sizeof(*list->left));
	row_walk_left(list->look, note_left, list);
	list->shown = mem_calloc(count, sizeof(*list->shown));
	list->parents = mem_calloc(count, sizeof(*list->parents));
	if (filter->tags.count != 0 || filter->words.count != 0) {
		list->by_rows =
			mem_calloc(count * list->machine->kind_count + 1, sizeof(*list->by_rows));
		row_walk(list->look, note_row, list);
	}
	find_kinds(list);
	find_shown(list);
}

static void list_finish(struct process_list *list)
{
	free(list->order);
	free(list->held);
	free(list->left);
	free(list->shown);
	free(list->parents);
	free(list->by_rows);
}

void processes_make(const struct look *look, struct sheet *sheet)
{
	struct process_list list = {.look = look, .sheet = sheet};

	sheet_init(sheet, fixed_columns, COLUMN_KINDS);
	if (look->reading == NULL) {
		text_add(&sheet->empty, "Looking for programs that are tracked ...\n");
		return;
	}
	list.machine = &look->reading->scene.machine;
	list_make(&list);
	make_columns(&list);
	if (find_parents(&list))
		sheet->tree_column = COLUMN_COMMAND;
	for (size_t i = 0; i < list.count; i++)
		if (list.parents[list.order[i]] == SIZE_MAX)
			add_process(&list, list.order[i], 0);
	list_finish(&list);
	if (sheet->rows.count == 0)
		say_empty(look, sheet);
}

static const struct machine_process *find_process(const struct look *look,
                                                  const struct sheet_row *row)
{
	const struct machine_process *process;

	vec_for (process, &look->reading->scene.machine.processes)
		if (row != NULL && !process->witness && process_key(process) == row->key)
			return process;
	return NULL;
}

void processes_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                    struct area area, struct hits *hits)
{
	const struct machine_process *process =
		look->reading != NULL
			? find_process(look,
	                               sheet_selected(sheet, &look->ui->lists[SCREEN_PROCESSES]))
			: NULL;
	struct said head = {0}, details = {0};

	if (process != NULL) {
		say_totals_filter(look, &head);
		process_details(look, process, &details);
	}
	list_screen_draw(look, sheet, canvas, area, hits, &head, process != NULL ? &details : NULL);
	said_finish(&head);
	said_finish(&details);
}

static void dismiss(struct ui *ui, const struct machine_process *process, struct ui_wish *wish)
{
	if (!process->dead || process_is_dismissed(ui, process))
		return;
	*vec_add(&ui->dismissed) = process_identity(process);
	wish->dismiss = true;
}

static void dismiss_all(struct ui *ui, const struct look *look, struct ui_wish *wish)
{
	const struct machine_process *process;
	size_t before = ui->dismissed.count;

	vec_for (process, &look->reading->scene.machine.processes)
		if (look_shows_process(look, process))
			dismiss(ui, process, wish);
	ui_say(ui, false, "%zu dismissed", ui->dismissed.count - before);
}

bool processes_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                   struct ui_wish *wish)
{
	const struct sheet_row *row = sheet_selected(sheet, &ui->lists[SCREEN_PROCESSES]);
	const struct machine_process *process = find_process(look, row);
	char pid[16];

	switch (key) {
	case 't':
		ui->tree = !ui->tree;
		return true;
	case 'D':
		dismiss_all(ui, look, wish);
		return true;
	case 'd':
	case KEY_DELETE:
		if (process != NULL && process->dead)
			dismiss(ui, process, wish);
		else
			ui_say(ui, false, "only what has ended can be dismissed");
		return true;
	case KEY_SPACE:
		if (row != NULL && row->has_children)
			ui_fold(ui, row->key, row->is_open);
		return true;
	case KEY_ENTER:
		if (process == NULL)
			return true;
		snprintf(pid, sizeof(pid), "%" PRId32, process->pid);
		ui_narrow(ui, "pid", pid);
		ui_open(ui, SCREEN_TAGS);
		return true;
	default:
		return false;
	}
}
