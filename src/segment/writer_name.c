/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, tags, kinds and marks. See writer.h. */
#include "writer_internal.h"

#include <string.h>

enum { STRING_HASH = 1 << 17, STRING_LIMIT = STRING_HASH / 2 };

static uint64_t text_hash(const char *text, size_t length)
{
	uint64_t x = length * HASH_MULTIPLIER, word;

	for (; length >= 8; text += 8, length -= 8) {
		memcpy(&word, text, 8);
		x = (x ^ word) * 0xc2b2ae3d27d4eb4full;
		x ^= x >> 29;
	}
	word = 0;
	memcpy(&word, text, length);
	x = (x ^ word) * 0xc2b2ae3d27d4eb4full;
	return x ^ x >> 32;
}

static struct segment_string *string_at(struct writer *w, uint32_t reference)
{
	return (void *)(w->file.base + w->header->regions[REGION_STRINGS].offset +
	                reference * 8ull);
}

/* The reference of a text, which is put into the table if it is new; 0: no room. */
uint32_t writer_string(struct writer *w, const char *text)
{
	size_t length = strnlen(text, SEGMENT_STRING_MAX);
	struct segment_region *region = &w->header->regions[REGION_STRINGS];
	uint32_t at = (uint32_t)text_hash(text, length) % STRING_HASH;
	uint64_t bytes = (2 + length + 7) / 8 * 8, used = region->count;
	struct segment_string *string;

	for (; w->string_hash[at]; at = (at + 1) % STRING_HASH) {
		string = string_at(w, w->string_hash[at]);
		if (string->length == length && memcmp(string->bytes, text, length) == 0)
			return w->string_hash[at];
	}
	if (w->string_count == STRING_LIMIT || region_need(w, REGION_STRINGS, used + bytes))
		return 0;
	string = string_at(w, (uint32_t)(used / 8));
	string->length = (uint16_t)length;
	memcpy(string->bytes, text, length);
	w->string_hash[at] = (uint32_t)(used / 8);
	w->string_count++;
	region_count(w, REGION_STRINGS, (uint32_t)(used + bytes));
	return (uint32_t)(used / 8);
}

void writer_tag(struct writer *w, uint32_t tag, uint32_t parent, const char *name)
{
	struct segment_tag *tags = (void *)(w->file.base + w->header->regions[REGION_TAGS].offset);

	if (tag >= SEGMENT_MAX_TAGS || region_need(w, REGION_TAGS, (tag + 1) * sizeof *tags))
		return;
	tags[tag] = (struct segment_tag){.parent = parent, .name = writer_string(w, name)};
	if (w->header->regions[REGION_TAGS].count <= tag)
		region_count(w, REGION_TAGS, tag + 1);
}

void writer_kind_name(struct writer *w, uint32_t kind, const char *name)
{
	if (kind >= SEGMENT_MAX_KINDS)
		return;
	strncpy(w->header->kind_names[kind], name, SEGMENT_KIND_NAME - 1);
	if (w->header->kind_count <= kind)
		__atomic_store_n(&w->header->kind_count, kind + 1, __ATOMIC_RELEASE);
}

void writer_mark(struct writer *w, const char *name, uint64_t n)
{
	struct segment_mark *marks =
		(void *)(w->file.base + w->header->regions[REGION_MARKS].offset);
	uint32_t at = (uint32_t)(w->header->mark_count % SEGMENT_MAX_MARKS);
	uint64_t op, time = writer_now(w);
	uint32_t string = name ? writer_string(w, name) : 0;

	if (region_need(w, REGION_MARKS, (at + 1) * sizeof *marks)) {
		writer_unrecorded(w);
		return;
	}
	op = batch_begin(w, 1);
	event_put(w, op, EVENT_MARK, 0, time, w->header->mark_count,
	          place_pack(EVENT_NO_SLOT, 0, 0));
	marks[at] = (struct segment_mark){.op = op, .time = time, .n = n, .name = string};
	if (w->header->regions[REGION_MARKS].count <= at)
		region_count(w, REGION_MARKS, at + 1);
	w->header->mark_count++;
	/* The older peak first: wherever this is cut short, the larger of both is the peak. */
	for (uint32_t kind = 0; kind < SEGMENT_MAX_KINDS; kind++) {
		struct segment_counters *c = &w->counters[kind];

		for (uint32_t d = 0; w->kinds_ready & 1u << kind && d < w->device_count; d++) {
			if (c->peak[d] > c->peak_base[d])
				c->peak_base[d] = c->peak[d];
			c->peak[d] = c->held[d];
		}
	}
	batch_end(w);
}
