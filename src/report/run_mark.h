/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `meshtally run` reads the segments of its program once that has ended. So that a server leaves
 * them until then, it holds the lock of a file <segment directory>/.run-<run id>; a lock that
 * nobody holds is that of a run that was killed.
 */
#ifndef MESHTALLY_REPORT_RUN_MARK_H
#define MESHTALLY_REPORT_RUN_MARK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_MARK_PREFIX ".run-"

struct run_mark {
	int fd; /* -1: none */
	char path[PATH_MAX];
};

/* Best effort: without it a server may be faster, and then has the post-mortem. */
void run_mark_set(struct run_mark *mark, const char *segment_dir, uint64_t run_id);
void run_mark_clear(struct run_mark *mark);

/* Whether the run of that id (0: none) waits for the segment at this path. Removes a mark that a
 * killed one left, if it may. */
bool run_mark_is_held(const char *segment_path, uint64_t run_id);

#endif
