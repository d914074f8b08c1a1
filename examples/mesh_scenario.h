/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The story that mesh_allocation plays on the reference runtime, as a table of steps: what each
 * does, and what every device holds more or less after it, per kind and class. The table is written
 * once, from the definition of the story; the run and --expect both follow it.
 */
#ifndef EXAMPLES_MESH_SCENARIO_H
#define EXAMPLES_MESH_SCENARIO_H

#include "backend.h"
#include "graph_tracker.h"

#include <stdio.h>

struct scenario_options {
	const struct hooks_mode *hooks;
	const struct report_functions *reports; /* NULL: to meshtally's library */
	const struct backend *backend;
	const char *board;
	bool unique_ids;
	bool keep_queues;    /* the end of the command queues is not reported */
	bool no_clear_cache; /* the program cache is left as it is */
	bool leave_open;     /* ends without closing the mesh */
	bool oom, leak;
	bool pause; /* waits for Enter after each step */
	unsigned runs;
	int step_fd, ack_fd; /* -1: none */
};

/* The exit status: 0, 1 failed, 3 out of memory as --oom asks for. */
int scenario_run(const struct scenario_options *options);

/* The exact bytes after each step, as JSON. The exit status: 0 or 1. */
int scenario_expect(const struct scenario_options *options, FILE *out);

#endif
