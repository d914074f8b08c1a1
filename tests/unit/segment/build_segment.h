/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes segments by hand for the tests of the reader: every byte is within reach, so that a test
 * can make a file that no writer would. Where a test wants an honest segment, the functions keep
 * rows, counters, bitmap and ring as docs/segment-format.md says. Failures end the test.
 */
#ifndef MESHTALLY_TESTS_BUILD_SEGMENT_H
#define MESHTALLY_TESTS_BUILD_SEGMENT_H

#include "layout.h"

#include <stddef.h>
#include <stdint.h>

struct build {
	uint8_t *bytes;
	size_t size;
	struct segment_header *header;
	uint64_t op;
	uint32_t next_slot, next_space, next_block;
};

struct build_record {
	uint64_t id, address, bytes, span, parent;
	uint32_t row, flags, site, region;
	const uint64_t *uneven; /* of `members` */
	uint32_t members;       /* not 0: the record has shares */
};

enum { BUILD_DRAM = 0, BUILD_L1 = 1, BUILD_BANKS = 12 };

/* Room for slots, strings, ...: enough for a test; slot_count a multiple of 64. */
void build_init(struct build *b, uint32_t slot_count);
void build_finish(struct build *b);
void *build_region(struct build *b, enum segment_region_id id);
/* Element `index` of a region, whose count is raised to have it. */
void *build_element(struct build *b, enum segment_region_id id, uint32_t index);

uint32_t build_string(struct build *b, const char *text);
uint32_t build_tag(struct build *b, uint32_t parent, const char *name);
uint32_t build_block(struct build *b, const void *bytes, size_t size);
uint32_t build_device(struct build *b, uint64_t unique_id, uint32_t banks);
/* Handles. */
uint32_t build_open_device(struct build *b, uint32_t device);
uint32_t build_open_mesh(struct build *b, uint32_t rows, uint32_t columns, const uint32_t *members);
struct segment_space *build_space(struct build *b, uint32_t handle);
uint32_t build_row(struct build *b, uint32_t space, uint32_t kind, uint32_t class, uint32_t tag);

/* Records: alike on all members as far as rows and counters go. */
uint32_t build_alloc(struct build *b, const struct build_record *record);
void build_free(struct build *b, uint32_t slot);
struct segment_slot *build_slot(struct build *b, uint32_t slot);
struct segment_shares *build_shares(struct build *b, uint32_t slot);
void build_share_gone(struct build *b, uint32_t slot, uint32_t member);
uint64_t build_event(struct build *b, uint32_t type, uint64_t id, uint64_t place, uint32_t held);
void build_close(struct build *b, uint32_t space, uint32_t state);
void build_ready(struct build *b, uint32_t space);
void build_seal(struct build *b, uint32_t slot);

/* Writes the file; parts that are zero become holes. */
void build_write(const struct build *b, const char *path);
/* Takes the lock that says a writer is alive; the descriptor. */
int build_lock(const char *path);

/* A segment with two devices, a mesh over them, and some buffers of every sort. */
void build_sample(struct build *b);

/* A directory for a test, removed with all that is in it. */
const char *test_dir(void);
const char *test_path(const char *name);
void test_dir_remove(void);

#endif
