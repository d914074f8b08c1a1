/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live records of a segment at one op number, without stopping its writer: the bitmap, then the
 * slots in runs, and, between the runs, the events that went on meanwhile, so that the ring need
 * not hold a whole scan. What an event says was freed since the op is put back, from its slot as
 * long as that lies in quarantine, else from the event alone.
 */
#include "reader_copy.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	RUN_SLOTS = 1024, /* slots that are read at once: 64 KiB */
	GAP_WORDS = 2,    /* bitmap words of dead slots that a run may contain */
	EVENTS_AT_ONCE = 2048,
	EARLY_MAX = 256,       /* freed slots that are read between two runs */
	REREADS = 64,          /* of a torn slot */
	REREADS_ALL = 1 << 16, /* in one snapshot */
	MISSED_MAX = 1 << 26   /* events in one snapshot: beyond it the words are not believed */
};
#define WAIT_NS 1000000 /* for a batch to be completed, before the writer is taken as stopped */

struct scan {
	struct reader_copy *copy;
	uint32_t slot_count; /* that have a bit */
	uint64_t *bitmap;
	uint64_t *taken; /* slots that are in the copy */
	uint64_t *fresh; /* slots that were allocated after copy->op */
	uint32_t rereads;
	uint64_t next;                              /* highest op whose event was looked at */
	uint64_t sizes_op, sizes_bytes, sizes_held; /* of the last EVENT_SIZES */
	struct copy_vector pending;                 /* struct snapshot_lost: freed, not taken yet */
	struct segment_slot *run;
	struct segment_detail *run_details;
	struct segment_event *events;
};

static bool bit_test(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

static void bit_put(uint64_t *words, uint32_t bit, bool value)
{
	if (value)
		words[bit / 64] |= 1ull << bit % 64;
	else
		words[bit / 64] &= ~(1ull << bit % 64);
}

static uint64_t slot_offset(const struct reader_copy *copy, uint32_t slot)
{
	return copy->header.regions[REGION_SLOTS].offset + slot * sizeof(struct segment_slot);
}

static bool slot_is_whole(const struct segment_slot *slot)
{
	return slot_op(slot) != 0 && slot_check(slot) == slot->check;
}

/* A slot that is not whole is being written, or is corrupt. One of zeros was given back. */
static bool slot_reread(struct scan *scan, uint32_t number, struct segment_slot *slot)
{
	const struct reader_copy *copy = scan->copy;
	int tries;

	for (tries = 0; tries < REREADS && slot_op(slot) && !slot_is_whole(slot); tries++) {
		if (scan->rereads++ > REREADS_ALL)
			return false;
		source_read(copy->fd, slot, slot_offset(copy, number), sizeof *slot);
	}
	return slot_is_whole(slot);
}

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

static bool detail_is_of(const struct segment_detail *detail, const struct segment_slot *slot)
{
	return detail->op == slot_op(slot) && detail_check(detail) == detail->check;
}

/* Whether a record has been freed since, so that what belongs to it may be another's: there is an
 * event about it. ret_aux: of the slot, as it is now. */
static bool slot_is_passing(const struct reader_copy *copy, const struct segment_slot *slot,
                            uint32_t number, uint16_t *ret_aux)
{
	struct segment_slot again;
	uint64_t word;

	*ret_aux = slot->aux;
	if (copy_is_dead(copy))
		return false;
	source_read(copy->fd, &word,
	            copy->header.regions[REGION_BITMAP].offset + number / 64 * sizeof word,
	            sizeof word);
	source_read(copy->fd, &again, slot_offset(copy, number), sizeof again);
	*ret_aux = again.aux;
	return slot_op(&again) != slot_op(slot) || !bit_test(&word, number % 64);
}

/* Takes the shares of a record into the copy, as they are now; detail->shares_block says where. A
 * record that is only just being given some has lost none at copy->op. */
static int detail_shares(struct scan *scan, const struct segment_slot *slot, uint32_t number,
                         struct segment_detail *detail)
{
	struct reader_copy *copy = scan->copy;
	const struct segment_shares *shares;
	uint16_t aux = slot->aux;
	int tries;

	if (!detail->shares_block)
		return 0;
	shares = copy_shares(copy, detail, false);
	for (tries = 0; !shares && tries < REREADS && scan->rereads++ < REREADS_ALL; tries++) {
		shares = copy_shares(copy, detail, true);
		if (!shares && slot_is_passing(copy, slot, number, &aux))
			return -ESTALE;
	}
	if (shares)
		return shares_keep(copy, shares, detail);
	detail->shares_block = aux & SLOT_HAS_SHARES ? UINT32_MAX : 0;
	return 0;
}

/* The detail of a slot, with its shares in the copy; `given` is one that was read already. -ESTALE:
 * they are another record's by now. */
static int detail_copy(struct scan *scan, const struct segment_slot *slot, uint32_t number,
                       const struct segment_detail *given, uint32_t *ret_index)
{
	struct reader_copy *copy = scan->copy;
	const struct segment_region *region = &copy->header.regions[REGION_DETAILS];
	uint64_t offset = region->offset + number * sizeof(struct segment_detail);
	struct segment_detail detail;
	uint16_t aux;
	int tries, error;

	*ret_index = COPY_NO_DETAIL;
	if (!(slot->aux & (SLOT_HAS_DETAIL | SLOT_HAS_SHARES)) || number >= region->count)
		return 0;
	if (given)
		detail = *given;
	else
		source_read(copy->fd, &detail, offset, sizeof detail);
	for (tries = 0; tries < REREADS && !detail_is_of(&detail, slot); tries++) {
		if (scan->rereads++ > REREADS_ALL)
			break;
		source_read(copy->fd, &detail, offset, sizeof detail);
	}
	if (!detail_is_of(&detail, slot)) {
		if (slot_is_passing(copy, slot, number, &aux))
			return -ESTALE;
		copy->corrupt++;
		return 0;
	}
	error = detail_shares(scan, slot, number, &detail);
	return error ? error : detail_add(copy, &detail, ret_index);
}

static int slot_add(struct scan *scan, const struct segment_slot *slot, uint32_t number,
                    const struct segment_detail *detail)
{
	struct reader_copy *copy = scan->copy;
	int error;

	if (copy->slot_count == copy->slot_room) {
		error = room_make(copy, copy->slot_room * 2 + 64);
		if (error)
			return error;
	}
	error = detail_copy(scan, slot, number, detail, &copy->detail_of[copy->slot_count]);
	if (error)
		return error == -ESTALE ? 0 : error;
	copy->slots[copy->slot_count] = *slot;
	copy->slot_numbers[copy->slot_count++] = number;
	bit_put(scan->taken, number, true);
	return 0;
}

static bool run_has_details(const struct scan *scan, uint32_t first, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (scan->run[i].aux & (SLOT_HAS_DETAIL | SLOT_HAS_SHARES) &&
		    bit_test(scan->bitmap, first + i))
			return true;
	return false;
}

static bool is_hole(int fd, uint64_t offset, uint64_t bytes)
{
	off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= offset + bytes;
}

/* Slots of which the writer has given the memory back: those that were live when the bitmap was
 * copied have been freed since, and may even be in use again. */
static void hole_pass(struct scan *scan, uint32_t first, uint32_t count)
{
	struct reader_copy *copy = scan->copy;
	uint64_t bits[RUN_SLOTS / 64];
	struct segment_slot slot;
	uint32_t i;

	source_read(copy->fd, bits,
	            copy->header.regions[REGION_BITMAP].offset + first / 64 * sizeof *bits,
	            (count + 63) / 64 * sizeof *bits);
	for (i = 0; i < count; i++) {
		if (!bit_test(scan->bitmap, first + i) || bit_test(scan->taken, first + i) ||
		    !bit_test(bits, i))
			continue;
		memset(&slot, 0, sizeof slot);
		if (!copy_is_dead(copy) && scan->rereads++ < REREADS_ALL)
			source_read(copy->fd, &slot, slot_offset(copy, first + i), sizeof slot);
		copy->corrupt += !slot_is_whole(&slot);
	}
}

/* Slots [first, first + count), of which those with a bit that belong to copy->op are taken. */
static int run_copy(struct scan *scan, uint32_t first, uint32_t count)
{
	struct reader_copy *copy = scan->copy;
	const struct segment_region *region = &copy->header.regions[REGION_DETAILS];
	const struct segment_detail *details = NULL;
	uint32_t i, number;
	uint16_t aux;
	int error = 0;

	if (is_hole(copy->fd, slot_offset(copy, first), count * sizeof *scan->run)) {
		hole_pass(scan, first, count);
		return 0;
	}
	source_read(copy->fd, scan->run, slot_offset(copy, first), count * sizeof *scan->run);
	if (run_has_details(scan, first, count)) {
		source_read(copy->fd, scan->run_details,
		            region->offset + first * sizeof(struct segment_detail),
		            count * sizeof *details);
		details = scan->run_details;
	}
	for (i = 0; i < count && !error; i++) {
		struct segment_slot *slot = &scan->run[i];

		number = first + i;
		if (!bit_test(scan->bitmap, number) || bit_test(scan->taken, number))
			continue;
		if (!slot_is_whole(slot) && !slot_reread(scan, number, slot))
			copy->corrupt += !slot_is_passing(copy, slot, number, &aux);
		else if (slot_op(slot) <= copy->op_limit)
			error = slot_add(scan, slot, number, details ? &details[i] : NULL);
	}
	return error;
}

/* A record that was freed after copy->op, from its slot if that is still what it was. */
static int putback(struct scan *scan, const struct snapshot_lost *lost)
{
	struct reader_copy *copy = scan->copy;
	struct segment_slot slot;

	if (bit_test(scan->taken, lost->slot))
		return 0;
	source_read(copy->fd, &slot, slot_offset(copy, lost->slot), sizeof slot);
	if (slot_is_whole(&slot) && slot_op(&slot) <= copy->op && slot.id == lost->id) {
		int error = slot_add(scan, &slot, lost->slot, NULL);

		if (error || bit_test(scan->taken, lost->slot))
			return error;
	}
	bit_put(scan->taken, lost->slot, true);
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
	if (slot >= scan->slot_count)
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
		if (bit_test(scan->taken, slot))
			return 0;
		lost.row = (uint32_t)(event->place >> 24) & 0xffffu;
		event_sizes(scan, event, op, &lost);
		return vector_add(scan->copy, &scan->pending, &lost, sizeof lost);
	}
	return 0;
}

/* Events (scan->next, scan->next + count], which lie in one piece in the ring. Those that the
 * writer has not come to (beyond commit) have changed nothing that was copied. */
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

/* Between two runs. Slots of recent frees are read while they are in quarantine. */
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

/* After the last run. A writer that was stopped inside a batch is not waited for longer than 1 ms:
 * of what it did, the events are there; what it has not written, it has not done. */
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
	const struct segment_region *bitmap = &copy->header.regions[REGION_BITMAP];
	const struct segment_region *slots = &copy->header.regions[REGION_SLOTS];
	uint64_t room = 0;
	uint32_t words, run, i;

	*scan = (struct scan){.copy = copy, .next = copy->op};
	scan->slot_count =
		slots->count < (uint64_t)bitmap->count * 64 ? slots->count : bitmap->count * 64;
	words = (scan->slot_count + 63) / 64;
	scan->bitmap = arena_take(copy->arena, words, sizeof *scan->bitmap);
	scan->taken = arena_take(copy->arena, words, sizeof *scan->taken);
	scan->fresh = arena_take(copy->arena, words, sizeof *scan->fresh);
	run = words * 64 < RUN_SLOTS ? words * 64 : RUN_SLOTS;
	scan->run = arena_take_raw(copy->arena, run, sizeof *scan->run);
	scan->run_details = arena_take_raw(copy->arena, run, sizeof *scan->run_details);
	scan->events = arena_take_raw(copy->arena, EVENTS_AT_ONCE, sizeof *scan->events);
	if (!scan->bitmap || !scan->taken || !scan->fresh || !scan->run || !scan->run_details ||
	    !scan->events)
		return -ENOMEM;
	source_read_sparse(copy->fd, scan->bitmap, bitmap->offset, words * sizeof *scan->bitmap);
	if (scan->slot_count % 64)
		scan->bitmap[words - 1] &= (1ull << scan->slot_count % 64) - 1;
	for (i = 0; i < words; i++)
		room += (uint64_t)__builtin_popcountll(scan->bitmap[i]);
	return room_make(copy, room + 64);
}

/* The words of the next run from `word` on: up to a gap of words without a bit. 0: no more. */
static uint32_t run_find(const struct scan *scan, uint32_t *word)
{
	uint32_t words = (scan->slot_count + 63) / 64, end, last;

	while (*word < words && scan->bitmap[*word] == 0)
		++*word;
	for (end = last = *word; end < words && end - *word < RUN_SLOTS / 64; end++) {
		if (scan->bitmap[end])
			last = end + 1;
		else if (end - last >= GAP_WORDS)
			break;
	}
	return last - *word;
}

int copy_slots(struct reader_copy *copy, bool last)
{
	struct scan scan;
	bool live = !copy_is_dead(copy);
	int error = scan_init(&scan, copy);
	uint32_t word = 0, words;

	while (!error && (words = run_find(&scan, &word))) {
		uint32_t first = word * 64, count = words * 64;

		if (count > scan.slot_count - first)
			count = scan.slot_count - first;
		error = run_copy(&scan, first, count);
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
