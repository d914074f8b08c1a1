/* SPDX-License-Identifier: Apache-2.0 */
/* The fault table: one entry per {type, space, both sites, both tags}, counted. See
 * writer_internal.h. */
#include "writer_internal.h"

#include <string.h>

enum { FAULT_HASH = 4096 };

void fault_from_slot(struct writer *w, struct writer_fault *fault, uint32_t slot_number,
                     uint32_t row)
{
	const struct segment_slot *slot = slot_at(w, slot_number);

	fault->space = fault->space ? fault->space : w->rows[row].space;
	fault->kind = w->rows[row].kind;
	fault->id = slot->id;
	fault->address =
		fault->address ? fault->address : known_address(slot->address, slot->flags);
	fault->bytes_first = slot->bytes;
	fault->tag_first = w->rows[row].tag;
	fault->site_first = slot->site;
	fault->thread_first = slot->thread;
}

static uint32_t fault_slot(const struct writer_fault *fault)
{
	uint64_t x = ((uint64_t)fault->type << 32 | fault->space) * HASH_MULTIPLIER;

	x ^= ((uint64_t)fault->site_first << 32 | fault->site_second) * 0xc2b2ae3d27d4eb4full;
	return (uint32_t)(x * HASH_MULTIPLIER >> 40) % FAULT_HASH;
}

/* Of the same type, space and sites. */
static bool fault_is_alike(const struct segment_fault *known, const struct writer_fault *fault)
{
	return known->type == (uint32_t)fault->type && known->space == fault->space &&
	       known->site_first == fault->site_first && known->site_second == fault->site_second;
}

static bool fault_has_tags_of(const struct segment_fault *known, const struct writer_fault *fault)
{
	return known->tag_first == fault->tag_first && known->tag_second == fault->tag_second;
}

static void fault_write(struct segment_fault *out, const struct writer_fault *fault, uint64_t op,
                        uint64_t time)
{
	*out = (struct segment_fault){
		.type = (uint32_t)fault->type,
		.space = fault->space,
		.kind = fault->kind,
		.device = fault->device,
		.id = fault->id,
		.address = fault->address,
		.bytes_first = fault->bytes_first,
		.bytes_second = fault->bytes_second,
		.tag_first = fault->tag_first,
		.site_first = fault->site_first,
		.thread_first = fault->thread_first,
		.tag_second = fault->tag_second,
		.site_second = fault->site_second,
		.thread_second = fault->thread_second,
		.first_op = op,
		.first_time = time,
	};
}

/* The entry of a fault, made if there is room; NULL: only counted by type. Tags tell faults apart
 * while the table is at most half full: then those alike but for tags are one. */
static struct segment_fault *fault_entry(struct writer *w, const struct writer_fault *fault,
                                         uint64_t op, uint64_t time)
{
	struct segment_fault *faults =
		(void *)(w->file.base + w->header->regions[REGION_FAULTS].offset);
	uint32_t count = w->header->regions[REGION_FAULTS].count, at = fault_slot(fault);
	struct segment_fault *alike = NULL;

	for (; w->fault_hash[at]; at = (at + 1) % FAULT_HASH) {
		struct segment_fault *known = &faults[w->fault_hash[at] - 1];

		if (!fault_is_alike(known, fault))
			continue;
		if (fault_has_tags_of(known, fault))
			return known;
		alike = alike ? alike : known;
	}
	if (alike && count >= SEGMENT_MAX_FAULTS / 2)
		return alike;
	if (count == SEGMENT_MAX_FAULTS ||
	    region_need(w, REGION_FAULTS, (count + 1) * sizeof *faults))
		return NULL;
	fault_write(&faults[count], fault, op, time);
	w->fault_hash[at] = count + 1;
	region_count(w, REGION_FAULTS, count + 1);
	return &faults[count];
}

mt_result writer_fault(struct writer *w, const struct writer_fault *fault)
{
	uint64_t op = batch_begin(w, 1), time = writer_now(w);
	struct segment_fault *entry = fault_entry(w, fault, op, time);

	event_put(w, op, EVENT_FAULT, 0, time, (uint64_t)fault->type,
	          place_pack(EVENT_NO_SLOT, 0, 0));
	if (entry) {
		entry->count++;
		entry->last_op = op;
		entry->last_time = time;
	}
	w->header->fault_total++;
	w->header->faults_by_type[fault->type % SEGMENT_FAULT_TYPES]++;
	batch_end(w);
	return fault->type;
}

void writer_fault_again(struct writer *w, const struct writer_fault *fault,
                        const struct writer_past *past)
{
	uint64_t op = batch_begin(w, 1), time = writer_now(w);
	struct segment_fault *entry = fault_entry(w, fault, past->first_op, past->first_time);

	event_put(w, op, EVENT_FAULT, 0, time, (uint64_t)fault->type,
	          place_pack(EVENT_NO_SLOT, 0, 0));
	if (entry) {
		entry->count += past->count;
		entry->last_op = past->last_op;
		entry->last_time = past->last_time;
	}
	batch_end(w);
}

void writer_note_fault(struct writer *w, uint32_t type, uint32_t space, uint32_t kind, uint64_t id,
                       uint64_t bytes, const char *site)
{
	const struct writer_space *of = space_find(w, space);
	const struct writer_fault fault = {.type = (mt_result)type,
	                                   .space = space,
	                                   .kind = kind,
	                                   .device = of && of->type == SPACE_DEVICE ? of->one.start
	                                                                            : UINT32_MAX,
	                                   .id = id,
	                                   .bytes_second = bytes,
	                                   .site_second = site_string(w, site)};

	writer_fault(w, &fault);
}
