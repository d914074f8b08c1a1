/* SPDX-License-Identifier: Apache-2.0 */
#include "cores.h"

#include "meshtally.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS = 1 << 16, MAX_RECTS = 1 << 20 };

/* One circular buffer of a program. `order`: the dispatch; the newest has the highest. */
struct rect {
	uint32_t x0, y0, x1, y1; /* ends excluded */
	uint64_t start, end;
	uint64_t order;
	size_t process;
	bool view;
	uint32_t program; /* index in its view */
};

struct core_range {
	uint64_t start, end;
};

struct grid {
	VEC(struct rect) rects; /* by process, the newest dispatch first */
	VEC(uint32_t) xs, ys;   /* edges, ascending: cells lie between */
	VEC(struct core_range) ranges;
};

struct cell_sum {
	uint64_t bytes, fullest, highest_end;
};

static void add_program(struct grid *grid, const struct segment_view *view, uint32_t number,
                        size_t process, uint64_t order)
{
	const struct view_program *program = &view->programs[number];

	for (uint32_t i = 0; i < program->cb_count && grid->rects.count < MAX_RECTS; i++) {
		const struct segment_cb *cb = &program->cbs[i];
		struct rect *rect;

		if (cb->x1 < cb->x0 || cb->y1 < cb->y0 || cb->address + cb->bytes < cb->address)
			continue;
		rect = vec_add(&grid->rects);
		*rect = (struct rect){cb->x0,      cb->y0,      cb->x1 + 1u,
		                      cb->y1 + 1u, cb->address, cb->address + cb->bytes,
		                      order,       process,     (cb->flags & MT_VIEW) != 0,
		                      number};
		*vec_add(&grid->xs) = rect->x0;
		*vec_add(&grid->xs) = rect->x1;
		*vec_add(&grid->ys) = rect->y0;
		*vec_add(&grid->ys) = rect->y1;
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static size_t sort_edges(uint32_t *edges, size_t count)
{
	size_t kept = 0;

	if (count == 0)
		return 0;
	qsort(edges, count, sizeof(*edges), by_number);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || edges[i] != edges[kept - 1])
			edges[kept++] = edges[i];
	return kept;
}

static int newest_first(const void *a, const void *b)
{
	const struct rect *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->order > y->order ? -1 : x->order < y->order;
}

static int by_start(const void *a, const void *b)
{
	const struct core_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The ranges on the cores of one cell: of each process the newest program there, or with all every
 * program. */
static void collect_cell(struct grid *grid, uint32_t x, uint32_t y, bool all)
{
	const struct rect *newest = NULL, *rect;

	grid->ranges.count = 0;
	vec_for (rect, &grid->rects) {
		if (x < rect->x0 || x >= rect->x1 || y < rect->y0 || y >= rect->y1)
			continue;
		if (newest == NULL || newest->process != rect->process)
			newest = rect;
		if ((all || rect->order == newest->order) && !rect->view)
			*vec_add(&grid->ranges) = (struct core_range){rect->start, rect->end};
	}
}

/* What the ranges cover together; and where the last of them ends. */
static uint64_t cover(struct grid *grid, uint64_t *highest_end)
{
	uint64_t covered = 0, end = 0;
	const struct core_range *range;

	if (grid->ranges.count > 1)
		qsort(grid->ranges.items, grid->ranges.count, sizeof(*grid->ranges.items),
		      by_start);
	vec_for (range, &grid->ranges) {
		uint64_t start = range->start > end ? range->start : end;

		if (range->end <= start)
			continue;
		covered += range->end - start;
		end = range->end;
	}
	*highest_end = end > *highest_end ? end : *highest_end;
	return covered;
}

static bool sum_cells(struct grid *grid, bool all, struct cell_sum *ret_sum)
{
	struct cell_sum sum = {0, 0, 0};

	grid->xs.count = sort_edges(grid->xs.items, grid->xs.count);
	grid->ys.count = sort_edges(grid->ys.items, grid->ys.count);
	if (grid->rects.count == 0 || grid->xs.count * grid->ys.count > MAX_CELLS ||
	    grid->xs.count * grid->ys.count * grid->rects.count > (size_t)1 << 28)
		return false;
	qsort(grid->rects.items, grid->rects.count, sizeof(*grid->rects.items), newest_first);
	for (size_t i = 0; i + 1 < grid->xs.count; i++)
		for (size_t j = 0; j + 1 < grid->ys.count; j++) {
			uint32_t x = grid->xs.items[i], y = grid->ys.items[j];
			uint64_t cores =
				(uint64_t)(grid->xs.items[i + 1] - x) * (grid->ys.items[j + 1] - y);
			uint64_t bytes;

			collect_cell(grid, x, y, all);
			bytes = cover(grid, &sum.highest_end);
			sum.bytes += bytes * cores;
			sum.fullest = bytes > sum.fullest ? bytes : sum.fullest;
		}
	*ret_sum = sum;
	return true;
}

static void grid_finish(struct grid *grid)
{
	vec_finish(&grid->rects);
	vec_finish(&grid->xs);
	vec_finish(&grid->ys);
	vec_finish(&grid->ranges);
}

static bool has_member(const struct machine_process *process, const struct view_space *space,
                       uint32_t row)
{
	for (uint32_t m = 0; m < space->member_count; m++)
		if (space->members[m] < process->view->device_count &&
		    process->rows[space->members[m]] == row)
			return space->state == SPACE_OPEN || space->state == SPACE_READY;
	return false;
}

/* The residents of every space that this device is in. Returns how many there are. */
static uint32_t add_residents(struct grid *grid, const struct machine_process *process,
                              size_t number, uint32_t row)
{
	const struct segment_view *view = process->view;
	uint32_t residents = 0;

	for (uint32_t i = 0; i < view->space_count; i++) {
		const struct view_space *space = &view->spaces[i];

		if (!has_member(process, space, row))
			continue;
		for (uint64_t r = 0; r < space->resident_count; r++) {
			if (space->residents[r].program >= view->program_count)
				continue;
			add_program(grid, view, space->residents[r].program, number,
			            space->residents[r].op);
			residents++;
		}
	}
	return residents;
}

static void add_cached(struct grid *grid, const struct machine_process *process, size_t number)
{
	for (uint32_t i = 0; i < process->view->program_count; i++)
		if (process->view->programs[i].live)
			add_program(grid, process->view, i, number, i);
}

static void find_lowest(const struct machine_process *process, uint32_t row,
                        struct core_report *report)
{
	const struct segment_view *view = process->view;

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];

		if (buffer->kind != MT_L1 || buffer->closed ||
		    buffer->class_now >= CLASS_COUNTED_LIMIT || buffer->incomplete ||
		    buffer->address == SEGMENT_NO_ADDRESS ||
		    !has_member(process, &view->spaces[buffer->space], row))
			continue;
		if (!report->lowest_known || buffer->address < report->lowest_buffer)
			report->lowest_buffer = buffer->address;
		report->lowest_known = true;
	}
}

bool cores_in_use(const struct segment_view *view)
{
	for (uint32_t i = 0; i < view->space_count; i++)
		if (view->spaces[i].resident_count != 0)
			return true;
	return false;
}

/* Circular buffers, and the headroom under what was noted of the lowest buffer. */
static void report_programs(const struct machine *machine, uint32_t row, struct core_report *report)
{
	struct grid resident = {0}, cached = {0};
	struct cell_sum sum = {0, 0, 0};

	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];
		uint32_t residents;

		if (process->view == NULL || !process->counted || process->dead)
			continue;
		residents = add_residents(&resident, process, i, row);
		report->programs += residents;
		if (residents != 0)
			add_cached(&cached, process, i);
	}
	report->known = sum_cells(&resident, false, &sum);
	report->resident_bytes = sum.bytes;
	report->fullest_bytes = sum.fullest;
	report->highest_end = sum.highest_end;
	if (report->known && sum_cells(&cached, true, &sum))
		report->reserved_bytes = sum.bytes;
	if (report->known && report->lowest_known)
		report->headroom = (int64_t)(report->lowest_buffer - report->highest_end);
	grid_finish(&resident);
	grid_finish(&cached);
}

void cores_report(const struct machine *machine, uint32_t row, struct core_report *ret_report)
{
	struct core_report report = {0};
	const struct machine_process *process;

	vec_for (process, &machine->processes)
		if (process->view != NULL && process->counted && !process->dead)
			find_lowest(process, row, &report);
	report_programs(machine, row, &report);
	*ret_report = report;
}

void cores_report_over(const struct machine *machine, uint32_t row, bool lowest_known,
                       uint64_t lowest_buffer, struct core_report *ret_report)
{
	struct core_report report = {.lowest_known = lowest_known,
	                             .lowest_buffer = lowest_known ? lowest_buffer : 0};

	report_programs(machine, row, &report);
	*ret_report = report;
}
