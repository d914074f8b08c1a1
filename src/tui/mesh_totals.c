/* SPDX-License-Identifier: Apache-2.0 */
/* Below the tiles: all devices together by kind, and who holds most. */
#include "mesh_sections.h"

#include "mesh_tile.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int most_first(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->process->pid < y->process->pid ? -1 : x->process->pid > y->process->pid;
}

static void add_kind(struct holder *holder, const struct look *look, uint32_t row, uint32_t kind)
{
	const struct machine *machine = &look->reading->scene.machine;
	const struct machine_process *process = holder->process;
	struct machine_figure figure;

	if (row == UINT32_MAX && look->selection.devices == NULL) {
		holder->bytes += process->figures[kind].held;
		holder->exact = holder->exact &&
		                (process->figures[kind].exact || process->figures[kind].held == 0);
		return;
	}
	for (size_t i = 0; i < process->devices.count; i++) {
		uint32_t here = process->devices.items[i];

		if ((row != UINT32_MAX && here != row) ||
		    !selection_has_device(&look->selection, here) ||
		    !machine_process_figure(machine, process, here, kind, &figure))
			continue;
		holder->bytes += figure.held;
		holder->exact = holder->exact && figure.exact;
	}
}

static bool has_open(const struct machine_process *process, uint32_t row)
{
	for (size_t i = 0; i < process->devices.count; i++)
		if (process->devices.items[i] == row)
			return true;
	return false;
}

void holders_find(struct holders *holders, const struct look *look, uint32_t row)
{
	const struct machine *machine = &look->reading->scene.machine;
	const struct machine_process *process;

	*holders = (struct holders){0};
	vec_for (process, &machine->processes) {
		struct holder holder = {process, 0, true};

		if (!process->counted || !selection_has_process(&look->selection, process))
			continue;
		for (uint32_t kind = 0; kind < machine->kind_count; kind++)
			if (machine_kind_on_device(machine, kind) &&
			    selection_has_kind(&look->selection, kind))
				add_kind(&holder, look, row, kind);
		if (holder.bytes != 0 || (row != UINT32_MAX && has_open(process, row)))
			*vec_add(&holders->holders) = holder;
	}
	if (holders->holders.count > 1)
		qsort(holders->holders.items, holders->holders.count,
		      sizeof(*holders->holders.items), most_first);
}

void holders_draw(const struct holders *holders, const char *title, struct canvas *canvas,
                  struct area area)
{
	size_t fits = area.rows > 1 ? (size_t)area.rows - 1 : 0, count = holders->holders.count;
	char figure[UNITS_SIZE];
	struct text safe = {0};

	if (area.rows <= 0)
		return;
	canvas_text(canvas, area.row, area.column, area.columns, STYLE_HEADING, title);
	if (count == 0 && fits != 0)
		canvas_text(canvas, area.row + 1, area.column, area.columns, STYLE_DIM, "nobody");
	for (size_t i = 0; i < count && i < fits; i++) {
		const struct holder *holder = &holders->holders.items[i];
		int row = area.row + 1 + (int)i;

		if (i + 1 == fits && count > fits) {
			canvas_textf(canvas, row, area.column, area.columns, STYLE_DIM,
			             "and %zu more", count - i);
			break;
		}
		canvas_right(canvas, row, area.column, 11, STYLE_TEXT,
		             units_bytes(&figure, holder->bytes, holder->exact));
		text_clear(&safe);
		safe_terminal(&safe, holder->process->command);
		canvas_textf(canvas, row, area.column + 13, area.columns - 13,
		             holder->process->dead ? STYLE_DEAD : STYLE_TEXT, "%" PRId32 "  %s",
		             holder->process->pid, text_string(&safe));
	}
	text_finish(&safe);
}

static struct machine_figure total_of(const struct mesh_figures *figures, uint32_t kind)
{
	struct machine_figure sum = {0};
	uint64_t capacity = 0;
	bool known = true;

	for (uint32_t row = 0; row < figures->rows; row++) {
		const struct machine_figure *figure = figures_get(figures, row, kind);

		if (figure == NULL)
			continue;
		figure_add(&sum, figure);
		capacity += figure->capacity;
		known = known && figure->capacity != 0;
	}
	sum.capacity = known ? capacity : 0;
	return sum;
}

static void draw_kinds(const struct mesh_figures *figures, struct canvas *canvas, struct area area)
{
	int line = 1;

	canvas_textf(canvas, area.row, area.column, area.columns, STYLE_HEADING,
	             "All %" PRIu32 " device%s together", figures->rows,
	             figures->rows == 1 ? "" : "s");
	for (size_t i = 0; i < figures->shown_count + figures->host_count; i++) {
		uint32_t kind = i < figures->shown_count ? figures->shown[i]
		                                         : figures->host[i - figures->shown_count];
		struct machine_figure sum = total_of(figures, kind);

		if (line < area.rows)
			figure_line(canvas, area.row + line, area.column, area.columns,
			            figures->machine->kind_names[kind], &sum);
		line++;
	}
}

struct full_device {
	uint32_t row;
	const struct machine_figure *figure;
};

static int fullest_first(const void *a, const void *b)
{
	const struct full_device *x = a, *y = b;

	if (x->figure->held != y->figure->held)
		return x->figure->held > y->figure->held ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Which of many devices to look at first. */
static void draw_fullest(const struct mesh_figures *figures, uint32_t kind, struct canvas *canvas,
                         struct area area, struct hits *hits)
{
	struct full_device *devices = mem_calloc((size_t)figures->rows + 1, sizeof(*devices));
	struct text name = {0};
	size_t count = 0;

	for (uint32_t row = 0; row < figures->rows; row++) {
		devices[count] = (struct full_device){row, figures_get(figures, row, kind)};
		count += devices[count].figure != NULL;
	}
	if (count > 1)
		qsort(devices, count, sizeof(*devices), fullest_first);
	safe_terminal(&name, figures->machine->kind_names[kind]);
	canvas_textf(canvas, area.row, area.column, area.columns, STYLE_HEADING,
	             "Devices with most %s", text_string(&name));
	for (int line = 1; line < area.rows && (size_t)line <= count; line++) {
		const struct full_device *device = &devices[line - 1];
		struct area place = {area.row + line, area.column, 1, area.columns};
		char label[16];

		snprintf(label, sizeof(label), "%" PRIu32, device->row);
		figure_line(canvas, place.row, place.column, place.columns, label, device->figure);
		hits_add(hits, HIT_TILE, place, device->row);
	}
	text_finish(&name);
	free(devices);
}

void mesh_totals(const struct look *look, const struct mesh_figures *figures, struct canvas *canvas,
                 struct area area, struct hits *hits)
{
	bool with_holders = area.columns >= 70 && !figures->by_tag;
	bool with_fullest = area.columns >= 110 && figures->rows > 8;
	bool with_kinds = figures->rows > 1 || figures->host_count != 0 || !with_holders;
	int parts = with_kinds + with_holders + with_fullest, each = area.columns / parts;
	struct area part = {area.row, area.column + 1, area.rows, each - 3};
	struct holders holders;

	if (with_kinds)
		draw_kinds(figures, canvas, part);
	else
		part.column -= each;
	if (with_fullest) {
		part.column += each;
		draw_fullest(figures, figures_main_kind(figures, look->ui), canvas, part, hits);
	}
	if (with_holders) {
		part.column += each;
		holders_find(&holders, look, UINT32_MAX);
		holders_draw(&holders, "Held by", canvas, part);
		vec_finish(&holders.holders);
	}
}
