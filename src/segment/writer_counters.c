/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes held per kind and device, and their peaks; what is over capacity. See writer_internal.h. */
#include "writer_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static bool add_avx2(uint64_t *held, uint64_t *peak,
                                                     uint32_t length, uint64_t bytes)
{
	__m256i add = _mm256_set1_epi64x((long long)bytes), any = _mm256_setzero_si256();

	/* Byte counts are below 2^63, so the signed comparison is the right one. */
	for (uint32_t i = 0; i < length; i += 4) {
		__m256i h = _mm256_loadu_si256((const __m256i *)(held + i));
		__m256i p = _mm256_loadu_si256((const __m256i *)(peak + i));
		__m256i more;

		h = _mm256_add_epi64(h, add);
		more = _mm256_cmpgt_epi64(h, p);
		any = _mm256_or_si256(any, more);
		_mm256_storeu_si256((__m256i *)(held + i), h);
		_mm256_storeu_si256((__m256i *)(peak + i), _mm256_blendv_epi8(p, h, more));
	}
	return !_mm256_testz_si256(any, any);
}

__attribute__((target("avx2"))) static void sub_avx2(uint64_t *held, uint32_t length,
                                                     uint64_t bytes)
{
	__m256i sub = _mm256_set1_epi64x((long long)bytes);

	for (uint32_t i = 0; i < length; i += 4) {
		__m256i h = _mm256_loadu_si256((const __m256i *)(held + i));

		_mm256_storeu_si256((__m256i *)(held + i), _mm256_sub_epi64(h, sub));
	}
}
#else
static bool add_avx2(uint64_t *held, uint64_t *peak, uint32_t length, uint64_t bytes)
{
	(void)held, (void)peak, (void)length, (void)bytes;
	return false;
}

static void sub_avx2(uint64_t *held, uint32_t length, uint64_t bytes)
{
	(void)held, (void)length, (void)bytes;
}
#endif

static bool add_each(uint64_t *held, uint64_t *peak, uint32_t length, uint64_t bytes)
{
	bool rose = false;

	for (uint32_t i = 0; i < length; i++) {
		uint64_t now = held[i] + bytes;

		held[i] = now;
		if (now > peak[i]) {
			peak[i] = now;
			rose = true;
		}
	}
	return rose;
}

bool counters_add_wide(struct segment_counters *c, uint32_t start, uint32_t length, uint64_t held,
                       bool avx2)
{
	uint32_t wide = avx2 ? length & ~3u : 0;
	bool rose = wide && add_avx2(c->held + start, c->peak + start, wide, held);

	return add_each(c->held + start + wide, c->peak + start + wide, length - wide, held) ||
	       rose;
}

void counters_sub_wide(struct segment_counters *c, uint32_t start, uint32_t length, uint64_t held,
                       bool avx2)
{
	uint32_t wide = avx2 ? length & ~3u : 0;

	if (wide)
		sub_avx2(c->held + start, wide, held);
	for (uint32_t i = wide; i < length; i++)
		c->held[start + i] -= held;
}

/* Populates the arrays of a kind as far as there are devices. Holes stay between them. */
int counters_need(struct writer *w, uint32_t kind)
{
	const struct segment_region *region = &w->header->regions[REGION_COUNTERS];
	uint64_t at = region->offset + kind * sizeof(struct segment_counters);
	uint32_t bit = 1u << kind;

	if (w->device_count > SEGMENT_MAX_DEVICES / 2 && !(w->kinds_ready_wide & bit)) {
		if (segment_file_populate(&w->file, at, sizeof(struct segment_counters)))
			return -1;
		w->kinds_ready_wide |= bit;
		w->kinds_ready |= bit;
		return 0;
	}
	if (w->kinds_ready & bit)
		return 0;
	for (uint64_t array = 0; array < 5; array++) {
		uint64_t bytes = SEGMENT_MAX_DEVICES / 2 * (array == 4 ? 4 : 8);

		if (segment_file_populate(&w->file, at + array * SEGMENT_MAX_DEVICES * 8, bytes))
			return -1;
	}
	w->kinds_ready |= bit;
	return 0;
}

/* --- capacity ---------------------------------------------------------------------------- */

static bool is_over(const struct writer *w, uint32_t kind, uint32_t device)
{
	uint64_t capacity = w->capacity[kind * SEGMENT_MAX_DEVICES + device];

	return capacity && w->counters[kind].held[device] > capacity;
}

void pending_note(struct writer *w, const struct writer_space *space,
                  const struct mt_buffer *buffer, uint32_t tag, uint32_t site, uint32_t thread)
{
	for (uint32_t run = 0; run < space->run_count; run++) {
		uint32_t start = space->runs[run].start, end = start + space->runs[run].length;

		for (uint32_t device = start; device < end; device++) {
			if (likely(!is_over(w, buffer->kind, device)))
				continue;
			w->overflown |= 1u << buffer->kind;
			if (w->pending_count == WRITER_PENDING)
				continue;
			w->pending[w->pending_count++] = (struct writer_pending){
				.kind = buffer->kind,
				.device = device,
				.id = buffer->id,
				.address = buffer->address,
				.bytes = buffer->bytes,
				.space = space->handle,
				.tag = tag,
				.site = site,
				.thread = thread,
			};
		}
	}
}

static bool space_has_device(const struct writer_space *space, uint32_t device)
{
	for (uint32_t run = 0; run < space->run_count; run++) {
		if (device >= space->runs[run].start &&
		    device - space->runs[run].start < space->runs[run].length)
			return true;
	}
	return false;
}

static mt_result pending_fault(struct writer *w, const struct writer_pending *p)
{
	struct writer_fault fault = {
		.type = MT_OVER_CAPACITY,
		.space = p->space,
		.kind = p->kind,
		.device = p->device,
		.id = p->id,
		.address = p->address,
		.bytes_first = w->capacity[p->kind * SEGMENT_MAX_DEVICES + p->device],
		.bytes_second = w->counters[p->kind].held[p->device],
		.tag_second = p->tag,
		.site_second = p->site,
		.thread_second = p->thread,
	};

	return writer_fault(w, &fault);
}

mt_result pending_check(struct writer *w, const struct writer_space *space, uint32_t before,
                        mt_result told)
{
	uint32_t kept = 0, count = w->pending_count;

	for (uint32_t i = 0; i < count; i++) {
		const struct writer_pending pending = w->pending[i];

		if (i >= before || !space_has_device(space, pending.device)) {
			w->pending[kept++] = pending;
		} else if (is_over(w, pending.kind, pending.device)) {
			mt_result fault = pending_fault(w, &pending);

			told = told == MT_OK ? fault : told;
		}
	}
	w->pending_count = kept;
	return told;
}
