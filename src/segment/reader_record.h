/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record at a time, for views (reader_buffers.c) and the streamed pass (reader_stream.c): what
 * it holds and on which members, and which shares LOCAL records took over from it. Of those a whole
 * pass must be made before a backing record can be told.
 */
#ifndef MESHTALLY_SEGMENT_READER_RECORD_H
#define MESHTALLY_SEGMENT_READER_RECORD_H

#include "meshtally.h"
#include "reader_parse.h"

enum { GONE_WORDS = SEGMENT_MAX_MEMBERS / 64 };

/* One record and what belongs to it. */
struct record {
	const struct segment_slot *slot;
	uint32_t number;
	uint32_t row;
	const struct parse_row *info;
	const struct view_space *space;
	const struct segment_detail *detail; /* NULL none */
	const struct segment_shares *shares;
	const uint64_t *uneven; /* bytes of each member */
	bool divided;           /* some share is gone, or they are not alike */
	uint64_t gone[GONE_WORDS];
};

/* Whether the record can be made sense of. Slot and detail must stay where they are. */
bool record_init(struct parse *p, const struct segment_slot *slot, uint32_t number,
                 const struct segment_detail *detail, struct record *record);
/* Adds the shares that are left to the rows, if these are added up. Returns how many they are (1
 * for all), or a negative errno. */
int record_count(struct parse *p, const struct record *record);
/* `buffer` is all zeros before. */
int record_fill(struct parse *p, const struct record *record, struct view_buffer *buffer);

static inline void row_put(struct view_row *row, uint64_t bytes, uint64_t held)
{
	row->bytes += bytes;
	row->held += held;
	row->buffers++;
}

/* A backing record, which waits for the LOCAL ones. */
struct backing {
	uint64_t id;
	uint32_t key;   /* the caller's, by which it finds the record again */
	uint32_t space; /* index */
	uint32_t next;  /* of the same hash; backing + 1 */
	uint32_t taken; /* first of its words in takeovers.taken, + 1; 0: none taken */
};

/* What LOCAL records take over. All zeros before; takeovers_finish() after. */
struct takeovers {
	const struct segment_view *view;
	struct backing *backings;
	struct local_share *locals;
	uint32_t backing_count, backing_room, local_count, local_room;
	uint32_t *heads; /* backing + 1, by id */
	uint32_t mask;
	uint64_t *taken; /* bitmaps of members, each as long as its space's */
	uint32_t taken_count, taken_room;
};

/* 1: the record is a backing one and waits; 0: it need not; or a negative errno. */
int takeovers_note_any(struct takeovers *takeovers, const struct record *record, uint32_t key);
static inline int takeovers_note(struct takeovers *takeovers, const struct record *record,
                                 uint32_t key)
{
	if ((record->slot->flags & (MT_BACKING | MT_LOCAL)) == 0)
		return 0;
	return takeovers_note_any(takeovers, record, key);
}
/* After the last note. */
int takeovers_settle(struct takeovers *takeovers);
/* Takes from a backing record what was taken over. */
void takeovers_apply(const struct takeovers *takeovers, uint32_t backing, struct record *record);
void takeovers_finish(struct takeovers *takeovers);

#endif
