/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live records of a segment at one op number, without stopping its writer:
 * the bitmap, then the slots in runs, and, between the runs, the events that
 * went on meanwhile, so that the ring need not hold a whole scan. What an event
 * says was freed since the op is put back, from its slot as long as that lies
 * in quarantine, else from the event alone.
 */
#include "reader_walk.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS_AT_ONCE = 2048,
	EARLY_MAX = 256,     /* freed slots that are read between two runs */
	MISSED_MAX = 1 << 26 /* events in one snapshot: beyond it the words are not believed */
};
#define WAIT_NS                                                                                    \
	1000000 /* for a batch to be completed, before the writer is taken as                      \
	           stopped */

struct scan {
	struct slot_walk walk; /* first: found() is given this */
	struct reader_copy *copy;
	uint64_t *fresh;                            /* slots that were allocated after copy->op */
	uint64_t next;                              /* highest op whose event was looked at */
	uint64_t sizes_op, sizes_bytes, sizes_held; /* of the last EVENT_SIZES */
	struct copy_vector pending;                 /* struct snapshot_lost: freed, not taken yet */
	struct segment_event *events;
};

static int room_make(struct reader_copy *copy, size_t room)
{
	struct segment_slot *slots = arena_take_raw(copy->arena, room, sizeof *slots);
	uint32_t *numbers = arena_take_raw(copy->arena, room, sizeof *numbers);
	uint32_t *detail_of = arena_take_raw(copy->arena, room, sizeof *detail_of);

	if (!slots || !numbers || !detail_of)
		return -ENOMEM;
	if (copy->slot_count) {
		memcpy(slots, copy->slots, copy->slot_count * sizeof *slots);
		memcpy(numbers, copy->slot_numbers, copy->slot_count * sizeof *numbers);
		memcpy(detail_of, copy->detail_of, copy->slot_count * sizeof *detail_of);
	}
	copy->slots = slots;
	copy->slot_numbers = numbers;
	copy->detail_of = detail_of;
	copy->slot_room = room;
	return 0;
}

static int detail_add(struct reader_copy *copy, const struct segment_detail *detail,
                      uint32_t *ret_index)
{
	struct copy_vector vector = {copy->details, copy->detail_count, copy->detail_room};
	int error = vector_add(copy, &vector, detail, sizeof *detail);

	if (error)
		return error;
	*ret_index = (uint32_t)copy->detail_count;
	copy->details = vector.items;
	copy->detail_count = vector.count;
	copy->detail_room = vector.room;
	return 0;
}

static int slot_add(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                    const struct segment_detail *given)
{
	struct reader_copy *copy = walk->copy;
	struct segment_detail detail;
	int has_detail, error = 0;

	if (copy->slot_count == copy->slot_room)
		error = room_make(copy, copy->slot_room * 2 + 64);
	if (error)
		return error;
	has_detail = walk_detail(walk, slot, number, given, &detail);
	if (has_detail < 0)
		return has_detail == -ESTALE ? 0 : has_detail;
	copy->detail_of[copy->slot_count] = COPY_NO_DETAIL;
	if (has_detail)
		error = detail_add(copy, &detail, &copy->detail_of[copy->slot_count]);
	if (error)
		return error;
	copy->slots[copy->slot_count] = *slot;
	copy->slot_numbers[copy->slot_count++] = number;
	bit_put(walk->taken, number, true);
	return 0;
}

/* A record that was freed after copy->op, from its slot if that is still what
 * it was. */
static int putback(struct scan *scan, const struct snapshot_lost *lost)
{
	struct reader_copy *copy = scan->copy;
	struct segment_slot slot;

	if (bit_test(scan->walk.taken, lost->slot))
		return 0;
	source_read(copy->fd, &slot, slot_offset(copy, lost->slot), sizeof slot);
	if (slot_is_whole(&slot) && slot_op(&slot) <= copy->op && slot.id == lost->id) {
		int error = slot_add(&scan->walk, &slot, lost->slot, NULL);

		if (error || bit_test(scan->walk.taken, lost->slot))
			return error;
	}
	bit_put(scan->walk.taken, lost->slot, true);
	return vector_add(copy, &copy->lost, lost, sizeof *lost);
}

static void event_sizes(const struct scan *scan, const struct segment_event *event, uint64_t op,
                        struct snapshot_lost *lost)
{
	uint32_t bytes = (uint32_t)(event->place >> 40);
	uint32_t held = (uint32_t)(event->type_op >> 8) & 0xffffffu;
	bool before = op == scan->sizes_op + 1;

	lost->unsure = bytes == SIZE_CODE_NONE || held == SIZE_CODE_NONE;
	lost->bytes = bytes != SIZE_CODE_NONE ? size_decode(bytes) : before ? scan->sizes_bytes : 0;
	lost->held = held != SIZE_CODE_NONE ? size_decode(held) : before ? scan->sizes_held : 0;
}

/* What an event says about the records at copy->op. */
static int event_apply(struct scan *scan, const struct segment_event *event, uint64_t op)
{
	uint32_t slot = (uint32_t)event->place & 0xffffffu;
	struct snapshot_lost lost = {.id = event->id, .time = event->time, .slot = slot};
	struct snapshot_undo undo = {slot, (uint32_t)(event->type_op >> 8) & 0xffffffu};

	if ((event->type_op & 0xff) == EVENT_SIZES) {
		scan->sizes_op = op;
		scan->sizes_bytes = event->id;
		scan->sizes_held = event->place;
	}
	if (slot >= scan->walk.slot_count)
		return 0;
	switch (event->type_op & 0xff) {
	case EVENT_ALLOC:
		bit_put(scan->fresh, slot, true);
		return 0;
	case EVENT_SHARE:
		if (bit_test(scan->fresh, slot))
			return 0;
		return vector_add(scan->copy, &scan->copy->undo, &undo, sizeof undo);
	case EVENT_FREE:
		if (bit_test(scan->fresh, slot)) {
			bit_put(scan->fresh, slot, false);
			return 0;
		}
		if (bit_test(scan->walk.taken, slot))
			return 0;
		lost.row = (uint32_t)(event->place >> 24) & 0xffffu;
		event_sizes(scan, event, op, &lost);
		return vector_add(scan->copy, &scan->pending, &lost, sizeof lost);
	}
	return 0;
}

/* Events (scan->next, scan->next + count], which lie in one piece in the ring.
 * Those that the writer has not come to (beyond commit) have changed nothing
 * that was copied. */
static int events_take(struct scan *scan, uint32_t count, uint64_t commit)
{
	struct reader_copy *copy = scan->copy;
	const struct segment_region *ring = &copy->header.regions[REGION_RING];
	uint64_t first = scan->next + 1, reserve;
	uint32_t i;
	int error = 0;

	source_read(copy->fd, scan->events,
	            ring->offset + first % ring->count * sizeof *scan->events,
	            count * sizeof *scan->events);
	reserve = copy_words(copy).reserve;
	for (i = 0; i < count && !error; i++) {
		uint64_t op = first + i;

		if (reserve >= op + ring->count)
			copy->missed++;
		else if (scan->events[i].type_op >> 32 == (op & UINT32_MAX))
			error = event_apply(scan, &scan->events[i], op);
		else if (op <= commit)
			copy->missed++;
	}
	scan->next += count;
	return error;
}

static int events_follow(struct scan *scan, uint64_t end, uint64_t commit)
{
	const struct segment_region *ring = &scan->copy->header.regions[REGION_RING];
	int error = 0;

	if (end <= scan->next)
		return 0;
	if (ring->count == 0 || end - scan->next > ring->count) {
		uint64_t skipped = end - scan->next - ring->count;

		if (end - scan->next > MISSED_MAX)
			return -EAGAIN;
		scan->copy->missed += skipped;
		scan->next += skipped;
	}
	while (scan->next < end && !error) {
		uint64_t count = end - scan->next;
		uint64_t to_wrap = ring->count - (scan->next + 1) % ring->count;

		count = count < to_wrap ? count : to_wrap;
		count = count < EVENTS_AT_ONCE ? count : EVENTS_AT_ONCE;
		error = events_take(scan, (uint32_t)count, commit);
	}
	return error;
}

/* Between two runs. Slots of recent frees are read while they are in
 * quarantine. */
static int events_early(struct scan *scan)
{
	struct copy_words words = copy_words(scan->copy);
	const struct snapshot_lost *pending;
	size_t from = scan->pending.count, i;
	int error;

	error = events_follow(scan, words.commit, words.commit);
	pending = scan->pending.items;
	for (i = from; !error && i < scan->pending.count && i - from < EARLY_MAX; i++)
		error = putback(scan, &pending[i]);
	return error;
}

static uint64_t now_ns(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* After the last run. A writer that was stopped inside a batch is not waited
 * for longer than 1 ms: of what it did, the events are there; what it has not
 * written, it has not done. */
static int events_late(struct scan *scan)
{
	struct copy_words words = copy_words(scan->copy);
	uint64_t end = words.reserve, until = now_ns() + WAIT_NS;
	const struct snapshot_lost *pending;
	size_t i;
	int error;

	while (words.commit < end && now_ns() < until) {
		sched_yield();
		words = copy_words(scan->copy);
	}
	error = events_follow(scan, end, words.commit);
	pending = scan->pending.items;
	for (i = 0; !error && i < scan->pending.count; i++)
		error = putback(scan, &pending[i]);
	return error;
}

static int compare_undo(const void *a, const void *b)
{
	const struct snapshot_undo *left = a, *right = b;

	if (left->slot != right->slot)
		return left->slot < right->slot ? -1 : 1;
	return (left->member > right->member) - (left->member < right->member);
}

/* Memory for the scan; all of it ends with the copy. */
static int scan_init(struct scan *scan, struct reader_copy *copy)
{
	uint64_t room = 0;
	uint32_t words, i;
	int error;

	*scan = (struct scan){.copy = copy, .next = copy->op};
	error = walk_init(&scan->walk, copy, slot_add);
	if (error)
		return error;
	words = walk_words(&scan->walk);
	scan->walk.taken = arena_take(copy->arena, words, sizeof *scan->walk.taken);
	scan->fresh = arena_take(copy->arena, words, sizeof *scan->fresh);
	scan->events = arena_take_raw(copy->arena, EVENTS_AT_ONCE, sizeof *scan->events);
	if (!scan->walk.taken || !scan->fresh || !scan->events)
		return -ENOMEM;
	for (i = 0; i < words; i++)
		room += (uint64_t)__builtin_popcountll(scan->walk.bitmap[i]);
	return room_make(copy, room + 64);
}

int copy_slots(struct reader_copy *copy, bool last)
{
	struct scan scan;
	bool live = !copy_is_dead(copy);
	int error = scan_init(&scan, copy);
	uint32_t word = 0, words;

	while (!error && (words = walk_next(&scan.walk, &word))) {
		error = walk_run(&scan.walk, word, words);
		if (live && !error)
			error = events_early(&scan);
		if (copy->missed && !last && !error)
			error = -EAGAIN;
		word += words;
	}
	if (live && !error)
		error = events_late(&scan);
	if (!live && !error)
		dead_op(copy);
	if (copy->missed && !last && !error)
		error = -EAGAIN;
	if (copy->undo.count)
		qsort(copy->undo.items, copy->undo.count, sizeof(struct snapshot_undo),
		      compare_undo);
	copy->has_slots = true;
	return error;
}
