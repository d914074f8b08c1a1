/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running programs that have the library in them and of which nothing is seen, with the reason:
 * for `doctor`, and for the monitor's empty screens. Looks at every process of the machine that may
 * be looked at: some 0.1 ms each.
 */
#ifndef MESHTALLY_REPORT_UNTRACKED_H
#define MESHTALLY_REPORT_UNTRACKED_H

#include "memory.h"
#include "scene.h"

#include <sys/types.h>

enum untracked_reason {
	UNTRACKED_UNLINKED,  /* writes to a segment whose file was removed */
	UNTRACKED_ELSEWHERE, /* writes to a directory that is not looked at */
	UNTRACKED_OFF,       /* MESHTALLY=0 */
	UNTRACKED_NOT_ON,
	UNTRACKED_NO_SEGMENT, /* on, but nothing written yet */
	UNTRACKED_LIMIT
};

struct untracked_program {
	pid_t pid;
	enum untracked_reason reason;
	char command[64]; /* any bytes */
};

struct untracked {
	VEC(struct untracked_program) programs;
	size_t hidden; /* processes that could not be looked at */
};

/* What the reason is, to go on after "process 12 (name) ", and what to do about it. */
extern const char *const untracked_words[UNTRACKED_LIMIT];
extern const char *const untracked_advice[UNTRACKED_LIMIT];

/* Those that are not in the scene. */
void untracked_find(struct untracked *untracked, const struct scene *scene);
void untracked_finish(struct untracked *untracked);

#endif
