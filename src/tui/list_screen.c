/* SPDX-License-Identifier: Apache-2.0 */
#include "list_screen.h"

#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	LABEL_COLUMNS = 14,
	LEAST_AREA_ROWS = 17, /* with details below the list */
	SMALL_DETAILS = 6,
	TALL_AREA_ROWS = 32,
	TALL_DETAILS = 10,
	MOST_DETAILS = 13,
	LEAST_ROWS_WITH_HEAD = 6,
	LEAST_ROWS_TO_WRAP = 14,
	MOST_WIDTH = 150, /* longer lines are hard to read */
};

#define OLD_SURVEY_NS UINT64_C(10000000000)

struct text *said_line(struct said *said, const char *label, enum style style)
{
	struct said_line *line = vec_add(&said->lines);

	line->label = label;
	line->style = style;
	return &line->words;
}

void said_finish(struct said *said)
{
	struct said_line *line;

	vec_for (line, &said->lines)
		text_finish(&line->words);
	vec_finish(&said->lines);
	text_finish(&said->title);
}

/* Draws one line, wrapped, and returns the rows it took. */
static int draw_line(struct canvas *canvas, struct area area, const struct said_line *line)
{
	int label = line->label == NULL ? 0 : area.columns > 3 * LABEL_COLUMNS ? LABEL_COLUMNS : 0;
	int width = area.columns - label, rows = 0;
	struct text wrapped = {0};

	if (width > MOST_WIDTH)
		width = MOST_WIDTH;
	if (label != 0)
		canvas_text(canvas, area.row, area.column, label - 1, STYLE_DIM, line->label);
	safe_wrap(&wrapped, text_string(&line->words), (size_t)width, 0);
	for (char *s = wrapped.bytes, *end; s != NULL && (end = strchr(s, '\n')) != NULL;
	     s = end + 1) {
		*end = '\0';
		if (rows == area.rows)
			break;
		canvas_text(canvas, area.row + rows++, area.column + label, area.columns - label,
		            line->style, s);
	}
	text_finish(&wrapped);
	return rows;
}

static void draw_details(struct canvas *canvas, struct area area, const struct said *details)
{
	struct area rest = area;
	const struct said_line *line;

	canvas_repeat(canvas, area.row, area.column, area.columns, STYLE_BORDER, GLYPH_HORIZONTAL);
	if (details->title.length != 0 && area.columns > 8) {
		int used = canvas_text(canvas, area.row, area.column + 3, area.columns - 6,
		                       STYLE_TITLE, text_string(&details->title));

		canvas_text(canvas, area.row, area.column + 2, 1, STYLE_TEXT, " ");
		canvas_text(canvas, area.row, area.column + 3 + used, 1, STYLE_TEXT, " ");
	}
	rest.row++;
	rest.rows--;
	rest.column++;
	rest.columns -= 2;
	vec_for (line, &details->lines) {
		int used = rest.rows > 0 ? draw_line(canvas, rest, line) : 0;

		rest.row += used;
		rest.rows -= used;
	}
}

/* By the size and the number of rows alone, so that nothing jumps when the cursor moves. */
static int details_rows(const struct sheet *sheet, int rows)
{
	int least = rows >= TALL_AREA_ROWS    ? TALL_DETAILS
	            : rows >= LEAST_AREA_ROWS ? SMALL_DETAILS
	                                      : 0;
	long spare = rows - 2 - (long)(sheet->rows.count < 1000 ? sheet->rows.count : 1000);

	if (spare > MOST_DETAILS)
		spare = MOST_DETAILS;
	return least != 0 && spare > least ? (int)spare : least;
}

/* Where there is little room, the first line alone and no more than a line of it. */
static int draw_head(struct canvas *canvas, struct area area, const struct said *head)
{
	struct area rest = {area.row, area.column + 1, area.rows - LEAST_ROWS_WITH_HEAD,
	                    area.columns - 2};
	const struct said_line *line;

	if (head == NULL || head->lines.count == 0 || area.rows < LEAST_ROWS_WITH_HEAD)
		return 0;
	if (area.rows < LEAST_ROWS_TO_WRAP) {
		line = &head->lines.items[0];
		canvas_text(canvas, rest.row, rest.column, rest.columns, line->style,
		            text_string(&line->words));
		return 1;
	}
	vec_for (line, &head->lines) {
		int used = draw_line(canvas, rest, line);

		rest.row += used;
		rest.rows -= used;
	}
	return rest.row - area.row;
}

void list_screen_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                      struct area area, struct hits *hits, const struct said *head,
                      const struct said *details)
{
	int rows = draw_head(canvas, area, head);

	area.row += rows;
	area.rows -= rows;
	rows = details != NULL && sheet->rows.count != 0 ? details_rows(sheet, area.rows) : 0;
	if (rows > 0) {
		area.rows -= rows;
		draw_details(canvas,
		             (struct area){area.row + area.rows, area.column, rows, area.columns},
		             details);
	}
	sheet_draw(sheet, &look->ui->lists[look->ui->screen], canvas, area, true, hits);
}

uint64_t process_identity(const struct machine_process *process)
{
	return process->view != NULL ? process->view->identity : (uint64_t)process->pid;
}

bool process_is_dismissed(const struct ui *ui, const struct machine_process *process)
{
	uint64_t identity = process_identity(process);

	for (size_t i = 0; i < ui->dismissed.count && process->dead; i++)
		if (ui->dismissed.items[i] == identity)
			return true;
	return false;
}

const char *process_name(const struct machine_process *process)
{
	const char *name = process->command;

	for (const char *s = name; *s != '\0' && *s != ' '; s++)
		if (*s == '/' && s[1] != '\0' && s[1] != ' ')
			name = s + 1;
	return name;
}

bool look_shows_process(const struct look *look, const struct machine_process *process)
{
	const struct selection *selection = &look->selection;

	if (process->witness || !selection_has_process(selection, process))
		return false;
	if (selection->devices == NULL)
		return true;
	for (size_t i = 0; i < process->devices.count; i++)
		if (selection_has_device(selection, process->devices.items[i]))
			return true;
	return false;
}

static bool all_are_selected(const struct selection *selection,
                             const struct machine_process *process)
{
	for (size_t i = 0; i < process->devices.count && selection->devices != NULL; i++)
		if (!selection_has_device(selection, process->devices.items[i]))
			return false;
	return true;
}

bool look_process_figure(const struct look *look, const struct machine_process *process,
                         uint32_t kind, struct machine_figure *ret_figure)
{
	const struct machine *machine = &look->reading->scene.machine;
	struct machine_figure figure;

	*ret_figure = (struct machine_figure){0};
	if (!selection_has_kind(&look->selection, kind))
		return false;
	if (all_are_selected(&look->selection, process)) {
		*ret_figure = process->figures[kind];
		return ret_figure->present;
	}
	for (size_t i = 0; i < process->devices.count; i++)
		if (selection_has_device(&look->selection, process->devices.items[i]) &&
		    machine_process_figure(machine, process, process->devices.items[i], kind,
		                           &figure))
			figure_add(ret_figure, &figure);
	return ret_figure->present;
}

struct sheet_column *sheet_own_columns(struct sheet *sheet, size_t count)
{
	struct sheet_column *columns = mem_calloc(count, sizeof(*columns));

	*vec_add(&sheet->strings) = (char *)columns;
	sheet->columns = columns;
	sheet->column_count = count < SHEET_MAX_COLUMNS ? count : SHEET_MAX_COLUMNS;
	return columns;
}

void say_ago(struct text *words, uint64_t ns)
{
	uint64_t seconds = ns / 1000000000u;

	if (seconds < 10)
		text_add(words, "a moment ago");
	else if (seconds < 60)
		text_addf(words, "%" PRIu64 " s ago", seconds / 10 * 10);
	else if (seconds < 3600)
		text_addf(words, "%" PRIu64 " min ago", seconds / 60);
	else if (seconds < 48 * 3600)
		text_addf(words, "%" PRIu64 " h ago", seconds / 3600);
	else
		text_addf(words, "%" PRIu64 " days ago", seconds / 86400);
}

void say_survey_pending(const struct look *look, struct text *words)
{
	text_add(words,
	         look->ui->paused
	                 ? "Paused, and single buffers were not looked at for this screen "
	                   "before: p goes on, r reads once.\n"
	                 : "Single buffers are being looked at: the answer is on its way.\n");
}

const char words_in_totals[] = "words are looked for in tags and commands here: sites are those of "
			       "single buffers (screens 2 and 5).\n";

void say_totals_filter(const struct look *look, struct said *head)
{
	if (filter_needs_buffers(&look->ui->filter))
		text_add(said_line(head, NULL, STYLE_WARNING),
		         "size and age are those of single buffers: these totals cannot follow "
		         "them.");
	if (look->ui->filter.words.count != 0)
		text_bytes(said_line(head, NULL, STYLE_DIM), words_in_totals,
		           sizeof(words_in_totals) - 2);
}

/* By the clock of the picture. What was looked at after the last change is true of now. */
void say_survey_age(const struct look *look, struct text *words)
{
	const struct reading *reading = look->reading;
	uint64_t age_ns = look->monotonic_ns > reading->survey_monotonic_ns
	                          ? look->monotonic_ns - reading->survey_monotonic_ns
	                          : 0;
	uint64_t quiet_ns = reading->changed_ns != 0 && reading->changed_ns < look->now_ns
	                            ? look->now_ns - reading->changed_ns
	                            : 0;

	if (reading->survey == NULL || reading->from != NULL || age_ns < OLD_SURVEY_NS ||
	    age_ns < quiet_ns)
		return;
	text_add(words, " (as of ");
	say_ago(words, age_ns);
	text_add(words, ")");
}
