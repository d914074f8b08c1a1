/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `doctor` finds: a list of checks, each fine, worth knowing, or wrong with what to do.
 */
#ifndef MESHTALLY_CLI_CHECKUP_H
#define MESHTALLY_CLI_CHECKUP_H

#include "memory.h"
#include "scene.h"

enum check_state { CHECK_OK, CHECK_NOTE, CHECK_PROBLEM };

struct check {
	const char *about; /* one word: "directory", "space", ... */
	enum check_state state;
	char *text;   /* safe for a terminal */
	char *advice; /* NULL: none */
};

struct checkup {
	VEC(struct check) checks;
	size_t problems;
};

/* Formats; advice may be NULL. Foreign text must have been made safe. */
void checkup_add(struct checkup *checkup, const char *about, enum check_state state,
                 const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));
void checkup_finish(struct checkup *checkup);

/* The host: directories, space, limits, clock, environment. */
void checkup_host(struct checkup *checkup, const struct scene *scene);
/* Servers and post-mortems (checkup_server.c). */
void checkup_server(struct checkup *checkup, const struct scene *scene);
/* OpenCL: its loader, and our layer for it (checkup_opencl.c). */
void checkup_opencl(struct checkup *checkup);
/* The programs: those that are tracked, and those that could be. */
void checkup_programs(struct checkup *checkup, const struct scene *scene);

#endif
