/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving memory back after frees. Pages of slots without a live one become holes of the file and
 * are parked: their slots leave the queue of freed ones, and come back, as new as on the first day,
 * when all others are in use. What is still to be known of freed slots on them is copied. See
 * writer.h and docs/segment-format.md, 1.2.
 */
#include "writer_internal.h"

#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_BYTES = 4096,
	KEEP_PAGES = 16, /* the first slots stay */
	CHUNK_SLOTS = 1024,
	CHUNK_PAGES = CHUNK_SLOTS / WRITER_PAGE_SLOTS,
	TRIM_WORTH = 4096, /* slots that nobody uses */
	TRIM_PAGES = 2048, /* given back in one call */
	PARKED_BYTES = SEGMENT_MAX_SLOTS / WRITER_PAGE_SLOTS / 8,
	QUEUE_BYTES = SEGMENT_MAX_SLOTS * 4
};

struct trim {
	struct writer *w;
	uint64_t *keep;  /* pages that must stay, though nothing on them is live */
	uint32_t *queue; /* the new queue of freed slots */
	uint32_t pages;  /* that there are */
	uint32_t left;   /* pages that may still be given back in this call */
};

static bool bit_test(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

static bool page_is_parked(const struct writer *w, uint32_t page)
{
	return bit_test(w->parked, page);
}

static bool page_is_spare(const struct trim *trim, uint32_t page)
{
	return page >= KEEP_PAGES && !trim->w->bitmap[page] && !bit_test(trim->keep, page) &&
	       !page_is_parked(trim->w, page);
}

static bool chunk_is_ready(const struct writer *w, uint32_t chunk)
{
	return bit_test(w->details_ready, chunk);
}

/* Freed records whose shares decide about frees to come stay where they are. */
static void gone_mark(struct trim *trim)
{
	struct writer *w = trim->w;

	for (uint32_t i = 0; i < SEGMENT_QUARANTINE && i < w->gone_at; i++) {
		uint32_t slot = w->gone[i].slot, page = slot / WRITER_PAGE_SLOTS;

		if (slot < w->slot_base && w->slots[slot].aux & SLOT_HAS_SHARES)
			trim->keep[page / 64] |= 1ull << page % 64;
	}
}

static void gone_copy(struct writer *w, uint32_t at)
{
	w->gone_slots[at] = *slot_at(w, w->gone[at].slot);
	w->gone_slots[at].aux &= (uint16_t) ~(SLOT_HAS_SHARES | SLOT_HAS_DETAIL);
	w->gone[at].slot = SLOT_OF_GONE + at;
}

/* Of others a copy will do. */
static void gone_rescue(struct trim *trim)
{
	struct writer *w = trim->w;

	for (uint32_t i = 0; i < SEGMENT_QUARANTINE && i < w->gone_at; i++) {
		if (w->gone[i].slot < w->slot_base &&
		    page_is_spare(trim, w->gone[i].slot / WRITER_PAGE_SLOTS))
			gone_copy(w, i);
	}
}

/* Blocks of freed slots on pages [from, to) are free, as if the slots were used again. */
static void shares_drop(struct writer *w, uint32_t from, uint32_t to)
{
	for (uint32_t page = from; page < to; page++) {
		if (!chunk_is_ready(w, page / CHUNK_PAGES) || page_is_parked(w, page))
			continue;
		for (uint32_t i = 0; i < WRITER_PAGE_SLOTS; i++) {
			uint32_t slot = page * WRITER_PAGE_SLOTS + i;

			if (w->slots[slot].aux & SLOT_HAS_SHARES)
				shares_release(w, slot);
		}
	}
}

static bool pages_park(struct writer *w, uint32_t from, uint32_t to)
{
	uint64_t at = w->header->regions[REGION_SLOTS].offset + (uint64_t)from * PAGE_BYTES;

	shares_drop(w, from, to);
	if (segment_file_give_back(&w->file, at, (uint64_t)(to - from) * PAGE_BYTES))
		return false;
	for (uint32_t page = from; page < to; page++)
		w->parked[page / 64] |= 1ull << page % 64;
	w->parked_count += to - from;
	return true;
}

static void runs_park(struct trim *trim)
{
	for (uint32_t page = 0; page < trim->pages && trim->left; page++) {
		uint32_t from = page;

		while (page < trim->pages && page - from < trim->left && page_is_spare(trim, page))
			page++;
		if (page > from && pages_park(trim->w, from, page))
			trim->left -= page - from;
	}
}

/* Details come and go by chunks. */
static void details_trim(struct trim *trim)
{
	struct writer *w = trim->w;
	uint64_t bytes = CHUNK_SLOTS * sizeof(struct segment_detail);

	for (uint32_t chunk = 1; chunk < trim->pages / CHUNK_PAGES; chunk++) {
		uint32_t page = chunk * CHUNK_PAGES, end = page + CHUNK_PAGES;

		if (!chunk_is_ready(w, chunk))
			continue;
		while (page < end && !w->bitmap[page] && !bit_test(trim->keep, page))
			page++;
		if (page < end)
			continue;
		shares_drop(w, end - CHUNK_PAGES, end);
		if (!segment_file_give_back(
			    &w->file, w->header->regions[REGION_DETAILS].offset + chunk * bytes,
			    bytes))
			w->details_ready[chunk / 64] &= ~(1ull << chunk % 64);
	}
}

static uint32_t queue_put(struct trim *trim, uint32_t count, uint32_t from, uint32_t to)
{
	for (uint32_t slot = from; slot < to; slot++) {
		if (!page_is_parked(trim->w, slot / WRITER_PAGE_SLOTS))
			trim->queue[count++] = slot;
	}
	return count;
}

/* Those that were never used, then freed ones in the order of their freeing: all but parked ones.
 */
static void queue_make(struct trim *trim)
{
	struct writer *w = trim->w;
	uint32_t count = queue_put(trim, 0, w->fresh_from, w->fresh_to);

	count = queue_put(trim, count, w->slot_high, w->slot_limit);
	for (uint32_t i = 0; i < w->free_count; i++) {
		uint32_t slot = w->free_queue[(w->free_head + i) & w->free_mask];

		count = queue_put(trim, count, slot, slot + 1);
	}
	w->fresh_from = w->fresh_to = 0;
	w->slot_high = w->slot_limit;
	private_unmap(w->free_queue, QUEUE_BYTES);
	w->free_queue = trim->queue;
	w->free_head = 0;
	w->free_count = count;
	w->free_mask = WRITER_FIRST_QUEUE - 1;
	while (w->free_mask + 1 < slots_ready(w))
		w->free_mask = w->free_mask * 2 + 1;
}

/* Returns whether there may be more to give back. */
static bool slots_trim(struct writer *w)
{
	struct trim trim = {.w = w, .pages = w->slot_limit / WRITER_PAGE_SLOTS, .left = TRIM_PAGES};

	if (!w->parked)
		w->parked = private_map(PARKED_BYTES);
	if (!w->gone_slots)
		w->gone_slots = private_map(SEGMENT_QUARANTINE * sizeof *w->gone_slots);
	trim.keep = private_map(PARKED_BYTES);
	trim.queue = private_map(QUEUE_BYTES);
	if (!w->parked || !w->gone_slots || !trim.keep || !trim.queue) {
		private_unmap(trim.queue, QUEUE_BYTES);
		private_unmap(trim.keep, PARKED_BYTES);
		return false;
	}
	gone_mark(&trim);
	gone_rescue(&trim);
	runs_park(&trim);
	details_trim(&trim);
	queue_make(&trim);
	private_unmap(trim.keep, PARKED_BYTES);
	return trim.left == 0;
}

/* Phantoms go when none of them is live. */
static void phantoms_trim(struct writer *w)
{
	if (!w->phantom_high || w->header->no_detail_buffers)
		return;
	for (uint32_t i = 0; i < SEGMENT_QUARANTINE && i < w->gone_at; i++) {
		if (w->gone[i].slot >= w->slot_base && w->gone[i].slot < SLOT_OF_GONE)
			gone_copy(w, i);
	}
	madvise(w->phantoms, (size_t)w->phantom_high * sizeof *w->phantoms, MADV_DONTNEED);
	madvise(w->phantom_next, (size_t)w->phantom_high * sizeof *w->phantom_next, MADV_DONTNEED);
	w->phantom_high = 0;
	w->phantom_head = 0;
}

bool writer_trim(struct writer *w)
{
	bool more = false;

	if (w->op == w->trim_op)
		return false;
	if (slots_ready(w) > w->index.count && slots_ready(w) - w->index.count >= TRIM_WORTH)
		more = slots_trim(w);
	w->header->populated_bytes = w->file.populated_bytes;
	if (more)
		return true;
	if (w->gone_slots)
		phantoms_trim(w);
	index_shrink(&w->index, WRITER_FIRST_INDEX);
	index_shrink(&w->locals, WRITER_FIRST_LOCALS);
	index_shrink(&w->views, WRITER_FIRST_VIEWS);
	w->grow_retry_op = 0;
	w->phantom_retry_op = 0;
	w->trim_op = w->op;
	return false;
}

/* A run of neighbouring pages, at most 64 of them. */
bool slots_unpark(struct writer *w)
{
	uint32_t word = 0, page, count;
	uint64_t bits, at;

	if (w->op < w->grow_retry_op)
		return false;
	while (!w->parked[word])
		word++;
	page = word * 64 + (uint32_t)__builtin_ctzll(w->parked[word]);
	bits = ~(w->parked[word] >> page % 64);
	count = bits ? (uint32_t)__builtin_ctzll(bits) : 64;
	at = w->header->regions[REGION_SLOTS].offset + (uint64_t)page * PAGE_BYTES;
	if (segment_file_populate(&w->file, at, (uint64_t)count * PAGE_BYTES)) {
		segment_file_release(&w->file, at, (uint64_t)count * PAGE_BYTES);
		w->grow_retry_op = w->op + WRITER_GROW_RETRY_OPS;
		return false;
	}
	for (uint32_t i = page; i < page + count; i++)
		w->parked[i / 64] &= ~(1ull << i % 64);
	w->parked_count -= count;
	w->fresh_from = page * WRITER_PAGE_SLOTS;
	w->fresh_to = w->fresh_from + count * WRITER_PAGE_SLOTS;
	while (w->free_mask + 1 < slots_ready(w))
		queue_grow(w);
	w->header->populated_bytes = w->file.populated_bytes;
	return true;
}
