/* SPDX-License-Identifier: Apache-2.0 */
#include "ui.h"

#include "ui_act.h"

#include <stdarg.h>

enum { WHEEL_ROWS = 3, HELP_PAGE = 10 };

void ui_init(struct ui *ui, unsigned refresh_ms)
{
	struct text error = {0};

	*ui = (struct ui){.refresh_ms = refresh_ms,
	                  .back = SCREEN_LIMIT,
	                  .map_kind = UINT32_MAX,
	                  .tree = true};
	filter_parse(&ui->filter, "", &error);
	text_finish(&error);
	for (size_t i = 0; i < SCREEN_LIMIT; i++)
		ui->lists[i].sort = SIZE_MAX;
}

void ui_finish(struct ui *ui)
{
	filter_finish(&ui->filter);
	text_finish(&ui->complaint);
	mark_clear(&ui->mark);
	vec_finish(&ui->folded);
	vec_finish(&ui->dismissed);
}

void ui_say(struct ui *ui, bool bad, const char *format, ...)
{
	va_list arguments;

	text_clear(&ui->complaint);
	va_start(arguments, format);
	text_vaddf(&ui->complaint, format, arguments);
	va_end(arguments);
	ui->complaint_is_bad = bad;
}

bool ui_is_folded(const struct ui *ui, uint64_t key)
{
	for (size_t i = 0; i < ui->folded.count; i++)
		if (ui->folded.items[i] == key)
			return true;
	return false;
}

void ui_fold(struct ui *ui, uint64_t key, bool folded)
{
	for (size_t i = 0; i < ui->folded.count; i++)
		if (ui->folded.items[i] == key) {
			if (!folded)
				ui->folded.items[i] = ui->folded.items[--ui->folded.count];
			return;
		}
	if (folded)
		*vec_add(&ui->folded) = key;
}

void ui_set_device(struct ui *ui, const struct reading *reading, uint32_t row)
{
	const struct machine *machine = reading != NULL ? &reading->scene.machine : NULL;

	if (machine == NULL || row >= machine_chips(machine))
		return;
	ui->device = row;
	ui->device_unique_id = machine->devices.items[row].unique_id;
}

static bool screen_takes(struct ui *ui, const struct look *look, const struct sheet *sheet,
                         uint32_t key, struct ui_wish *wish)
{
	const struct screen *screen = &screens[ui->screen];

	return look->reading != NULL && screen->key != NULL &&
	       screen->key(ui, look, sheet, key, wish);
}

static void press(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                  struct ui_wish *wish)
{
	const struct key_row *row;

	if (screen_takes(ui, look, sheet, key, wish))
		return;
	row = key_find(key, ui->screen);
	if (row != NULL && row->act != NULL)
		row->act(ui, look, sheet, wish);
}

static void click_row(struct ui *ui, const struct look *look, const struct sheet *sheet, size_t row,
                      struct ui_wish *wish)
{
	struct sheet_state *state = &ui->lists[ui->screen];

	if (row >= sheet->rows.count)
		return;
	if (row == state->cursor)
		press(ui, look, sheet, KEY_ENTER, wish);
	else
		sheet_select(sheet, state, row);
}

static void click_tile(struct ui *ui, const struct look *look, const struct sheet *sheet,
                       uint32_t row, struct ui_wish *wish)
{
	if (row == ui->device)
		press(ui, look, sheet, KEY_ENTER, wish);
	else
		ui_set_device(ui, look->reading, row);
}

static void click(struct ui *ui, const struct look *look, const struct sheet *sheet,
                  const struct hit *hit, struct ui_wish *wish)
{
	switch (hit->type) {
	case HIT_SCREEN:
		if (hit->argument < SCREEN_LIMIT)
			ui_show(ui, (enum screen_id)hit->argument);
		break;
	case HIT_ROW:
		click_row(ui, look, sheet, (size_t)hit->argument, wish);
		break;
	case HIT_SORT:
		ui_sort_by(ui, sheet, (size_t)hit->argument);
		break;
	case HIT_TILE:
		click_tile(ui, look, sheet, (uint32_t)hit->argument, wish);
		break;
	case HIT_KEY:
		press(ui, look, sheet, (uint32_t)hit->argument, wish);
		break;
	}
}

static void wheel(struct ui *ui, const struct look *look, const struct sheet *sheet, bool up,
                  struct ui_wish *wish)
{
	if (!screen_takes(ui, look, sheet, up ? KEY_UP : KEY_DOWN, wish))
		sheet_move(sheet, &ui->lists[ui->screen], up ? -WHEEL_ROWS : WHEEL_ROWS);
}

/* Any key that is not about moving closes it, and is not taken otherwise but for leaving. */
static void overlay_key(struct ui *ui, uint32_t key, struct ui_wish *wish)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		ui->overlay_top--;
		break;
	case KEY_DOWN:
	case 'j':
		ui->overlay_top++;
		break;
	case KEY_PAGE_UP:
		ui->overlay_top -= HELP_PAGE;
		break;
	case KEY_PAGE_DOWN:
	case KEY_SPACE:
		ui->overlay_top += HELP_PAGE;
		break;
	case KEY_HOME:
	case 'g':
		ui->overlay_top = 0;
		break;
	case KEY_END:
	case 'G':
		ui->overlay_top = INT32_MAX / 2; /* drawing corrects it */
		break;
	case KEY_CTRL('c'):
		wish->quit = true;
		break;
	case KEY_CTRL('z'):
		wish->suspend = true;
		break;
	case KEY_CTRL('l'):
		wish->redraw_all = true;
		break;
	default:
		ui->overlay = OVERLAY_NONE;
	}
	if (ui->overlay_top < 0)
		ui->overlay_top = 0;
}

static void overlay_event(struct ui *ui, const struct input_event *event, struct ui_wish *wish)
{
	if (event->type == INPUT_KEY)
		overlay_key(ui, event->key, wish);
	else if (event->mouse == MOUSE_PRESS)
		ui->overlay = OVERLAY_NONE;
	else
		overlay_key(ui, event->mouse == MOUSE_WHEEL_UP ? KEY_UP : KEY_DOWN, wish);
}

/* The list as it is on the screen, for whatever is done with it. */
static void list_event(struct ui *ui, const struct look *look, const struct hits *hits,
                       const struct input_event *event, struct ui_wish *wish)
{
	const struct hit *hit = NULL;
	struct sheet sheet;

	sheet_init(&sheet, NULL, 0);
	if (look->reading != NULL)
		screens[ui->screen].make(look, &sheet);
	sheet_sort(&sheet, &ui->lists[ui->screen]);
	sheet_settle(&sheet, &ui->lists[ui->screen]);
	ui_order_buffers(ui, &sheet); /* as the settings may have it */
	if (event->type == INPUT_KEY)
		press(ui, look, &sheet, event->key, wish);
	else if (event->mouse != MOUSE_PRESS)
		wheel(ui, look, &sheet, event->mouse == MOUSE_WHEEL_UP, wish);
	else if (hits != NULL && (hit = hits_find(hits, event->row, event->column)) != NULL)
		click(ui, look, &sheet, hit, wish);
	sheet_finish(&sheet);
}

/* What the lookout goes by. */
struct wants {
	enum screen_id screen;
	const char *filter;
	bool mark, paused;
	uint64_t mark_ns, device_unique_id;
	uint32_t device;
	enum listing_order order;
	unsigned refresh_ms;
};

static struct wants wants_of(const struct ui *ui)
{
	return (struct wants){ui->screen, ui->filter.source,    ui->mark.set,
	                      ui->paused, ui->mark.realtime_ns, ui->device_unique_id,
	                      ui->device, ui->buffers_order,    ui->refresh_ms};
}

static bool wants_are(const struct wants *a, const struct wants *b)
{
	return a->screen == b->screen && a->filter == b->filter && a->mark == b->mark &&
	       a->paused == b->paused && a->mark_ns == b->mark_ns &&
	       a->device_unique_id == b->device_unique_id && a->device == b->device &&
	       a->order == b->order && a->refresh_ms == b->refresh_ms;
}

void ui_event(struct ui *ui, const struct look *look, const struct hits *hits,
              const struct input_event *event, struct ui_wish *ret_wish)
{
	struct wants before = wants_of(ui), after;

	*ret_wish = (struct ui_wish){.quit = false};
	if (event->type == INPUT_GROUND)
		return;
	if (event->type == INPUT_KEY || event->mouse == MOUSE_PRESS)
		text_clear(&ui->complaint);
	if (ui->prompt != PROMPT_NONE) {
		if (event->type == INPUT_KEY)
			prompt_key(ui, event->key, ret_wish);
	} else if (ui->overlay != OVERLAY_NONE) {
		overlay_event(ui, event, ret_wish);
	} else {
		list_event(ui, look, hits, event, ret_wish);
	}
	after = wants_of(ui);
	ret_wish->survey = ret_wish->survey || !wants_are(&before, &after);
}
