/* SPDX-License-Identifier: Apache-2.0 */
/* What the faults screen lists, the newest first, as the filter lets it through. */
#ifndef MESHTALLY_TUI_FAULT_LINES_H
#define MESHTALLY_TUI_FAULT_LINES_H

#include "ui.h"

/* One line: a fault, or a failed allocation that is not in the log, which has not room for all; or
 * what was found by comparing. */
struct fault_line {
	const struct machine_process *process;
	const struct view_fault *fault;
	const struct view_failure *failure;
	const struct finding *finding;
};

struct fault_lines {
	VEC(struct fault_line) lines;
	uint64_t counts[SEGMENT_FAULT_TYPES]; /* as filtered, but for the type that was chosen */
	uint64_t total;
	bool is_part; /* a filter leaves out some */
};

void fault_lines_make(struct fault_lines *lines, const struct look *look);
void fault_lines_finish(struct fault_lines *lines);
/* The same as long as it happens again. */
uint64_t fault_line_key(const struct fault_line *line);

/* Whether a fault of the log is about this failed allocation: what is kept of it is written down as
 * the next operation. */
bool fault_has_failure(const struct view_fault *fault, const struct view_failure *failure);

#endif
