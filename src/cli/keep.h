/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshot files: raw copies of segments, one after the other, read again by the very code that
 * reads live ones. Written beside their name and renamed, so that there is never half a file.
 */
#ifndef MESHTALLY_CLI_KEEP_H
#define MESHTALLY_CLI_KEEP_H

#include "text.h"

#include <stddef.h>

/* Copies the segments at `paths`. Those that go away meanwhile are left out. 0 and their number, or
 * a negative errno and what to say. */
int keep_segments(const char *file, char *const *paths, size_t count, size_t *ret_kept,
                  struct text *error);

#endif
