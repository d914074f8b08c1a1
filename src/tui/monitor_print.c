/* SPDX-License-Identifier: Apache-2.0 */
/* One picture without a terminal; and what it shares with the loop. */
#include "monitor_internal.h"

#include "lookout_survey.h"
#include "paint.h"
#include "safe.h"
#include "settings.h"
#include "tui_clock.h"
#include "units.h"

#include <errno.h>
#include <langinfo.h>
#include <string.h>

enum { DEFAULT_ROWS = 24, DEFAULT_COLUMNS = 80 };

static void name_screens(struct text *error)
{
	for (size_t i = 0; i < SCREEN_LIMIT; i++)
		text_addf(error, "%s %s", i != 0 ? "," : "", screens[i].name);
}

int monitor_apply(const struct monitor_options *options, struct ui *ui, struct text *error)
{
	struct filter filter;

	if (options->refresh_ms != 0)
		ui->refresh_ms = options->refresh_ms;
	if (options->screen != NULL) {
		ui->screen = screen_find(options->screen);
		if (ui->screen == SCREEN_LIMIT) {
			text_add(error, "there is no screen '");
			safe_terminal(error, options->screen);
			text_add(error, "': there are");
			name_screens(error);
			ui->screen = SCREEN_MESH;
			return -EINVAL;
		}
	}
	if (options->filter == NULL)
		return 0;
	if (filter_parse(&filter, options->filter, error) != 0) {
		filter_finish(&filter);
		return -EINVAL;
	}
	filter_finish(&ui->filter);
	ui->filter = filter;
	return 0;
}

void monitor_choose_device(struct ui *ui, const struct reading *reading)
{
	uint32_t count = machine_chips(&reading->scene.machine);
	struct selection selection;
	uint32_t row = 0;

	if (ui->device_unique_id != 0 || count == 0)
		return;
	filter_select(&ui->filter, &reading->scene, &selection, NULL);
	while (row < count && !selection_has_device(&selection, row))
		row++;
	selection_finish(&selection);
	ui_set_device(ui, reading, row < count ? row : 0);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void nothing(void *arg)
{
	(void)arg;
}

/* A reading with a survey of all that the screen wants to know. */
static struct reading *read_once(struct lookout_source *source, struct ui *ui)
{
	const struct survey_hooks hooks = {never, nothing, NULL};
	struct reading *reading = lookout_source_read(source);
	struct ui_want want;

	monitor_choose_device(ui, reading);
	ui_want(ui, reading, &want);
	reading->survey = lookout_survey(source, reading, &want.request, &hooks);
	reading->survey_monotonic_ns = tui_monotonic_ns();
	ui_want_finish(&want);
	return reading;
}

static void draw(struct ui *ui, const struct reading *reading, struct canvas *canvas)
{
	struct history *history = history_create();
	struct hits hits = {{NULL, 0, 0}};
	struct look look;

	history_add(history, reading);
	look_init(&look, reading, history, ui, reading->scene.now_ns, reading->monotonic_ns);
	picture_draw(&look, canvas, &hits);
	look_finish(&look);
	hits_finish(&hits);
	history_destroy(history);
}

static int print(const struct monitor_options *options, struct ui *ui, struct canvas *canvas,
                 struct text *error)
{
	struct lookout_source source;
	struct reading *reading;
	int result = monitor_apply(options, ui, error);

	if (result != 0)
		return result;
	result = lookout_source_open(&source, options->from, error);
	if (result >= 0) {
		reading = read_once(&source, ui);
		draw(ui, reading, canvas);
		reading_destroy(reading);
	}
	lookout_source_close(&source);
	return result < 0 ? result : 0;
}

int monitor_print(const struct monitor_options *options, int rows, int columns, struct text *out,
                  struct text *error)
{
	struct canvas canvas = {.cells = NULL};
	struct settings settings;
	struct ui ui;
	int result;

	settings_defaults(&settings);
	ui_init(&ui, settings.refresh_ms);
	settings_apply(&settings, &ui);
	canvas.ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	canvas_size(&canvas, rows > 0 ? rows : DEFAULT_ROWS,
	            columns > 0 ? columns : DEFAULT_COLUMNS);
	result = print(options, &ui, &canvas, error);
	if (result == 0)
		paint_plain(out, &canvas);
	canvas_finish(&canvas);
	ui_finish(&ui);
	return result;
}
