/* SPDX-License-Identifier: Apache-2.0 */
#include "reader_walk.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	RUN_SLOTS = 1024,     /* slots that are read at once: 64 KiB */
	GAP_WORDS = 2,        /* bitmap words of dead slots that a run may contain */
	REREADS = 64,         /* of a torn slot */
	REREADS_ALL = 1 << 16 /* in one walk */
};

uint64_t slot_offset(const struct reader_copy *copy, uint32_t slot)
{
	return copy->header.regions[REGION_SLOTS].offset + slot * sizeof(struct segment_slot);
}

/* A slot that is not whole is being written, or is corrupt. One of zeros was
 * given back. */
static bool slot_reread(struct slot_walk *walk, uint32_t number, struct segment_slot *slot)
{
	const struct reader_copy *copy = walk->copy;
	int tries;

	for (tries = 0; tries < REREADS && slot_op(slot) && !slot_is_whole(slot); tries++) {
		if (walk->rereads++ > REREADS_ALL)
			return false;
		source_read(copy->fd, slot, slot_offset(copy, number), sizeof *slot);
	}
	return slot_is_whole(slot);
}

static bool detail_is_of(const struct segment_detail *detail, const struct segment_slot *slot)
{
	return detail->op == slot_op(slot) && detail_check(detail) == detail->check;
}

/* Whether a record has been freed since, so that what belongs to it may be
 * another's: there is an event about it. ret_aux: of the slot, as it is now. */
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

/* Takes the shares of a record into the copy, as they are now;
 * detail->shares_block says where. A record that is only just being given some
 * has lost none at copy->op. */
static int detail_shares(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                         struct segment_detail *detail)
{
	struct reader_copy *copy = walk->copy;
	const struct segment_shares *shares;
	uint16_t aux = slot->aux;
	int tries;

	if (!detail->shares_block)
		return 0;
	shares = copy_shares(copy, detail, false);
	for (tries = 0; !shares && tries < REREADS && walk->rereads++ < REREADS_ALL; tries++) {
		shares = copy_shares(copy, detail, true);
		if (!shares && slot_is_passing(copy, slot, number, &aux))
			return -ESTALE;
	}
	if (shares)
		return shares_keep(copy, shares, detail);
	detail->shares_block = aux & SLOT_HAS_SHARES ? UINT32_MAX : 0;
	return 0;
}

int walk_detail_read(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                     const struct segment_detail *given, struct segment_detail *ret_detail)
{
	struct reader_copy *copy = walk->copy;
	const struct segment_region *region = &copy->header.regions[REGION_DETAILS];
	uint64_t offset = region->offset + number * sizeof(struct segment_detail);
	struct segment_detail detail;
	uint16_t aux;
	int tries, error;

	if (number >= region->count)
		return 0;
	if (given)
		detail = *given;
	else
		source_read(copy->fd, &detail, offset, sizeof detail);
	for (tries = 0; tries < REREADS && !detail_is_of(&detail, slot); tries++) {
		if (walk->rereads++ > REREADS_ALL)
			break;
		source_read(copy->fd, &detail, offset, sizeof detail);
	}
	if (!detail_is_of(&detail, slot)) {
		if (slot_is_passing(copy, slot, number, &aux))
			return -ESTALE;
		copy->corrupt++;
		return 0;
	}
	error = detail_shares(walk, slot, number, &detail);
	if (error)
		return error;
	*ret_detail = detail;
	return 1;
}

static bool run_has_details(const struct slot_walk *walk, uint32_t first, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (walk->run[i].aux & (SLOT_HAS_DETAIL | SLOT_HAS_SHARES) &&
		    bit_test(walk->bitmap, first + i))
			return true;
	return false;
}

static bool is_hole(int fd, uint64_t offset, uint64_t bytes)
{
	off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= offset + bytes;
}

static void bits_read(const struct reader_copy *copy, uint32_t first, uint32_t count,
                      uint64_t *ret_bits)
{
	source_read(copy->fd, ret_bits,
	            copy->header.regions[REGION_BITMAP].offset + first / 64 * sizeof *ret_bits,
	            (count + 63) / 64 * sizeof *ret_bits);
}

/* Their bits are cleared before slots, details and shares can be another
 * record's: what is still set after these were read is what was read. */
static void freed_leave_out(struct slot_walk *walk, uint32_t first, uint32_t count)
{
	uint64_t bits[RUN_SLOTS / 64];
	uint32_t i;

	bits_read(walk->copy, first, count, bits);
	for (i = 0; i < (count + 63) / 64; i++)
		walk->bitmap[first / 64 + i] &= bits[i];
}

static bool is_asked_for(const struct slot_walk *walk, uint32_t number)
{
	return bit_test(walk->bitmap, number) && (!walk->taken || !bit_test(walk->taken, number));
}

/* Slots of which the writer has given the memory back: those that were live
 * when the bitmap was copied have been freed since, and may even be in use
 * again. */
static void hole_pass(struct slot_walk *walk, uint32_t first, uint32_t count)
{
	struct reader_copy *copy = walk->copy;
	uint64_t bits[RUN_SLOTS / 64];
	struct segment_slot slot;
	uint32_t i;

	bits_read(copy, first, count, bits);
	for (i = 0; i < count; i++) {
		if (!is_asked_for(walk, first + i) || !bit_test(bits, i))
			continue;
		memset(&slot, 0, sizeof slot);
		if (!copy_is_dead(copy) && walk->rereads++ < REREADS_ALL)
			source_read(copy->fd, &slot, slot_offset(copy, first + i), sizeof slot);
		copy->corrupt += !slot_is_whole(&slot);
	}
}

/* Slots [first, first + count), of which those with a bit that belong to
 * copy->op are found. */
static int run_walk(struct slot_walk *walk, uint32_t first, uint32_t count)
{
	struct reader_copy *copy = walk->copy;
	const struct segment_region *region = &copy->header.regions[REGION_DETAILS];
	const struct segment_detail *details = NULL;
	uint32_t i, number;
	uint16_t aux;
	int error = 0;

	if (is_hole(copy->fd, slot_offset(copy, first), count * sizeof *walk->run)) {
		hole_pass(walk, first, count);
		return 0;
	}
	source_read(copy->fd, walk->run, slot_offset(copy, first), count * sizeof *walk->run);
	if (run_has_details(walk, first, count)) {
		source_read(copy->fd, walk->run_details,
		            region->offset + first * sizeof(struct segment_detail),
		            count * sizeof *details);
		details = walk->run_details;
	}
	if (walk->only_live)
		freed_leave_out(walk, first, count);
	for (i = 0; i < count && !error; i++) {
		struct segment_slot *slot = &walk->run[i];

		number = first + i;
		if (!is_asked_for(walk, number))
			continue;
		if (!slot_is_whole(slot) && !slot_reread(walk, number, slot))
			copy->corrupt += !slot_is_passing(copy, slot, number, &aux);
		else if (slot_op(slot) <= copy->op_limit)
			error = walk->found(walk, slot, number, details ? &details[i] : NULL);
	}
	return error;
}

uint32_t walk_next(const struct slot_walk *walk, uint32_t *word)
{
	uint32_t words = walk_words(walk), end, last;

	while (*word < words && walk->bitmap[*word] == 0)
		++*word;
	for (end = last = *word; end < words && end - *word < RUN_SLOTS / 64; end++) {
		if (walk->bitmap[end])
			last = end + 1;
		else if (end - last >= GAP_WORDS)
			break;
	}
	return last - *word;
}

int walk_run(struct slot_walk *walk, uint32_t word, uint32_t words)
{
	uint32_t first = word * 64, count = words * 64;

	if (count > walk->slot_count - first)
		count = walk->slot_count - first;
	return run_walk(walk, first, count);
}

int walk_init(struct slot_walk *walk, struct reader_copy *copy, walk_found found)
{
	const struct segment_region *bitmap = &copy->header.regions[REGION_BITMAP];
	const struct segment_region *slots = &copy->header.regions[REGION_SLOTS];
	uint32_t words, run;

	*walk = (struct slot_walk){.copy = copy, .found = found};
	walk->slot_count =
		slots->count < (uint64_t)bitmap->count * 64 ? slots->count : bitmap->count * 64;
	words = walk_words(walk);
	run = words * 64 < RUN_SLOTS ? words * 64 : RUN_SLOTS;
	walk->bitmap = arena_take(copy->arena, words, sizeof *walk->bitmap);
	walk->run = arena_take_raw(copy->arena, run, sizeof *walk->run);
	walk->run_details = arena_take_raw(copy->arena, run, sizeof *walk->run_details);
	if (!walk->bitmap || !walk->run || !walk->run_details)
		return -ENOMEM;
	source_read_sparse(copy->fd, walk->bitmap, bitmap->offset, words * sizeof *walk->bitmap);
	if (walk->slot_count % 64)
		walk->bitmap[words - 1] &= (1ull << walk->slot_count % 64) - 1;
	if (copy_is_dead(copy))
		dead_moves(copy, walk->bitmap, walk->slot_count);
	return 0;
}
