/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running programs that have the library in them or use OpenCL, and of which nothing is seen, with
 * the reason: for `doctor`, and for the monitor's empty screens. Looks at every process of the
 * machine that may be looked at: some 0.1 ms each.
 */
#ifndef MESHTALLY_REPORT_UNTRACKED_H
#define MESHTALLY_REPORT_UNTRACKED_H

#include "memory.h"
#include "probe_opencl.h"
#include "scene.h"

#include <sys/types.h>

enum untracked_reason {
	UNTRACKED_UNLINKED,  /* writes to a segment whose file was removed */
	UNTRACKED_ELSEWHERE, /* writes to a directory that is not looked at */
	UNTRACKED_OFF,       /* MESHTALLY=0 */
	UNTRACKED_NOT_ON,
	UNTRACKED_NO_SEGMENT, /* on, but nothing written yet */
	UNTRACKED_LAYER_IDLE, /* has our OpenCL layer, but no segment */
	/* Without the library; as in probe_opencl.h. */
	UNTRACKED_OPENCL,
	UNTRACKED_NO_LOADER,
	UNTRACKED_LAYER_MISSING,
	UNTRACKED_OLD_LOADER,
	UNTRACKED_PRIVILEGED,
	UNTRACKED_NOT_LOADED,
	UNTRACKED_LIMIT
};

struct untracked_program {
	pid_t pid;
	enum untracked_reason reason;
	char command[64];            /* any bytes */
	char file[PROBE_PATH_BYTES]; /* that it is about, as the process sees it; any bytes, or ""
	                              */
};

struct untracked {
	VEC(struct untracked_program) programs; /* with the library */
	VEC(struct untracked_program) opencl;   /* without it, but they use OpenCL */
	size_t hidden;                          /* processes that could not be looked at */
};

/* What the reason is, to go on after "process 12 (name) ", and what to do about it. */
extern const char *const untracked_words[UNTRACKED_LIMIT];
extern const char *const untracked_advice[UNTRACKED_LIMIT];

/* Those that are not in the scene. */
void untracked_find(struct untracked *untracked, const struct scene *scene);
void untracked_finish(struct untracked *untracked);

#endif
