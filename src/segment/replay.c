/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include "writer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BANKS_LIMIT = 4096 };

struct replay {
	struct writer *w;
	const struct segment_view *view;
	bool same_clock;
	bool failed; /* something did not fit */
};

/* --- times -------------------------------------------------------------------------------- */

/* The writer takes over the moment of birth, so that times go on as they were told. */
static void clock_take_over(struct replay *r)
{
	struct segment_header *header = r->w->header;
	const struct view_clock *clock = &r->view->clock;

	r->same_clock = clock->clock == header->clock && clock->ns_per_tick > 0 &&
	                clock->birth_time <= header->birth_time;
	if (!r->same_clock)
		return;
	header->birth_time = clock->birth_time;
	header->birth_monotonic_ns = clock->birth_monotonic_ns;
	header->birth_realtime_ns = r->view->birth_realtime_ns;
}

static uint64_t time_of(const struct replay *r, uint64_t realtime_ns)
{
	double since = (double)(int64_t)(realtime_ns - r->view->birth_realtime_ns);

	if (!realtime_ns || !r->same_clock)
		return 0;
	return r->view->clock.birth_time + (uint64_t)(int64_t)(since / r->view->clock.ns_per_tick);
}

/* --- devices and spaces ------------------------------------------------------------------- */

static void names_put(struct replay *r)
{
	for (uint32_t i = 0; i < r->view->kind_count; i++)
		writer_kind_name(r->w, i, r->view->kind_names[i]);
	for (uint32_t i = 1; i < r->view->tag_count; i++)
		writer_tag(r->w, i, r->view->tags[i].parent, r->view->tags[i].name);
}

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

static void device_put(struct replay *r, const struct view_device *from)
{
	struct mt_memory memories[SEGMENT_MAX_MEMORIES];
	struct mt_device device = {.struct_size = sizeof device,
	                           .ordinal = from->ordinal,
	                           .unique_id = from->unique_id,
	                           .arch = text_or_null(from->arch),
	                           .bus = text_or_null(from->bus),
	                           .memories = memories};
	uint32_t index;

	for (uint32_t i = 0; i < from->memory_count; i++) {
		const struct segment_memory *memory = &from->memories[i];

		if (memory->kind >= SEGMENT_MAX_KINDS || memory->banks > BANKS_LIMIT)
			continue;
		memories[device.memory_count++] =
			(struct mt_memory){.kind = memory->kind,
		                           .banks = memory->banks,
		                           .base = memory->base,
		                           .bank_bytes = memory->bank_bytes,
		                           .align = memory->align};
	}
	index = writer_device_add(r->w, &device);
	if (index == UINT32_MAX)
		r->failed = true;
	else
		r->w->devices[index].ordinals = from->ordinals;
}

static void space_put(struct replay *r, const struct view_space *from)
{
	const struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                             .rows = from->rows,
	                             .columns = from->columns,
	                             .parent = from->parent,
	                             .name = text_or_null(from->name)};
	const struct writer_call call = {0};
	mt_result told;

	if (from->type == SPACE_DEVICE)
		told = writer_space_on_device(r->w, from->handle, from->members[0], from->flags);
	else if ((uint64_t)from->rows * from->columns != from->member_count)
		told = MT_BAD_ARGUMENT;
	else
		told = writer_space_on_members(r->w, from->handle, &mesh, from->members,
		                               from->flags);
	if (told != MT_OK)
		r->failed = true;
	else if (from->ready_op) /* before its records: these come with the class that they have */
		writer_ready(r->w, from->handle, &call);
}

/* --- records ------------------------------------------------------------------------------ */

static int by_op(const void *a, const void *b)
{
	const struct view_buffer *x = *(const struct view_buffer *const *)a;
	const struct view_buffer *y = *(const struct view_buffer *const *)b;

	return (x->op > y->op) - (x->op < y->op);
}

static bool is_uneven(const struct view_space *space, const struct view_buffer *buffer)
{
	for (uint32_t m = 0; buffer->member_bytes && m < space->member_count; m++) {
		if (buffer->member_bytes[m] && buffer->member_bytes[m] != buffer->bytes)
			return true;
	}
	return false;
}

static void buffer_put(struct replay *r, const struct view_buffer *from)
{
	const struct view_space *of = &r->view->spaces[from->space];
	struct writer_space *space = space_find(r->w, of->handle);
	const struct mt_buffer buffer = {.space = of->handle,
	                                 .id = from->id,
	                                 .address = from->address,
	                                 .bytes = from->bytes,
	                                 .span = from->span,
	                                 .parent = from->parent,
	                                 .kind = from->kind,
	                                 .flags = from->flags,
	                                 .region = from->region,
	                                 .uneven_bytes =
	                                         is_uneven(of, from) ? from->member_bytes : NULL};
	const struct writer_call call = {.thread = from->thread, .tag = from->tag};
	struct record record = {.buffer = &buffer,
	                        .call = &call,
	                        .space = space,
	                        .span = from->span,
	                        .time = time_of(r, from->time_ns),
	                        .class = from->class_now,
	                        .tag = from->tag,
	                        .one_bank = from->one_bank};

	if (!space || from->kind >= SEGMENT_MAX_KINDS) {
		r->failed = true;
		return;
	}
	record.site = site_string(r->w, from->site);
	record.hash = key_hash(space->salt, from->id);
	if (from->class_now != CLASS_VIRTUAL)
		record.held =
			from->one_bank ? from->span : from->span * space->kinds[from->kind].banks;
	if (writer_record_put(r->w, &record) >= MT_DUPLICATE)
		r->failed = true;
	else
		writer_repeats_put(r->w, record.hash, of->handle, from->repeats);
}

/* Shares that are gone, and not taken over by a LOCAL record. */
static void shares_put(struct replay *r, const struct view_buffer *from)
{
	const struct view_space *of = &r->view->spaces[from->space];
	struct writer_space *space = space_find(r->w, of->handle);

	if (!space || !from->bytes)
		return;
	for (uint32_t m = 0; m < of->member_count; m++) {
		struct index_entry *entry =
			record_find(r->w, key_hash(space->salt, from->id), of->handle);

		if (entry && of->members[m] != SPACE_REMOTE && !from->member_bytes[m])
			writer_share_drop(r->w, entry, m);
	}
}

static void buffers_put(struct replay *r)
{
	const struct segment_view *view = r->view;
	const struct view_buffer **order = calloc(view->buffer_count + 1u, sizeof *order);

	if (!order) {
		r->failed = true;
		return;
	}
	for (uint32_t i = 0; i < view->buffer_count; i++)
		order[i] = &view->buffers[i];
	qsort(order, view->buffer_count, sizeof(struct view_buffer *), by_op);
	for (uint32_t i = 0; i < view->buffer_count; i++)
		buffer_put(r, order[i]);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		if (order[i]->member_bytes)
			shares_put(r, order[i]);
	}
	free(order);
}

static void spaces_close(struct replay *r)
{
	const struct writer_call call = {0};

	for (uint32_t i = 0; i < r->view->space_count; i++) {
		const struct view_space *space = &r->view->spaces[i];

		if (space->close_op)
			writer_close_space(r->w, space->handle, space->state == SPACE_LOST, &call);
	}
}

/* --- figures ------------------------------------------------------------------------------ */

/* Rows of the view may be one now: mt_ready made their classes alike. */
static void rows_put(struct replay *r)
{
	for (uint32_t row = 0; row < r->w->row_high; row++)
		r->w->rows[row].allocs = r->w->rows[row].frees = 0;
	for (uint32_t i = 0; i < r->view->row_count; i++) {
		const struct view_row *from = &r->view->rows[i];
		struct writer_space *space = space_find(r->w, r->view->spaces[from->space].handle);
		uint32_t row = UINT32_MAX;

		if (space)
			row = writer_row_slow(r->w, space, from->member, from->kind,
			                      from->class_now, from->tag);
		if (row == UINT32_MAX)
			continue;
		r->w->rows[row].allocs += from->allocs;
		r->w->rows[row].frees += from->frees;
	}
}

static void peaks_put(struct replay *r)
{
	const struct segment_view *view = r->view;

	for (uint32_t kind = 0; kind < view->kind_count; kind++) {
		for (uint32_t d = 0; d < view->device_count && d < r->w->device_count; d++) {
			const struct view_figure *figure =
				&view->figures[kind * view->device_count + d];

			if (!figure->peak)
				continue;
			if (counters_need(r->w, kind)) {
				r->failed = true;
				continue;
			}
			r->w->counters[kind].peak[d] = figure->peak_since_mark;
			r->w->counters[kind].peak_base[d] = figure->peak;
		}
	}
	r->w->risen = 0;
	r->w->pending_count = 0; /* what was over capacity has been told */
}

/* --- faults ------------------------------------------------------------------------------- */

static uint32_t tag_of_path(const struct segment_view *view, const char *path)
{
	for (uint32_t i = 0; i < view->tag_count; i++) {
		if (view->tags[i].path == path)
			return i;
	}
	return 0;
}

static void fault_put(struct replay *r, const struct view_fault *from)
{
	const struct writer_fault fault = {.type = (mt_result)from->type,
	                                   .space = from->space < r->view->space_count
	                                                    ? r->view->spaces[from->space].handle
	                                                    : 0,
	                                   .kind = from->kind,
	                                   .device = from->device,
	                                   .id = from->id,
	                                   .address = from->address,
	                                   .bytes_first = from->bytes_first,
	                                   .bytes_second = from->bytes_second,
	                                   .tag_first = tag_of_path(r->view, from->tag_first),
	                                   .site_first = site_string(r->w, from->site_first),
	                                   .thread_first = from->thread_first,
	                                   .tag_second = tag_of_path(r->view, from->tag_second),
	                                   .site_second = site_string(r->w, from->site_second),
	                                   .thread_second = from->thread_second};
	const struct writer_past past = {.first_op = from->first_op,
	                                 .last_op = from->last_op,
	                                 .first_time = time_of(r, from->first_ns),
	                                 .last_time = time_of(r, from->last_ns),
	                                 .count = from->count};

	writer_fault_again(r->w, &fault, &past);
}

/* What was not exact before is not exact now. */
static void header_put(struct replay *r)
{
	struct segment_header *header = r->w->header;
	const struct segment_view *view = r->view;

	memcpy(header->faults_by_type, view->faults_by_type, sizeof header->faults_by_type);
	header->fault_total = view->fault_total;
	header->refused = view->refused;
	header->unrecorded += view->unrecorded + view->no_detail_buffers;
	header->state |= view->state & (SEGMENT_STATE_INEXACT | SEGMENT_STATE_LATE);
	header->inexact_op = view->inexact_op;
	if (view->no_detail_buffers || view->corrupt_records || !view->exact || r->failed)
		writer_inexact(r->w);
}

int segment_replay(struct writer *w, const struct segment_view *view)
{
	struct replay r = {.w = w, .view = view};

	if (view->depth != VIEW_BUFFERS || w->op || w->device_count || w->index.count)
		return -EINVAL;
	/* The order of things goes on. */
	w->op = view->op;
	__atomic_store_n(&w->header->reserve, w->op, __ATOMIC_RELEASE);
	__atomic_store_n(&w->header->commit, w->op, __ATOMIC_RELEASE);
	clock_take_over(&r);
	names_put(&r);
	for (uint32_t i = 0; i < view->device_count; i++)
		device_put(&r, &view->devices[i]);
	for (uint32_t i = 0; i < view->space_count && w->device_count == view->device_count; i++)
		space_put(&r, &view->spaces[i]);
	buffers_put(&r);
	spaces_close(&r);
	rows_put(&r);
	peaks_put(&r);
	for (uint32_t i = 0; i < view->fault_count; i++)
		fault_put(&r, &view->faults[i]);
	header_put(&r);
	return r.failed ? -ENOSPC : 0;
}
