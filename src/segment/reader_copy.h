/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared among the files of the reader and nobody else: the source of bytes (a segment's file), and
 * the copy of a segment, which is all that a view is made from. A copy is taken from a file by
 * copy_take, or comes from an image; everything in it has the sizes that its counts say, and
 * nothing else about it is to be believed.
 */
#ifndef MESHTALLY_SEGMENT_READER_COPY_H
#define MESHTALLY_SEGMENT_READER_COPY_H

#include "arena.h"
#include "reader.h"
#include "snapshot_file.h"

enum {
	COPY_PART_BYTES = 64 << 10, /* blocks are copied in parts of this size */
	COPY_PART_UNITS = COPY_PART_BYTES / 64,
	COPY_UNIT = 64
};
#define COPY_NO_DETAIL UINT32_MAX

/* One moment on three clocks. */
struct reader_clock {
	uint64_t time; /* of header.clock */
	uint64_t monotonic_ns;
	uint64_t realtime_ns; /* 0: the moment is not known */
};

/* Elements of one region. */
struct copy_table {
	void *data;
	uint32_t count;
};

/* The last piece of the blocks that was read. */
struct copy_window {
	uint8_t *bytes;
	uint64_t at;
	size_t count;
};

struct copy_vector {
	void *items;
	size_t count, room;
};

struct reader_copy {
	struct arena *arena; /* of what is in the copy */
	int fd;              /* -1: an image */
	char name[256];
	struct segment_header header;
	struct reader_clock now;
	enum view_life life;
	bool writer_gone;

	/* The state is that at op; records and spaces of later ops are not in it. For the dead
	 * nothing is later. */
	uint64_t op;
	uint64_t op_limit;   /* op, or UINT64_MAX for the dead */
	bool totals_exact;   /* rows and counters are those at op */
	uint64_t missed;     /* events that were overwritten before they could be read */
	uint64_t totals_off; /* operations that went on while rows and counters were copied */
	uint64_t last_time;  /* of the last operation; 0 unknown */

	struct copy_table tables[REGION_LIMIT]; /* small ones; not ring, bitmap, slots, details */
	uint8_t **parts;                        /* of the blocks region; NULL: not copied yet */
	uint32_t part_count, block_units, unit_updates;
	uint64_t joined_bytes;
	struct copy_window window; /* takes the place of the parts if there is one */

	/* The live records, in no order; slot_numbers[i] and detail_of[i] belong to slots[i]. */
	bool has_slots;
	struct segment_slot *slots;
	uint32_t *slot_numbers, *detail_of;
	size_t slot_count, slot_room;
	struct segment_detail *details;
	size_t detail_count, detail_room;
	struct copy_vector lost, undo; /* struct snapshot_lost, snapshot_undo */
	struct copy_vector shares;     /* words; details[i].shares_block is an index into it + 1 */
	uint64_t corrupt;              /* records that are set but make no sense */
	bool settle_rows; /* copy_parse() is to write what rows add up to into their table */
};

/* The source (reader_source.c). */
int reject(struct segment_reject *ret_reject, int error, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int source_open(const char *path, uid_t owner, struct segment_reject *ret_reject);
/* Reads; what lies beyond the end of the file, or cannot be read, is zero. */
void source_read(int fd, void *to, uint64_t offset, size_t bytes);
/* The same for memory that is zero already: skips holes. */
void source_read_sparse(int fd, void *to, uint64_t offset, uint64_t bytes);
/* The size of the file; 0 where it cannot be asked for. */
uint64_t source_bytes(int fd);
/* Where the last region ends: no whole file is smaller. UINT64_MAX: no file can be so large. */
uint64_t header_file_bytes(const struct segment_header *header);
#define BYTES_NOT_ASKED UINT64_MAX
/* Whether the header is one that this reader knows, its regions may be read, and a file of
 * file_bytes has all of them. */
int header_check(const struct segment_header *header, uint64_t file_bytes, const char *path,
                 struct segment_reject *ret_reject);

/* Life (reader_life.c): sets copy->life, copy->writer_gone from the file and its header. kept: a
 * file that may be a copy, so that a lock that nobody holds says nothing. */
void life_of_copy(struct reader_copy *copy, bool kept);
/* By what the header says of an end, which must be there. */
enum view_life life_of_ended(const struct segment_header *header);

/* The copy (reader_copy.c, reader_slots.c). fd is taken over, and closed by copy_destroy. */
int copy_take(int fd, const char *path, enum view_depth depth, bool kept,
              struct reader_copy **ret_copy, struct segment_reject *ret_reject);
/* The same without records, as it is, whether or not the writer goes on. */
int copy_take_totals(int fd, const char *path, struct reader_copy **ret_copy,
                     struct segment_reject *ret_reject);
void copy_destroy(struct reader_copy *copy);
struct reader_copy *copy_create(const char *path);
/* What an attempt has copied is thrown away. */
int copy_clear(struct reader_copy *copy);
bool copy_is_dead(const struct reader_copy *copy);

/* `bytes` of the list at a block, NULL where it cannot be. fresh: as they are now. Lives as long as
 * the copy; after blocks_window(), until the next one, and none is kept. */
const void *copy_block(struct reader_copy *copy, uint32_t block, size_t bytes, bool fresh);
int blocks_window(struct reader_copy *copy);
/* The shares of a record, checked to be its own and whole. NULL: none such. */
const struct segment_shares *copy_shares(struct reader_copy *copy,
                                         const struct segment_detail *detail, bool fresh);
int shares_keep(struct reader_copy *copy, const struct segment_shares *shares,
                struct segment_detail *detail);
/* The shares of a record that is in the copy. */
const struct segment_shares *shares_kept(const struct reader_copy *copy,
                                         const struct segment_detail *detail);

/* Live records at copy->op: 0, or a negative errno. -EAGAIN: events were overwritten, try again;
 * in the last try they are counted in copy->missed instead. */
int copy_slots(struct reader_copy *copy, bool last);
/* `reserve` and `commit` as they are now. */
struct copy_words {
	uint64_t reserve, commit;
};
struct copy_words copy_words(const struct reader_copy *copy);
/* Of the dead: the op that the records are the state of. */
void dead_op(struct reader_copy *copy);
/* Of the dead: takes the old bit of a move out of the bitmap where it was only set anew elsewhere.
 */
void dead_moves(const struct reader_copy *copy, uint64_t *bitmap, uint32_t slots);
int vector_add(struct reader_copy *copy, struct copy_vector *vector, const void *item, size_t size);

/* The reader's clocks of this moment, in the terms of header->clock. */
struct reader_clock clock_now(const struct segment_header *header);
/* From times of a segment to CLOCK_REALTIME, linear between its birth and a moment of the reader.
 * ns_per_tick 0: not known. */
struct reader_scale {
	uint64_t birth_time, birth_realtime_ns;
	double ns_per_tick;
};
struct reader_scale clock_scale(const struct segment_header *header,
                                const struct reader_clock *now);
/* 0 unknown. */
uint64_t clock_realtime_ns(const struct reader_scale *scale, uint64_t time);

/* For images: room for the blocks that the header says there are; all of the blocks. */
int blocks_init(struct reader_copy *copy);
int blocks_put(struct reader_copy *copy, uint64_t first, const void *from, uint64_t count);
int blocks_copy_all(struct reader_copy *copy);
bool block_part_is_empty(const struct reader_copy *copy, uint32_t part);

/* The view of a copy (reader_parse.c). -EAGAIN: the copy contradicts itself in a way that a live
 * writer can cause. */
int copy_parse(struct reader_copy *copy, enum view_depth depth, struct segment_view **ret_view);

static inline const void *copy_element(const struct reader_copy *copy, enum segment_region_id id,
                                       uint32_t index, size_t size)
{
	const struct copy_table *table = &copy->tables[id];

	return index < table->count ? (const char *)table->data + index * size : NULL;
}

#endif
