/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why there is no segment of a program that `run` started, and what would bring its buffers: told
 * after a few seconds, and again at the end.
 */
#ifndef MESHTALLY_CLI_RUN_SILENCE_H
#define MESHTALLY_CLI_RUN_SILENCE_H

#include "probe.h"
#include "text.h"

struct run_silence {
	const char *program;       /* as it was started */
	pid_t pid;                 /* of the process that was started */
	bool opencl;               /* with --opencl */
	bool running;              /* the program still is */
	const struct probe *probe; /* what was found in it while it ran; NULL: not looked at */
};

void run_silence_explain(const struct run_silence *silence, struct text *out);

#endif
