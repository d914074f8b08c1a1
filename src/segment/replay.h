/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a view back to a writer: what a process that wrote for others (a proxy) left when it died is
 * taken over by its successor. Called once per writer, by its owner, before anything else.
 */
#ifndef MESHTALLY_SEGMENT_REPLAY_H
#define MESHTALLY_SEGMENT_REPLAY_H

#include "view.h"
#include "writer.h"

/*
 * Brings a fresh writer to the state of a view (VIEW_BUFFERS) of the same subject: the moment of
 * birth and the op number, devices, spaces under the same handles, kinds, tags, live buffers with
 * their times, sites, classes and shares, numbers of allocations and frees, peaks, and faults with
 * their counts, and repeats of live buffers (enum writer_repeats), up to SLOT_REPEATS_MAX of each.
 * What ran on beside the view is not known: credits for late frees, what was freed before, backing
 * records of which nothing was left but LOCAL ones. Pictures, marks and programs begin anew.
 * Buffers without detail are counted as unrecorded, and the writer is inexact. -EINVAL: not such a
 * view, or a writer in use; -ENOSPC: something did not fit, the rest was done, and the writer is
 * inexact.
 */
int segment_replay(struct writer *w, const struct segment_view *view);

#endif
