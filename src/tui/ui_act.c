/* SPDX-License-Identifier: Apache-2.0 */
#include "ui_act.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define UNUSED(argument) (void)(argument)

static struct sheet_state *list(struct ui *ui)
{
	return &ui->lists[ui->screen];
}

void act_help(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	ui->overlay = OVERLAY_HELP;
	ui->overlay_top = 0;
}

void act_quit(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	UNUSED(ui), UNUSED(look), UNUSED(sheet);
	wish->quit = true;
}

void act_suspend(struct ui *ui, const struct look *look, const struct sheet *sheet,
                 struct ui_wish *wish)
{
	UNUSED(ui), UNUSED(look), UNUSED(sheet);
	wish->suspend = true;
}

void act_redraw(struct ui *ui, const struct look *look, const struct sheet *sheet,
                struct ui_wish *wish)
{
	UNUSED(ui), UNUSED(look), UNUSED(sheet);
	wish->redraw_all = true;
}

static bool is_file(const struct look *look)
{
	return look->reading != NULL && look->reading->from != NULL;
}

void act_read(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	UNUSED(sheet);
	if (is_file(look)) {
		ui_say(ui, false, "this is a file: there is nothing newer to read");
		return;
	}
	wish->hurry = true;
}

void act_pause(struct ui *ui, const struct look *look, const struct sheet *sheet,
               struct ui_wish *wish)
{
	UNUSED(sheet);
	if (is_file(look)) {
		ui_say(ui, false, "this is a file: it does not change");
		return;
	}
	ui->paused = !ui->paused;
	wish->hurry = !ui->paused;
}

static const unsigned refreshes_ms[] = {REFRESH_LEAST_MS, 200, 500, 1000, 2000, 5000,
                                        REFRESH_MOST_MS};

static void say_refresh(struct ui *ui)
{
	ui_say(ui, false, "a reading every %g s", (double)ui->refresh_ms / 1000);
}

void act_slower(struct ui *ui, const struct look *look, const struct sheet *sheet,
                struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	for (size_t i = 0; i < ARRAY_COUNT(refreshes_ms); i++)
		if (refreshes_ms[i] > ui->refresh_ms) {
			ui->refresh_ms = refreshes_ms[i];
			break;
		}
	say_refresh(ui);
}

void act_faster(struct ui *ui, const struct look *look, const struct sheet *sheet,
                struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	for (size_t i = ARRAY_COUNT(refreshes_ms); i-- > 0;)
		if (refreshes_ms[i] < ui->refresh_ms) {
			ui->refresh_ms = refreshes_ms[i];
			break;
		}
	say_refresh(ui);
}

void ui_show(struct ui *ui, enum screen_id screen)
{
	ui->screen = screen;
	ui->back = SCREEN_LIMIT;
}

void ui_open(struct ui *ui, enum screen_id screen)
{
	if (ui->screen != screen)
		ui->back = ui->screen;
	ui->screen = screen;
}

void act_next_screen(struct ui *ui, const struct look *look, const struct sheet *sheet,
                     struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	ui_show(ui, (ui->screen + 1) % SCREEN_LIMIT);
}

void act_previous_screen(struct ui *ui, const struct look *look, const struct sheet *sheet,
                         struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	ui_show(ui, (ui->screen + SCREEN_LIMIT - 1) % SCREEN_LIMIT);
}

#define SHOWS(name, id)                                                                            \
	void name(struct ui *ui, const struct look *look, const struct sheet *sheet,               \
	          struct ui_wish *wish)                                                            \
	{                                                                                          \
		UNUSED(look), UNUSED(sheet), UNUSED(wish);                                         \
		ui_show(ui, id);                                                                   \
	}
SHOWS(act_mesh, SCREEN_MESH)
SHOWS(act_device, SCREEN_DEVICE)
SHOWS(act_processes, SCREEN_PROCESSES)
SHOWS(act_tags, SCREEN_TAGS)
SHOWS(act_growth, SCREEN_GROWTH)
SHOWS(act_faults, SCREEN_FAULTS)

void act_back(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	if (ui->back < SCREEN_LIMIT)
		ui_show(ui, ui->back);
	else if (!filter_is_empty(&ui->filter))
		ui_filter(ui, "");
}

static long page(struct ui *ui)
{
	return list(ui)->seen > 1 ? (long)list(ui)->seen - 1 : 1;
}

#define MOVES(name, rows)                                                                          \
	void name(struct ui *ui, const struct look *look, const struct sheet *sheet,               \
	          struct ui_wish *wish)                                                            \
	{                                                                                          \
		UNUSED(look), UNUSED(wish);                                                        \
		sheet_move(sheet, list(ui), rows);                                                 \
	}
MOVES(act_up, -1)
MOVES(act_down, 1)
MOVES(act_page_up, -page(ui))
MOVES(act_page_down, page(ui))
MOVES(act_first, -(long)sheet->rows.count)
MOVES(act_last, (long)sheet->rows.count)

void ui_order_buffers(struct ui *ui, const struct sheet *sheet)
{
	const struct sheet_state *state = list(ui);
	const struct sheet_column *column =
		state->sort < sheet->column_count ? &sheet->columns[state->sort] : NULL;

	if (ui->screen != SCREEN_DEVICE)
		return;
	ui->buffers_order = LIST_BY_SIZE;
	if (column != NULL && column->type == VALUE_AGE)
		ui->buffers_order = state->descending ? LIST_BY_AGE : LIST_BY_YOUTH;
	else if (column != NULL && strcmp(column->name, "tag") == 0)
		ui->buffers_order = LIST_BY_TAG;
}

static void say_sort(struct ui *ui, const struct sheet *sheet)
{
	const struct sheet_state *state = list(ui);

	if (state->sort < sheet->column_count)
		ui_say(ui, false, "sorted by %s, %s first", sheet->columns[state->sort].title,
		       sheet->columns[state->sort].type == VALUE_TEXT
		               ? (state->descending ? "Z" : "A")
		               : (state->descending ? "the largest" : "the smallest"));
	else
		ui_say(ui, false, "in the order of the screen");
}

void ui_sort_by(struct ui *ui, const struct sheet *sheet, size_t column)
{
	struct sheet_state *state = list(ui);

	if (column >= sheet->column_count) {
		sheet_sort_by(sheet, state, SIZE_MAX);
		state->descending = false;
	} else if (state->sort == column) {
		state->descending = !state->descending;
	} else {
		sheet_sort_by(sheet, state, column);
		state->descending = !sheet->columns[column].ascending;
	}
	ui_order_buffers(ui, sheet);
	say_sort(ui, sheet);
}

/* Tiles lie as the devices do. */
static bool has_no_order(struct ui *ui)
{
	if (ui->screen != SCREEN_MESH || ui->mesh_as_list)
		return false;
	ui_say(ui, false, "tiles lie as the devices do: l makes a list of them, to be sorted");
	return true;
}

void act_sort(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	size_t next = list(ui)->sort == SIZE_MAX ? 0 : list(ui)->sort + 1;

	UNUSED(look), UNUSED(wish);
	if (has_no_order(ui))
		return;
	while (next < sheet->column_count && sheet->columns[next].type == VALUE_BAR)
		next++;
	ui_sort_by(ui, sheet, next < sheet->column_count ? next : SIZE_MAX);
}

void act_reverse(struct ui *ui, const struct look *look, const struct sheet *sheet,
                 struct ui_wish *wish)
{
	UNUSED(look), UNUSED(wish);
	if (has_no_order(ui))
		return;
	if (list(ui)->sort < sheet->column_count)
		ui_sort_by(ui, sheet, list(ui)->sort);
	else
		ui_say(ui, false, "press s first: it sorts by a column");
}

void act_mark(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	UNUSED(sheet), UNUSED(wish);
	if (look->reading == NULL)
		return;
	mark_set(&ui->mark, look->reading);
	ui_say(ui, false, "marked: what comes from here on and stays is on screen 5");
}

void act_unmark(struct ui *ui, const struct look *look, const struct sheet *sheet,
                struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	ui_say(ui, false, ui->mark.set ? "the mark is gone" : "there is no mark: m sets it");
	mark_clear(&ui->mark);
}

void act_filter(struct ui *ui, const struct look *look, const struct sheet *sheet,
                struct ui_wish *wish)
{
	UNUSED(look), UNUSED(sheet), UNUSED(wish);
	prompt_open(ui, PROMPT_FILTER, ui->filter.source != NULL ? ui->filter.source : "");
}

void act_export(struct ui *ui, const struct look *look, const struct sheet *sheet,
                struct ui_wish *wish)
{
	time_t seconds = (time_t)(look->now_ns / 1000000000u);
	char when[32] = "", path[96];
	struct tm parts;

	UNUSED(sheet), UNUSED(wish);
	if (look->reading == NULL) {
		ui_say(ui, false, "nothing has been read yet");
		return;
	}
	if (localtime_r(&seconds, &parts) != NULL)
		strftime(when, sizeof(when), "-%Y%m%d-%H%M%S", &parts);
	snprintf(path, sizeof(path), "meshtally-%s%s.json", screens[ui->screen].name, when);
	prompt_open(ui, PROMPT_EXPORT, path);
}

void act_save(struct ui *ui, const struct look *look, const struct sheet *sheet,
              struct ui_wish *wish)
{
	UNUSED(ui), UNUSED(look), UNUSED(sheet);
	wish->save_settings = true;
}
