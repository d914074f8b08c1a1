/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `run` says at the end: a failure first, then the peak and what made it, then what is left
 * and by whom, then faults. Pure: what was read goes in, text or JSON comes out.
 */
#ifndef MESHTALLY_CLI_RUN_SUMMARY_H
#define MESHTALLY_CLI_RUN_SUMMARY_H

#include "render.h"

struct run_result {
	const char *program;
	uint64_t run_id;
	int wait_status;
	double seconds;
	const struct scene *scene; /* of this run alone, with buffers */
	const struct leaks *leaks;
	const bool *kept;      /* by view: its segment stays */
	const char *keep_file; /* NULL: no --keep */
	const char *keep_note; /* what became of it */
	const char *silence;   /* no segment at all: why; else NULL */
};

int run_exit_status(int wait_status);
void run_summary_text(const struct run_result *result, size_t width, struct text *out);
json_t *run_summary_json(const struct run_result *result);

#endif
