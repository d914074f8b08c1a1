/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot_model.h"

#include <stdio.h>
#include <string.h>

enum { PLACE_MASK = (1 << 20) - 1 };

uint32_t model_banks(uint32_t kind, uint32_t device)
{
	return kind == 0 && device == MODEL_DEVICES - 1 ? 4 : 8;
}

static struct model_space *space_of(struct model *model, uint32_t handle)
{
	return &model->spaces[handle & 0xfff];
}

static uint32_t all_members(const struct model_space *space)
{
	return space->device < 0 ? (1u << MODEL_DEVICES) - 1 : 1;
}

static void record_end_if_exhausted(struct model *model, struct model_record *record)
{
	if (record->live && record->gone == all_members(space_of(model, record->space)) &&
	    record->locals == 0)
		record->live = false;
}

static void record_free(struct model *model, struct model_record *record)
{
	record->live = false;
	if (record->backing) {
		struct model_record *backing = &model->records[record->backing - 1];

		backing->locals--;
		record_end_if_exhausted(model, backing);
	}
	/* The end of a backing record is that of the LOCAL ones that took its shares. */
	for (uint32_t i = 0; record->locals && i < MODEL_PLACES; i++) {
		struct model_record *local = &model->records[i];

		if (local->live && local->backing == record - model->records + 1) {
			local->live = false;
			record->locals--;
		}
	}
}

static void record_alloc(struct model *model, struct model_record *record,
                         const struct entry *entry)
{
	*record = (struct model_record){
		.id = entry->id,
		.bytes = entry->bytes,
		.span = entry->span,
		.space = entry->space,
		.kind = entry->kind,
		.class_now = CLASS_USER,
		.live = true,
	};
	if (entry->type == ENTRY_LOCAL) {
		struct model_record *backing = &model->records[entry->other];

		record->backing = entry->other + 1;
		backing->gone |= 1u << entry->member;
		backing->locals++;
	}
}

static void space_ready(struct model *model, uint32_t handle)
{
	for (uint32_t i = 0; i < MODEL_PLACES; i++)
		if (model->records[i].live && model->records[i].space == handle)
			model->records[i].class_now = CLASS_SYSTEM;
}

void model_apply(struct model *model, const struct entry *entry)
{
	struct model_record *record = &model->records[entry->id & PLACE_MASK];

	model->op = entry->op;
	switch (entry->type) {
	case ENTRY_ALLOC:
	case ENTRY_LOCAL:
		record_alloc(model, record, entry);
		break;
	case ENTRY_FREE:
		record_free(model, record);
		break;
	case ENTRY_MOVE:
		record->space = entry->space;
		break;
	case ENTRY_FREE_ON:
		record->gone |= 1u << entry->member;
		record_end_if_exhausted(model, record);
		break;
	case ENTRY_OPEN:
		*space_of(model, entry->space) = (struct model_space){
			.handle = entry->space, .device = (int32_t)entry->other};
		break;
	case ENTRY_CLOSE:
		space_of(model, entry->space)->closed = true;
		break;
	case ENTRY_READY:
		space_ready(model, entry->space);
		break;
	}
}

/* --- comparing ------------------------------------------------------------------------------ */

static char difference[256];

static const char *buffer_compare(struct model *model, const struct segment_view *view,
                                  const struct view_buffer *buffer)
{
	struct model_record *record = &model->records[buffer->id & PLACE_MASK];
	const struct model_space *space = space_of(model, record->space);
	const struct view_space *shown = &view->spaces[buffer->space];
	const char *what = NULL;

	if (!record->live || record->id != buffer->id)
		what = "is not live";
	else if (record->seen == model->comparison)
		what = "is there twice";
	else if (record->bytes != buffer->bytes)
		what = "has other bytes";
	else if (record->space != shown->handle)
		what = "is in another space";
	else if (record->class_now != buffer->class_now || record->kind != buffer->kind)
		what = "is of another class or kind";
	else if (space->closed != buffer->closed)
		what = "is closed, or not";
	else if (!buffer->incomplete && buffer->address != (buffer->id & PLACE_MASK) * 64)
		what = "has another address";
	record->seen = model->comparison;
	for (uint32_t m = 0; !what && !buffer->incomplete && m < shown->member_count; m++) {
		uint64_t bytes = buffer->member_bytes ? buffer->member_bytes[m] : buffer->bytes;

		if (bytes != (record->gone >> m & 1 ? 0 : record->bytes))
			what = "has other shares";
	}
	if (!what)
		return NULL;
	snprintf(difference, sizeof difference, "buffer %llx of op %llu %s (op %llu, %s, gone %x)",
	         (unsigned long long)buffer->id, (unsigned long long)buffer->op, what,
	         (unsigned long long)view->op, buffer->incomplete ? "incomplete" : "whole",
	         record->gone);
	return difference;
}

struct sums {
	uint64_t bytes[MODEL_KINDS][MODEL_DEVICES][CLASS_LIMIT];
	uint64_t buffers[MODEL_KINDS][MODEL_DEVICES];
	uint64_t held[MODEL_KINDS][MODEL_DEVICES];
	uint32_t shown;
};

static void sums_add(struct sums *sums, const struct model_record *record,
                     const struct model_space *space)
{
	if (record->gone != all_members(space))
		sums->shown++;
	if (space->closed)
		return;
	for (uint32_t m = 0; m < MODEL_DEVICES; m++) {
		uint32_t device = space->device < 0 ? m : (uint32_t)space->device;

		if (record->gone >> m & 1 || (space->device >= 0 && m > 0))
			continue;
		sums->bytes[record->kind][device][record->class_now] += record->bytes;
		sums->buffers[record->kind][device]++;
		sums->held[record->kind][device] +=
			record->span ? record->span * model_banks(record->kind, device)
				     : record->bytes;
	}
}

static const char *figures_compare(const struct segment_view *view, const struct sums *sums)
{
	for (uint32_t kind = 0; kind < MODEL_KINDS; kind++)
		for (uint32_t device = 0; device < MODEL_DEVICES; device++) {
			const struct view_figure *figure =
				&view->figures[kind * view->device_count + device];
			uint64_t buffers =
				figure->buffers[CLASS_USER] + figure->buffers[CLASS_SYSTEM];

			if (figure->held == sums->held[kind][device] &&
			    buffers == sums->buffers[kind][device] &&
			    memcmp(figure->bytes, sums->bytes[kind][device],
			           sizeof figure->bytes) == 0)
				continue;
			snprintf(difference, sizeof difference,
			         "kind %u device %u: held %llu, not %llu; buffers %llu, not %llu",
			         kind, device, (unsigned long long)figure->held,
			         (unsigned long long)sums->held[kind][device],
			         (unsigned long long)buffers,
			         (unsigned long long)sums->buffers[kind][device]);
			return difference;
		}
	return NULL;
}

const char *model_compare(struct model *model, const struct segment_view *view)
{
	static struct sums sums;
	const char *what = NULL;
	uint32_t i;

	model->comparison++;
	memset(&sums, 0, sizeof sums);
	for (i = 0; i < MODEL_PLACES; i++)
		if (model->records[i].live)
			sums_add(&sums, &model->records[i],
			         space_of(model, model->records[i].space));
	for (i = 0; i < view->buffer_count && !what; i++)
		what = buffer_compare(model, view, &view->buffers[i]);
	if (!what)
		what = figures_compare(view, &sums);
	if (!what && view->depth == VIEW_BUFFERS && view->buffer_count != sums.shown) {
		snprintf(difference, sizeof difference, "%u buffers, not %u (op %llu)",
		         view->buffer_count, sums.shown, (unsigned long long)view->op);
		what = difference;
	}
	return what;
}
