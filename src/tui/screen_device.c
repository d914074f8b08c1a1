/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of one device: its memory, what it held over time, who holds it, and the buffers. */
#include "device_parts.h"
#include "mesh_sections.h"
#include "screens.h"

#include <string.h>

/* Lines for each part, by what there is. */
struct device_plan {
	int title, kinds, maps, curves, holders, gap;
};

static int least(int a, int b)
{
	return a < b ? a : b;
}

static struct device_plan plan_for(int rows, int kinds, int maps)
{
	struct device_plan plan = {0};

	kinds = kinds > 0 ? kinds : 1;
	maps = maps > 0 ? least(maps, 3) : 1;
	plan.title = rows >= 6;
	plan.kinds = rows >= 5 ? least(kinds, rows / 4) : 0;
	if (rows >= 12) {
		plan.maps = least(maps, 2);
		plan.holders = 1;
	}
	if (rows >= 16)
		plan.curves = 1;
	if (rows >= 18)
		plan.gap = 1;
	if (rows >= 26) {
		plan.maps = maps * 3;
		plan.curves = 3;
	}
	if (rows >= 40) {
		plan.maps = maps * 5;
		plan.curves = 4;
	}
	return plan;
}

struct device_picture {
	const struct look *look;
	struct mesh_figures figures;
	uint32_t row;
	const struct survey_buffer *selected; /* NULL none */
	struct canvas *canvas;
};

static const struct survey_buffer *
selected_buffer(const struct look *look, const struct survey *survey, const struct sheet *sheet)
{
	const struct sheet_row *row = sheet_selected(sheet, &look->ui->lists[SCREEN_DEVICE]);
	const struct survey_buffer *buffer;

	if (survey == NULL || row == NULL)
		return NULL;
	vec_for (buffer, &survey->list)
		if (device_buffer_key(buffer) == row->key)
			return buffer;
	return NULL;
}

static struct area take(struct area *area, int rows)
{
	struct area part = {area->row, area->column, least(rows, area->rows), area->columns};

	area->row += part.rows;
	area->rows -= part.rows;
	return part;
}

/* The same with a column of margin on both sides, and a gap below where there is one. */
static struct area take_part(struct area *area, int rows, int gap)
{
	struct area part = take(area, rows);

	if (rows > 0)
		take(area, gap);
	part.column += 1;
	part.columns -= 2;
	return part;
}

/* Who it is, and what the colours mean where it takes nothing away. */
static void draw_title(const struct device_picture *picture, struct area area)
{
	enum { LEGEND_COLUMNS = 50 };
	int end = device_title(&picture->figures, picture->row, picture->canvas, area);

	if (area.column + area.columns - LEGEND_COLUMNS <= end + 1)
		return;
	area.column += area.columns - LEGEND_COLUMNS;
	area.columns = LEGEND_COLUMNS;
	mesh_legend(&picture->figures, 0, false, picture->canvas, area);
}

static void draw_narrow(const struct device_picture *picture, struct area *area, int maps)
{
	struct device_plan plan = plan_for(area->rows, (int)picture->figures.shown_count, maps);
	struct area part = take(area, plan.title);
	int gap = plan.curves > 1;

	if (plan.title != 0)
		draw_title(picture, part);
	part = take_part(area, plan.kinds, gap);
	device_kinds(&picture->figures, picture->row, picture->canvas, part);
	part = take_part(area, plan.maps, gap);
	if (plan.maps != 0)
		device_maps(picture->look, &picture->figures, picture->row, picture->selected,
		            picture->canvas, part);
	part = take_part(area, plan.curves, gap);
	if (plan.curves != 0)
		device_curves(picture->look, &picture->figures, picture->row, false,
		              picture->canvas, part);
	part = take_part(area, plan.holders, 0);
	if (plan.holders != 0)
		device_holders_line(picture->look, picture->row, picture->canvas, part);
	take(area, plan.gap);
}

/* Maps on the left, curves and holders on the right. */
static void draw_wide(const struct device_picture *picture, struct area *area)
{
	int kinds = least((int)picture->figures.shown_count, 6);
	struct area part = take(area, 1), left, right;
	struct holders holders;

	draw_title(picture, part);
	take(area, 1);
	left = take_part(area, area->rows * 45 / 100, 1);
	right = left;
	left.columns = left.columns * 62 / 100;
	right.column += left.columns + 3;
	right.columns -= left.columns + 3;
	part = take(&left, kinds);
	device_kinds(&picture->figures, picture->row, picture->canvas, part);
	take(&left, 1);
	device_maps(picture->look, &picture->figures, picture->row, picture->selected,
	            picture->canvas, left);
	part = take(&right, right.rows * 60 / 100);
	device_curves(picture->look, &picture->figures, picture->row, true, picture->canvas, part);
	take(&right, 1);
	holders_find(&holders, picture->look, picture->row);
	holders_draw(&holders, "Held by", picture->canvas, right);
	vec_finish(&holders.holders);
}

void device_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                 struct area area, struct hits *hits)
{
	struct device_picture picture = {.look = look, .row = look_device(look), .canvas = canvas};
	const struct survey *survey = device_survey(look, picture.row);

	if (area.rows <= 0 || area.columns <= 0)
		return;
	if (picture.row != UINT32_MAX) {
		picture.selected = selected_buffer(look, survey, sheet);
		figures_make(&picture.figures, look);
		figures_headroom(&picture.figures, look);
		if (area.rows >= 36 && area.columns >= 140)
			draw_wide(&picture, &area);
		else
			draw_narrow(&picture, &area, survey != NULL ? (int)survey->maps.count : 2);
		figures_finish(&picture.figures);
	}
	sheet_draw(sheet, &look->ui->lists[SCREEN_DEVICE], canvas, area, true, hits);
}

/* The next one in a direction that the filter lets through; around at the ends. */
static void next_device(struct ui *ui, const struct look *look, uint32_t by)
{
	uint32_t count = machine_chips(&look->reading->scene.machine);
	uint32_t row = look_device(look);

	for (uint32_t i = 0; i < count; i++) {
		row = (row + by) % count;
		if (selection_has_device(&look->selection, row)) {
			ui_set_device(ui, look->reading, row);
			return;
		}
	}
}

static void only_this_tag(struct ui *ui, const struct look *look, const struct sheet *sheet)
{
	const struct sheet_row *row = sheet_selected(sheet, &ui->lists[SCREEN_DEVICE]);

	(void)look;
	for (size_t i = 0; row != NULL && i < sheet->column_count; i++) {
		if (strcmp(sheet->columns[i].name, "tag") != 0)
			continue;
		if (row->values[i].known)
			ui_narrow(ui, "tag", row->values[i].text);
		else
			ui_say(ui, false, "this buffer has no tag");
	}
}

bool device_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                struct ui_wish *wish)
{
	uint32_t count = machine_chips(&look->reading->scene.machine);

	(void)wish;
	switch (key) {
	case KEY_LEFT:
		next_device(ui, look, count - 1);
		return true;
	case KEY_RIGHT:
		next_device(ui, look, 1);
		return true;
	case KEY_ENTER:
		only_this_tag(ui, look, sheet);
		return true;
	case 'v':
		ui_next_kind(ui, look);
		return true;
	case '[':
		ui->span = ui->span == HISTORY_1_MINUTE ? ui->span : ui->span - 1;
		return true;
	case ']':
		ui->span = ui->span + 1 == HISTORY_SPANS ? ui->span : ui->span + 1;
		return true;
	default:
		return false;
	}
}
