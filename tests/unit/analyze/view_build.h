/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views built by hand, for tests: what a reader would have made of a segment.
 */
#ifndef MESHTALLY_TEST_VIEW_BUILD_H
#define MESHTALLY_TEST_VIEW_BUILD_H

#include "meshtally.h"
#include "view.h"

/* When the views say that they were read. */
#define BUILD_READ_NS UINT64_C(1795340000000000000)

enum { BUILD_MAX = 64, BUILD_BUFFERS = 4096 };

struct built_view {
	struct segment_view view;
	struct view_device devices[BUILD_MAX];
	struct view_space spaces[BUILD_MAX];
	uint32_t members[BUILD_MAX][BUILD_MAX];
	struct view_tag tags[BUILD_MAX];
	struct view_row rows[BUILD_BUFFERS];
	struct view_figure figures[6 * BUILD_MAX];
	struct view_buffer buffers[BUILD_BUFFERS];
	struct view_fault faults[BUILD_MAX];
	struct view_frame frames[BUILD_MAX];
	struct view_failure failures[8];
	struct view_program programs[BUILD_MAX];
	struct segment_resident residents[BUILD_MAX];
};

struct built_view *build_view(int32_t pid, enum view_life life);
/* 12 banks of 1 GiB DRAM, 64 of 1 MiB L1. Returns the index. */
uint32_t build_device(struct built_view *built, uint64_t unique_id, int32_t ordinal,
                      const char *bus);
/* The place of what is on no device yet. */
uint32_t build_unplaced(struct built_view *built, int32_t ordinal);
uint32_t build_device_space(struct built_view *built, uint32_t device);
uint32_t build_mesh_space(struct built_view *built, uint16_t rows, uint16_t columns,
                          const uint32_t *devices);
uint32_t build_tag(struct built_view *built, const char *path);
/* A user's buffer of DRAM; the caller changes what should be otherwise. */
struct view_buffer *build_buffer(struct built_view *built, uint32_t space, uint64_t id,
                                 uint64_t bytes);
/* Rows and figures out of the buffers. Peaks: what is held. */
void build_figures(struct built_view *built);
void build_free(struct built_view *built);

#endif
