/* SPDX-License-Identifier: Apache-2.0 */
/* Reading many segments at once, on as many threads as there are processors. */
#ifndef MESHTALLY_REPORT_SCENE_LOAD_H
#define MESHTALLY_REPORT_SCENE_LOAD_H

#include "reader.h"

/* A file to be read, and what came of it. */
struct scene_file {
	char *path;
	uid_t owner;
	struct segment_view *view; /* NULL: see error */
	int error;
	struct segment_reject reject;
};

/* Threads are worth it from some number of files on. */
void scene_load(struct scene_file *files, size_t count, enum view_depth depth);

#endif
