/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared among the files that make a view from a copy, and nobody else. Every number of the copy is
 * checked here before it is an index or a size; what makes no sense is left out and counted in
 * view->corrupt_records. Results are in the arena of the view, everything else in that of the copy.
 */
#ifndef MESHTALLY_SEGMENT_READER_PARSE_H
#define MESHTALLY_SEGMENT_READER_PARSE_H

#include "reader_copy.h"

#define NONE UINT32_MAX

/* What is needed of a stored row for the records that name it. */
struct parse_row {
	uint32_t space; /* index into the view's; NONE: the row is not used, or corrupt */
	uint32_t banks; /* of the local members, where alike */
	uint16_t member;
	uint8_t kind, class_now;
	bool alike; /* a whole record is one figure for all members */
	bool later; /* its space is not known: opened after the op, or gone */
};

/* Banks of a kind over the local members of a space. */
struct parse_banks {
	uint32_t banks; /* 0: not looked at yet */
	bool alike;
};

struct parse {
	struct reader_copy *copy;
	struct segment_view *view;
	struct arena *arena;   /* of the view */
	struct arena *scratch; /* of the copy */
	struct reader_scale scale;
	uint64_t op_limit;

	const char **strings; /* by reference; NULL: not made yet */
	uint32_t string_limit;
	uint64_t string_budget; /* bytes: honest strings do not overlap */
	uint64_t list_budget;   /* bytes of lists that may still be made */

	uint32_t *space_of_entry;  /* index into view->spaces + 1, by table entry */
	struct parse_banks *banks; /* [space * SEGMENT_MAX_KINDS + kind] */

	struct parse_row *row_infos; /* by stored row */
	uint32_t row_count;
	struct view_row *rows; /* stored ones at their places, then those that were missing */
	uint32_t row_used, row_room;
	uint32_t *row_hash; /* stored member rows; row + 1 */
	uint32_t row_hash_mask;
	bool recount; /* rows are added up from records */
	bool stale;   /* the copy contradicts itself as only a live writer can cause */

	uint64_t *member_room; /* of SEGMENT_MAX_MEMBERS: for the bytes of members; NULL: arena */
};

/* What parsing consists of (reader_parse.c): the view that is begun is the caller's from then on,
 * also on failure; tables, all that records refer to; figures, after the last record. `recount`:
 * rows are added up from records, which are given in between. */
int parse_begin(struct parse *p, struct reader_copy *copy, enum view_depth depth, bool recount);
int parse_tables(struct parse *p);
int parse_totals(struct parse *p);

/* Strings and tags (reader_parse.c). */
const char *parse_string_new(struct parse *p, uint32_t reference);
static inline const char *parse_string(struct parse *p, uint32_t reference)
{
	if (reference < p->string_limit && p->strings[reference] != NULL)
		return p->strings[reference];
	return parse_string_new(p, reference);
}
const char *parse_tag_path(const struct parse *p, uint32_t tag);
uint32_t parse_tag(const struct parse *p, uint32_t tag);
/* NONE: not known. */
uint32_t parse_space(const struct parse *p, uint32_t handle);
static inline uint64_t parse_time(const struct parse *p, uint64_t time)
{
	return clock_realtime_ns(&p->scale, time);
}

/* A list in the blocks, in memory of the view. NULL and *count = 0 where it cannot be. */
void *parse_list(struct parse *p, uint32_t block, uint32_t *count, uint32_t limit, size_t size);

/* Spaces, rows, figures (reader_spaces.c, reader_rows.c). */
int parse_spaces(struct parse *p);
int parse_rows(struct parse *p);
uint32_t device_banks(const struct segment_view *view, uint32_t device, uint32_t kind);
bool space_is_closed(const struct view_space *space);
/* The row of one member, made where there is none; NULL: no memory. */
struct view_row *row_of_member(struct parse *p, uint32_t row, uint32_t member);
int finish_rows(struct parse *p);
/* Writes rows that were added up into the copy, of which they are exact totals from then on. */
int settle_rows(struct parse *p);
int parse_figures(struct parse *p);

/* Records (reader_buffers.c). */
int parse_buffers(struct parse *p, bool wanted);

/* Faults, frames, failures, marks, programs (reader_lists.c). Before the figures: frames. */
int parse_lists(struct parse *p);
/* Index into view->frames + 1 of a frame of the file. */
uint32_t parse_frame_index(const struct parse *p, uint32_t frame);

#endif
