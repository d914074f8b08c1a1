/* SPDX-License-Identifier: Apache-2.0 */
/* The growth screen: what came since the mark and stayed, and what every step of a program leaves.
 */
#include "growth_words.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum growth_column {
	COLUMN_TAG,
	COLUMN_SITE,
	COLUMN_GROWS,
	COLUMN_STAYED,
	COLUMN_BUFFERS,
	COLUMN_RATE,
	COLUMN_OLDEST,
	COLUMN_PER_STEP,
	COLUMN_STEP_0,
	COLUMN_STEP_1,
	COLUMN_STEP_2,
	COLUMN_STEP_3,
	COLUMN_KIND,
	COLUMN_PID,
	COLUMN_COUNT
};

enum { STEPS_SHOWN = COLUMN_STEP_3 - COLUMN_STEP_0 + 1 };

static const struct sheet_column growth_columns[COLUMN_COUNT] = {
	[COLUMN_TAG] = {"tag", "TAG", VALUE_TEXT, 0, 18, true, true},
	[COLUMN_SITE] = {"site", "SITE", VALUE_TEXT, 3, 14, true, true},
	[COLUMN_GROWS] = {"grows", "GROWS", VALUE_TEXT, 2, 10, false, true},
	[COLUMN_STAYED] = {"stayed_bytes", "STAYED", VALUE_BYTES, 0, 0, false, false},
	[COLUMN_BUFFERS] = {"stayed_device_buffers", "BUFFERS", VALUE_COUNT, 4, 0, false, false},
	[COLUMN_RATE] = {"stayed_bytes_per_second", "PER SECOND", VALUE_BYTES, 11, 0, false, false},
	[COLUMN_OLDEST] = {"oldest_age_seconds", "OLDEST", VALUE_AGE, 6, 0, false, false},
	[COLUMN_PER_STEP] = {"bytes_per_step", "A STEP", VALUE_BYTES, 1, 0, false, false},
	[COLUMN_STEP_0] = {"step_0_bytes", "THIS STEP", VALUE_BYTES, 9, 0, false, false},
	[COLUMN_STEP_1] = {"step_1_bytes", "STEP -1", VALUE_BYTES, 8, 0, false, false},
	[COLUMN_STEP_2] = {"step_2_bytes", "STEP -2", VALUE_BYTES, 9, 0, false, false},
	[COLUMN_STEP_3] = {"step_3_bytes", "STEP -3", VALUE_BYTES, 10, 0, false, false},
	[COLUMN_KIND] = {"kind", "KIND", VALUE_TEXT, 5, 6, false, true},
	[COLUMN_PID] = {"pid", "PID", VALUE_NUMBER, 7, 0, false, true},
};

enum buffer_column {
	BUFFER_TAG,
	BUFFER_SITE,
	BUFFER_TOTAL,
	BUFFER_BYTES,
	BUFFER_DEVICES,
	BUFFER_AGE,
	BUFFER_ADDRESS,
	BUFFER_KIND,
	BUFFER_PID,
	BUFFER_THREAD,
	BUFFER_COUNT
};

static const struct sheet_column buffer_columns[BUFFER_COUNT] = {
	[BUFFER_TAG] = {"tag", "TAG", VALUE_TEXT, 0, 18, true, true},
	[BUFFER_SITE] = {"site", "SITE", VALUE_TEXT, 0, 14, true, true},
	[BUFFER_TOTAL] = {"total_bytes", "STAYED", VALUE_BYTES, 0, 0, false, false},
	[BUFFER_BYTES] = {"bytes", "ON EACH", VALUE_BYTES, 4, 0, false, false},
	[BUFFER_DEVICES] = {"devices", "DEVICES", VALUE_COUNT, 3, 0, false, false},
	[BUFFER_AGE] = {"age_seconds", "AGE", VALUE_AGE, 1, 0, false, false},
	[BUFFER_ADDRESS] = {"address", "ADDRESS", VALUE_ADDRESS, 5, 0, false, true},
	[BUFFER_KIND] = {"kind", "KIND", VALUE_TEXT, 2, 6, false, true},
	[BUFFER_PID] = {"pid", "PID", VALUE_NUMBER, 6, 0, false, true},
	[BUFFER_THREAD] = {"thread", "THREAD", VALUE_NUMBER, 7, 0, false, true},
};

static bool is_shown(const struct growth_list *list, const struct survey_growth *growth)
{
	return list->has_mark ? growth->stayed_records != 0 || growth->grows_each_step
	                      : growth_left(growth) != 0;
}

static bool is_worth_it(const struct growth_list *list, size_t column)
{
	if (column >= COLUMN_STAYED && column <= COLUMN_OLDEST)
		return list->has_mark;
	if (column == COLUMN_GROWS || (column >= COLUMN_PER_STEP && column <= COLUMN_STEP_3))
		return list->has_steps;
	return true;
}

static void make_columns(struct growth_list *list, struct sheet *sheet)
{
	struct sheet_column *columns = sheet_own_columns(sheet, COLUMN_COUNT);
	size_t count = 0;

	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		list->places[i] = is_worth_it(list, i) ? count : SIZE_MAX;
		if (list->places[i] != SIZE_MAX)
			columns[count++] = growth_columns[i];
	}
	sheet->column_count = count;
}

static void set(const struct growth_list *list, struct sheet_row *row, enum growth_column column,
                struct value value)
{
	if (list->places[column] != SIZE_MAX)
		row->values[list->places[column]] = value;
}

static struct value amount(const struct growth_list *list, uint64_t number, enum style style)
{
	struct value value = value_number(number);

	value.inexact = number != 0 && !list->survey->exact;
	value.style = number != 0 ? style : STYLE_DIM;
	return value;
}

static void fill_steps(const struct growth_list *list, struct sheet_row *row,
                       const struct survey_growth *growth)
{
	bool user = growth->class_now == CLASS_USER;
	struct value grows = value_text(!user ? class_words[growth->class_now % CLASS_LIMIT]
	                                : growth->grows_each_step ? "every step"
	                                : growth->steps != 0      ? "no"
	                                                          : "");

	grows.style = user && growth->grows_each_step ? STYLE_BAD : STYLE_DIM;
	set(list, row, COLUMN_GROWS, grows);
	if (growth->steps > 1)
		set(list, row, COLUMN_PER_STEP,
		    amount(list, growth_per_step(growth),
		           growth->grows_each_step ? STYLE_BAD : STYLE_TEXT));
	for (uint32_t i = 0; i < STEPS_SHOWN && i < growth->steps; i++)
		set(list, row, (enum growth_column)(COLUMN_STEP_0 + i),
		    amount(list, growth->step_bytes[i], STYLE_TEXT));
}

static uint64_t mark_age_ns(const struct growth_list *list)
{
	uint64_t mark_ns = list->look->ui->mark.realtime_ns, then_ns = list->survey->realtime_ns;

	return then_ns > mark_ns ? then_ns - mark_ns : 0;
}

static void fill_stayed(const struct growth_list *list, struct sheet_row *row,
                        const struct survey_growth *growth)
{
	double seconds = (double)mark_age_ns(list) / 1e9;

	set(list, row, COLUMN_STAYED, amount(list, growth->stayed_bytes, STYLE_GROWTH));
	set(list, row, COLUMN_BUFFERS, amount(list, growth->stayed_device_buffers, STYLE_TEXT));
	if (seconds >= 1)
		set(list, row, COLUMN_RATE,
		    amount(list, (uint64_t)((double)growth->stayed_bytes / seconds + 0.5),
		           STYLE_TEXT));
	if (growth->oldest_ns != 0)
		set(list, row, COLUMN_OLDEST,
		    value_number(growth_age_ns(list->look, growth->oldest_ns)));
}

static void add_group(const struct growth_list *list, struct sheet *sheet,
                      const struct survey_growth *growth)
{
	const struct machine *machine = &list->look->reading->scene.machine;
	struct sheet_row *row = sheet_add(sheet, growth_group_key(growth));
	struct value tag = value_text(growth->tag[0] != '\0' ? growth->tag : growth_no_tag);

	row->style = growth->class_now == CLASS_USER ? STYLE_TEXT : STYLE_DIM;
	set(list, row, COLUMN_TAG, tag);
	set(list, row, COLUMN_SITE, value_text(growth->site));
	if (growth->kind < machine->kind_count)
		set(list, row, COLUMN_KIND, value_text(machine->kind_names[growth->kind]));
	set(list, row, COLUMN_PID, value_number((uint64_t)growth->pid));
	fill_steps(list, row, growth);
	if (list->has_mark)
		fill_stayed(list, row, growth);
}

/* What grows with every step comes first: it is what is looked for. */
static int worst_first(const void *a, const void *b)
{
	const struct survey_growth *x = *(const struct survey_growth *const *)a;
	const struct survey_growth *y = *(const struct survey_growth *const *)b;
	bool x_grows = x->grows_each_step && x->class_now == CLASS_USER;
	bool y_grows = y->grows_each_step && y->class_now == CLASS_USER;

	if (x_grows != y_grows)
		return x_grows ? -1 : 1;
	return x < y ? -1 : x > y; /* as the survey has them: the largest first */
}

static void make_groups(struct growth_list *list, struct sheet *sheet)
{
	VEC(const struct survey_growth *) order = {0};
	const struct survey_growth *growth;

	make_columns(list, sheet);
	vec_for (growth, &list->survey->growth)
		if (is_shown(list, growth))
			*vec_add(&order) = growth;
	if (order.count > 1)
		qsort(order.items, order.count, sizeof(*order.items), worst_first);
	for (size_t i = 0; i < order.count; i++)
		add_group(list, sheet, order.items[i]);
	vec_finish(&order);
}

static void add_buffer(const struct growth_list *list, struct sheet *sheet,
                       const struct survey_buffer *buffer)
{
	const struct machine *machine = &list->look->reading->scene.machine;
	struct sheet_row *row = sheet_add(sheet, growth_buffer_key(buffer));

	row->style = buffer->class_now == CLASS_USER ? STYLE_TEXT : STYLE_DIM;
	row->values[BUFFER_TAG] = value_text(buffer->tag[0] != '\0' ? buffer->tag : growth_no_tag);
	row->values[BUFFER_SITE] = value_text(buffer->site);
	row->values[BUFFER_TOTAL] = amount(list, buffer->total_bytes, STYLE_GROWTH);
	row->values[BUFFER_BYTES] = value_number(buffer->bytes);
	row->values[BUFFER_DEVICES] = value_number(buffer->devices);
	if (buffer->address != SEGMENT_NO_ADDRESS)
		row->values[BUFFER_ADDRESS] = value_number(buffer->address);
	row->values[BUFFER_PID] = value_number((uint64_t)buffer->pid);
	if (buffer->time_ns != 0)
		row->values[BUFFER_AGE] = value_number(growth_age_ns(list->look, buffer->time_ns));
	if (buffer->kind < machine->kind_count)
		row->values[BUFFER_KIND] = value_text(machine->kind_names[buffer->kind]);
	if (buffer->thread != 0)
		row->values[BUFFER_THREAD] = value_number(buffer->thread);
}

static int largest_first(const void *a, const void *b)
{
	const struct sheet_row *x = a, *y = b;
	uint64_t x_bytes = x->values[BUFFER_TOTAL].number, y_bytes = y->values[BUFFER_TOTAL].number;

	if (x_bytes != y_bytes)
		return x_bytes > y_bytes ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void make_buffers(struct growth_list *list, struct sheet *sheet)
{
	const struct survey_buffer *buffer;

	sheet_init(sheet, buffer_columns, BUFFER_COUNT);
	if (!list->has_mark)
		return;
	vec_for (buffer, &list->survey->list)
		add_buffer(list, sheet, buffer);
	if (sheet->rows.count > 1)
		qsort(sheet->rows.items, sheet->rows.count, sizeof(*sheet->rows.items),
		      largest_first);
	if (list->survey->list.count == SURVEY_LIST_LIMIT &&
	    list->stayed_records > SURVEY_LIST_LIMIT)
		sheet->more = list->stayed_records - SURVEY_LIST_LIMIT;
}

static void say_no_mark(const struct look *look, struct text *empty)
{
	if (look->reading->from != NULL) {
		text_add(empty,
		         "This is a file: nothing comes any more, and no program in it has marked "
		         "its steps (mt_mark).\n"
		         "  meshtally diff A B   tells what came between two files.\n");
		return;
	}
	text_add(empty,
	         "To find a leak:\n"
	         "  1. press m: it sets a mark;\n"
	         "  2. let the program do a few rounds of what it does;\n"
	         "  3. look here: what came since the mark and is still there, the largest first.\n"
	         "What a program needs for one round is gone by then; what leaks has stayed.\n"
	         " \n"
	         "A program that calls mt_mark(\"step\", n) at each step needs no mark of yours: "
	         "what grows with every step is listed here by itself.\n"
	         "Without this screen: meshtally growth -p PID --for 60s\n");
}

static void say_empty(const struct growth_list *list, struct sheet *sheet)
{
	const struct look *look = list->look;

	if (list->survey == NULL || look->ui->mark.set != list->has_mark) {
		say_survey_pending(look, &sheet->empty);
	} else if (!look->ui->mark.set && look->ui->growth_buffers) {
		text_add(&sheet->empty, "m sets a mark: single buffers that come after it are "
		                        "listed here. b goes back to tags.\n");
	} else if (!look->ui->mark.set) {
		say_no_mark(look, &sheet->empty);
	} else {
		text_add(&sheet->empty, "Nothing that came since the mark (");
		say_ago(&sheet->empty, growth_age_ns(look, look->ui->mark.realtime_ns));
		text_add(&sheet->empty, ") is still there: so far nothing has leaked.\n");
		if (!filter_is_empty(&look->ui->filter))
			text_add(&sheet->empty, "That is of what passes the filter; Esc takes it "
			                        "away.\n");
	}
}

void growth_make(const struct look *look, struct sheet *sheet)
{
	struct growth_list list;

	sheet_init(sheet, growth_columns, COLUMN_COUNT);
	if (look->reading == NULL) {
		text_add(&sheet->empty, "Looking for programs that are tracked ...\n");
		return;
	}
	growth_list_init(&list, look);
	if (list.survey != NULL && look->ui->growth_buffers)
		make_buffers(&list, sheet);
	else if (list.survey != NULL)
		make_groups(&list, sheet);
	if (sheet->rows.count == 0)
		say_empty(&list, sheet);
}

void growth_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                 struct area area, struct hits *hits)
{
	struct said head = {0}, details = {0};
	struct growth_list list;
	bool selected = false;

	if (look->reading != NULL && sheet->rows.count != 0) {
		growth_list_init(&list, look);
		growth_head(&list, &head);
		selected = growth_selected(&list, sheet, &details);
	}
	list_screen_draw(look, sheet, canvas, area, hits, &head, selected ? &details : NULL);
	said_finish(&head);
	said_finish(&details);
}

static void toggle_buffers(struct ui *ui)
{
	ui->growth_buffers = !ui->growth_buffers;
	ui->lists[SCREEN_GROWTH] = (struct sheet_state){.sort = SIZE_MAX};
}

/* Both lists have it in their first column. */
static void show_only(struct ui *ui, const struct sheet_row *row)
{
	const char *tag = row->values[0].known ? row->values[0].text : growth_no_tag;

	if (strcmp(tag, growth_no_tag) == 0)
		ui_say(ui, false, "what has no tag cannot be filtered for");
	else
		ui_narrow(ui, "tag", tag);
}

bool growth_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                struct ui_wish *wish)
{
	const struct sheet_row *row = sheet_selected(sheet, &ui->lists[SCREEN_GROWTH]);

	(void)look;
	(void)wish;
	switch (key) {
	case 'b':
		toggle_buffers(ui);
		return true;
	case KEY_ENTER:
		if (row != NULL)
			show_only(ui, row);
		return true;
	default:
		return false;
	}
}
