/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to an image before it is kept: the end of its subject, fewer buffers. See reader.h.
 */
#include "reader_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int segment_image_end(struct segment_image *image, const struct segment_end *end)
{
	struct reader_copy *copy = image->copy;

	if (!end->realtime_ns)
		return -EINVAL;
	copy->header.state |= SEGMENT_STATE_DEAD;
	copy->header.end = *end;
	/* Of a program that gave way to another by exec nothing more can be seen. */
	if (copy->life != LIFE_EXEC || end->how != END_UNKNOWN)
		copy->life = life_of_ended(&copy->header);
	if (!(copy->header.compat & SEGMENT_COMPAT_PROXY))
		copy->writer_gone = true;
	return 0;
}

/* --- fewer buffers -------------------------------------------------------------------------- */

struct ranked {
	uint64_t bytes; /* on all members */
	uint32_t index;
};

static int largest_first(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes > right->bytes ? -1 : 1;
	return (left->index > right->index) - (left->index < right->index);
}

static int as_they_were(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

static uint64_t bytes_of(const struct reader_copy *copy, const struct segment_slot *slot)
{
	const struct segment_row *row = copy_element(copy, REGION_ROWS, slot->row, sizeof *row);
	const struct segment_space *space =
		row ? copy_element(copy, REGION_SPACES, row->space % SEGMENT_MAX_SPACES,
	                           sizeof *space)
		    : NULL;
	uint64_t members = space && space->handle == row->space ? space->member_count : 1, bytes;

	return __builtin_mul_overflow(slot->bytes, members, &bytes) ? UINT64_MAX : bytes;
}

/* The rows of the copy become what its records add up to: they are all that is known of those that
 * are left out. The view is not needed. */
static int rows_settle(struct reader_copy *copy)
{
	struct segment_view *view = NULL;
	int error;

	copy->settle_rows = true;
	error = copy_parse(copy, VIEW_TOTALS, &view);
	copy->settle_rows = false;
	segment_view_destroy(view);
	return error == -EAGAIN ? 0 : error;
}

/* The detail of a record that is kept, with its shares, in new lists. */
static int detail_keep(struct reader_copy *copy, const struct reader_copy *old, uint32_t *ret_index)
{
	struct copy_vector vector = {copy->details, copy->detail_count, copy->detail_room};
	struct segment_detail detail;
	const struct segment_shares *shares;
	int error;

	if (*ret_index >= old->detail_count) {
		*ret_index = COPY_NO_DETAIL;
		return 0;
	}
	detail = old->details[*ret_index];
	shares = detail.shares_block ? shares_kept(old, &detail) : NULL;
	error = shares ? shares_keep(copy, shares, &detail) : 0;
	if (!error)
		error = vector_add(copy, &vector, &detail, sizeof detail);
	if (error)
		return error;
	*ret_index = (uint32_t)copy->detail_count;
	copy->details = vector.items;
	copy->detail_count = vector.count;
	copy->detail_room = vector.room;
	return 0;
}

static int records_keep(struct reader_copy *copy, const struct ranked *kept, uint32_t count)
{
	struct reader_copy old = *copy;
	int error = 0;

	copy->details = NULL;
	copy->detail_count = copy->detail_room = 0;
	memset(&copy->shares, 0, sizeof copy->shares);
	for (uint32_t i = 0; i < count && !error; i++) {
		uint32_t from = kept[i].index; /* never before i */

		copy->slots[i] = copy->slots[from];
		copy->slot_numbers[i] = copy->slot_numbers[from];
		copy->detail_of[i] = copy->detail_of[from];
		error = detail_keep(copy, &old, &copy->detail_of[i]);
	}
	copy->slot_count = count;
	return error;
}

int segment_image_reduce(struct segment_image *image, uint32_t buffers)
{
	struct reader_copy *copy = image->copy;
	size_t all = copy->slot_count + copy->lost.count;
	struct ranked *ranked;
	int error;

	if (!copy->has_slots || all <= buffers)
		return 0;
	buffers = buffers < copy->slot_count ? buffers : (uint32_t)copy->slot_count;
	ranked = calloc(copy->slot_count + 1, sizeof *ranked);
	error = ranked ? rows_settle(copy) : -ENOMEM;
	for (uint32_t i = 0; !error && i < copy->slot_count; i++)
		ranked[i] = (struct ranked){bytes_of(copy, &copy->slots[i]), i};
	if (!error) {
		qsort(ranked, copy->slot_count, sizeof *ranked, largest_first);
		qsort(ranked, buffers, sizeof *ranked, as_they_were);
		error = records_keep(copy, ranked, buffers);
		copy->lost.count = 0;
		copy->header.no_detail_buffers += all - buffers;
		copy->header.state |= SEGMENT_STATE_DEGRADED;
	}
	free(ranked);
	return error;
}
