/* SPDX-License-Identifier: Apache-2.0 */
#include "device_map.h"
#include "device_parts.h"
#include "mesh_sections.h"
#include "mesh_tile.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>

void say_no_devices(const struct look *look, struct text *out)
{
	if (look->reading == NULL)
		text_add(out, "Looking for programs that are tracked ...\n");
	else if (look->reading->scene.machine.processes.count != 0)
		text_add(out, "Programs are tracked, but none of them has opened a device yet.\n");
	else if (look->reading->scene.from != NULL)
		text_add(out, "The file has no device in it.\n");
	else
		text_add(out,
		         "No device memory is tracked on this machine yet.\n"
		         "  meshtally run -- PROGRAM   runs a program with tracking on;\n"
		         "  MESHTALLY=1                in a program's environment turns it on;\n"
		         "  meshtally doctor           says why a program does not show up.\n");
}

void device_kinds(const struct mesh_figures *figures, uint32_t row, struct canvas *canvas,
                  struct area area)
{
	int line = 0;

	for (size_t i = 0; i < figures->shown_count && line < area.rows; i++) {
		const struct machine_figure *figure = figures_get(figures, row, figures->shown[i]);
		const char *name = figures->machine->kind_names[figures->shown[i]];
		char peak[UNITS_SIZE];
		int right = area.columns >= 90 ? 17 : 0;

		if (figure == NULL)
			continue;
		figure_line(canvas, area.row + line, area.column, area.columns - right, name,
		            figure);
		if (right != 0 && figure->peak_known)
			canvas_textf(canvas, area.row + line, area.column + area.columns - right,
			             right, STYLE_DIM, " peak %10s",
			             units_bytes(&peak, figure->peak, figure->exact));
		line++;
	}
}

static void map_line(const struct survey_map *map, const struct survey_hole *marked,
                     const char *name, struct canvas *canvas, struct area area)
{
	int right = area.columns >= 100 ? 46 : area.columns >= 70 ? 16 : 0, at = 8;
	char bytes[UNITS_SIZE];
	struct text words = {0};
	struct area cells = {area.row, area.column + at, 1, area.columns - at - right};

	canvas_foreign(canvas, area.row, area.column, at - 1, STYLE_DIM, name);
	/* A map in which buffers are missing would show them as free. */
	if (map->no_address != 0) {
		map_words(map, &words);
		canvas_text(canvas, area.row, area.column + at, area.columns - at, STYLE_DIM,
		            words.bytes);
		text_finish(&words);
		return;
	}
	map_draw(map, marked, canvas, cells);
	if (right >= 46)
		map_words(map, &words);
	else if (right != 0 && map->known)
		text_addf(&words, "%s free", units_bytes_short(&bytes, map->free));
	else if (right != 0)
		text_add(&words, "not all known");
	canvas_text(canvas, area.row, area.column + area.columns - right + 1, right - 1, STYLE_TEXT,
	            text_string(&words));
	text_finish(&words);
}

static void map_block(const struct survey_map *map, const struct survey_hole *marked,
                      const char *name, struct canvas *canvas, struct area area)
{
	struct text words = {0};
	char bytes[UNITS_SIZE];
	int at = area.column;

	at += canvas_foreign(canvas, area.row, at, 12, STYLE_HEADING, name);
	if (map->no_address != 0)
		text_add(&words, "  ");
	else if (map->banks > 1)
		text_addf(&words, "  %" PRIu32 " banks of %s; each: ", map->banks,
		          units_bytes_short(&bytes, map->bank_bytes));
	else
		text_addf(&words, "  %s: ", units_bytes_short(&bytes, map->bank_bytes));
	map_words(map, &words);
	canvas_text(canvas, area.row, at, area.columns - (at - area.column), STYLE_TEXT,
	            words.bytes);
	area.row++;
	area.rows--;
	if (map->no_address == 0)
		map_draw(map, marked, canvas, area);
	text_finish(&words);
}

/* The kind that was chosen comes first. */
static const struct survey_map *nth_map(const struct survey *survey, uint32_t first_kind,
                                        size_t number)
{
	const struct survey_map *map;

	vec_for (map, &survey->maps)
		if (map->kind == first_kind && number-- == 0)
			return map;
	vec_for (map, &survey->maps)
		if (map->kind != first_kind && number-- == 0)
			return map;
	return NULL;
}

/* The first one gets more where there is much. */
static int map_rows(int rows, int count, int number)
{
	int first = rows / count + rows % count;

	if (count > 1 && rows >= 4 * count)
		first = rows - (rows / 3) / (count - 1) * (count - 1);
	return number == 0 ? first : (rows - first) / (count - 1);
}

void device_maps(const struct look *look, const struct mesh_figures *figures, uint32_t row,
                 const struct survey_buffer *selected, struct canvas *canvas, struct area area)
{
	struct survey_hole place = {selected != NULL ? selected->address : 0,
	                            selected != NULL ? selected->span : 0};
	const struct survey *survey = device_survey(look, row);
	uint32_t first = figures_main_kind(figures, look->ui);
	int count, line = 0;

	if (survey == NULL || survey->maps.count == 0) {
		canvas_text(canvas, area.row, area.column, area.columns, STYLE_DIM,
		            survey != NULL ? "what lies where is not known"
		            : look->ui->paused
		                    ? "what lies where: paused before single buffers were "
		                      "looked at"
		                    : "what lies where: looking at single buffers ...");
		return;
	}
	count = (int)survey->maps.count;
	count = count > 1 && area.rows < count ? area.rows : count;
	count = area.rows / count < 3 && area.rows > 3 && count > 2 ? 2 : count;
	for (int i = 0; i < count; i++) {
		const struct survey_map *map = nth_map(survey, first, (size_t)i);
		int rows = map_rows(area.rows, count, i);
		struct area part = {area.row + line, area.column, rows, area.columns};

		const struct survey_hole *marked;

		if (map->kind >= figures->kinds)
			continue;
		marked = selected != NULL && selected->kind == map->kind ? &place : NULL;
		if (rows > 1)
			map_block(map, marked, figures->machine->kind_names[map->kind], canvas,
			          part);
		else
			map_line(map, marked, figures->machine->kind_names[map->kind], canvas,
			         part);
		line += rows;
	}
}

static const char *const span_words[HISTORY_SPANS] = {
	[HISTORY_1_MINUTE] = "minute",
	[HISTORY_10_MINUTES] = "10 minutes",
	[HISTORY_60_MINUTES] = "hour",
};

static void draw_curve(const struct look *look, const char *name, uint32_t row, uint32_t kind,
                       struct canvas *canvas, struct area area)
{
	struct area curve = area;
	struct text label = {0};
	char bytes[UNITS_SIZE];
	uint64_t most;

	if (area.rows > 1) {
		curve.row++;
		curve.rows--;
		curve.columns -= curve.columns > 40 ? 2 : 1;
	} else {
		curve.column += 7;
		curve.columns -= 7 + 12;
	}
	figure_spark(look, canvas, curve, STYLE_USER, row, kind, &most);
	safe_terminal(&label, name);
	if (area.rows > 1)
		text_addf(&label, "  last %s, most %s", span_words[look->ui->span],
		          units_bytes_short(&bytes, most));
	else
		canvas_right(canvas, area.row, area.column + area.columns - 12, 11, STYLE_DIM,
		             units_bytes(&bytes, most, true));
	canvas_text(canvas, area.row, area.column, area.rows > 1 ? area.columns : 6, STYLE_DIM,
	            label.bytes);
	text_finish(&label);
}

void device_curves(const struct look *look, const struct mesh_figures *figures, uint32_t row,
                   bool stacked, struct canvas *canvas, struct area area)
{
	size_t kinds = area.rows > 1 ? figures->shown_count : figures->bar_count;
	int count = kinds > 3 ? 3 : (int)kinds;
	struct area part = area;

	if (count == 0)
		return;
	if (stacked && area.rows / count < 2)
		count = area.rows / 2 > 0 ? area.rows / 2 : 1;
	if (!stacked && area.columns / count < 26)
		count = area.columns / 26 > 0 ? area.columns / 26 : 1;
	part.columns = stacked ? area.columns : area.columns / count;
	part.rows = stacked ? area.rows / count : area.rows;
	for (int i = 0; i < count; i++) {
		uint32_t kind = figures->shown[i];

		if (figures_get(figures, row, kind) != NULL)
			draw_curve(look, figures->machine->kind_names[kind], row, kind, canvas,
			           part);
		if (stacked)
			part.row += part.rows;
		else
			part.column += part.columns;
	}
}

void device_holders_line(const struct look *look, uint32_t row, struct canvas *canvas,
                         struct area area)
{
	int at = area.column, end = area.column + area.columns;
	struct holders holders;
	struct text text = {0};
	char bytes[UNITS_SIZE];

	holders_find(&holders, look, row);
	at += canvas_text(canvas, area.row, at, end - at, STYLE_DIM,
	                  holders.holders.count == 0 ? "held by nobody" : "held by ");
	for (size_t i = 0; i < holders.holders.count && end - at > 12; i++) {
		const struct holder *holder = &holders.holders.items[i];

		text_clear(&text);
		text_addf(&text, "%s%" PRId32 " ", i != 0 ? ",  " : "", holder->process->pid);
		safe_terminal(&text, holder->process->command);
		text_addf(&text, " %s", units_bytes_short(&bytes, holder->bytes));
		at += canvas_text(canvas, area.row, at, end - at,
		                  holder->process->dead ? STYLE_DEAD : STYLE_TEXT, text.bytes);
	}
	vec_finish(&holders.holders);
	text_finish(&text);
}
