/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verbs and the server look at: every segment that can be read (or those in a snapshot file)
 * and tt-metal's counters, put together, and the part of it that was asked for.
 */
#ifndef MESHTALLY_REPORT_SCENE_H
#define MESHTALLY_REPORT_SCENE_H

#include "machine.h"
#include "reader.h"
#include "selection.h"
#include "text.h"

enum { SCENE_MAX_DIRS = 256 };

struct scene_cache;

struct scene {
	VEC(struct segment_view *) views; /* a reference each */
	VEC(char *) paths; /* of the first views; none of those from a file or a cache */
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
	/* Post-mortems that servers have kept, too; of these pids (0: all). With VIEW_BUFFERS. */
	bool dead;
	const int32_t *dead_pids;
	size_t dead_pid_count;
	/* NULL none. Totals of what is running, without their paths. */
	struct scene_cache *cache;
	/* Put into the scene besides, but for those that are in it already: by their identity. */
	struct segment_view *const *views;
	size_t view_count;
};

/* Reads. On failure says what to do in `error` and returns a negative errno. */
int scene_read(struct scene *scene, const struct scene_request *request, struct text *error);

/* Takes the part of it that was asked for; names.pids is kept by reference. Errors as above. */
int scene_select(struct scene *scene, const struct selection_names *names, struct text *error);
void scene_close(struct scene *scene);

/* How long ago it did something last, at the moment of the scene; in a file, at that of its image.
 * UINT64_MAX unknown. */
uint64_t scene_age(const struct scene *scene, const struct segment_view *view);

/* Of a stale process: since when at the latest nothing is known of it; 0 not even that. */
uint64_t scene_stale_since(const struct scene *scene, const struct machine_process *process);

/* The uid that files of a directory must have; -1 any. */
uid_t scene_owner(const char *dir);

/* Selected processes of which only totals are known, from tt-metal's counters: what they did with
 * their buffers is not known. `dead`: with those that are gone. */
size_t scene_unknown(const struct scene *scene, bool dead);
/* Selected processes that have a segment. */
size_t scene_known(const struct scene *scene);

/* Whether a process is selected, itself and by one of its devices; `dead`: with those that are
 * gone. */
bool scene_shows(const struct scene *scene, const struct machine_process *process, bool dead);

/* The figure of a device, of the selected processes. False: nothing to show. */
bool scene_figure(const struct scene *scene, uint32_t row, uint32_t kind,
                  struct machine_figure *ret_figure);
/* Of a process, on the selected devices. */
bool scene_process_figure(const struct scene *scene, const struct machine_process *process,
                          uint32_t kind, struct machine_figure *ret_figure);

#endif
