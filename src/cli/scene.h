/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verb looks at: every segment that can be read (or those in a snapshot file) and
 * tt-metal's counters, put together, and the part of it that was asked for.
 */
#ifndef MESHTALLY_CLI_SCENE_H
#define MESHTALLY_CLI_SCENE_H

#include "machine.h"
#include "reader.h"
#include "selection.h"
#include "verb.h"

enum { SCENE_MAX_DIRS = 64 };

struct scene {
	VEC(struct segment_view *) views;
	VEC(char *) paths; /* of the views; none of those from a file */
	VEC(struct segment_reject) rejects;
	struct tt_counters counters;
	struct machine machine;
	struct selection selection;
	const char *from; /* NULL: what is running */
	char dirs[SCENE_MAX_DIRS][256];
	size_t dir_count;
	uint64_t now_ns; /* CLOCK_REALTIME of the reading */
};

struct scene_request {
	enum view_depth depth;
	const char *from;
	uint64_t run_id; /* nonzero: only segments of this run, and no counters */
	bool no_counters;
};

/* Reads. On failure says what to do in `error` and returns a negative errno. */
int scene_read(struct scene *scene, const struct scene_request *request, struct text *error);

/* Takes the filters of the options. Errors as above. */
int scene_select(struct scene *scene, const struct options *options, struct text *error);

/* Both, with errors said: 0 or an exit status. */
int scene_open(struct scene *scene, const struct options *options, enum view_depth depth);
void scene_close(struct scene *scene);

/* The uid that files of a directory must have; -1 any. */
uid_t scene_owner(const char *dir);

/* Whether there is nothing to show at all: then says what to type. */
bool scene_is_empty(const struct scene *scene);
void scene_empty_text(const struct scene *scene, struct text *out);

/* Selected processes of which only totals are known, from tt-metal's counters: what they did with
 * their buffers is not known. `dead`: with those that are gone. */
size_t scene_unknown(const struct scene *scene, bool dead);
/* Says so if there are any. */
void scene_unknown_text(const struct scene *scene, bool dead, size_t width, struct text *out);
/* Says `nothing` where nothing was found, or, where no process is known but by such totals, that
 * `what` is not known. */
void scene_nothing_text(const struct scene *scene, const char *what, const char *nothing,
                        size_t width, struct text *out);

#endif
