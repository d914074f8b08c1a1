/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frozen pictures: what a peak was made of, copied at the first free after it, and who held what
 * when an allocation failed. Both outlive what they show. See writer_internal.h.
 */
#include "writer_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
	FRAME_LINES = 126,
	FAILURE_LINES = 256,
	FAILURE_BUFFERS = 2048,
	FAILURE_LARGEST = 32,
	FAILURES_KEPT_FIRST = SEGMENT_MAX_FAILURES / 2
};

static struct segment_share_of line_of_row(const struct segment_row *row)
{
	return (struct segment_share_of){.space = row->space,
	                                 .member = row->member,
	                                 .kind = row->kind,
	                                 .class_then = row->class_now,
	                                 .tag = row->tag,
	                                 .buffers = (uint32_t)row->buffers,
	                                 .bytes = row->bytes,
	                                 .held = row->held};
}

/* Keeps the largest `limit` lines, in descending order. Returns what fell out, or bytes 0. */
static struct segment_share_of line_keep(struct segment_share_of *lines, uint32_t *count,
                                         uint32_t limit, struct segment_share_of line)
{
	struct segment_share_of out = {0};
	uint32_t at = *count;

	if (at == limit) {
		if (lines[limit - 1].held >= line.held)
			return line;
		out = lines[limit - 1];
		at--;
	} else {
		++*count;
	}
	for (; at && lines[at - 1].held < line.held; at--)
		lines[at] = lines[at - 1];
	lines[at] = line;
	return out;
}

static bool row_is_live(struct writer *w, const struct segment_row *row)
{
	const struct writer_space *space = row->space ? space_find(w, row->space) : NULL;

	return space && space_is_open(space) && row->buffers && class_is_counted(row->class_now);
}

/* A frame that no device shows any more, or that only devices of this capture show. */
static uint32_t frame_choose(struct writer *w, struct segment_counters *c, const uint64_t *chosen)
{
	uint16_t leaving[SEGMENT_MAX_FRAMES] = {0};

	for (uint32_t f = 0; f < SEGMENT_MAX_FRAMES; f++) {
		if (!w->frame_user_count[f])
			return f;
	}
	for (uint32_t d = 0; d < w->device_count; d++) {
		if (chosen[d / 64] & 1ull << d % 64 && c->frame[d])
			leaving[c->frame[d] - 1]++;
	}
	for (uint32_t f = 0; f < SEGMENT_MAX_FRAMES; f++) {
		if (leaving[f] == w->frame_user_count[f])
			return f;
	}
	return UINT32_MAX;
}

static void frame_fill(struct writer *w, struct segment_frame *frame, uint32_t kind)
{
	uint32_t count = 0;

	__atomic_store_n(&frame->count, 0, __ATOMIC_RELEASE);
	frame->op = w->op;
	frame->time = writer_now(w);
	frame->kind = kind;
	frame->rest_bytes = 0;
	frame->rest_buffers = 0;
	for (uint32_t i = 0; i < w->row_high; i++) {
		struct segment_share_of out;

		if (w->rows[i].kind != kind || !row_is_live(w, &w->rows[i]))
			continue;
		out = line_keep(frame->lines, &count, FRAME_LINES, line_of_row(&w->rows[i]));
		frame->rest_bytes += out.bytes;
		frame->rest_buffers += out.buffers;
	}
	__atomic_store_n(&frame->count, count, __ATOMIC_RELEASE);
}

/* The devices that stand at a peak at least 1 % above the one last captured. */
static bool peak_devices(const struct writer *w, const struct segment_counters *c,
                         uint64_t *ret_chosen)
{
	bool any = false;

	for (uint32_t d = 0; d < w->device_count; d++) {
		uint64_t held = c->held[d];

		if (held != c->peak[d] || held < c->peak_base[d] ||
		    held <= c->frame_peak[d] + c->frame_peak[d] / 100)
			continue;
		ret_chosen[d / 64] |= 1ull << d % 64;
		any = true;
	}
	return any;
}

void writer_peak_capture(struct writer *w, uint32_t kind)
{
	struct segment_counters *c = &w->counters[kind];
	struct segment_frame *frames =
		(void *)(w->file.base + w->header->regions[REGION_FRAMES].offset);
	uint64_t chosen[SEGMENT_MAX_DEVICES / 64] = {0};
	uint32_t f;

	w->risen &= ~(1u << kind);
	if (!peak_devices(w, c, chosen))
		return;
	f = frame_choose(w, c, chosen);
	if (f == UINT32_MAX || region_need(w, REGION_FRAMES, (f + 1) * sizeof *frames))
		return;
	frame_fill(w, &frames[f], kind);
	for (uint32_t d = 0; d < w->device_count; d++) {
		if (!(chosen[d / 64] & 1ull << d % 64))
			continue;
		if (c->frame[d])
			w->frame_user_count[c->frame[d] - 1]--;
		w->frame_user_count[f]++;
		c->frame[d] = f + 1;
		c->frame_peak[d] = c->held[d];
	}
	if (w->header->regions[REGION_FRAMES].count <= f)
		region_count(w, REGION_FRAMES, f + 1);
	if (w->on_peak)
		w->on_peak(w);
}

void writer_capture_peaks(struct writer *w)
{
	for (uint32_t kind = 0; kind < SEGMENT_MAX_KINDS; kind++) {
		if (w->risen & 1u << kind)
			writer_peak_capture(w, kind);
	}
}

/* --- failures ---------------------------------------------------------------------------- */

static uint32_t failure_devices(struct writer *w, const struct writer_space *space, uint32_t kind,
                                uint32_t *ret_count)
{
	uint32_t block =
		block_alloc(w, space->member_count * sizeof(struct segment_failure_device));
	struct segment_failure_device *out = block_at(w, block);

	*ret_count = 0;
	for (uint32_t i = 0; block && i < space->member_count; i++) {
		uint32_t device = space->members[i];

		if (device == SPACE_REMOTE)
			continue;
		out[(*ret_count)++] = (struct segment_failure_device){
			.device = device,
			.held = w->counters[kind].held[device],
			.capacity = w->capacity[kind * SEGMENT_MAX_DEVICES + device]};
	}
	return block;
}

static uint32_t failure_lines(struct writer *w, struct writer_space *space, uint32_t kind,
                              uint32_t *ret_count)
{
	uint32_t block = block_alloc(w, FAILURE_LINES * sizeof(struct segment_share_of));

	*ret_count = 0;
	for (uint32_t i = 0; block && i < w->row_high; i++) {
		const struct segment_row *row = &w->rows[i];

		if (row->kind == kind && row_is_live(w, row) &&
		    spaces_meet(space, space_find(w, row->space)))
			line_keep(block_at(w, block), ret_count, FAILURE_LINES, line_of_row(row));
	}
	return block;
}

static int by_address(const void *a, const void *b)
{
	const struct segment_failure_buffer *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int by_span_descending(const void *a, const void *b)
{
	const struct segment_failure_buffer *x = a, *y = b;

	return x->span > y->span ? -1 : x->span < y->span;
}

static uint32_t largest_first(struct segment_failure_buffer *buffers, uint32_t count,
                              uint32_t limit)
{
	qsort(buffers, count, sizeof *buffers, by_span_descending);
	return count < limit ? count : limit;
}

/* Adds a buffer; beyond the limit the smallest makes room for a larger one. */
static void buffer_keep(struct segment_failure_buffer *out, uint32_t *count, uint32_t limit,
                        const struct segment_failure_buffer *buffer)
{
	uint32_t smallest = 0;

	if (*count < limit) {
		out[(*count)++] = *buffer;
		return;
	}
	for (uint32_t i = 1; i < FAILURE_LARGEST && i < limit; i++) {
		if (out[i].span < out[smallest].span)
			smallest = i;
	}
	if (out[smallest].span < buffer->span)
		out[smallest] = *buffer;
}

static bool failure_buffer(struct writer *w, const struct writer_space *space, uint32_t kind,
                           uint32_t number, struct segment_failure_buffer *ret_buffer)
{
	const struct segment_slot *slot = slot_at(w, number);
	const struct segment_row *row = &w->rows[slot->row];

	struct writer_space *of = space_find(w, row->space);

	if (row->kind != kind || !class_is_counted(row->class_now) || !of || !space_is_open(of) ||
	    !spaces_meet(space, of))
		return false;
	*ret_buffer = (struct segment_failure_buffer){
		.id = slot->id,
		.address = known_address(slot->address, slot->flags),
		.bytes = slot->bytes,
		.span = slot->span,
		.time = slot->time,
		.space = row->space,
		.tag = row->tag,
		.site = slot->site,
		.thread = slot->thread,
		.class_then = row->class_now};
	return true;
}

/* All buffers there by address; where they are too many, the largest only. */
static uint32_t failure_buffers(struct writer *w, const struct writer_space *space, uint32_t kind,
                                uint32_t *ret_count, uint32_t *ret_total)
{
	uint32_t block = block_alloc(w, FAILURE_BUFFERS * sizeof(struct segment_failure_buffer));
	struct segment_failure_buffer *out = block_at(w, block), buffer;

	*ret_count = 0;
	*ret_total = 0;
	for (uint32_t word = 0; block && word * 64 < w->slot_high; word++) {
		for (uint64_t bits = w->bitmap[word]; bits; bits &= bits - 1) {
			uint32_t number = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if (!failure_buffer(w, space, kind, number, &buffer))
				continue;
			++*ret_total;
			if (*ret_total == FAILURE_BUFFERS + 1)
				*ret_count = largest_first(out, *ret_count, FAILURE_LARGEST);
			buffer_keep(out, ret_count,
			            *ret_total > FAILURE_BUFFERS ? FAILURE_LARGEST
			                                         : FAILURE_BUFFERS,
			            &buffer);
		}
	}
	if (block)
		qsort(out, *ret_count, sizeof *out, by_address);
	return block;
}

static void failure_free_blocks(struct writer *w, const struct segment_failure *old,
                                uint32_t members)
{
	block_free(w, old->devices_block, members * sizeof(struct segment_failure_device));
	block_free(w, old->lines_block, FAILURE_LINES * sizeof(struct segment_share_of));
	block_free(w, old->buffers_block, FAILURE_BUFFERS * sizeof(struct segment_failure_buffer));
}

/* The first failures are kept for good, later ones take turns in the other half. */
static uint32_t failure_place(uint64_t n)
{
	uint64_t turns = SEGMENT_MAX_FAILURES - FAILURES_KEPT_FIRST;

	if (n < FAILURES_KEPT_FIRST)
		return (uint32_t)n;
	return (uint32_t)(FAILURES_KEPT_FIRST + (n - FAILURES_KEPT_FIRST) % turns);
}

static void failure_picture(struct writer *w, struct writer_space *space,
                            const struct mt_failure *failure, const struct writer_call *call,
                            struct segment_failure *ret)
{
	*ret = (struct segment_failure){
		.bytes = failure->bytes,
		.span = failure->span ? failure->span : failure->bytes,
		.free_span = failure->free_span,
		.largest_span = failure->largest_span,
		.space = failure->space,
		.kind = failure->kind,
		.reason = failure->reason ? writer_string(w, failure->reason) : 0,
		.tag = call->tag,
		.thread = call->thread,
	};
	ret->devices_block = failure_devices(w, space, failure->kind, &ret->device_count);
	ret->lines_block = failure_lines(w, space, failure->kind, &ret->line_count);
	ret->buffers_block =
		failure_buffers(w, space, failure->kind, &ret->buffer_count, &ret->buffers_total);
}

static mt_result failure_store(struct writer *w, struct writer_space *space,
                               const struct mt_failure *failure, const struct writer_call *call)
{
	struct segment_failure *failures =
		(void *)(w->file.base + w->header->regions[REGION_FAILURES].offset);
	uint64_t n = w->header->failure_count;
	uint32_t at = failure_place(n);
	struct segment_failure *out = &failures[at], made;

	if (region_need(w, REGION_FAILURES, (at + 1) * sizeof *out) ||
	    (!(w->kinds_ready & 1u << failure->kind) && counters_need(w, failure->kind)))
		return MT_FULL;
	if (out->number)
		failure_free_blocks(w, out, w->failure_members[at]);
	__atomic_store_n(&out->number, 0, __ATOMIC_RELEASE);
	failure_picture(w, space, failure, call, &made);
	w->failure_members[at] = space->member_count;
	made.op = batch_begin(w, 1);
	made.time = writer_now(w);
	event_put(w, made.op, EVENT_FAILURE, 0, made.time, n + 1, place_pack(EVENT_NO_SLOT, 0, 0));
	*out = made;
	__atomic_store_n(&out->number, (uint32_t)(n + 1), __ATOMIC_RELEASE);
	w->header->failure_count = n + 1;
	if (w->header->regions[REGION_FAILURES].count <= at)
		region_count(w, REGION_FAILURES, at + 1);
	batch_end(w);
	return MT_OK;
}

mt_result writer_failure(struct writer *w, const struct mt_failure *failure,
                         const struct writer_call *call)
{
	struct writer_space *space = space_find(w, failure->space);
	struct writer_fault fault = {.type = MT_ALLOC_FAILED,
	                             .space = failure->space,
	                             .kind = failure->kind,
	                             .device = UINT32_MAX,
	                             .bytes_second = failure->bytes,
	                             .tag_second = call->tag,
	                             .thread_second = call->thread};

	if (failure->kind >= w->header->kind_count)
		return MT_BAD_ARGUMENT;
	if (!space || !space_is_open(space)) {
		fault.type = MT_UNKNOWN_SPACE;
		return writer_fault(w, &fault);
	}
	writer_fault(w, &fault);
	return failure_store(w, space, failure, call);
}
