/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that belong to other records: the blocks region, copied part by part as it is needed. */
#include "reader_copy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	UPDATES_MAX = 256,
	WINDOW_READ = 4 << 10,  /* lists of records that were made together lie close together */
	WINDOW_BYTES = 16 << 10 /* the longest list of a record fits */
};
#define JOINED_MAX (512u << 20)

/* Stands for parts that are holes of the file, or not in an image. Never written. */
static uint8_t empty_part[COPY_PART_BYTES];

int blocks_init(struct reader_copy *copy)
{
	const struct segment_region *region = &copy->header.regions[REGION_BLOCKS];

	copy->block_units = region->count;
	copy->part_count = (region->count + COPY_PART_UNITS - 1) / COPY_PART_UNITS;
	copy->parts = arena_take(copy->arena, copy->part_count, sizeof *copy->parts);
	return copy->parts ? 0 : -ENOMEM;
}

/* Reads again what of [at, at + bytes) lies in the part. */
static void part_refresh(struct reader_copy *copy, uint32_t part, uint64_t at, uint64_t bytes)
{
	const struct segment_region *region = &copy->header.regions[REGION_BLOCKS];
	uint64_t start = (uint64_t)part * COPY_PART_BYTES, end = start + COPY_PART_BYTES;
	uint64_t limit = (uint64_t)copy->block_units * COPY_UNIT;

	if (copy->parts[part] == empty_part) {
		copy->parts[part] = NULL;
		return;
	}
	end = end < limit ? end : limit;
	at = at > start ? at : start;
	end = end < at + bytes ? end : at + bytes;
	if (at < end)
		source_read(copy->fd, copy->parts[part] + (at - start), region->offset + at,
		            end - at);
}

static bool part_is_hole(const struct reader_copy *copy, uint32_t part)
{
	uint64_t at = copy->header.regions[REGION_BLOCKS].offset + (uint64_t)part * COPY_PART_BYTES;
	off_t data;

	if (copy->fd < 0)
		return true;
	data = lseek(copy->fd, (off_t)at, SEEK_DATA);
	return data < 0 ? errno == ENXIO : (uint64_t)data >= at + COPY_PART_BYTES;
}

static uint8_t *part_get(struct reader_copy *copy, uint32_t part)
{
	if (copy->parts[part])
		return copy->parts[part];
	if (part_is_hole(copy, part))
		return copy->parts[part] = empty_part;
	copy->parts[part] = arena_take(copy->arena, COPY_PART_BYTES, 1);
	if (copy->parts[part])
		part_refresh(copy, part, (uint64_t)part * COPY_PART_BYTES, COPY_PART_BYTES);
	return copy->parts[part];
}

/* A list that lies in several parts is put together. */
static const void *block_join(struct reader_copy *copy, uint64_t at, size_t bytes)
{
	char *joined;
	size_t done = 0;

	copy->joined_bytes += bytes;
	if (copy->joined_bytes > JOINED_MAX)
		return NULL;
	joined = arena_take(copy->arena, bytes, 1);
	while (joined && done < bytes) {
		size_t in_part = (at + done) % COPY_PART_BYTES, n = COPY_PART_BYTES - in_part;
		uint8_t *part = part_get(copy, (uint32_t)((at + done) / COPY_PART_BYTES));

		if (!part)
			return NULL;
		n = n < bytes - done ? n : bytes - done;
		memcpy(joined + done, part + in_part, n);
		done += n;
	}
	return joined;
}

/* The region may have grown since its count was copied. */
static void units_update(struct reader_copy *copy)
{
	uint64_t at = __builtin_offsetof(struct segment_header, regions) +
	              REGION_BLOCKS * sizeof(struct segment_region);
	struct segment_region region, *old = &copy->header.regions[REGION_BLOCKS];
	uint8_t **parts;
	uint32_t part_count, last = copy->part_count - 1;

	if (copy->unit_updates++ > UPDATES_MAX)
		return;
	source_read(copy->fd, &region, at, sizeof region);
	if (region.offset != old->offset || region.element_bytes != COPY_UNIT ||
	    region.count <= copy->block_units || region.count > (1u << 30) / COPY_UNIT ||
	    (uint64_t)region.count * COPY_UNIT > old->capacity_bytes)
		return;
	part_count = (region.count + COPY_PART_UNITS - 1) / COPY_PART_UNITS;
	parts = arena_take(copy->arena, part_count, sizeof *parts);
	if (!parts)
		return;
	memcpy(parts, copy->parts, copy->part_count * sizeof *parts);
	copy->parts = parts;
	copy->part_count = part_count;
	copy->block_units = region.count;
	old->count = region.count;
	/* What was the last part was copied only so far. */
	if (last != UINT32_MAX && copy->parts[last])
		part_refresh(copy, last, 0, UINT64_MAX / 2);
}

int blocks_window(struct reader_copy *copy)
{
	copy->window.bytes = arena_take_raw(copy->arena, WINDOW_BYTES, 1);
	copy->window.count = 0;
	return copy->window.bytes ? 0 : -ENOMEM;
}

static const void *window_get(struct reader_copy *copy, uint64_t at, size_t bytes, bool fresh)
{
	struct copy_window *window = &copy->window;
	uint64_t left = (uint64_t)copy->block_units * COPY_UNIT - at;
	size_t count = bytes < WINDOW_READ ? WINDOW_READ : bytes;

	if (bytes > WINDOW_BYTES)
		return NULL;
	if (!fresh && at >= window->at && at + bytes <= window->at + window->count)
		return window->bytes + (at - window->at);
	window->at = at;
	window->count = count < left ? count : left;
	source_read(copy->fd, window->bytes, copy->header.regions[REGION_BLOCKS].offset + at,
	            window->count);
	return window->bytes;
}

const void *copy_block(struct reader_copy *copy, uint32_t block, size_t bytes, bool fresh)
{
	uint64_t at = (uint64_t)block * COPY_UNIT;
	uint32_t part = (uint32_t)(at / COPY_PART_BYTES);

	if (block == 0 || bytes == 0 || bytes > 1u << 30)
		return NULL;
	if (!copy->parts && blocks_init(copy) < 0)
		return NULL;
	if (copy->fd >= 0 && fresh && at + bytes > (uint64_t)copy->block_units * COPY_UNIT)
		units_update(copy);
	if (at + bytes > (uint64_t)copy->block_units * COPY_UNIT)
		return NULL;
	if (copy->window.bytes)
		return window_get(copy, at, bytes, fresh);
	if (copy->fd >= 0 && fresh)
		for (uint32_t i = part; i <= (at + bytes - 1) / COPY_PART_BYTES; i++)
			if (copy->parts[i])
				part_refresh(copy, i, at, bytes);
	if ((at + bytes - 1) / COPY_PART_BYTES != part)
		return block_join(copy, at, bytes);
	if (!part_get(copy, part))
		return NULL;
	return copy->parts[part] + at % COPY_PART_BYTES;
}

static size_t shares_bytes(const struct segment_shares *shares)
{
	size_t words = (shares->members + 63) / 64 + (shares->uneven ? shares->members : 0);

	return sizeof *shares + words * sizeof *shares->words;
}

static bool shares_are_of(const struct segment_shares *shares, const struct segment_detail *detail)
{
	return shares && shares->op == detail->op && shares->members > 0 &&
	       shares->members <= SEGMENT_MAX_MEMBERS;
}

/* How long they are is known from their head, and then all of them are read at once. */
const struct segment_shares *copy_shares(struct reader_copy *copy,
                                         const struct segment_detail *detail, bool fresh)
{
	const struct segment_shares *shares =
		copy_block(copy, detail->shares_block, sizeof *shares, fresh);
	size_t bytes;

	if (!shares_are_of(shares, detail))
		return NULL;
	bytes = shares_bytes(shares);
	shares = copy_block(copy, detail->shares_block, bytes, fresh);
	return shares_are_of(shares, detail) && shares_bytes(shares) == bytes ? shares : NULL;
}

/* A list of its own in the copy: the block may be another record's before all is copied. */
int shares_keep(struct reader_copy *copy, const struct segment_shares *shares,
                struct segment_detail *detail)
{
	const uint64_t *words = (const uint64_t *)(const void *)shares;
	size_t count = shares_bytes(shares) / sizeof *words, i;
	int error = 0;

	detail->shares_block = (uint32_t)copy->shares.count + 1;
	for (i = 0; i < count && !error; i++)
		error = vector_add(copy, &copy->shares, &words[i], sizeof *words);
	return error;
}

const struct segment_shares *shares_kept(const struct reader_copy *copy,
                                         const struct segment_detail *detail)
{
	const uint64_t *words = copy->shares.items;
	size_t left, at = detail->shares_block - 1u;
	const struct segment_shares *shares;

	if (at >= copy->shares.count)
		return NULL;
	left = (copy->shares.count - at) * sizeof *words;
	shares = (const struct segment_shares *)(const void *)(words + at);
	if (left < sizeof *shares || !shares_are_of(shares, detail) || shares_bytes(shares) > left)
		return NULL;
	return shares;
}

/* --- images --------------------------------------------------------------------------------- */

int blocks_put(struct reader_copy *copy, uint64_t first, const void *from, uint64_t count)
{
	uint64_t done;

	if (first > copy->block_units || count > copy->block_units - first)
		return -EINVAL;
	for (done = 0; done < count;) {
		uint32_t part = (uint32_t)((first + done) / COPY_PART_UNITS);
		uint64_t in_part = (first + done) % COPY_PART_UNITS, n = COPY_PART_UNITS - in_part;

		n = n < count - done ? n : count - done;
		if (!copy->parts[part])
			copy->parts[part] = arena_take(copy->arena, COPY_PART_BYTES, 1);
		if (!copy->parts[part])
			return -ENOMEM;
		memcpy(copy->parts[part] + in_part * COPY_UNIT,
		       (const char *)from + done * COPY_UNIT, n * COPY_UNIT);
		done += n;
	}
	return 0;
}

int blocks_copy_all(struct reader_copy *copy)
{
	uint32_t part;
	int error = copy->parts ? 0 : blocks_init(copy);

	for (part = 0; !error && part < copy->part_count; part++)
		error = part_get(copy, part) ? 0 : -ENOMEM;
	return error;
}

bool block_part_is_empty(const struct reader_copy *copy, uint32_t part)
{
	return !copy->parts[part] || copy->parts[part] == empty_part;
}
