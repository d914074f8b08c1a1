/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a copy of a segment that its writer may be changing: first what must be of one op number
 * (spaces, rows, counters), then tables that only grow, then, where asked for or needed, the
 * records (reader_slots.c). See docs/segment-format.md 1.5.
 */
#include "reader_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOTALS_TRIES = 8, SNAPSHOT_TRIES = 5, STREAM_TRIES = 3 };

struct copy_words copy_words(const struct reader_copy *copy)
{
	struct copy_words words;

	source_read(copy->fd, &words, __builtin_offsetof(struct segment_header, reserve),
	            sizeof words);
	return words;
}

/* Of a proxy the subject may be dead while there is still something to be written about it. */
bool copy_is_dead(const struct reader_copy *copy)
{
	return copy->writer_gone;
}

struct reader_copy *copy_create(const char *path)
{
	struct reader_copy *copy = calloc(1, sizeof *copy);
	const char *slash = strrchr(path, '/');

	if (!copy)
		return NULL;
	copy->fd = -1;
	snprintf(copy->name, sizeof copy->name, "%s", slash ? slash + 1 : path);
	copy->arena = arena_create();
	if (!copy->arena) {
		free(copy);
		return NULL;
	}
	return copy;
}

void copy_destroy(struct reader_copy *copy)
{
	if (!copy)
		return;
	arena_destroy(copy->arena);
	if (copy->fd >= 0)
		close(copy->fd);
	free(copy);
}

int copy_clear(struct reader_copy *copy)
{
	size_t from = __builtin_offsetof(struct reader_copy, op);

	arena_destroy(copy->arena);
	memset((char *)copy + from, 0, sizeof *copy - from);
	copy->arena = arena_create();
	return copy->arena ? 0 : -ENOMEM;
}

int vector_add(struct reader_copy *copy, struct copy_vector *vector, const void *item, size_t size)
{
	if (vector->count == vector->room) {
		size_t room = vector->room ? vector->room * 2 : 64;
		void *items = arena_take(copy->arena, room, size);

		if (!items)
			return -ENOMEM;
		if (vector->count)
			memcpy(items, vector->items, vector->count * size);
		vector->items = items;
		vector->room = room;
	}
	memcpy((char *)vector->items + vector->count++ * size, item, size);
	return 0;
}

static int table_copy(struct reader_copy *copy, enum segment_region_id id)
{
	const struct segment_region *region = &copy->header.regions[id];
	struct copy_table *table = &copy->tables[id];
	size_t bytes = (size_t)region->count * region->element_bytes;

	table->count = region->count;
	table->data = arena_take(copy->arena, region->count, region->element_bytes);
	if (!table->data)
		return -ENOMEM;
	if (bytes > COPY_PART_BYTES)
		source_read_sparse(copy->fd, table->data, region->offset, bytes);
	else if (bytes)
		source_read(copy->fd, table->data, region->offset, bytes);
	return 0;
}

/* The arrays are for 1,024 devices; what is copied are those of the devices that there are. Nobody
 * looks at the rest of a copy without records: clearing it is most of what this would cost. */
static int counters_copy(struct reader_copy *copy, bool with_slots)
{
	static const struct {
		size_t offset, size;
	} arrays[] = {
		{__builtin_offsetof(struct segment_counters, held), 8},
		{__builtin_offsetof(struct segment_counters, peak), 8},
		{__builtin_offsetof(struct segment_counters, peak_base), 8},
		{__builtin_offsetof(struct segment_counters, frame), 4},
	};
	const struct segment_region *region = &copy->header.regions[REGION_COUNTERS];
	struct copy_table *table = &copy->tables[REGION_COUNTERS];
	uint32_t devices = copy->header.regions[REGION_DEVICES].count, kind;
	size_t i;

	table->count =
		region->count < copy->header.kind_count ? region->count : copy->header.kind_count;
	table->data =
		with_slots ? arena_take(copy->arena, table->count, sizeof(struct segment_counters))
			   : arena_take_raw(copy->arena, table->count,
	                                    sizeof(struct segment_counters));
	if (!table->data)
		return -ENOMEM;
	for (kind = 0; kind < table->count; kind++)
		for (i = 0; i < sizeof arrays / sizeof *arrays; i++) {
			size_t at = kind * sizeof(struct segment_counters) + arrays[i].offset;

			source_read(copy->fd, (char *)table->data + at, region->offset + at,
			            devices * arrays[i].size);
		}
	return 0;
}

/* The lists of members, before the entry of a space that is long closed can be given to another:
 * such a one is left out. */
static int members_copy(struct reader_copy *copy)
{
	struct copy_table *table = &copy->tables[REGION_SPACES];
	struct segment_space *spaces = table->data, *again;
	uint32_t i;

	for (i = 0; i < table->count; i++)
		if (spaces[i].type == SPACE_MESH)
			copy_block(copy, spaces[i].members_block,
			           (size_t)spaces[i].member_count * sizeof(uint32_t), false);
	if (copy_is_dead(copy))
		return 0;
	again = arena_take(copy->arena, table->count, sizeof *again);
	if (!again)
		return -ENOMEM;
	source_read(copy->fd, again, copy->header.regions[REGION_SPACES].offset,
	            table->count * sizeof *again);
	for (i = 0; i < table->count; i++)
		if (again[i].handle != spaces[i].handle ||
		    again[i].members_block != spaces[i].members_block)
			memset(&spaces[i], 0, sizeof *spaces);
	return 0;
}

/* Spaces, rows and counters; says whether they are those at copy->op. `commit` comes before the
 * counts of the tables, so that these hold at least what there was at that op. */
static int totals_copy(struct reader_copy *copy, bool with_slots)
{
	struct copy_words words = copy_words(copy);
	int error;

	copy->op = words.commit;
	copy->op_limit = copy_is_dead(copy) ? UINT64_MAX : words.commit;
	source_read(copy->fd, &copy->header, 0, sizeof copy->header);
	error = header_check(&copy->header, BYTES_NOT_ASKED, copy->name, NULL);
	if (!error)
		error = table_copy(copy, REGION_SPACES);
	if (!error)
		error = members_copy(copy);
	if (!error)
		error = table_copy(copy, REGION_ROWS);
	if (!error)
		error = counters_copy(copy, with_slots);
	words = copy_words(copy);
	copy->totals_exact = words.reserve == copy->op;
	copy->totals_off = words.reserve - copy->op;
	return error;
}

/* Frames are rewritten in place: the one that changed meanwhile is left out. */
static void frames_recheck(struct reader_copy *copy)
{
	const struct segment_region *region = &copy->header.regions[REGION_FRAMES];
	struct copy_table *table = &copy->tables[REGION_FRAMES];
	struct segment_frame *frames = table->data;
	uint64_t head[4];
	uint32_t i;

	for (i = 0; i < table->count; i++) {
		source_read(copy->fd, head, region->offset + i * sizeof *frames, sizeof head);
		if (memcmp(head, &frames[i], 3 * sizeof *head) != 0)
			frames[i].count = 0;
	}
}

/* The same for failures, whose lists are read in between. */
static int failures_copy(struct reader_copy *copy)
{
	const struct segment_region *region = &copy->header.regions[REGION_FAILURES];
	struct copy_table *table = &copy->tables[REGION_FAILURES];
	struct segment_failure again, *failure;
	int error = table_copy(copy, REGION_FAILURES);
	uint32_t i;

	for (i = 0; !error && i < table->count; i++) {
		failure = (struct segment_failure *)table->data + i;
		copy_block(copy, failure->devices_block,
		           failure->device_count * sizeof(struct segment_failure_device), true);
		copy_block(copy, failure->lines_block,
		           failure->line_count * sizeof(struct segment_share_of), true);
		copy_block(copy, failure->buffers_block,
		           failure->buffer_count * sizeof(struct segment_failure_buffer), true);
		source_read(copy->fd, &again, region->offset + i * sizeof again, sizeof again);
		if (memcmp(&again, failure, sizeof again) != 0)
			failure->number = 0;
	}
	return error;
}

static void last_time_copy(struct reader_copy *copy)
{
	const struct segment_region *ring = &copy->header.regions[REGION_RING];
	struct segment_event event;

	if (ring->count == 0 || copy->op == 0)
		return;
	source_read(copy->fd, &event, ring->offset + copy->op % ring->count * sizeof event,
	            sizeof event);
	copy->last_time = event.type_op >> 32 == (uint32_t)copy->op ? event.time : 0;
}

/* Tables of which what is complete at one op stays so. */
static int tables_copy(struct reader_copy *copy)
{
	static const enum segment_region_id ids[] = {REGION_DEVICES, REGION_STRINGS, REGION_TAGS,
	                                             REGION_FAULTS,  REGION_FRAMES,  REGION_MARKS,
	                                             REGION_PROGRAMS};
	size_t i;
	int error = 0;

	for (i = 0; !error && i < sizeof ids / sizeof *ids; i++)
		error = table_copy(copy, ids[i]);
	if (error)
		return error;
	if (!copy_is_dead(copy))
		frames_recheck(copy);
	last_time_copy(copy);
	return failures_copy(copy);
}

/* Until they are of one op number, or that many times. */
static int totals_try(struct reader_copy *copy, bool with_slots, int tries)
{
	int error;

	do {
		error = copy_clear(copy);
		if (!error)
			error = totals_copy(copy, with_slots);
	} while (!error && !copy->totals_exact && !copy_is_dead(copy) && --tries > 0);
	return error;
}

/* One try. -EAGAIN: the writer was too fast for it. */
static int attempt(struct reader_copy *copy, bool with_slots, int totals_tries, bool last)
{
	int error = totals_try(copy, with_slots, totals_tries);

	if (error)
		return error;
	if (!with_slots && !copy->totals_exact)
		return -EAGAIN;
	if (with_slots)
		error = copy_slots(copy, last);
	return error ? error : tables_copy(copy);
}

static int copy_fill(struct reader_copy *copy, enum view_depth depth)
{
	int try, error = 0;

	if (depth == VIEW_TOTALS && !copy_is_dead(copy)) {
		error = attempt(copy, false, TOTALS_TRIES, false);
		if (error != -EAGAIN)
			return error;
	}
	for (try = 0; try < SNAPSHOT_TRIES; try++) {
		error = attempt(copy, true, depth == VIEW_TOTALS ? 1 : TOTALS_TRIES,
		                try == SNAPSHOT_TRIES - 1);
		if (error != -EAGAIN)
			break;
	}
	return error;
}

static int fill_totals(struct reader_copy *copy, enum view_depth depth)
{
	int error = totals_try(copy, false, STREAM_TRIES);

	(void)depth;
	if (!error && copy_is_dead(copy))
		dead_op(copy);
	return error ? error : tables_copy(copy);
}

static int take(int fd, const char *path, bool kept, enum view_depth depth,
                int (*fill)(struct reader_copy *copy, enum view_depth depth),
                struct reader_copy **ret_copy, struct segment_reject *ret_reject)
{
	struct reader_copy *copy = copy_create(path);
	int error;

	if (!copy) {
		close(fd);
		return reject(ret_reject, -ENOMEM, path, "not enough memory");
	}
	copy->fd = fd;
	life_of_copy(copy, kept);
	error = header_check(&copy->header, source_bytes(fd), path, ret_reject);
	if (!error) {
		error = fill(copy, depth);
		if (error)
			reject(ret_reject, error, path, "cannot be read: %s", strerror(-error));
	}
	if (error) {
		copy_destroy(copy);
		return error;
	}
	copy->now = clock_now(&copy->header);
	*ret_copy = copy;
	return 0;
}

int copy_take(int fd, const char *path, enum view_depth depth, bool kept,
              struct reader_copy **ret_copy, struct segment_reject *ret_reject)
{
	return take(fd, path, kept, depth, copy_fill, ret_copy, ret_reject);
}

int copy_take_totals(int fd, const char *path, struct reader_copy **ret_copy,
                     struct segment_reject *ret_reject)
{
	return take(fd, path, false, VIEW_TOTALS, fill_totals, ret_copy, ret_reject);
}
