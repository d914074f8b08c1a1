/* SPDX-License-Identifier: Apache-2.0 */
/* The live records of a view, and what they add up to. */
#include "reader_record.h"

#include <errno.h>
#include <string.h>

static bool init_copied(struct parse *p, size_t index, struct record *record)
{
	const struct reader_copy *copy = p->copy;
	const struct segment_detail *detail = NULL;

	if (copy->detail_of[index] < copy->detail_count)
		detail = &copy->details[copy->detail_of[index]];
	return record_init(p, &copy->slots[index], copy->slot_numbers[index], detail, record);
}

static int record_add(struct parse *p, const struct record *record, bool wanted)
{
	int left = record_count(p, record);

	if (left <= 0 || !wanted)
		return left < 0 ? left : 0;
	return record_fill(p, record, &p->view->buffers[p->view->buffer_count++]);
}

/* Those that waited. */
static int backings_add(struct parse *p, struct takeovers *takeovers, bool wanted)
{
	struct record record;
	int error = takeovers_settle(takeovers);

	for (uint32_t i = 0; i < takeovers->backing_count && !error; i++) {
		if (!init_copied(p, takeovers->backings[i].key, &record))
			continue;
		takeovers_apply(takeovers, i, &record);
		error = record_add(p, &record, wanted);
	}
	return error;
}

static int records_add(struct parse *p, bool wanted)
{
	struct takeovers takeovers = {.view = p->view};
	struct record record;
	int waits = 0, error = 0;

	for (size_t i = 0; i < p->copy->slot_count && !error; i++) {
		if (!init_copied(p, i, &record))
			continue;
		waits = takeovers_note(&takeovers, &record, (uint32_t)i);
		error = waits < 0 ? waits : waits ? 0 : record_add(p, &record, wanted);
	}
	if (!error)
		error = backings_add(p, &takeovers, wanted);
	takeovers_finish(&takeovers);
	return error;
}

/* --- records known from their events alone -------------------------------------------------- */

static int lost_add(struct parse *p, bool wanted, const struct snapshot_lost *lost)
{
	const struct parse_row *info;
	struct view_buffer *buffer;

	if (lost->row >= p->row_count || p->row_infos[lost->row].space == NONE) {
		p->stale = true;
		return 0;
	}
	info = &p->row_infos[lost->row];
	/* A size that is not in the event itself may be that of a record with shares. */
	if (lost->unsure && p->view->spaces[info->space].type == SPACE_MESH)
		p->stale = true;
	if (p->recount)
		row_put(&p->rows[lost->row], lost->bytes, lost->held);
	if (!wanted)
		return 0;
	buffer = &p->view->buffers[p->view->buffer_count++];
	buffer->id = lost->id;
	buffer->address = SEGMENT_NO_ADDRESS;
	buffer->bytes = lost->bytes;
	buffer->slot = lost->slot;
	buffer->space = info->space;
	buffer->tag = p->rows[lost->row].tag;
	buffer->kind = info->kind;
	buffer->class_now = info->class_now;
	buffer->closed = p->rows[lost->row].closed;
	buffer->incomplete = true;
	buffer->site = "";
	return 0;
}

int parse_buffers(struct parse *p, bool wanted)
{
	const struct reader_copy *copy = p->copy;
	int error;

	if (wanted)
		p->view->buffers = arena_take(p->arena, copy->slot_count + copy->lost.count,
		                              sizeof *p->view->buffers);
	if (wanted && !p->view->buffers)
		return -ENOMEM;
	error = records_add(p, wanted);
	for (size_t i = 0; i < copy->lost.count && !error; i++)
		error = lost_add(p, wanted, (const struct snapshot_lost *)copy->lost.items + i);
	return error;
}
