/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of other pid namespaces (containers), by what they know of themselves. Looks through
 * all of /proc, which takes a while: not for the loop's thread.
 */
#ifndef MESHTALLY_SERVE_PROCESS_FIND_H
#define MESHTALLY_SERVE_PROCESS_FIND_H

#include "layout.h"

#include <stddef.h>

struct process_sought {
	struct segment_process as; /* as it names itself */
	int32_t pid;               /* as we do; 0: not found */
};

void process_find(struct process_sought *sought, size_t count);

#endif
