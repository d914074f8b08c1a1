/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a snapshot file: images of segments, one after the other, each a header and
 * sections. docs/segment-format.md section 3 is the same in words. Little-endian; records are
 * multiples of 8 bytes; sections of unknown type are skipped by their size.
 */
#ifndef MESHTALLY_SEGMENT_SNAPSHOT_FILE_H
#define MESHTALLY_SEGMENT_SNAPSHOT_FILE_H

#include "layout.h"

#define SNAPSHOT_MAGIC   0x50414e534853454dULL /* "MESHSNAP" */
#define SNAPSHOT_VERSION 1u

/* snapshot_image.flags */
enum { SNAPSHOT_WRITER_GONE = 1, SNAPSHOT_TOTALS_EXACT = 2 };

struct snapshot_image {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct snapshot_image) */
	uint64_t size;         /* of the image, this header and all sections */
	uint32_t life;         /* enum view_life */
	uint32_t flags;
	/* One moment of the reader on three clocks; `time` is of the segment's clock. */
	uint64_t time;
	uint64_t monotonic_ns;
	uint64_t realtime_ns; /* 0: the moment is not known */
	uint64_t op;          /* what is in the image is the state at this op */
	uint64_t op_limit;    /* records and spaces of later ops are to be ignored */
	uint64_t missed;      /* events that were overwritten while it was taken */
	uint64_t totals_off;  /* operations that went on while rows and counters were copied */
	uint64_t last_time;   /* of the last operation; 0 unknown */
	uint64_t corrupt;     /* records that were left out */
	uint64_t section_count;
	char name[256]; /* of the segment's file */
};

/* snapshot_section.type: a segment_region_id, for the elements of that region, or one of these. */
enum {
	SNAPSHOT_HEADER = 64,  /* struct segment_header */
	SNAPSHOT_SLOT_NUMBERS, /* uint32_t, of each slot of REGION_SLOTS */
	SNAPSHOT_SLOT_DETAILS, /* uint32_t, index into REGION_DETAILS, or UINT32_MAX */
	/* uint64_t: struct segment_shares, one after the other. The shares_block of a detail is the
	 * index of its first word + 1. */
	SNAPSHOT_SHARES,
	SNAPSHOT_LOST, /* struct snapshot_lost */
	SNAPSHOT_UNDO  /* struct snapshot_undo */
};

struct snapshot_section {
	uint64_t size; /* this header and the elements, padded to 8 */
	uint32_t type;
	uint32_t element_bytes;
	uint64_t first; /* REGION_BLOCKS: block of the first element; else 0 */
	uint64_t count;
};

/* A record that was live at the op, and whose slot was overwritten before it could be copied. */
struct snapshot_lost {
	uint64_t id, bytes, held;
	uint64_t time; /* of its free */
	uint32_t slot;
	uint32_t row;
	uint32_t unsure; /* 1: its sizes did not fit the event */
	uint32_t reserved;
};

/* A share that is said to be gone, but was there at the op. Sorted. */
struct snapshot_undo {
	uint32_t slot;
	uint32_t member;
};

_Static_assert(sizeof(struct snapshot_image) == 368, "format");
_Static_assert(sizeof(struct snapshot_section) == 32, "format");
_Static_assert(sizeof(struct snapshot_lost) == 48, "format");
_Static_assert(sizeof(struct snapshot_undo) == 8, "format");

#endif
