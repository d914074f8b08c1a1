/* SPDX-License-Identifier: Apache-2.0 */
/* Shared among the files that write metrics, and nobody else. */
#ifndef MESHTALLY_SERVE_METRICS_INTERNAL_H
#define MESHTALLY_SERVE_METRICS_INTERNAL_H

#include "metrics.h"
#include "text.h"

/* What is on a device now, of one kind; parallel to totals->lines. */
struct metrics_line {
	struct machine_figure figure;
	char *labels; /* device="...",bus="...",ordinal="0",arch="...",kind="DRAM" */
};

struct metrics_process {
	char *labels; /* pid="4711",command="...",kind="DRAM" */
	uint64_t bytes, buffers;
};

struct metrics {
	const struct metrics_input *input;
	bool openmetrics;
	struct text *out;
	VEC(struct metrics_line) lines;
	VEC(struct metrics_process) processes;
	uint64_t by_state[8]; /* processes, by enum metrics_state */
	uint64_t leaked_bytes[VERDICT_LIMIT];
};

/* Looks through the scene (metrics_collect.c). */
void metrics_collect(struct metrics *m);
void metrics_finish(struct metrics *m);

/* Words of by_state; NULL after the last. */
extern const char *const metrics_states[];

/* name="value", with what cannot stand in quotes escaped. */
void metrics_label(struct text *out, const char *name, const char *foreign);

#endif
