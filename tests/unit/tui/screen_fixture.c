/* SPDX-License-Identifier: Apache-2.0 */
#include "screen_fixture.h"

#include "reader.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

void screen_fixture_init(struct screen_fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		abort();
	fixture->history = history_create();
	ui_init(&fixture->ui, 1000);
	fixture->reading.scene.now_ns = SCREEN_NOW_NS;
	fixture->reading.scene.selection.all_kinds = true;
	fixture->reading.monotonic_ns = SCREEN_MONOTONIC_NS;
}

struct built_view *screen_fixture_add(struct screen_fixture *fixture, int32_t pid, uint64_t first,
                                      uint32_t devices)
{
	struct built_view *built = build_view(pid, LIFE_ALIVE);

	for (uint32_t d = 0; d < devices; d++)
		build_device(built, first + d, (int32_t)d, "");
	fixture->views[fixture->view_count++] = built;
	return built;
}

uint32_t screen_fixture_mesh(struct built_view *built, uint16_t rows, uint16_t columns,
                             uint32_t first)
{
	uint32_t devices[BUILD_MAX];

	for (uint32_t i = 0; i < (uint32_t)rows * columns; i++)
		devices[i] = first + i;
	return build_mesh_space(built, rows, columns, devices);
}

static void look_again(struct screen_fixture *fixture)
{
	look_finish(&fixture->look);
	look_init(&fixture->look, &fixture->reading, fixture->history, &fixture->ui, SCREEN_NOW_NS,
	          SCREEN_MONOTONIC_NS);
}

void screen_fixture_survey(struct screen_fixture *fixture)
{
	struct machine *machine = &fixture->reading.scene.machine;
	struct machine_process *process;
	struct survey_pass *pass;
	struct ui_want want;

	ui_want(&fixture->ui, &fixture->reading, &want);
	pass = survey_begin(machine, &want.request, SCREEN_NOW_NS);
	vec_for (process, &machine->processes) {
		if (process->view == NULL || !survey_wants(pass, process))
			continue;
		survey_process(pass, process, process->view);
		for (uint32_t i = 0; i < process->view->buffer_count; i++)
			survey_add(pass, &process->view->buffers[i]);
	}
	survey_release(fixture->reading.survey);
	fixture->reading.survey = survey_end(pass);
	ui_want_finish(&want);
	look_again(fixture);
}

void screen_fixture_ready(struct screen_fixture *fixture)
{
	struct scene *scene = &fixture->reading.scene;
	struct machine_input input;

	for (size_t i = 0; i < fixture->view_count; i++) {
		build_figures(fixture->views[i]);
		*vec_add(&scene->views) = segment_view_hold(&fixture->views[i]->view);
	}
	input = (struct machine_input){scene->views.items, scene->views.count, &scene->counters,
	                               scene->from != NULL};
	machine_build(&scene->machine, &input);
	history_add(fixture->history, &fixture->reading);
	screen_fixture_survey(fixture);
}

void screen_fixture_filter(struct screen_fixture *fixture, const char *filter)
{
	struct text error = {0};

	filter_finish(&fixture->ui.filter);
	if (filter_parse(&fixture->ui.filter, filter, &error) != 0)
		abort();
	text_finish(&error);
	look_again(fixture);
	screen_fixture_survey(fixture);
}

static void make_sheet(struct screen_fixture *fixture)
{
	enum screen_id screen = fixture->ui.screen;

	sheet_finish(&fixture->sheet);
	sheet_init(&fixture->sheet, NULL, 0);
	screens[screen].make(&fixture->look, &fixture->sheet);
	sheet_sort(&fixture->sheet, &fixture->ui.lists[screen]);
	sheet_settle(&fixture->sheet, &fixture->ui.lists[screen]);
}

void screen_fixture_draw(struct screen_fixture *fixture, enum screen_id screen, int rows,
                         int columns)
{
	fixture->ui.screen = screen;
	canvas_size(&fixture->canvas, rows, columns);
	canvas_clear(&fixture->canvas);
	hits_clear(&fixture->hits);
	make_sheet(fixture);
	screens[screen].draw(&fixture->look, &fixture->sheet, &fixture->canvas,
	                     canvas_area(&fixture->canvas), &fixture->hits);
}

bool screen_fixture_key(struct screen_fixture *fixture, uint32_t key)
{
	struct ui_wish wish = {.quit = false};
	bool taken;

	make_sheet(fixture);
	taken = screens[fixture->ui.screen].key(&fixture->ui, &fixture->look, &fixture->sheet, key,
	                                        &wish);
	screen_fixture_survey(fixture);
	return taken;
}

/* The text of a row, a byte or more per cell; columns[] is the cell of each byte. */
static void row_text(const struct canvas *canvas, int row, struct text *out, int *columns)
{
	for (int column = 0; column < canvas->columns; column++) {
		const char *bytes = canvas_cell(canvas, row, column)->bytes;

		for (size_t i = 0; i < strlen(bytes); i++)
			columns[out->length + i] = column;
		text_add(out, bytes);
	}
}

static int find_from(const struct screen_fixture *fixture, const char *wanted, int *ret_row,
                     int *ret_column)
{
	const struct canvas *canvas = &fixture->canvas;
	int *columns = calloc((size_t)canvas->columns * CELL_BYTES + 1, sizeof(*columns));
	struct text line = {0};
	int count = 0;

	for (int row = 0; row < canvas->rows; row++) {
		const char *at;

		text_clear(&line);
		row_text(canvas, row, &line, columns);
		at = strstr(text_string(&line), wanted);
		for (; at != NULL; at = strstr(at + 1, wanted)) {
			if (count++ != 0)
				continue;
			*ret_row = row;
			*ret_column = columns[at - text_string(&line)];
		}
	}
	text_finish(&line);
	free(columns);
	return count;
}

bool screen_find_text(const struct screen_fixture *fixture, const char *text, int *ret_row,
                      int *ret_column)
{
	return find_from(fixture, text, ret_row, ret_column) != 0;
}

bool screen_has(const struct screen_fixture *fixture, const char *text)
{
	return screen_count(fixture, text) != 0;
}

int screen_count(const struct screen_fixture *fixture, const char *text)
{
	int row, column;

	return find_from(fixture, text, &row, &column);
}

void screen_check_cells(const struct screen_fixture *fixture)
{
	const struct canvas *canvas = &fixture->canvas;

	for (int i = 0; i < canvas->rows * canvas->columns; i++) {
		const struct cell *cell = &canvas->cells[i];

		if (memchr(cell->bytes, '\0', CELL_BYTES) == NULL || cell->columns > 2 ||
		    cell->style >= STYLE_LIMIT)
			abort();
		for (const char *byte = cell->bytes; *byte != '\0'; byte++)
			if ((unsigned char)*byte < ' ' || *byte == 127)
				abort();
	}
}

void screen_fixture_finish(struct screen_fixture *fixture)
{
	look_finish(&fixture->look);
	ui_finish(&fixture->ui);
	history_destroy(fixture->history);
	survey_release(fixture->reading.survey);
	scene_close(&fixture->reading.scene);
	for (size_t i = 0; i < fixture->view_count; i++)
		build_free(fixture->views[i]);
	canvas_finish(&fixture->canvas);
	hits_finish(&fixture->hits);
	sheet_finish(&fixture->sheet);
}
