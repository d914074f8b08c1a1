/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All totals of a reading, row by row, as far as a filter lets them through: by devices, kinds,
 * processes, tags and words (in tag or command). Costs a look at each row, whatever the number of
 * devices.
 */
#ifndef MESHTALLY_TUI_ROW_WALK_H
#define MESHTALLY_TUI_ROW_WALK_H

#include "ui.h"

/* Counted classes: on each of the devices so much. */
struct row_part {
	const struct machine_process *process;
	size_t number; /* of the process */
	uint32_t tag;  /* of its view; 0 where there is none */
	uint32_t kind; /* of the machine */
	uint64_t bytes, held, buffers;
	const uint32_t *rows; /* that are selected; of one kind of row a single one */
	uint32_t row_count;
	bool exact;
};

typedef void row_found(void *arg, const struct row_part *part);

void row_walk(const struct look *look, row_found *found, void *arg);

/* Likewise what was not given back, of the user's class alone: of spaces that a process has closed,
 * and all that one that has ended had. */
void row_walk_left(const struct look *look, row_found *found, void *arg);

#endif
