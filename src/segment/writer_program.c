/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs and their circular buffers. A space lists the programs that are resident in it; cores of
 * two of them never overlap. What lies on a device when several spaces share it is computed by
 * readers from the op numbers of the dispatches. See writer.h.
 */
#include "writer_internal.h"

#include <string.h>

static struct segment_program *program_at(struct writer *w, uint32_t program)
{
	struct segment_program *programs =
		(void *)(w->file.base + w->header->regions[REGION_PROGRAMS].offset);

	return &programs[program];
}

uint32_t writer_program_define(struct writer *w, uint64_t id, const struct mt_cb *cbs,
                               uint32_t count, uint32_t tag)
{
	uint32_t index =
		w->program_free ? w->program_free - 1 : w->header->regions[REGION_PROGRAMS].count;
	struct segment_program *program;
	struct segment_cb *out;
	uint32_t block;

	if (index >= SEGMENT_MAX_PROGRAMS || count > 4096 || (count && !cbs) ||
	    region_need(w, REGION_PROGRAMS, (index + 1) * sizeof *program))
		return UINT32_MAX;
	block = block_alloc(w, (count ? count : 1) * sizeof *out);
	if (!block)
		return UINT32_MAX;
	out = block_at(w, block);
	for (uint32_t i = 0; i < count; i++) {
		out[i] = (struct segment_cb){.x0 = cbs[i].x0,
		                             .y0 = cbs[i].y0,
		                             .x1 = cbs[i].x1,
		                             .y1 = cbs[i].y1,
		                             .flags = cbs[i].flags,
		                             .address = cbs[i].address,
		                             .bytes = cbs[i].bytes};
	}
	program = program_at(w, index);
	if (w->program_free)
		w->program_free = (uint32_t)program->op;
	*program = (struct segment_program){
		.id = id, .tag = tag, .cb_block = block, .cb_count = count, .op = w->op + 1};
	__atomic_store_n(&program->live, 1, __ATOMIC_RELEASE);
	if (w->header->regions[REGION_PROGRAMS].count <= index)
		region_count(w, REGION_PROGRAMS, index + 1);
	return index;
}

static bool cores_meet(const struct segment_cb *a, const struct segment_cb *b)
{
	return a->x0 <= b->x1 && b->x0 <= a->x1 && a->y0 <= b->y1 && b->y0 <= a->y1;
}

static bool programs_meet(struct writer *w, uint32_t a, uint32_t b)
{
	const struct segment_program *p = program_at(w, a), *q = program_at(w, b);
	const struct segment_cb *x = block_at(w, p->cb_block), *y = block_at(w, q->cb_block);

	for (uint32_t i = 0; i < p->cb_count; i++) {
		for (uint32_t j = 0; j < q->cb_count; j++) {
			if (cores_meet(&x[i], &y[j]))
				return true;
		}
	}
	return a == b;
}

static void resident_remove(struct segment_space *out, struct segment_resident *residents,
                            uint32_t at)
{
	residents[at] = residents[out->resident_count - 1];
	out->resident_count--;
}

/* What is resident in other spaces on the same devices must be stamped anew at its next dispatch:
 * the later of two on one core is the one that is there. */
static void others_restamp(struct writer *w, const struct writer_space *space,
                           void (*evicted)(void *arg, uint32_t program, uint32_t space), void *arg)
{
	for (uint32_t n = 0; n < w->dispatched_count; n++) {
		const struct writer_space *other = &w->spaces[w->dispatched[n]];
		const struct segment_space *out = &w->spaces_out[w->dispatched[n]];
		const struct segment_resident *residents = block_at(w, out->resident_block);

		if (!out->resident_count || other == space || !spaces_meet(space, other))
			continue;
		for (uint32_t i = 0; i < out->resident_count; i++)
			evicted(arg, residents[i].program, out->handle);
	}
}

/* The table entry of a space is about to be another's. */
void program_space_finish(struct writer *w, uint32_t entry)
{
	for (uint32_t n = 0; n < w->dispatched_count; n++) {
		if (w->dispatched[n] != entry)
			continue;
		w->dispatched[n] = w->dispatched[--w->dispatched_count];
		return;
	}
}

mt_result writer_program_dispatch(struct writer *w, uint32_t program, uint32_t handle,
                                  void (*evicted)(void *arg, uint32_t program, uint32_t space),
                                  void *arg, const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	struct segment_space *out = &w->spaces_out[handle % SEGMENT_MAX_SPACES];
	struct segment_resident *residents;
	uint64_t op;

	if (!space || !space_is_open(space))
		return space_unknown(w, handle, call);
	if (!out->resident_block) {
		out->resident_block =
			block_alloc(w, SEGMENT_MAX_RESIDENTS * sizeof(struct segment_resident));
		if (!out->resident_block)
			return MT_FULL;
		w->dispatched[w->dispatched_count++] = (uint16_t)(handle % SEGMENT_MAX_SPACES);
	}
	residents = block_at(w, out->resident_block);
	op = batch_begin(w, 1);
	event_put(w, op, EVENT_DISPATCH, 0, writer_now(w), handle, place_pack(EVENT_NO_SLOT, 0, 0));
	for (uint32_t i = 0; i < out->resident_count;) {
		if (programs_meet(w, residents[i].program, program)) {
			evicted(arg, residents[i].program, handle);
			resident_remove(out, residents, i);
		} else {
			i++;
		}
	}
	if (out->resident_count == SEGMENT_MAX_RESIDENTS) {
		evicted(arg, residents[0].program, handle);
		resident_remove(out, residents, 0);
	}
	residents[out->resident_count] = (struct segment_resident){.program = program, .op = op};
	out->resident_count++;
	others_restamp(w, space, evicted, arg);
	batch_end(w);
	return MT_OK;
}

void writer_program_evict_all(struct writer *w, uint32_t handle,
                              void (*evicted)(void *arg, uint32_t program, uint32_t space),
                              void *arg)
{
	const struct segment_space *out = &w->spaces_out[handle % SEGMENT_MAX_SPACES];
	const struct segment_resident *residents;

	if (!space_find(w, handle)) /* then its entry may lie in a page that is not there */
		return;
	residents = block_at(w, out->resident_block);
	for (uint32_t i = 0; i < out->resident_count; i++)
		evicted(arg, residents[i].program, handle);
}

mt_result writer_program_clash(struct writer *w, uint32_t program, uint32_t handle, uint64_t cb_end,
                               uint64_t lowest_buffer, const struct writer_call *call)
{
	struct writer_fault fault = {.type = MT_CLASH,
	                             .space = handle,
	                             .kind = MT_L1,
	                             .device = UINT32_MAX,
	                             .bytes_first = lowest_buffer,
	                             .bytes_second = cb_end,
	                             .address = lowest_buffer,
	                             .tag_second = call->tag,
	                             .thread_second = call->thread};

	if (program != UINT32_MAX) {
		fault.id = program_at(w, program)->id;
		fault.tag_first = program_at(w, program)->tag;
	}
	return writer_fault(w, &fault);
}

void writer_program_drop(struct writer *w, uint32_t index)
{
	struct segment_program *program = program_at(w, index);

	batch_begin(w, 1);
	event_put(w, w->op, EVENT_DISPATCH, 0, writer_now(w), 0, place_pack(EVENT_NO_SLOT, 0, 0));
	for (uint32_t n = 0; n < w->dispatched_count; n++) {
		struct segment_space *out = &w->spaces_out[w->dispatched[n]];
		struct segment_resident *residents = block_at(w, out->resident_block);

		for (uint32_t i = 0; i < out->resident_count; i++) {
			if (residents[i].program == index)
				resident_remove(out, residents, i--); /* wraps to come again */
		}
	}
	__atomic_store_n(&program->live, 0, __ATOMIC_RELEASE);
	batch_end(w);
	block_free(w, program->cb_block,
	           (program->cb_count ? program->cb_count : 1) * sizeof(struct segment_cb));
	program->cb_block = 0;
	program->cb_count = 0;
	program->op = w->program_free;
	w->program_free = index + 1;
}
