/* SPDX-License-Identifier: Apache-2.0 */
/* A writer in this process, for tests of the writer by itself and of what reads it. */
#ifndef MESHTALLY_TESTS_WRITER_FIXTURE_H
#define MESHTALLY_TESTS_WRITER_FIXTURE_H

#include "build_segment.h"
#include "reader.h"
#include "writer.h"

enum { FIXTURE_BANKS = 8 };

extern const struct writer_call fixture_call;

/* Opens a writer in test_dir(). */
void fixture_open(struct writer *w, const struct writer_options *options);
/* Opens a device with DRAM and L1 under a handle. unique_id 0: by its ordinal. */
void fixture_device(struct writer *w, uint32_t handle, uint64_t unique_id, int32_t ordinal);
void fixture_mesh(struct writer *w, uint32_t handle, uint32_t columns, const uint32_t *devices);
mt_result fixture_alloc(struct writer *w, uint32_t space, uint64_t id, uint64_t bytes);
mt_result fixture_free(struct writer *w, uint32_t space, uint64_t id);
/* What a reader sees of it. */
struct segment_view *fixture_view(const struct writer *w, enum view_depth depth);
struct segment_view *fixture_view_of(const char *path, enum view_depth depth);
uint64_t fixture_faults(const struct writer *w, uint32_t type);
/* Bytes of memory that the file takes. */
uint64_t fixture_file_bytes(const struct writer *w);

#endif
