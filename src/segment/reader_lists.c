/* SPDX-License-Identifier: Apache-2.0 */
/* Faults, frozen pictures, failures, marks and programs of a view. */
#include "reader_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FAILURE_BUFFERS_MAX = 1 << 16, CBS_MAX = 1 << 16, FRAME_LINES = 126 };

static uint32_t device_or_none(const struct parse *p, uint32_t device)
{
	return device < p->view->device_count ? device : NONE;
}

static void fault_fill(struct parse *p, const struct segment_fault *from, struct view_fault *fault)
{
	fault->type = from->type;
	fault->space = parse_space(p, from->space);
	fault->kind = from->kind < p->view->kind_count ? from->kind : NONE;
	fault->device = device_or_none(p, from->device);
	fault->id = from->id;
	fault->address = from->address;
	fault->bytes_first = from->bytes_first;
	fault->bytes_second = from->bytes_second;
	fault->tag_first = parse_tag_path(p, from->tag_first);
	fault->site_first = parse_string(p, from->site_first);
	fault->thread_first = from->thread_first;
	fault->tag_second = parse_tag_path(p, from->tag_second);
	fault->site_second = parse_string(p, from->site_second);
	fault->thread_second = from->thread_second;
	fault->first_op = from->first_op;
	fault->last_op = from->last_op;
	fault->first_ns = parse_time(p, from->first_time);
	fault->last_ns = parse_time(p, from->last_time);
	fault->count = from->count;
}

static int parse_faults(struct parse *p)
{
	const struct segment_fault *faults = p->copy->tables[REGION_FAULTS].data;
	uint32_t count = p->copy->tables[REGION_FAULTS].count, i;
	struct segment_view *view = p->view;

	view->faults = arena_take(p->arena, count, sizeof *view->faults);
	if (!view->faults)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		if (faults[i].count)
			fault_fill(p, &faults[i], &view->faults[view->fault_count++]);
	return 0;
}

/* --- frames --------------------------------------------------------------------------------- */

static void line_fill(const struct parse *p, const struct segment_share_of *from,
                      struct view_line *line)
{
	line->space = parse_space(p, from->space);
	line->member = from->member;
	if (line->space == NONE || line->member >= p->view->spaces[line->space].member_count)
		line->member = ROW_ALL_MEMBERS;
	line->kind = from->kind;
	line->class_then = from->class_then < CLASS_LIMIT ? from->class_then : CLASS_USER;
	line->tag = parse_tag_path(p, from->tag);
	line->buffers = from->buffers;
	line->bytes = from->bytes;
	line->held = from->held;
}

static int frame_fill(struct parse *p, const struct segment_frame *from, struct view_frame *frame)
{
	uint32_t i;

	frame->op = from->op;
	frame->time_ns = parse_time(p, from->time);
	frame->kind = from->kind;
	frame->line_count = from->count;
	frame->rest_bytes = from->rest_bytes;
	frame->rest_buffers = from->rest_buffers;
	frame->lines = arena_take(p->arena, from->count, sizeof *frame->lines);
	if (!frame->lines)
		return -ENOMEM;
	for (i = 0; i < from->count; i++)
		line_fill(p, &from->lines[i], &frame->lines[i]);
	return 0;
}

static bool frame_is_whole(const struct parse *p, const struct segment_frame *frame)
{
	return frame->op && frame->count && frame->count <= FRAME_LINES &&
	       frame->kind < p->view->kind_count;
}

static int parse_frames(struct parse *p)
{
	const struct segment_frame *frames = p->copy->tables[REGION_FRAMES].data;
	uint32_t count = p->copy->tables[REGION_FRAMES].count, i;
	struct segment_view *view = p->view;
	int error = 0;

	view->frames = arena_take(p->arena, count, sizeof *view->frames);
	if (!view->frames)
		return -ENOMEM;
	for (i = 0; i < count && !error; i++)
		if (frame_is_whole(p, &frames[i]))
			error = frame_fill(p, &frames[i], &view->frames[view->frame_count++]);
	return error;
}

uint32_t parse_frame_index(const struct parse *p, uint32_t frame)
{
	const struct segment_frame *frames = p->copy->tables[REGION_FRAMES].data;
	uint32_t i, index = 0;

	if (frame == 0 || frame > p->copy->tables[REGION_FRAMES].count ||
	    !frame_is_whole(p, &frames[frame - 1]))
		return 0;
	for (i = 0; i < frame; i++)
		index += frame_is_whole(p, &frames[i]);
	return index;
}

/* --- failures ------------------------------------------------------------------------------- */

static int failure_lines(struct parse *p, const struct segment_failure *from,
                         struct view_failure *failure)
{
	const struct segment_share_of *lines;
	uint32_t i;

	failure->line_count = from->line_count;
	lines = parse_list(p, from->lines_block, &failure->line_count, SEGMENT_MAX_ROWS,
	                   sizeof *lines);
	failure->lines = arena_take(p->arena, failure->line_count, sizeof *failure->lines);
	if (!failure->lines)
		return -ENOMEM;
	for (i = 0; i < failure->line_count; i++)
		line_fill(p, &lines[i], &failure->lines[i]);
	return 0;
}

static void failure_buffer(struct parse *p, const struct segment_failure_buffer *from,
                           struct view_failure_buffer *buffer)
{
	buffer->id = from->id;
	buffer->address = from->address;
	buffer->bytes = from->bytes;
	buffer->span = from->span;
	buffer->time_ns = parse_time(p, from->time);
	buffer->space = parse_space(p, from->space);
	buffer->thread = from->thread;
	buffer->tag = parse_tag_path(p, from->tag);
	buffer->site = parse_string(p, from->site);
	buffer->class_then = from->class_then < CLASS_LIMIT ? from->class_then : CLASS_USER;
}

static int failure_buffers(struct parse *p, const struct segment_failure *from,
                           struct view_failure *failure)
{
	const struct segment_failure_buffer *buffers;
	uint32_t i;

	failure->buffer_count = from->buffer_count;
	failure->buffers_total = from->buffers_total;
	buffers = parse_list(p, from->buffers_block, &failure->buffer_count, FAILURE_BUFFERS_MAX,
	                     sizeof *buffers);
	failure->buffers = arena_take(p->arena, failure->buffer_count, sizeof *failure->buffers);
	if (!failure->buffers)
		return -ENOMEM;
	for (i = 0; i < failure->buffer_count; i++)
		failure_buffer(p, &buffers[i], &failure->buffers[i]);
	return 0;
}

static void failure_devices(struct parse *p, const struct segment_failure *from,
                            struct view_failure *failure)
{
	uint32_t i, kept = 0;

	failure->device_count = from->device_count;
	failure->devices = parse_list(p, from->devices_block, &failure->device_count,
	                              SEGMENT_MAX_DEVICES, sizeof *failure->devices);
	for (i = 0; i < failure->device_count; i++)
		if (failure->devices[i].device < p->view->device_count)
			failure->devices[kept++] = failure->devices[i];
	failure->device_count = kept;
}

static int failure_fill(struct parse *p, const struct segment_failure *from,
                        struct view_failure *failure)
{
	int error;

	failure->op = from->op;
	failure->time_ns = parse_time(p, from->time);
	failure->bytes = from->bytes;
	failure->span = from->span;
	failure->free_span = from->free_span;
	failure->largest_span = from->largest_span;
	failure->space = parse_space(p, from->space);
	failure->kind = from->kind < p->view->kind_count ? from->kind : NONE;
	failure->thread = from->thread;
	failure->number = from->number;
	failure->reason = parse_string(p, from->reason);
	failure->tag = parse_tag_path(p, from->tag);
	failure_devices(p, from, failure);
	error = failure_lines(p, from, failure);
	return error ? error : failure_buffers(p, from, failure);
}

static int compare_failures(const void *a, const void *b)
{
	const struct view_failure *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static int parse_failures(struct parse *p)
{
	const struct segment_failure *failures = p->copy->tables[REGION_FAILURES].data;
	uint32_t count = p->copy->tables[REGION_FAILURES].count, i;
	struct segment_view *view = p->view;
	int error = 0;

	view->failures = arena_take(p->arena, count, sizeof *view->failures);
	if (!view->failures)
		return -ENOMEM;
	for (i = 0; i < count && !error; i++)
		if (failures[i].number && failures[i].op)
			error = failure_fill(p, &failures[i],
			                     &view->failures[view->failure_count++]);
	if (view->failure_count)
		qsort(view->failures, view->failure_count, sizeof *view->failures,
		      compare_failures);
	return error;
}

/* --- marks, programs ------------------------------------------------------------------------ */

static int compare_marks(const void *a, const void *b)
{
	const struct view_mark *left = a, *right = b;

	return (left->op > right->op) - (left->op < right->op);
}

static int parse_marks(struct parse *p)
{
	const struct segment_mark *marks = p->copy->tables[REGION_MARKS].data;
	uint32_t count = p->copy->tables[REGION_MARKS].count, i;
	struct segment_view *view = p->view;

	view->marks = arena_take(p->arena, count, sizeof *view->marks);
	if (!view->marks)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		if (marks[i].op && marks[i].op <= p->op_limit)
			view->marks[view->mark_count++] = (struct view_mark){
				.op = marks[i].op,
				.time_ns = parse_time(p, marks[i].time),
				.time = marks[i].time,
				.n = marks[i].n,
				.name = parse_string(p, marks[i].name),
			};
	if (view->mark_count)
		qsort(view->marks, view->mark_count, sizeof *view->marks, compare_marks);
	return 0;
}

static int parse_programs(struct parse *p)
{
	const struct segment_program *programs = p->copy->tables[REGION_PROGRAMS].data;
	struct segment_view *view = p->view;
	uint32_t i;

	view->program_count = p->copy->tables[REGION_PROGRAMS].count;
	view->programs = arena_take(p->arena, view->program_count, sizeof *view->programs);
	if (!view->programs)
		return -ENOMEM;
	for (i = 0; i < view->program_count; i++) {
		struct view_program *program = &view->programs[i];

		program->id = programs[i].id;
		program->tag = parse_tag(p, programs[i].tag);
		program->live = programs[i].live != 0;
		program->cb_count = program->live ? programs[i].cb_count : 0;
		program->cbs = parse_list(p, programs[i].cb_block, &program->cb_count, CBS_MAX,
		                          sizeof *program->cbs);
	}
	return 0;
}

int parse_lists(struct parse *p)
{
	int error = parse_faults(p);

	if (!error)
		error = parse_frames(p);
	if (!error)
		error = parse_failures(p);
	if (!error)
		error = parse_marks(p);
	return error ? error : parse_programs(p);
}
