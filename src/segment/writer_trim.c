/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving memory back after frees, a slice at a time. Pages of slots without a live one become holes
 * of the file and are parked: their slots leave the queue of freed ones, and come back, as new as
 * on the first day, when all others are in use. What is still to be known of freed slots on them is
 * copied. See writer.h and docs/segment-format.md, 1.2.
 *
 * First a new queue is written, without the slots of the pages that are to leave; anything that
 * happens meanwhile begins it anew. When it takes the old one's place, these pages are parked, and
 * their memory is given back at leisure: one that is needed before its turn is used as it is.
 */
#include "writer_internal.h"

#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_BYTES = 4096,
	KEEP_PAGES = 16, /* the first slots stay */
	CHUNK_SLOTS = 1024,
	CHUNK_PAGES = CHUNK_SLOTS / WRITER_PAGE_SLOTS,
	TRIM_WORTH = 4096,        /* slots that nobody uses */
	SLICE = 1 << 15,          /* entries of the queue or of an index for one call */
	PAGE_ENTRIES = 1 << 7,    /* what giving back a page takes, as so many entries, */
	RUN_PAGES = 6,            /* and what a system call takes beside that, as so many pages */
	PHANTOMS_ROUND = 1 << 10, /* their links take whole pages, too */
	PARKED_BYTES = SEGMENT_MAX_SLOTS / WRITER_PAGE_SLOTS / 8,
	QUEUE_BYTES = SEGMENT_MAX_SLOTS * 4
};

static bool bit_test(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

static void bits_clear(uint64_t *words, uint32_t from, uint32_t to)
{
	for (uint32_t bit = from; bit < to; bit++)
		words[bit / 64] &= ~(1ull << bit % 64);
}

static uint32_t page_count(const struct writer *w)
{
	return w->slot_limit / WRITER_PAGE_SLOTS;
}

static bool chunk_is_ready(const struct writer *w, uint32_t chunk)
{
	return bit_test(w->details_ready, chunk);
}

/* Freed records whose shares decide about frees to come stay where they are. */
static void gone_keep(struct writer *w)
{
	for (uint32_t i = 0; i < SEGMENT_QUARANTINE && i < w->gone_at; i++) {
		uint32_t slot = w->gone[i].slot, page = slot / WRITER_PAGE_SLOTS;

		if (slot < w->slot_base && !bit_test(w->parked, page) &&
		    w->slots[slot].aux & SLOT_HAS_SHARES)
			bits_clear(w->trimming.leaving, page, page + 1);
	}
}

static void gone_copy(struct writer *w, uint32_t at)
{
	w->gone_slots[at] = *slot_at(w, w->gone[at].slot);
	w->gone_slots[at].aux &= (uint16_t) ~(SLOT_HAS_SHARES | SLOT_HAS_DETAIL);
	w->gone[at].slot = SLOT_OF_GONE + at;
}

/* Of others a copy will do. */
static void gone_rescue(struct writer *w)
{
	for (uint32_t i = 0; i < SEGMENT_QUARANTINE && i < w->gone_at; i++) {
		if (w->gone[i].slot < w->slot_base &&
		    bit_test(w->trimming.leaving, w->gone[i].slot / WRITER_PAGE_SLOTS))
			gone_copy(w, i);
	}
}

static void gone_rescue_phantoms(struct writer *w)
{
	for (uint32_t i = 0; i < SEGMENT_QUARANTINE && i < w->gone_at; i++) {
		if (w->gone[i].slot >= w->slot_base && w->gone[i].slot < SLOT_OF_GONE)
			gone_copy(w, i);
	}
}

/* --- the queue without the pages that leave ------------------------------------------------- */

static void queue_seen(const struct writer *w, uint64_t ret[2])
{
	ret[0] = w->op;
	ret[1] = (uint64_t)w->free_head << 32 | w->free_count;
}

static void queue_begin(struct writer *w)
{
	struct writer_trimming *t = &w->trimming;
	uint32_t pages = page_count(w), found = 0;

	for (uint32_t word = 0; word < (pages + 63) / 64; word++)
		t->leaving[word] &= w->parked[word];
	for (uint32_t page = KEEP_PAGES; page < pages; page++) {
		if (w->bitmap[page] || bit_test(w->parked, page))
			continue;
		t->leaving[page / 64] |= 1ull << page % 64;
		found++;
	}
	gone_keep(w);
	queue_seen(w, t->seen);
	t->at = 0;
	t->queued = 0;
	t->step = found ? TRIM_QUEUE : TRIM_PAGES;
}

/* It takes the place of the old one, of which the memory is still to be given back. */
static void queue_swap(struct writer *w)
{
	struct writer_trimming *t = &w->trimming;
	uint32_t *old = w->free_queue;

	gone_rescue(w);
	for (uint32_t word = 0; word < (page_count(w) + 63) / 64; word++) {
		w->parked_count +=
			(uint32_t)__builtin_popcountll(t->leaving[word] & ~w->parked[word]);
		w->parked[word] |= t->leaving[word];
	}
	w->fresh_from = w->fresh_to = 0;
	w->slot_high = w->slot_limit;
	w->free_queue = t->queue;
	w->free_head = 0;
	w->free_count = t->queued;
	w->free_mask = WRITER_FIRST_QUEUE - 1;
	while (w->free_mask + 1 < slots_ready(w))
		w->free_mask = w->free_mask * 2 + 1;
	t->queue = old;
	t->at = 0;
	t->step = TRIM_PAGES;
}

/* Those that were never used, then freed ones in the order of their freeing. */
static void queue_step(struct writer *w, uint32_t budget)
{
	struct writer_trimming *t = &w->trimming;
	uint32_t fresh = w->fresh_to - w->fresh_from, unused = w->slot_limit - w->slot_high;
	uint32_t total = fresh + unused + w->free_count, end;
	uint64_t seen[2];

	queue_seen(w, seen);
	if (seen[0] != t->seen[0] || seen[1] != t->seen[1]) {
		queue_begin(w);
		return;
	}
	end = total - t->at < budget ? total : t->at + budget;
	for (; t->at < end; t->at++) {
		uint32_t slot;

		if (t->at < fresh)
			slot = w->fresh_from + t->at;
		else if (t->at < fresh + unused)
			slot = w->slot_high + (t->at - fresh);
		else
			slot = w->free_queue[(w->free_head + (t->at - fresh - unused)) &
			                     w->free_mask];
		if (!bit_test(t->leaving, slot / WRITER_PAGE_SLOTS))
			t->queue[t->queued++] = slot;
	}
	if (t->at == total)
		queue_swap(w);
}

/* --- pages and details ---------------------------------------------------------------------- */

/* Blocks of freed slots on pages [from, to) are free, as if the slots were used again. */
static void shares_drop(struct writer *w, uint32_t from, uint32_t to)
{
	for (uint32_t page = from; page < to; page++) {
		if (!chunk_is_ready(w, page / CHUNK_PAGES))
			continue;
		for (uint32_t i = 0; i < WRITER_PAGE_SLOTS; i++) {
			uint32_t slot = page * WRITER_PAGE_SLOTS + i;

			if (w->slots[slot].aux & SLOT_HAS_SHARES)
				shares_release(w, slot);
		}
	}
}

/* Those that the file system does not take are tried again the next time. */
static void pages_give_back(struct writer *w, uint32_t from, uint32_t to)
{
	uint64_t at = w->header->regions[REGION_SLOTS].offset + (uint64_t)from * PAGE_BYTES;

	shares_drop(w, from, to);
	if (!segment_file_give_back(&w->file, at, (uint64_t)(to - from) * PAGE_BYTES))
		bits_clear(w->trimming.leaving, from, to);
}

static void old_queue_free(struct writer_trimming *t, uint32_t budget)
{
	uint32_t bytes = QUEUE_BYTES, piece = (budget / PAGE_ENTRIES + 1) * 4 * PAGE_BYTES;

	if (t->at < bytes) {
		piece = piece < bytes - t->at ? piece : bytes - t->at;
		madvise((uint8_t *)t->queue + t->at, piece, MADV_DONTNEED);
		t->at += piece;
		return;
	}
	private_unmap(t->queue, bytes);
	t->queue = NULL;
	t->at = 0;
}

static void pages_step(struct writer *w, uint32_t budget)
{
	struct writer_trimming *t = &w->trimming;
	uint32_t left = budget / PAGE_ENTRIES + 1, pages = page_count(w);

	if (t->queue) {
		old_queue_free(t, budget);
		return;
	}
	while (left && t->at < pages) {
		uint32_t from = t->at, used;

		while (t->at < pages && t->at - from < left && bit_test(t->leaving, t->at))
			t->at++;
		if (t->at > from)
			pages_give_back(w, from, t->at);
		used = t->at > from ? t->at - from + RUN_PAGES : 0;
		left -= used < left ? used : left;
		while (left && t->at < pages && !bit_test(t->leaving, t->at))
			t->at += t->at % 64 == 0 && !t->leaving[t->at / 64] ? 64 : 1;
	}
	if (t->at < pages)
		return;
	t->step = TRIM_DETAILS;
	t->at = 1;
}

/* Details come and go by chunks. */
static bool chunk_is_left(const struct writer *w, uint32_t chunk)
{
	const uint64_t all = (1ull << CHUNK_PAGES) - 1;
	uint32_t page = chunk * CHUNK_PAGES;
	uint64_t left = w->parked[page / 64] & ~w->trimming.leaving[page / 64];

	return chunk_is_ready(w, chunk) && (left >> page % 64 & all) == all;
}

static void details_step(struct writer *w, uint32_t budget)
{
	struct writer_trimming *t = &w->trimming;
	const struct segment_region *region = &w->header->regions[REGION_DETAILS];
	uint64_t bytes = CHUNK_SLOTS * sizeof(struct segment_detail);
	uint32_t left = budget / (PAGE_ENTRIES * CHUNK_PAGES) + 1;

	for (; left && t->at < page_count(w) / CHUNK_PAGES; t->at++) {
		if (!chunk_is_left(w, t->at))
			continue;
		left--;
		if (!segment_file_give_back(&w->file, region->offset + t->at * bytes, bytes))
			bits_clear(w->details_ready, t->at, t->at + 1);
	}
	if (left)
		t->step = TRIM_PHANTOMS;
}

/* --- memory of the writer's own ------------------------------------------------------------- */

/* Phantoms go when none of them is live: the last ones first, for new ones come from the front. */
static void phantoms_step(struct writer *w, uint32_t budget)
{
	struct writer_trimming *t = &w->trimming;
	uint32_t some = (budget / PAGE_ENTRIES + PHANTOMS_ROUND / WRITER_PAGE_SLOTS) *
	                WRITER_PAGE_SLOTS / PHANTOMS_ROUND * PHANTOMS_ROUND;
	uint32_t from, bottom;

	if (w->phantom_high && !w->header->no_detail_buffers && w->gone_slots) {
		gone_rescue_phantoms(w);
		if (t->phantoms < w->phantom_high)
			t->phantoms = w->phantom_high;
		w->phantom_high = 0;
		w->phantom_head = 0;
	}
	bottom = (w->phantom_high + PHANTOMS_ROUND - 1) / PHANTOMS_ROUND * PHANTOMS_ROUND;
	if (t->phantoms <= bottom) {
		t->step = TRIM_INDEXES;
		t->at = 0;
		return;
	}
	from = (t->phantoms - 1) / PHANTOMS_ROUND * PHANTOMS_ROUND;
	from = from > bottom + some ? from - some : bottom;
	madvise(w->phantoms + from, (t->phantoms - from) * sizeof *w->phantoms, MADV_DONTNEED);
	madvise(w->phantom_next + from, (t->phantoms - from) * sizeof *w->phantom_next,
	        MADV_DONTNEED);
	t->phantoms = from;
}

static void indexes_step(struct writer *w, uint32_t budget)
{
	struct writer_trimming *t = &w->trimming;
	struct index *const indexes[] = {&w->index, &w->locals, &w->views};
	static const uint64_t floors[] = {WRITER_FIRST_INDEX, WRITER_FIRST_LOCALS,
	                                  WRITER_FIRST_VIEWS};

	if (index_shrink(indexes[t->at], floors[t->at], budget))
		return;
	if (++t->at < sizeof indexes / sizeof *indexes)
		return;
	w->grow_retry_op = 0;
	w->phantom_retry_op = 0;
	w->trim_op = t->begun_op;
	t->step = TRIM_NONE;
}

/* --- the whole ------------------------------------------------------------------------------ */

static bool tables_make(struct writer *w)
{
	struct writer_trimming *t = &w->trimming;

	if (!w->parked)
		w->parked = private_map(PARKED_BYTES);
	if (!w->gone_slots)
		w->gone_slots = private_map(SEGMENT_QUARANTINE * sizeof *w->gone_slots);
	if (!t->leaving)
		t->leaving = private_map(PARKED_BYTES);
	if (!t->queue)
		t->queue = private_map(QUEUE_BYTES);
	return w->parked && w->gone_slots && t->leaving && t->queue;
}

static void trim_begin(struct writer *w)
{
	uint64_t slots = slots_ready(w);
	bool worth = slots > w->index.count && slots - w->index.count >= TRIM_WORTH;

	w->trimming.begun_op = w->op;
	if (worth && tables_make(w))
		queue_begin(w);
	else
		w->trimming.step = TRIM_PHANTOMS;
}

bool writer_trim_slice(struct writer *w, uint32_t budget)
{
	switch (w->trimming.step) {
	case TRIM_NONE:
		if (w->op == w->trim_op)
			return false;
		trim_begin(w);
		break;
	case TRIM_QUEUE:
		queue_step(w, budget);
		break;
	case TRIM_PAGES:
		pages_step(w, budget);
		break;
	case TRIM_DETAILS:
		details_step(w, budget);
		break;
	case TRIM_PHANTOMS:
		phantoms_step(w, budget);
		break;
	case TRIM_INDEXES:
		indexes_step(w, budget);
		break;
	}
	w->header->populated_bytes = w->file.populated_bytes;
	return w->trimming.step != TRIM_NONE || w->op != w->trim_op;
}

bool writer_trim(struct writer *w)
{
	return writer_trim_slice(w, SLICE);
}

/* How many pages from this one on, at most 64, are parked, and all alike: with their memory, or
 * without. */
static uint32_t parked_run(const struct writer *w, uint32_t page, bool *ret_in_memory)
{
	uint64_t leaving = w->trimming.leaving ? w->trimming.leaving[page / 64] : 0;
	uint64_t others;

	*ret_in_memory = leaving >> page % 64 & 1;
	others = ~((w->parked[page / 64] & (*ret_in_memory ? leaving : ~leaving)) >> page % 64);
	return others ? (uint32_t)__builtin_ctzll(others) : 64;
}

bool slots_unpark(struct writer *w)
{
	uint32_t word = 0, page, count;
	uint64_t at, bytes;
	bool in_memory;

	if (w->op < w->grow_retry_op)
		return false;
	while (!w->parked[word])
		word++;
	page = word * 64 + (uint32_t)__builtin_ctzll(w->parked[word]);
	count = parked_run(w, page, &in_memory);
	at = w->header->regions[REGION_SLOTS].offset + (uint64_t)page * PAGE_BYTES;
	bytes = (uint64_t)count * PAGE_BYTES;
	if (in_memory) {
		shares_drop(w, page, page + count);
		bits_clear(w->trimming.leaving, page, page + count);
	} else if (segment_file_populate(&w->file, at, bytes)) {
		segment_file_release(&w->file, at, bytes);
		w->grow_retry_op = w->op + WRITER_GROW_RETRY_OPS;
		return false;
	}
	bits_clear(w->parked, page, page + count);
	w->parked_count -= count;
	w->fresh_from = page * WRITER_PAGE_SLOTS;
	w->fresh_to = w->fresh_from + count * WRITER_PAGE_SLOTS;
	while (w->free_mask + 1 < slots_ready(w))
		queue_grow(w);
	w->header->populated_bytes = w->file.populated_bytes;
	return true;
}
