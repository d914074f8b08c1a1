/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where post-mortems lie and which there are. A server keeps them (serve/postmortem_store.h), one
 * file each, an image of the segment with its end in it: <unix ms>-<pid>-<identity>.mshsnap below
 * <state directory>/dead. Names tell enough to list them; they are read with segment_file_read.
 */
#ifndef MESHTALLY_REPORT_POSTMORTEM_DIR_H
#define MESHTALLY_REPORT_POSTMORTEM_DIR_H

#include "memory.h"

#include <limits.h>
#include <stdint.h>

#define POSTMORTEM_SUFFIX ".mshsnap"
#define POSTMORTEM_SYSTEM "/var/lib/meshtally"

enum { POSTMORTEM_DIRS = 3, POSTMORTEM_NAME = 80 };

struct postmortem_file {
	char name[POSTMORTEM_NAME];
	uint64_t unix_ms; /* when its end was noticed */
	int32_t pid;
	uint64_t identity;
	uint64_t bytes;
};
struct postmortem_list {
	VEC_FIELDS(struct postmortem_file) /* the newest first */
};

/* The state directory of a server in this environment: `chosen` (NULL: none), else
 * $MESHTALLY_STATE_DIR, $STATE_DIRECTORY, $XDG_STATE_HOME/meshtally, ~/.local/state/meshtally.
 * -ENOENT: no home; -ENAMETOOLONG. */
int postmortem_state_dir(const char *chosen, char (*ret_path)[PATH_MAX]);

/* The directories with post-mortems that a reader looks in, whether they are there or not:
 * $MESHTALLY_STATE_DIR alone if set, else that of the user's server and that of the system's. */
size_t postmortem_dirs(char (*ret_paths)[PATH_MAX], size_t limit);

void postmortem_name(char (*ret_name)[POSTMORTEM_NAME], uint64_t unix_ms, int32_t pid,
                     uint64_t identity);

/* Adds what is in a directory. 0, also if it is not there, or a negative errno. */
int postmortem_list(struct postmortem_list *list, const char *dir);
void postmortem_list_finish(struct postmortem_list *list);

#endif
